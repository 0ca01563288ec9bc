//! Input files, including the byte order marks that some editors and shells write.
//!
//! A leading byte order mark is skipped. UTF-16, which some Windows tools write, is refused with a
//! message that names it.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;

use crate::system::explained;
use crate::text::Printable;

/// The byte order mark in UTF-8.
const MARK: &[u8] = "\u{feff}".as_bytes();

/// An open file, or standard input.
pub(crate) struct Input {
    reader: WithoutMark<Box<dyn Read>>,
    name: String,
}

impl Input {
    /// Opens a file; `-` is standard input.
    pub(crate) fn open(path: &Path) -> Result<Self, String> {
        let name = name(path);
        let reader: Box<dyn Read> = match File::open(path) {
            _ if path.as_os_str() == "-" => Box::new(io::stdin()),
            Ok(file) => Box::new(file),
            Err(error) => return Err(format!("cannot read {name}: {}", explained(&error))),
        };
        Ok(Self { reader: WithoutMark::new(reader), name })
    }

    /// Returns the name for messages.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Returns the message for a failed read.
    pub(crate) fn failed(&self, error: &io::Error) -> String {
        format!("cannot read {}: {}", self.name, explained(error))
    }
}

impl Read for Input {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.reader.read(buffer)
    }
}

/// Replaces a file atomically, readable by the user only. It survives a crash of the machine.
pub(crate) fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    replace_with(path, content, File::sync_all).map(drop)
}

/// The same, without a guarantee for a crash of the machine: it does not wait for the disk. Returns
/// the open file.
pub(crate) fn replace_unsynced(path: &Path, content: &[u8]) -> io::Result<File> {
    replace_with(path, content, |_| Ok(()))
}

fn replace_with(path: &Path, content: &[u8], sync: fn(&File) -> io::Result<()>) -> io::Result<File> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(directory)?;
    file.write_all(content)?;
    sync(file.as_file())?;
    file.persist(path).map_err(|error| error.error)
}

/// Reads a whole file; `-` is standard input.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, String> {
    let mut input = Input::open(path)?;
    let mut bytes = Vec::new();
    input.read_to_end(&mut bytes).map_err(|error| input.failed(&error))?;
    Ok(bytes)
}

/// Reads a whole text file; `-` is standard input.
pub(crate) fn read_text(path: &Path) -> Result<String, String> {
    String::from_utf8(read(path)?).map_err(|error| {
        let at = error.utf8_error().valid_up_to() + 1;
        format!("cannot read {}: invalid UTF-8 at byte {at}", name(path))
    })
}

/// Returns the name of a file for messages.
pub(crate) fn name(path: &Path) -> String {
    if path.as_os_str() == "-" {
        return String::from("standard input");
    }
    Printable { bytes: path.as_os_str().as_encoded_bytes(), characters_max: 4_096 }.to_string()
}

/// A reader that skips a leading byte order mark.
struct WithoutMark<R> {
    inner: R,
    /// The first bytes of the input, which may be a mark.
    first: [u8; MARK.len()],
    /// The range of `first` that has not been returned yet.
    start: usize,
    end: usize,
    is_decided: bool,
}

impl<R: Read> WithoutMark<R> {
    const fn new(inner: R) -> Self {
        Self { inner, first: [0; MARK.len()], start: 0, end: 0, is_decided: false }
    }

    /// Reads until it is known whether the input starts with a mark.
    fn decide(&mut self) -> io::Result<()> {
        while !self.is_decided {
            let count = self.inner.read(&mut self.first[self.end..])?;
            self.end += count;
            let first = &self.first[..self.end];
            if first == MARK {
                self.start = self.end;
            }
            if [b"\xff\xfe", b"\xfe\xff"].iter().any(|mark| first.starts_with(*mark)) {
                let text = "it is UTF-16: save it as UTF-8 (Windows PowerShell writes UTF-16 with `>`)";
                return Err(io::Error::new(io::ErrorKind::InvalidData, text));
            }
            let may_be_mark = MARK.starts_with(first) || matches!(first, [0xfe | 0xff]);
            self.is_decided = count == 0 || first == MARK || !may_be_mark;
        }
        Ok(())
    }
}

impl<R: Read> Read for WithoutMark<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.decide()?;
        if self.start < self.end {
            let count = (&self.first[self.start..self.end]).read(buffer)?;
            self.start += count;
            return Ok(count);
        }
        self.inner.read(buffer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns this many bytes per read, and is interrupted before each.
    struct Pieces<'a>(&'a [u8], usize, bool);

    impl Read for Pieces<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.2 = !self.2;
            if self.2 {
                return Err(io::ErrorKind::Interrupted.into());
            }
            let length = self.1.min(buffer.len());
            self.0.read(&mut buffer[..length])
        }
    }

    #[test]
    fn skips_one_byte_order_mark_in_any_split() {
        for (bytes, want) in [
            (b"\xef\xbb\xbfabc".as_slice(), Some(b"abc".as_slice())),
            (b"\xef\xbb\xbf", Some(b"")),
            (b"\xef\xbb\xbf\xef\xbb\xbfa", Some(b"\xef\xbb\xbfa")),
            (b"a\xef\xbb\xbf", Some(b"a\xef\xbb\xbf")),
            (b"\xef\xbbabc", Some(b"\xef\xbbabc")),
            (b"\xef\xbb", Some(b"\xef\xbb")),
            (b"\xef", Some(b"\xef")),
            (b"", Some(b"")),
            (b"a", Some(b"a")),
            (b"HTTP/1.1 200 OK", Some(b"HTTP/1.1 200 OK")),
            (b"\xff", Some(b"\xff")),
            (b"\xffa", Some(b"\xffa")),
            (b"\xff\xfea\0", None),
            (b"\xfe\xff\0a", None),
            (b"\xff\xfe", None),
        ] {
            for piece in 1..5 {
                let mut read = Vec::new();
                let result = WithoutMark::new(Pieces(bytes, piece, false)).read_to_end(&mut read);
                match (result, want) {
                    (Ok(_), Some(want)) => assert_eq!(read, want, "{}", bytes.escape_ascii()),
                    (Err(error), None) => assert!(error.to_string().contains("UTF-16"), "{error}"),
                    (result, _) => panic!("{}: {result:?}", bytes.escape_ascii()),
                }
            }
        }
    }
}
