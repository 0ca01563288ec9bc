//! What a stream may be put into.

use powerstream_smol::{MergedStream, Stream};

/// A stream can be handed from thread to thread and held in anything.
#[test]
fn streams_are_send_and_unpin() {
    fn check<T: Send + Unpin + 'static>() {}
    check::<Stream>();
    check::<MergedStream>();
}
