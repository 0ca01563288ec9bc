//! The faults that leave nothing of a handshake.

use super::TlsFault;
use crate::link::Link;
use std::io;
use std::sync::Arc;
use std::time::Instant;

/// What somebody gets who speaks TLS to an HTTP server.
const GARBAGE: &[u8] = b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";

/// Waits for the client to begin, and strikes; returns once the connection is over. `false`: the fault is none of these, and lies in the
/// handshake itself.
pub(crate) fn strike(fault: TlsFault, link: &Arc<Link>, until: Instant) -> io::Result<bool> {
    if !matches!(fault, TlsFault::Stall | TlsFault::Garbage | TlsFault::Reset | TlsFault::Close) {
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
        _ => link.finish(),
    }
    link.end_reads();
    // A panic there has nothing to say here.
    let _ = watcher.join();
    Ok(true)
}
