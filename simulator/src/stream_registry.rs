//! The running streams. Other threads send actions to them through mailboxes.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use crate::link::Link;
use crate::script::Action;

/// Actions for one stream from other threads.
#[derive(Clone, Default)]
pub(crate) struct Mailbox(Arc<Mutex<VecDeque<Action>>>);

impl Mailbox {
    /// Takes the oldest action.
    pub(crate) fn take(&self) -> Option<Action> {
        lock(&self.0).pop_front()
    }
}

/// The running streams, by the numbers of their connections.
#[derive(Default)]
pub(crate) struct StreamRegistry(Mutex<BTreeMap<u64, (Weak<Link>, Mailbox)>>);

impl StreamRegistry {
    /// Adds a stream. It can receive actions until the returned guard is dropped.
    pub(crate) fn register(&self, number: u64, link: &Arc<Link>, mailbox: &Mailbox) -> Registered<'_> {
        lock(&self.0).insert(number, (Arc::downgrade(link), mailbox.clone()));
        Registered { registry: self, number }
    }

    /// Removes a stream that has ended or is about to end.
    pub(crate) fn deregister(&self, number: u64) {
        lock(&self.0).remove(&number);
    }

    pub(crate) fn numbers(&self) -> Vec<u64> {
        lock(&self.0).keys().copied().collect()
    }

    /// Sends an action to a stream. Returns false if the stream is not running.
    pub(crate) fn send(&self, number: u64, action: Action) -> bool {
        let streams = lock(&self.0);
        let Some((link, mailbox)) = streams.get(&number) else { return false };
        let Some(link) = link.upgrade() else { return false };
        lock(&mailbox.0).push_back(action);
        link.notify().wake();
        true
    }
}

/// The registration of a running stream.
pub(crate) struct Registered<'a> {
    registry: &'a StreamRegistry,
    number: u64,
}

impl Drop for Registered<'_> {
    fn drop(&mut self) {
        self.registry.deregister(self.number);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
