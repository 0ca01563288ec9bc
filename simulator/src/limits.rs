//! The limits of the service: requests per time, and simultaneous connections.

use std::collections::HashMap;
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

/// The connections that count towards the limits.
pub(crate) struct Slots {
    clock: Clock,
    held: Mutex<HashMap<Group, Vec<Holder>>>,
}

struct Holder {
    number: u64,
    /// The connection is gone, but still counts until then.
    ghost_until: Option<Instant>,
}

impl Slots {
    pub(crate) fn new(clock: &Clock) -> Self {
        Self { clock: clock.clone(), held: Mutex::new(HashMap::new()) }
    }

    /// Takes a place for a connection, even above the limit. Returns how many connections are now
    /// above the limit, and the number of the oldest.
    pub(crate) fn take(
        self: &Arc<Self>,
        group: Group,
        number: u64,
        max: Option<usize>,
    ) -> (Slot, usize, Option<u64>) {
        let now = self.clock.now();
        let mut held = lock(&self.held);
        let holders = held.entry(group).or_default();
        holders.retain(|holder| holder.ghost_until.is_none_or(|until| until > now));
        let oldest = holders.iter().find(|holder| holder.ghost_until.is_none()).map(|holder| holder.number);
        holders.push(Holder { number, ghost_until: None });
        let over = max.map_or(0, |max| holders.len().saturating_sub(max));
        (Slot { slots: self.clone(), group, number, ghost: None }, over, oldest)
    }

    /// Returns the number of connections that count towards the limits.
    pub(crate) fn count(&self) -> usize {
        let now = self.clock.now();
        let held = lock(&self.held);
        held.values().flatten().filter(|holder| holder.ghost_until.is_none_or(|until| until > now)).count()
    }
}

/// A connection's place, which is released on drop.
pub(crate) struct Slot {
    slots: Arc<Slots>,
    group: Group,
    number: u64,
    /// How long the place still counts after the drop.
    pub(crate) ghost: Option<Duration>,
}

impl Drop for Slot {
    fn drop(&mut self) {
        let now = self.slots.clock.now();
        let mut held = lock(&self.slots.held);
        let Some(holders) = held.get_mut(&self.group) else { return };
        match self.ghost.filter(|ghost| !ghost.is_zero()) {
            None => holders.retain(|holder| holder.number != self.number),
            Some(ghost) => {
                for holder in holders.iter_mut().filter(|holder| holder.number == self.number) {
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
