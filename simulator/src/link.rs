//! A client's socket, shared by the three threads that use it.
//!
//! The connection's own thread writes, and waits for what is due. The watcher thread only reads, so
//! that a client that leaves is noticed immediately. It also prevents unread input from turning a
//! close into a reset. The third thread shuts the simulator down. Each of them wakes the writer
//! from a wait or from a blocked write.
//!
//! With TLS, the first two threads share the TLS state ([`Layer`]). Only the connection's own
//! thread sends.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::clock::Notify;
use crate::ground_truth::End;
use crate::tls::Layer;

/// How long a closed connection waits for the client's close.
const LINGER: Duration = Duration::from_secs(1);

/// A `write()` that takes longer than this is blocked by the client.
const HELD_UP_AFTER: Duration = Duration::from_millis(100);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Status {
    Open,
    /// The client closed the connection.
    Gone,
    /// The client or its network reset the connection.
    Lost,
    /// The datacenter was killed, and this side resets the connection.
    Killed,
    /// The simulator shuts down.
    Stopped,
    /// The client has fallen too far behind.
    Behind,
    /// This side is about to reset the connection.
    Resetting,
}

#[derive(Debug)]
pub(crate) struct Link {
    stream: TcpStream,
    tls: Option<Layer>,
    status: Mutex<Status>,
    made: Instant,
    /// When the current `write()` started, in milliseconds since `made`, plus one. 0 outside of a
    /// write.
    writing: AtomicU64,
    /// A scenario pauses the connection.
    paused: AtomicBool,
    /// Wakes the connection's thread, because the status changed or there is work.
    notify: Arc<Notify>,
}

impl Link {
    pub(crate) fn new(stream: TcpStream, tls: Option<Layer>, notify: Arc<Notify>) -> Self {
        // Otherwise a small message would wait for the acknowledgment of the previous one. A
        // failure is harmless.
        let _ = stream.set_nodelay(true);
        let (status, made) = (Mutex::new(Status::Open), Instant::now());
        Self { stream, tls, status, made, writing: AtomicU64::new(0), paused: AtomicBool::new(false), notify }
    }

    pub(crate) fn status(&self) -> Status {
        *self.lock()
    }

    /// Returns how the simulator itself ended the connection, if it did.
    pub(crate) fn ended_here(&self) -> Option<End> {
        match self.status() {
            Status::Stopped => Some(End::Shutdown),
            Status::Killed => Some(End::Killed),
            _ => None,
        }
    }

    /// Returns true during a TLS handshake.
    pub(crate) fn is_handshaking(&self) -> bool {
        self.tls.as_ref().is_some_and(Layer::is_handshaking)
    }

    /// Reads once, until the deadline. Completes the TLS handshake first. Returns 0 at the end.
    /// Only before [`Link::watch`].
    pub(crate) fn read(&self, buffer: &mut [u8], until: Instant) -> io::Result<usize> {
        let Some(tls) = &self.tls else { return self.read_socket(buffer, until) };
        let mut received = [0; 4_096];
        loop {
            if let Some(len) = tls.read(buffer)? {
                return Ok(len);
            }
            let len = self.read_socket(&mut received, until)?;
            if len == 0 {
                return Ok(0);
            }
            let result = tls.receive(&received[..len]);
            // Sends the alert to the client.
            let sent = (&self.stream).write_all(&tls.output());
            result.and(sent)?;
        }
    }

    fn read_socket(&self, buffer: &mut [u8], until: Instant) -> io::Result<usize> {
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(io::ErrorKind::TimedOut.into());
            }
            self.stream.set_read_timeout(Some(left))?;
            match (&self.stream).read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => return result,
            }
        }
    }

    /// Writes once. Returns the number of bytes that the socket accepted, at least one.
    pub(crate) fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        self.writing.store(self.made.elapsed().as_millis() as u64 + 1, Ordering::SeqCst);
        self.notify.writes(true);
        let result = self.write_unmarked(bytes);
        self.notify.writes(false);
        self.writing.store(0, Ordering::SeqCst);
        if result.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::ConnectionReset) {
            // A socket reports a reset only once, so the watcher sees only an end.
            let mut status = self.lock();
            if matches!(*status, Status::Open | Status::Gone) {
                *status = Status::Lost;
            }
        }
        result
    }

    fn write_unmarked(&self, bytes: &[u8]) -> io::Result<usize> {
        if let Some(tls) = &self.tls {
            let (len, records) = tls.encrypt(bytes)?;
            return (&self.stream).write_all(&records).map(|()| len);
        }
        loop {
            match (&self.stream).write(bytes) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => return result,
            }
        }
    }

    /// Waits until the deadline, the end of the connection, or a wake-up.
    pub(crate) fn wait(&self, until: Option<Instant>) -> Status {
        let status = self.status();
        if status == Status::Open {
            self.notify.wait(until);
            return self.status();
        }
        status
    }

    /// Waits for the end of the connection, until the deadline. Wake-ups do not end the wait.
    pub(crate) fn wait_for_end(&self, until: Option<Instant>) -> Status {
        loop {
            let status = self.wait(until);
            if status != Status::Open || until.is_some_and(|until| self.notify.clock().now() >= until) {
                return status;
            }
        }
    }

    /// Returns what wakes the connection's thread.
    pub(crate) fn notify(&self) -> &Arc<Notify> {
        &self.notify
    }

    /// Starts the watcher.
    pub(crate) fn watch(self: &Arc<Self>) -> io::Result<thread::JoinHandle<()>> {
        self.stream.set_read_timeout(None)?;
        let link = self.clone();
        thread::Builder::new().name("simulator-watch".to_owned()).stack_size(64 << 10).spawn(move || {
            let mut discarded = [0; 1_024];
            loop {
                match (&link.stream).read(&mut discarded) {
                    Ok(0) => break link.leave(Status::Gone),
                    Ok(len) if link.tls.as_ref().is_some_and(|tls| tls.discard(&discarded[..len])) => {
                        break link.leave(Status::Gone);
                    }
                    Err(error) if error.kind() != io::ErrorKind::Interrupted => {
                        break link.leave(Status::Lost);
                    }
                    _ => {}
                }
            }
        })
    }

    /// Ends a write that the client blocks, because the client has fallen too far behind.
    pub(crate) fn fall_behind(&self) {
        if self.writing.load(Ordering::SeqCst) > 0 {
            self.leave(Status::Behind);
        }
    }

    /// Returns true if the client does not read or a scenario pauses the connection, so that its
    /// thread cannot continue. Returns false if the machine is just busy.
    pub(crate) fn is_held_up(&self) -> bool {
        if self.paused.load(Ordering::SeqCst) || self.status() != Status::Open {
            return true;
        }
        let since = match self.writing.load(Ordering::SeqCst) {
            0 => return false,
            since => Duration::from_millis(since - 1),
        };
        self.notify.clock().is_virtual() || self.made.elapsed().saturating_sub(since) >= HELD_UP_AFTER
    }

    /// Sets whether a scenario pauses the connection.
    pub(crate) fn set_paused(&self, paused: bool) {
        self.paused.store(paused, Ordering::SeqCst);
    }

    /// Ends the connection for the shutdown, and unblocks its threads.
    pub(crate) fn stop(&self) {
        self.leave(Status::Stopped);
    }

    /// Marks the connection for a reset, which happens when its threads have released it.
    pub(crate) fn kill(&self) {
        let mut status = self.lock();
        if *status == Status::Open {
            *status = Status::Killed;
        }
        let _ = socket2::SockRef::from(&self.stream).set_linger(Some(Duration::ZERO));
        drop(status);
        self.notify.wake();
        // Shutting down reads wakes the watcher. A blocked writer needs both; its FIN is queued
        // after the unread data and is discarded with it.
        let writing = self.writing.load(Ordering::SeqCst) > 0;
        let _ = self.stream.shutdown(if writing { Shutdown::Both } else { Shutdown::Read });
    }

    fn leave(&self, status: Status) {
        let mut current = self.lock();
        if *current == Status::Open {
            *current = status;
        }
        let resetting = matches!(*current, Status::Resetting | Status::Killed);
        drop(current);
        self.notify.wake();
        if !resetting {
            // Wakes a blocked read or write. After a reset this is not needed, and would send a FIN
            // first.
            let _ = self.stream.shutdown(Shutdown::Both);
        }
    }

    /// Closes properly: sends FIN, then waits up to [`LINGER`] for the client to read the rest and
    /// close.
    pub(crate) fn finish(&self) {
        self.half_close();
        let until = Instant::now() + LINGER;
        while self.status() == Status::Open {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            self.notify.wait_at_most(left);
        }
        let _ = self.stream.shutdown(Shutdown::Both);
    }

    /// Closes the sending side, and continues reading.
    pub(crate) fn half_close(&self) {
        if let Some(tls) = &self.tls {
            // A client that does not read cannot block this thread.
            let _ = self.stream.set_write_timeout(Some(LINGER));
            let _ = (&self.stream).write_all(&tls.close());
        }
        let _ = self.stream.shutdown(Shutdown::Write);
    }

    /// Prepares a reset (RST), and wakes the watcher. The reset is sent when the last handle is
    /// dropped.
    pub(crate) fn prepare_reset(&self) {
        let mut status = self.lock();
        if *status == Status::Open {
            *status = Status::Resetting;
            let _ = socket2::SockRef::from(&self.stream).set_linger(Some(Duration::ZERO));
        }
        drop(status);
        let _ = self.stream.shutdown(Shutdown::Read);
    }

    /// Stops the watcher.
    pub(crate) fn end_reads(&self) {
        let _ = self.stream.shutdown(Shutdown::Read);
    }

    fn lock(&self) -> MutexGuard<'_, Status> {
        self.status.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
