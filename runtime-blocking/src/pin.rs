//! Pins a thread to one processor.

use std::fmt;

use core_affinity::CoreId;

/// Pins the calling thread to one processor, given by the operating system's number, from 0.
///
/// Call it in a thread that reads with
/// [`Blocking::with_busy_poll`](crate::Blocking::with_busy_poll), before the stream is opened.
/// Threads that this thread starts later are pinned too.
///
/// # Errors
/// [`PinError`] if there is no such processor, if this thread may not use it, or if the operating
/// system cannot pin threads. macOS treats the call as a hint.
pub fn pin_thread(processor: usize) -> Result<(), PinError> {
    let wanted = CoreId { id: processor };
    // Checked first: the library does not check the number.
    let is_there = core_affinity::get_core_ids().is_some_and(|ids| ids.contains(&wanted));
    if is_there && core_affinity::set_for_current(wanted) { Ok(()) } else { Err(PinError { processor }) }
}

/// A thread could not be pinned to a processor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PinError {
    /// The requested processor.
    pub processor: usize,
}

impl fmt::Display for PinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { processor } = self;
        write!(
            f,
            "could not pin this thread to processor {processor}: use an existing one that this process may use"
        )
    }
}

impl std::error::Error for PinError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_a_missing_processor() {
        let error = pin_thread(100_000).unwrap_err();
        assert_eq!(error, PinError { processor: 100_000 });
        assert!(error.to_string().contains("100000"));
    }

    #[test]
    fn a_pinned_thread_stays_on_its_processor() {
        // In a thread, so that the pinning ends with it.
        std::thread::spawn(|| {
            // Not every system can pin threads.
            let Some(ids) = core_affinity::get_core_ids() else { return };
            let last = ids.last().unwrap().id;
            if pin_thread(last).is_ok() && cfg!(any(target_os = "linux", target_os = "android")) {
                assert_eq!(core_affinity::get_core_ids().unwrap(), [CoreId { id: last }]);
            }
        })
        .join()
        .unwrap();
    }
}
