//! Which Post a connection sends next, and when it is due.
//!
//! Each connection reads its own copy of a file, unless the file is shared. All connections share
//! the generated feed, as on the service: two connections receive the same Posts, so that redundant
//! clients have duplicates to remove. The feed starts with the first client and continues without
//! clients, at no cost; see [`archive`].
//!
//! A live feed does not wait for a slow reader. Posts that are due while a connection is blocked
//! wait in a queue. When the queue is full, the connection is ended, as on the service.
//!
//! ```text
//!   archive (n -> Post) <-- live: pump -> channels -> readers     a rate, one feed for all
//!                       <-- window              recovery: a past time window, then the end
//!   file                <-- own                 each connection from the first line
//!   generator           <-- demand              no rate: as fast as the client reads
//! ```

mod archive;
mod filter;
mod item;
mod live;
mod on_demand;

use std::sync::Arc;
use std::time::{Duration, Instant};

use self::archive::Archive;
pub(crate) use self::filter::{Filter, Selector};
use self::item::SKIPS_MAX;
pub(crate) use self::item::{Item, Polled};
pub(crate) use self::live::Key;
use self::live::{Live, Reader};
use self::on_demand::{OnDemandFeed, OnDemandReader};
use crate::clock::{Clock, Notify};
use crate::config::Config;
use crate::datacenter::Datacenter;
use crate::link::Link;
use crate::request::Past;
use crate::rule_store::RuleStore;
use crate::schedule::Schedule;
use crate::source::{Source, SourcePost};
use crate::time;

/// The default rate of a generated feed, in Posts per second: a busy stream, and about a tenth of
/// what one core can generate.
const RATE_DEFAULT: f64 = 500.0;

/// The Posts of a simulator.
pub(crate) struct Feed {
    clock: Clock,
    archive: Arc<Archive>,
    kind: Kind,
    datacenters: u64,
}

enum Kind {
    /// A file, sent from its start to each connection.
    Own(Arc<[SourcePost]>),
    Live(Box<Live>),
    OnDemand(Arc<OnDemandFeed>),
}

impl Feed {
    /// Creates the feed. `pump` wakes the thread that calls [`Feed::run`].
    pub(crate) fn new(config: &Config, datacenters: &[Datacenter], pump: Arc<Notify>) -> Self {
        let default = match &config.source {
            Source::File(_) => f64::INFINITY,
            Source::Generated { .. } => RATE_DEFAULT,
        };
        let schedule = Schedule::new(config.rate.unwrap_or(default), config.bursts);
        let archive = Arc::new(Archive::new(config, schedule));
        let kind = match &config.source {
            Source::File(posts) if !config.shared_file || schedule == Schedule::OnDemand => {
                Kind::Own(posts.clone())
            }
            Source::Generated { seed } if schedule == Schedule::OnDemand => {
                Kind::OnDemand(Arc::new(OnDemandFeed::new(*seed)))
            }
            _ => {
                let queue_max = (config.queue_messages_max, config.queue_bytes_max);
                let live =
                    Live::new(archive.clone(), datacenters.to_vec(), config.seed, queue_max, pump.clone());
                Kind::Live(Box::new(live))
            }
        };
        Self { clock: pump.clock().clone(), archive, kind, datacenters: datacenters.len() as u64 }
    }

    /// Returns true if the Posts are generated, and so are available in every format.
    pub(crate) fn is_generated(&self) -> bool {
        self.archive.lines().is_none()
    }

    /// Returns the ids of the Posts of the shared feed due from `start` until before `end` (Unix
    /// milliseconds).
    pub(crate) fn ids(&self, start: u64, end: u64) -> Vec<u64> {
        if !matches!(self.kind, Kind::Live(_)) {
            return Vec::new();
        }
        // A client cannot have missed a Post that is not due yet.
        let end = end.min(self.clock.unix_ms());
        let numbers = self.archive.first_since(start)..self.archive.first_since(end);
        numbers.filter_map(|n| self.archive.id_of(n)).collect()
    }

    /// Generates Posts when they are due, until `stopped` returns true.
    pub(crate) fn run(&self, stopped: impl Fn() -> bool) {
        if let Kind::Live(live) = &self.kind {
            live.run(stopped);
        }
    }

    /// Adds a connection.
    pub(crate) fn open(
        &self,
        mut key: Key,
        store: Option<&Arc<RuleStore>>,
        past: Past,
        link: &Arc<Link>,
    ) -> FeedCursor {
        // The date is read first, so that no Post is dated in the future if this thread is
        // interrupted here.
        let unix_ms = self.clock.unix_ms();
        let now = self.clock.now();
        self.archive.begin(now, unix_ms);
        if self.datacenters == 1 {
            // The only datacenter has all Posts.
            key.filter.home = None;
        }
        let selector = Selector::new(key.filter.clone(), store);
        let kind = match (&self.kind, past) {
            (Kind::Live(_), Past::Window(start, end)) if self.archive.lines().is_none() => {
                let end = end.min(self.clock.unix_ms());
                let (next, end) = (self.archive.first_since(start), self.archive.first_since(end));
                From::Window { archive: self.archive.clone(), next, end, selector }
            }
            (kind, Past::Window(start, end)) => {
                let posts = match kind {
                    Kind::OnDemand(demand) => demand.latest(),
                    _ => self.archive.lines().map_or_else(Vec::new, |lines| lines.to_vec()),
                };
                let within = |post: &SourcePost| {
                    post.id.is_some_and(|id| (start..end).contains(&time::snowflake_ms(id)))
                };
                let posts: Vec<_> = (0_i64..).zip(posts).filter(|(_, post)| within(post)).collect();
                From::List { posts: posts.into_iter(), selector }
            }
            (Kind::Own(posts), _) => From::Own {
                posts: posts.clone(),
                next: 0,
                began: now,
                schedule: self.archive.schedule,
                selector,
            },
            (Kind::OnDemand(demand), _) => From::OnDemand(OnDemandReader::new(demand, selector)),
            (Kind::Live(live), past) => {
                let backfill = match past {
                    Past::Backfill(length) => length,
                    _ => Duration::ZERO,
                };
                From::Live(live.join(key, store, link, backfill))
            }
        };
        FeedCursor { clock: self.clock.clone(), from: kind }
    }
}

/// The Posts of one connection.
pub(crate) struct FeedCursor {
    clock: Clock,
    from: From,
}

enum From {
    Own { posts: Arc<[SourcePost]>, next: usize, began: Instant, schedule: Schedule, selector: Selector },
    OnDemand(OnDemandReader),
    Live(Reader),
    Window { archive: Arc<Archive>, next: i64, end: i64, selector: Selector },
    List { posts: std::vec::IntoIter<(i64, SourcePost)>, selector: Selector },
}

impl FeedCursor {
    /// Returns what to do now.
    pub(crate) fn poll(&mut self, now: Instant) -> Polled {
        match &mut self.from {
            From::OnDemand(cursor) => cursor.poll(self.clock.unix_ms()),
            From::Live(reader) => reader.poll(),
            From::Own { posts, next, began, schedule, selector } => {
                let Some(post) = posts.get(*next) else { return Polled::Exhausted };
                let n = *next as i64;
                let after = u64::try_from(schedule.due(n)).unwrap_or(0);
                match began.checked_add(Duration::from_nanos(after)) {
                    Some(due) if due <= now => {}
                    due => return Polled::Wait(due.filter(|_| *schedule != Schedule::Never)),
                }
                *next += 1;
                selector.pass(n, post.clone()).map_or(Polled::Skipped, Polled::Post)
            }
            From::Window { archive, next, end, selector } => {
                for n in (*next..*end).take(SKIPS_MAX) {
                    *next = n + 1;
                    if let Some(item) = archive.post(n).and_then(|post| selector.pass(n, post)) {
                        return Polled::Post(item);
                    }
                }
                if next < end { Polled::Skipped } else { Polled::Ended }
            }
            From::List { posts, selector } => match posts.next() {
                Some((n, post)) => selector.pass(n, post).map_or(Polled::Skipped, Polled::Post),
                None => Polled::Ended,
            },
        }
    }
}
