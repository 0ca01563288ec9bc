//! The source of Posts: a generator or the lines of a file.

use std::path::Path;
use std::sync::Arc;
use std::{fmt, io};

/// The source of the Posts that a simulator sends.
#[derive(Clone)]
#[non_exhaustive]
pub enum Source {
    /// Posts generated from a seed, without end. All connections share them, as on the service.
    Generated {
        /// The seed of everything except ids and dates.
        seed: u64,
    },
    /// Given messages, sent to each connection from the first to the last.
    File(Arc<[SourcePost]>),
}

/// A message of a source: a line of a file or a generated Post.
#[derive(Clone)]
pub struct SourcePost {
    pub(crate) id: Option<u64>,
    pub(crate) bytes: Arc<[u8]>,
}

impl SourcePost {
    /// Returns the line as in the file, without its line end.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Returns the id of the Post, if one was found.
    #[must_use]
    pub fn id(&self) -> Option<u64> {
        self.id
    }
}

impl fmt::Debug for SourcePost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes, id {:?}", self.bytes.len(), self.id)
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Generated { seed } => f.debug_struct("Generated").field("seed", seed).finish(),
            Self::File(posts) => write!(f, "File({} lines)", posts.len()),
        }
    }
}

impl Source {
    /// Creates a source from lines of JSON, one message per line. Lines end with LF or CR LF. A
    /// byte order mark in front and blank lines are skipped. Other lines are sent unchanged and
    /// unchecked.
    ///
    /// # Errors
    ///
    /// `InvalidData` if there is no line, or the bytes are UTF-16.
    pub fn from_ndjson(bytes: &[u8]) -> io::Result<Self> {
        if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "it is UTF-16: save it as UTF-8"));
        }
        let bytes = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes);
        let lines = bytes.split(|b| *b == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
        let posts: Arc<[SourcePost]> = lines
            .filter(|line| !line.trim_ascii().is_empty())
            .map(|line| SourcePost { id: post_id(line), bytes: line.into() })
            .collect();
        if posts.is_empty() {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "it contains no Posts, because every line is empty",
            ));
        }
        Ok(Self::File(posts))
    }

    /// Creates a source from a file, as [`Source::from_ndjson`].
    ///
    /// # Errors
    ///
    /// The error of reading the file, with its path; `InvalidData` if it has no line.
    pub fn from_path(path: impl AsRef<Path>) -> io::Result<Self> {
        let path = path.as_ref();
        let named = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
        Self::from_ndjson(&std::fs::read(path).map_err(named)?).map_err(named)
    }
}

/// Returns the id of a Post: `id_str` or `id` of the object, of its `data`, or of the first element
/// of an array. Returns `None` if there is none; the line need not be JSON.
fn post_id(line: &[u8]) -> Option<u64> {
    let line = line.trim_ascii();
    let object = line.strip_prefix(b"[").unwrap_or(line).trim_ascii();
    id_of_object(object, 0)
}

/// Scans the keys of one object, skipping strings and nested values. It recurses only into `data`.
fn id_of_object(json: &[u8], depth: u8) -> Option<u64> {
    let mut at = 0;
    let mut level = 0_usize;
    let mut found = None;
    let mut key: Option<&[u8]> = None;
    while let Some(byte) = json.get(at) {
        match byte {
            b'"' => {
                let end = string_end(json, at)?;
                let inside = &json[at + 1..end];
                let is_key = json[end + 1..].trim_ascii_start().first() == Some(&b':');
                if level == 1 && is_key {
                    key = Some(inside);
                } else if level == 1 && key.take() == Some(b"id_str") {
                    if let Some(id) = number(inside) {
                        return Some(id);
                    }
                }
                at = end;
            }
            b'{' if level == 1 && depth == 0 && key.take() == Some(b"data") => {
                return id_of_object(&json[at..], 1);
            }
            b'{' | b'[' => level += 1,
            b'}' | b']' => {
                level = level.checked_sub(1)?;
                if level == 0 {
                    break;
                }
            }
            b'-' | b'0'..=b'9' if level == 1 && key == Some(b"id") => {
                key = None;
                let ends = |byte: &u8| matches!(byte, b',' | b'}' | b']') || byte.is_ascii_whitespace();
                let len = json[at..].iter().take_while(|byte| !ends(byte)).count();
                found = found.or(number(&json[at..at + len]));
            }
            b',' => key = None,
            _ => {}
        }
        at += 1;
    }
    // The `id` of a v2 Post is a string.
    found.or_else(|| if depth == 1 { string_id(json) } else { None })
}

fn string_id(data: &[u8]) -> Option<u64> {
    let at = data.windows(5).position(|window| window == b"\"id\":")?;
    let value = data[at + 5..].trim_ascii_start().strip_prefix(b"\"")?;
    let end = value.iter().position(|b| *b == b'"')?;
    number(&value[..end])
}

/// Returns the index of the closing quote of the string that starts at `at`.
fn string_end(json: &[u8], at: usize) -> Option<usize> {
    let mut at = at + 1;
    loop {
        match json.get(at)? {
            b'"' => return Some(at),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
}

fn number(digits: &[u8]) -> Option<u64> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_id_of_a_post() {
        for (line, want) in [
            (r#"{"created_at":"x","id":20,"id_str":"20","text":"a"}"#, Some(20)),
            (
                r#"{"text":"\"id\":7 {","user":{"id":5,"id_str":"5"},"id_str":"18446744073709551615"}"#,
                Some(u64::MAX),
            ),
            (r#"{"user":{"id":5},"id":6}"#, Some(6)),
            (r#"[ {"id":3,"x":[{"id":9}]} ]"#, Some(3)),
            (
                r#"{"data":{"text":"t","id":"1346889436626259968"},"matching_rules":[{"id":"1"}]}"#,
                Some(1346889436626259968),
            ),
            (r#"{"id":1050118621198921700,"id_str":"1050118621198921728"}"#, Some(1050118621198921728)),
            (r#"{"id":1.0501186211989217e+18,"id_str":"1050118621198921728"}"#, Some(1050118621198921728)),
            (r#"{"id":1.0501186211989217e+18,"text":"a"}"#, None),
            (r#"{"id":-7,"text":"a"}"#, None),
            (r#"{"type":"connection_metadata"}"#, None),
            (r#"{"user":{"id":5}}"#, None),
            (r#"{"id":"#, None),
            (r#"{"id_str":"12"#, None),
            ("}}}", None),
            ("junk", None),
        ] {
            assert_eq!(post_id(line.as_bytes()), want, "{line}");
        }
    }

    #[test]
    fn reads_lines_and_skips_empty_ones() {
        let Ok(Source::File(posts)) = Source::from_ndjson(b"{\"id\":1}\r\n\n  \r\n {\"id\":2} \nx") else {
            panic!()
        };
        let lines: Vec<&[u8]> = posts.iter().map(SourcePost::bytes).collect();
        assert_eq!(lines, [b"{\"id\":1}".as_slice(), b" {\"id\":2} ", b"x"]);
        assert_eq!(posts[1].id(), Some(2));
        for empty in [b"".as_slice(), b"\n", b"\r\n \n"] {
            let error = Source::from_ndjson(empty).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        }
        let error = Source::from_path("/no/such/file").unwrap_err();
        assert!(error.to_string().contains("/no/such/file"), "{error}");
    }
}
