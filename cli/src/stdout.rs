//! Standard output: written without a buffer, and watched for its reader.

#[cfg(unix)]
use std::fs::File;
use std::io::{self, Write};
use std::time::Duration;

use crate::exit::{Exit, Failure, spawn};

/// Standard output. Each write is one system call, whose result says how many bytes the system took; std's own handle
/// would keep some back and count them as written.
#[derive(Debug)]
pub(crate) struct Stdout;

#[cfg(unix)]
impl Write for Stdout {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        use rustix::event::PollFlags;
        use rustix::io::Errno;

        loop {
            match rustix::io::write(io::stdout(), bytes) {
                // Another process that has the same pipe or terminal may have made it non-blocking.
                Err(Errno::AGAIN) => drop(poll(PollFlags::OUT, None)?),
                result => return Ok(result?),
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(not(unix))]
impl Write for Stdout {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        io::stdout().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stdout().flush()
    }
}

/// The bytes of one write to a file.
#[cfg(unix)]
const FILE_BYTES: usize = 65_536;

/// The bytes of one write to anything else: a pipe takes as many whole or not at all (PIPE_BUF of Linux).
const PIPE_BYTES: usize = 4_096;

/// The bytes of one write to standard output. A write to anything but a file may block: what it has taken by then should
/// be known.
#[cfg(unix)]
pub(crate) fn write_bytes() -> usize {
    use std::os::fd::AsFd;

    let metadata = io::stdout().as_fd().try_clone_to_owned().and_then(|file| File::from(file).metadata());
    if metadata.is_ok_and(|metadata| metadata.is_file()) { FILE_BYTES } else { PIPE_BYTES }
}

#[cfg(not(unix))]
pub(crate) fn write_bytes() -> usize {
    PIPE_BYTES
}

/// Waits until the reader of standard output has closed it, for `length` at most, and returns whether it has. A file
/// has no reader and is never closed. Where the system cannot say, only a write shows it.
#[cfg(unix)]
pub(crate) fn wait_closed(length: Duration) -> bool {
    use rustix::event::PollFlags;

    match poll(PollFlags::empty(), Some(length)) {
        Ok(found) => found.intersects(PollFlags::ERR | PollFlags::HUP),
        Err(_) => {
            std::thread::sleep(length);
            false
        }
    }
}

#[cfg(not(unix))]
pub(crate) fn wait_closed(length: Duration) -> bool {
    std::thread::sleep(length);
    false
}

/// Ends the process when the reader of standard output has closed it, for commands whose input may be quiet for long: no
/// write would show it meanwhile.
pub(crate) fn end_when_closed() -> Result<(), Failure> {
    spawn("watch", || {
        while !wait_closed(Duration::from_secs(3_600)) {}
        std::process::exit(Exit::Done as i32);
    })
}

/// Waits for one of these events, or for an error; returns what was found, nothing where a signal came or time is over.
#[cfg(unix)]
fn poll(events: rustix::event::PollFlags, length: Option<Duration>) -> io::Result<rustix::event::PollFlags> {
    use rustix::event::{PollFd, Timespec, poll};

    let length = length.and_then(|length| Timespec::try_from(length).ok());
    let stdout = io::stdout();
    let mut watched = [PollFd::new(&stdout, events)];
    match poll(&mut watched, length.as_ref()) {
        Ok(_) | Err(rustix::io::Errno::INTR) => Ok(watched[0].revents()),
        Err(error) => Err(error.into()),
    }
}
