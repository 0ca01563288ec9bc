//! TLS faults that end the connection before a handshake.

use std::io;
use std::sync::Arc;
use std::time::Instant;

use crate::link::Link;
use crate::tls::TlsFault;

/// What an HTTP server sends to a client that speaks TLS.
const GARBAGE: &[u8] = b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";

/// Waits for the client's first bytes, and injects the fault. Returns true when the connection is
/// over. Returns false immediately for a fault inside the handshake.
pub(crate) fn at_handshake(fault: TlsFault, link: &Arc<Link>, until: Instant) -> io::Result<bool> {
    if !fault.replaces_handshake() {
        return Ok(false);
    }
    link.read(&mut [0; 4_096], until)?;
    let watcher = link.watch()?;
    match fault {
        TlsFault::Stall => {
            link.wait_for_end(None);
        }
        TlsFault::Reset => link.prepare_reset(),
        TlsFault::Garbage => {
            let _ = link.write(GARBAGE);
            link.finish();
        }
        TlsFault::Close => link.finish(),
        _ => unreachable!("{fault} does not replace the handshake"),
    }
    link.end_reads();
    // A panic of the watcher does not matter here.
    let _ = watcher.join();
    Ok(true)
}
