//! Access to every Post by its number, including past ones.
//!
//! Post 0 is due when the first client connects, or at [`Config::feed_start`]. A generated Post is
//! a function of the seed, its number and its time. Past Posts therefore need no memory: they are
//! generated on request, identical each time. With the same start, also by another process.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use crate::config::Config;
use crate::generator::Generator;
use crate::schedule::{Schedule, nanoseconds};
use crate::source::{Source, SourcePost};
use crate::time::{self, SEQUENCES};

/// The size of the direct-mapped cache. Several connections or datacenters request the same Post at
/// about the same time.
const CACHED: usize = 1_024;

pub(crate) struct Archive {
    kind: Kind,
    pub(super) schedule: Schedule,
    /// The date of Post 0 (Unix milliseconds), if it is configured.
    start: Option<u64>,
    began: OnceLock<Began>,
    cache: Mutex<Vec<Option<(i64, SourcePost)>>>,
}

enum Kind {
    Generated(Generator),
    File(Arc<[SourcePost]>),
}

#[derive(Clone, Copy)]
struct Began {
    at: Instant,
    /// The time in the schedule at that moment, in nanoseconds.
    offset: i64,
    /// The date of Post 0.
    start_unix_ms: u64,
}

impl Archive {
    pub(super) fn new(config: &Config, schedule: Schedule) -> Self {
        let kind = match &config.source {
            Source::Generated { seed } => Kind::Generated(Generator::new(*seed)),
            Source::File(posts) => Kind::File(posts.clone()),
        };
        let (start, cache) = (config.feed_start, Mutex::new(vec![None; CACHED]));
        Self { kind, schedule, start, began: OnceLock::new(), cache }
    }

    /// Starts the feed, if it has not started. Called when a client connects.
    pub(super) fn begin(&self, now: Instant, unix_ms: u64) {
        self.began.get_or_init(|| {
            let start_unix_ms = self.start.unwrap_or(unix_ms);
            let ms = (unix_ms as i64).saturating_sub(start_unix_ms as i64);
            Began { at: now, offset: ms.saturating_mul(1_000_000), start_unix_ms }
        });
    }

    fn offset(&self, at: Instant) -> i64 {
        let Some(began) = self.began.get() else { return 0 };
        let since = match at.checked_duration_since(began.at) {
            Some(since) => nanoseconds(since),
            None => -nanoseconds(began.at - at),
        };
        since.saturating_add(began.offset)
    }

    /// Returns when Post `n` is due. For a past Post, returns when the first client connected.
    pub(super) fn due(&self, n: i64) -> Option<Instant> {
        let began = self.began.get()?;
        let after = self.schedule.due(n).saturating_sub(began.offset);
        began.at.checked_add(Duration::from_nanos(u64::try_from(after).unwrap_or(0)))
    }

    /// Returns the number of the first Post that is due later than `ago` before `now`.
    pub(super) fn first_after(&self, now: Instant, ago: Duration) -> i64 {
        self.schedule.count(self.offset(now).saturating_sub(nanoseconds(ago)))
    }

    /// Returns the number of the first Post that is due at this date (Unix milliseconds) or later.
    pub(super) fn first_since(&self, unix_ms: u64) -> i64 {
        let Some(began) = self.began.get() else { return 0 };
        let ms = (unix_ms as i64).saturating_sub(began.start_unix_ms as i64);
        self.schedule.count(ms.saturating_mul(1_000_000) - 1)
    }

    /// Returns how long ago Post `n` was due, or `None` if it is not due yet.
    pub(super) fn age(&self, n: i64, now: Instant) -> Option<Duration> {
        u64::try_from(self.offset(now).saturating_sub(self.schedule.due(n))).ok().map(Duration::from_nanos)
    }

    /// Returns true if there is a Post `n`. A file ends.
    pub(super) fn has(&self, n: i64) -> bool {
        match &self.kind {
            Kind::Generated(_) => true,
            Kind::File(posts) => usize::try_from(n).is_ok_and(|n| n < posts.len()),
        }
    }

    pub(super) fn lines(&self) -> Option<&Arc<[SourcePost]>> {
        match &self.kind {
            Kind::Generated(_) => None,
            Kind::File(posts) => Some(posts),
        }
    }

    pub(super) fn post(&self, n: i64) -> Option<SourcePost> {
        let generator = match &self.kind {
            Kind::File(posts) => return posts.get(usize::try_from(n).ok()?).cloned(),
            Kind::Generated(generator) => generator,
        };
        let slot = n.rem_euclid(CACHED as i64) as usize;
        let cached = |(number, post): &(i64, SourcePost)| (*number == n).then(|| post.clone());
        if let Some(post) = self.cache().get(slot).and_then(|slot| slot.as_ref().and_then(cached)) {
            return Some(post);
        }
        let mut bytes = Vec::with_capacity(4 << 10);
        let id = self.id(n, generator);
        generator.nth(n, id, &mut bytes);
        let post = SourcePost { id: Some(id), bytes: bytes.into() };
        self.cache()[slot] = Some((n, post.clone()));
        Some(post)
    }

    /// Returns the id of Post `n`, without generating the Post.
    pub(super) fn id_of(&self, n: i64) -> Option<u64> {
        match &self.kind {
            Kind::File(posts) => posts.get(usize::try_from(n).ok()?).and_then(SourcePost::id),
            Kind::Generated(generator) => Some(self.id(n, generator)),
        }
    }

    fn cache(&self) -> std::sync::MutexGuard<'_, Vec<Option<(i64, SourcePost)>>> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the snowflake of the time when Post `n` is due. Posts of the same millisecond are
    /// numbered.
    fn id(&self, n: i64, generator: &Generator) -> u64 {
        let start_ms = self.began.get().map_or(0, |began| began.start_unix_ms as i64);
        let ms = self.schedule.due(n).div_euclid(1_000_000);
        let first = self.schedule.count(ms * 1_000_000 - 1);
        let sequence = (n - first).clamp(0, SEQUENCES as i64 - 1) as u64;
        time::snowflake((start_ms + ms).max(0) as u64, generator.machine() | sequence)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_790_000_000_123;

    fn archive(rate: f64) -> (Archive, Instant) {
        let archive = Archive::new(&Config::default(), Schedule::new(rate, None));
        let now = Instant::now();
        archive.begin(now, NOW);
        (archive, now)
    }

    #[test]
    fn gives_the_same_past_posts_each_time() {
        let (one, now) = archive(1_500.0);
        let (two, _) = archive(1_500.0);
        let mut last = 0;
        for n in -3_000..3_000 {
            let post = one.post(n).unwrap();
            let id = post.id().unwrap();
            assert!(id > last);
            last = id;
            let ms = time::snowflake_ms(id);
            assert_eq!(ms as i64, NOW as i64 + (n as f64 / 1.5).floor() as i64, "{n}");
            if n % 100 == 0 {
                assert_eq!(two.post(n).unwrap().bytes(), post.bytes());
                let json: serde_json::Value = serde_json::from_slice(post.bytes()).unwrap();
                assert_eq!(json["timestamp_ms"], ms.to_string());
            }
        }
        let minute = Duration::from_secs(60);
        assert_eq!(one.first_after(now + minute, minute), 1);
        assert_eq!(one.first_after(now, minute), 1 - 90_000);
        assert_eq!(one.first_since(NOW - 60_000), -90_000);
        assert_eq!(one.age(-90_000, now), Some(minute));
        assert_eq!(one.age(1, now), None);
    }

    #[test]
    fn numbers_posts_in_the_order_of_the_generator() {
        let (archive, _) = archive(1.0);
        let mut generator = Generator::new(0);
        for n in 0..20 {
            let mut out = Vec::new();
            generator.post(NOW + n as u64 * 1_000, &mut out);
            assert_eq!(archive.post(n).unwrap().bytes(), out);
        }
    }
}
