//! The handle that ends a stream from another thread.

use powerstream_client::shutdown::ShutdownHandle;

use crate::border::{free, read};
use crate::status::ps_status;

/// Ends a stream or a rule client from any thread. Several threads may use it at the same time.
pub struct ps_shutdown(ShutdownHandle);

impl ps_shutdown {
    pub(crate) const fn new(handle: ShutdownHandle) -> Self {
        Self(handle)
    }
}

/// Ends the stream. A call that waits returns: first the messages that were already read, then
/// `PS_STATUS_END`. Any thread, but no signal handler. Calling it again has no effect.
///
/// Returns `PS_STATUS_OK`, or `PS_STATUS_NULL`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ps_shutdown_now(shutdown: *const ps_shutdown) -> ps_status {
    // SAFETY: the caller passes a live handle, which is shared only for reading.
    unsafe {
        read(shutdown, ps_status::Null, |shutdown| {
            shutdown.0.shutdown();
            ps_status::Ok
        })
    }
}

/// Frees the handle. The stream continues. Null is allowed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ps_shutdown_free(shutdown: *mut ps_shutdown) {
    // SAFETY: the caller gives the handle back.
    unsafe { free(shutdown) }
}
