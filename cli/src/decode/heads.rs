//! The heads before the last one, which are skipped and named.
//!
//! `curl -i` writes the head of every response that it reads, and the body of the last one only.
//! Before that one come interim (1xx) responses, a proxy's answer to CONNECT, refusals that curl
//! answered with credentials, and redirects.
//!
//! A head is not the last one if `HTTP/` and a digit follow it directly. The body that its fields
//! announce does not matter, because no body that is decoded here starts like that. A network
//! client must not use this rule, because there the server controls what follows. Its response is
//! the first final one.

use std::io::{self, Write};
use std::mem;

use powerstream_core::http::{HeadDecoder, HeadLimits};

use super::ending::{Ending, TransportError};
use super::mode::Mode;

/// Passes the last response to a mode, and reports the heads before it.
pub(super) struct Heads<M> {
    mode: M,
    /// The current head and the bytes after it, until both are known.
    held: Vec<u8>,
    /// Bytes of `held` that the decoder has read.
    read: usize,
    decoder: HeadDecoder,
    storage: Vec<u8>,
    /// The status of the head that ends at `read`.
    status: Option<u16>,
    /// The last head was found, so all input goes to the mode.
    is_last: bool,
}

impl<M: Mode> Heads<M> {
    pub(super) fn new(mode: M) -> Self {
        let limits = HeadLimits::default();
        Self {
            mode,
            held: Vec::new(),
            read: 0,
            decoder: decoder(),
            storage: vec![0; limits.bytes_max],
            status: None,
            is_last: false,
        }
    }

    /// Reads to the end of a head and returns its status. `None` if the end is not in `held`.
    fn read_head(&mut self) -> Option<u16> {
        while self.status.is_none() && !self.is_last && self.read < self.held.len() {
            let rest = &self.held[self.read..];
            // Line by line, because the decoder skips interim heads silently.
            let line = rest.iter().position(|&byte| byte == b'\n').map_or(rest, |end| &rest[..=end]);
            let (_, result) = self.decoder.decode(line, &mut self.storage);
            self.read += line.len();
            match result {
                Ok(Some(head)) => self.status = Some(head.status),
                Ok(None) if self.decoder.buffered() == 0 => self.status = Some(status(&self.held)),
                Ok(None) => {}
                // The mode reports the error.
                Err(_) => self.is_last = true,
            }
        }
        self.status
    }

    /// Returns true if another head follows the one that was read. `None` if that is not known yet.
    fn is_followed(&self) -> Option<bool> {
        let behind = &self.held[self.read..];
        let front = behind.len().min(NEXT.len());
        match behind.get(NEXT.len()) {
            _ if behind[..front] != NEXT[..front] => Some(false),
            Some(byte) => Some(byte.is_ascii_digit()),
            None => None,
        }
    }
}

/// The start of a status line, before the version.
const NEXT: &[u8] = b"HTTP/";

/// A decoder that ignores what a head announces about its body. The mode checks that.
fn decoder() -> HeadDecoder {
    HeadDecoder::for_connect(HeadLimits::default())
}

/// Returns the status code of a head that was read.
fn status(head: &[u8]) -> u16 {
    head["HTTP/1.1 ".len()..][..3].iter().fold(0, |status, digit| status * 10 + u16::from(digit - b'0'))
}

impl<M: Mode> Mode for Heads<M> {
    fn take(&mut self, input: &[u8], output: &mut dyn Write) -> io::Result<Option<TransportError>> {
        if self.is_last {
            return self.mode.take(input, output);
        }
        self.held.extend_from_slice(input);
        while let Some(status) = self.read_head() {
            let is_interim = status < 200;
            if !is_interim {
                let Some(is_followed) = self.is_followed() else { return Ok(None) };
                if !is_followed {
                    self.is_last = true;
                    break;
                }
            }
            let head: Vec<u8> = self.held.drain(..mem::take(&mut self.read)).collect();
            self.status = None;
            if is_interim {
                self.mode.skip_head(status, 0, output)?;
                // The mode skips it too, and counts it toward its limits.
                if let Some(fault) = self.mode.take(&head, output)? {
                    return Ok(Some(fault));
                }
            } else {
                self.mode.skip_head(status, head.len() as u64, output)?;
                self.decoder = decoder();
            }
        }
        if self.is_last { self.mode.take(&mem::take(&mut self.held), output) } else { Ok(None) }
    }

    fn skip_head(&mut self, status: u16, bytes: u64, output: &mut dyn Write) -> io::Result<()> {
        self.mode.skip_head(status, bytes, output)
    }

    fn close(&mut self, output: &mut dyn Write) -> io::Result<Ending> {
        let held = mem::take(&mut self.held);
        if !held.is_empty()
            && let Some(fault) = self.mode.take(&held, output)?
        {
            return Ok(Ending::Broken(fault));
        }
        self.mode.close(output)
    }
}
