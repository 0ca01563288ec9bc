//! TCP: which addresses are tried and for how long, the socket on each runtime, the tunnel through a proxy.

pub mod dial;
mod resolve;
pub mod tcp;
pub mod tunnel;

use std::io::{self, ErrorKind};

use powerstream_core::transport_error::{Fault, FaultKind};

/// Converts an error of the operating system's sockets. An error of the resolver needs its kind from
/// the caller.
#[must_use]
pub fn transport_error(error: &io::Error) -> Fault {
    let kind = match error.kind() {
        ErrorKind::ConnectionRefused => FaultKind::Refused,
        ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable => FaultKind::Unreachable,
        ErrorKind::TimedOut => FaultKind::TimedOut,
        ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted | ErrorKind::BrokenPipe => FaultKind::Reset,
        _ => FaultKind::Other,
    };
    Fault::with_os_code(kind, error.raw_os_error())
}
