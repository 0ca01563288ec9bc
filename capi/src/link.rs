//! A session with its TLS and its read buffer, without I/O: the caller moves the bytes of a socket.
//!
//! The core's driver and the TLS layer perform the session's steps, as in the Rust clients, on an
//! [`Io`] that lies in memory: [`Wire`].

use std::cell::RefCell;
use std::ffi::c_char;
use std::net::SocketAddr;
use std::task::{Context, Poll, Waker};

use powerstream_client::net::transport_error;
use powerstream_core::driver::{Driver, Io};
use powerstream_core::http::Scheme;
use powerstream_core::read_buffer::READ_BYTES;
use powerstream_core::session::Step;
use powerstream_core::time::{Instant, UnixTime};
use powerstream_core::transport_error::TransportError;
use powerstream_tls::MaybeTls;

use crate::border::{
    Failure, Handle, LastError, free, give, infallible, last_error, ps_buffer, ps_bytes, put, read, text,
    with,
};
use crate::config::ps_config;
use crate::event::{EventCell, ps_event};
use crate::session::{address, ps_step, ps_step_kind, transport_error_kind};
use crate::status::ps_status;

/// One stream with its TLS, for an event loop: `ps_session` and `ps_tls` in one. The caller
/// connects sockets and moves bytes.
///
/// 1. Call `ps_link_next` until it returns `PS_STATUS_AGAIN`, and use its events.
/// 2. Send `ps_link_transmit`, if it is not empty, and report it by `ps_link_transmitted`.
/// 3. Perform `ps_link_step`, and begin again when the socket is ready or its deadline has passed.
///    - `PS_STEP_KIND_CONNECT`: resolve the host, check the address by `ps_config_allows`, and
///      connect. Then call `ps_link_connected`.
///    - `PS_STEP_KIND_READ`: receive into `ps_link_read_buffer`, and call `ps_link_received` or
///      `ps_link_eof`. If there is no input, wait.
///    - `PS_STEP_KIND_SLEEP`: wait.
///    - `PS_STEP_KIND_CLOSE`: close the socket, open or in progress, and call `ps_link_closed`.
///
/// A failed system call is reported by `ps_link_os_error`. The plaintext is copied once into the
/// read buffer, and messages are lent from there.
pub struct ps_link {
    driver: Driver<Vec<u8>, Vec<u8>, MaybeTls<Wire>>,
    event: Box<EventCell>,
    error: LastError,
    /// The session is to end when the received bytes are used up.
    is_stopping: bool,
}

impl Handle for ps_link {
    fn last_error(&mut self) -> &mut LastError {
        &mut self.error
    }
}

/// The socket, as far as the caller has reported it. It lies in a cell, because the driver owns it.
#[derive(Debug)]
struct Wire(RefCell<Socket>);

#[derive(Debug)]
struct Socket {
    /// The time of the last call, and the pair of clocks.
    now: Instant,
    clock: (Instant, UnixTime),
    peer: Option<SocketAddr>,
    is_connected: bool,
    is_closed: bool,
    is_at_end: bool,
    failure: Option<TransportError>,
    /// The received bytes are `incoming[start..end]`.
    incoming: Vec<u8>,
    start: usize,
    end: usize,
    /// The last receive filled its room.
    is_filled: bool,
    /// The unsent bytes are `outgoing[sent..]`.
    outgoing: Vec<u8>,
    sent: usize,
    /// What the driver waits for.
    step: ps_step,
}

impl Socket {
    /// Remembers what the driver waits for. Returns `Ready` with `None` at the deadline.
    fn wait<T>(&mut self, kind: ps_step_kind, until: Instant) -> Poll<Result<Option<T>, TransportError>> {
        if self.now >= until {
            return Poll::Ready(Ok(None));
        }
        self.step = ps_step { kind, deadline_ns: until.as_nanos() };
        Poll::Pending
    }
}

impl Io for Wire {
    fn now(&self) -> Instant {
        self.0.borrow().now
    }

    fn unix_now(&self) -> UnixTime {
        let socket = self.0.borrow();
        let (at, unix) = socket.clock;
        unix.saturating_add(socket.now.saturating_since(at))
    }

    fn has_backlog(&self) -> bool {
        let socket = self.0.borrow();
        socket.start < socket.end || socket.is_filled
    }

    fn peer_addr(&self) -> Option<SocketAddr> {
        self.0.borrow().peer
    }

    fn poll_connect(
        &mut self,
        _: &mut Context<'_>,
        until: Instant,
    ) -> Poll<Result<Option<()>, TransportError>> {
        let socket = self.0.get_mut();
        match socket.failure.take() {
            Some(failure) => Poll::Ready(Err(failure)),
            None if socket.is_connected => Poll::Ready(Ok(Some(()))),
            None => socket.wait(ps_step_kind::Connect, until),
        }
    }

    /// Accepts everything: the request is all that is ever sent, apart from TLS.
    fn poll_write(
        &mut self,
        _: &mut Context<'_>,
        bytes: &[u8],
        _: Instant,
    ) -> Poll<Result<Option<usize>, TransportError>> {
        let socket = self.0.get_mut();
        match socket.failure.take() {
            Some(failure) => Poll::Ready(Err(failure)),
            None => {
                socket.outgoing.extend_from_slice(bytes);
                Poll::Ready(Ok(Some(bytes.len())))
            }
        }
    }

    fn poll_read(
        &mut self,
        _: &mut Context<'_>,
        buffer: &mut [u8],
        until: Instant,
    ) -> Poll<Result<Option<usize>, TransportError>> {
        let socket = self.0.get_mut();
        let received = &socket.incoming[socket.start..socket.end];
        if !received.is_empty() {
            let count = received.len().min(buffer.len());
            buffer[..count].copy_from_slice(&received[..count]);
            socket.start += count;
            return Poll::Ready(Ok(Some(count)));
        }
        match socket.failure.take() {
            Some(failure) => Poll::Ready(Err(failure)),
            None if socket.is_at_end => Poll::Ready(Ok(Some(0))),
            None => socket.wait(ps_step_kind::Read, until),
        }
    }

    fn poll_sleep(&mut self, _: &mut Context<'_>, until: Instant) -> Poll<()> {
        self.0.get_mut().wait::<()>(ps_step_kind::Sleep, until).map(|_| ())
    }

    fn poll_close(&mut self, _: &mut Context<'_>) -> Poll<()> {
        let socket = self.0.get_mut();
        if !socket.is_closed {
            socket.step = ps_step { kind: ps_step_kind::Close, deadline_ns: 0 };
            return Poll::Pending;
        }
        (socket.is_connected, socket.is_closed, socket.is_at_end) = (false, false, false);
        (socket.start, socket.end, socket.is_filled, socket.failure) = (0, 0, false, None);
        socket.outgoing.fill(0);
        socket.outgoing.clear();
        socket.sent = 0;
        Poll::Ready(())
    }
}

impl ps_link {
    /// Changes the socket, at `now_ns` on the caller's clock.
    fn at(&mut self, now_ns: u64, change: impl FnOnce(&mut Socket)) {
        let mut socket = self.driver.io().inner().0.borrow_mut();
        socket.now = Instant::from_nanos(now_ns);
        change(&mut socket);
    }
}

/// Creates a link that connects at its first steps. `now_ns` and `unix_ms` are the same moment on
/// both clocks. The configuration is used as by `ps_session_new` and `ps_tls_new`. Free it with
/// `ps_link_free`.
///
/// Returns `PS_STATUS_OK`, `PS_STATUS_NULL`, `PS_STATUS_CONFIG`, `PS_STATUS_CHECKPOINT`, or
/// `PS_STATUS_TLS`. `ps_config_last_error` has the text.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ps_link_new(
    config: *mut ps_config,
    now_ns: u64,
    unix_ms: u64,
    link: *mut *mut ps_link,
) -> ps_status {
    // SAFETY: the caller passes a live handle and a place for the new one.
    unsafe {
        with(config, |config| {
            give(link, || {
                let (now, unix) = (Instant::from_nanos(now_ns), UnixTime::from_millis(unix_ms));
                let is_tls = config.build()?.origin().scheme() == Scheme::Https;
                let connector = if is_tls { Some(config.connector()?) } else { None };
                let seed = config.seed()?;
                let covered_until = config.checkpoint()?.and_then(|found| found.position.earliest());
                let buffered = config
                    .build()?
                    .open(seed, now, unix)
                    .map_err(|error| Failure::new(ps_status::Config, error))?;
                let wire = Wire(RefCell::new(Socket {
                    now,
                    clock: (now, unix),
                    peer: None,
                    is_connected: false,
                    is_closed: false,
                    is_at_end: false,
                    failure: None,
                    incoming: vec![0; READ_BYTES],
                    start: 0,
                    end: 0,
                    is_filled: false,
                    // Long enough for a request, so that no other copy of the token is left in
                    // memory.
                    outgoing: Vec::with_capacity(READ_BYTES),
                    sent: 0,
                    step: ps_step { kind: ps_step_kind::Event, deadline_ns: 0 },
                }));
                let mut driver = Driver::new(buffered, MaybeTls::new(wire, connector));
                if let Some(covered_until) = covered_until {
                    driver.resume_from(covered_until);
                }
                Ok(ps_link {
                    driver,
                    event: EventCell::new(),
                    error: LastError::default(),
                    is_stopping: false,
                })
            })
        })
    }
}

/// Frees a link, in any state. Close the socket yourself. Null is allowed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ps_link_free(link: *mut ps_link) {
    // SAFETY: the caller gives the handle back.
    unsafe { free(link) }
}

/// Returns what the last failed call met. Valid until the next call.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ps_link_last_error(link: *mut ps_link) -> ps_bytes {
    // SAFETY: the caller passes a live handle.
    unsafe { last_error(link) }
}

/// Returns the next event. It and everything it points to are valid until the next call that
/// changes the link. On a plain connection, nothing is allocated for a message.
///
/// Returns `PS_STATUS_OK` with an event, `PS_STATUS_AGAIN` when the socket is to be served, see
/// `ps_link_step`, `PS_STATUS_END` when the session has ended, or `PS_STATUS_NULL`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ps_link_next(
    link: *mut ps_link,
    now_ns: u64,
    event: *mut *const ps_event,
) -> ps_status {
    // SAFETY: the caller passes a live handle and a place for the result.
    unsafe {
        with(link, |link| {
            if event.is_null() {
                return Err(ps_status::Null.into());
            }
            put(event, std::ptr::null());
            // An event that is read already needs no clock.
            if !link.driver.find_next() {
                link.at(now_ns, |socket| {
                    socket.step = ps_step { kind: ps_step_kind::Event, deadline_ns: 0 };
                });
            }
            let cx = &mut Context::from_waker(Waker::noop());
            if link.is_stopping && link.driver.poll_event(cx).is_pending() {
                link.is_stopping = false;
                link.driver.shutdown();
            }
            match link.driver.poll_next(cx) {
                Poll::Pending => Ok(ps_status::Again),
                Poll::Ready(Some(found)) => {
                    link.event.session(found);
                    put(event, link.event.event());
                    Ok(ps_status::Ok)
                }
                Poll::Ready(None) => {
                    link.at(now_ns, |socket| {
                        socket.step = ps_step { kind: ps_step_kind::Done, deadline_ns: 0 };
                    });
                    Ok(ps_status::End)
                }
            }
        })
    }
}

/// Returns what to do after `ps_link_next` returned `PS_STATUS_AGAIN`: connect, read, sleep or
/// close, with the deadline by which `ps_link_next` must be called again, whatever happens.
/// `PS_STEP_KIND_EVENT` means that `ps_link_next` is due, `PS_STEP_KIND_NONE` that the handle is
/// null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ps_link_step(link: *const ps_link) -> ps_step {
    let none = ps_step { kind: ps_step_kind::None, deadline_ns: 0 };
    // SAFETY: the caller passes a live handle.
    unsafe { read(link, none, |link| link.driver.io().inner().0.borrow().step) }
}

/// Reports that the socket is connected. The TLS handshake follows by itself. `now_ns` and
/// `unix_ms` are the same moment on both clocks.
///
/// Returns `PS_STATUS_OK`, or `PS_STATUS_NULL`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ps_link_connected(link: *mut ps_link, now_ns: u64, unix_ms: u64) -> ps_status {
    // SAFETY: the caller passes a live handle.
    unsafe {
        infallible(link, |link| {
            link.at(now_ns, |socket| {
                socket.is_connected = true;
                socket.clock = (socket.now, UnixTime::from_millis(unix_ms));
            });
        })
    }
}

/// Returns the bytes to send; empty if there are none. Valid until the next call that changes the
/// link. They may contain the token: never log them.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ps_link_transmit(link: *const ps_link) -> ps_bytes {
    // SAFETY: the caller passes a live handle.
    unsafe {
        read(link, ps_bytes::EMPTY, |link| {
            let socket = link.driver.io().inner().0.borrow();
            ps_bytes::new(&socket.outgoing[socket.sent..])
        })
    }
}

/// Reports that the first `count` bytes of `ps_link_transmit` were sent.
///
/// Returns `PS_STATUS_OK`, `PS_STATUS_NULL`, or `PS_STATUS_ARGUMENT` if there were fewer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ps_link_transmitted(link: *mut ps_link, count: usize) -> ps_status {
    // SAFETY: the caller passes a live handle.
    unsafe {
        with(link, |link| {
            let mut socket = link.driver.io().inner().0.borrow_mut();
            let end = socket.sent.checked_add(count).filter(|end| *end <= socket.outgoing.len());
            let end = end.ok_or(ps_status::Argument)?;
            // The bytes contain the token, so they are not kept.
            let sent = socket.sent;
            socket.outgoing[sent..end].fill(0);
            socket.sent = end;
            if end == socket.outgoing.len() {
                socket.outgoing.clear();
                socket.sent = 0;
            }
            Ok(ps_status::Ok)
        })
    }
}

/// Returns the buffer to receive into. Valid until the next call that changes the link. Empty if
/// bytes of the last receive are unread: call `ps_link_next` first.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ps_link_read_buffer(link: *mut ps_link) -> ps_buffer {
    let mut buffer = ps_buffer::EMPTY;
    let lend = |link: &mut ps_link| {
        let mut socket = link.driver.io().inner().0.borrow_mut();
        if socket.start == socket.end {
            buffer = ps_buffer::new(&mut socket.incoming);
        }
    };
    // SAFETY: the caller passes a live handle. A failure leaves the buffer empty.
    unsafe { infallible(link, lend) };
    buffer
}

/// Reports that `count` bytes were received into `ps_link_read_buffer` at `now_ns`.
///
/// Returns `PS_STATUS_OK`, `PS_STATUS_NULL`, `PS_STATUS_ARGUMENT` if the buffer is shorter, or
/// `PS_STATUS_STATE` if bytes of the last receive are unread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ps_link_received(link: *mut ps_link, count: usize, now_ns: u64) -> ps_status {
    // SAFETY: the caller passes a live handle.
    unsafe {
        with(link, |link| {
            let mut outcome = Ok(ps_status::Ok);
            link.at(now_ns, |socket| {
                if count > socket.incoming.len() {
                    outcome = Err(ps_status::Argument.into());
                } else if socket.start < socket.end {
                    outcome = Err(ps_status::State.into());
                } else {
                    (socket.start, socket.end) = (0, count);
                    socket.is_filled = count == socket.incoming.len();
                }
            });
            outcome
        })
    }
}

/// Reports that the peer closed the connection.
///
/// Returns `PS_STATUS_OK`, or `PS_STATUS_NULL`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ps_link_eof(link: *mut ps_link, now_ns: u64) -> ps_status {
    // SAFETY: the caller passes a live handle.
    unsafe { infallible(link, |link| link.at(now_ns, |socket| socket.is_at_end = true)) }
}

/// Reports that a system call on the socket failed with this error number (`errno`).
///
/// Returns `PS_STATUS_OK`, or `PS_STATUS_NULL`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ps_link_os_error(link: *mut ps_link, os_error: i32, now_ns: u64) -> ps_status {
    let failure = transport_error(&std::io::Error::from_raw_os_error(os_error));
    // SAFETY: the caller passes a live handle.
    unsafe { infallible(link, |link| link.at(now_ns, |socket| socket.failure = Some(failure))) }
}

/// Reports that the transport failed: a `ps_transport_error`, with the operating system's error
/// number, or 0.
///
/// Returns `PS_STATUS_OK`, `PS_STATUS_NULL`, or `PS_STATUS_ARGUMENT`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ps_link_transport_error(
    link: *mut ps_link,
    error: u32,
    os_error: i32,
    now_ns: u64,
) -> ps_status {
    // SAFETY: the caller passes a live handle.
    unsafe {
        with(link, |link| {
            let kind = transport_error_kind(error)?;
            let failure = TransportError::with_os_code(kind, (os_error != 0).then_some(os_error));
            link.at(now_ns, |socket| socket.failure = Some(failure));
            Ok(ps_status::Ok)
        })
    }
}

/// Reports that the socket is closed.
///
/// Returns `PS_STATUS_OK`, or `PS_STATUS_NULL`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ps_link_closed(link: *mut ps_link, now_ns: u64) -> ps_status {
    // SAFETY: the caller passes a live handle.
    unsafe { infallible(link, |link| link.at(now_ns, |socket| socket.is_closed = true)) }
}

/// Sets the address of the connection, as `ps_session_set_peer_address`.
///
/// Returns `PS_STATUS_OK`, `PS_STATUS_NULL`, `PS_STATUS_UTF8`, or `PS_STATUS_ARGUMENT`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ps_link_set_peer_address(
    link: *mut ps_link,
    address: *const c_char,
    len: usize,
) -> ps_status {
    // SAFETY: the caller passes a live handle and `len` readable bytes.
    unsafe {
        with(link, |link| {
            let peer = self::address(text(address, len)?)?;
            link.driver.io().inner().0.borrow_mut().peer = peer;
            Ok(ps_status::Ok)
        })
    }
}

/// Ends the session: continue until `ps_link_next` returns `PS_STATUS_END`, or free the link.
/// The messages in the bytes that were received are still delivered.
///
/// Returns `PS_STATUS_OK`, or `PS_STATUS_NULL`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ps_link_shutdown(link: *mut ps_link) -> ps_status {
    let shut_down = |link: &mut ps_link| {
        // Only a stream's bytes are used up. Those of a handshake would lead to the request.
        let is_streaming = matches!(link.driver.buffered().poll(), Step::Read { .. } | Step::Event);
        if is_streaming && link.driver.io().has_backlog() {
            link.is_stopping = true;
        } else {
            link.driver.shutdown();
        }
    };
    // SAFETY: the caller passes a live handle.
    unsafe { infallible(link, shut_down) }
}

/// Returns the time before which every Post created has been delivered, as
/// `ps_session_covered_until`.
///
/// Returns `PS_STATUS_OK`, `PS_STATUS_NULL`, or `PS_STATUS_ABSENT` before the first stream.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ps_link_covered_until(
    link: *const ps_link,
    covered_until_ms: *mut u64,
) -> ps_status {
    // SAFETY: the caller passes a live handle and a place for the result.
    unsafe {
        read(link, ps_status::Null, |link| match link.driver.buffered().session().covered_until() {
            _ if covered_until_ms.is_null() => ps_status::Null,
            Some(covered_until) => {
                put(covered_until_ms, covered_until.as_millis());
                ps_status::Ok
            }
            None => ps_status::Absent,
        })
    }
}
