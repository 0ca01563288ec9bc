//! The handle of the ground truth log.

use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::records::{ConnectionRecord, MessageRecord, Totals};
use super::store::Store;
use crate::clock::Clock;

/// The ground truth log of a simulator. This is a handle: cloning is cheap, and it outlives the
/// simulator.
///
/// Memory is bounded:
///
/// - It keeps the latest [`Config::ground_truth_messages_max`](crate::Config) messages.
/// - Beyond [`Config::ground_truth_bytes_max`](crate::Config) bytes, the oldest messages lose their
///   bytes.
/// - It keeps all open connections and the last thousand closed ones.
///
/// Totals are never reset.
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

    /// Returns when the Post with this id was written, to the first connection if there were
    /// several. Returns `None` for a Post that was not written or that the log has dropped.
    #[must_use]
    pub fn written_at(&self, id: u64) -> Option<Instant> {
        self.lock().written_at(id)
    }

    /// Returns the totals so far.
    #[must_use]
    pub fn totals(&self) -> Totals {
        self.lock().totals
    }

    /// Returns all open connections and the last thousand closed ones, ordered by number.
    #[must_use]
    pub fn connections(&self) -> Vec<ConnectionRecord> {
        self.lock().connections.values().cloned().collect()
    }

    /// Returns one connection by its number, or `None` if it is unknown.
    #[must_use]
    pub fn connection(&self, number: u64) -> Option<ConnectionRecord> {
        self.lock().connections.get(&number).cloned()
    }

    /// Returns the messages of a connection that the log still contains, in order.
    #[must_use]
    pub fn messages(&self, connection: u64) -> Vec<MessageRecord> {
        self.lock().messages(connection)
    }

    /// Waits until `done` returns true for the totals. Returns false if that takes longer than
    /// `timeout`.
    ///
    /// `done` is called after every change. It may read the log, because no lock is held.
    pub fn wait(&self, timeout: Duration, mut done: impl FnMut(&Totals) -> bool) -> bool {
        // A longer timeout could overflow the instant.
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

    // No code panics while it holds this lock, so poisoning can be ignored.
    pub(super) fn lock(&self) -> MutexGuard<'_, Store> {
        self.0.store.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notifying costs a system call, so it happens only if a thread waits.
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
