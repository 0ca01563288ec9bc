//! The session: the protocol without I/O.

use std::ffi::{c_char, c_void};
use std::net::SocketAddr;

use powerstream_client::net::transport_error;
use powerstream_core::session::{ScannedSessionEvent, Session, SessionEvent, Step};
use powerstream_core::time::{Instant, UnixTime};
use powerstream_core::transport_error::{TlsError, TransportError, TransportErrorKind};

use crate::border::{
    Failure, Handle, LastError, Outcome, bytes, free, give, infallible, last_error, ps_bytes, put, read,
    text, with,
};
use crate::config::ps_config;
use crate::event::{EventCell, ps_event};
use crate::status::ps_status;
use crate::tls::ps_tls;

/// One stream that reconnects by itself. It does no I/O: the caller performs its steps.
///
/// Times are nanoseconds of the caller's monotonic clock, whose start does not matter. Unix times
/// are milliseconds.
pub struct ps_session {
    session: Session<Vec<u8>>,
    event: Box<EventCell>,
    error: LastError,
}

impl Handle for ps_session {
    fn last_error(&mut self) -> &mut LastError {
        &mut self.error
    }
}

/// What a session asks for.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ps_step_kind {
    /// The handle is null.
    None = 0,
    /// Resolve the host, check the address by `ps_config_allows`, connect, and complete the TLS
    /// handshake. Then call `ps_session_set_wall_clock` and `ps_session_connected`. If it fails,
    /// call `ps_session_os_error`, `ps_session_tls_error` or `ps_session_transport_error`. At
    /// the deadline, call `ps_session_timeout`.
    Connect = 1,
    /// Send `ps_session_transmit`, and call `ps_session_written`.
    Write = 2,
    /// Read, and call `ps_session_decode` until it returns `PS_STATUS_AGAIN`. Call
    /// `ps_session_backlog` if the read filled its buffer.
    ///
    /// Read before you look at the clock. If there is no input and the deadline has passed, call
    /// `ps_session_timeout`. If there is no input before it, call `ps_session_resume`, and wait.
    Read = 3,
    /// Wait until the deadline, then call `ps_session_timeout`.
    Sleep = 4,
    /// Close the connection, open or in progress, and call `ps_session_closed`.
    Close = 5,
    /// An event is pending: call `ps_session_decode`, without input if there is none.
    Event = 6,
    /// The session has ended.
    Done = 7,
}

/// The next step of a session.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct ps_step {
    /// What to do.
    pub kind: ps_step_kind,
    /// The deadline of a connect, write or read, or the end of a sleep; 0 for other steps.
    pub deadline_ns: u64,
}

/// Failures of a transport. `ps_session_transport_error` takes the numbers up to 8; an event may
/// have any.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ps_transport_error {
    /// Any failure; the error number identifies it.
    Other = 0,
    /// The host's name could not be resolved.
    Resolve = 1,
    /// The name resolved to no address.
    NoAddress = 2,
    /// The name resolved only to addresses that `ps_config_allows` forbids.
    NotAllowed = 3,
    /// The peer refused the connection.
    Refused = 4,
    /// The host could not be reached.
    Unreachable = 5,
    /// The peer reset the connection.
    Reset = 6,
    /// The operating system's timeout expired.
    TimedOut = 7,
    /// The TLS handshake did not complete before the deadline of the connect, although TCP was
    /// connected.
    HandshakeTimedOut = 8,
    /// TLS failed in another way: see the text of the event.
    Tls = 9,
    /// The proxy refused or failed.
    Proxy = 10,
    /// This machine refused: the local address, a firewall, or a limit of sockets or memory.
    Local = 11,
}

impl From<TransportErrorKind> for ps_transport_error {
    fn from(kind: TransportErrorKind) -> Self {
        match kind {
            TransportErrorKind::Resolve => Self::Resolve,
            TransportErrorKind::NoAddress => Self::NoAddress,
            TransportErrorKind::NotLoopback => Self::NotAllowed,
            TransportErrorKind::Refused => Self::Refused,
            TransportErrorKind::Unreachable | TransportErrorKind::NetworkUnreachable => Self::Unreachable,
            TransportErrorKind::Reset => Self::Reset,
            TransportErrorKind::TimedOut => Self::TimedOut,
            TransportErrorKind::Tls(TlsError::HandshakeTimedOut) => Self::HandshakeTimedOut,
            TransportErrorKind::Tls(_) => Self::Tls,
            TransportErrorKind::ProxyAuthentication
            | TransportErrorKind::ProxyForbidden
            | TransportErrorKind::ProxyUnavailable(_)
            | TransportErrorKind::ProxyRefused(_)
            | TransportErrorKind::ProxyAnswer
            | TransportErrorKind::ProxyLeftover
            | TransportErrorKind::ProxyClosed
            | TransportErrorKind::ProxyTimedOut => Self::Proxy,
            TransportErrorKind::LocalAddress
            | TransportErrorKind::LocalAddressUnavailable
            | TransportErrorKind::Denied
            | TransportErrorKind::FileLimit
            | TransportErrorKind::SystemFileLimit
            | TransportErrorKind::NoMemory => Self::Local,
            _ => Self::Other,
        }
    }
}

/// Creates a session that connects at its first steps. `now_ns` and `unix_ms` are the same moment
/// on both clocks. Allocates all memory that the session needs. Free it with `ps_session_free`.
///
/// If the configuration has a checkpoint, the session continues there: its first stream reports the
/// gap since.
///
/// Returns `PS_STATUS_OK`, `PS_STATUS_NULL`, `PS_STATUS_CONFIG`, or `PS_STATUS_CHECKPOINT`.
/// `ps_config_last_error` has the text.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ps_session_new(
    config: *mut ps_config,
    now_ns: u64,
    unix_ms: u64,
    session: *mut *mut ps_session,
) -> ps_status {
    // SAFETY: the caller passes a live handle and a place for the new one.
    unsafe {
        with(config, |config| {
            give(session, || {
                let seed = config.seed()?;
                let covered_until =
                    config.checkpoint()?.and_then(|checkpoint| checkpoint.position.earliest());
                let now = Instant::from_nanos(now_ns);
                let settings = config.build()?.session();
                // Zeroed memory: the kernel provides a page only once a message reaches it.
                let storage = vec![0; settings.storage_bytes()];
                let mut session = Session::new(storage, &settings, seed, now, UnixTime::from_millis(unix_ms))
                    .map_err(|error| Failure::new(ps_status::Config, error))?;
                if let Some(covered_until) = covered_until {
                    session.resume_from(covered_until, now);
                }
                Ok(ps_session { session, event: EventCell::new(), error: LastError::default() })
            })
        })
    }
}

/// Frees a session, in any state. The token in its memory is wiped. Null is allowed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ps_session_free(session: *mut ps_session) {
    // SAFETY: the caller gives the handle back.
    unsafe { free(session) }
}

/// Returns what the last failed call met. Valid until the next call.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ps_session_last_error(session: *mut ps_session) -> ps_bytes {
    // SAFETY: the caller passes a live handle.
    unsafe { last_error(session) }
}

/// Returns the next step. Asking again changes nothing. `PS_STEP_KIND_NONE` for null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ps_session_poll(session: *const ps_session) -> ps_step {
    let none = ps_step { kind: ps_step_kind::None, deadline_ns: 0 };
    // SAFETY: the caller passes a live handle.
    unsafe {
        read(session, none, |session| {
            let (kind, until) = match session.session.poll() {
                Step::Connect { until } => (ps_step_kind::Connect, until),
                Step::Write { until } => (ps_step_kind::Write, until),
                Step::Read { until } => (ps_step_kind::Read, until),
                Step::Sleep { until } => (ps_step_kind::Sleep, until),
                Step::Close => (ps_step_kind::Close, Instant::ZERO),
                Step::Event => (ps_step_kind::Event, Instant::ZERO),
                Step::Done => (ps_step_kind::Done, Instant::ZERO),
            };
            ps_step { kind, deadline_ns: until.as_nanos() }
        })
    }
}

/// Returns the request's unsent bytes; empty in other steps than `PS_STEP_KIND_WRITE`. They contain
/// the token: never log them. Valid until the next call that changes the session.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ps_session_transmit(session: *const ps_session) -> ps_bytes {
    // SAFETY: the caller passes a live handle.
    unsafe { read(session, ps_bytes::EMPTY, |session| ps_bytes::new(session.session.transmit())) }
}

/// Finds the next event in `input`, which was read at `now_ns`, and lends it.
///
/// `consumed` gets the number of bytes used. Call again with the rest of the input, and the same
/// `now_ns`, until the result is `PS_STATUS_AGAIN`; then all input is consumed. Without input, pass
/// null and 0. Call nothing else of the session between these calls, except getters and
/// `ps_session_shutdown`.
///
/// The event, and everything it points to, is valid until the next call that changes the session. A
/// message that lies in one piece of `input` is lent from there without a copy, so keep `input`
/// unchanged as long as you use the event. Nothing is allocated for a message.
///
/// Returns `PS_STATUS_OK` with an event, `PS_STATUS_AGAIN` with null in `event`, or
/// `PS_STATUS_NULL`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ps_session_decode(
    session: *mut ps_session,
    input: *const c_void,
    len: usize,
    now_ns: u64,
    consumed: *mut usize,
    event: *mut *const ps_event,
) -> ps_status {
    // SAFETY: the caller passes a live handle, `len` readable bytes, and places for the results.
    unsafe {
        with(session, |session| {
            let input = bytes(input, len)?;
            if consumed.is_null() || event.is_null() {
                return Err(ps_status::Null.into());
            }
            // The event is used where `scan` stored it, because copies of it would cost most of
            // the time of this call.
            let ps_session { session, event: cell, .. } = session;
            let (used, found) = &session.scan(input, Instant::from_nanos(now_ns));
            put(consumed, *used);
            let Some(found) = found else {
                put(event, std::ptr::null());
                return Ok(ps_status::Again);
            };
            match (found, session.lend(found, input)) {
                (ScannedSessionEvent::Message { class, .. }, SessionEvent::Message(message)) => {
                    cell.message(message.bytes, class, message.origin);
                }
                (_, event) => cell.other(&event),
            }
            put(event, cell.event());
            Ok(ps_status::Ok)
        })
    }
}

/// Reports that the transport is connected; over TLS, that the handshake is complete.
///
/// Returns `PS_STATUS_OK`, or `PS_STATUS_NULL`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ps_session_connected(session: *mut ps_session, now_ns: u64) -> ps_status {
    // SAFETY: the caller passes a live handle.
    unsafe { infallible(session, |session| session.session.handle_connected(Instant::from_nanos(now_ns))) }
}

/// Reports that `count` bytes of `ps_session_transmit` were sent.
///
/// Returns `PS_STATUS_OK`, `PS_STATUS_NULL`, or `PS_STATUS_ARGUMENT` if there were fewer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ps_session_written(
    session: *mut ps_session,
    count: usize,
    now_ns: u64,
) -> ps_status {
    // SAFETY: the caller passes a live handle.
    unsafe {
        with(session, |session| {
            if count > session.session.transmit().len() {
                return Err(ps_status::Argument.into());
            }
            session.session.handle_written(count, Instant::from_nanos(now_ns));
            Ok(ps_status::Ok)
        })
    }
}

/// Reports that the read at `now_ns` filled its buffer, or that more input waits: see
/// `ps_tls_has_backlog`. Without this call, gaps may be reported too short.
///
/// Returns `PS_STATUS_OK`, or `PS_STATUS_NULL`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ps_session_backlog(session: *mut ps_session, now_ns: u64) -> ps_status {
    // SAFETY: the caller passes a live handle.
    unsafe { infallible(session, |session| session.session.handle_backlog(Instant::from_nanos(now_ns))) }
}

/// Reports that the program waits for input again. The time since the last input was spent on its
/// events, so it does not count toward the timeouts.
///
/// Returns `PS_STATUS_OK`, or `PS_STATUS_NULL`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ps_session_resume(session: *mut ps_session, now_ns: u64) -> ps_status {
    // SAFETY: the caller passes a live handle.
    unsafe { infallible(session, |session| session.session.handle_resume(Instant::from_nanos(now_ns))) }
}

/// Reports that the peer closed the transport, after all input was decoded.
///
/// Returns `PS_STATUS_OK`, or `PS_STATUS_NULL`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ps_session_eof(session: *mut ps_session, now_ns: u64) -> ps_status {
    // SAFETY: the caller passes a live handle.
    unsafe { infallible(session, |session| session.session.handle_eof(Instant::from_nanos(now_ns))) }
}

/// Reports that a system call on the socket failed with this error number (`errno`).
///
/// Returns `PS_STATUS_OK`, or `PS_STATUS_NULL`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ps_session_os_error(
    session: *mut ps_session,
    os_error: i32,
    now_ns: u64,
) -> ps_status {
    let error = transport_error(&std::io::Error::from_raw_os_error(os_error));
    // SAFETY: the caller passes a live handle.
    unsafe { infallible(session, |session| fail(session, error, now_ns)) }
}

/// Reports that TLS failed, or that a system call failed during TLS. The failure is that of `tls`,
/// or else `os_error`, which may be 0. Call it before you free `tls`.
///
/// Returns `PS_STATUS_OK`, `PS_STATUS_NULL`, or `PS_STATUS_STATE` if neither has failed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ps_session_tls_error(
    session: *mut ps_session,
    tls: *const ps_tls,
    os_error: i32,
    now_ns: u64,
) -> ps_status {
    // SAFETY: the caller passes two live handles.
    unsafe {
        with(session, |session| {
            let Some(tls) = tls.as_ref() else { return Err(ps_status::Null.into()) };
            let mut error = transport_error(&std::io::Error::from_raw_os_error(os_error));
            match tls.fault() {
                Some(fault) => error = fault,
                None if os_error == 0 => return Err(ps_status::State.into()),
                // Middleboxes and servers refuse connections with a reset.
                None if error.kind == TransportErrorKind::Reset && tls.is_handshaking() => {
                    error.kind = TransportErrorKind::Tls(TlsError::HandshakeReset);
                }
                None => {}
            }
            fail(session, error, now_ns);
            Ok(ps_status::Ok)
        })
    }
}

/// Reports that the transport failed: a `ps_transport_error`, with the operating system's error
/// number, or 0.
///
/// Returns `PS_STATUS_OK`, `PS_STATUS_NULL`, or `PS_STATUS_ARGUMENT`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ps_session_transport_error(
    session: *mut ps_session,
    error: u32,
    os_error: i32,
    now_ns: u64,
) -> ps_status {
    // SAFETY: the caller passes a live handle.
    unsafe {
        with(session, |session| {
            let kind = transport_error_kind(error)?;
            let os_code = (os_error != 0).then_some(os_error);
            fail(session, TransportError::with_os_code(kind, os_code), now_ns);
            Ok(ps_status::Ok)
        })
    }
}

/// Returns the kind of a [`ps_transport_error`].
pub(crate) fn transport_error_kind(error: u32) -> Result<TransportErrorKind, ps_status> {
    Ok(match error {
        0 => TransportErrorKind::Other,
        1 => TransportErrorKind::Resolve,
        2 => TransportErrorKind::NoAddress,
        3 => TransportErrorKind::NotLoopback,
        4 => TransportErrorKind::Refused,
        5 => TransportErrorKind::Unreachable,
        6 => TransportErrorKind::Reset,
        7 => TransportErrorKind::TimedOut,
        8 => TransportErrorKind::Tls(TlsError::HandshakeTimedOut),
        _ => return Err(ps_status::Argument),
    })
}

/// Parses the address of a peer; empty is none.
pub(crate) fn address(text: &str) -> Outcome<Option<SocketAddr>> {
    if text.is_empty() {
        return Ok(None);
    }
    text.parse().map(Some).map_err(|error| Failure::new(ps_status::Argument, error))
}

fn fail(session: &mut ps_session, error: TransportError, now_ns: u64) {
    session.session.handle_transport_error(error, Instant::from_nanos(now_ns));
}

/// Reports the time. Does nothing before the deadline of the step.
///
/// Returns `PS_STATUS_OK`, or `PS_STATUS_NULL`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ps_session_timeout(session: *mut ps_session, now_ns: u64) -> ps_status {
    // SAFETY: the caller passes a live handle.
    unsafe { infallible(session, |session| session.session.handle_timeout(Instant::from_nanos(now_ns))) }
}

/// Reports that the transport is closed.
///
/// Returns `PS_STATUS_OK`, or `PS_STATUS_NULL`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ps_session_closed(session: *mut ps_session, now_ns: u64) -> ps_status {
    // SAFETY: the caller passes a live handle.
    unsafe { infallible(session, |session| session.session.handle_closed(Instant::from_nanos(now_ns))) }
}

/// Sets the wall clock: it reads `unix_ms` at `now_ns`. Call it at each connect. Read `now_ns`
/// first.
///
/// Returns `PS_STATUS_OK`, or `PS_STATUS_NULL`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ps_session_set_wall_clock(
    session: *mut ps_session,
    now_ns: u64,
    unix_ms: u64,
) -> ps_status {
    let (now, unix) = (Instant::from_nanos(now_ns), UnixTime::from_millis(unix_ms));
    // SAFETY: the caller passes a live handle.
    unsafe { infallible(session, |session| session.session.set_wall_clock(now, unix)) }
}

/// Sets the address that the transport connected to or tried, such as `192.0.2.1:443`, for later
/// events. Optional; empty for none. Call it before `ps_session_connected` and `ps_session_closed`.
///
/// Returns `PS_STATUS_OK`, `PS_STATUS_NULL`, `PS_STATUS_UTF8`, or `PS_STATUS_ARGUMENT`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ps_session_set_peer_address(
    session: *mut ps_session,
    address: *const c_char,
    len: usize,
) -> ps_status {
    // SAFETY: the caller passes a live handle and `len` readable bytes.
    unsafe {
        with(session, |session| {
            let address = self::address(text(address, len)?)?;
            session.session.set_peer_addr(address);
            Ok(ps_status::Ok)
        })
    }
}

/// Ends the session: closes the connection and does not reconnect. Pending events are still
/// delivered. Perform the steps until `PS_STEP_KIND_DONE`, or free the session.
///
/// Returns `PS_STATUS_OK`, or `PS_STATUS_NULL`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ps_session_shutdown(session: *mut ps_session) -> ps_status {
    // SAFETY: the caller passes a live handle.
    unsafe { infallible(session, |session| session.session.shutdown()) }
}

/// Returns true from the head of a stream until its connection is closed. False for null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ps_session_is_streaming(session: *const ps_session) -> bool {
    // SAFETY: the caller passes a live handle.
    unsafe { read(session, false, |session| session.session.is_streaming()) }
}

/// Returns the time before which every Post created has been delivered, or reported as missing, in
/// Unix milliseconds of the server's clock. It is what a checkpoint stores.
///
/// Returns `PS_STATUS_OK`, `PS_STATUS_NULL`, or `PS_STATUS_ABSENT` before the first stream.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ps_session_covered_until(
    session: *const ps_session,
    covered_until_ms: *mut u64,
) -> ps_status {
    // SAFETY: the caller passes a live handle and a place for the result.
    unsafe {
        read(session, ps_status::Null, |session| match session.session.covered_until() {
            _ if covered_until_ms.is_null() => ps_status::Null,
            Some(covered_until) => {
                put(covered_until_ms, covered_until.as_millis());
                ps_status::Ok
            }
            None => ps_status::Absent,
        })
    }
}

/// Returns the number of bytes received on the current connection. 0 for null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ps_session_bytes_received(session: *const ps_session) -> u64 {
    // SAFETY: the caller passes a live handle.
    unsafe { read(session, 0, |session| session.session.byte_counts().received) }
}
