//! A response decoder that shares no code with the core's, and knows no chunk extensions.
//!
//! It stops at the first framing error.

use std::io::BufRead;
use std::sync::Arc;

/// The clients under test skip longer lines; only their length is kept.
pub(crate) const LINE_BYTES_MAX: usize = 1 << 17;

/// A longer response head is an error.
const HEAD_BYTES_MAX: usize = 1 << 16;

/// A line, without its CR LF, or without the bare LF behind a complete JSON text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Line {
    Message(Arc<[u8]>),
    /// A line over the limit: its length.
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

/// Decodes one response.
#[derive(Debug, Default)]
pub(crate) struct LineDecoder {
    at: State,
    head: Vec<u8>,
    size: u64,
    /// The kept part of the current line, and its whole length.
    line: Vec<u8>,
    length: u64,
    last: u8,
    lines: Vec<Line>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Head,
    /// In a chunk's size, after this many digits.
    Size(u8),
    /// After the CR of a size.
    SizeLf,
    /// In a chunk's content, with this many bytes left.
    Content(u64),
    /// After a chunk's content.
    Cr,
    Lf,
    /// After the last chunk's size.
    EndCr,
    EndLf,
    /// The response is no stream.
    Over,
    /// The stream ended, or its framing is broken.
    StreamOver,
}

impl LineDecoder {
    pub(crate) fn is_stream(&self) -> bool {
        !matches!(self.at, State::Head | State::Over)
    }

    pub(crate) fn lines(&self) -> &[Line] {
        &self.lines
    }

    pub(crate) fn handle(&mut self, mut bytes: &[u8]) {
        while let (Some((&byte, rest)), false) = (bytes.split_first(), self.is_over()) {
            if let State::Content(left) = self.at {
                let (content, rest) =
                    bytes.split_at(bytes.len().min(usize::try_from(left).unwrap_or(usize::MAX)));
                self.content(content);
                let left = left - content.len() as u64;
                self.at = if left == 0 { State::Cr } else { State::Content(left) };
                bytes = rest;
            } else {
                self.at = self.step(byte);
                bytes = rest;
            }
        }
    }

    const fn is_over(&self) -> bool {
        matches!(self.at, State::Over | State::StreamOver)
    }

    fn step(&mut self, byte: u8) -> State {
        match (self.at, byte) {
            (State::Head, byte) => {
                self.head.push(byte);
                let is_complete = self.head.ends_with(b"\r\n\r\n");
                if is_complete {
                    self.head_ends()
                } else if self.head.len() > HEAD_BYTES_MAX {
                    State::Over
                } else {
                    State::Head
                }
            }
            (State::Size(digits @ 0..16), b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') => {
                let digit = char::from(byte).to_digit(16).unwrap_or_default();
                self.size = self.size << 4 | u64::from(digit);
                State::Size(digits + 1)
            }
            (State::Size(1..), b'\r') => State::SizeLf,
            (State::SizeLf, b'\n') if self.size > 0 => State::Content(std::mem::take(&mut self.size)),
            (State::SizeLf, b'\n') => State::EndCr,
            (State::EndCr, b'\r') => State::EndLf,
            (State::EndLf, b'\n') => {
                self.end_stream();
                State::StreamOver
            }
            (State::Cr, b'\r') => State::Lf,
            (State::Lf, b'\n') => State::Size(0),
            _ => State::StreamOver,
        }
    }

    /// Interprets the head: an interim response is followed by another one, and only a stream has
    /// lines.
    fn head_ends(&mut self) -> State {
        let head = String::from_utf8_lossy(&self.head).to_ascii_lowercase();
        let status = head.strip_prefix("http/1.1 ").and_then(|rest| rest.get(..4)).unwrap_or_default();
        let mut fields = head.lines().skip(1);
        let codings: Vec<_> = fields.clone().filter(|field| field.starts_with("transfer-encoding")).collect();
        let is_coded =
            fields.any(|field| field.starts_with("content-encoding") && !field.ends_with("identity"));
        match status {
            "101 " => State::Over,
            interim if interim.starts_with('1') => {
                self.head.clear();
                State::Head
            }
            "200 " if codings == ["transfer-encoding: chunked"] && !is_coded => State::Size(0),
            _ => State::Over,
        }
    }

    fn content(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            // The standard library is optimized in debug builds too: this is faster than a loop
            // here.
            let count = bytes.read_until(b'\n', &mut self.line).expect("a slice has no errors");
            self.length += count as u64;
            let is_after_cr = match self.line[self.line.len() - count..] {
                [.., byte, _] => byte == b'\r',
                _ => self.last == b'\r',
            };
            self.last = self.line[self.line.len() - 1];
            let is_kept = self.length == self.line.len() as u64;
            if self.last == b'\n' && is_after_cr {
                self.end_line(2);
            } else if self.last == b'\n' && is_kept && Json::of(&self.line) != Json::Open {
                self.end_line(1);
            } else {
                // One byte more than the limit: a line of the longest length is followed by its CR.
                self.line.truncate(LINE_BYTES_MAX + 1);
            }
        }
    }

    /// Ends a line whose delimiter has so many bytes.
    fn end_line(&mut self, delimiter: usize) {
        let length = std::mem::take(&mut self.length) - delimiter as u64;
        if length > LINE_BYTES_MAX as u64 {
            self.lines.push(Line::TooLong(length));
        } else {
            self.line.truncate(self.line.len() - delimiter);
            if !self.line.trim_ascii().is_empty() {
                self.lines.push(Line::new(&self.line));
            }
        }
        self.line.clear();
    }

    /// A last line that lacks only its delimiter counts.
    fn end_stream(&mut self) {
        let is_kept = self.length == self.line.len() as u64;
        if is_kept && Json::of(&self.line) == Json::Complete {
            let has_cr = self.line.last() == Some(&b'\r');
            self.end_line(usize::from(has_cr));
        }
    }
}

/// How far a text is an object or array, by its brackets, and by which values stand side by side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Json {
    /// Brackets are open.
    Open,
    Complete,
    /// None has begun, or it cannot be one any more.
    Other,
}

impl Json {
    fn of(text: &[u8]) -> Self {
        let mut bytes = text.iter().copied().peekable();
        let (mut open, mut is_behind_value) = (0, false);
        let mut state = Self::Other;
        while let Some(byte) = bytes.next() {
            let is_value = !matches!(byte, b'}' | b']' | b',' | b':');
            match byte {
                b' ' | b'\t' | b'\r' | b'\n' => continue,
                b'{' | b'[' => open += 1,
                b'}' | b']' => open -= 1,
                b',' | b':' => {}
                b'"' => {
                    while let Some(byte) = bytes.next().filter(|&byte| byte != b'"') {
                        bytes.next_if(|_| byte == b'\\');
                    }
                }
                _ => while bytes.next_if(|byte| !b" \t\r\n{}[],:\"".contains(byte)).is_some() {},
            }
            let is_misplaced = matches!(byte, b',' | b':') && !is_behind_value || is_value && is_behind_value;
            let is_outside = state != Self::Open && !matches!(byte, b'{' | b'[');
            if is_misplaced || is_outside {
                return Self::Other;
            }
            state = if open > 0 { Self::Open } else { Self::Complete };
            is_behind_value = !matches!(byte, b'{' | b'[' | b',' | b':');
        }
        state
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(wire: &[u8], piece: usize) -> (bool, Vec<Line>) {
        let mut lines = LineDecoder::default();
        wire.chunks(piece).for_each(|piece| lines.handle(piece));
        (lines.is_stream(), lines.lines().to_vec())
    }

    const HEAD: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";

    #[test]
    fn finds_the_same_lines_in_any_split() {
        let wire = format!(
            "HTTP/1.1 103 Early\r\n\r\n{HEAD}7\r\none\r\n\r\n\r\n5\r\n[\n2]\r\r\n1\r\n\n\r\nB\r\nthree\r\nfour\r\n1\r\n\r\r\n0\r\n\r\n"
        );
        let whole = [&b"one"[..], b"[\n2]", b"three"].map(Line::new).to_vec();
        for piece in 1..=wire.len() {
            assert_eq!(lines(wire.as_bytes(), piece), (true, whole.clone()), "{piece}");
        }
    }

    #[test]
    fn ends_a_line_at_a_bare_lf_after_a_json_text() {
        for (content, want) in [
            ("{\"a\":1}\n{\"b\":[]}\r\n", &["{\"a\":1}", "{\"b\":[]}"][..]),
            ("{\"a\":\n\"}\n\\\"\"}\n\n\r\n[\n]\n", &["{\"a\":\n\"}\n\\\"\"}", "[\n]"]),
            ("{\"a\n{\"b\":1}\n{}\n", &["{\"a\n{\"b\":1}", "{}"]),
            ("t\nwo\n{}}\n{}{\n", &["t", "wo", "{}}", "{}{"]),
            ("{}\n{\"a\":1}\r", &["{}", "{\"a\":1}"]),
            ("[1]", &["[1]"]),
            ("[1", &[]),
            ("12", &[]),
        ] {
            let wire = format!("{HEAD}{:x}\r\n{content}\r\n0\r\n\r\n", content.len());
            let want: Vec<Line> = want.iter().map(|line| Line::new(line.as_bytes())).collect();
            for piece in 1..=wire.len() {
                assert_eq!(lines(wire.as_bytes(), piece), (true, want.clone()), "{content:?} {piece}");
            }
            let cut = wire.len() - 1;
            assert!(lines(&wire.as_bytes()[..cut], 7).1.iter().eq(
                want.iter().take(want.len() - usize::from(!content.ends_with('\n') && !want.is_empty()))
            ));
        }
    }

    #[test]
    fn keeps_only_the_length_of_a_long_line() {
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
    fn finds_no_lines_after_broken_framing() {
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
