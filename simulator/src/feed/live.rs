//! The live feed: one thread generates Posts when they are due and puts them into channels, which
//! wake their readers.
//!
//! Connections with the same conditions (datacenter, partition, language) share a channel. Its
//! Posts are selected once for all readers, and wait in a queue of bounded length. A client that
//! does not read, and falls behind the start of the queue, is disconnected, as on the service. If a
//! connection is late only because this machine is busy, the channel waits for it.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use super::archive::Archive;
use super::filter::{Filter, Selector, home};
use super::item::{Item, Polled, SKIPS_MAX};
use crate::clock::Notify;
use crate::datacenter::Datacenter;
use crate::endpoint::Product;
use crate::link::Link;
use crate::rng::Rng;
use crate::rule_store::RuleStore;

/// The position of a reader that has none yet.
const NO_CLAIM: u64 = u64::MAX;

/// How long a late channel waits before it checks its readers again.
const LATE_STEP: Duration = Duration::from_millis(5);

/// The most Posts that a channel processes before the next channel.
const BATCH: i64 = 256;

/// The conditions that distinguish channels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Key {
    /// The index of the datacenter.
    pub(crate) datacenter: usize,
    /// The product whose rules apply.
    pub(crate) product: Product,
    pub(crate) filter: Filter,
}

pub(super) struct Live {
    archive: Arc<Archive>,
    datacenters: Vec<Datacenter>,
    seed: u64,
    queue_max: (usize, usize),
    channels: Mutex<Vec<Arc<Channel>>>,
    /// Wakes the thread that runs the feed.
    notify: Arc<Notify>,
}

pub(super) struct Channel {
    key: Key,
    datacenter: Datacenter,
    datacenters: u64,
    seed: u64,
    /// The most messages and bytes.
    queue_max: (usize, usize),
    /// Locked only while the state is locked.
    selector: Mutex<Selector>,
    state: Mutex<State>,
}

/// An item in the queue: when it arrived, and the number of its Post.
struct Arrived {
    at: Instant,
    n: i64,
    item: Item,
}

#[derive(Default)]
struct State {
    /// The number of the first item in the queue.
    first: u64,
    queue: VecDeque<Arrived>,
    bytes: usize,
    /// The next Post to process.
    next: i64,
    /// Items that are delayed, ordered by their time. The sequence number orders those of the same
    /// instant.
    delayed: BinaryHeap<Reverse<(Instant, u64)>>,
    items: BTreeMap<u64, (i64, Item)>,
    sequence: u64,
    /// Items that arrived before this instant belong to the past.
    since: Option<Instant>,
    /// The channel waits for a slow connection.
    is_late: bool,
    readers: Vec<Registered>,
}

/// A reading connection.
struct Registered {
    link: Weak<Link>,
    /// The number of the next item that it takes.
    at: Arc<AtomicU64>,
}

impl Live {
    pub(super) fn new(
        archive: Arc<Archive>,
        datacenters: Vec<Datacenter>,
        seed: u64,
        queue_max: (usize, usize),
        notify: Arc<Notify>,
    ) -> Self {
        Self { archive, datacenters, seed, queue_max, channels: Mutex::new(Vec::new()), notify }
    }

    /// Adds a connection, which first receives the Posts of this past time.
    pub(super) fn join(
        &self,
        key: Key,
        store: Option<&Arc<RuleStore>>,
        link: &Arc<Link>,
        backfill: Duration,
    ) -> Reader {
        let now = self.notify.clock().now();
        // The feed's thread would drop a channel without readers.
        let mut channels = lock(&self.channels);
        let channel = match channels.iter().find(|channel| channel.key == key) {
            Some(channel) => channel.clone(),
            None => {
                let datacenter = self.datacenters[key.datacenter].clone();
                let filter = key.filter.clone();
                let channel = Arc::new(Channel {
                    key,
                    datacenter,
                    datacenters: self.datacenters.len() as u64,
                    seed: self.seed,
                    queue_max: self.queue_max,
                    selector: Mutex::new(Selector::new(filter, store)),
                    state: Mutex::default(),
                });
                channels.push(channel.clone());
                channel
            }
        };
        let mut state = channel.lock();
        state.readers.retain(|reader| reader.link.strong_count() > 0);
        if state.readers.is_empty() {
            let since = Some(now);
            let first = state.first + state.queue.len() as u64;
            // One nanosecond earlier, so that a Post that is due now counts as new.
            let delay = channel.delay_most() + Duration::from_nanos(1);
            let next = self.archive.first_after(now, delay);
            *state = State { first, next, since, ..State::default() };
        }
        // Posts that arrive at this instant are new to all readers, whichever connected first.
        let news = state.queue.iter().rev().take_while(|arrived| arrived.at >= now).count();
        let mut reader = Reader {
            at: Arc::new(AtomicU64::new(state.first + (state.queue.len() - news) as u64)),
            channel: channel.clone(),
            archive: self.archive.clone(),
            selector: Selector::new(channel.key.filter.clone(), store),
            backfill: None,
            from: i64::MIN,
            since: Some(now),
        };
        if !backfill.is_zero() {
            reader.since = None;
            reader.backfill = Some((self.archive.first_after(now, backfill), state.next));
            reader.at.store(NO_CLAIM, Ordering::SeqCst);
        }
        state.readers.push(Registered { link: Arc::downgrade(link), at: reader.at.clone() });
        drop(state);
        drop(channels);
        self.notify.wake();
        reader
    }

    /// Generates Posts until `stopped` returns true, on a thread that has entered its [`Notify`].
    pub(super) fn run(&self, stopped: impl Fn() -> bool) {
        while !stopped() {
            let now = self.notify.clock().now();
            let mut next: Option<Instant> = None;
            let channels = {
                let mut channels = lock(&self.channels);
                channels.retain(|channel| channel.is_read());
                channels.clone()
            };
            for channel in &channels {
                let mut state = channel.lock();
                let before = state.first + state.queue.len() as u64;
                channel.extend(&mut state, &self.archive, now);
                let due = self.archive.has(state.next).then(|| self.archive.due(state.next)).flatten();
                let delayed = state.delayed.peek().map(|Reverse((at, _))| *at);
                // Nothing wakes this thread when a connection catches up.
                let late = state.is_late.then_some(now + LATE_STEP);
                let soon = if late.is_some() { late } else { [due, delayed].into_iter().flatten().min() };
                next = [next, soon].into_iter().flatten().min();
                if state.first + state.queue.len() as u64 != before {
                    let first = state.first;
                    let is_late = |reader: &Registered| reader.at.load(Ordering::SeqCst) < first;
                    let woken = |reader: &Registered| Some((reader.link.upgrade()?, is_late(reader)));
                    let readers: Vec<_> = state.readers.iter().filter_map(woken).collect();
                    drop(state);
                    for (link, is_late) in readers {
                        if is_late {
                            link.fall_behind();
                        }
                        link.notify().wake();
                    }
                }
            }
            self.notify.wait(next);
        }
    }
}

impl Channel {
    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    fn is_read(&self) -> bool {
        self.lock().readers.iter().any(|reader| reader.link.strong_count() > 0)
    }

    fn delay_most(&self) -> Duration {
        self.datacenter.delay.most() + self.datacenter.transit.most()
    }

    /// Returns the delay of Post `n` here, and of its duplicate, if there is one.
    fn delay(&self, n: i64) -> (Duration, Option<Duration>) {
        let mut rng = Rng::nth(self.seed ^ Rng::nth(0, self.key.datacenter as u64).next(), n as u64);
        let mut delay = self.datacenter.delay.of(&mut rng);
        if home(n, self.datacenters) != self.key.datacenter as u64 {
            delay += self.datacenter.transit.of(&mut rng);
        }
        let again = rng.percent(u64::from(self.datacenter.duplicates_percent));
        (delay, again.then(|| self.datacenter.delay.of(&mut rng)))
    }

    /// Processes the Posts that are due, and queues those that have arrived.
    fn extend(&self, state: &mut State, archive: &Archive, now: Instant) {
        let due = archive.first_after(now, Duration::ZERO).min(state.next.saturating_add(BATCH));
        while state.next < due && archive.has(state.next) && !state.is_late {
            let n = state.next;
            state.next += 1;
            let (delay, again) = self.delay(n);
            let Some(at) = archive.due(n) else { continue };
            // For a Post from before the start, only the rest of its delay counts.
            let age = archive.age(n, now).unwrap_or_default();
            let at = if at + age == now { at + delay } else { now + delay.saturating_sub(age) };
            let arrived = now.checked_sub(age.saturating_sub(delay));
            if delay < age && state.since.is_some_and(|since| arrived.is_none_or(|arrived| arrived < since)) {
                continue;
            }
            let Some(item) = archive.post(n).and_then(|post| lock(&self.selector).pass(n, post)) else {
                continue;
            };
            if let Some(again) = again {
                state.delay(at + again, n, item.clone());
            }
            state.delay(at, n, item);
        }
        state.is_late = false;
        while let Some(Reverse((at, sequence))) = state.delayed.peek().copied() {
            if at > now {
                break;
            }
            while state.queue.len() >= self.queue_max.0.max(1)
                || (state.bytes > self.queue_max.1 && !state.queue.is_empty())
            {
                let is_waited_for = |reader: &Registered| {
                    reader.at.load(Ordering::SeqCst) <= state.first
                        && reader.link.upgrade().is_some_and(|link| !link.is_held_up())
                };
                if state.readers.iter().any(is_waited_for) {
                    state.is_late = true;
                    return;
                }
                let Some(oldest) = state.queue.pop_front() else { break };
                state.bytes -= oldest.item.post.bytes.len();
                state.first += 1;
            }
            state.delayed.pop();
            let Some((n, item)) = state.items.remove(&sequence) else { continue };
            state.bytes += item.post.bytes.len();
            state.queue.push_back(Arrived { at, n, item });
        }
    }
}

impl State {
    fn delay(&mut self, at: Instant, n: i64, item: Item) {
        self.sequence += 1;
        self.delayed.push(Reverse((at, self.sequence)));
        self.items.insert(self.sequence, (n, item));
    }
}

/// The position of a connection in a channel.
pub(super) struct Reader {
    channel: Arc<Channel>,
    archive: Arc<Archive>,
    /// The filter for backfilled Posts, which this reader selects itself.
    selector: Selector,
    /// The next number and the end of the backfilled Posts.
    backfill: Option<(i64, i64)>,
    /// Posts before this number were sent as backfill.
    from: i64,
    /// Posts that should have arrived by this instant belong to the past, even if this machine
    /// delivers them late.
    since: Option<Instant>,
    at: Arc<AtomicU64>,
}

impl Reader {
    pub(super) fn poll(&mut self) -> Polled {
        if let Some((next, end)) = self.backfill {
            for n in (next..end).take(SKIPS_MAX) {
                self.backfill = Some((n + 1, end));
                if let Some(item) = self.archive.post(n).and_then(|post| self.selector.pass(n, post)) {
                    return Polled::Post(item);
                }
            }
            if self.backfill.is_some_and(|(next, end)| next < end) {
                return Polled::Skipped;
            }
            // The channel has advanced meanwhile.
            let state = self.channel.lock();
            if end < state.next {
                self.backfill = Some((end, state.next));
                return Polled::Skipped;
            }
            self.backfill = None;
            self.from = end;
            self.at.store(state.first + state.queue.len() as u64, Ordering::SeqCst);
        }
        let state = self.channel.lock();
        loop {
            let Some(at) = self.at.load(Ordering::SeqCst).checked_sub(state.first) else {
                return Polled::FellBehind;
            };
            match state.queue.get(at as usize) {
                Some(arrived) => {
                    self.at.fetch_add(1, Ordering::SeqCst);
                    if arrived.n >= self.from && self.since.is_none_or(|since| arrived.at >= since) {
                        return Polled::Post(arrived.item.clone());
                    }
                }
                // A shared file ends.
                None if !self.archive.has(state.next) && state.delayed.is_empty() => {
                    return Polled::Exhausted;
                }
                None => return Polled::Wait(None),
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
