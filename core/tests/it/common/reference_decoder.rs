//! The reference decoder: slow and simple. It takes the whole input at once, collects into vectors
//! and follows the grammar of RFC 9112 in the order of the document. It shares nothing with the
//! decoders under test except the names of errors.
//!
//! The fuzz targets include this file by its path.

use powerstream_core::http::{BodyFraming, ChunkErrorKind, ChunkLimits, HeadErrorKind, HeadLimits};
use powerstream_core::stream::{Closed, ConnectionConfig, ConnectionErrorKind, validate};

use super::event_log::OwnedEvent;

/// The content of a chunked body, and how it ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Chunked {
    pub(crate) content: Vec<u8>,
    pub(crate) end: BodyEnd,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BodyEnd {
    /// Complete after this many bytes.
    Complete(usize),
    /// The input ends before the body does.
    Cut,
    /// The byte at this offset is not allowed.
    Broken(ChunkErrorKind, usize),
}

/// Decodes a chunked body.
pub(crate) fn chunked(wire: &[u8], limits: ChunkLimits) -> Chunked {
    let mut reader = Reader { wire, at: 0 };
    let mut content = Vec::new();
    let end = match chunks(&mut reader, limits, &mut content) {
        Ok(()) => BodyEnd::Complete(reader.at),
        Err(end) => end,
    };
    Chunked { content, end }
}

struct Reader<'a> {
    wire: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn peek(&self) -> Result<u8, BodyEnd> {
        self.wire.get(self.at).copied().ok_or(BodyEnd::Cut)
    }

    fn broken<T>(&self, kind: ChunkErrorKind) -> Result<T, BodyEnd> {
        Err(BodyEnd::Broken(kind, self.at))
    }

    /// Takes exactly this byte.
    fn expect(&mut self, byte: u8, otherwise: ChunkErrorKind) -> Result<(), BodyEnd> {
        if self.peek()? != byte {
            return self.broken(otherwise);
        }
        self.at += 1;
        Ok(())
    }

    /// Takes bytes while they are wanted and the line from `start` is not too long.
    fn take_while(
        &mut self,
        allowed: fn(u8) -> bool,
        start: usize,
        max: u32,
        too_long: ChunkErrorKind,
    ) -> Result<usize, BodyEnd> {
        let from = self.at;
        while allowed(self.peek()?) {
            self.count(start, max, too_long)?;
        }
        Ok(self.at - from)
    }

    /// Takes the byte that was peeked.
    fn count(&mut self, start: usize, max: u32, too_long: ChunkErrorKind) -> Result<(), BodyEnd> {
        if self.at - start >= max as usize {
            return self.broken(too_long);
        }
        self.at += 1;
        Ok(())
    }
}

/// chunked-body = *chunk last-chunk trailer-section CRLF
fn chunks(reader: &mut Reader<'_>, limits: ChunkLimits, content: &mut Vec<u8>) -> Result<(), BodyEnd> {
    loop {
        let size = size_line(reader, limits.size_line_bytes_max)?;
        if size == 0 {
            return trailer(reader, limits);
        }
        for _ in 0..size {
            content.push(reader.peek()?);
            reader.at += 1;
        }
        reader.expect(b'\r', ChunkErrorKind::DataEnd)?;
        reader.expect(b'\n', ChunkErrorKind::DataEnd)?;
    }
}

/// chunk-size [ chunk-ext ] CRLF
fn size_line(reader: &mut Reader<'_>, max: u32) -> Result<u64, BodyEnd> {
    use ChunkErrorKind::{
        Extension, SizeByte, SizeDigits, SizeLineEnd, SizeLineLength, SizeMissing, SizeOverflow,
    };
    let start = reader.at;
    let mut digits = String::new();
    let mut size = 0;
    while reader.peek()?.is_ascii_hexdigit() {
        if digits.len() == 16 {
            return reader.broken(SizeDigits);
        }
        digits.push(char::from(reader.peek()?));
        size = u64::from_str_radix(&digits, 16).unwrap_or(u64::MAX);
        if size >= 1 << 63 {
            return reader.broken(SizeOverflow);
        }
        reader.at += 1;
    }
    if digits.is_empty() {
        return reader.broken(SizeMissing);
    }
    // chunk-ext = *( BWS ";" BWS chunk-ext-name [ BWS "=" BWS chunk-ext-val ] )
    let mut needs_extension = reader.take_while(is_bws, start, max, SizeLineLength)? > 0;
    let mut otherwise = SizeByte;
    while reader.peek()? == b';' {
        otherwise = Extension;
        reader.count(start, max, SizeLineLength)?;
        reader.take_while(is_bws, start, max, SizeLineLength)?;
        if reader.take_while(is_token, start, max, SizeLineLength)? == 0 {
            return reader.broken(Extension);
        }
        needs_extension = reader.take_while(is_bws, start, max, SizeLineLength)? > 0;
        if reader.peek()? != b'=' {
            continue;
        }
        reader.count(start, max, SizeLineLength)?;
        reader.take_while(is_bws, start, max, SizeLineLength)?;
        if reader.peek()? == b'"' {
            reader.count(start, max, SizeLineLength)?;
            while reader.peek()? != b'"' {
                if reader.peek()? == b'\\' {
                    reader.count(start, max, SizeLineLength)?;
                }
                if !is_text(reader.peek()?) {
                    return reader.broken(Extension);
                }
                reader.count(start, max, SizeLineLength)?;
            }
            reader.count(start, max, SizeLineLength)?;
        } else if reader.take_while(is_token, start, max, SizeLineLength)? == 0 {
            return reader.broken(Extension);
        }
        needs_extension = reader.take_while(is_bws, start, max, SizeLineLength)? > 0;
    }
    // White space is allowed only before an extension.
    if needs_extension {
        return reader.broken(otherwise);
    }
    reader.expect(b'\r', otherwise)?;
    reader.expect(b'\n', SizeLineEnd)?;
    Ok(size)
}

/// trailer-section CRLF
fn trailer(reader: &mut Reader<'_>, limits: ChunkLimits) -> Result<(), BodyEnd> {
    use ChunkErrorKind::{Trailer, TrailerLength};
    let start = reader.at;
    let max = limits.trailer_bytes_max;
    let mut fields = 0;
    while reader.peek()? != b'\r' {
        if !is_token(reader.peek()?) {
            return reader.broken(Trailer);
        }
        if fields == limits.trailer_fields_max {
            return reader.broken(TrailerLength);
        }
        fields += 1;
        reader.take_while(is_token, start, max, TrailerLength)?;
        if reader.peek()? != b':' {
            return reader.broken(Trailer);
        }
        reader.count(start, max, TrailerLength)?;
        reader.take_while(is_text, start, max, TrailerLength)?;
        for byte in *b"\r\n" {
            if reader.peek()? != byte {
                return reader.broken(Trailer);
            }
            reader.count(start, max, TrailerLength)?;
        }
    }
    reader.at += 1;
    reader.expect(b'\n', Trailer)
}

fn is_bws(byte: u8) -> bool {
    b" \t".contains(&byte)
}

fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// HTAB, SP, visible characters and obs-text.
fn is_text(byte: u8) -> bool {
    byte == b'\t' || (byte >= b' ' && byte != 0x7F)
}

/// A final head: its end and its contents.
pub(crate) struct FinalHead {
    pub(crate) end: usize,
    pub(crate) status: u16,
    pub(crate) framing: BodyFraming,
    /// Why the body cannot be read.
    pub(crate) unreadable: Option<HeadErrorKind>,
    pub(crate) fields: Vec<(String, Vec<u8>)>,
}

/// Why a head is incomplete.
pub(crate) enum HeadStop {
    /// The last head ends after this many bytes without being complete.
    Cut(usize),
    /// Rejected at this offset.
    Refused(HeadErrorKind, usize),
}

/// Reads heads up to the final one. `room` is the storage's length.
pub(crate) fn head(wire: &[u8], limits: HeadLimits, room: usize) -> Result<FinalHead, HeadStop> {
    let mut start = 0;
    let mut interim = 0;
    loop {
        let most = room.min(limits.bytes_max.saturating_sub(start));
        let rest = &wire[start..];
        // All lines up to and including the first empty one.
        let mut lines: Vec<&[u8]> = Vec::new();
        let mut length = 0;
        for line in rest.split_inclusive(|&byte| byte == b'\n') {
            lines.push(line);
            length += line.len();
            if line == b"\n" || line == b"\r\n" {
                break;
            }
        }
        let ended = matches!(lines.last(), Some(&b"\n" | &b"\r\n"));
        if let Some((kind, index)) = first_misfit(&lines).filter(|&(_, index)| index < most) {
            return Err(HeadStop::Refused(kind, start + index));
        }
        if length > most {
            return Err(HeadStop::Refused(HeadErrorKind::Length, start + most));
        }
        if !ended {
            return Err(HeadStop::Cut(length));
        }
        let end = start + length;
        match whole_head(&lines, limits.fields_max, end) {
            Err(kind) => return Err(HeadStop::Refused(kind, end)),
            Ok(Some(head)) => return Ok(head),
            Ok(None) => interim += 1,
        }
        if interim > limits.interim_max {
            return Err(HeadStop::Refused(HeadErrorKind::Interim, end));
        }
        start = end;
    }
}

/// Returns the first byte that is not allowed at its place. The last line may be incomplete.
fn first_misfit(lines: &[&[u8]]) -> Option<(HeadErrorKind, usize)> {
    let mut start = 0;
    for (number, line) in lines.iter().enumerate() {
        let misfit = if number == 0 { status_line_misfit(line) } else { field_line_misfit(line, number > 1) };
        if let Some((kind, index)) = misfit {
            return Some((kind, start + index));
        }
        start += line.len();
    }
    None
}

fn status_line_misfit(line: &[u8]) -> Option<(HeadErrorKind, usize)> {
    let fixed = (0..line.len().min(13)).find(|&index| !fits_status_line(index, line[index]));
    if let Some(index) = fixed {
        return Some((HeadErrorKind::NotHttp, index));
    }
    Some((HeadErrorKind::StatusLine, text_misfit(line, 12)?))
}

fn field_line_misfit(line: &[u8], folds: bool) -> Option<(HeadErrorKind, usize)> {
    let value = match line[0] {
        b'\r' | b'\n' => 0,
        b' ' | b'\t' if folds => 0,
        _ => {
            let name = line.iter().take_while(|&&byte| is_token(byte)).count();
            if name == line.len() {
                return None;
            }
            if name == 0 || line[name] != b':' {
                return Some((HeadErrorKind::Field, name));
            }
            name
        }
    };
    Some((HeadErrorKind::Field, text_misfit(line, value)?))
}

/// Returns the first byte from `from` on that is neither text nor part of the line end.
fn text_misfit(line: &[u8], from: usize) -> Option<usize> {
    (from..line.len()).find(|&index| match line[index] {
        b'\n' => false,
        // A CR is allowed anywhere; the byte after it must be LF.
        b'\r' => index > from && line[index - 1] == b'\r',
        byte => !is_text(byte) || (index > from && line[index - 1] == b'\r'),
    })
}

fn fits_status_line(index: usize, byte: u8) -> bool {
    match index {
        7 => byte == b'0' || byte == b'1',
        8 => byte == b' ',
        9 => (b'1'..=b'9').contains(&byte),
        10 | 11 => byte.is_ascii_digit(),
        12 => byte == b' ' || byte == b'\r' || byte == b'\n',
        _ => b"HTTP/1."[index] == byte,
    }
}

/// `None`: an interim response.
fn whole_head(lines: &[&[u8]], fields_max: usize, end: usize) -> Result<Option<FinalHead>, HeadErrorKind> {
    let line = without_line_end(lines[0]);
    let status =
        u16::from(line[9] - b'0') * 100 + u16::from(line[10] - b'0') * 10 + u16::from(line[11] - b'0');
    if line.len() > 12 && (line[12] != b' ' || !line[12..].iter().all(|&byte| is_text(byte))) {
        return Err(HeadErrorKind::StatusLine);
    }
    // Folds are replaced first. A fold is white space at the start of a line other than the first
    // field line.
    let mut unfolded: Vec<Vec<u8>> = Vec::new();
    let mut folded = Vec::new();
    for (index, line) in lines.iter().enumerate().take(lines.len() - 1).skip(1) {
        if matches!(line[0], b' ' | b'\t') && !unfolded.is_empty() {
            let last = unfolded.len() - 1;
            folded.push(last);
            // One space for each byte of the removed line end.
            unfolded[last].extend_from_slice(if lines[index - 1].ends_with(b"\r\n") { b"  " } else { b" " });
            unfolded[last].extend_from_slice(without_line_end(line));
        } else {
            unfolded.push(without_line_end(line).to_owned());
        }
    }
    let mut fields = Vec::new();
    for line in unfolded {
        let name_length = line.iter().take_while(|&&byte| is_token(byte)).count();
        if name_length == 0 || line.get(name_length) != Some(&b':') {
            return Err(HeadErrorKind::Field);
        }
        let value = &line[name_length + 1..];
        if !value.iter().all(|&byte| is_text(byte)) {
            return Err(HeadErrorKind::Field);
        }
        if fields.len() == fields_max {
            return Err(HeadErrorKind::Fields);
        }
        fields.push((String::from_utf8_lossy(&line[..name_length]).into_owned(), trim(value).to_owned()));
    }
    if status == 101 {
        return Err(HeadErrorKind::SwitchingProtocols);
    }
    if status < 200 {
        return Ok(None);
    }
    let folded = folded.iter().map(|&index| fields[index].0.to_ascii_lowercase()).find_map(|name| {
        let kinds = [
            ("transfer-encoding", HeadErrorKind::TransferEncoding),
            ("content-length", HeadErrorKind::ContentLength),
        ];
        kinds.into_iter().find(|(other, _)| *other == name).map(|(_, kind)| kind)
    });
    let (framing, unreadable) = match framing(status, line[7] == b'0', &fields, folded) {
        Ok(framing) => (framing, content_coding(status, &fields)),
        Err(kind) => (BodyFraming::UntilClose, Some(kind)),
    };
    match unreadable {
        // The status of an unsuccessful response is valid, regardless of its body.
        Some(kind) if status < 300 => Err(kind),
        _ => Ok(Some(FinalHead { end, status, framing, unreadable, fields })),
    }
}

fn without_line_end(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

fn trim(value: &[u8]) -> &[u8] {
    let Some(first) = value.iter().position(|&byte| !is_bws(byte)) else { return &[] };
    let last = value.iter().rposition(|&byte| !is_bws(byte)).unwrap_or(first);
    &value[first..=last]
}

/// The values of all fields of that name, in lower case.
fn values(fields: &[(String, Vec<u8>)], name: &str) -> Vec<Vec<u8>> {
    let named = fields.iter().filter(|(other, _)| other.eq_ignore_ascii_case(name));
    named.map(|(_, value)| value.to_ascii_lowercase()).collect()
}

/// Returns the error of a body in a content coding.
fn content_coding(status: u16, fields: &[(String, Vec<u8>)]) -> Option<HeadErrorKind> {
    let codings = values(fields, "content-encoding").join(&b',');
    let is_coded =
        codings.split(|&byte| byte == b',').map(trim).any(|coding| !matches!(coding, b"" | b"identity"));
    (is_coded && status != 204 && status != 304).then_some(HeadErrorKind::ContentEncoding)
}

/// RFC 9112 section 6.3, in its order. If the RFC leaves a choice, the stricter one.
fn framing(
    status: u16,
    is_1_0: bool,
    fields: &[(String, Vec<u8>)],
    folded: Option<HeadErrorKind>,
) -> Result<BodyFraming, HeadErrorKind> {
    if status == 204 || status == 304 {
        return Ok(BodyFraming::Empty);
    }
    if let Some(kind) = folded {
        return Err(kind);
    }
    let length = match values(fields, "content-length").as_slice() {
        [] => None,
        [one] if !one.is_empty() && one.iter().all(u8::is_ascii_digit) => {
            // Leading zeros are ignored.
            let digits: Vec<u8> = one.iter().copied().skip_while(|&digit| digit == b'0').collect();
            let length =
                digits.iter().take(30).fold(0_u128, |sum, digit| sum * 10 + u128::from(digit - b'0'));
            Some(
                u64::try_from(length)
                    .ok()
                    .filter(|&length| length < 1 << 63)
                    .ok_or(HeadErrorKind::ContentLength)?,
            )
        }
        _ => return Err(HeadErrorKind::ContentLength),
    };
    let codings = values(fields, "transfer-encoding");
    match (codings.as_slice(), length) {
        ([], None) => Ok(BodyFraming::UntilClose),
        ([], Some(length)) => Ok(BodyFraming::Length(length)),
        _ if is_1_0 => Err(HeadErrorKind::TransferEncodingVersion),
        ([one], _) if one == b"chunked" => Ok(BodyFraming::Chunked),
        _ => Err(HeadErrorKind::TransferEncoding),
    }
}

/// Splits content into messages. Also returns what follows the last delimiter.
pub(crate) fn messages(content: &[u8], limit: usize) -> (Vec<OwnedEvent>, Vec<u8>) {
    let mut seen = Vec::new();
    let mut message: Vec<u8> = Vec::new();
    for &byte in content {
        message.push(byte);
        if byte != b'\n' || !message.ends_with(b"\r\n") && goes_on(&message) {
            continue;
        }
        message = without_line_end(&message).to_owned();
        seen.push(if message.len() > limit {
            OwnedEvent::Skipped(message.len() as u64)
        } else if message.iter().all(|byte| b" \t\r\n".contains(byte)) {
            OwnedEvent::KeepAlive
        } else {
            OwnedEvent::Message(message)
        });
        message = Vec::new();
    }
    (seen, message)
}

/// Returns true if an object or array is open at the end of `text`, and no two values or separators
/// are adjacent before.
fn goes_on(text: &[u8]) -> bool {
    // `v` for each string and word; containers and separators as they are.
    let mut marks = Vec::new();
    let mut rest = text;
    while let [byte, behind @ ..] = rest {
        let length = match byte {
            b'"' => {
                let mut length = 0;
                while !matches!(behind[length..], [] | [b'"', ..]) {
                    length += if behind[length] == b'\\' { 2.min(behind.len() - length) } else { 1 };
                }
                (length + 1).min(behind.len())
            }
            b' ' | b'\t' | b'\r' | b'\n' | b'{' | b'}' | b'[' | b']' | b',' | b':' => 0,
            _ => behind.iter().take_while(|byte| !b" \t\r\n{}[],:\"".contains(byte)).count(),
        };
        match byte {
            b' ' | b'\t' | b'\r' | b'\n' => {}
            b'{' | b'}' | b'[' | b']' | b',' | b':' => marks.push(*byte),
            _ => marks.push(b'v'),
        }
        rest = &behind[length..];
    }
    let mut open = 0;
    let mut before = b',';
    for mark in marks {
        let is_behind_value = b"v}]".contains(&before);
        let (fits, opens) = match mark {
            b'{' | b'[' => (!is_behind_value, 1),
            b'}' | b']' => (open > 0, -1),
            b',' | b':' => (open > 0 && is_behind_value, 0),
            _ => (!is_behind_value, 0),
        };
        if !fits {
            return false;
        }
        open += opens;
        before = mark;
    }
    open > 0
}

/// Splits off the last message, which has no delimiter, if it is complete: one JSON text whose end
/// is certain.
fn last_message(rest: &[u8], limit: usize) -> Option<&[u8]> {
    let message = rest.strip_suffix(b"\r").unwrap_or(rest);
    // UTF-8 is not validated here.
    let ascii: Vec<u8> = message.iter().map(|&byte| if byte < 0x80 { byte } else { b'x' }).collect();
    let is_complete = validate(&ascii).is_ok() && !rest.last()?.is_ascii_digit();
    (is_complete && message.len() <= limit).then_some(message)
}

/// Returns all events that a connection with `storage` bytes must report for a response and the
/// close after it.
pub(crate) fn response(wire: &[u8], config: &ConnectionConfig, storage: usize) -> Vec<OwnedEvent> {
    let limit = config.message_bytes_max.min(storage.saturating_sub(1));
    let head = match head(wire, config.head, storage) {
        Ok(head) => head,
        Err(HeadStop::Cut(length)) => {
            return vec![OwnedEvent::Closed(Closed::CutInHead { undelivered: length as u64 })];
        }
        Err(HeadStop::Refused(kind, at)) => {
            let kind = ConnectionErrorKind::Head(kind);
            let failed = OwnedEvent::Failed { kind, offset: at as u64 };
            return vec![failed, OwnedEvent::Closed(Closed::Cut { undelivered: 0 })];
        }
    };
    let body = &wire[head.end..];
    let Chunked { content, end } = match head.framing {
        BodyFraming::Chunked => chunked(body, config.chunk),
        BodyFraming::Length(length) if body.len() as u64 >= length => {
            Chunked { content: body[..length as usize].to_owned(), end: BodyEnd::Complete(length as usize) }
        }
        BodyFraming::Empty => Chunked { content: Vec::new(), end: BodyEnd::Complete(0) },
        _ => Chunked { content: body.to_owned(), end: BodyEnd::Cut },
    };
    let mut seen = vec![OwnedEvent::Head { status: head.status, framing: head.framing, fields: head.fields }];
    let (messages, rest) = messages(&content, limit);
    seen.extend(messages);
    let ended_by_close = matches!(end, BodyEnd::Cut) && head.framing == BodyFraming::UntilClose;
    let mut undelivered = rest.len() as u64;
    let mut has_last = false;
    let is_clean = ended_by_close || matches!(end, BodyEnd::Complete(_));
    if let Some(last) = is_clean.then(|| last_message(&rest, limit)).flatten() {
        seen.push(OwnedEvent::Message(last.to_owned()));
        (undelivered, has_last) = (0, true);
    }
    match end {
        BodyEnd::Complete(_) => {
            seen.push(OwnedEvent::End { undelivered });
            seen.push(OwnedEvent::Closed(Closed::Complete));
        }
        BodyEnd::Broken(kind, at) => {
            seen.push(OwnedEvent::Failed {
                kind: ConnectionErrorKind::Chunk(kind),
                offset: (head.end + at) as u64,
            });
            seen.push(OwnedEvent::Closed(Closed::Cut { undelivered: 0 }));
        }
        BodyEnd::Cut if ended_by_close => {
            if has_last {
                seen.push(OwnedEvent::End { undelivered });
            }
            seen.push(OwnedEvent::Closed(Closed::CompleteByClose { undelivered }));
        }
        BodyEnd::Cut => seen.push(OwnedEvent::Closed(Closed::Cut { undelivered })),
    }
    seen
}
