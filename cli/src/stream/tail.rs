//! The end of an output file that an earlier run wrote.
//!
//! A process that is killed during a write may have written Posts whose ids it could not store, and
//! a part of a line. If standard output is a file that is appended to, both can be seen there: the
//! ids are read, and the part of a line is removed, since its Post is delivered again.

use powerstream_core::stream::PostId;

/// What the end of an output file shows.
#[derive(Debug, Default)]
pub(super) struct Tail {
    /// The ids of the Posts in its last lines.
    pub(super) ids: Vec<PostId>,
    /// The bytes of an incomplete line, which was removed.
    pub(super) removed: u64,
}

/// Reads the end of standard output, if it is a file. An output that cannot be read shows nothing.
#[cfg(target_os = "linux")]
pub(super) fn read() -> Tail {
    linux::read().unwrap_or_default()
}

/// Other systems cannot open the file for reading again.
#[cfg(not(target_os = "linux"))]
pub(super) fn read() -> Tail {
    Tail::default()
}

#[cfg(target_os = "linux")]
mod linux {
    use std::fs::File;
    use std::io::{self, Read, Seek, SeekFrom};

    use powerstream_core::stream::{PostId, classify};

    use super::Tail;

    /// The bytes that are read: many times those of a write, and of the longest message.
    const BYTES: u64 = 4 << 20;

    pub(super) fn read() -> io::Result<Tail> {
        // The shell opened it for writing only.
        let mut file = File::open("/proc/self/fd/1")?;
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Ok(Tail::default());
        }
        let start = metadata.len().saturating_sub(BYTES);
        file.seek(SeekFrom::Start(start))?;
        let mut bytes = Vec::new();
        file.take(BYTES).read_to_end(&mut bytes)?;
        let lines = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let removed = (bytes.len() - lines) as u64;
        // Without a line end in so many bytes, this is no output of this tool.
        if removed > 0 && (lines > 0 || start == 0) {
            rustix::fs::ftruncate(io::stdout(), start + lines as u64)?;
        }
        Ok(Tail { ids: bytes[..lines].split(|byte| *byte == b'\n').filter_map(id).collect(), removed })
    }

    /// Returns the id of the Post in a line: of JSON, or the id alone.
    fn id(line: &[u8]) -> Option<PostId> {
        let number = || std::str::from_utf8(line).ok()?.trim().parse().ok().map(PostId::new);
        classify(line).post_id.or_else(number)
    }
}
