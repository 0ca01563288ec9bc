//! Keeping a thread on one processor.

use std::fmt;

use core_affinity::CoreId;

/// Keeps the calling thread on the processor with this number, as the operating system counts them, from 0. For a thread
/// that reads with [`Client::with_busy_poll`](crate::Client::with_busy_poll): call it there first.
/// Threads that it starts from then on are kept there too.
///
/// # Errors
/// [`PinError`] where there is no such processor for this thread, or the system does not let threads be kept (macOS takes
/// it as a hint).
pub fn pin_thread(processor: usize) -> Result<(), PinError> {
    let wanted = CoreId { id: processor };
    // Asked for first, since the library takes a number that is out of range at its word.
    let is_there = core_affinity::get_core_ids().is_some_and(|ids| ids.contains(&wanted));
    if is_there && core_affinity::set_for_current(wanted) { Ok(()) } else { Err(PinError { processor }) }
}

/// A thread could not be kept on a processor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PinError {
    /// The processor asked for.
    pub processor: usize,
}

impl fmt::Display for PinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { processor } = self;
        write!(
            f,
            "this thread cannot be kept on processor {processor}: is there one, and may this process use it?"
        )
    }
}

impl std::error::Error for PinError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_processor_that_there_is_not_is_told() {
        let error = pin_thread(100_000).unwrap_err();
        assert_eq!(error, PinError { processor: 100_000 });
        assert!(error.to_string().contains("100000"));
    }

    #[test]
    fn a_thread_stays_where_it_is_put() {
        // On a thread of its own, which takes its place with it.
        std::thread::spawn(|| {
            // Where the system has no such thing there is nothing to see.
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
