//! Standard output: unbuffered writes, and detection of a reader that closed it.

#[cfg(unix)]
use std::fs::File;
use std::io::{self, Write};
use std::time::Duration;

use crate::exit::{Exit, Failure, spawn};

/// Standard output. Each write is one system call, whose result is the number of bytes that the
/// system took. std's handle would buffer some of them.
#[derive(Debug)]
pub(crate) struct Stdout;

#[cfg(unix)]
impl Write for Stdout {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        use rustix::event::PollFlags;
        use rustix::io::Errno;

        loop {
            match rustix::io::write(io::stdout(), bytes) {
                // Another process with the same pipe or terminal may have made it non-blocking.
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

/// The bytes per write to a file.
#[cfg(unix)]
const FILE_BYTES: usize = 65_536;

/// The bytes per write to anything else. A pipe takes this many as a whole or not at all (PIPE_BUF
/// of Linux).
const PIPE_BYTES: usize = 4_096;

/// Returns the bytes per write to standard output. A write to anything but a file may block, and
/// the number of bytes written must stay known.
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

/// Waits until the reader of standard output has closed it, for `length` at most. Returns true if
/// it has. A file has no reader. On systems without poll(2), only a write detects this.
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

/// Exits when the reader of standard output has closed it. For commands whose input may pause for a
/// long time, during which no write would detect this.
pub(crate) fn end_when_closed() -> Result<(), Failure> {
    spawn("watch", || {
        while !wait_closed(Duration::from_secs(3_600)) {}
        std::process::exit(Exit::Done as i32);
    })
}

/// Waits for one of these events or an error. Returns the events found; none after a signal or the
/// timeout.
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
