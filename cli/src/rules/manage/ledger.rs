//! The requests that count against the service's budgets, stored between runs. Powerstream allows
//! 50 rule requests in 24 hours, and does not report how many are left.
//!
//! There is one file per app and service, in the user's state directory. It is replaced atomically.
//! Its name is a hash of origin, endpoint and token, which cannot be recovered from it. A lock file
//! next to it is locked for the whole run. So two runs neither spend the same request nor change
//! the same rules at once. The lock ends with the process.
//!
//! A request is entered before it is sent, and removed only if nothing of it was sent. A run that
//! is killed has spent it.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use powerstream_client::rule_api::{Budget, RuleApi};
use powerstream_core::time::UnixTime;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::file::replace;

/// The key of a ledger: one app at one service.
pub(super) struct Key<'a> {
    /// The origin and the Host field.
    pub(super) service: &'a str,
    pub(super) api: RuleApi,
    /// The token. Only a part of its hash is stored.
    pub(super) token: &'a [u8],
}

impl Key<'_> {
    /// The name in the file.
    fn service_name(&self) -> String {
        format!("{}{}", self.service, self.api.path())
    }

    /// 32 hexadecimal digits.
    fn name(&self) -> String {
        let mut hash = Sha256::new();
        // Each part follows its length, so that different keys have different inputs.
        for part in [
            b"powerstream rules ledger".as_slice(),
            self.service.as_bytes(),
            self.api.path().as_bytes(),
            self.token,
        ] {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        }
        hash.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect()
    }
}

/// An open ledger, locked.
#[derive(Debug)]
pub(super) struct Ledger {
    path: PathBuf,
    /// When each request was sent, in milliseconds, by budget; oldest first.
    spent: BTreeMap<String, Vec<u64>>,
    service: String,
    /// The lock file. `None`: nothing is written.
    lock: Option<File>,
}

/// A request that was entered.
#[derive(Debug)]
#[must_use]
pub(super) struct Entry {
    budget: &'static str,
    at: u64,
}

/// The remaining requests of a budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Left {
    pub(super) requests: u32,
    /// When the next request is free; `None` if all are free.
    pub(super) next: Option<UnixTime>,
}

impl Ledger {
    /// Opens the ledger of `key` in `directory`, which is created if needed. If another run holds
    /// the lock, calls `waiting` and waits. An unreadable ledger is replaced; the reason is passed
    /// to `warn`.
    pub(super) fn open(
        directory: &Path,
        key: &Key<'_>,
        waiting: impl FnOnce(),
        warn: impl FnOnce(String),
    ) -> io::Result<Self> {
        make_private(directory)?;
        let name = key.name();
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(directory.join(format!("rules-{name}.lock")))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                waiting();
                lock.lock()?;
            }
            Err(TryLockError::Error(error)) => return Err(error),
        }
        let path = directory.join(format!("rules-{name}.json"));
        let spent = match fs::read(&path) {
            Ok(bytes) => read(&bytes).unwrap_or_else(|| {
                warn(format!(
                    "the ledger {} cannot be read and is replaced by a new one: \
                     earlier requests are not counted",
                    path.display()
                ));
                BTreeMap::new()
            }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => BTreeMap::new(),
            Err(error) => return Err(error),
        };
        Ok(Self { path, spent, service: key.service_name(), lock: Some(lock) })
    }

    /// Opens the ledger of `key` in `directory` for reading only. Nothing is written.
    pub(super) fn unkept(directory: &Path, key: &Key<'_>) -> Self {
        let path = directory.join(format!("rules-{}.json", key.name()));
        let spent = fs::read(&path).ok().and_then(|bytes| read(&bytes)).unwrap_or_default();
        Self { path, spent, service: key.service_name(), lock: None }
    }

    /// Stops writing.
    pub(super) fn give_up(&mut self) {
        self.lock = None;
    }

    /// Returns true if changes are written.
    pub(super) const fn is_kept(&self) -> bool {
        self.lock.is_some()
    }

    /// Returns the path of the ledger.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the path of the last known rules of the same app.
    pub(super) fn known(&self) -> PathBuf {
        self.path.with_extension("known.json")
    }

    /// Returns the remaining requests of `budget` at `now`.
    pub(super) fn left(&self, budget: Budget, now: UnixTime) -> Left {
        let spent = self.in_window(budget, now);
        let used = u32::try_from(spent.len()).unwrap_or(u32::MAX);
        let requests = budget.requests.saturating_sub(used);
        // Above the budget, this many entries must expire first.
        let first = used.saturating_sub(budget.requests) as usize;
        Left {
            requests,
            next: spent.get(first).map(|at| UnixTime::from_millis(*at).saturating_add(budget.window)),
        }
    }

    /// Returns when `count` requests of `budget` will be free, if no more are spent. `None` for
    /// more than the budget.
    pub(super) fn free_at(&self, budget: Budget, count: u32, now: UnixTime) -> Option<UnixTime> {
        if count > budget.requests {
            return None;
        }
        let spent = self.in_window(budget, now);
        let over = (spent.len() + count as usize).saturating_sub(budget.requests as usize);
        match over.checked_sub(1) {
            None => Some(now),
            Some(last) => spent.get(last).map(|at| UnixTime::from_millis(*at).saturating_add(budget.window)),
        }
    }

    /// Enters a request before it is sent. On an error it is not entered.
    pub(super) fn spend(&mut self, budget: Budget, now: UnixTime) -> io::Result<Entry> {
        let kept = self.in_window(budget, now);
        let spent = self.spent.entry(budget.name.to_owned()).or_default();
        *spent = kept;
        spent.push(now.as_millis());
        let entry = Entry { budget: budget.name, at: now.as_millis() };
        match self.write() {
            Ok(()) => Ok(entry),
            Err(error) => {
                self.take_out(&entry);
                Err(error)
            }
        }
    }

    /// Moves the request to `now`, when it was answered or abandoned. The service may have counted
    /// it that late.
    pub(super) fn settle(&mut self, entry: Entry, now: UnixTime) -> io::Result<()> {
        self.take_out(&entry);
        self.spent.entry(entry.budget.to_owned()).or_default().push(now.as_millis());
        self.write()
    }

    /// Removes a request of which nothing was sent.
    pub(super) fn refund(&mut self, entry: &Entry) -> io::Result<()> {
        self.take_out(entry);
        self.write()
    }

    fn take_out(&mut self, entry: &Entry) {
        if let Some(spent) = self.spent.get_mut(entry.budget)
            && let Some(index) = spent.iter().rposition(|at| *at == entry.at)
        {
            spent.remove(index);
        }
    }

    /// Returns the requests that count at `now`. A time in the future was written by a wrong clock,
    /// and counts as `now`.
    fn in_window(&self, budget: Budget, now: UnixTime) -> Vec<u64> {
        let spent = self.spent.get(budget.name).map_or(&[][..], Vec::as_slice);
        let start = now.saturating_sub(budget.window).as_millis();
        let mut kept: Vec<u64> =
            spent.iter().map(|at| (*at).min(now.as_millis())).filter(|at| *at > start).collect();
        kept.sort_unstable();
        kept
    }

    fn write(&self) -> io::Result<()> {
        if !self.is_kept() {
            return Ok(());
        }
        let content = json!({ "version": 1, "service": self.service, "spent": self.spent });
        replace(&self.path, content.to_string().as_bytes())
    }
}

fn read(bytes: &[u8]) -> Option<BTreeMap<String, Vec<u64>>> {
    let content: Value = serde_json::from_slice(bytes).ok()?;
    if content.get("version")?.as_u64()? != 1 {
        return None;
    }
    let budgets = content.get("spent")?.as_object()?;
    let times = |times: &Value| times.as_array()?.iter().map(Value::as_u64).collect::<Option<Vec<u64>>>();
    budgets.iter().map(|(name, spent)| Some((name.clone(), times(spent)?))).collect()
}

fn make_private(directory: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(directory)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use powerstream_client::rule_api::Call;

    use super::*;

    const TOKEN: &[u8] = b"s3cr3t";

    fn key(service: &'static str) -> Key<'static> {
        Key { service, api: RuleApi::Powerstream, token: TOKEN }
    }

    fn open(directory: &Path) -> Ledger {
        let quiet = |why: String| panic!("{why}");
        Ledger::open(directory, &key("https://api.x.com"), || panic!("it is not locked"), quiet).unwrap()
    }

    fn at(seconds: u64) -> UnixTime {
        UnixTime::from_seconds(1_800_000_000 + seconds)
    }

    fn budget() -> Budget {
        Call::list(RuleApi::Powerstream).budget()
    }

    const DAY: u64 = 24 * 60 * 60;

    #[test]
    fn allows_fifty_requests_in_any_24_hours() {
        let directory = tempfile::tempdir().unwrap();
        let mut ledger = open(directory.path());
        assert_eq!(ledger.left(budget(), at(0)), Left { requests: 50, next: None });
        for second in 0..50 {
            let entry = ledger.spend(budget(), at(second)).unwrap();
            ledger.settle(entry, at(second)).unwrap();
        }
        drop(ledger);
        // The next run still counts the spent requests.
        let ledger = open(directory.path());
        assert_eq!(ledger.left(budget(), at(60)), Left { requests: 0, next: Some(at(DAY)) });
        assert_eq!(ledger.free_at(budget(), 1, at(60)), Some(at(DAY)));
        assert_eq!(ledger.free_at(budget(), 10, at(60)), Some(at(DAY + 9)));
        assert_eq!(ledger.free_at(budget(), 50, at(60)), Some(at(DAY + 49)));
        assert_eq!(ledger.free_at(budget(), 51, at(60)), None);
        assert_eq!(ledger.left(budget(), at(DAY - 1)).requests, 0);
        assert_eq!(ledger.left(budget(), at(DAY)), Left { requests: 1, next: Some(at(DAY + 1)) });
        assert_eq!(ledger.left(budget(), at(DAY + 49)), Left { requests: 50, next: None });
    }

    #[test]
    fn counts_a_request_from_its_send_until_a_day_after_its_answer() {
        let directory = tempfile::tempdir().unwrap();
        let mut ledger = open(directory.path());
        // Killed while the request was in flight.
        let _ = ledger.spend(budget(), at(0)).unwrap();
        drop(ledger);
        let mut ledger = open(directory.path());
        assert_eq!(ledger.left(budget(), at(1)).requests, 49);
        let entry = ledger.spend(budget(), at(1)).unwrap();
        ledger.settle(entry, at(61)).unwrap();
        let entry = ledger.spend(budget(), at(70)).unwrap();
        assert_eq!(ledger.left(budget(), at(70)).requests, 47);
        ledger.refund(&entry).unwrap();
        drop(ledger);
        let ledger = open(directory.path());
        assert_eq!(ledger.left(budget(), at(70)).requests, 48);
        assert_eq!(ledger.left(budget(), at(DAY + 60)).requests, 49);
        assert_eq!(ledger.left(budget(), at(DAY + 61)).requests, 50);
    }

    #[test]
    fn keeps_one_ledger_per_budget_app_and_service() {
        let directory = tempfile::tempdir().unwrap();
        let mut ledger = open(directory.path());
        let _ = ledger.spend(budget(), at(0)).unwrap();
        let lists = Call::list(RuleApi::FilteredStream).budget();
        assert_eq!(ledger.left(lists, at(0)).requests, 450);
        let other = Key { token: b"another", ..key("https://api.x.com") };
        let ports = ["http://127.0.0.1:1", "http://127.0.0.1:2"].map(|url| key(url).name());
        let names = [key("https://api.x.com").name(), other.name()].into_iter().chain(ports);
        assert_eq!(names.collect::<std::collections::BTreeSet<_>>().len(), 4);

        // The files contain nothing of the token.
        for file in fs::read_dir(directory.path()).unwrap() {
            let file = file.unwrap();
            let name = file.file_name().into_string().unwrap();
            let content = String::from_utf8(fs::read(file.path()).unwrap()).unwrap();
            assert!(!format!("{name}{content}").contains("s3cr3t"));
        }
    }

    #[test]
    fn warns_and_starts_over_when_the_ledger_is_unreadable() {
        for broken in
            ["", "{", "[]", "{\"version\":2,\"spent\":{}}", "{\"version\":1,\"spent\":{\"rules\":[\"x\"]}}"]
        {
            let directory = tempfile::tempdir().unwrap();
            let mut ledger = open(directory.path());
            let _ = ledger.spend(budget(), at(0)).unwrap();
            let path = ledger.path().to_owned();
            drop(ledger);
            fs::write(&path, broken).unwrap();
            let mut reason = String::new();
            let ledger =
                Ledger::open(directory.path(), &key("https://api.x.com"), || {}, |why| reason = why).unwrap();
            assert!(reason.contains("replaced by a new one") && reason.contains("rules-"), "{reason}");
            assert_eq!(ledger.left(budget(), at(0)).requests, 50);
        }
    }

    #[test]
    fn a_clock_set_back_blocks_for_at_most_a_day() {
        let directory = tempfile::tempdir().unwrap();
        let mut ledger = open(directory.path());
        let _ = ledger.spend(budget(), at(1_000 * DAY)).unwrap();
        assert_eq!(ledger.left(budget(), at(0)), Left { requests: 49, next: Some(at(DAY)) });
        let _ = ledger.spend(budget(), at(0)).unwrap();
        assert_eq!(ledger.left(budget(), at(DAY)).requests, 50);
    }

    #[test]
    fn second_run_waits_for_the_first() {
        let directory = tempfile::tempdir().unwrap();
        let mut first = open(directory.path());
        let path = directory.path().to_owned();
        let (sender, waiting) = std::sync::mpsc::channel();
        let second = std::thread::spawn(move || {
            let waiting = || sender.send(()).unwrap();
            let ledger =
                Ledger::open(&path, &key("https://api.x.com"), waiting, |why| panic!("{why}")).unwrap();
            ledger.left(budget(), at(0)).requests
        });
        waiting.recv_timeout(Duration::from_secs(20)).unwrap();
        let _ = first.spend(budget(), at(0)).unwrap();
        drop(first);
        assert_eq!(second.join().unwrap(), 49);
    }
}
