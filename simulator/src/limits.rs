//! The limits of the service: requests per time, and simultaneous connections.

use std::collections::{HashMap, VecDeque};
use std::mem::take;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::clock::Clock;
use crate::endpoint::Product;

pub(crate) const QUARTER_HOUR: Duration = Duration::from_secs(15 * 60);
pub(crate) const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Requests that share a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Counter {
    /// Connection attempts, by path.
    Stream(&'static str),
    /// All requests to Powerstream's rules.
    Rules,
    FilteredRulesRead,
    FilteredRulesWritten,
}

/// The state of a limit, as in the `x-rate-limit` headers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RateLimitState {
    pub(crate) limit: u32,
    pub(crate) remaining: u32,
    /// Unix seconds.
    pub(crate) reset: u64,
    /// This request exceeded the limit.
    pub(crate) exceeded: bool,
}

/// The current windows. A window starts with its first request.
#[derive(Debug, Default)]
pub(crate) struct RateLimits(Mutex<HashMap<Counter, (u64, u32)>>);

impl RateLimits {
    /// Counts a request. A request above the limit is not counted.
    pub(crate) fn take(
        &self,
        counter: Counter,
        limit: u32,
        length: Duration,
        unix_ms: u64,
    ) -> RateLimitState {
        let mut rate_limits = lock(&self.0);
        let length_ms = length.as_millis() as u64;
        let (began, used) = rate_limits.entry(counter).or_insert((unix_ms, 0));
        if unix_ms >= *began + length_ms {
            (*began, *used) = (unix_ms, 0);
        }
        let exceeded = *used >= limit;
        *used += u32::from(!exceeded);
        RateLimitState {
            limit,
            remaining: limit - *used,
            reset: (*began + length_ms).div_ceil(1_000),
            exceeded,
        }
    }
}

/// What happens to a connection above the limit. X's API generations differ, and its pages
/// contradict each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum ExtraConnection {
    /// The request is refused with 429, `TooManyConnections`, as recorded of X's current API.
    #[default]
    Refuse,
    /// The connection is accepted, and the oldest is ended. The quickstart of the Filtered Stream
    /// describes this, and the API of 2012 did it.
    EndOldest,
    /// The connection is accepted, and the newest is ended after a minute with a message that says
    /// why, as by PowerTrack.
    EndNewest,
}

/// Connections that share a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Group {
    pub(crate) product: Product,
    pub(crate) path: &'static str,
    pub(crate) partition: u64,
    /// Recoveries, which have their own limit.
    pub(crate) recovers: bool,
}

/// The connections that count towards the limits, and those that did.
pub(crate) struct Slots {
    clock: Clock,
    held: Mutex<Held>,
}

#[derive(Default)]
struct Held {
    groups: HashMap<Group, Vec<Holder>>,
    /// Connections that no longer count, the oldest first.
    past: VecDeque<PastConnection>,
}

/// The most past connections that are remembered.
const PAST_MAX: usize = 1_000;

#[derive(Clone, Copy)]
struct Holder {
    /// As counted until now.
    counted: CountedConnection,
    /// The connection is gone, but still counts until then.
    ghost_until: Option<Instant>,
}

/// A connection that counts towards the limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CountedConnection {
    pub(crate) number: u64,
    pub(crate) path: &'static str,
    pub(crate) since_unix_ms: u64,
    pub(crate) peer: IpAddr,
}

/// A connection that no longer counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PastConnection {
    pub(crate) connection: CountedConnection,
    pub(crate) until_unix_ms: u64,
    /// A request to the connections API ended it.
    pub(crate) is_killed: bool,
}

impl Held {
    /// Moves the holders of all groups that `is_over` selects to the past.
    fn end(&mut self, until_unix_ms: u64, is_killed: bool, is_over: impl Fn(&Group, &Holder) -> bool) {
        for (group, holders) in &mut self.groups {
            let (over, rest) = take(holders).into_iter().partition(|holder| is_over(group, holder));
            *holders = rest;
            let over: Vec<Holder> = over;
            for Holder { counted, .. } in over {
                if self.past.len() == PAST_MAX {
                    self.past.pop_front();
                }
                self.past.push_back(PastConnection { connection: counted, until_unix_ms, is_killed });
            }
        }
    }
}

impl Slots {
    pub(crate) fn new(clock: &Clock) -> Self {
        Self { clock: clock.clone(), held: Mutex::default() }
    }

    /// Takes a place for a connection, even above the limit. Returns how many connections are now
    /// above the limit, and the number of the oldest.
    pub(crate) fn take(
        self: &Arc<Self>,
        group: Group,
        number: u64,
        peer: IpAddr,
        max: Option<usize>,
    ) -> (Slot, usize, Option<u64>) {
        let mut held = self.lock_current();
        let holders = held.groups.entry(group).or_default();
        let oldest = holders.iter().find(|holder| holder.ghost_until.is_none());
        let oldest = oldest.map(|holder| holder.counted.number);
        let since_unix_ms = self.clock.unix_ms();
        let counted = CountedConnection { number, path: group.path, since_unix_ms, peer };
        holders.push(Holder { counted, ghost_until: None });
        let over = max.map_or(0, |max| holders.len().saturating_sub(max));
        (Slot { slots: self.clone(), group, number, ghost: None, is_refused: false }, over, oldest)
    }

    /// Returns the number of connections that count towards the limits.
    pub(crate) fn count(&self) -> usize {
        self.lock_current().groups.values().map(Vec::len).sum()
    }

    /// Returns the connections that count towards the limits, the oldest first.
    pub(crate) fn counted(&self) -> Vec<CountedConnection> {
        let held = self.lock_current();
        let mut counted: Vec<_> = held.groups.values().flatten().map(|holder| holder.counted).collect();
        counted.sort_by_key(|connection| connection.number);
        counted
    }

    /// Returns the last connections that no longer count, the oldest first.
    pub(crate) fn past(&self) -> Vec<PastConnection> {
        self.lock_current().past.iter().copied().collect()
    }

    /// Stops counting a connection, by a request to end it. Returns false if it did not count.
    pub(crate) fn kill(&self, number: u64) -> bool {
        let mut held = self.lock_current();
        let before = held.past.back().copied();
        held.end(self.clock.unix_ms(), true, |_, holder| holder.counted.number == number);
        held.past.back().copied() != before
    }

    /// Locks the state, without connections that no longer count.
    fn lock_current(&self) -> MutexGuard<'_, Held> {
        let now = self.clock.now();
        let mut held = lock(&self.held);
        held.end(self.clock.unix_ms(), false, |_, holder| {
            holder.ghost_until.is_some_and(|until| until <= now)
        });
        held
    }
}

/// A connection's place, which is released on drop.
pub(crate) struct Slot {
    slots: Arc<Slots>,
    group: Group,
    number: u64,
    /// How long the place still counts after the drop.
    pub(crate) ghost: Option<Duration>,
    /// The connection was refused: it never counted.
    pub(crate) is_refused: bool,
}

impl Drop for Slot {
    fn drop(&mut self) {
        let now = self.slots.clock.now();
        let mut held = self.slots.lock_current();
        if self.is_refused {
            if let Some(holders) = held.groups.get_mut(&self.group) {
                holders.retain(|holder| holder.counted.number != self.number);
            }
            return;
        }
        match self.ghost.filter(|ghost| !ghost.is_zero()) {
            None => held.end(self.slots.clock.unix_ms(), false, |group, holder| {
                *group == self.group && holder.counted.number == self.number
            }),
            Some(ghost) => {
                let Some(holders) = held.groups.get_mut(&self.group) else { return };
                for holder in holders.iter_mut().filter(|holder| holder.counted.number == self.number) {
                    holder.ghost_until = Some(now + ghost);
                }
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_begins_with_its_first_request() {
        let rate_limits = RateLimits::default();
        let take = |unix_ms| rate_limits.take(Counter::Rules, 2, DAY, unix_ms);
        let rate = |remaining, exceeded| RateLimitState { limit: 2, remaining, reset: 86_401, exceeded };
        assert_eq!(take(1_000), rate(1, false));
        assert_eq!(take(2_000), rate(0, false));
        assert_eq!(take(86_400_999), rate(0, true));
        let next = take(86_401_000);
        assert_eq!((next.remaining, next.reset, next.exceeded), (1, 172_801, false));
        assert_eq!(rate_limits.take(Counter::Stream("/2"), 2, DAY, 5).remaining, 1);
    }
}
