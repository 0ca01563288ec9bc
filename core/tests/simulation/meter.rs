//! Counts the bytes of a response by use, as they arrive. Independent of the core's decoder.

/// The counts of one response.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Meter {
    state: State,
    /// The last byte of content.
    previous: u8,
    pub(crate) is_chunked: bool,
    pub(crate) head: u64,
    pub(crate) framing: u64,
    pub(crate) content: u64,
    /// A message has begun and not ended.
    pub(crate) in_message: bool,
    /// The bytes of content since the last message ended.
    pub(crate) open: u64,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum State {
    /// The last four bytes of the head, the position in it, and whether it is an interim one.
    Head {
        last: u32,
        at: u32,
        is_interim: bool,
    },
    Size(u64),
    Extension(u64),
    Data(u64),
    DataEnd,
    /// After a last chunk.
    Over,
}

impl Meter {
    const HEAD: State = State::Head { last: 0, at: 0, is_interim: false };

    pub(crate) const fn new(is_chunked: bool) -> Self {
        Self {
            state: Self::HEAD,
            previous: 0,
            is_chunked,
            head: 0,
            framing: 0,
            content: 0,
            in_message: false,
            open: 0,
        }
    }

    pub(crate) const fn is_in_head(&self) -> bool {
        matches!(self.state, State::Head { .. })
    }

    pub(crate) fn push_all(&mut self, bytes: &[u8]) {
        // Nearly all reads of a long run.
        if self.state == State::Size(0) && bytes == b"2\r\n\r\n\r\n" {
            (self.framing, self.content) = (self.framing + 5, self.content + 2);
            (self.previous, self.in_message, self.open) = (b'\n', false, 0);
            return;
        }
        // A copy stays in registers.
        let mut meter = *self;
        let mut rest = bytes;
        while let Some((byte, behind)) = rest.split_first() {
            if let State::Data(left) = meter.state {
                let count = usize::try_from(left).map_or(rest.len(), |left| left.min(rest.len()));
                meter.push_content(&rest[..count]);
                let left = left - count as u64;
                meter.state = if left == 0 { State::DataEnd } else { State::Data(left) };
                rest = &rest[count..];
                continue;
            }
            meter.push(*byte);
            rest = &behind[meter.push_plain(behind)..];
        }
        *self = meter;
    }

    /// Counts the bytes before the next line end, if they cannot change the state. Returns their
    /// number.
    fn push_plain(&mut self, bytes: &[u8]) -> usize {
        let (last, counter) = match &mut self.state {
            State::Head { last, at: 10.., .. } => (Some(last), &mut self.head),
            State::Extension(_) => (None, &mut self.framing),
            _ => return 0,
        };
        let count = bytes.iter().position(|byte| matches!(byte, b'\r' | b'\n')).unwrap_or(bytes.len());
        if let (Some(last), 1..) = (last, count) {
            *last = 0;
        }
        *counter += count as u64;
        count
    }

    fn push_content(&mut self, content: &[u8]) {
        self.content += content.len() as u64;
        self.open += content.len() as u64;
        let ends_message = |at: usize| {
            content[at] == b'\n' && at.checked_sub(1).map_or(self.previous, |at| content[at]) == b'\r'
        };
        if let Some(end) = (0..content.len()).rev().find(|at| ends_message(*at)) {
            self.open = (content.len() - end - 1) as u64;
        }
        // Only the line feeds at the end decide whether a message is open.
        let mut from = 0;
        if let Some(last) = content.iter().rposition(|byte| *byte != b'\n') {
            (self.previous, self.in_message, from) = (content[last], true, last + 1);
        }
        for byte in &content[from..] {
            self.in_message &= self.previous != b'\r';
            self.previous = *byte;
        }
    }

    fn push(&mut self, byte: u8) {
        self.state = match self.state {
            State::Head { last, at, is_interim } => {
                self.head += 1;
                let last = last << 8 | u32::from(byte);
                let is_interim = is_interim || at == 9 && byte == b'1';
                match last {
                    0x0D0A_0D0A if is_interim => Self::HEAD,
                    0x0D0A_0D0A if self.is_chunked => State::Size(0),
                    0x0D0A_0D0A => State::Data(u64::MAX),
                    _ => State::Head { last, at: at.saturating_add(1), is_interim },
                }
            }
            State::Size(size) => {
                self.framing += 1;
                match byte {
                    b'\n' if size == 0 => State::Over,
                    b'\n' => State::Data(size),
                    b';' => State::Extension(size),
                    b'\r' => State::Size(size),
                    digit => {
                        let digit = (digit as char).to_digit(16).unwrap_or(0);
                        State::Size(size.wrapping_mul(16) | u64::from(digit))
                    }
                }
            }
            State::Extension(size) => {
                self.framing += 1;
                match byte {
                    b'\n' if size == 0 => State::Over,
                    b'\n' => State::Data(size),
                    _ => State::Extension(size),
                }
            }
            State::Data(_) => unreachable!("content is not pushed byte by byte"),
            State::DataEnd => {
                self.framing += 1;
                if byte == b'\n' { State::Size(0) } else { State::DataEnd }
            }
            State::Over => {
                self.framing += 1;
                State::Over
            }
        };
    }
}
