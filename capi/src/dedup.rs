//! The dedup window alone.

use std::time::Duration;

use powerstream_core::dedup::{Insert, Window, WindowConfig};
use powerstream_core::stream::PostId;
use powerstream_core::time::Instant;

use crate::border::{Failure, Handle, LastError, free, give, guard, put, read, required, with};
use crate::status::ps_status;

/// A bounded window of Post ids that recognizes duplicates exactly.
pub struct ps_dedup {
    window: Window<Vec<u64>>,
    error: LastError,
}

impl Handle for ps_dedup {
    fn last_error(&mut self) -> &mut LastError {
        &mut self.error
    }
}

/// Creates a window of `posts` ids, 1 to 2^30; 0 is the default, 1,048,576. An id is also forgotten
/// at the age `age_max_ns`; 0 is no such limit. `seed` should be a number that an attacker does not
/// know. The window allocates its memory here, about 40 bytes for each id. Free it with
/// `ps_dedup_free`.
///
/// Returns `PS_STATUS_OK`, `PS_STATUS_NULL`, or `PS_STATUS_ARGUMENT`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ps_dedup_new(
    posts: usize,
    age_max_ns: u64,
    seed: u64,
    dedup: *mut *mut ps_dedup,
) -> ps_status {
    let mut config = WindowConfig::default();
    if posts > 0 {
        config.posts = posts;
    }
    config.age_max = (age_max_ns > 0).then(|| Duration::from_nanos(age_max_ns));
    config.seed = seed;
    // SAFETY: the caller passes a place for the handle.
    guard(|| unsafe {
        give(dedup, || {
            let window =
                Window::allocate(&config).map_err(|error| Failure::new(ps_status::Argument, error))?;
            Ok(ps_dedup { window, error: LastError::default() })
        })
    })
}

/// Frees a window. Null is allowed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ps_dedup_free(dedup: *mut ps_dedup) {
    // SAFETY: the caller gives the handle back.
    unsafe { free(dedup) }
}

/// Inserts an id. `is_new` gets true if it was not in the window; it is a duplicate otherwise.
///
/// Returns `PS_STATUS_OK`, or `PS_STATUS_NULL`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ps_dedup_insert(
    dedup: *mut ps_dedup,
    post_id: u64,
    now_ns: u64,
    is_new: *mut bool,
) -> ps_status {
    // SAFETY: the caller passes a live handle and a place for the result.
    unsafe {
        with(dedup, |dedup| {
            required(is_new)?;
            let found = dedup.window.insert(PostId::new(post_id), Instant::from_nanos(now_ns), 0);
            put(is_new, found == Insert::New);
            Ok(ps_status::Ok)
        })
    }
}

/// Returns true if the id is in the window. False for a null handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ps_dedup_contains(dedup: *const ps_dedup, post_id: u64, now_ns: u64) -> bool {
    let (id, now) = (PostId::new(post_id), Instant::from_nanos(now_ns));
    // SAFETY: the caller passes a live handle.
    unsafe { read(dedup, false, |dedup| dedup.window.contains(id, now)) }
}
