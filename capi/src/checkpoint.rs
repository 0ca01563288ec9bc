//! Checkpoints: the position in a stream, as bytes that outlive the process.

use std::ffi::c_void;

use powerstream_core::checkpoint::{Checkpoint, Contents};
use powerstream_core::merge::ReplicaGroup;
use powerstream_core::stream::PostId;
use powerstream_core::time::UnixTime;

use crate::border::{put, slice, slice_mut, with};
use crate::config::ps_config;
use crate::status::ps_status;

/// Writes a checkpoint of a session to the caller's buffer. The stream is that of the
/// configuration. `covered_until_ms` is that of `ps_session_covered_until`. `post_ids` are the
/// Posts delivered last, the newest first; those that do not fit are left out.
///
/// `written` gets the number of bytes. A buffer of 64 + 10 × `count` bytes always fits.
/// `ps_config_set_checkpoint` takes the bytes. A stream of the client level has
/// `ps_stream_checkpoint`.
///
/// Returns `PS_STATUS_OK`, `PS_STATUS_NULL`, `PS_STATUS_CONFIG`, or `PS_STATUS_SPACE` if the buffer
/// has less than 64 bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ps_checkpoint_write(
    config: *mut ps_config,
    covered_until_ms: u64,
    taken_at_ms: u64,
    post_ids: *const u64,
    count: usize,
    buffer: *mut c_void,
    len: usize,
    written: *mut usize,
) -> ps_status {
    // SAFETY: the caller passes a live handle, `count` ids, `len` writable bytes, and a place for
    // the result.
    unsafe {
        with(config, |config| {
            if written.is_null() {
                return Err(ps_status::Null.into());
            }
            let stream = config.key()?;
            let ids = slice(post_ids, count)?.iter().copied().map(PostId::new);
            let buffer = slice_mut::<u8>(buffer.cast(), len)?;
            if buffer.len() < BUFFER_MIN {
                return Err(ps_status::Space.into());
            }
            let [covered, taken_at] = [covered_until_ms, taken_at_ms].map(UnixTime::from_millis);
            // A session is one group.
            let covered_until = [(ReplicaGroup::default(), covered)];
            let contents = Contents { stream, taken_at, month_posts: 0, covered_until, missing: [], ids };
            put(written, Checkpoint::encode(contents, buffer).len());
            Ok(ps_status::Ok)
        })
    }
}

/// The shortest buffer, in bytes.
const BUFFER_MIN: usize = 64;

const _: () = assert!(Checkpoint::buffer_bytes(1, 0, 0) <= BUFFER_MIN);
