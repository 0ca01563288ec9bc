//! The reconnection schedules alone.

use powerstream_core::backoff::{Backoff, FailureClass};
use powerstream_core::time::Instant;

use crate::border::{Handle, LastError, free, give, infallible, put, required, with};
use crate::config::ps_config;
use crate::status::ps_status;

/// The failure classes; each has a schedule.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ps_failure_class {
    /// TCP, DNS, timeouts, incomplete TLS handshakes: from 250 ms, linear, to 16 s.
    Network = 0,
    /// HTTP and certificate errors: from 5 s, doubled, to 320 s.
    Http = 1,
    /// Status 429: from 60 s, doubled, to 900 s.
    RateLimit = 2,
}

/// The waits before reconnects, with jitter.
pub struct ps_backoff {
    backoff: Backoff,
    error: LastError,
}

impl Handle for ps_backoff {
    fn last_error(&mut self) -> &mut LastError {
        &mut self.error
    }
}

pub(crate) fn failure_class(class: u32) -> Result<FailureClass, ps_status> {
    match class {
        0 => Ok(FailureClass::Network),
        1 => Ok(FailureClass::Http),
        2 => Ok(FailureClass::RateLimit),
        _ => Err(ps_status::Argument),
    }
}

/// Creates the schedules of a configuration, at their start. The same seed gives the same jitter.
/// Free them with `ps_backoff_free`.
///
/// Returns `PS_STATUS_OK`, `PS_STATUS_NULL`, or `PS_STATUS_CONFIG` if the configuration is invalid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ps_backoff_new(
    config: *mut ps_config,
    seed: u64,
    backoff: *mut *mut ps_backoff,
) -> ps_status {
    // SAFETY: the caller passes a live handle and a place for the new one.
    unsafe {
        with(config, |config| {
            let schedules = config.build()?.session().backoff;
            give(backoff, || {
                Ok(ps_backoff { backoff: Backoff::new(schedules, seed), error: LastError::default() })
            })
        })
    }
}

/// Frees the schedules. Null is allowed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ps_backoff_free(backoff: *mut ps_backoff) {
    // SAFETY: the caller gives the handle back.
    unsafe { free(backoff) }
}

/// Counts a failure of a `ps_failure_class`, and returns the wait in `delay_ns`. `at_ceiling` gets
/// true once the schedule has reached its ceiling; it may be null.
///
/// Returns `PS_STATUS_OK`, `PS_STATUS_NULL`, or `PS_STATUS_ARGUMENT` for an unknown class.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ps_backoff_next(
    backoff: *mut ps_backoff,
    failure_class: u32,
    delay_ns: *mut u64,
    at_ceiling: *mut bool,
) -> ps_status {
    // SAFETY: the caller passes a live handle and places for the results.
    unsafe {
        with(backoff, |backoff| {
            required(delay_ns)?;
            let delay = backoff.backoff.next(self::failure_class(failure_class)?);
            put(delay_ns, Instant::ZERO.saturating_add(delay.length).as_nanos());
            put(at_ceiling, delay.at_ceiling);
            Ok(ps_status::Ok)
        })
    }
}

/// Resets all schedules. Call it after a healthy stream.
///
/// Returns `PS_STATUS_OK`, or `PS_STATUS_NULL`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ps_backoff_reset(backoff: *mut ps_backoff) -> ps_status {
    // SAFETY: the caller passes a live handle.
    unsafe { infallible(backoff, |backoff| backoff.backoff.reset()) }
}
