//! The states of a session. Each contains only the data that exists in it.

use core::net::SocketAddr;
use core::time::Duration;

use super::announcement::Announcement;
use super::disconnect_reason::DisconnectReason;
use super::event::{Disconnected, GaveUp, Outcome};
use super::health::Health;
use super::refusal::Refusal;
use super::retry_policy::Retry;
use crate::stream::message::Kind;
use crate::time::{Instant, UnixTime};

#[derive(Clone, Copy, Debug)]
pub(super) enum State {
    Waiting {
        retry_at: Instant,
        pending: Pending,
    },
    Connecting,
    /// `sent` of the `length` bytes of the request at the start of the storage have been sent.
    Writing {
        sent: usize,
        length: usize,
        backfill_minutes: u8,
    },
    /// The response head or an error body is being read.
    Responding {
        backfill_minutes: u8,
    },
    Streaming(Established),
    /// The connection has ended and must be closed.
    Closing(Failure),
    Done {
        pending: Pending,
    },
}

/// A stream whose head has arrived.
#[derive(Clone, Copy, Debug)]
pub(super) struct Established {
    pub(super) health: Health,
    pub(super) announcement: Option<Announcement>,
}

/// Why a connection ended, and its state at that time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Failure {
    pub(super) reason: DisconnectReason,
    pub(super) undelivered: u64,
    /// The stream, if one was established.
    pub(super) stream: Option<Established>,
    /// The request asked for backfill, and no stream was established.
    pub(super) asked_backfill: bool,
}

/// Pending events from the end of a connection, in order of delivery.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pending {
    pub(super) refusal: Option<Refusal>,
    pub(super) outcome: Option<Outcome>,
}

/// One of the [`Pending`] events.
#[derive(Clone, Copy, Debug)]
pub(super) enum PendingEvent {
    Refused(Refusal),
    Outcome(Outcome),
}

impl Failure {
    /// Returns the announced disconnect that explains a connection that ended at `now`, if there is
    /// one.
    pub(super) fn announcement(&self, now: Instant, grace: Duration) -> Option<Announcement> {
        self.stream?.announcement.filter(|announcement| announcement.explains_end(now, grace))
    }

    /// Returns the next state with its events: waiting for the next attempt, or the end of the
    /// session.
    pub(super) fn next_state(
        self,
        retry: Option<Retry>,
        announced: Option<Kind>,
        gap_from: Option<UnixTime>,
        peer_addr: Option<SocketAddr>,
        now: Instant,
    ) -> State {
        let Self { reason, undelivered, asked_backfill, .. } = self;
        let refusal = if let DisconnectReason::Refused(refusal) = reason { Some(refusal) } else { None };
        let Some(Retry { delay, reset_ignored }) = retry else {
            let outcome = Some(Outcome::GaveUp(GaveUp { reason, gap_from, peer_addr }));
            return State::Done { pending: Pending { refusal, outcome } };
        };
        let retry_at = now.saturating_add(delay.length);
        let outcome = Some(Outcome::Disconnected(Disconnected {
            reason,
            announced,
            delay: delay.length,
            retry_at,
            at_ceiling: delay.at_ceiling,
            reset_ignored,
            gap_from,
            undelivered,
            backfill_refused: asked_backfill && is_backfill_refusal(&reason),
            peer_addr,
        }));
        State::Waiting { retry_at, pending: Pending { refusal, outcome } }
    }
}

/// Returns true if the server may have refused a request for its backfill: without the entitlement
/// X answers 400 (X docs: Powerstream, recovery and redundancy).
pub(super) const fn is_backfill_refusal(reason: &DisconnectReason) -> bool {
    matches!(reason, DisconnectReason::Refused(Refusal { status: 400 | 403, .. }))
}

impl Pending {
    pub(super) const NONE: Self = Self { refusal: None, outcome: None };

    /// Removes and returns the next event.
    pub(super) fn take(&mut self) -> Option<PendingEvent> {
        self.refusal
            .take()
            .map(PendingEvent::Refused)
            .or_else(|| self.outcome.take().map(PendingEvent::Outcome))
    }

    const fn is_empty(&self) -> bool {
        self.refusal.is_none() && self.outcome.is_none()
    }
}

impl State {
    /// Returns true if the session reads input.
    #[inline]
    pub(super) const fn is_reading(&self) -> bool {
        matches!(self, Self::Responding { .. } | Self::Streaming(_))
    }

    /// Returns true if a transport is open.
    pub(super) const fn is_open(&self) -> bool {
        self.is_reading() || matches!(self, Self::Writing { .. })
    }

    /// Returns the established stream, if there is one, until its connection is closed.
    pub(super) const fn stream(&self) -> Option<&Established> {
        match self {
            Self::Streaming(stream) | Self::Closing(Failure { stream: Some(stream), .. }) => Some(stream),
            _ => None,
        }
    }

    /// Returns the pending events.
    pub(super) const fn pending(&self) -> Pending {
        match self {
            Self::Waiting { pending, .. } | Self::Done { pending } => *pending,
            _ => Pending::NONE,
        }
    }

    /// Returns true if an event is pending.
    pub(super) const fn has_event(&self) -> bool {
        !self.pending().is_empty()
    }

    /// Removes and returns the next pending event.
    #[inline]
    pub(super) fn take_event(&mut self) -> Option<PendingEvent> {
        match self {
            Self::Waiting { pending, .. } | Self::Done { pending } => pending.take(),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backoff::Delay;
    use crate::session::RefusalKind;

    const NOW: Instant = Instant::from_nanos(1_000);

    fn refused() -> Failure {
        let reason = DisconnectReason::Refused(Refusal { status: 503, kind: RefusalKind::Server });
        Failure { reason, undelivered: 0, stream: None, asked_backfill: false }
    }

    #[test]
    fn a_refusal_is_delivered_before_its_outcome() {
        let retry = Retry { delay: Delay::NONE, reset_ignored: false };
        let mut waiting = refused().next_state(Some(retry), None, None, None, NOW);
        assert!(waiting.has_event());
        assert!(matches!(waiting.take_event(), Some(PendingEvent::Refused(_))));
        assert!(waiting.has_event());
        assert!(matches!(waiting.take_event(), Some(PendingEvent::Outcome(Outcome::Disconnected(_)))));
        assert!(!waiting.has_event() && waiting.take_event().is_none());
        assert!(matches!(waiting, State::Waiting { retry_at: NOW, .. }));

        let mut done = refused().next_state(None, None, None, None, NOW);
        assert!(matches!(done.take_event(), Some(PendingEvent::Refused(_))));
        assert!(matches!(done.take_event(), Some(PendingEvent::Outcome(Outcome::GaveUp(_)))));
        assert!(matches!(done, State::Done { .. }) && !done.has_event());
    }

    #[test]
    fn a_failure_without_a_refusal_leaves_one_event() {
        let failure =
            Failure { reason: DisconnectReason::Cut, undelivered: 7, stream: None, asked_backfill: false };
        let mut done = failure.next_state(None, None, None, None, NOW);
        assert!(matches!(done.take_event(), Some(PendingEvent::Outcome(Outcome::GaveUp(_)))));
        assert!(!done.has_event());
    }
}
