//! A session under a list of operations: what a server, a network, a clock and a driver can do, in
//! any order. After each operation the invariants hold. At the end the faults stop, and the session
//! streams again.

use std::time::Duration;

use arbitrary::Arbitrary;
use powerstream_core::http::{BearerToken, Origin};
use powerstream_core::read_buffer::ReadBuffer;
use powerstream_core::session::{Session, SessionConfig, SessionEvent, Step};
use powerstream_core::stream::ConnectionConfig;
use powerstream_core::time::{Instant, UnixTime};
use powerstream_core::transport_error::{TransportError, TransportErrorKind};

use crate::shared::event_log::OwnedEvent;
use crate::shared::{arbitrary, reference_decoder};

#[derive(Arbitrary, Debug)]
struct Input<'a> {
    /// The session's seed. If it is odd, unfinished messages are left in a read buffer of `seed`
    /// bytes.
    seed: u8,
    backfill: bool,
    resume_from: Option<u32>,
    message_bytes_max: u16,
    /// Operations are replaced by ones that suit the step.
    is_obedient: bool,
    ops: Vec<Op<'a>>,
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum Op<'a> {
    /// The time passes until shortly before, exactly at, or after the deadline.
    Deadline {
        offset: i8,
    },
    Pass {
        millis: u16,
    },
    Connect,
    Written(u16),
    WrittenAll,
    Head(u8),
    /// A message in its own chunk.
    Line(u8),
    Post(u16),
    Chunk(&'a [u8]),
    Raw(&'a [u8]),
    /// The read filled its buffer.
    Backlog,
    Resume,
    Eof,
    Fault(u8),
    Closed,
    WallClock {
        shift: i16,
    },
    Shutdown,
}

const TOKEN: &str = "AAAAtoken-never-to-be-printed-5Zx%3D";

const HEADS: [&[u8]; 10] = [
    b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
    b"HTTP/1.1 200 OK\r\ndate: Tue, 14 Nov 2023 22:13:20 GMT\r\ntransfer-encoding: chunked\r\n\r\n",
    b"HTTP/1.1 200 OK\r\n\r\n",
    b"HTTP/1.1 429 x\r\nx-rate-limit-reset: 1700000500\r\ncontent-length: 2\r\n\r\n{}",
    b"HTTP/1.1 503 x\r\nretry-after: 30\r\ncontent-length: 0\r\n\r\n",
    b"HTTP/1.1 401 x\r\ncontent-length: 0\r\n\r\n",
    b"HTTP/1.1 400 x\r\ntransfer-encoding: chunked\r\n\r\n5\r\nabcde\r\n0\r\n\r\n",
    b"HTTP/1.1 302 x\r\nlocation: http://a.example/\r\n\r\n",
    b"HTTP/1.1 103 x\r\n\r\n",
    b"HTTP/1.1 204 x\r\n\r\n",
];

const LINES: [&str; 10] = [
    "",
    r#"{"type":"connection_metadata","datacenter":"atla","timestamp":1700000000000}"#,
    r#"{"errors":[{"title":"operational-disconnect","disconnect_type":"OperationalDisconnect","type":"https://api.x.com/2/problems/operational-disconnect"}]}"#,
    r#"{"errors":[{"connection_issue":"TooManyConnections","type":"https://api.x.com/2/problems/streaming-connection"}]}"#,
    r#"{"title":"UsageCapExceeded","type":"https://api.x.com/2/problems/usage-capped"}"#,
    r#"{"disconnect":{"code":4}}"#,
    r#"[{"id_str":"1735000000000000000","text":"a"},{"id_str":"1735000000000000001","text":"a"}]"#,
    r#"{"error":{"message":"x"}}"#,
    "not JSON",
    "{\"a\":\n1}",
];

const FAULTS: [TransportErrorKind; 6] = [
    TransportErrorKind::Resolve,
    TransportErrorKind::Refused,
    TransportErrorKind::Reset,
    TransportErrorKind::TimedOut,
    TransportErrorKind::ProxyAuthentication,
    TransportErrorKind::FileLimit,
];

/// When the session is created, in nanoseconds on the monotonic clock and in Unix milliseconds.
const BEGIN: (u64, u64) = (1_000_000_000_000, 1_700_000_000_000);

/// Checks one input.
pub fn run(input: &[u8]) {
    if let Some(input) = arbitrary(input) {
        check(&input);
    }
}

/// Where the events are in their grammar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Away,
    Refused,
    Streaming,
    Over,
}

struct Run<'c> {
    config: &'c SessionConfig<'c>,
    session: Session<Vec<u8>>,
    buffer: Option<ReadBuffer<Vec<u8>>>,
    now: u64,
    wall: u64,
    /// The bytes that the session received on this connection, and whether the peer then closed.
    wire: Vec<u8>,
    is_eof: bool,
    messages: Vec<Vec<u8>>,
    place: Place,
    is_stopping: bool,
    /// The shutdown came while the session read: what was read before it is still decoded.
    is_draining: bool,
    /// A read was decoded after the shutdown.
    is_drained: bool,
    /// After the shutdown, something may have ended the connection without an event.
    is_cut: bool,
    posts: u64,
}

fn check(input: &Input<'_>) {
    let mut config = SessionConfig::new(Origin::parse("http://127.0.0.1:8080").expect("an origin"));
    config.token = Some(BearerToken::new(TOKEN).expect("a token"));
    config.backfill = input.backfill;
    // The storage is then the copy of the request twice.
    config.message_bytes_max = usize::from(input.message_bytes_max % 4_096);
    let storage = vec![0xAA; config.storage_bytes()];
    let now = Instant::from_nanos(BEGIN.0);
    let session = Session::new(storage, &config, u64::from(input.seed), now, UnixTime::from_millis(BEGIN.1));
    let mut run = Run {
        config: &config,
        session: session.expect("a valid configuration"),
        buffer: (input.seed % 2 == 1).then(|| ReadBuffer::new(vec![0; usize::from(input.seed)])),
        now: BEGIN.0,
        wall: BEGIN.1,
        wire: Vec::new(),
        is_eof: false,
        messages: Vec::new(),
        place: Place::Away,
        is_stopping: false,
        is_draining: false,
        is_drained: false,
        is_cut: false,
        posts: 0,
    };
    if let Some(seconds) = input.resume_from {
        run.session.resume_from(UnixTime::from_seconds(u64::from(seconds)), now);
    }
    for op in input.ops.iter().take(200) {
        if run.session.poll() == Step::Done {
            break;
        }
        let op = if input.is_obedient { run.fitting(*op) } else { *op };
        run.perform(op);
        run.check_state();
    }
    run.calm();
    assert!(!format!("{:?}", run.session).contains(TOKEN));
}

impl Run<'_> {
    fn at(&self) -> Instant {
        Instant::from_nanos(self.now)
    }

    fn until(&self) -> Option<u64> {
        match self.session.poll() {
            Step::Connect { until }
            | Step::Write { until }
            | Step::Read { until }
            | Step::Sleep { until } => Some(until.as_nanos()),
            Step::Close | Step::Event | Step::Done => None,
        }
    }

    /// Replaces an operation that does not suit the step.
    fn fitting<'a>(&self, op: Op<'a>) -> Op<'a> {
        let fits = match op {
            Op::Deadline { .. } | Op::Pass { .. } | Op::WallClock { .. } | Op::Shutdown => true,
            Op::Connect => matches!(self.session.poll(), Step::Connect { .. }),
            Op::Fault(_) => self.is_open() || matches!(self.session.poll(), Step::Connect { .. }),
            Op::Written(_) | Op::WrittenAll => matches!(self.session.poll(), Step::Write { .. }),
            Op::Closed => self.session.poll() == Step::Close,
            Op::Head(_)
            | Op::Line(_)
            | Op::Post(_)
            | Op::Chunk(_)
            | Op::Raw(_)
            | Op::Backlog
            | Op::Resume
            | Op::Eof => {
                matches!(self.session.poll(), Step::Read { .. })
            }
        };
        match self.session.poll() {
            _ if fits => op,
            Step::Connect { .. } => Op::Connect,
            Step::Write { .. } => Op::WrittenAll,
            Step::Read { .. } if self.wire.is_empty() => Op::Head(0),
            Step::Read { .. } => Op::Line(0),
            Step::Sleep { .. } => Op::Deadline { offset: 0 },
            Step::Close => Op::Closed,
            Step::Event | Step::Done => Op::Pass { millis: 0 },
        }
    }

    fn is_open(&self) -> bool {
        matches!(self.session.poll(), Step::Write { .. } | Step::Read { .. })
    }

    fn perform(&mut self, op: Op<'_>) {
        let may_end = matches!(op, Op::Deadline { .. } | Op::Fault(_) | Op::Eof | Op::Closed);
        self.is_cut |= self.is_draining && may_end;
        if let Some(buffer) = self.buffer.as_mut().filter(|_| may_end) {
            self.session.take_left(buffer.take_left());
        }
        match op {
            Op::Deadline { offset } => {
                // The offset is in nanoseconds next to the deadline, and in seconds far from it.
                let step = if offset.unsigned_abs() < 8 { 1 } else { 1_000_000_000 };
                if let Some(until) = self.until() {
                    self.advance_to(until.saturating_add_signed(i64::from(offset) * step));
                }
                self.session.handle_timeout(self.at());
            }
            Op::Pass { millis } => self.advance_to(self.now + u64::from(millis) * 1_000_000),
            Op::Connect => {
                let is_awaited = matches!(self.session.poll(), Step::Connect { .. });
                self.session.handle_connected(self.at());
                if is_awaited {
                    self.wire.clear();
                    self.messages.clear();
                    self.is_eof = false;
                }
            }
            Op::Written(count) => self.session.handle_written(usize::from(count), self.at()),
            Op::WrittenAll => self.session.handle_written(usize::MAX, self.at()),
            Op::Head(index) => self.read(HEADS[usize::from(index) % HEADS.len()]),
            Op::Line(index) => self.read(&line(LINES[usize::from(index) % LINES.len()])),
            Op::Post(age) => {
                let id = self.post_id(u64::from(age));
                self.read(&post(id));
            }
            Op::Chunk(bytes) => {
                let chunk = [format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat();
                self.read(&chunk);
            }
            Op::Raw(bytes) => self.read(bytes),
            Op::Backlog => self.session.handle_backlog(self.at()),
            Op::Resume => self.session.handle_resume(self.at()),
            Op::Eof => {
                self.is_eof |= self.is_reading() || self.is_draining;
                self.session.handle_eof(self.at());
            }
            Op::Fault(index) => {
                let kind = FAULTS[usize::from(index) % FAULTS.len()];
                self.session.handle_transport_error(TransportError::new(kind), self.at());
            }
            Op::Closed => self.session.handle_closed(self.at()),
            Op::WallClock { shift } => {
                self.wall = self.wall.saturating_add_signed(i64::from(shift) * 1_000);
                self.session.set_wall_clock(self.at(), UnixTime::from_millis(self.wall));
            }
            Op::Shutdown => {
                self.is_draining |= self.is_reading();
                self.is_stopping = true;
                self.session.shutdown();
            }
        }
        self.drain();
    }

    fn advance_to(&mut self, at: u64) {
        let at = at.max(self.now);
        self.wall += (at - self.now) / 1_000_000;
        self.now = at;
    }

    /// Returns the id of a Post that was created so many milliseconds ago.
    fn post_id(&mut self, age: u64) -> u64 {
        self.posts += 1;
        // X's ids hold the milliseconds since this date.
        let created = self.wall.saturating_sub(1_288_834_974_657).saturating_sub(age);
        (created << 22) + self.posts
    }

    fn is_reading(&self) -> bool {
        matches!(self.session.poll(), Step::Read { .. })
    }

    fn read(&mut self, mut bytes: &[u8]) {
        let Some(mut buffer) = self.buffer.take() else {
            self.record(bytes);
            return self.decode_lent(bytes);
        };
        while !bytes.is_empty() {
            let room = buffer.room();
            let (piece, behind) = bytes.split_at(bytes.len().min(room.len()));
            room[..piece.len()].copy_from_slice(piece);
            buffer.handle_read(piece.len());
            // An earlier piece may have ended the connection.
            self.record(piece);
            self.decode_buffer(&mut buffer);
            bytes = behind;
        }
        self.buffer = Some(buffer);
    }

    /// Records what the session reads.
    fn record(&mut self, bytes: &[u8]) {
        if self.is_reading() {
            self.wire.extend_from_slice(bytes);
        } else if self.is_draining && !self.is_eof {
            // The read before this one may have ended the connection, if a deadline was over.
            self.is_cut |= self.is_drained;
            self.is_drained = true;
            self.wire.extend_from_slice(bytes);
        }
    }

    fn drain(&mut self) {
        for _ in 0..8 {
            if self.session.poll() != Step::Event {
                return;
            }
            match self.buffer.take() {
                None => self.decode_lent(&[]),
                Some(mut buffer) => {
                    self.decode_buffer(&mut buffer);
                    self.buffer = Some(buffer);
                }
            }
        }
        panic!("events without end: {:?}", self.session);
    }

    fn decode_buffer(&mut self, buffer: &mut ReadBuffer<Vec<u8>>) {
        for _ in 0..buffer.input().len() + 8 {
            let (consumed, event) = self.session.scan_partial(buffer.input(), Instant::from_nanos(self.now));
            buffer.consume(consumed);
            let Some(event) = event else {
                if !buffer.leave() {
                    self.session.take_left(buffer.take_left());
                }
                return;
            };
            let event = self.session.lend(&event, buffer.scanned());
            self.place = next(self.place, &event, &mut self.messages);
        }
        panic!("more events than bytes");
    }

    fn decode_lent(&mut self, mut bytes: &[u8]) {
        // Each event takes a byte, except the notices and the end of the stream.
        for _ in 0..bytes.len() + 8 {
            let (consumed, event) = self.session.decode(bytes, Instant::from_nanos(self.now));
            assert!(consumed <= bytes.len());
            let Some(event) = event else {
                assert_eq!(consumed, bytes.len(), "no event, but bytes left");
                return;
            };
            bytes = &bytes[consumed..];
            self.place = next(self.place, &event, &mut self.messages);
        }
        panic!("more events than bytes");
    }

    fn check_state(&mut self) {
        let step = self.session.poll();
        assert_eq!(self.session.poll(), step);
        assert_ne!(step, Step::Event, "all events were taken");
        let transmit = self.session.transmit();
        match step {
            Step::Write { .. } => assert!(!transmit.is_empty()),
            // A shutdown leaves the request unsent until the connection is closed.
            Step::Close => {}
            _ => assert!(transmit.is_empty(), "{step:?}"),
        }
        if let Some(until) = self.until() {
            assert!(until.saturating_sub(self.now) <= 100_000_000_000_000, "a wait without end: {step:?}");
        }
        if self.is_stopping {
            assert!(matches!(step, Step::Close | Step::Done), "{step:?} after the shutdown");
        }
        assert!(self.place != Place::Over || step == Step::Done);
        assert!(self.session.covered_until().is_none_or(|covered| covered.as_millis() < u64::MAX / 2));
        if step == Step::Close {
            self.check_messages();
        }
    }

    /// Checks that the connection delivered what the reference decoder finds in its bytes.
    fn check_messages(&mut self) {
        let mut config = ConnectionConfig::default();
        config.message_bytes_max = self.config.message_bytes_max;
        let storage = self.config.storage_bytes() / 2;
        let events = reference_decoder::response(&self.wire, &config, storage);
        let is_stream = matches!(events.first(), Some(OwnedEvent::Head { status: 200..300, .. }));
        let want: Vec<&Vec<u8>> = events
            .iter()
            .filter_map(|event| if let OwnedEvent::Message(bytes) = event { Some(bytes) } else { None })
            .filter(|_| is_stream)
            .collect();
        let count = self.messages.len();
        assert!(count <= want.len() && self.messages.iter().eq(want[..count].iter().copied()));
        // Only the close of the connection completes a last message without a delimiter.
        let is_complete = want.len() - count <= usize::from(!self.is_eof);
        assert!(is_complete || self.is_cut, "a message is lost");
    }

    /// Follows the steps with a healthy server. The session streams again, unless it is over.
    fn calm(&mut self) {
        let mut is_new = false;
        for _ in 0..400 {
            match self.session.poll() {
                Step::Done => return,
                Step::Event => self.drain(),
                Step::Close => self.perform(Op::Closed),
                Step::Connect { .. } => {
                    self.perform(Op::Connect);
                    is_new = true;
                }
                Step::Write { .. } => self.perform(Op::WrittenAll),
                Step::Read { .. } if is_new => {
                    self.perform(Op::Head(0));
                    self.perform(Op::Line(1));
                    let count = usize::from(LINES[1].len() <= self.config.message_bytes_max);
                    assert_eq!((self.place, self.messages.len()), (Place::Streaming, count));
                    return;
                }
                // An open connection stays silent until a deadline ends it.
                Step::Read { .. } | Step::Sleep { .. } => self.perform(Op::Deadline { offset: 0 }),
            }
            self.check_state();
        }
        panic!("the session does not stream again: {:?}", self.session);
    }
}

/// Returns a message in its own chunk.
fn line(message: &str) -> Vec<u8> {
    format!("{:x}\r\n{message}\r\n\r\n", message.len() + 2).into_bytes()
}

fn post(id: u64) -> Vec<u8> {
    line(&format!(r#"{{"id":{id},"id_str":"{id}","text":"a"}}"#))
}

/// Checks that `event` may follow at `place`, and returns the place after it.
fn next(place: Place, event: &SessionEvent<'_>, messages: &mut Vec<Vec<u8>>) -> Place {
    let next = match (event, place) {
        (SessionEvent::Connected(connected), Place::Away) => {
            assert!((200..300).contains(&connected.head.status()));
            assert!(connected.gap.is_none_or(|gap| gap.from <= gap.to && gap.local_from <= gap.local_to));
            assert!(connected.server_earliest <= connected.server_latest);
            Place::Streaming
        }
        (SessionEvent::Message(message), Place::Streaming) => {
            messages.push(message.bytes.to_vec());
            Place::Streaming
        }
        (
            SessionEvent::KeepAlive
            | SessionEvent::Skipped { .. }
            | SessionEvent::Resumed(_)
            | SessionEvent::Late(_),
            Place::Streaming,
        ) => Place::Streaming,
        (SessionEvent::Refused(refused), Place::Away) => {
            assert!(!(200..300).contains(&refused.head.status()));
            Place::Refused
        }
        (SessionEvent::Disconnected(disconnected), place) if place != Place::Over => {
            assert!(disconnected.delay <= Duration::from_secs(100_000));
            Place::Away
        }
        (SessionEvent::GaveUp(_), place) if place != Place::Over => Place::Over,
        (event, place) => panic!("{event:?} while {place:?}"),
    };
    assert!(!format!("{event:?}").contains(TOKEN), "the token is shown");
    next
}
