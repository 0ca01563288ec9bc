//! TCP: the order and timeouts of connection attempts, sockets on each runtime, proxy tunnels.

pub mod dial;
mod resolve;
pub mod tcp;
pub mod tunnel;

use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpStream};

use powerstream_core::transport_error::{TransportError, TransportErrorKind};
use socket2::{Domain, Protocol, Socket, Type};

/// Converts a socket error of the operating system to a transport error.
///
/// Do not use it for errors of the resolver: the caller must supply their kind.
#[must_use]
pub fn transport_error(error: &io::Error) -> TransportError {
    let kind = limit(error).unwrap_or_else(|| match error.kind() {
        ErrorKind::ConnectionRefused => TransportErrorKind::Refused,
        ErrorKind::HostUnreachable => TransportErrorKind::Unreachable,
        ErrorKind::NetworkUnreachable => TransportErrorKind::NetworkUnreachable,
        ErrorKind::PermissionDenied => TransportErrorKind::Denied,
        ErrorKind::AddrNotAvailable => TransportErrorKind::LocalAddressUnavailable,
        ErrorKind::OutOfMemory => TransportErrorKind::NoMemory,
        ErrorKind::TimedOut => TransportErrorKind::TimedOut,
        ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted | ErrorKind::BrokenPipe => {
            TransportErrorKind::Reset
        }
        _ => TransportErrorKind::Other,
    });
    TransportError::with_os_code(kind, error.raw_os_error())
}

/// Returns the kind of the system limit that an error reports, or `None` for other errors.
fn limit(error: &io::Error) -> Option<TransportErrorKind> {
    #[cfg(unix)]
    return match error.raw_os_error()? {
        libc::EMFILE => Some(TransportErrorKind::FileLimit),
        libc::ENFILE => Some(TransportErrorKind::SystemFileLimit),
        libc::ENOBUFS => Some(TransportErrorKind::NoMemory),
        _ => None,
    };
    // WSAEMFILE and WSAENOBUFS.
    #[cfg(not(unix))]
    return match error.raw_os_error()? {
        10_024 => Some(TransportErrorKind::FileLimit),
        10_055 => Some(TransportErrorKind::NoMemory),
        _ => None,
    };
}

/// Converts an error of the resolver.
fn resolve_error(error: &io::Error) -> TransportError {
    TransportError::with_os_code(limit(error).unwrap_or(TransportErrorKind::Resolve), error.raw_os_error())
}

/// Starts a non-blocking connect from a local address. The socket becomes writable once the connect
/// has succeeded or failed.
///
/// Without a local address, the runtimes use their own connect.
///
/// # Errors
/// Returns the operating system's error if the socket cannot be created, bound or connected.
pub fn start_connect(local: SocketAddr, address: SocketAddr) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_nonblocking(true)?;
    socket.bind(&local.into())?;
    match socket.connect(&address.into()) {
        Err(error) if !is_in_progress(&error) => Err(error),
        _ => Ok(socket.into()),
    }
}

/// Returns true if a non-blocking connect is in progress after this error.
fn is_in_progress(error: &io::Error) -> bool {
    #[cfg(unix)]
    if error.raw_os_error() == Some(libc::EINPROGRESS) {
        return true;
    }
    // The error on Windows.
    error.kind() == ErrorKind::WouldBlock
}

#[cfg(all(test, unix))]
mod tests {
    use std::net::{Ipv4Addr, TcpListener};

    use super::*;

    #[test]
    fn a_connect_is_started_unless_it_fails_at_once() {
        let local = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let listener = TcpListener::bind(local).unwrap();
        let started = start_connect(local, listener.local_addr().unwrap()).unwrap();
        assert_eq!(listener.accept().unwrap().1, started.local_addr().unwrap());
        // TCP cannot connect to the broadcast address.
        assert!(start_connect(local, SocketAddr::from((Ipv4Addr::BROADCAST, 80))).is_err());
    }

    #[test]
    fn converts_errors_of_the_system_to_their_kinds() {
        for (code, kind) in [
            (libc::ECONNREFUSED, TransportErrorKind::Refused),
            (libc::EHOSTUNREACH, TransportErrorKind::Unreachable),
            (libc::ENETUNREACH, TransportErrorKind::NetworkUnreachable),
            (libc::ETIMEDOUT, TransportErrorKind::TimedOut),
            (libc::ECONNRESET, TransportErrorKind::Reset),
            (libc::EPIPE, TransportErrorKind::Reset),
            (libc::EPERM, TransportErrorKind::Denied),
            (libc::EACCES, TransportErrorKind::Denied),
            (libc::EADDRNOTAVAIL, TransportErrorKind::LocalAddressUnavailable),
            (libc::EMFILE, TransportErrorKind::FileLimit),
            (libc::ENFILE, TransportErrorKind::SystemFileLimit),
            (libc::ENOMEM, TransportErrorKind::NoMemory),
            (libc::ENOBUFS, TransportErrorKind::NoMemory),
            (libc::EPROTO, TransportErrorKind::Other),
        ] {
            let error = io::Error::from_raw_os_error(code);
            assert_eq!(transport_error(&error), TransportError::with_os_code(kind, Some(code)));
        }
        let limit = resolve_error(&io::Error::from_raw_os_error(libc::EMFILE));
        assert_eq!(limit.kind, TransportErrorKind::FileLimit);
        assert_eq!(resolve_error(&io::Error::other("no such name")).kind, TransportErrorKind::Resolve);
    }
}
