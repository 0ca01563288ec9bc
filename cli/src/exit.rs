//! Exit codes and error messages.

use std::process::ExitCode;
use std::{io, thread};

use crate::log;
use crate::system::explained;

/// The exit codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
#[allow(dead_code, reason = "the whole contract in one place, also what clap itself gives")]
pub(crate) enum Exit {
    /// Success. Also used if the reader of the output closed it (`| head`).
    Done = 0,
    /// Failure.
    Failed = 1,
    /// Wrong usage. Mostly reported by clap.
    Usage = 2,
    /// The input ended early.
    Incomplete = 3,
    /// The token is missing or was refused.
    NotAuthorized = 4,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Why a subcommand failed, and its exit code.
#[derive(Debug)]
pub(crate) struct Failure {
    exit: Exit,
    /// One line: what was wrong, where, and what to do. `None` prints nothing.
    message: Option<String>,
}

impl Failure {
    /// Creates a failure that is printed as `powerstream: message`. Received text in it must be
    /// escaped already.
    pub(crate) fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: Some(message.into()) }
    }

    /// Creates the failure of a write to standard output. A closed pipe is not an error.
    pub(crate) fn output(error: &io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Self { exit: Exit::Done, message: None };
        }
        Self::new(Exit::Failed, format!("cannot write to standard output: {}", explained(error)))
    }

    /// Prints the failure, and returns its exit code.
    pub(crate) fn report(self) -> Exit {
        if let Some(message) = &self.message {
            complain(message);
        }
        self.exit
    }
}

/// Writes one line to standard error.
pub(crate) fn complain(message: &str) {
    log::write(format!("powerstream: {message}\n").into_bytes());
}

/// Starts a thread. The process may end before it.
pub(crate) fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> Result<(), Failure> {
    match thread::Builder::new().name(String::from(name)).spawn(run) {
        Ok(_) => Ok(()),
        Err(error) => {
            Err(Failure::new(Exit::Failed, format!("cannot start a thread: {}", explained(&error))))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_quietly_on_a_closed_pipe_and_fails_on_a_full_disk() {
        let closed = Failure::output(&io::ErrorKind::BrokenPipe.into());
        assert_eq!((closed.exit, closed.message), (Exit::Done, None));
        let full = Failure::output(&io::ErrorKind::StorageFull.into());
        assert_eq!(full.exit, Exit::Failed);
        assert!(full.message.is_some());
    }
}
