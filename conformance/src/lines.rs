//! The lines in a response, by a decoder that shares nothing with the core's: a byte at a time, no chunk extension, no doubt.
//!
//! Where the framing is broken it stops: what lies behind is nobody's line.

use std::sync::Arc;

/// A longer line is passed over by the clients under test, and only its length is kept.
pub(crate) const LINE_BYTES_MAX: usize = 1 << 17;

/// A longer head is none.
const HEAD_BYTES_MAX: usize = 1 << 16;

/// A line, without its CR LF.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Line {
    Message(Arc<[u8]>),
    /// Over the limit, and so long.
    TooLong(u64),
}

impl Line {
    pub(crate) fn new(bytes: &[u8]) -> Self {
        if bytes.len() > LINE_BYTES_MAX {
            Self::TooLong(bytes.len() as u64)
        } else {
            Self::Message(bytes.into())
        }
    }
}

/// What has come of a response.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    at: At,
    head: Vec<u8>,
    size: u64,
    /// The line under way, as far as it is kept, and how long it is.
    line: Vec<u8>,
    length: u64,
    last: u8,
    lines: Vec<Line>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum At {
    #[default]
    Head,
    /// In a chunk's size, behind so many digits.
    Size(u8),
    /// Behind the CR of a size.
    SizeLf,
    /// So many octets before the end of a chunk.
    Content(u64),
    /// Behind a chunk.
    Cr,
    Lf,
    /// No stream, or no more.
    Over,
    /// What follows a stream's head is no line any more.
    StreamOver,
}

impl Lines {
    pub(crate) fn is_stream(&self) -> bool {
        !matches!(self.at, At::Head | At::Over)
    }

    pub(crate) fn lines(&self) -> &[Line] {
        &self.lines
    }

    pub(crate) fn read(&mut self, mut bytes: &[u8]) {
        while let (Some((&byte, rest)), false) = (bytes.split_first(), self.is_over()) {
            if let At::Content(left) = self.at {
                let (content, rest) =
                    bytes.split_at(bytes.len().min(usize::try_from(left).unwrap_or(usize::MAX)));
                content.iter().for_each(|byte| self.content(*byte));
                let left = left - content.len() as u64;
                self.at = if left == 0 { At::Cr } else { At::Content(left) };
                bytes = rest;
            } else {
                self.at = self.step(byte);
                bytes = rest;
            }
        }
    }

    const fn is_over(&self) -> bool {
        matches!(self.at, At::Over | At::StreamOver)
    }

    fn step(&mut self, byte: u8) -> At {
        match (self.at, byte) {
            (At::Head, byte) => {
                self.head.push(byte);
                let is_whole = self.head.ends_with(b"\r\n\r\n");
                if is_whole {
                    self.head_ends()
                } else if self.head.len() > HEAD_BYTES_MAX {
                    At::Over
                } else {
                    At::Head
                }
            }
            (At::Size(digits @ 0..16), b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') => {
                let digit = char::from(byte).to_digit(16).unwrap_or_default();
                self.size = self.size << 4 | u64::from(digit);
                At::Size(digits + 1)
            }
            (At::Size(1..), b'\r') => At::SizeLf,
            (At::SizeLf, b'\n') if self.size > 0 => At::Content(std::mem::take(&mut self.size)),
            (At::Cr, b'\r') => At::Lf,
            (At::Lf, b'\n') => At::Size(0),
            _ => At::StreamOver,
        }
    }

    /// An interim response is followed by another; of others only a stream's has lines.
    fn head_ends(&mut self) -> At {
        let head = String::from_utf8_lossy(&self.head).to_ascii_lowercase();
        let status = head.strip_prefix("http/1.1 ").and_then(|rest| rest.get(..4)).unwrap_or_default();
        let mut fields = head.lines().skip(1);
        let codings: Vec<_> = fields.clone().filter(|field| field.starts_with("transfer-encoding")).collect();
        let is_coded =
            fields.any(|field| field.starts_with("content-encoding") && !field.ends_with("identity"));
        match status {
            "101 " => At::Over,
            interim if interim.starts_with('1') => {
                self.head.clear();
                At::Head
            }
            "200 " if codings == ["transfer-encoding: chunked"] && !is_coded => At::Size(0),
            _ => At::Over,
        }
    }

    fn content(&mut self, byte: u8) {
        if byte == b'\n' && self.last == b'\r' {
            let length = self.length - 1;
            let is_long = length > LINE_BYTES_MAX as u64;
            self.line.pop();
            if is_long {
                self.lines.push(Line::TooLong(length));
            } else if !self.line.trim_ascii().is_empty() {
                self.lines.push(Line::new(&self.line));
            }
            self.line.clear();
            self.length = 0;
        } else {
            self.length += 1;
            if self.line.len() <= LINE_BYTES_MAX {
                self.line.push(byte);
            }
        }
        self.last = byte;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(wire: &[u8], piece: usize) -> (bool, Vec<Line>) {
        let mut lines = Lines::default();
        wire.chunks(piece).for_each(|piece| lines.read(piece));
        (lines.is_stream(), lines.lines().to_vec())
    }

    const HEAD: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";

    #[test]
    fn lines_are_found_however_they_are_cut() {
        let wire = format!(
            "HTTP/1.1 103 Early\r\n\r\n{HEAD}7\r\none\r\n\r\n\r\n5\r\nt\nwo\r\r\n1\r\n\n\r\nB\r\nthree\r\nfour\r\n1\r\n\r\r\n0\r\n\r\n"
        );
        let whole = [&b"one"[..], b"t\nwo", b"three"].map(Line::new).to_vec();
        for piece in 1..=wire.len() {
            assert_eq!(lines(wire.as_bytes(), piece), (true, whole.clone()), "{piece}");
        }
    }

    #[test]
    fn what_is_long_is_counted() {
        for (length, is_long) in
            [(LINE_BYTES_MAX, false), (LINE_BYTES_MAX + 1, true), (LINE_BYTES_MAX * 3, true)]
        {
            let wire = format!("{HEAD}{:x}\r\n{}\r\nnext\r\n\r\n", length + 8, "x".repeat(length));
            let (_, lines) = lines(wire.as_bytes(), 1_000);
            assert_eq!(lines.len(), 2, "{length}");
            assert_eq!(lines[0] == Line::TooLong(length as u64), is_long, "{length}");
            assert_eq!(lines[1], Line::new(b"next"));
        }
    }

    #[test]
    fn behind_broken_framing_there_are_none() {
        for chunk in ["+3\r\n", "0x3\r\n", "3;\r\n", "3\n", "00000000000000003\r\n", "\r\n", "3\r\r\n"] {
            let wire = format!("{HEAD}3\r\na\r\n\r\n{chunk}b\r\n\r\n");
            assert_eq!(lines(wire.as_bytes(), 7), (true, vec![Line::new(b"a")]), "{chunk:?}");
        }
        for head in [
            "HTTP/1.1 503 Nope\r\nTransfer-Encoding: chunked\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Encoding: gzip\r\n\r\n",
            "HTTP/1.1 101 OK\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        ] {
            assert_eq!(lines(format!("{head}3\r\na\r\n\r\n").as_bytes(), 7), (false, vec![]), "{head}");
        }
    }
}
