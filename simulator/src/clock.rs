//! The time, and waiting for it: the machine's clock, or a virtual one that a test advances.
//!
//! Under a virtual clock nothing waits in real time. [`Clock::advance`] sets the time to the next
//! deadline that a thread waits for, lets that thread work, and continues when every thread waits
//! again. A minute of keep-alives takes milliseconds, always in the same order.
//!
//! Working threads are counted; a thread that waits on its [`Notify`] is not. Waking a thread
//! counts it immediately, so that the clock does not advance before the thread has run.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::time;

/// The clock of a simulator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Time {
    /// The machine's clock.
    #[default]
    Real,
    /// A clock that moves only by [`Simulator::advance`](crate::Simulator::advance). With the same
    /// seed, everything is the same, including ids and dates. The timeouts for a request's head and
    /// body, and for a client's close, stay in real time.
    Virtual {
        /// The date at the start, in Unix milliseconds.
        unix_ms: u64,
    },
}

/// How long [`Clock::advance`] waits in real time for a thread in a `write()`, whose client may not
/// read. This happens once per such write. The time is long enough for a busy machine.
const PATIENCE: Duration = Duration::from_secs(1);

/// How long it waits for a working thread: longer than any of them works.
const PATIENCE_WORK: Duration = Duration::from_secs(60);

/// A handle to a clock.
#[derive(Clone)]
pub(crate) struct Clock(Arc<Inner>);

struct Inner {
    started: Instant,
    manual: Option<VirtualClock>,
}

/// The state of a virtual clock.
struct VirtualClock {
    unix_ms_at_start: u64,
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    now: Instant,
    /// The number of working threads.
    busy: usize,
    /// The threads in a `write()`, by the ids of their [`Notify`], and whether the clock has
    /// stopped waiting for them.
    writing: HashMap<u64, bool>,
    /// The waiting threads, by the ids of their [`Notify`].
    parked: HashMap<u64, Parked>,
    notified: HashSet<u64>,
    ids: u64,
}

struct Parked {
    until: Option<Instant>,
    /// The thread counts as working while it does not wait.
    counted: bool,
}

impl Clock {
    pub(crate) fn new(time: Time) -> Self {
        let started = Instant::now();
        let manual = match time {
            Time::Real => None,
            Time::Virtual { unix_ms } => Some(VirtualClock {
                unix_ms_at_start: unix_ms,
                state: Mutex::new(State {
                    now: started,
                    busy: 0,
                    writing: HashMap::new(),
                    parked: HashMap::new(),
                    notified: HashSet::new(),
                    ids: 0,
                }),
                changed: Condvar::new(),
            }),
        };
        Self(Arc::new(Inner { started, manual }))
    }

    pub(crate) fn is_virtual(&self) -> bool {
        self.0.manual.is_some()
    }

    pub(crate) fn now(&self) -> Instant {
        match &self.0.manual {
            None => Instant::now(),
            Some(manual) => manual.lock().now,
        }
    }

    /// Returns the date, in Unix milliseconds.
    pub(crate) fn unix_ms(&self) -> u64 {
        match &self.0.manual {
            None => time::unix_ms(),
            Some(manual) => manual.unix_ms_at_start + (manual.lock().now - self.0.started).as_millis() as u64,
        }
    }

    /// Returns the time since the simulator started.
    pub(crate) fn elapsed(&self) -> Duration {
        self.now() - self.0.started
    }

    pub(crate) fn started(&self) -> Instant {
        self.0.started
    }

    /// Advances a virtual clock. Returns false for a real one.
    pub(crate) fn advance(&self, by: Duration) -> bool {
        let Some(manual) = &self.0.manual else { return false };
        let mut state = manual.settle(manual.lock());
        let Some(target) = state.now.checked_add(by) else { return true };
        loop {
            let next = state
                .parked
                .values()
                .filter_map(|parked| parked.until)
                .filter(|until| *until <= target)
                .min();
            // A deadline in the past belongs to a thread that has not woken up yet.
            state.now = next.unwrap_or(target).max(state.now);
            let now = state.now;
            let due = |parked: &Parked| parked.until.is_some_and(|until| until <= now);
            state.busy += state.parked.values().filter(|parked| due(parked) && parked.counted).count();
            state.parked.retain(|_, parked| !due(parked));
            manual.changed.notify_all();
            state = manual.settle(state);
            if next.is_none() {
                return true;
            }
        }
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.manual.is_some() { "Clock(virtual)" } else { "Clock(real)" })
    }
}

impl VirtualClock {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits, in real time, until no thread works.
    fn settle<'a>(&'a self, mut state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        let mut began = Instant::now();
        let mut worked = true;
        loop {
            let works = state.busy > 0;
            if !works && state.writing.values().all(|in_vain| *in_vain) {
                return state;
            }
            if works != worked {
                (began, worked) = (Instant::now(), works);
            }
            let most = if works { PATIENCE_WORK } else { PATIENCE };
            let left = most.saturating_sub(began.elapsed());
            if left.is_zero() {
                state.writing.values_mut().for_each(|in_vain| *in_vain = true);
                return state;
            }
            state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

/// What one thread waits on: a deadline, or a wake-up by another thread.
pub(crate) struct Notify {
    clock: Clock,
    id: u64,
    /// The thread counts as working while it does not wait.
    counted: AtomicBool,
    notified: Mutex<bool>,
    changed: Condvar,
}

impl Notify {
    pub(crate) fn new(clock: &Clock) -> Self {
        let id = clock.0.manual.as_ref().map_or(0, |manual| {
            let mut state = manual.lock();
            state.ids += 1;
            state.ids
        });
        Self {
            clock: clock.clone(),
            id,
            counted: AtomicBool::new(false),
            notified: Mutex::new(false),
            changed: Condvar::new(),
        }
    }

    pub(crate) fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Counts this thread as working from now on, until [`Notify::leave`].
    pub(crate) fn enter(&self) {
        if let Some(manual) = &self.clock.0.manual {
            if !self.counted.swap(true, Ordering::SeqCst) {
                manual.lock().busy += 1;
            }
        }
    }

    pub(crate) fn leave(&self) {
        if let Some(manual) = &self.clock.0.manual {
            if self.counted.swap(false, Ordering::SeqCst) {
                manual.lock().busy -= 1;
                manual.changed.notify_all();
            }
        }
    }

    /// Reports that the thread enters a `write()`, or leaves it.
    pub(crate) fn writes(&self, writes: bool) {
        let Some(manual) = &self.clock.0.manual else { return };
        if self.counted.load(Ordering::SeqCst) {
            let mut state = manual.lock();
            if writes {
                state.busy -= 1;
                state.writing.insert(self.id, false);
            } else {
                state.busy += 1;
                state.writing.remove(&self.id);
            }
            drop(state);
            manual.changed.notify_all();
        }
    }

    /// Wakes the thread, or prevents its next sleep.
    pub(crate) fn wake(&self) {
        match &self.clock.0.manual {
            None => {
                *lock(&self.notified) = true;
                self.changed.notify_all();
            }
            Some(manual) => {
                let mut state = manual.lock();
                state.notified.insert(self.id);
                if state.parked.remove(&self.id).is_some_and(|parked| parked.counted) {
                    state.busy += 1;
                }
                drop(state);
                manual.changed.notify_all();
            }
        }
    }

    /// Sleeps until another thread wakes this one, or until the deadline.
    pub(crate) fn wait(&self, until: Option<Instant>) {
        match &self.clock.0.manual {
            None => self.wait_real(until),
            Some(manual) => self.wait_parked(manual, until, None),
        }
    }

    /// Sleeps likewise, with a timeout in real time under any clock.
    pub(crate) fn wait_at_most(&self, timeout: Duration) {
        let until = Instant::now() + timeout;
        match &self.clock.0.manual {
            None => self.wait_real(Some(until)),
            Some(manual) => self.wait_parked(manual, None, Some(until)),
        }
    }

    fn wait_real(&self, until: Option<Instant>) {
        let mut notified = lock(&self.notified);
        while !std::mem::take(&mut *notified) {
            notified = match until {
                None => self.changed.wait(notified).unwrap_or_else(PoisonError::into_inner),
                Some(until) => {
                    let left = until.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        return;
                    }
                    self.changed.wait_timeout(notified, left).unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
    }

    fn wait_parked(&self, manual: &VirtualClock, until: Option<Instant>, real: Option<Instant>) {
        let counted = self.counted.load(Ordering::SeqCst);
        let mut state = manual.lock();
        if state.notified.remove(&self.id) || until.is_some_and(|until| until <= state.now) {
            return;
        }
        state.parked.insert(self.id, Parked { until, counted });
        if counted {
            state.busy -= 1;
        }
        manual.changed.notify_all();
        while state.parked.contains_key(&self.id) {
            let left = real.map(|real| real.saturating_duration_since(Instant::now()));
            state = match left {
                None => manual.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(left) if left.is_zero() => {
                    state.parked.remove(&self.id);
                    if counted {
                        state.busy += 1;
                    }
                    break;
                }
                Some(left) => {
                    manual.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
        state.notified.remove(&self.id);
    }
}

impl Drop for Notify {
    fn drop(&mut self) {
        self.leave();
        if let Some(manual) = &self.clock.0.manual {
            manual.lock().notified.remove(&self.id);
        }
    }
}

impl fmt::Debug for Notify {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Notify({})", self.id)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    const START: u64 = 1_790_000_000_000;

    #[test]
    fn a_virtual_clock_advances_from_deadline_to_deadline() {
        let clock = Clock::new(Time::Virtual { unix_ms: START });
        let (seen, see) = mpsc::channel();
        let notify = Arc::new(Notify::new(&clock));
        notify.enter();
        let thread = std::thread::spawn({
            let notify = notify.clone();
            move || {
                // Each deadline depends on the time of the last wake-up.
                for step in [1, 2, 3] {
                    let until = notify.clock().now() + Duration::from_secs(step);
                    notify.wait(Some(until));
                    seen.send(notify.clock().unix_ms() - START).unwrap();
                }
                notify.leave();
            }
        });
        assert!(clock.advance(Duration::from_millis(2_999)));
        assert_eq!(see.try_iter().collect::<Vec<_>>(), [1_000]);
        clock.advance(Duration::from_secs(3_600));
        assert_eq!(see.try_iter().collect::<Vec<_>>(), [3_000, 6_000]);
        assert_eq!(clock.elapsed(), Duration::from_millis(3_602_999));
        thread.join().unwrap();
    }

    #[test]
    fn a_wake_ends_a_wait_and_is_not_lost() {
        for time in [Time::Real, Time::Virtual { unix_ms: START }] {
            let notify = Arc::new(Notify::new(&Clock::new(time)));
            notify.wake();
            notify.wait(None);
            let thread = std::thread::spawn({
                let notify = notify.clone();
                move || notify.wait(None)
            });
            notify.wake();
            thread.join().unwrap();
            notify.wait_at_most(Duration::from_millis(1));
        }
    }

    #[test]
    fn a_real_clock_refuses_to_advance() {
        assert!(!Clock::new(Time::Real).advance(Duration::from_secs(1)));
    }
}
