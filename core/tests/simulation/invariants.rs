//! The invariants of one connection: a model of its deadlines, its backoff and its events, which
//! shares no code with the core.

use std::collections::VecDeque;

use powerstream_core::liveness::TimeoutKind;
use powerstream_core::session::{DisconnectReason, Disconnected};
use powerstream_core::time::Instant;
use powerstream_core::transport_error::TransportErrorKind;

use crate::meter::Meter;
use crate::network::{Advice, End, Expected, PathEnd};
use crate::responses::{HTTP, NETWORK, RATE_LIMIT};
use crate::service::{HOUR, MINUTE, MS, SEC};

const CONNECT: u64 = 10 * SEC;
const HEAD: u64 = 15 * SEC;
const IDLE: u64 = 25 * SEC;
const MESSAGE: u64 = 60 * SEC;
const DISCONNECT: u64 = 5 * SEC;
const HEALTHY: u64 = 20 * SEC;

/// The state of a connection as the driver knows it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Phase {
    Away,
    Connecting { since: u64 },
    Requesting { since: u64 },
    ErrorBody { since: u64 },
    Streaming,
    Over,
}

/// The model of one connection.
#[derive(Debug)]
pub(crate) struct Model {
    pub(crate) phase: Phase,
    /// Events that the bytes read so far must cause.
    pub(crate) due: VecDeque<Expected>,
    pub(crate) end: PathEnd,
    pub(crate) meter: Meter,
    /// The last read, at the latest time that the session was given, and at its own time.
    read_at: u64,
    given_at: u64,
    /// When content last arrived, when the unfinished message began, and when a disconnect was
    /// announced, each moved by pauses of the consumer.
    last: u64,
    begun: Option<u64>,
    announced: Option<u64>,
    /// The last announced disconnect: its advice, its time, and whether a Post followed.
    advice: Option<(Advice, u64, bool)>,
    head_at: u64,
    /// The stream is healthy since this read.
    healthy_at: Option<u64>,
    failures: [u32; 3],
    has_immediate: bool,
    /// Attempts since the last healthy stream, while all failures had one class.
    attempts: Vec<u64>,
    /// When the next attempt is due, and whether it is one that no schedule bounds.
    retry_at: u64,
    is_immediate: bool,
    class: Option<usize>,
    is_mixed: bool,
    /// How late the driver was on this connection, at most.
    pub(crate) late: u64,
    is_streaming: bool,
    asked_backfill: bool,
}

impl Model {
    pub(crate) fn new() -> Self {
        Self {
            phase: Phase::Away,
            due: VecDeque::new(),
            end: PathEnd::default(),
            meter: Meter::new(true),
            read_at: 0,
            given_at: 0,
            last: 0,
            begun: None,
            announced: None,
            advice: None,
            head_at: 0,
            healthy_at: None,
            failures: [0; 3],
            has_immediate: true,
            attempts: Vec::new(),
            retry_at: 0,
            is_immediate: false,
            class: None,
            is_mixed: false,
            late: 0,
            is_streaming: false,
            asked_backfill: false,
        }
    }

    /// Returns when content last arrived.
    pub(crate) const fn content_at(&self) -> u64 {
        self.last
    }

    pub(crate) fn is_ambiguous(&self) -> bool {
        matches!(self.end.why, Some(End::Any))
    }

    pub(crate) fn handle_attempt(&mut self, now: u64) {
        assert_eq!(self.phase, Phase::Away, "I19: an attempt before the connection was closed");
        assert!(now >= self.retry_at, "I10: an attempt {} ns too early", self.retry_at - now);
        assert!(now <= self.retry_at.saturating_add(self.late) || self.retry_at == 0, "I10: a late attempt");
        self.phase = Phase::Connecting { since: now };
        (self.end, self.late, self.asked_backfill) = (PathEnd::default(), 0, false);
        (self.begun, self.announced, self.advice) = (None, None, None);
        self.is_streaming = false;
        if !std::mem::take(&mut self.is_immediate) || self.attempts.is_empty() {
            self.attempts.push(now);
        }
        let first = self.attempts[0];
        let within = |length: u64| self.attempts.iter().filter(|at| **at <= first + length).count();
        if !self.is_mixed {
            let bounds: &[(u64, usize)] = match self.class {
                Some(NETWORK) => &[(MINUTE, 22), (9 * MINUTE, 66)],
                Some(HTTP) => &[(HOUR, 17)],
                Some(RATE_LIMIT) => &[(HOUR, 8)],
                _ => &[],
            };
            for (length, most) in bounds {
                let count = within(*length);
                assert!(count <= *most, "I10: {count} attempts in {} s", length / SEC);
            }
        }
        // Four in any minute once the schedule has reached its ceiling.
        if self.class == Some(NETWORK) && !self.is_mixed && self.attempts.len() > 66 {
            let recent = self.attempts.iter().rev().take_while(|at| **at + MINUTE > now).count();
            assert!(recent <= 4, "I10: {recent} attempts in a minute at the ceiling");
        }
        if self.attempts.len() > 200 {
            self.attempts.drain(..100);
            // The first times no longer bound anything.
            self.attempts.iter_mut().take(1).for_each(|at| *at = 0);
        }
    }

    pub(crate) fn handle_connected(&mut self, now: u64, asked_backfill: bool) {
        (self.phase, self.meter) = (Phase::Requesting { since: now }, Meter::new(true));
        self.asked_backfill = asked_backfill;
    }

    pub(crate) fn handle_requested(&mut self, now: u64) {
        self.read_at = now;
    }

    /// Reports a read of bytes at the time `at`, which the session is given.
    pub(crate) fn handle_read(&mut self, at: u64, bytes: &[u8]) {
        let before = self.meter.content;
        self.meter.push_all(bytes);
        self.read_at = self.read_at.max(at);
        self.given_at = at;
        if let (Phase::Requesting { .. }, Some(End::Refused(..))) = (self.phase, self.end.why) {
            self.phase = Phase::ErrorBody { since: at };
        }
        let has_head = self.due.iter().any(|event| *event == Expected::Head);
        if has_head {
            self.phase = Phase::Streaming;
            (self.last, self.head_at, self.healthy_at) = (at, at, None);
            (self.is_streaming, self.begun) = (true, None);
        }
        if self.phase == Phase::Streaming && self.meter.content > before {
            self.last = self.last.max(at);
            if !self.meter.in_message {
                self.begun = None;
            } else if self.begun.is_none() || !self.due.is_empty() {
                self.begun = Some(at.max(self.last));
            }
        }
        // An incomplete message does not make a stream healthy. The end of the body may complete
        // one without content.
        if self.phase == Phase::Streaming && self.due.iter().any(|event| *event != Expected::Head) {
            self.handle_complete();
        }
    }

    /// Reports that the last read completed a message or a keep-alive.
    fn handle_complete(&mut self) {
        if self.read_at.saturating_sub(self.head_at) >= HEALTHY && self.healthy_at.is_none() {
            self.healthy_at = Some(self.read_at);
            self.handle_healthy();
        }
    }

    /// Reports an event that the model need not expect, because the framing has two meanings.
    /// Returns true if it is one.
    pub(crate) fn handle_unexpected(&mut self) -> bool {
        let is_unexpected = self.is_ambiguous() && self.due.is_empty();
        if is_unexpected {
            self.handle_complete();
        }
        is_unexpected
    }

    fn handle_healthy(&mut self) {
        (self.failures, self.has_immediate) = ([0; 3], true);
        self.attempts.clear();
        (self.class, self.is_mixed) = (None, false);
    }

    /// Reports that the driver waits again after events.
    pub(crate) fn handle_resume(&mut self, now: u64) {
        let pause = now.saturating_sub(self.read_at);
        if self.phase == Phase::Streaming {
            self.last += pause;
            self.begun = self.begun.map(|at| at + pause);
            self.announced = self.announced.map(|at| at + pause);
        }
    }

    /// Returns the deadlines that run, with their kind.
    fn deadlines(&self) -> [Option<(u64, TimeoutKind)>; 3] {
        match self.phase {
            Phase::Away | Phase::Over => [None; 3],
            Phase::Connecting { since } => [Some((since + CONNECT, TimeoutKind::Connect)), None, None],
            Phase::Requesting { since } => [Some((since + HEAD, TimeoutKind::Head)), None, None],
            Phase::ErrorBody { since } => [Some((since + HEAD, TimeoutKind::ErrorBody)), None, None],
            Phase::Streaming => [
                Some((self.last + IDLE, TimeoutKind::Idle)),
                self.begun.map(|at| (at + MESSAGE, TimeoutKind::Message)),
                self.announced.map(|at| (at + DISCONNECT, TimeoutKind::Disconnect)),
            ],
        }
    }

    /// Checks the deadline of a wait that begins.
    pub(crate) fn check_deadline(&self, until: Instant, now: u64) {
        if self.end.why.is_some() && !matches!(self.end.why, Some(End::Refused(..))) {
            return;
        }
        let Some((at, kind)) = self.deadlines().into_iter().flatten().min_by_key(|(at, _)| *at) else {
            panic!("I11: a wait that no deadline ends");
        };
        let invariant = if kind == TimeoutKind::Idle { "I8" } else { "I9" };
        assert_eq!(until.as_nanos(), at, "{invariant}: the deadline of {kind:?}");
        // A deadline may be overdue by the driver's lateness, and by a second more.
        assert!(now <= at + self.late + SEC, "{invariant}: {kind:?} is overdue since {at}");
    }

    /// Takes the event that the session must deliver next.
    pub(crate) fn expect(&mut self) -> Expected {
        match self.due.pop_front() {
            Some(event) => event,
            None => panic!("I2: an event that no bytes caused"),
        }
    }

    pub(crate) fn handle_announcement(&mut self, advice: Advice) {
        self.advice = Some((advice, self.given_at, false));
        if self.announced.is_none() {
            self.announced = Some(self.given_at.max(self.last));
        }
    }

    pub(crate) fn handle_post(&mut self) {
        if let Some((_, _, is_void)) = &mut self.advice {
            if !*is_void {
                *is_void = true;
                self.announced = None;
            }
        }
    }

    /// Checks that the session has delivered all events of the bytes read.
    pub(crate) fn check_drained(&self) {
        if !self.is_ambiguous() {
            assert!(self.due.is_empty(), "I1: not delivered: {:?}", self.due.front());
        }
    }

    fn check_reason(&self, reason: &DisconnectReason, now: u64) {
        if let DisconnectReason::Timeout(kind) = reason {
            let deadline = self.deadlines().into_iter().flatten().find(|(_, of)| of == kind);
            let invariant = if *kind == TimeoutKind::Idle { "I8" } else { "I9" };
            let Some((at, _)) = deadline else {
                assert!(self.is_ambiguous(), "{invariant}: {kind:?} without a deadline");
                return;
            };
            assert!(now >= at || self.is_ambiguous(), "{invariant}: {kind:?} {} ns early", at - now);
            assert!(
                now <= at + self.late + SEC && (self.late > 0 || now == at) || self.is_ambiguous(),
                "{invariant}: {kind:?} {} ns late",
                now - at
            );
            return;
        }
        let fits = match (self.end.why, reason) {
            (Some(End::Any), _)
            | (Some(End::Cut), DisconnectReason::Cut)
            | (Some(End::CutInHead), DisconnectReason::CutInHead)
            | (Some(End::Ended), DisconnectReason::Ended)
            | (Some(End::Protocol), DisconnectReason::Protocol(_)) => true,
            (Some(End::Reset(kind)), DisconnectReason::Transport(error)) => kind == error.kind,
            (Some(End::Refused(status, _)), DisconnectReason::Refused(refusal)) => status == refusal.status,
            _ => false,
        };
        assert!(fits, "I17: ended by {reason:?} instead of {:?}", self.end.why);
    }

    /// Returns the failure class by X's documentation; `None` if a retry cannot help.
    fn class_of(reason: &DisconnectReason) -> Option<usize> {
        match reason {
            DisconnectReason::Transport(error) => match error.kind {
                TransportErrorKind::Tls(_) => unreachable!("the caller knows the class of TLS failures"),
                _ => Some(NETWORK),
            },
            DisconnectReason::Protocol(_) => Some(HTTP),
            DisconnectReason::Refused(refusal) => match refusal.status {
                420 | 429 => Some(RATE_LIMIT),
                408 | 425 | 500.. => Some(HTTP),
                _ => None,
            },
            _ => Some(NETWORK),
        }
    }

    /// Checks the end of a connection and the wait after it. `tls` is the class of a TLS failure.
    pub(crate) fn handle_disconnected(&mut self, ended: &Disconnected, tls: Option<usize>, now: u64) {
        self.check_drained();
        self.check_reason(&ended.reason, now);
        let is_counted = matches!(
            ended.reason,
            DisconnectReason::Cut | DisconnectReason::Timeout(_) | DisconnectReason::Transport(_)
        );
        if self.phase == Phase::Streaming && is_counted && !self.is_ambiguous() {
            assert_eq!(ended.undelivered, self.meter.open, "I2: the bytes of an incomplete message");
        }
        let advice = self.advice.filter(|(_, at, is_void)| !is_void || now <= at + DISCONNECT);
        if !self.is_ambiguous() {
            assert_eq!(ended.announced.is_some(), advice.is_some(), "I17: an announced disconnect");
        }
        let wait = ended.delay.as_nanos() as u64;
        assert_eq!(ended.retry_at.as_nanos(), now + wait, "I10: the time of the next attempt");
        self.retry_at = now + wait;
        if self.asked_backfill && ended.backfill_refused {
            assert_eq!(wait, 0, "I10: the same request without backfill");
            (self.phase, self.is_immediate) = (Phase::Away, true);
            return;
        }
        let Some(class) = tls.or_else(|| Self::class_of(&ended.reason)) else {
            panic!("I10: a retry after {:?}", ended.reason);
        };
        let (immediate, class) = advice.map_or((true, class), |(of, ..)| (of.immediate, of.class));
        self.is_mixed |= self.class.is_some_and(|before| before != class);
        self.class = Some(class);
        self.phase = Phase::Away;
        if self.is_streaming && immediate && self.has_immediate {
            (self.has_immediate, self.is_immediate) = (false, true);
            assert_eq!(wait, 0, "I10: the first reconnect is immediate");
            return;
        }
        self.failures[class] += 1;
        let count = u64::from(self.failures[class]);
        let doubled = |first: u64, most: u64| {
            first.checked_shl(count.min(30) as u32 - 1).map_or(most, |wait| wait.min(most))
        };
        let base = match class {
            NETWORK => (250 * MS * count).min(16 * SEC),
            HTTP => doubled(5 * SEC, 320 * SEC),
            _ => doubled(60 * SEC, 900 * SEC),
        };
        let asked = match (self.end.why, &ended.reason) {
            (Some(End::Refused(_, wait)), DisconnectReason::Refused(_)) => wait,
            _ => 0,
        };
        assert!(
            wait >= base.max(asked),
            "I10: failure {count} of class {class} waits {wait} ns of {base}, {asked}"
        );
        assert!(
            wait <= (base + base / 4).max(asked),
            "I10: failure {count} of class {class} waits {wait} ns of {base}"
        );
    }
}
