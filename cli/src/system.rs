//! Advice on failures of the operating system.

use std::fs::File;
use std::io;

use powerstream_client::net::transport_error;
use powerstream_core::transport_error::TransportErrorKind;

use crate::exit::{Exit, Failure};

/// Returns the text of an error, with the limit or setting that it is about.
pub(crate) fn explained(error: &io::Error) -> String {
    match advice(error) {
        Some(advice) => format!("{error}: {advice}"),
        None => error.to_string(),
    }
}

/// The number of files that a command opens besides connections: for signals, timers and polling.
const FILES: usize = 16;

/// Fails if so few files may be opened that tokio or smol would panic.
pub(crate) fn check_open_files() -> Result<(), Failure> {
    let path = if cfg!(windows) { "NUL" } else { "/dev/null" };
    // All are open at the same time, and closed here.
    let files = (0..FILES).map(|_| File::open(path)).collect::<io::Result<Vec<_>>>();
    match files {
        Err(error) if is_limit(&error) => {
            let text =
                format!("cannot open the {FILES} files that this command needs: {}", explained(&error));
            Err(Failure::new(Exit::Failed, text))
        }
        _ => Ok(()),
    }
}

/// Returns true if the error is about a limit of the process or the system, not about a file.
pub(crate) fn is_limit(error: &io::Error) -> bool {
    use TransportErrorKind::{FileLimit, NoMemory, SystemFileLimit};
    matches!(transport_error(error).kind, FileLimit | NoMemory | SystemFileLimit)
}

fn advice(error: &io::Error) -> Option<String> {
    if is_limit(error) {
        return Some(transport_error(error).kind.to_string());
    }
    let advice = match error.kind() {
        io::ErrorKind::PermissionDenied => {
            "check the owner and mode of the file and of the directories above it"
        }
        io::ErrorKind::ReadOnlyFilesystem => "the file system is mounted read-only",
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "free some space",
        io::ErrorKind::AddrInUse => "another process listens there; choose another port, or 0 for a free one",
        io::ErrorKind::AddrNotAvailable => "it is not an address of this machine",
        _ => return None,
    };
    Some(String::from(advice))
}

/// Returns advice on the system failure that caused an error, to be appended to its text.
pub(crate) fn advice_behind(error: &(dyn std::error::Error + 'static)) -> String {
    let errors = std::iter::successors(Some(error), |error| error.source());
    let advice = errors.filter_map(|error| error.downcast_ref()).find_map(advice);
    advice.map_or_else(String::new, |advice| format!("; {advice}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn names_the_limit_and_what_to_do() {
        for (code, words) in [
            (24, "ulimit -n"),
            (23, "system has reached its limit of open files"),
            (13, "check the owner and mode"),
            (30, "mounted"),
            (28, "free some space"),
        ] {
            let error = io::Error::from_raw_os_error(code);
            let shown = explained(&error);
            assert!(shown.contains(words) && shown.contains(&format!("os error {code}")), "{shown}");
        }
        let plain = io::Error::from_raw_os_error(2);
        assert_eq!(explained(&plain), plain.to_string());
    }
}
