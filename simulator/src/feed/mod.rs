//! Which Post a connection sends next, and when it is due.
//!
//! A file belongs to each connection alone, unless it is shared. The generated feed is one for all,
//! as the service's is: two connections get the same Posts, so that redundant clients have
//! something to deduplicate. It begins with the first client, and goes on whether anybody listens
//! or not, at no cost: see [`archive`].
//!
//! A live feed does not pause for a slow reader. Posts that fall due while a connection is blocked
//! wait for it in a queue; when that is full the connection is cut off, as the service does.
//!
//! ```text
//!   archive (n -> Post) <-- live: pump -> channels -> readers     a rate, one feed for all
//!                       <-- window                                recovery: a span of the past, then the end
//!   file                <-- own                                   each connection from the first line
//!   generator           <-- demand                                no rate: as fast as it is read
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

/// Of a generated feed without a rate: busy, and a tenth of what one core generates.
const RATE_DEFAULT: f64 = 500.0;

/// The Posts of a simulator.
pub(crate) struct Feed {
    clock: Clock,
    archive: Arc<Archive>,
    kind: Kind,
    datacenters: u64,
}

enum Kind {
    /// A file for each connection.
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

    /// The Posts are made up, and can be had in any form.
    pub(crate) fn is_generated(&self) -> bool {
        self.archive.lines().is_none()
    }

    /// The ids of the Posts that are due between these dates, Unix milliseconds, without the
    /// second: of the one feed for all.
    pub(crate) fn ids(&self, start: u64, end: u64) -> Vec<u64> {
        if !matches!(self.kind, Kind::Live(_)) {
            return Vec::new();
        }
        // No client can have missed what is not due yet.
        let end = end.min(self.clock.unix_ms());
        let numbers = self.archive.first_since(start)..self.archive.first_since(end);
        numbers.filter_map(|n| self.archive.id_of(n)).collect()
    }

    /// The work of the thread that makes the Posts of now.
    pub(crate) fn run(&self, stopped: impl Fn() -> bool) {
        if let Kind::Live(live) = &self.kind {
            live.run(stopped);
        }
    }

    /// A new connection joins.
    pub(crate) fn open(
        &self,
        mut key: Key,
        store: Option<&Arc<RuleStore>>,
        past: Past,
        link: &Arc<Link>,
    ) -> FeedCursor {
        // The date first: however long it takes from the one to the other, no Post is of the
        // future.
        let unix_ms = self.clock.unix_ms();
        let now = self.clock.now();
        self.archive.begin(now, unix_ms);
        if self.datacenters == 1 {
            // Everything is at home here.
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
    /// What there is to do now.
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
