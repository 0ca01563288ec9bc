//! The Posts of a file in order, skipping everything else.

use std::io::{self, BufRead, BufReader, Read};
use std::ops::Range;
use std::path::Path;

use powerstream_core::stream::{Kind, classify, elements, validate};

use crate::exit::{Exit, Failure};
use crate::file::Input;
use crate::system::explained;

/// The length limit of a line: sixteen times the longest message of a stream.
const LINE_BYTES_MAX: usize = 16 << 20;

/// An item of the input.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Item<'a> {
    /// A Post.
    Post(&'a [u8]),
    /// A message that is not a Post.
    Other,
    /// An unreadable line: its position and the reason.
    Bad(String),
}

/// Reads Posts.
pub(super) struct Posts {
    reader: BufReader<Box<dyn Read>>,
    /// The name in errors.
    name: String,
    line: Vec<u8>,
    number: u64,
    /// The remaining messages of the line, in reverse.
    messages: Vec<Range<usize>>,
}

impl Posts {
    pub(super) fn open(path: &Path) -> Result<Self, Failure> {
        let input = Input::open(path).map_err(|why| Failure::new(Exit::Failed, why))?;
        let name = input.name().to_owned();
        Ok(Self::new(Box::new(input), name))
    }

    fn new(input: Box<dyn Read>, name: String) -> Self {
        Self { reader: BufReader::new(input), name, line: Vec::new(), number: 0, messages: Vec::new() }
    }

    /// Returns true if more input is buffered.
    pub(super) fn has_more_at_once(&self) -> bool {
        !self.messages.is_empty() || !self.reader.buffer().is_empty()
    }

    /// The next item; `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<Item<'_>>, Failure> {
        let message = loop {
            if let Some(message) = self.messages.pop() {
                break &self.line[message];
            }
            let whole = match self.read_line() {
                Ok(Some(whole)) => whole,
                Ok(None) => return Ok(None),
                Err(error) => {
                    return Err(Failure::new(
                        Exit::Failed,
                        format!("cannot read {}: {}", self.name, explained(&error)),
                    ));
                }
            };
            if !whole {
                return Ok(Some(self.bad(&format!("is longer than {} MiB", LINE_BYTES_MAX >> 20))));
            }
            if self.line.trim_ascii().is_empty() {
                continue;
            }
            if let Err(malformed) = validate(&self.line) {
                return Ok(Some(self.bad(&format!("has {malformed}"))));
            }
            if !self.divide() {
                return Ok(Some(Item::Other));
            }
        };
        Ok(Some(if classify(message).is_post() { Item::Post(message) } else { Item::Other }))
    }

    fn bad(&self, why: &str) -> Item<'static> {
        Item::Bad(format!("{}:{}: the line {why}", self.name, self.number))
    }

    /// Finds the messages of a JSON line. Returns false if there are none.
    fn divide(&mut self) -> bool {
        if classify(&self.line).kind != Kind::Array {
            self.messages.push(0..self.line.len());
            return true;
        }
        let start = self.line.as_ptr().addr();
        for element in elements(&self.line).flatten() {
            let at = element.as_ptr().addr() - start;
            self.messages.push(at..at + element.len());
        }
        self.messages.reverse();
        !self.messages.is_empty()
    }

    /// Reads a line without its end. `Some(false)`: the line was too long, and was skipped.
    fn read_line(&mut self) -> io::Result<Option<bool>> {
        self.line.clear();
        // The limit, one more byte, and the CR LF.
        let limit = LINE_BYTES_MAX as u64 + 3;
        if self.reader.by_ref().take(limit).read_until(b'\n', &mut self.line)? == 0 {
            return Ok(None);
        }
        self.number += 1;
        let ended = self.line.pop_if(|last| *last == b'\n').is_some();
        if ended {
            self.line.pop_if(|last| *last == b'\r');
        }
        if self.line.len() <= LINE_BYTES_MAX {
            return Ok(Some(true));
        }
        if !ended {
            self.reader.skip_until(b'\n')?;
        }
        Ok(Some(false))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn items(input: impl Into<Vec<u8>>) -> Vec<String> {
        let mut posts = Posts::new(Box::new(io::Cursor::new(input.into())), "f".to_owned());
        let mut items = Vec::new();
        while let Some(item) = posts.next().unwrap() {
            items.push(match item {
                Item::Post(post) => String::from_utf8(post.to_vec()).unwrap(),
                Item::Other => "other".to_owned(),
                Item::Bad(why) => why,
            });
        }
        items
    }

    const POST: &str = r#"{"id_str":"20","text":"a"}"#;

    #[test]
    fn reads_posts_from_lines_and_arrays() {
        let metadata = r#"{"type":"connection_metadata","datacenter":"atla"}"#;
        assert_eq!(items(""), [""; 0]);
        assert_eq!(items(format!("{POST}\r\n\r\n \n{POST}")), [POST; 2]);
        assert_eq!(
            items(format!("[{POST}, {POST}]\n{metadata}\n[]\n[{metadata}]\n7\n{POST}\n")),
            [POST, POST, "other", "other", "other", "other", POST]
        );
    }

    #[test]
    fn reports_lines_that_are_not_json_and_reads_the_others() {
        let found = items(format!("{POST}\n{{\"id\n{POST}\n\"\\ud800\"\n\u{0}\n").into_bytes());
        assert_eq!((found[0].as_str(), found[2].as_str()), (POST, POST));
        assert!(found[1].starts_with("f:2: the line has malformed JSON at byte "), "{}", found[1]);
        assert!(found[4].starts_with("f:5: the line has malformed JSON at byte "), "{}", found[4]);
        let bad = items([POST.as_bytes(), b"\n{\"text\":\"\xff\"}\n", POST.as_bytes()].concat());
        assert_eq!(bad.len(), 3);
        assert!(bad[1].starts_with("f:2: "), "{}", bad[1]);
    }

    #[test]
    fn skips_lines_over_the_limit() {
        let long = "x".repeat(LINE_BYTES_MAX + 1);
        assert_eq!(items(format!("{long}\n{POST}\n")), ["f:1: the line is longer than 16 MiB", POST]);
        let longer = "x".repeat(LINE_BYTES_MAX + 9);
        assert_eq!(items(format!("{longer}\n{POST}\n")), ["f:1: the line is longer than 16 MiB", POST]);
        assert_eq!(items(longer), ["f:1: the line is longer than 16 MiB"]);
    }
}
