//! The recorder. It writes the transcript and checks the invariants at every step.

use std::task::{Context, Poll};

use powerstream_core::driver::Io;
use powerstream_core::session::{
    Disconnected, Gap, GaveUp, Late, Origin, Refusal, Session, SessionEvent, Step,
};
use powerstream_core::time::{Instant, UnixTime};
use powerstream_core::transport_error::TransportError;

use super::TOKEN;
use super::network::Network;

/// The result of a run.
#[derive(Debug, Default)]
pub struct Run {
    /// `milliseconds what`, one line for each event, attempt and close.
    pub lines: Vec<String>,
    /// Each message, with the number of the attempt that delivered it.
    pub messages: Vec<(usize, Vec<u8>)>,
    /// The origin of each message.
    pub origins: Vec<Origin>,
    pub keep_alives: u64,
    pub connected: Vec<(usize, Option<Gap>, u8)>,
    pub resumed: Vec<Gap>,
    /// Each with the time in nanoseconds.
    pub late: Vec<(u64, Late)>,
    pub refused: Vec<(Refusal, Vec<u8>)>,
    /// Each with the time in nanoseconds and the number of the attempt.
    pub disconnected: Vec<(u64, usize, Disconnected)>,
    pub gave_up: Option<GaveUp>,
    pub over: bool,
    pub net: Option<Network>,
}

impl Run {
    pub fn net(&self) -> &Network {
        self.net.as_ref().unwrap()
    }

    pub fn bytes(&self) -> Vec<&[u8]> {
        self.messages.iter().map(|(_, bytes)| &bytes[..]).collect()
    }

    /// Returns the waits in milliseconds.
    pub fn delays(&self) -> Vec<u128> {
        self.disconnected.iter().map(|(_, _, disconnected)| disconnected.delay.as_millis()).collect()
    }

    pub fn first(&self) -> &Disconnected {
        &self.disconnected[0].2
    }
}

/// The state of the event grammar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum StreamState {
    Away,
    Streaming,
    Refused,
    Over,
}

#[derive(Debug)]
pub struct Recorder {
    pub net: Network,
    pub run: Run,
    pub over: bool,
    pub stopping: bool,
    pub limit: u64,
    place: StreamState,
    open: bool,
    /// The number of steps at this instant without a byte or event.
    idle: (u64, u32),
    progress: (usize, u64),
    steps: u64,
    /// The time until which the session reports that everything was delivered.
    covered: Option<UnixTime>,
}

impl Recorder {
    pub fn new(net: Network) -> Self {
        Self {
            net,
            run: Run::default(),
            over: false,
            stopping: false,
            limit: u64::MAX,
            place: StreamState::Away,
            open: false,
            idle: (0, 0),
            progress: (0, 0),
            steps: 0,
            covered: None,
        }
    }

    pub fn goes_on(&self) -> bool {
        self.net.now < self.limit && self.net.connects.len() < self.net.connects_max
    }

    fn line(&mut self, what: &str) {
        assert!(!what.contains(TOKEN), "the token is shown: {what}");
        self.run.lines.push(format!("{} {what}", self.net.now / 1_000_000));
    }

    /// Checks the session before a step is performed.
    pub fn step<S: AsRef<[u8]> + AsMut<[u8]>>(&mut self, session: &Session<S>, step: Step) {
        let progress = (self.net.events, self.net.fed.last().unwrap_or(&0) + self.net.request.len() as u64);
        if self.idle.0 != self.net.now || progress != self.progress {
            self.idle = (self.net.now, 0);
            self.progress = progress;
        }
        self.idle.1 += 1;
        assert!(self.idle.1 < 20, "a busy loop at {:?}: {step:?}\n{:#?}", self.net.now(), self.run.lines);

        assert_eq!(session.poll(), session.poll(), "polling changes nothing");
        let counts = session.byte_counts();
        let accounted = counts.head
            + counts.framing
            + counts.delivered
            + counts.separators
            + counts.skipped
            + counts.discarded;
        assert!(accounted <= counts.received, "{counts:?}");
        // The covered time never decreases unless a clock jumps; the clocks agree to the
        // millisecond. A new stream without Posts may move it back by the margin and a second.
        let covered = session.covered_until();
        let is_streaming = self.place == StreamState::Streaming;
        let slack = std::time::Duration::from_millis(if is_streaming { 1 } else { 22_000 });
        assert!(
            !self.net.jumps.is_empty()
                || covered.map(|covered| covered.saturating_add(slack)) >= self.covered,
            "{covered:?} after {:?}",
            self.covered
        );
        self.covered = covered;
        self.steps += 1;
        if self.steps % 16 == 0 {
            assert!(!format!("{session:?}").contains(TOKEN), "the token is shown: {session:?}");
        }

        match step {
            Step::Connect { until }
            | Step::Write { until }
            | Step::Read { until }
            | Step::Sleep { until } => {
                assert_ne!(self.place, StreamState::Over, "the session is over: {step:?}");
                let ahead = until.saturating_since(self.net.now());
                assert!(ahead.as_secs() <= 100_000, "a wait without end: {step:?}");
            }
            Step::Close | Step::Event | Step::Done => {}
        }
    }

    pub fn connect(&mut self, until: Instant) -> Result<Option<()>, TransportError> {
        if self.net.connecting {
            return self.net.connect(until);
        }
        assert!(!self.open, "two connections at once");
        assert!(!self.stopping && !self.net.is_stopped(), "a connection is opened after the shutdown");
        self.open = true;
        self.line("connect");
        self.net.connect(until)
    }

    pub fn close(&mut self) {
        self.line("close");
        self.open = false;
        self.net.open = None;
        if std::mem::take(&mut self.net.connecting) {
            self.net.attempts.pop_front();
        }
    }

    pub fn event(&mut self, event: &SessionEvent<'_>) {
        let attempt = self.net.connects.len();
        assert!(!format!("{event:?}").contains(TOKEN), "the token is shown");
        let (what, next) = match event {
            SessionEvent::Connected(connected) => {
                assert_eq!(self.place, StreamState::Away, "{:#?}", self.run.lines);
                let minutes = connected.gap.map_or(0, |gap| gap.backfill_minutes);
                self.run.connected.push((attempt, connected.gap, minutes));
                let margin = std::time::Duration::from_secs(22);
                self.covered = self.covered.map(|covered| covered.saturating_sub(margin));
                (format!("connected {}", connected.head.status()), StreamState::Streaming)
            }
            SessionEvent::Message(message) => {
                assert_eq!(self.place, StreamState::Streaming, "{:#?}", self.run.lines);
                self.run.messages.push((attempt, message.bytes.to_vec()));
                self.run.origins.push(message.origin);
                let what = match message.id() {
                    Some(id) => format!("post {}", id.as_u64()),
                    None => format!("message of {}", message.bytes.len()),
                };
                (what, StreamState::Streaming)
            }
            SessionEvent::KeepAlive => {
                assert_eq!(self.place, StreamState::Streaming, "{:#?}", self.run.lines);
                self.run.keep_alives += 1;
                ("keep-alive".to_owned(), StreamState::Streaming)
            }
            SessionEvent::Skipped { bytes } => {
                assert_eq!(self.place, StreamState::Streaming, "{:#?}", self.run.lines);
                (format!("skipped {bytes}"), StreamState::Streaming)
            }
            SessionEvent::Resumed(gap) => {
                assert_eq!(self.place, StreamState::Streaming, "{:#?}", self.run.lines);
                let reported = self.run.connected.last().unwrap().1.unwrap();
                assert!(gap.first_after.is_some() && gap.from == reported.from && gap.to >= reported.to);
                // Writes no line and gets no number, because scripts count the other events.
                self.run.resumed.push(*gap);
                return;
            }
            SessionEvent::Late(late) => {
                assert_eq!(self.place, StreamState::Streaming, "{:#?}", self.run.lines);
                self.run.late.push((self.net.now, *late));
                return;
            }
            SessionEvent::Refused(refused) => {
                assert_eq!(self.place, StreamState::Away, "{:#?}", self.run.lines);
                assert_eq!(refused.head.status(), refused.refusal.status);
                assert!(!refused.refusal.to_string().contains(TOKEN));
                self.run.refused.push((refused.refusal, refused.document.to_vec()));
                (
                    format!("refused {:?} {}", refused.refusal.kind, refused.refusal.status),
                    StreamState::Refused,
                )
            }
            SessionEvent::Disconnected(disconnected) => {
                assert_ne!(self.place, StreamState::Over, "{:#?}", self.run.lines);
                assert!(!self.open, "Close comes before Disconnected");
                assert!(!disconnected.reason.to_string().contains(TOKEN));
                self.run.disconnected.push((self.net.now, attempt, *disconnected));
                assert_eq!(disconnected.gap_from, self.covered, "{:#?}", self.run.lines);
                let Disconnected { reason, delay, .. } = disconnected;
                (format!("disconnected {} {}", reason.code(), delay.as_millis()), StreamState::Away)
            }
            SessionEvent::GaveUp(gave_up) => {
                assert_ne!(self.place, StreamState::Over, "{:#?}", self.run.lines);
                assert!(!self.open, "Close comes before GaveUp");
                assert_eq!(gave_up.gap_from, self.covered, "{:#?}", self.run.lines);
                self.run.gave_up = Some(*gave_up);
                (format!("gave up {}", gave_up.reason.code()), StreamState::Over)
            }
            _ => panic!("an event of a new kind: {event:?}"),
        };
        self.place = next;
        self.line(&what);
        self.net.held();
    }

    pub fn finish(mut self) -> Run {
        if self.over {
            assert!(!self.open, "done, but a connection is open");
            self.line("done");
        }
        self.run.over = self.over;
        self.run.net = Some(self.net);
        self.run
    }
}

/// The recorder as a transport that returns `Pending` after each step, so that the test can check
/// the session between two steps.
pub struct SingleStep<'w> {
    pub recorder: &'w mut Recorder,
    pub halt: bool,
}

impl SingleStep<'_> {
    fn step_once<T>(&mut self, act: impl FnOnce(&mut Recorder) -> T) -> Poll<T> {
        // At most two per call: the first is performed, the second waits for the next call.
        if self.halt || self.recorder.net.now >= self.recorder.limit {
            return Poll::Pending;
        }
        self.halt = true;
        Poll::Ready(act(self.recorder))
    }
}

impl Io for SingleStep<'_> {
    fn now(&self) -> Instant {
        self.recorder.net.now()
    }

    fn unix_now(&self) -> UnixTime {
        self.recorder.net.unix()
    }

    fn is_stopped(&self) -> bool {
        self.recorder.net.is_stopped()
    }

    fn poll_connect(
        &mut self,
        _: &mut Context<'_>,
        until: Instant,
    ) -> Poll<Result<Option<()>, TransportError>> {
        self.step_once(|recorder| recorder.connect(until))
    }

    fn poll_write(
        &mut self,
        _: &mut Context<'_>,
        bytes: &[u8],
        until: Instant,
    ) -> Poll<Result<Option<usize>, TransportError>> {
        self.step_once(|recorder| recorder.net.write(bytes, until))
    }

    fn poll_read(
        &mut self,
        _: &mut Context<'_>,
        buffer: &mut [u8],
        until: Instant,
    ) -> Poll<Result<Option<usize>, TransportError>> {
        self.step_once(|recorder| recorder.net.read(buffer, until))
    }

    fn poll_sleep(&mut self, _: &mut Context<'_>, until: Instant) -> Poll<()> {
        self.step_once(|recorder| recorder.net.sleep(until))
    }

    fn poll_close(&mut self, _: &mut Context<'_>) -> Poll<()> {
        self.step_once(Recorder::close)
    }
}
