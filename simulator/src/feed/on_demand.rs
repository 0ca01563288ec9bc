//! A feed without a rate. The fastest connection generates each Post; the others read it from a
//! ring of the latest Posts.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::filter::Selector;
use super::item::Polled;
use crate::generator::Generator;
use crate::source::SourcePost;

/// How many Posts a connection may be behind the fastest one. X is believed to keep about 5,000.
const RING_MAX: usize = 4_096;

#[derive(Debug)]
pub(super) struct OnDemandFeed(Mutex<Ring>);

#[derive(Debug)]
struct Ring {
    generator: Generator,
    ring: VecDeque<SourcePost>,
    /// The number of the next Post to generate.
    head: u64,
    buffer: Vec<u8>,
}

impl OnDemandFeed {
    pub(super) fn new(seed: u64) -> Self {
        let generator = Generator::new(seed);
        Self(Mutex::new(Ring { generator, ring: VecDeque::new(), head: 0, buffer: Vec::new() }))
    }

    fn lock(&self) -> MutexGuard<'_, Ring> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the Posts in the ring, for connections that request the past.
    pub(super) fn latest(&self) -> Vec<SourcePost> {
        self.lock().ring.iter().cloned().collect()
    }
}

#[derive(Debug)]
pub(super) struct OnDemandReader {
    demand: Arc<OnDemandFeed>,
    next: u64,
    selector: Selector,
}

impl OnDemandReader {
    pub(super) fn new(demand: &Arc<OnDemandFeed>, selector: Selector) -> Self {
        Self { demand: demand.clone(), next: demand.lock().head, selector }
    }

    pub(super) fn poll(&mut self, unix_ms: u64) -> Polled {
        let number = self.next;
        self.next += 1;
        let mut ring = self.demand.lock();
        let post = if number == ring.head {
            ring.make(unix_ms)
        } else {
            let behind = (ring.head - number) as usize;
            match ring.ring.len().checked_sub(behind).and_then(|at| ring.ring.get(at)) {
                Some(post) => post.clone(),
                None => return Polled::FellBehind,
            }
        };
        drop(ring);
        self.selector.pass(number as i64, post).map_or(Polled::Skipped, Polled::Post)
    }
}

impl Ring {
    fn make(&mut self, unix_ms: u64) -> SourcePost {
        self.buffer.clear();
        let id = self.generator.post(unix_ms, &mut self.buffer);
        let post = SourcePost { id: Some(id), bytes: self.buffer.as_slice().into() };
        if self.ring.len() == RING_MAX {
            self.ring.pop_front();
        }
        self.ring.push_back(post.clone());
        self.head += 1;
        post
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::feed::Filter;

    fn all() -> Selector {
        Selector::new(Filter::default(), None)
    }

    fn ids(cursor: &mut OnDemandReader, count: usize) -> Vec<Option<u64>> {
        let mut ids = Vec::new();
        while ids.len() < count {
            ids.push(match cursor.poll(1_790_000_000_000) {
                Polled::Post(item) => item.post.id(),
                Polled::FellBehind => None,
                _ => panic!(),
            });
        }
        ids
    }

    #[test]
    fn all_connections_get_the_same_posts() {
        let demand = Arc::new(OnDemandFeed::new(0));
        let (mut one, mut two) = (OnDemandReader::new(&demand, all()), OnDemandReader::new(&demand, all()));
        let first = ids(&mut one, 100);
        assert_eq!(ids(&mut two, 60), first[..60]);
        // A third reader starts at the current end of the feed.
        let mut three = OnDemandReader::new(&demand, all());
        assert_eq!(ids(&mut three, 5), ids(&mut one, 5));
        assert_eq!(ids(&mut two, 40), first[60..]);
    }

    #[test]
    fn reports_a_reader_that_falls_behind_the_ring() {
        let demand = Arc::new(OnDemandFeed::new(0));
        let (mut fast, mut slow) = (OnDemandReader::new(&demand, all()), OnDemandReader::new(&demand, all()));
        ids(&mut fast, RING_MAX + 1);
        assert_eq!(ids(&mut slow, 1), [None]);
    }
}
