//! `--state FILE`: what a later run needs to continue this one.
//!
//! ```text
//!   FILE       a checkpoint: for each group of connections, the time before which every Post was
//!              written or reported as missing, the ranges that are still to be recovered, and the
//!              Posts of the month. Replaced at most once a second.
//!   FILE.ids   the ids of the Posts that were written last, 8 bytes each, as a ring.
//!   FILE.lock  held by the process that uses them.
//! ```
//!
//! Both files describe only what the system has taken. The ids are stored after each write to
//! standard output, so that a process that is killed repeats no Post: only one that is killed
//! between the two writes repeats the Posts of that write. The ring has its full length from the
//! start, so that a full disk does not stop it.
//!
//! Nothing is flushed to the disk: the files survive the end of the process, but perhaps not that
//! of the machine. A checkpoint has a checksum, which reveals a damaged file.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use powerstream_client::merged::Position;
use powerstream_client::recovery::Recovery;
use powerstream_core::checkpoint::{Checkpoint, CheckpointError, Contents};
use powerstream_core::merge::ReplicaGroup;
use powerstream_core::stream::PostId;
use powerstream_core::time::{TimeRange, UnixTime};

use crate::exit::{Exit, Failure, complain};
use crate::file::{self, replace_unsynced};
use crate::system::explained;

/// The ids in the ring, 8 MiB. Posts that were written since the covered time must fit, which is
/// the start of the gap during a backfill of five minutes.
const IDS: usize = 1 << 20;

/// Of a damaged checkpoint, everything is taken as written that is this much older than the newest
/// id: more than Posts are out of order.
const DAMAGED_MARGIN: Duration = Duration::from_secs(60);

/// The bytes of an id.
const ID: usize = 8;

/// The most ranges of a group in a checkpoint.
const RANGES: usize = 256;

/// The open state files, locked.
#[derive(Debug)]
pub(super) struct State {
    path: PathBuf,
    ids: File,
    /// Where the next id is stored, counted in ids.
    next: usize,
    /// Identifies the stream.
    stream: u64,
    /// The ids were stored the last time, or a warning was given.
    is_stored: bool,
    is_saved: bool,
    _lock: File,
}

/// What an earlier run left.
#[derive(Debug)]
pub(super) struct Resume {
    pub(super) position: Position,
    /// The newest last.
    pub(super) ids: Vec<PostId>,
    /// Posts that were received in a calendar month, and a time in it.
    pub(super) month: (u64, UnixTime),
}

impl State {
    /// Opens the state of the stream with this key and these groups, and reads what an earlier run
    /// left.
    pub(super) fn open(
        path: &Path,
        stream: u64,
        groups: &[ReplicaGroup],
    ) -> Result<(Self, Option<Resume>), Failure> {
        let fail = |what: &str, error: &io::Error| {
            let text = format!("--state: {what} {}: {}", file::name(path), explained(error));
            Failure::new(Exit::Failed, text)
        };
        let lock = private().open(beside(path, "lock")).map_err(|error| fail("cannot lock", &error))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let text = format!(
                    "--state: another process uses {}; wait for its end, or name another file",
                    file::name(path)
                );
                return Err(Failure::new(Exit::Failed, text));
            }
            Err(TryLockError::Error(error)) => return Err(fail("cannot lock", &error)),
        }
        let stored = match std::fs::read(path) {
            Ok(bytes) => read(path, &bytes, stream)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Stored::Nothing,
            Err(error) => return Err(fail("cannot read", &error)),
        };
        let (ids, known) = open_ids(&beside(path, "ids"), !matches!(stored, Stored::Nothing))
            .map_err(|error| fail("cannot keep the ids beside", &error))?;
        let found = match stored {
            Stored::Nothing => None,
            Stored::Position(position, month) => Some((position, month)),
            // Every Post that is much older was written or reported: the ids are stored in order.
            Stored::Damaged => known.last().and_then(|id| id.created_at()).map(|newest| {
                let until = newest.saturating_sub(DAMAGED_MARGIN);
                let of_groups = groups.iter().map(|group| (*group, until));
                (Position::new(of_groups.collect()), (0, until))
            }),
        };
        let state = Self {
            path: path.to_owned(),
            ids,
            next: known.len() % IDS,
            stream,
            is_stored: true,
            is_saved: true,
            _lock: lock,
        };
        let resume = found.map(|(position, month)| Resume { position, ids: known, month });
        Ok((state, resume))
    }

    /// Stores the ids of Posts that were written.
    pub(super) fn written(&mut self, ids: &[PostId]) {
        let result = self.store(ids);
        if let Err(error) = &result
            && self.is_stored
        {
            complain(&format!(
                "warning: --state: cannot store ids beside {}: {}. The next run may repeat Posts",
                file::name(&self.path),
                explained(error)
            ));
        }
        self.is_stored = result.is_ok();
    }

    fn store(&mut self, mut ids: &[PostId]) -> io::Result<()> {
        while !ids.is_empty() {
            let (now, later) = ids.split_at(ids.len().min(IDS - self.next));
            let bytes: Vec<u8> = now.iter().flat_map(|id| id.as_u64().to_le_bytes()).collect();
            self.ids.seek(SeekFrom::Start((self.next * ID) as u64))?;
            self.ids.write_all(&bytes)?;
            self.next = (self.next + now.len()) % IDS;
            ids = later;
        }
        Ok(())
    }

    /// Saves the position of the stream, and the number of Posts that were received in this month.
    /// Every Post before the position was written.
    pub(super) fn save(&mut self, position: &Position, month_posts: u64) {
        let (covered_until, missing) = (position.covered_until.iter().copied(), few(&position.missing));
        let mut buffer = vec![0; Checkpoint::buffer_bytes(covered_until.len(), missing.len(), 0)];
        let (stream, taken_at) = (self.stream, SystemTime::now().into());
        let contents = Contents { stream, taken_at, month_posts, covered_until, missing, ids: [] };
        let result = replace_unsynced(&self.path, Checkpoint::encode(contents, &mut buffer));
        if let Err(error) = &result
            && self.is_saved
        {
            complain(&format!(
                "warning: --state: cannot write {}: {}. Trying again every second",
                file::name(&self.path),
                explained(error)
            ));
        }
        self.is_saved = result.is_ok();
    }
}

/// Returns the ranges, at most so many of a group. More are joined: to recover too much is no loss.
fn few(missing: &[Recovery]) -> Vec<(ReplicaGroup, TimeRange)> {
    let mut few: Vec<(ReplicaGroup, TimeRange)> = Vec::new();
    for Recovery { group, range, .. } in missing {
        let is_full = few.iter().filter(|(other, _)| other == group).count() == RANGES;
        match few.iter_mut().rfind(|(other, _)| other == group).filter(|_| is_full) {
            Some((_, last)) => {
                *last = TimeRange { from: last.from.min(range.from), to: last.to.max(range.to) };
            }
            None => few.push((*group, *range)),
        }
    }
    few
}

/// What a state file holds.
enum Stored {
    Nothing,
    Damaged,
    /// With the Posts of the month, and the time of the count.
    Position(Position, (u64, UnixTime)),
}

/// Reads a checkpoint. One that is damaged is reported. Any other file is an error, because it
/// would be overwritten.
fn read(path: &Path, bytes: &[u8], stream: u64) -> Result<Stored, Failure> {
    let name = file::name(path);
    let other = |what: &str| {
        Failure::new(Exit::Usage, format!("--state: {name} {what}. It is left as it was; name another file"))
    };
    let checkpoint = match Checkpoint::decode(bytes) {
        Ok(checkpoint) => checkpoint,
        Err(CheckpointError::NotACheckpoint) if !bytes.is_empty() => {
            return Err(other("is not a state of this tool"));
        }
        Err(error @ CheckpointError::Version(_)) => return Err(other(&format!("cannot be read: {error}"))),
        Err(error) => {
            complain(&format!(
                "warning: --state: {name} is ignored: {error}. The newest of the ids beside it is used"
            ));
            return Ok(Stored::Damaged);
        }
    };
    if checkpoint.stream() != stream {
        return Err(other("belongs to another stream: another server, endpoint or option"));
    }
    let mut position = Position::new(checkpoint.covered_until().collect());
    let missing = checkpoint.missing();
    position.missing = missing.map(|(group, range)| Recovery::new(group, range)).collect();
    Ok(Stored::Position(position, (checkpoint.month_posts(), checkpoint.taken_at())))
}

/// Opens the ring of ids, at its full length, and returns its ids, the oldest first.
fn open_ids(path: &Path, resumes: bool) -> io::Result<(File, Vec<PostId>)> {
    let bytes = match std::fs::read(path) {
        Ok(bytes) if resumes => bytes,
        Ok(_) => Vec::new(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(error),
    };
    let (ids, _) = bytes.as_chunks::<ID>();
    let mut ids: Vec<u64> = ids.iter().map(|id| u64::from_le_bytes(*id)).filter(|id| *id != 0).collect();
    // Ids are ordered by time. So the oldest are overwritten first.
    ids.sort_unstable();
    let mut bytes: Vec<u8> = ids.iter().flat_map(|id| id.to_le_bytes()).collect();
    bytes.resize(IDS * ID, 0);
    // A process that is killed here leaves the old ring.
    let file = file::replace_unsynced(path, &bytes)?;
    Ok((file, ids.into_iter().map(PostId::new).collect()))
}

/// Options for a file that only the user may read. It is created if needed.
fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.create(true).truncate(false).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

fn beside(path: &Path, extension: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(extension);
    PathBuf::from(name)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const COVERED: UnixTime = UnixTime::from_seconds(1_790_000_000);
    const GROUPS: [ReplicaGroup; 2] = [ReplicaGroup::new(0), ReplicaGroup::new(1)];

    fn open(path: &Path, stream: u64) -> Result<(State, Option<Resume>), Failure> {
        State::open(path, stream, &GROUPS)
    }

    fn position() -> Position {
        Position::new(vec![(GROUPS[0], COVERED), (GROUPS[1], UnixTime::from_seconds(1_789_990_000))])
    }

    fn ids(range: std::ops::Range<u64>) -> Vec<PostId> {
        range.map(PostId::new).collect()
    }

    #[test]
    fn a_later_run_gets_the_position_and_the_newest_ids() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("state");
        let (mut state, resume) = open(&path, 7).unwrap();
        assert!(resume.is_none());
        let mut position = position();
        let range = TimeRange { from: COVERED, to: COVERED.saturating_add(Duration::from_secs(9)) };
        position.missing.push(Recovery::new(ReplicaGroup::new(3), range));
        for start in (1..1_200_000).step_by(1_000) {
            state.written(&ids(start..start + 1_000));
        }
        state.save(&position, 1_200_000);
        drop(state);

        let (state, resume) = open(&path, 7).unwrap();
        let resume = resume.unwrap();
        assert_eq!((resume.position, resume.month.0), (position, 1_200_000));
        assert_eq!(resume.ids, ids(1_200_001 - IDS as u64..1_200_001));
        assert_eq!(state.next, 0);
    }

    #[test]
    fn too_many_ranges_of_a_group_are_joined() {
        let second = |at: u64| COVERED.saturating_add(Duration::from_secs(at));
        let range = |at: u64| TimeRange { from: second(at), to: second(at + 1) };
        let missing: Vec<_> =
            (0..600).map(|at| Recovery::new(ReplicaGroup::new((at % 2) as u16), range(10 * at))).collect();
        let few = few(&missing);
        assert_eq!(few.len(), 2 * RANGES);
        assert!(missing.iter().all(|one| few.iter().any(|(group, range)| {
            *group == one.group && range.from <= one.range.from && one.range.to <= range.to
        })));
    }

    #[test]
    fn a_second_process_and_another_stream_are_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("state");
        let (mut state, _) = open(&path, 7).unwrap();
        assert!(open(&path, 7).is_err());
        state.save(&position(), 0);
        drop(state);
        assert!(open(&path, 8).is_err());
        assert!(open(&path, 7).is_ok());
    }

    #[test]
    fn a_damaged_checkpoint_is_replaced_by_what_the_ids_show() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("state");
        let newest = PostId::new(1_724_648_402_173_460_480);
        for bytes in [&b""[..], b"PSCP", b"PSCP\x02 cut"] {
            std::fs::write(&path, bytes).unwrap();
            assert!(open(&path, 7).unwrap().1.is_none());
            open(&path, 7).unwrap().0.written(&[newest]);
            let resume = open(&path, 7).unwrap().1.unwrap();
            let covered = newest.created_at().unwrap().saturating_sub(DAMAGED_MARGIN);
            let covered = GROUPS.map(|group| (group, covered)).to_vec();
            assert_eq!((resume.position.covered_until, resume.ids), (covered, vec![newest]));
            std::fs::remove_file(beside(&path, "ids")).unwrap();
        }
    }

    #[test]
    fn other_files_are_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("state");
        for bytes in [&b"no checkpoint"[..], b"PSCP\x01 an earlier version", b"PSCP\x03 a later version"] {
            std::fs::write(&path, bytes).unwrap();
            assert!(open(&path, 7).is_err());
            assert_eq!(std::fs::read(&path).unwrap(), bytes);
        }
    }

    #[cfg(unix)]
    #[test]
    fn only_the_user_may_read_the_files() {
        use std::os::unix::fs::PermissionsExt;

        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("state");
        open(&path, 7).unwrap().0.save(&position(), 0);
        for file in [path.clone(), beside(&path, "ids"), beside(&path, "lock")] {
            assert_eq!(std::fs::metadata(file).unwrap().permissions().mode() & 0o077, 0);
        }
    }
}
