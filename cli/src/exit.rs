//! How the tool ends: its exit codes, and what it says on standard error.

use std::process::ExitCode;
use std::{io, thread};

use crate::log;
use crate::system::explained;

/// The exit codes, for scripts to rely on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
#[allow(dead_code, reason = "the whole contract in one place, also what clap itself gives")]
pub(crate) enum Exit {
    /// What was asked for is done. A reader of the output that has had enough (`| head`) counts as that.
    Done = 0,
    /// It failed.
    Failed = 1,
    /// The command line is not allowed. Mostly given by clap.
    Usage = 2,
    /// The input ended early.
    Incomplete = 3,
    /// The token is missing or refused.
    NotAuthorised = 4,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Why a subcommand could not go on, with the code to end with.
#[derive(Debug)]
pub(crate) struct Failure {
    exit: Exit,
    /// What was wrong, where, and what to do: one line. `None`: nobody is left to be told.
    message: Option<String>,
}

impl Failure {
    /// A failure to be told as `powerstream: message`. The stranger's text in it must be escaped already.
    pub(crate) fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: Some(message.into()) }
    }

    /// A failure to write to standard output. A closed pipe is how readers say that they have enough, not an error.
    pub(crate) fn output(error: &io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Self { exit: Exit::Done, message: None };
        }
        Self::new(Exit::Failed, format!("cannot write to standard output: {}", explained(error)))
    }

    /// Tells it, and returns the code to end with.
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

/// Starts a thread that is not waited for: the process may end before it does.
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
