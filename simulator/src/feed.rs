//! Which Post a connection sends next, and when it is due.
//!
//! A file belongs to each connection alone. The generated feed is one for all, as the service's is: two connections get the same
//! Posts, so that redundant clients have something to deduplicate. It is made on demand by whichever connection comes first to a
//! Post; the others find it in a ring of the latest. While nobody is connected nothing is made, and the clock of the feed stands.
//!
//! A live feed does not pause for a slow reader. Posts that fall due while a connection is blocked are sent to it late, all of them,
//! unless other connections have meanwhile gone further than the ring reaches back: then it is cut off, as the service does.

use crate::config::Config;
use crate::generator::Generator;
use crate::source::{Source, SourcePost};
use crate::time;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Posts a connection may fall behind the fastest one; X is believed to keep some 5,000.
const RING_MAX: usize = 4_096;

/// Of a generated feed without a rate: busy, and a tenth of what one core generates.
const RATE_DEFAULT: f64 = 500.0;

/// The Posts of a simulator.
#[derive(Debug)]
pub(crate) struct Feed {
    kind: Kind,
    /// Posts a second; infinite for as fast as it is read.
    rate: f64,
}

#[derive(Debug)]
enum Kind {
    File(Arc<[SourcePost]>),
    Live(Mutex<Live>),
}

#[derive(Debug)]
struct Live {
    generator: Generator,
    ring: VecDeque<SourcePost>,
    /// The number of the next Post to be made.
    head: u64,
    readers: usize,
    /// Post `anchor` was due at `anchored_at`; the others follow from the rate.
    anchor: u64,
    anchored_at: Instant,
    buffer: Vec<u8>,
}

/// What [`Cursor::take`] finds.
pub(crate) enum Taken {
    Post(SourcePost),
    /// The ring has moved on.
    TooLate,
}

impl Feed {
    pub(crate) fn new(config: &Config) -> Feed {
        match &config.source {
            Source::File(posts) => {
                Feed { kind: Kind::File(posts.clone()), rate: config.rate.unwrap_or(f64::INFINITY) }
            }
            Source::Generated { seed } => {
                let live = Live {
                    generator: Generator::new(*seed),
                    ring: VecDeque::new(),
                    head: 0,
                    readers: 0,
                    anchor: 0,
                    anchored_at: Instant::now(),
                    buffer: Vec::new(),
                };
                Feed { kind: Kind::Live(Mutex::new(live)), rate: config.rate.unwrap_or(RATE_DEFAULT) }
            }
        }
    }

    /// A new connection joins.
    pub(crate) fn cursor(self: &Arc<Feed>) -> Cursor {
        let now = Instant::now();
        let (next, anchor, anchored_at) = match &self.kind {
            Kind::File(_) => (0, 0, now),
            Kind::Live(live) => {
                let mut live = lock(live);
                if live.readers == 0 {
                    (live.anchor, live.anchored_at) = (live.head, now);
                }
                live.readers += 1;
                (live.head, live.anchor, live.anchored_at)
            }
        };
        Cursor { feed: self.clone(), next, anchor, anchored_at }
    }
}

/// Where one connection is in the feed.
#[derive(Debug)]
pub(crate) struct Cursor {
    feed: Arc<Feed>,
    next: u64,
    anchor: u64,
    anchored_at: Instant,
}

impl Cursor {
    /// When the next Post is due; `None` if there is none.
    pub(crate) fn due(&self) -> Option<Instant> {
        if self.at_end() {
            return None;
        }
        let after = (self.next - self.anchor) as f64 / self.feed.rate;
        // Not finite for a rate of zero: a feed that never has a Post. Too long for a Duration is as good as never.
        self.anchored_at.checked_add(Duration::try_from_secs_f64(after).ok()?)
    }

    /// No Post will ever come: the file is through.
    pub(crate) fn at_end(&self) -> bool {
        match &self.feed.kind {
            Kind::File(posts) => self.next >= posts.len() as u64,
            Kind::Live(_) => self.feed.rate == 0.0,
        }
    }

    /// The next Post, due or not. Only where [`Cursor::due`] names one.
    pub(crate) fn take(&mut self) -> Taken {
        let number = self.next;
        self.next += 1;
        match &self.feed.kind {
            Kind::File(posts) => match posts.get(number as usize) {
                Some(post) => Taken::Post(post.clone()),
                None => Taken::TooLate,
            },
            Kind::Live(live) => {
                let mut live = lock(live);
                if number == live.head {
                    return Taken::Post(live.make());
                }
                let behind = (live.head - number) as usize;
                match live.ring.len().checked_sub(behind).and_then(|at| live.ring.get(at)) {
                    Some(post) => Taken::Post(post.clone()),
                    None => Taken::TooLate,
                }
            }
        }
    }
}

impl Drop for Cursor {
    fn drop(&mut self) {
        if let Kind::Live(live) = &self.feed.kind {
            lock(live).readers -= 1;
        }
    }
}

impl Live {
    fn make(&mut self) -> SourcePost {
        self.buffer.clear();
        let id = self.generator.post(time::unix_ms(), &mut self.buffer);
        let post = SourcePost { id: Some(id), bytes: self.buffer.as_slice().into() };
        if self.ring.len() == RING_MAX {
            self.ring.pop_front();
        }
        self.ring.push_back(post.clone());
        self.head += 1;
        post
    }
}

fn lock(live: &Mutex<Live>) -> MutexGuard<'_, Live> {
    live.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(cursor: &mut Cursor, count: usize) -> Vec<Option<u64>> {
        (0..count)
            .map(|_| match cursor.take() {
                Taken::Post(post) => post.id(),
                Taken::TooLate => None,
            })
            .collect()
    }

    #[test]
    fn all_connections_get_the_same_live_posts() {
        let feed = Arc::new(Feed::new(&Config::default()));
        let (mut one, mut two) = (feed.cursor(), feed.cursor());
        let first = ids(&mut one, 100);
        assert_eq!(ids(&mut two, 60), first[..60]);
        // A third joins where the feed is now.
        let mut three = feed.cursor();
        assert_eq!(ids(&mut three, 5), ids(&mut one, 5));
        assert_eq!(ids(&mut two, 40), first[60..]);
    }

    #[test]
    fn who_falls_behind_the_ring_is_too_late() {
        let feed = Arc::new(Feed::new(&Config::default()));
        let (mut fast, mut slow) = (feed.cursor(), feed.cursor());
        ids(&mut fast, RING_MAX + 1);
        assert_eq!(ids(&mut slow, 1), [None]);
    }

    #[test]
    fn a_feed_without_readers_stands_still() {
        let config = Config { rate: Some(1_000_000.0), ..Config::default() };
        let feed = Arc::new(Feed::new(&config));
        let mut cursor = feed.cursor();
        ids(&mut cursor, 1_000);
        assert!(cursor.due().unwrap() > cursor.anchored_at);
        drop(cursor);
        let before = Instant::now();
        assert!(feed.cursor().due().unwrap() >= before);
    }

    #[test]
    fn rates() {
        let source = Source::from_ndjson(b"1\n2\n3").unwrap();
        let mut config = Config { source, ..Config::default() };
        for (rate, second) in [(None, Some(0.0)), (Some(10.0), Some(0.1)), (Some(0.0), None)] {
            config.rate = rate;
            let mut cursor = Arc::new(Feed::new(&config)).cursor();
            let start = cursor.anchored_at;
            assert_eq!(cursor.due().is_some(), rate != Some(0.0));
            cursor.take();
            assert_eq!(cursor.due().map(|due| (due - start).as_secs_f64()), second);
            ids(&mut cursor, 2);
            assert!(cursor.due().is_none() && cursor.at_end());
        }
    }
}
