//! The state of a queue and its overflow policy, without locks or waits.

use std::collections::VecDeque;
use std::task::{Context, Poll, Waker};

use super::{Cost, Loss, Overflow, QueueConfig, QueueStats};

/// The most entries that are allocated at first. The queue grows up to its limits.
const CAPACITY_MAX: usize = 16_384;

/// A sender that waits for room is woken after this many entries were taken, or half of the entries
/// if that is less.
const WAKE_AFTER: usize = 64;

/// The decision about an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Admission {
    /// The caller must push it.
    Room,
    /// It is dropped, and counted if it is a message.
    Dropped,
    /// It is dropped as with `Dropped`, and so is every later event.
    Ended,
    /// The caller must try again once its task is woken.
    Full,
}

/// The result of taking from the queue.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Popped<E> {
    Event(E),
    Dropped(Loss),
    /// No event will follow.
    End,
    /// The queue is empty. The task is woken by the next event.
    Empty,
}

#[derive(Debug)]
struct Entry<E> {
    /// The messages dropped between the previous entry and this one.
    dropped: Loss,
    weight: Cost,
    event: E,
}

/// The remaining entries of a queue whose receiver was dropped.
pub(super) struct Left<E>(#[allow(dead_code, reason = "kept to be dropped elsewhere")] VecDeque<Entry<E>>);

#[derive(Debug)]
pub(super) struct State<E> {
    config: QueueConfig,
    entries: VecDeque<Entry<E>>,
    /// The messages dropped after the last entry.
    dropped: Loss,
    stats: QueueStats,
    /// True if the overflow policy ended the stream.
    is_over: bool,
    is_closed: bool,
    /// True if no wait for room is allowed any more.
    is_ending: bool,
    sender_gone: bool,
    /// The sender's task. If it waits for room, it is woken once `wake_at` entries are left.
    sender: Option<Waker>,
    wake_at: Option<usize>,
    receiver: Option<Waker>,
}

impl<E> State<E> {
    pub(super) fn new(mut config: QueueConfig) -> Self {
        config.messages_max = config.messages_max.max(1);
        config.events_max = config.events_max.max(1);
        let capacity = config.messages_max.saturating_add(config.events_max).saturating_add(1);
        Self {
            config,
            entries: VecDeque::with_capacity(capacity.min(CAPACITY_MAX)),
            dropped: Loss::NONE,
            stats: QueueStats::default(),
            is_over: false,
            is_closed: false,
            is_ending: false,
            sender_gone: false,
            sender: None,
            wake_at: None,
            receiver: None,
        }
    }

    pub(super) const fn stats(&self) -> QueueStats {
        self.stats
    }

    /// Decides whether an event of this weight is admitted. Also returns the task to wake.
    ///
    /// On `Full`, stores the waker of `cx`.
    pub(super) fn admit(&mut self, weight: Cost, cx: Option<&mut Context<'_>>) -> (Admission, Option<Waker>) {
        let admission = match weight {
            _ if self.is_over || self.is_closed => self.refuse(weight, Admission::Ended),
            Cost::KeepAlive if self.entries.is_empty() && self.dropped == Loss::NONE => Admission::Room,
            Cost::KeepAlive => Admission::Dropped,
            Cost::Event if self.stats.events < self.config.events_max || self.is_ending => Admission::Room,
            Cost::Event => Admission::Full,
            Cost::Message(bytes) if self.has_room(bytes) => Admission::Room,
            Cost::Message(bytes) => match self.config.overflow {
                Overflow::Wait if !self.is_ending => Admission::Full,
                Overflow::Wait | Overflow::DropNewest => self.refuse(weight, Admission::Dropped),
                Overflow::DropOldest => {
                    while !self.has_room(bytes) && self.drop_oldest() {}
                    Admission::Room
                }
                Overflow::End => {
                    self.is_over = true;
                    self.refuse(weight, Admission::Ended)
                }
            },
        };
        self.wake_at = None;
        if admission == Admission::Full {
            // Waking the sender for each event would cost the consumer more than the event. Waking
            // it too late would leave the connection unread while there is room.
            self.wake_at = Some(self.entries.len() - self.entries.len().div_ceil(2).min(WAKE_AFTER));
            if let Some(cx) = cx {
                leave(&mut self.sender, cx);
            }
        }
        // A loss after the last entry is reported immediately if nothing else is queued.
        let is_news = self.entries.is_empty() && self.dropped != Loss::NONE;
        (admission, is_news.then(|| self.receiver.take()).flatten())
    }

    /// Adds an admitted event. Returns the task to wake.
    pub(super) fn push(&mut self, weight: Cost, event: E) -> Option<Waker> {
        if self.is_closed {
            // The receiver closed the queue between `admit` and `push`.
            self.refuse(weight, Admission::Ended);
            return None;
        }
        let stats = &mut self.stats;
        if let Cost::Message(bytes) = weight {
            stats.sent = stats.sent.saturating_add(1);
            stats.messages += 1;
            stats.bytes = stats.bytes.saturating_add(bytes);
            stats.messages_high = stats.messages_high.max(stats.messages);
            stats.bytes_high = stats.bytes_high.max(stats.bytes);
        } else {
            stats.events += 1;
        }
        self.entries.push_back(Entry { dropped: std::mem::take(&mut self.dropped), weight, event });
        self.receiver.take()
    }

    /// Takes the next event or loss. Also returns the task to wake. Stores the waker if empty.
    pub(super) fn pop(&mut self, cx: Option<&mut Context<'_>>) -> (Popped<E>, Option<Waker>) {
        // The loss after an ended stream may still grow. It is reported once, when it is final.
        let is_final = self.is_over && self.entries.is_empty() && !self.sender_gone;
        let dropped = match self.entries.front_mut() {
            Some(entry) => &mut entry.dropped,
            None => &mut self.dropped,
        };
        if *dropped != Loss::NONE && !is_final {
            return (Popped::Dropped(std::mem::take(dropped)), None);
        }
        if let Some(entry) = self.entries.pop_front() {
            self.forget(entry.weight);
            if let Cost::Message(_) = entry.weight {
                self.stats.delivered = self.stats.delivered.saturating_add(1);
            }
            let is_time = self.wake_at.is_some_and(|left| self.entries.len() <= left);
            let waker = is_time.then(|| self.sender.take()).flatten();
            return (Popped::Event(entry.event), waker);
        }
        if self.sender_gone {
            return (Popped::End, None);
        }
        if let Some(cx) = cx {
            leave(&mut self.receiver, cx);
        }
        (Popped::Empty, None)
    }

    pub(super) fn poll_ended(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.is_over || self.is_closed {
            return Poll::Ready(());
        }
        leave(&mut self.sender, cx);
        Poll::Pending
    }

    pub(super) fn end_waits(&mut self) {
        self.is_ending = true;
    }

    /// Records that the sender was dropped. Returns the task to wake.
    pub(super) fn sender_gone(&mut self) -> Option<Waker> {
        self.sender_gone = true;
        self.receiver.take()
    }

    /// Records that the receiver was closed. Returns the task to wake.
    pub(super) fn close(&mut self) -> Option<Waker> {
        self.is_closed = true;
        self.sender.take()
    }

    /// Takes and counts the remaining entries, after the receiver was dropped.
    pub(super) fn abandon(&mut self) -> Left<E> {
        let left = std::mem::take(&mut self.entries);
        for entry in &left {
            self.forget(entry.weight);
            if let Cost::Message(bytes) = entry.weight {
                self.stats.dropped.add(one(bytes));
            }
        }
        Left(left)
    }

    fn has_room(&self, bytes: usize) -> bool {
        self.stats.messages == 0
            || self.stats.messages < self.config.messages_max
                && self.stats.bytes.saturating_add(bytes) <= self.config.bytes_max
    }

    /// Counts an event that is not admitted.
    fn refuse(&mut self, weight: Cost, admission: Admission) -> Admission {
        if let Cost::Message(bytes) = weight {
            self.stats.sent = self.stats.sent.saturating_add(1);
            self.stats.dropped.add(one(bytes));
            self.dropped.add(one(bytes));
        }
        admission
    }

    /// Drops the oldest message, if there is one. Only connection events precede it, so that the
    /// search is short.
    fn drop_oldest(&mut self) -> bool {
        let oldest = self.entries.iter().position(|entry| matches!(entry.weight, Cost::Message(_)));
        let Some(entry) = oldest.and_then(|at| self.entries.remove(at)) else { return false };
        self.forget(entry.weight);
        let Cost::Message(bytes) = entry.weight else { return false };
        let behind = match oldest.and_then(|at| self.entries.get_mut(at)) {
            Some(next) => &mut next.dropped,
            None => &mut self.dropped,
        };
        behind.add(entry.dropped);
        behind.add(one(bytes));
        self.stats.dropped.add(one(bytes));
        true
    }

    /// Subtracts an event that left the queue from the counters.
    fn forget(&mut self, weight: Cost) {
        if let Cost::Message(bytes) = weight {
            self.stats.messages -= 1;
            self.stats.bytes -= bytes;
        } else {
            self.stats.events -= 1;
        }
    }
}

fn one(bytes: usize) -> Loss {
    Loss { messages: 1, bytes: bytes as u64 }
}

fn leave(place: &mut Option<Waker>, cx: &mut Context<'_>) {
    match place {
        Some(waker) => waker.clone_from(cx.waker()),
        None => *place = Some(cx.waker().clone()),
    }
}
