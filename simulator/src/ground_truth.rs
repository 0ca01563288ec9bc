//! What really happened: every message the simulator wrote, byte for byte, and when.
//!
//! Tests compare what a client delivered with it; measurements take the instant just before the `write()` that completed a message as
//! the moment from which its latency counts. A record is made *before* that write, since the client may have the
//! message before the call returns; it is taken back if the write fails.
//!
//! The log is bounded: beyond `truth_messages_max` records the oldest are forgotten, beyond `truth_bytes_max` bytes the oldest
//! lose their bytes and keep the rest, and of closed connections the last thousand are kept. Totals count on for ever.

use crate::clock::Clock;
use crate::scenario::Scenario;
use crate::tls::TlsFault;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Closed connections that are remembered.
const CLOSED_MAX: usize = 1_000;

/// The log of a simulator: a handle, cheap to clone, that outlives it.
#[derive(Clone)]
pub struct GroundTruth(Arc<Log>);

struct Log {
    clock: Clock,
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    messages_max: usize,
    bytes_max: usize,
    totals: Totals,
    /// Records in the order of their writes, over all connections; the first has number `first`.
    messages: VecDeque<Record>,
    first: u64,
    bytes: usize,
    /// Records below this number have lost their bytes.
    first_with_bytes: u64,
    by_id: HashMap<u64, (u64, Instant)>,
    connections: BTreeMap<u64, ConnectionRecord>,
    /// Counts changes, so that a waiter sees that there was one.
    changes: u64,
    waiting: usize,
}

struct Record {
    connection: u64,
    message: MessageRecord,
    retracted: bool,
}

/// One message as it was written.
#[derive(Clone)]
#[non_exhaustive]
pub struct MessageRecord {
    /// Its place on the connection, from 0.
    pub index: u64,
    /// The id of the Post, for a Post that has one.
    pub post_id: Option<u64>,
    /// How long it is, without its CR LF.
    pub len: usize,
    /// The message without its CR LF; `None` once the log has let go of it.
    pub bytes: Option<Arc<[u8]>>,
    /// Just before the `write()` whose bytes complete its CR LF.
    pub written_at: Instant,
}

impl fmt::Debug for MessageRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let MessageRecord { index, post_id, len, .. } = self;
        write!(f, "message {index}: {len} bytes, Post {post_id:?}")
    }
}

/// One connection as it went.
#[derive(Clone)]
#[non_exhaustive]
pub struct ConnectionRecord {
    /// Its number, from 1, in the order of acceptance.
    pub number: u64,
    /// The client's address.
    pub peer: SocketAddr,
    /// The datacenter it came to.
    pub datacenter: Arc<str>,
    /// When it was accepted.
    pub accepted_at: Instant,
    /// The request target, query included; `None` until there is a request that can be read. Not in the `Debug` text.
    pub target: Option<String>,
    /// The status that was answered.
    pub status: Option<u16>,
    /// Messages written completely, connection metadata and junk included.
    pub messages: u64,
    /// Those of them that are Posts of the source.
    pub posts: u64,
    /// Keep-alives written.
    pub keep_alives: u64,
    /// Bytes of the decoded body: messages and keep-alives, with their line ends, that were written completely.
    pub payload_bytes: u64,
    /// Bytes given to the socket: head, framing and body.
    pub wire_bytes: u64,
    /// When the scenario's fault began.
    pub fault_at: Option<Instant>,
    /// How it ended; `None` while it is open.
    pub end: Option<End>,
}

impl fmt::Debug for ConnectionRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectionRecord")
            .field("number", &self.number)
            .field("peer", &self.peer)
            .field("datacenter", &self.datacenter)
            .field("status", &self.status)
            .field("messages", &self.messages)
            .field("posts", &self.posts)
            .field("keep_alives", &self.keep_alives)
            .field("payload_bytes", &self.payload_bytes)
            .field("wire_bytes", &self.wire_bytes)
            .field("end", &self.end)
            .finish_non_exhaustive()
    }
}

/// How a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum End {
    /// The client closed or reset it, or its network did.
    ClientLeft,
    /// No whole request head came in time.
    NoRequest,
    /// The TLS handshake failed: the client speaks no TLS, or took no liking to the certificate.
    NoHandshake,
    /// The request was refused, and the reason was not a scenario.
    Refused,
    /// The scenario ended it, or had it hang until the client left.
    Fault(Scenario),
    /// The TLS fault ended it, or had it hang until the client left.
    TlsFault(TlsFault),
    /// An event of a script ended it, or one by hand.
    Scripted,
    /// All that was asked for is sent: an answer, or a span of the past.
    Complete,
    /// The client fell further behind than the simulator remembers.
    SlowReader,
    /// Its datacenter was switched off.
    Killed,
    /// The simulator was shut down.
    Shutdown,
}

/// Sums since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Totals {
    /// Connections accepted.
    pub connections: u64,
    /// Connections open now.
    pub open: u64,
    /// Connections that were answered with a stream.
    pub streams: u64,
    /// Messages written completely.
    pub messages: u64,
    /// Those of them that are Posts of the source.
    pub posts: u64,
    /// Keep-alives written.
    pub keep_alives: u64,
    /// Bytes of messages and keep-alives with their line ends.
    pub payload_bytes: u64,
    /// Bytes given to the sockets.
    pub wire_bytes: u64,
    /// Messages the log has forgotten.
    pub forgotten: u64,
}

impl GroundTruth {
    pub(crate) fn new(messages_max: usize, bytes_max: usize, clock: Clock) -> GroundTruth {
        let state = State {
            messages_max,
            bytes_max,
            totals: Totals::default(),
            messages: VecDeque::new(),
            first: 0,
            bytes: 0,
            first_with_bytes: 0,
            by_id: HashMap::new(),
            connections: BTreeMap::new(),
            changes: 0,
            waiting: 0,
        };
        GroundTruth(Arc::new(Log { clock, state: Mutex::new(state), changed: Condvar::new() }))
    }

    /// When the Post of this id was written: the first time, if it was written to several connections. `None` for a Post
    /// that was not, or that the log has forgotten.
    #[must_use]
    pub fn written_at(&self, id: u64) -> Option<Instant> {
        self.lock().by_id.get(&id).map(|(_, at)| *at)
    }

    /// The sums so far.
    #[must_use]
    pub fn totals(&self) -> Totals {
        self.lock().totals
    }

    /// The connections in the order of their numbers: all that are open, and the last thousand that are closed.
    #[must_use]
    pub fn connections(&self) -> Vec<ConnectionRecord> {
        self.lock().connections.values().cloned().collect()
    }

    /// One connection.
    #[must_use]
    pub fn connection(&self, number: u64) -> Option<ConnectionRecord> {
        self.lock().connections.get(&number).cloned()
    }

    /// The messages of one connection that the log still holds, in order.
    #[must_use]
    pub fn messages(&self, connection: u64) -> Vec<MessageRecord> {
        let state = self.lock();
        let of_it =
            state.messages.iter().filter(|record| record.connection == connection && !record.retracted);
        of_it.map(|record| record.message.clone()).collect()
    }

    /// Waits until the totals are as asked; false if they are not within `timeout`. Asks again after every change, and may itself
    /// look into the log: nothing is locked meanwhile.
    pub fn wait(&self, timeout: Duration, mut done: impl FnMut(&Totals) -> bool) -> bool {
        // Longer than a year is for ever, which no instant can tell.
        let until = Instant::now() + timeout.min(Duration::from_secs(366 * 24 * 60 * 60));
        loop {
            let (seen, totals) = {
                let state = self.lock();
                (state.changes, state.totals)
            };
            if done(&totals) {
                return true;
            }
            let mut state = self.lock();
            while state.changes == seen {
                let left = until.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    return false;
                }
                state.waiting += 1;
                state = self.0.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
                state.waiting -= 1;
            }
            if Instant::now() >= until {
                let totals = state.totals;
                drop(state);
                return done(&totals);
            }
        }
    }

    /// A new connection, and the pen for it.
    pub(crate) fn accepted(&self, peer: SocketAddr, datacenter: &str) -> Recorder {
        let mut state = self.lock();
        state.totals.connections += 1;
        state.totals.open += 1;
        let number = state.totals.connections;
        let connection = ConnectionRecord {
            number,
            peer,
            datacenter: datacenter.into(),
            accepted_at: self.0.clock.now(),
            target: None,
            status: None,
            messages: 0,
            posts: 0,
            keep_alives: 0,
            payload_bytes: 0,
            wire_bytes: 0,
            fault_at: None,
            end: None,
        };
        state.connections.insert(number, connection);
        self.changed(&mut state);
        drop(state);
        Recorder { ground_truth: self.clone(), number, index: 0, end: End::Refused }
    }

    // Nothing panics while it is locked, so poison means nothing here.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notifying costs a system call, so only when someone listens.
    fn changed(&self, state: &mut State) {
        state.changes += 1;
        if state.waiting > 0 {
            self.0.changed.notify_all();
        }
    }
}

impl fmt::Debug for GroundTruth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("GroundTruth").field(&self.totals()).finish()
    }
}

/// What is on its way to one client: a message, or a keep-alive (`bytes` is `None`).
#[derive(Debug, Default)]
pub(crate) struct InFlight {
    pub(crate) post_id: Option<u64>,
    /// From the source, not made up by a scenario.
    pub(crate) is_post: bool,
    pub(crate) bytes: Option<Arc<[u8]>>,
    record: Option<u64>,
}

impl InFlight {
    pub(crate) fn new(bytes: Arc<[u8]>, post_id: Option<u64>, is_post: bool) -> InFlight {
        InFlight { post_id, is_post, bytes: Some(bytes), record: None }
    }
}

/// The pen of one connection.
#[derive(Debug)]
pub(crate) struct Recorder {
    ground_truth: GroundTruth,
    pub(crate) number: u64,
    index: u64,
    /// Written down when the pen is dropped, which a thread that cannot start or panics does too.
    end: End,
}

impl Recorder {
    fn connection(&self, change: impl FnOnce(&mut ConnectionRecord, &mut Totals)) {
        let mut guard = self.ground_truth.lock();
        let state = &mut *guard;
        if let Some(connection) = state.connections.get_mut(&self.number) {
            change(connection, &mut state.totals);
        }
        self.ground_truth.changed(state);
    }

    pub(crate) fn requested(&self, target: String) {
        self.connection(|connection, _| connection.target = Some(target));
    }

    pub(crate) fn answered(&self, status: u16) {
        self.connection(|connection, _| connection.status = Some(status));
    }

    /// It is a stream.
    pub(crate) fn streaming(&self) {
        self.connection(|connection, totals| {
            connection.status = Some(200);
            totals.streams += 1;
        });
    }

    pub(crate) fn fault_begins(&self) {
        let now = self.ground_truth.0.clock.now();
        self.connection(|connection, _| connection.fault_at = Some(now));
    }

    pub(crate) fn ended(mut self, end: End) {
        self.end = end;
    }

    /// Before a `write()` that may complete these: makes their records, or moves the instant of those that were not completed by
    /// an earlier one.
    pub(crate) fn about_to_complete<'a>(&mut self, messages: impl Iterator<Item = &'a mut InFlight>) {
        let now = self.ground_truth.0.clock.now();
        let mut guard = self.ground_truth.lock();
        let state = &mut *guard;
        for in_flight in messages {
            let Some(bytes) = &in_flight.bytes else { continue };
            match in_flight.record {
                Some(number) => state.restamp(number, now),
                None => {
                    let message = MessageRecord {
                        index: self.index,
                        post_id: in_flight.post_id,
                        len: bytes.len(),
                        bytes: Some(bytes.clone()),
                        written_at: now,
                    };
                    self.index += 1;
                    in_flight.record = Some(state.push(self.number, message));
                }
            }
        }
    }

    /// After a `write()`: bytes the socket took, and what they completed.
    pub(crate) fn written(&self, wire_bytes: usize, completed: impl Iterator<Item = InFlight>) {
        let (mut messages, mut posts, mut keep_alives, mut payload) = (0, 0, 0, 0);
        for in_flight in completed {
            payload += 2;
            match in_flight.bytes {
                Some(bytes) => {
                    messages += 1;
                    posts += u64::from(in_flight.is_post);
                    payload += bytes.len() as u64;
                }
                None => keep_alives += 1,
            }
        }
        self.connection(|connection, totals| {
            connection.messages += messages;
            connection.posts += posts;
            connection.keep_alives += keep_alives;
            connection.payload_bytes += payload;
            connection.wire_bytes += wire_bytes as u64;
            totals.messages += messages;
            totals.posts += posts;
            totals.keep_alives += keep_alives;
            totals.payload_bytes += payload;
            totals.wire_bytes += wire_bytes as u64;
        });
    }

    /// After a `write()` that failed: these never got out.
    pub(crate) fn failed(&self, messages: impl Iterator<Item = InFlight>) {
        let mut state = self.ground_truth.lock();
        for number in messages.filter_map(|in_flight| in_flight.record) {
            state.retract(number);
        }
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.connection(|connection, totals| {
            connection.end = Some(self.end);
            totals.open -= 1;
        });
        let mut state = self.ground_truth.lock();
        let closed = state.connections.len().saturating_sub(state.totals.open as usize);
        if closed > CLOSED_MAX {
            let oldest =
                state.connections.values().find(|connection| connection.end.is_some()).map(|c| c.number);
            oldest.and_then(|number| state.connections.remove(&number));
        }
    }
}

impl State {
    fn push(&mut self, connection: u64, message: MessageRecord) -> u64 {
        let number = self.first + self.messages.len() as u64;
        if let Some(id) = message.post_id {
            self.by_id.entry(id).or_insert((number, message.written_at));
        }
        self.bytes += message.len;
        self.messages.push_back(Record { connection, message, retracted: false });
        while self.bytes > self.bytes_max && self.first_with_bytes < number {
            let at = (self.first_with_bytes - self.first) as usize;
            self.first_with_bytes += 1;
            let record = &mut self.messages[at];
            record.message.bytes = None;
            self.bytes -= record.message.len;
        }
        while self.messages.len() > self.messages_max.max(1) {
            self.forget_oldest();
        }
        number
    }

    fn forget_oldest(&mut self) {
        let Some(record) = self.messages.pop_front() else { return };
        if record.message.bytes.is_some() {
            self.bytes -= record.message.len;
        }
        self.unlist(self.first, record.message.post_id);
        self.first += 1;
        self.first_with_bytes = self.first_with_bytes.max(self.first);
        self.totals.forgotten += 1;
    }

    /// Takes a record out of the index of ids, if it is the one that stands there.
    fn unlist(&mut self, number: u64, id: Option<u64>) {
        if let Some(id) = id {
            if self.by_id.get(&id).is_some_and(|(listed, _)| *listed == number) {
                self.by_id.remove(&id);
            }
        }
    }

    fn record(&mut self, number: u64) -> Option<&mut Record> {
        let at = number.checked_sub(self.first)?;
        self.messages.get_mut(at as usize)
    }

    fn restamp(&mut self, number: u64, now: Instant) {
        let Some(record) = self.record(number) else { return };
        record.message.written_at = now;
        let Some(id) = record.message.post_id else { return };
        if let Some(listed) = self.by_id.get_mut(&id).filter(|listed| listed.0 == number) {
            listed.1 = now;
        }
    }

    fn retract(&mut self, number: u64) {
        let Some(record) = self.record(number) else { return };
        record.retracted = true;
        let id = record.message.post_id;
        self.unlist(number, id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Time;

    fn message(id: u64, len: usize) -> InFlight {
        InFlight::new(vec![b'x'; len].into(), Some(id), true)
    }

    fn pen(truth: &GroundTruth) -> Recorder {
        truth.accepted(([127, 0, 0, 1], 9).into(), "atla")
    }

    fn write(pen: &mut Recorder, mut messages: Vec<InFlight>) {
        pen.about_to_complete(messages.iter_mut());
        pen.written(100, messages.into_iter());
    }

    #[test]
    fn records_are_bounded() {
        let truth = GroundTruth::new(10, usize::MAX, Clock::new(Time::Real));
        let mut pen = pen(&truth);
        for id in 0..25 {
            write(&mut pen, vec![message(id, 5), InFlight::default()]);
        }
        let kept: Vec<_> = truth.messages(1).iter().map(|m| (m.index, m.post_id)).collect();
        assert_eq!(kept, (15..25).map(|id| (id, Some(id))).collect::<Vec<_>>());
        assert!(truth.written_at(14).is_none() && truth.written_at(15).is_some());
        let totals = truth.totals();
        assert_eq!((totals.messages, totals.keep_alives, totals.forgotten), (25, 25, 15));
        assert_eq!((totals.payload_bytes, totals.wire_bytes), (25 * 9, 2_500));
    }

    #[test]
    fn bytes_are_bounded() {
        let truth = GroundTruth::new(1_000, 100, Clock::new(Time::Real));
        let mut pen = pen(&truth);
        for id in 0..20 {
            write(&mut pen, vec![message(id, 30)]);
        }
        let with_bytes: Vec<_> =
            truth.messages(1).iter().filter(|m| m.bytes.is_some()).map(|m| m.index).collect();
        assert_eq!(with_bytes, [17, 18, 19]);
        assert!(truth.written_at(0).is_some());
        // The newest keeps its bytes, however long.
        write(&mut pen, vec![message(20, 1_000)]);
        let with_bytes: Vec<_> =
            truth.messages(1).iter().filter(|m| m.bytes.is_some()).map(|m| m.index).collect();
        assert_eq!(with_bytes, [20]);
    }

    #[test]
    fn the_first_write_of_a_post_counts() {
        let truth = GroundTruth::new(10, 1_000, Clock::new(Time::Real));
        let (mut one, mut two) = (pen(&truth), pen(&truth));
        write(&mut one, vec![message(7, 1)]);
        let first = truth.written_at(7);
        std::thread::sleep(Duration::from_millis(1));
        write(&mut two, vec![message(7, 1)]);
        assert_eq!(truth.written_at(7), first);
        assert_eq!(truth.messages(2).len(), 1);
    }

    #[test]
    fn a_failed_write_leaves_nothing() {
        let truth = GroundTruth::new(10, 1_000, Clock::new(Time::Real));
        let mut pen = pen(&truth);
        let mut messages = vec![message(7, 1)];
        pen.about_to_complete(messages.iter_mut());
        assert!(truth.written_at(7).is_some());
        pen.failed(messages.into_iter());
        assert!(truth.written_at(7).is_none());
        assert!(truth.messages(1).is_empty());
        assert_eq!(truth.totals().messages, 0);
    }

    #[test]
    fn closed_connections_are_bounded() {
        let truth = GroundTruth::new(10, 1_000, Clock::new(Time::Real));
        let open = pen(&truth);
        for _ in 0..CLOSED_MAX + 5 {
            pen(&truth).ended(End::ClientLeft);
        }
        let numbers: Vec<u64> = truth.connections().iter().map(|c| c.number).collect();
        assert_eq!(numbers.len(), CLOSED_MAX + 1);
        assert_eq!(numbers[..2], [open.number, 7]);
    }

    #[test]
    fn waiting() {
        let truth = GroundTruth::new(10, 1_000, Clock::new(Time::Real));
        assert!(truth.wait(Duration::ZERO, |_| truth.connections().is_empty()));
        assert!(!truth.wait(Duration::from_millis(1), |totals| totals.connections > 0));
        let waiter = std::thread::spawn({
            let truth = truth.clone();
            move || truth.wait(Duration::from_secs(5), |totals| totals.open == 1)
        });
        let _pen = pen(&truth);
        assert!(waiter.join().unwrap());
    }
}
