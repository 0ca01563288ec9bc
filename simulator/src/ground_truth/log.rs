//! The handle of the log.

use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::records::{ConnectionRecord, MessageRecord, Totals};
use super::store::Store;
use crate::clock::Clock;

/// The log of a simulator: a handle, cheap to clone, that outlives it.
#[derive(Clone)]
pub struct GroundTruth(Arc<Log>);

struct Log {
    clock: Clock,
    store: Mutex<Store>,
    changed: Condvar,
}

impl GroundTruth {
    pub(crate) fn new(messages_max: usize, bytes_max: usize, clock: Clock) -> Self {
        let store = Mutex::new(Store::new(messages_max, bytes_max));
        Self(Arc::new(Log { clock, store, changed: Condvar::new() }))
    }

    /// Returns when the Post of this id was written: the first time, if it was written to several
    /// connections. `None` for a Post that was not, or that the log has forgotten.
    #[must_use]
    pub fn written_at(&self, id: u64) -> Option<Instant> {
        self.lock().written_at(id)
    }

    /// Returns the sums so far.
    #[must_use]
    pub fn totals(&self) -> Totals {
        self.lock().totals
    }

    /// Returns the connections in the order of their numbers: all that are open, and the last thousand that
    /// are closed.
    #[must_use]
    pub fn connections(&self) -> Vec<ConnectionRecord> {
        self.lock().connections.values().cloned().collect()
    }

    /// Returns one connection.
    #[must_use]
    pub fn connection(&self, number: u64) -> Option<ConnectionRecord> {
        self.lock().connections.get(&number).cloned()
    }

    /// Returns the messages of one connection that the log still holds, in order.
    #[must_use]
    pub fn messages(&self, connection: u64) -> Vec<MessageRecord> {
        self.lock().messages(connection)
    }

    /// Waits until `done` accepts the totals. Returns false if it does not within `timeout`.
    ///
    /// `done` is called after every change. It may read the log: nothing is locked meanwhile.
    pub fn wait(&self, timeout: Duration, mut done: impl FnMut(&Totals) -> bool) -> bool {
        // No instant is later than what the platform can represent: a year is long enough.
        let until = Instant::now() + timeout.min(Duration::from_secs(366 * 24 * 60 * 60));
        loop {
            let (seen, totals) = {
                let store = self.lock();
                (store.changes, store.totals)
            };
            if done(&totals) {
                return true;
            }
            let mut store = self.lock();
            while store.changes == seen {
                let left = until.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    return false;
                }
                store.waiting += 1;
                store = self.0.changed.wait_timeout(store, left).unwrap_or_else(PoisonError::into_inner).0;
                store.waiting -= 1;
            }
            if Instant::now() >= until {
                let totals = store.totals;
                drop(store);
                return done(&totals);
            }
        }
    }

    pub(super) fn now(&self) -> Instant {
        self.0.clock.now()
    }

    // Nothing panics while it is locked, so poison means nothing here.
    pub(super) fn lock(&self) -> MutexGuard<'_, Store> {
        self.0.store.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notifying costs a system call, so only when someone listens.
    pub(super) fn changed(&self, store: &mut Store) {
        store.changes += 1;
        if store.waiting > 0 {
            self.0.changed.notify_all();
        }
    }
}

impl fmt::Debug for GroundTruth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("GroundTruth").field(&self.totals()).finish()
    }
}
