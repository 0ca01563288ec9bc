//! Formats Posts for standard output, one per line.

use std::io::{self, IsTerminal, Write};

use powerstream_core::stream::PostId;

use super::pretty::{self, Style};
use super::writer::BUFFER_BYTES;
use crate::log::wants_color;
use crate::text::is_unsafe;

/// The output formats.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    /// As received, but on one line, and arrays unwrapped
    Json,
    /// The message's bytes as received, then LF
    Raw,
    /// Human-readable: time, author and text; on a terminal with a status line
    Pretty,
    /// Nothing, but counted as written; on a terminal a status line
    None,
}

impl Format {
    /// Returns true if a terminal has room for a status line between the Posts.
    pub(super) const fn leaves_room(self) -> bool {
        matches!(self, Self::Pretty | Self::None)
    }
}

/// Formats Posts, and stores them until they are written.
pub(super) struct Output {
    buffer: Vec<u8>,
    format: Format,
    /// True if controls in strings must be escaped, because a terminal would interpret them.
    is_terminal: bool,
    style: Style,
}

impl Output {
    /// Creates the output for standard output, and checks whether that is a terminal.
    pub(super) fn for_stdout(format: Format) -> Self {
        let is_terminal = io::stdout().is_terminal();
        Self::new(format, is_terminal, is_terminal && wants_color())
    }

    pub(super) const fn new(format: Format, is_terminal: bool, is_colored: bool) -> Self {
        Self { buffer: Vec::new(), format, is_terminal, style: Style { is_colored } }
    }

    /// Formats one Post.
    pub(super) fn post(&mut self, bytes: &[u8], id: Option<PostId>) {
        let Self { buffer, format, is_terminal, style } = self;
        let formatted = match format {
            Format::Raw => buffer.write_all(bytes),
            Format::Json if *is_terminal => buffer.write_all(shown(bytes).as_bytes()),
            Format::Json => write_line(bytes, buffer),
            Format::Pretty => pretty::write(bytes, id, *style, buffer),
            Format::None => return,
        };
        formatted.unwrap_or_else(|error| unreachable!("memory takes all that is written: {error}"));
        buffer.push(b'\n');
    }

    /// Returns true if nothing is ever written.
    pub(super) fn is_none(&self) -> bool {
        self.format == Format::None
    }

    /// Returns the bytes to write.
    pub(super) fn waiting(&self) -> &[u8] {
        &self.buffer
    }

    /// Removes the bytes that were written.
    pub(super) fn clear(&mut self) {
        self.buffer.clear();
        // The memory of a long Post must not stay allocated for months.
        self.buffer.shrink_to(2 * BUFFER_BYTES);
    }
}

/// Writes JSON unchanged, except that line ends between tokens become spaces. Strings contain none.
fn write_line(json: &[u8], writer: &mut impl Write) -> io::Result<()> {
    let mut pieces = json.split(|byte| matches!(byte, b'\r' | b'\n'));
    if let Some(first) = pieces.next() {
        writer.write_all(first)?;
    }
    for piece in pieces {
        writer.write_all(b" ")?;
        writer.write_all(piece)?;
    }
    Ok(())
}

/// Writes JSON for a terminal: the same value on one line, with every character escaped that a
/// terminal could interpret.
fn shown(json: &[u8]) -> String {
    let mut line = String::with_capacity(json.len());
    for character in String::from_utf8_lossy(json).chars() {
        match character {
            // Between tokens. Strings contain none.
            '\r' | '\n' | '\t' => line.push(' '),
            character if is_unsafe(character) => {
                // All of them are at most U+FFFF, so surrogates are not needed.
                line.push_str(&format!("\\u{:04x}", u32::from(character)));
            }
            character => line.push(character),
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    const POST: &str =
        "{\"id\":20,\r\n\t\"text\":\"a\u{7f}\u{9b}31m\u{202e}\\n\u{e4}\u{1f600}\",\n\"user\":null}";

    fn written(format: Format, is_terminal: bool, post: &[u8]) -> Vec<u8> {
        let mut output = Output::new(format, is_terminal, false);
        output.post(post, Some(PostId::new(20)));
        output.waiting().to_vec()
    }

    #[test]
    fn writes_json_unchanged_on_one_line() {
        let line = written(Format::Json, false, POST.as_bytes());
        let want = POST.replace(['\r', '\n'], " ") + "\n";
        assert_eq!(String::from_utf8(line).unwrap(), want);
        assert_eq!(written(Format::Json, false, b"{\"a\":\"\xff\"}"), b"{\"a\":\"\xff\"}\n");
    }

    #[test]
    fn writes_raw_bytes_unchanged() {
        for is_terminal in [false, true] {
            assert_eq!(written(Format::Raw, is_terminal, POST.as_bytes()), format!("{POST}\n").as_bytes());
        }
    }

    #[test]
    fn escapes_controls_in_json_on_a_terminal() {
        let line = String::from_utf8(written(Format::Json, true, POST.as_bytes())).unwrap();
        assert!(line.strip_suffix('\n').is_some_and(|line| !line.chars().any(is_unsafe)), "{line:?}");
        let value = |json: &str| serde_json::from_str::<serde_json::Value>(json).unwrap();
        assert_eq!(value(&line), value(POST));
        assert_eq!(written(Format::Json, true, b"\"\x9b\""), "\"\u{fffd}\"\n".as_bytes());
    }
}
