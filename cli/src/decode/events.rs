//! JSON (`--json`) and human-readable output: one line per event of the engine.

use std::io::{self, Write};

use powerstream_core::http::{BodyFraming, Head};
use powerstream_core::stream::{Closed, Connection, ConnectionConfig, ConnectionEvent};
use powerstream_core::time::Instant;

use super::ending::{Ending, Trail, TransportError};
use super::mode::Mode;
use crate::describe::describe;
use crate::json::Line;
use crate::text::Printable;

/// The audience of the lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    /// Programs.
    Json,
    /// People.
    Text,
}

/// What ended the response.
#[derive(Clone, Copy, PartialEq, Eq)]
enum DisconnectReason {
    /// Its own framing.
    Framing,
    /// The close of the connection, if the response has no other end.
    Close,
    /// The end of the input, in the body.
    Cut,
    /// The end of the input, in the head.
    CutInHead,
}

impl DisconnectReason {
    const fn code(self) -> &'static str {
        match self {
            Self::Framing => "complete",
            Self::Close => "complete_by_close",
            Self::Cut => "cut",
            Self::CutInHead => "cut_in_head",
        }
    }

    const fn words(self) -> &'static str {
        match self {
            Self::Framing => "complete",
            Self::Close => "complete, by the close of the connection",
            Self::Cut => "cut short",
            Self::CutInHead => "cut short in the head",
        }
    }
}

/// The limit of characters written of a field value or a message.
const SHOWN_MAX: usize = 200;

pub(super) struct Events {
    style: Style,
    connection: Connection<Vec<u8>>,
    /// The end of the body was reached.
    ended: bool,
    /// The bytes after it.
    leftover: u64,
    /// The body has an unexpected content coding, so its messages are not text.
    is_unreadable: bool,
    trail: Trail,
}

impl Events {
    pub(super) fn new(style: Style) -> Self {
        let config = ConnectionConfig::default();
        let mut connection = Connection::new(vec![0; config.message_bytes_max + 1], config);
        connection.handle_connected(Instant::ZERO);
        Self { style, connection, ended: false, leftover: 0, is_unreadable: false, trail: Trail::default() }
    }
}

impl Mode for Events {
    fn take(&mut self, input: &[u8], output: &mut dyn Write) -> io::Result<Option<TransportError>> {
        let mut rest = input;
        while !self.ended {
            let (consumed, event) = self.connection.decode(rest, Instant::ZERO);
            match event {
                Ok(Some(event)) => {
                    match event {
                        ConnectionEvent::End { .. } => self.ended = true,
                        ConnectionEvent::Head(head) => {
                            self.is_unreadable = head.parsed().unreadable.is_some()
                        }
                        _ => {}
                    }
                    show(self.style, &event, self.is_unreadable, output)?;
                    rest = &rest[consumed..];
                }
                Ok(None) => {
                    rest = &[];
                    break;
                }
                Err(error) => {
                    let head = self.connection.byte_counts().head;
                    let fault = self.trail.fault(error.kind, error.offset, head, input);
                    if self.style == Style::Json {
                        let line = Line::event("error").text("error", error.kind.code());
                        let line = line.text("detail", &fault.detail()).number("offset", fault.offset);
                        output.write_all(line.finish().as_bytes())?;
                    }
                    return Ok(Some(fault));
                }
            }
        }
        self.leftover += rest.len() as u64;
        self.trail.push(input);
        Ok(None)
    }

    fn skip_head(&mut self, status: u16, bytes: u64, output: &mut dyn Write) -> io::Result<()> {
        self.trail.skip(bytes);
        let line = match self.style {
            Style::Json => Line::event("skipped_head").number("status", status.into()).finish(),
            Style::Text if status < 200 => format!("skipped head: {status}, an interim response\n"),
            Style::Text => format!("skipped head: {status}, another head follows it\n"),
        };
        output.write_all(line.as_bytes())
    }

    fn close(&mut self, output: &mut dyn Write) -> io::Result<Ending> {
        if self.leftover > 0 {
            let line = match self.style {
                Style::Json => Line::event("leftover").number("bytes", self.leftover).finish(),
                Style::Text => format!("leftover: {} after the response\n", bytes(self.leftover)),
            };
            output.write_all(line.as_bytes())?;
        }
        if self.ended {
            return Ok(Ending::Complete);
        }
        let received = self.trail.received();
        let (cause, undelivered, ending) = match self.connection.handle_eof() {
            Closed::Complete => return Ok(Ending::Complete),
            Closed::CompleteByClose { undelivered } => {
                // A last message without a delimiter.
                if let (_, Ok(Some(event))) = self.connection.decode(&[], Instant::ZERO) {
                    show(self.style, &event, self.is_unreadable, output)?;
                }
                (DisconnectReason::Close, undelivered, Ending::Complete)
            }
            Closed::Cut { undelivered } => (DisconnectReason::Cut, undelivered, Ending::Cut(received)),
            Closed::CutInHead { undelivered } => {
                (DisconnectReason::CutInHead, undelivered, Ending::CutInHead(received))
            }
        };
        end(self.style, cause, undelivered, output)?;
        Ok(ending)
    }
}

/// One event, for programs or for people.
fn show(
    style: Style,
    event: &ConnectionEvent<'_>,
    is_unreadable: bool,
    output: &mut dyn Write,
) -> io::Result<()> {
    let line = match (*event, style) {
        (ConnectionEvent::Head(head), Style::Json) => {
            let fields = combined(&head);
            let fields = fields.iter().map(|(name, value)| (name.as_str(), value.as_str()));
            let line = Line::event("head").number("status", head.status().into()).texts("headers", fields);
            match head.parsed().unreadable {
                Some(kind) => line.text("unreadable", kind.code()),
                None => line,
            }
            .finish()
        }
        (ConnectionEvent::Head(head), Style::Text) => return show_head(&head, output),
        (ConnectionEvent::Message(message), Style::Json) if is_unreadable => {
            Line::event("message").text("kind", "unreadable").number("bytes", message.len() as u64).finish()
        }
        (ConnectionEvent::Message(message), Style::Text) if is_unreadable => {
            format!("unreadable, {}\n", bytes(message.len() as u64))
        }
        (ConnectionEvent::Message(message), Style::Json) => {
            let (kind, id) = describe(message);
            let mut line = Line::event("message").text("kind", kind);
            if let Some(id) = id {
                line = line.text("id", &id.to_string());
            }
            line.number("bytes", message.len() as u64).finish()
        }
        (ConnectionEvent::Message(message), Style::Text) => {
            let (kind, id) = describe(message);
            let id = id.map(|id| format!(" {id}")).unwrap_or_default();
            format!("{kind}{id}, {}: {}\n", bytes(message.len() as u64), printable(message))
        }
        (ConnectionEvent::KeepAlive, Style::Json) => Line::event("keep_alive").finish(),
        (ConnectionEvent::KeepAlive, Style::Text) => String::from("keep-alive\n"),
        (ConnectionEvent::Skipped { bytes }, Style::Json) => {
            Line::event("skipped").number("bytes", bytes).finish()
        }
        (ConnectionEvent::Skipped { bytes: skipped }, Style::Text) => {
            format!("skipped: a message of {}, which is over the limit\n", bytes(skipped))
        }
        (ConnectionEvent::End { undelivered }, style) => {
            return end(style, DisconnectReason::Framing, undelivered, output);
        }
        // An event of a newer library.
        _ => return Ok(()),
    };
    output.write_all(line.as_bytes())
}

/// Writes how the response ended. For people, the details of a cut go to standard error.
fn end(style: Style, cause: DisconnectReason, undelivered: u64, output: &mut dyn Write) -> io::Result<()> {
    let line = match style {
        Style::Json => {
            let line = Line::event("end").text("cause", cause.code());
            if undelivered > 0 { line.number("undelivered", undelivered) } else { line }.finish()
        }
        Style::Text => {
            let how = cause.words();
            match undelivered {
                0 => format!("end: {how}\n"),
                _ if cause == DisconnectReason::CutInHead => {
                    format!("end: {how}, after {} of it\n", bytes(undelivered))
                }
                _ => format!(
                    "end: {how}; {} of a message that is cut (--body writes them)\n",
                    bytes(undelivered)
                ),
            }
        }
    };
    output.write_all(line.as_bytes())
}

fn show_head(head: &Head<'_>, output: &mut dyn Write) -> io::Result<()> {
    let parsed = head.parsed();
    let framing = match parsed.framing {
        BodyFraming::Empty => String::from("no body"),
        BodyFraming::Chunked => String::from("chunked body"),
        BodyFraming::Length(length) => format!("body of {}", bytes(length)),
        BodyFraming::UntilClose => {
            String::from("body until the connection closes: a complete and a cut body look the same")
        }
        _ => String::from("body"),
    };
    writeln!(output, "head: HTTP/1.{} {}, {framing}", parsed.minor_version, parsed.status)?;
    if parsed.ambiguous_length {
        writeln!(
            output,
            "  (both Transfer-Encoding and Content-Length are present; Transfer-Encoding applies)"
        )?;
    }
    if let Some(unread) = head.unread_body() {
        writeln!(output, "  ({})", printable(unread.to_string().as_bytes()))?;
    }
    for (name, value) in head.fields() {
        writeln!(output, "  {}: {}", printable(name.as_bytes()), printable(value))?;
    }
    Ok(())
}

/// Returns the fields in order of their first lines. Names are in lower case, the values of
/// repeated fields are joined (RFC 9110 section 5.3), and bytes that are not UTF-8 are replaced.
fn combined(head: &Head<'_>) -> Vec<(String, String)> {
    let mut fields: Vec<(String, String)> = Vec::new();
    for (name, value) in head.fields() {
        let name = name.to_ascii_lowercase();
        let value = String::from_utf8_lossy(value);
        match fields.iter_mut().find(|(other, _)| *other == name) {
            Some((_, values)) => {
                values.push_str(", ");
                values.push_str(&value);
            }
            None => fields.push((name, value.into_owned())),
        }
    }
    fields
}

fn printable(bytes: &[u8]) -> Printable<'_> {
    Printable { bytes, characters_max: SHOWN_MAX }
}

fn bytes(count: u64) -> String {
    format!("{count} byte{}", if count == 1 { "" } else { "s" })
}
