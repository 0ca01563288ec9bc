//! The writing side of the log, one recorder a connection.

use std::net::SocketAddr;
use std::sync::Arc;

use super::log::GroundTruth;
use super::records::{ConnectionRecord, End, MessageRecord, Totals};

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
    pub(crate) fn new(bytes: Arc<[u8]>, post_id: Option<u64>, is_post: bool) -> Self {
        Self { post_id, is_post, bytes: Some(bytes), record: None }
    }
}

/// Writes one connection into the log.
#[derive(Debug)]
pub(crate) struct Recorder {
    log: GroundTruth,
    pub(crate) number: u64,
    index: u64,
    /// Recorded when this is dropped, which a thread that cannot start or panics does too.
    end: End,
}

impl Recorder {
    /// Adds a new connection to the log.
    pub(crate) fn accepted(log: &GroundTruth, peer: SocketAddr, datacenter: &str) -> Self {
        let now = log.now();
        let mut store = log.lock();
        let number = store.accept(peer, datacenter, now);
        log.changed(&mut store);
        drop(store);
        Self { log: log.clone(), number, index: 0, end: End::Refused }
    }

    fn connection(&self, change: impl FnOnce(&mut ConnectionRecord, &mut Totals)) {
        let mut guard = self.log.lock();
        let store = &mut *guard;
        if let Some(connection) = store.connections.get_mut(&self.number) {
            change(connection, &mut store.totals);
        }
        self.log.changed(store);
    }

    pub(crate) fn requested(&self, target: String) {
        self.connection(|connection, _| connection.target = Some(target));
    }

    pub(crate) fn answered(&self, status: u16) {
        self.connection(|connection, _| connection.status = Some(status));
    }

    /// Records that the answer is a stream.
    pub(crate) fn streaming(&self) {
        self.connection(|connection, totals| {
            connection.status = Some(200);
            totals.streams += 1;
        });
    }

    pub(crate) fn fault_begins(&self) {
        let now = self.log.now();
        self.connection(|connection, _| connection.fault_at = Some(now));
    }

    pub(crate) fn ended(mut self, end: End) {
        self.end = end;
    }

    /// Makes the records of these before a `write()` that may complete them, or moves the instant of
    /// those that were not completed by an earlier one.
    pub(crate) fn about_to_complete<'a>(&mut self, messages: impl Iterator<Item = &'a mut InFlight>) {
        let now = self.log.now();
        let mut guard = self.log.lock();
        let store = &mut *guard;
        for in_flight in messages {
            let Some(bytes) = &in_flight.bytes else { continue };
            match in_flight.record {
                Some(number) => store.restamp(number, now),
                None => {
                    let message = MessageRecord {
                        index: self.index,
                        post_id: in_flight.post_id,
                        len: bytes.len(),
                        bytes: Some(bytes.clone()),
                        written_at: now,
                    };
                    self.index += 1;
                    in_flight.record = Some(store.push(self.number, message));
                }
            }
        }
    }

    /// Records a `write()`: bytes the socket took, and what they completed.
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

    /// Takes back the records of these after a `write()` that failed.
    pub(crate) fn failed(&self, messages: impl Iterator<Item = InFlight>) {
        let mut store = self.log.lock();
        for number in messages.filter_map(|in_flight| in_flight.record) {
            store.retract(number);
        }
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.connection(|connection, totals| {
            connection.end = Some(self.end);
            totals.open -= 1;
        });
        self.log.lock().bound_connections();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::clock::{Clock, Time};
    use crate::ground_truth::store::CLOSED_MAX;

    fn message(id: u64, len: usize) -> InFlight {
        InFlight::new(vec![b'x'; len].into(), Some(id), true)
    }

    fn accept(truth: &GroundTruth) -> Recorder {
        Recorder::accepted(truth, ([127, 0, 0, 1], 9).into(), "atla")
    }

    fn write(recorder: &mut Recorder, mut messages: Vec<InFlight>) {
        recorder.about_to_complete(messages.iter_mut());
        recorder.written(100, messages.into_iter());
    }

    #[test]
    fn forgets_the_oldest_records_beyond_the_limit() {
        let truth = GroundTruth::new(10, usize::MAX, Clock::new(Time::Real));
        let mut recorder = accept(&truth);
        for id in 0..25 {
            write(&mut recorder, vec![message(id, 5), InFlight::default()]);
        }
        let kept: Vec<_> = truth.messages(1).iter().map(|m| (m.index, m.post_id)).collect();
        assert_eq!(kept, (15..25).map(|id| (id, Some(id))).collect::<Vec<_>>());
        assert!(truth.written_at(14).is_none() && truth.written_at(15).is_some());
        let totals = truth.totals();
        assert_eq!((totals.messages, totals.keep_alives, totals.forgotten), (25, 25, 15));
        assert_eq!((totals.payload_bytes, totals.wire_bytes), (25 * 9, 2_500));
    }

    #[test]
    fn drops_the_bytes_of_the_oldest_records_beyond_the_limit() {
        let truth = GroundTruth::new(1_000, 100, Clock::new(Time::Real));
        let mut recorder = accept(&truth);
        for id in 0..20 {
            write(&mut recorder, vec![message(id, 30)]);
        }
        let with_bytes: Vec<_> =
            truth.messages(1).iter().filter(|m| m.bytes.is_some()).map(|m| m.index).collect();
        assert_eq!(with_bytes, [17, 18, 19]);
        assert!(truth.written_at(0).is_some());
        // The newest keeps its bytes, however long.
        write(&mut recorder, vec![message(20, 1_000)]);
        let with_bytes: Vec<_> =
            truth.messages(1).iter().filter(|m| m.bytes.is_some()).map(|m| m.index).collect();
        assert_eq!(with_bytes, [20]);
    }

    #[test]
    fn keeps_the_time_of_the_first_write_of_a_post() {
        let truth = GroundTruth::new(10, 1_000, Clock::new(Time::Real));
        let (mut one, mut two) = (accept(&truth), accept(&truth));
        write(&mut one, vec![message(7, 1)]);
        let first = truth.written_at(7);
        std::thread::sleep(Duration::from_millis(1));
        write(&mut two, vec![message(7, 1)]);
        assert_eq!(truth.written_at(7), first);
        assert_eq!(truth.messages(2).len(), 1);
    }

    #[test]
    fn a_failed_write_leaves_no_record() {
        let truth = GroundTruth::new(10, 1_000, Clock::new(Time::Real));
        let mut recorder = accept(&truth);
        let mut messages = vec![message(7, 1)];
        recorder.about_to_complete(messages.iter_mut());
        assert!(truth.written_at(7).is_some());
        recorder.failed(messages.into_iter());
        assert!(truth.written_at(7).is_none());
        assert!(truth.messages(1).is_empty());
        assert_eq!(truth.totals().messages, 0);
    }

    #[test]
    fn forgets_the_oldest_closed_connections_beyond_the_limit() {
        let truth = GroundTruth::new(10, 1_000, Clock::new(Time::Real));
        let open = accept(&truth);
        for _ in 0..CLOSED_MAX + 5 {
            accept(&truth).ended(End::ClientLeft);
        }
        let numbers: Vec<u64> = truth.connections().iter().map(|c| c.number).collect();
        assert_eq!(numbers.len(), CLOSED_MAX + 1);
        assert_eq!(numbers[..2], [open.number, 7]);
    }

    #[test]
    fn wait_returns_when_the_totals_match_or_the_timeout_passes() {
        let truth = GroundTruth::new(10, 1_000, Clock::new(Time::Real));
        assert!(truth.wait(Duration::ZERO, |_| truth.connections().is_empty()));
        assert!(!truth.wait(Duration::from_millis(1), |totals| totals.connections > 0));
        let waiter = std::thread::spawn({
            let truth = truth.clone();
            move || truth.wait(Duration::from_secs(5), |totals| totals.open == 1)
        });
        let _recorder = accept(&truth);
        assert!(waiter.join().unwrap());
    }
}
