//! TCP: which addresses are tried and for how long, the socket on each runtime, the tunnel through a proxy.

pub mod dial;
mod resolve;
pub mod tcp;
pub mod tunnel;

use std::io::{self, ErrorKind};

use powerstream_core::transport_error::{TransportError, TransportErrorKind};

/// Converts an error of the operating system's sockets. An error of the resolver needs its kind from
/// the caller.
#[must_use]
pub fn transport_error(error: &io::Error) -> TransportError {
    let kind = match error.kind() {
        ErrorKind::ConnectionRefused => TransportErrorKind::Refused,
        ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable => TransportErrorKind::Unreachable,
        ErrorKind::TimedOut => TransportErrorKind::TimedOut,
        ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted | ErrorKind::BrokenPipe => {
            TransportErrorKind::Reset
        }
        _ => TransportErrorKind::Other,
    };
    TransportError::with_os_code(kind, error.raw_os_error())
}
