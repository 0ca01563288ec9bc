//! The bounded storage of the log.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::net::SocketAddr;
use std::time::Instant;

use super::records::{ConnectionRecord, MessageRecord, Totals};

/// The number of closed connections that are kept.
pub(super) const CLOSED_MAX: usize = 1_000;

/// The records of messages and of connections, both bounded.
pub(super) struct Store {
    messages_max: usize,
    bytes_max: usize,
    pub(super) totals: Totals,
    /// Records in the order of their writes, over all connections. The first has the number
    /// `first`.
    messages: VecDeque<Record>,
    first: u64,
    bytes: usize,
    /// Records below this number have lost their bytes.
    first_with_bytes: u64,
    by_id: HashMap<u64, (u64, Instant)>,
    pub(super) connections: BTreeMap<u64, ConnectionRecord>,
    /// The number of changes, so that a waiting thread notices one.
    pub(super) changes: u64,
    pub(super) waiting: usize,
}

pub(super) struct Record {
    connection: u64,
    message: MessageRecord,
    retracted: bool,
}

impl Store {
    pub(super) fn new(messages_max: usize, bytes_max: usize) -> Self {
        Self {
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
        }
    }

    /// Returns when the Post with this id was first written.
    pub(super) fn written_at(&self, id: u64) -> Option<Instant> {
        self.by_id.get(&id).map(|(_, at)| *at)
    }

    /// Returns the messages of one connection, in order.
    pub(super) fn messages(&self, connection: u64) -> Vec<MessageRecord> {
        let of_it =
            self.messages.iter().filter(|record| record.connection == connection && !record.retracted);
        of_it.map(|record| record.message.clone()).collect()
    }

    /// Adds a connection. Returns its number.
    pub(super) fn accept(&mut self, peer: SocketAddr, datacenter: &str, now: Instant) -> u64 {
        self.totals.connections += 1;
        self.totals.open += 1;
        let number = self.totals.connections;
        let connection = ConnectionRecord {
            number,
            peer,
            datacenter: datacenter.into(),
            accepted_at: now,
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
        self.connections.insert(number, connection);
        number
    }

    /// Drops the oldest closed connection, if there are too many.
    pub(super) fn bound_connections(&mut self) {
        let closed = self.connections.len().saturating_sub(self.totals.open as usize);
        if closed > CLOSED_MAX {
            let oldest =
                self.connections.values().find(|connection| connection.end.is_some()).map(|c| c.number);
            oldest.and_then(|number| self.connections.remove(&number));
        }
    }

    pub(super) fn push(&mut self, connection: u64, message: MessageRecord) -> u64 {
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

    /// Removes a record from the index of ids, if the index points to it.
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

    pub(super) fn restamp(&mut self, number: u64, now: Instant) {
        let Some(record) = self.record(number) else { return };
        record.message.written_at = now;
        let Some(id) = record.message.post_id else { return };
        if let Some(listed) = self.by_id.get_mut(&id).filter(|listed| listed.0 == number) {
            listed.1 = now;
        }
    }

    pub(super) fn retract(&mut self, number: u64) {
        let Some(record) = self.record(number) else { return };
        record.retracted = true;
        let id = record.message.post_id;
        self.unlist(number, id);
    }
}
