//! Performs the steps of a session, as a driver does.

use std::net::{IpAddr, Ipv4Addr};

use powerstream_core::read_buffer::BUFFER_BYTES;
use powerstream_core::session::{Session, Step};
use powerstream_core::time::Instant;
use powerstream_core::transport_error::{TlsError, TransportError, TransportErrorKind};

use super::line::{Attempt, Line};
use super::{SECRET, Storage, World, core};
use crate::connection::{Connection, Context};
use crate::faults::Fault;
use crate::invariants::Phase;
use crate::network::{End, Expected, Path, Read};
use crate::responses::{HTTP, NETWORK};
use crate::service::{HOUR, MS, SEC};
use crate::transcript::note;

impl World {
    /// Performs the steps of a connection until it must wait.
    pub(super) fn advance(&mut self, index: usize) {
        loop {
            if !self.lines[index].buffer.input().is_empty() {
                self.drain(index);
                if !self.lines[index].buffer.input().is_empty() {
                    // The consumer holds an event.
                    return;
                }
                self.judge(index);
            }
            let step = core(|| self.sessions[index].poll());
            let line = &mut self.lines[index];
            if line.busy.0 != self.now {
                line.busy = (self.now, 0);
            }
            line.busy.1 += 1;
            assert!(line.busy.1 < 20, "I14: a busy loop at {step:?}");
            if line.wants_close {
                let closes = matches!(step, Step::Close | Step::Event);
                assert!(closes || line.model.is_ambiguous(), "I19: {step:?} on a connection that ended");
            }
            let now = Instant::from_nanos(self.now);
            match step {
                Step::Event => {
                    self.drain(index);
                    self.judge(index);
                }
                Step::Done => {
                    // The operator mends what the session cannot, and starts it again.
                    assert_eq!(line.model.phase, Phase::Over, "I11: done without a reason");
                    self.stop_process(HOUR);
                    return;
                }
                Step::Close => {
                    check_total(line, &self.sessions[index]);
                    line.connection = None;
                    line.attempt = None;
                    line.wants_close = false;
                    self.take_left(index);
                    self.lines[index].buffer.clear();
                    core(|| self.sessions[index].handle_closed(now));
                }
                Step::Sleep { until } => {
                    if self.now >= until.as_nanos() {
                        core(|| self.sessions[index].handle_timeout(now));
                    } else if !self.wait(index, until.as_nanos()) {
                        core(|| self.sessions[index].handle_timeout(now));
                    } else {
                        return;
                    }
                }
                Step::Connect { until } => {
                    if !self.connect(index, until) {
                        return;
                    }
                }
                Step::Write { until } => {
                    line.model.check_deadline(until, self.now);
                    if !self.write(index, until) {
                        return;
                    }
                }
                Step::Read { until } => {
                    if self.sessions[index].is_paused() {
                        line.model.handle_resume(self.now);
                        core(|| self.sessions[index].handle_resume(now));
                        continue;
                    }
                    line.model.check_deadline(until, self.now);
                    if !self.read(index, until) {
                        return;
                    }
                }
            }
        }
    }

    /// Waits until `at`, or a little longer or shorter. Returns false if the wait is over at once.
    pub(super) fn wait(&mut self, index: usize, at: u64) -> bool {
        let line = &mut self.lines[index];
        if std::mem::take(&mut line.early) && at > self.now + 2 {
            line.wake = self.now + (at - self.now) / 2;
            let session = &mut self.sessions[index];
            let before = session.poll();
            core(|| session.handle_timeout(Instant::from_nanos(self.now)));
            assert_eq!(session.poll(), before, "I8: an early wake-up changed the step");
            return true;
        }
        let late = std::mem::take(&mut line.late);
        line.model.late += late;
        line.wake = at.saturating_add(late).max(self.now);
        true
    }

    pub(super) fn connect(&mut self, index: usize, until: Instant) -> bool {
        let now = self.instant();
        if self.lines[index].attempt.is_none() {
            self.statistics.attempts += 1;
            self.lines[index].model.handle_attempt(self.now);
            // The events of an attempt that fails follow no read.
            self.lines[index].decodes = 0;
            let attempt = self.draw_attempt(index);
            self.lines[index].attempt = Some(attempt);
            let name = attempt.fault.map_or("none", Fault::text);
            note(self.now, index, 4, attempt.ready_at - self.now, format_args!("connects, fault {name}"));
            let other = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 1));
            let origin = self.origin();
            assert_eq!(origin.allows(other), self.is_https, "I21: an address that is not this machine");
            assert!(origin.allows(IpAddr::V4(Ipv4Addr::LOCALHOST)));
        }
        let line = &mut self.lines[index];
        line.model.check_deadline(until, self.now);
        let Some(attempt) = line.attempt.filter(|attempt| attempt.ready_at <= self.now) else {
            if now >= until {
                core(|| self.sessions[index].handle_timeout(now));
                return true;
            }
            let ready_at = line.attempt.map_or(u64::MAX, |attempt| attempt.ready_at);
            self.wait(index, ready_at.min(until.as_nanos()));
            return false;
        };
        if let Some(kind) = attempt.error {
            line.model.end.why = Some(End::Reset(kind));
            core(|| self.sessions[index].handle_transport_error(TransportError::new(kind), now));
            return true;
        }
        let unix = self.unix();
        let session = &mut self.sessions[index];
        core(|| {
            session.set_wall_clock(now, unix);
            session.handle_connected(now);
        });
        let line = &mut self.lines[index];
        let asked = session.transmit().windows(14).any(|part| part == b"backfillMinute");
        line.model.handle_connected(self.now, asked);
        line.request.clear();
        line.attempt = Some(Attempt { written_at: self.now, ..attempt });
        true
    }

    pub(super) fn draw_attempt(&mut self, index: usize) -> Attempt {
        let Self { rng, faults, .. } = self;
        let fault = faults.attempt(rng);
        let mut attempt = Attempt {
            fault,
            ready_at: self.now + rng.range(1, 200) * MS,
            error: None,
            piece: usize::MAX,
            piece_time: 0,
            write_end: None,
            written_at: 0,
        };
        let line = &mut self.lines[index];
        line.tls = None;
        let mut fail = |kind| attempt.error = Some(kind);
        match fault {
            Some(Fault::Name) => fail(rng.pick(&[
                TransportErrorKind::Resolve,
                TransportErrorKind::NoAddress,
                TransportErrorKind::NotLoopback,
            ])),
            Some(Fault::NotConnected) => fail(rng.pick(&[
                TransportErrorKind::Refused,
                TransportErrorKind::Unreachable,
                TransportErrorKind::TimedOut,
                TransportErrorKind::FileLimit,
            ])),
            Some(Fault::Certificate) => {
                line.tls = Some(HTTP);
                fail(TransportErrorKind::Tls(TlsError::CertificateIssuer));
            }
            Some(Fault::Handshake) => {
                line.tls = Some(NETWORK);
                fail(TransportErrorKind::Tls(
                    rng.pick(&[TlsError::HandshakeReset, TlsError::HandshakeClosed]),
                ));
            }
            Some(Fault::ConnectStall) => attempt.ready_at = self.now + rng.around(10 * SEC),
            Some(Fault::PartialWrite) => {
                (attempt.piece, attempt.piece_time) = (rng.range(1, 60) as usize, rng.range(0, 500) * MS);
            }
            Some(Fault::WriteStall) if rng.chance(50) => {
                // The rest can be written around the deadline.
                (attempt.piece, attempt.piece_time) = (200, rng.around(15 * SEC));
            }
            Some(Fault::WriteStall) => attempt.write_end = Some((rng.below(100) as usize, false)),
            Some(Fault::WriteReset) => attempt.write_end = Some((rng.below(100) as usize, true)),
            _ => {}
        }
        attempt
    }

    pub(super) fn write(&mut self, index: usize, until: Instant) -> bool {
        let now = self.instant();
        let line = &mut self.lines[index];
        let Some(mut attempt) = line.attempt else { panic!("I17: a write without a connection") };
        if let Some((_, resets)) = attempt.write_end.filter(|(at, _)| line.request.len() >= *at) {
            if resets {
                line.model.end.why = Some(End::Reset(TransportErrorKind::Reset));
                let error = TransportError::new(TransportErrorKind::Reset);
                core(|| self.sessions[index].handle_transport_error(error, now));
                return true;
            }
            if now >= until {
                core(|| self.sessions[index].handle_timeout(now));
                return true;
            }
            self.wait(index, until.as_nanos());
            return false;
        }
        if attempt.written_at > self.now {
            if now >= until {
                core(|| self.sessions[index].handle_timeout(now));
                return true;
            }
            self.wait(index, attempt.written_at.min(until.as_nanos()));
            return false;
        }
        let bytes = self.sessions[index].transmit();
        let room = attempt.write_end.map_or(usize::MAX, |(at, _)| at - line.request.len());
        let count = bytes.len().min(attempt.piece).min(room);
        let is_last = count == bytes.len();
        line.request.extend(&bytes[..count]);
        attempt.written_at = self.now + attempt.piece_time;
        line.attempt = Some(attempt);
        line.busy.1 = 0;
        core(|| self.sessions[index].handle_written(count, now));
        if is_last {
            line.model.handle_requested(self.now);
            line.attempt = None;
            assert!(self.sessions[index].transmit().is_empty(), "I20: the request remains after it was sent");
            self.respond(index, attempt.fault);
        }
        true
    }

    /// Checks the request, and starts the response.
    pub(super) fn respond(&mut self, index: usize, fault: Option<Fault>) {
        let line = &mut self.lines[index];
        if line.request != line.checked.0 {
            let backfill = check_request(&line.request, self.is_https);
            line.checked = (line.request.clone(), backfill);
        }
        let backfill = line.checked.1;
        let rng = &mut self.rng;
        let latency = rng.pick(&[MS, 20 * MS, 150 * MS]);
        let at = self.now + latency;
        let splits = self.splits && self.faults.fires(Fault::Split);
        let path = Path::new(latency, splits);
        line.cuts.begin(self.is_dense);
        let mut connection = Connection::new(path, rng);
        let mut of = Context {
            service: &mut self.services[line.group],
            faults: &mut self.faults,
            rng: &mut self.rng,
            limit: self.limit,
            has_date: self.has_date,
            line: index,
        };
        line.respond(&mut connection, at, backfill, fault, &mut of);
        line.connection = Some(connection);
    }

    pub(super) fn read(&mut self, index: usize, until: Instant) -> bool {
        let now = self.instant();
        let line = &mut self.lines[index];
        let Some(connection) = &mut line.connection else { panic!("I19: a read without a connection") };
        let mut of = Context {
            service: &mut self.services[line.group],
            faults: &mut self.faults,
            rng: &mut self.rng,
            limit: self.limit,
            has_date: self.has_date,
            line: index,
        };
        let arrival = connection.next_arrival(self.now, until.as_nanos().max(self.now), &mut of);
        if arrival.is_none_or(|at| at > self.now) {
            if now >= until {
                self.take_left(index);
                core(|| self.sessions[index].handle_timeout(now));
                return true;
            }
            self.wait(index, arrival.unwrap_or(u64::MAX).min(until.as_nanos()));
            return false;
        }
        if now >= until && line.timer_after != Some(line.model.content_at()) && of.rng.chance(50) {
            // The timer of a late driver is first.
            line.timer_after = Some(line.model.content_at());
            core(|| self.sessions[index].handle_timeout(now));
            let step = self.sessions[index].poll();
            assert_eq!(step, Step::Read { until }, "I8: a deadline passed, and input was not read first");
        }
        let Line { buffer, model, .. } = line;
        let room = buffer.room();
        let length = room.len();
        let result = connection.path.read(self.now, room, &mut model.due, &mut model.end, &mut self.rng);
        if model.meter.is_in_head() {
            model.meter.is_chunked = connection.is_chunked;
        }
        line.wants_close = model.end.is_certain;
        let session = &mut self.sessions[index];
        match result {
            Read::Bytes(count) => {
                let back = match line.model.phase {
                    Phase::Streaming => {
                        let back = std::mem::take(&mut line.back);
                        let is_post =
                            |event: &Expected| matches!(event, Expected::Message { is_post: true, .. });
                        if line.model.due.iter().any(is_post) {
                            line.clock_error = line.clock_error.max(back.div_ceil(MS));
                        }
                        back
                    }
                    Phase::Requesting { .. } if line.model.due.contains(&Expected::Head) => {
                        let back = std::mem::take(&mut line.head_back);
                        // Without a `Date`, the estimate of the server's clock is kept.
                        let before = if self.has_date { 0 } else { line.clock_error };
                        line.clock_error = before.max(back.div_ceil(MS));
                        back
                    }
                    _ => 0,
                };
                self.clock_error = self.clock_error.max(line.clock_error);
                let read_at = self.now - back.min(self.now - self.start);
                line.buffer.handle_read(count);
                let input = line.buffer.input();
                let read = &input[input.len() - count..];
                line.cuts.push(read);
                if read_at < self.now {
                    line.model.late += self.now - read_at;
                }
                line.model.handle_read(read_at, read);
                line.read_at = read_at;
                (line.decodes, line.busy.1) = (0, 0);
                if count == length || connection.path.has_more(self.now) {
                    core(|| session.handle_backlog(Instant::from_nanos(read_at)));
                }
            }
            Read::Closed => {
                line.cuts.handle_eof();
                core(|| session.take_left(line.buffer.take_left()));
                core(|| session.handle_eof(now));
            }
            Read::Failed(kind) => {
                core(|| session.take_left(line.buffer.take_left()));
                core(|| session.handle_transport_error(TransportError::new(kind), now));
            }
            Read::Nothing => panic!("the network promised input"),
        }
        true
    }

    /// Passes on what was left in the buffer.
    pub(super) fn take_left(&mut self, index: usize) {
        core(|| self.sessions[index].take_left(self.lines[index].buffer.take_left()));
    }

    /// Decodes what was read, and handles the events.
    pub(super) fn drain(&mut self, index: usize) {
        loop {
            let line = &mut self.lines[index];
            let input = line.buffer.input();
            let read_at = Instant::from_nanos(if input.is_empty() { self.now } else { line.read_at });
            line.decodes += 1;
            assert!(line.decodes < BUFFER_BYTES as u64 + 1_000, "I14: more events than bytes");
            let session = &mut self.sessions[index];
            let (consumed, event) = core(|| match line.is_partial {
                true => session.scan_partial(input, read_at),
                false => session.scan(input, read_at),
            });
            line.buffer.consume(consumed);
            let Some(event) = event else {
                assert!(line.is_partial || line.buffer.unread() == 0, "I5: input is left");
                if !line.buffer.leave() {
                    self.take_left(index);
                }
                let line = &self.lines[index];
                match self.sessions[index].poll() {
                    Step::Event => {}
                    Step::Read { .. } => {
                        line.model.check_drained();
                        check_bytes(line, &self.sessions[index]);
                    }
                    _ => line.model.check_drained(),
                }
                return;
            };
            self.handle_event(index, &event);
            if self.lines[index].cuts.is_complete() {
                let config = self.config(self.origin());
                self.lines[index].cuts.check(&config);
            }
            let line = &mut self.lines[index];
            if line.hold > 0 && !line.buffer.input().is_empty() {
                let hold = std::mem::take(&mut line.hold);
                line.model.late += hold;
                line.wake = self.now + hold;
                return;
            }
        }
    }
}

/// Checks a request. Returns the minutes of backfill that it asks for.
fn check_request(request: &[u8], is_https: bool) -> u64 {
    let request = String::from_utf8_lossy(request);
    assert_eq!(request.matches(SECRET).count(), 1, "I20: the token in the request");
    assert!(
        request.starts_with("GET /2/powerstream") && request.ends_with("\r\n\r\n"),
        "I17: the request arrives once, whole"
    );
    let host = if is_https { "api.x.com\r\n" } else { "localhost:8080\r\n" };
    assert!(request.to_ascii_lowercase().contains(&format!("host: {host}")), "I21: the request's host");
    let after = |name: &str| request.split(name).nth(1).and_then(|rest| rest.bytes().next());
    after("ackfillMinutes=").map_or(0, |digit| u64::from(digit - b'0'))
}

/// Checks that no byte of a response is missing in its counts.
fn check_total(line: &Line, session: &Session<Storage>) {
    let (counts, meter) = (session.byte_counts(), &line.model.meter);
    if !matches!(line.model.phase, Phase::Away | Phase::Connecting { .. }) {
        let read = meter.head + meter.framing + meter.content;
        assert_eq!(counts.received + line.buffer.unread() as u64, read, "I5: all bytes");
    }
}

/// Checks that the bytes of a response add up.
fn check_bytes(line: &Line, session: &Session<Storage>) {
    check_total(line, session);
    let model = &line.model;
    // A head is counted once it is complete.
    if model.end.why.is_some() || model.phase != Phase::Streaming {
        return;
    }
    let (counts, meter) = (session.byte_counts(), &model.meter);
    assert_eq!((counts.head, counts.framing), (meter.head, meter.framing), "I5: heads and framing");
    let content = counts.delivered + counts.separators + counts.skipped;
    assert!(content <= meter.content && counts.discarded == 0, "I5: {counts:?}, {meter:?}");
    assert!(content == meter.content || meter.in_message, "I5: {counts:?}, {meter:?}");
}
