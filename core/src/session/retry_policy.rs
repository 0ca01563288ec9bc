//! Decides whether to reconnect after a failure, and how long to wait before.
//!
//! The rules are from X's page on handling disconnections, unless stated otherwise:
//!
//! - [`Backoff`] decides by the failure class. Its schedules reset only after a healthy stream.
//! - The first reconnect after an established stream is immediate. It is available again only after
//!   a healthy stream.
//! - A disconnect that the server announced in the stream decides the failure class and whether the
//!   immediate reconnect may be used.
//! - If the requests of the rate-limit window are used up, the wait lasts until the window resets.
//!   `Retry-After` is honored with every refusal. Both are measured by the server's clock: the
//!   `Date` of the same head. A time more than [`RESET_MAX`] ahead is ignored and reported.
//! - 401, 403 and every other refusal that a retry cannot resolve end the session.

use core::time::Duration;

use super::announcement::Advice;
use super::disconnect_reason::DisconnectReason;
use super::refusal::{Refusal, RefusalKind};
use crate::backoff::{Backoff, Delay, FailureClass};
use crate::http::head::ResponseHead;
use crate::time::UnixTime;
use crate::transport_error::{TlsError, TransportErrorKind};

/// A reset or `Retry-After` further ahead than this is ignored.
pub const RESET_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// The shortest wait while a subscription is provisioned. The service says "in a minute".
const PROVISIONING_MIN: Duration = Duration::from_secs(60);

/// The policy of one session. Its only state is its counters.
#[derive(Clone, Debug)]
pub(super) struct RetryPolicy {
    backoff: Backoff,
    /// True if the immediate reconnect was not used since the last healthy stream.
    has_immediate: bool,
}

/// A connection that ended, or could not be established.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ended<'a> {
    pub(super) reason: &'a DisconnectReason,
    /// True if a stream was established.
    pub(super) was_streaming: bool,
    /// How to reconnect, if the server announced the disconnect.
    pub(super) advice: Option<Advice>,
    /// The head of the response, if one arrived.
    pub(super) head: Option<&'a ResponseHead>,
    /// When the connection ended, by the best available clock other than the head's `Date`.
    pub(super) at: UnixTime,
}

/// The wait before the next attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Retry {
    pub(super) delay: Delay,
    /// The server named a time more than [`RESET_MAX`] ahead, which was ignored.
    pub(super) reset_ignored: bool,
}

impl Retry {
    pub(super) const IMMEDIATE: Self = Self { delay: Delay::NONE, reset_ignored: false };
}

impl RetryPolicy {
    /// Creates a policy with schedules at their start and an available immediate reconnect.
    pub(super) const fn new(backoff: Backoff) -> Self {
        Self { backoff, has_immediate: true }
    }

    /// Resets the schedules and the immediate reconnect after a healthy stream.
    pub(super) fn handle_healthy(&mut self) {
        self.has_immediate = true;
        self.backoff.reset();
    }

    /// Returns how long to wait before the next attempt; `None` if a retry cannot resolve the
    /// failure.
    pub(super) fn handle_ended(&mut self, ended: Ended<'_>) -> Option<Retry> {
        let class = class(ended.reason)?;
        let Advice { immediate, class } = ended.advice.unwrap_or(Advice { immediate: true, class });
        if ended.was_streaming && immediate && self.has_immediate {
            self.has_immediate = false;
            return Some(Retry::IMMEDIATE);
        }
        let mut retry = Retry { delay: self.backoff.next(class), reset_ignored: false };
        if let DisconnectReason::Refused(refusal) = ended.reason {
            let server = ended.head.map(|head| ServerWait::read(refusal, head, ended.at)).unwrap_or_default();
            let wait = match refusal.kind {
                RefusalKind::Provisioning => server.wait.max(PROVISIONING_MIN),
                _ => server.wait,
            };
            retry.delay.length = retry.delay.length.max(wait);
            retry.reset_ignored = server.is_ignored;
        }
        Some(retry)
    }
}

/// The wait that the server requests in a refusal.
#[derive(Clone, Copy, Debug, Default)]
struct ServerWait {
    /// The longest requested wait that is accepted.
    wait: Duration,
    /// True if a longer requested wait was ignored.
    is_ignored: bool,
}

impl ServerWait {
    /// Reads the fields of a refusal's head. The reset time counts only if the window is used up.
    fn read(refusal: &Refusal, head: &ResponseHead, now: UnixTime) -> Self {
        let now = head.date.unwrap_or(now);
        let reset = match refusal.kind {
            RefusalKind::WindowLimit => head.rate_limit.reset.map(|reset| reset.saturating_since(now)),
            _ => None,
        };
        let retry_after = head.retry_after.map(|after| after.wait(now));
        let waits = [reset, retry_after].map(Option::unwrap_or_default);
        Self {
            wait: waits.into_iter().filter(|wait| *wait <= RESET_MAX).max().unwrap_or_default(),
            is_ignored: waits.into_iter().any(|wait| wait > RESET_MAX),
        }
    }
}

/// Returns the failure class of a disconnect reason; `None` if a retry cannot resolve the failure.
const fn class(reason: &DisconnectReason) -> Option<FailureClass> {
    match reason {
        DisconnectReason::Transport(fault) => class_of_transport_error(fault.kind),
        DisconnectReason::Timeout(_)
        | DisconnectReason::Ended
        | DisconnectReason::Cut
        | DisconnectReason::CutInHead => Some(FailureClass::Network),
        // A peer that sends invalid HTTP, such as a captive portal, does so at every attempt for a
        // while.
        DisconnectReason::Protocol(_) => Some(FailureClass::Http),
        DisconnectReason::Refused(refusal) => match refusal.kind {
            RefusalKind::Unauthorized
            | RefusalKind::Forbidden
            | RefusalKind::NoRules
            | RefusalKind::InvalidRules
            | RefusalKind::UsageCap
            | RefusalKind::Redirect
            | RefusalKind::Request => None,
            RefusalKind::ConnectionLimit | RefusalKind::WindowLimit | RefusalKind::RateLimit => {
                Some(FailureClass::RateLimit)
            }
            RefusalKind::Provisioning | RefusalKind::Server => Some(FailureClass::Http),
        },
    }
}

/// Returns the failure class of a transport error. An invalid response will probably stay invalid
/// for a while, and repeated wrong credentials may lock an account. A network failure, also between
/// proxy and server, may be short.
const fn class_of_transport_error(kind: TransportErrorKind) -> Option<FailureClass> {
    match kind {
        TransportErrorKind::ProxyAuthentication => None,
        TransportErrorKind::ProxyForbidden
        | TransportErrorKind::ProxyRefused(_)
        | TransportErrorKind::ProxyAnswer
        | TransportErrorKind::ProxyLeftover => Some(FailureClass::Http),
        TransportErrorKind::Tls(fault) => Some(class_of_tls(fault)),
        _ => Some(FailureClass::Network),
    }
}

/// Returns the failure class of a TLS failure. A wrong certificate, port or protocol stays wrong
/// for a while, like invalid HTTP. It does not end the session, because certificates are renewed
/// and clocks are corrected. A handshake that did not complete may be a network failure.
const fn class_of_tls(fault: TlsError) -> FailureClass {
    match fault {
        TlsError::HandshakeTimedOut
        | TlsError::HandshakeReset
        | TlsError::HandshakeClosed
        | TlsError::Local => FailureClass::Network,
        _ => FailureClass::Http,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backoff::BackoffConfig;
    use crate::http::body::BodyFraming;
    use crate::http::head::{RateLimit, RetryAfter};
    use crate::liveness::TimeoutKind;
    use crate::transport_error::TransportError;

    const NOW: UnixTime = UnixTime::from_seconds(1_700_000_000);

    fn policy() -> RetryPolicy {
        RetryPolicy::new(Backoff::new(BackoffConfig { jitter_percent: 0, ..BackoffConfig::default() }, 1))
    }

    const fn head(reset: Option<UnixTime>, retry_after: Option<RetryAfter>) -> ResponseHead {
        ResponseHead {
            status: 429,
            minor_version: 1,
            framing: BodyFraming::Empty,
            unreadable: None,
            ambiguous_length: false,
            rate_limit: RateLimit { limit: None, remaining: None, reset },
            date: None,
            retry_after,
            bytes: 0,
        }
    }

    fn wait(policy: &mut RetryPolicy, reason: DisconnectReason) -> Option<Duration> {
        let ended = Ended { reason: &reason, was_streaming: false, advice: None, head: None, at: NOW };
        policy.handle_ended(ended).map(|retry| retry.delay.length)
    }

    fn wait_after_stream(policy: &mut RetryPolicy, advice: Option<Advice>) -> Duration {
        let ended =
            Ended { reason: &DisconnectReason::Cut, was_streaming: true, advice, head: None, at: NOW };
        policy.handle_ended(ended).unwrap().delay.length
    }

    /// Returns the wait in seconds after a refusal of a new policy, and whether a time was ignored.
    fn wait_after_refusal(kind: RefusalKind, head: ResponseHead) -> (u64, bool) {
        let reason = DisconnectReason::Refused(Refusal { status: head.status, kind });
        let ended = Ended { reason: &reason, was_streaming: false, advice: None, head: Some(&head), at: NOW };
        let retry = policy().handle_ended(ended).unwrap();
        (retry.delay.length.as_secs(), retry.reset_ignored)
    }

    const fn after(seconds: u64) -> Option<UnixTime> {
        Some(NOW.saturating_add(Duration::from_secs(seconds)))
    }

    #[test]
    fn the_immediate_reconnect_is_used_once_until_a_stream_was_healthy() {
        let mut policy = policy();
        assert_eq!(wait_after_stream(&mut policy, None), Duration::ZERO);
        assert_eq!(wait_after_stream(&mut policy, None), Duration::from_millis(250));
        assert_eq!(wait_after_stream(&mut policy, None), Duration::from_millis(500));
        policy.handle_healthy();
        assert_eq!(wait_after_stream(&mut policy, None), Duration::ZERO);
        assert_eq!(wait_after_stream(&mut policy, None), Duration::from_millis(250));
    }

    #[test]
    fn an_attempt_that_fails_before_a_stream_leaves_the_immediate_reconnect() {
        let mut policy = policy();
        assert_eq!(wait(&mut policy, DisconnectReason::CutInHead), Some(Duration::from_millis(250)));
        assert_eq!(wait_after_stream(&mut policy, None), Duration::ZERO);
    }

    #[test]
    fn an_announcement_decides_class_and_immediacy() {
        let mut policy = policy();
        let slow = Advice { immediate: false, class: FailureClass::RateLimit };
        assert_eq!(wait_after_stream(&mut policy, Some(slow)), Duration::from_secs(60));
        let fast = Advice { immediate: true, class: FailureClass::Http };
        assert_eq!(wait_after_stream(&mut policy, Some(fast)), Duration::ZERO);
        assert_eq!(wait_after_stream(&mut policy, Some(fast)), Duration::from_secs(5));
    }

    #[test]
    fn each_class_of_reason_has_its_own_schedule() {
        let mut policy = policy();
        let fault = |kind| DisconnectReason::Transport(TransportError::new(kind));
        let seconds = |seconds| Some(Duration::from_secs(seconds));
        assert_eq!(
            wait(&mut policy, DisconnectReason::Timeout(TimeoutKind::Head)),
            Some(Duration::from_millis(250))
        );
        assert_eq!(
            wait(&mut policy, fault(TransportErrorKind::Tls(TlsError::CertificateExpired))),
            seconds(5)
        );
        assert_eq!(wait(&mut policy, fault(TransportErrorKind::ProxyForbidden)), seconds(10));
        assert_eq!(
            wait(&mut policy, fault(TransportErrorKind::Tls(TlsError::HandshakeReset))),
            Some(Duration::from_millis(500))
        );
        let limited = DisconnectReason::Refused(Refusal { status: 429, kind: RefusalKind::ConnectionLimit });
        assert_eq!(wait(&mut policy, limited), seconds(60));
    }

    #[test]
    fn gives_up_where_a_retry_cannot_help() {
        let mut policy = policy();
        assert_eq!(
            wait(
                &mut policy,
                DisconnectReason::Transport(TransportError::new(TransportErrorKind::ProxyAuthentication))
            ),
            None
        );
        for (status, kind) in [
            (401, RefusalKind::Unauthorized),
            (403, RefusalKind::Forbidden),
            (409, RefusalKind::NoRules),
            (429, RefusalKind::UsageCap),
            (302, RefusalKind::Redirect),
            (400, RefusalKind::Request),
        ] {
            assert_eq!(
                wait(&mut policy, DisconnectReason::Refused(Refusal { status, kind })),
                None,
                "{kind:?}"
            );
        }
        // None of these counts as a failure of its class.
        assert_eq!(wait(&mut policy, DisconnectReason::Cut), Some(Duration::from_millis(250)));
    }

    #[test]
    fn waits_for_the_window_only_if_the_window_is_used_up() {
        assert_eq!(wait_after_refusal(RefusalKind::WindowLimit, head(after(890), None)), (890, false));
        assert_eq!(wait_after_refusal(RefusalKind::RateLimit, head(after(890), None)), (60, false));
        // A reset that is in the past, or earlier than the schedule, does not shorten the wait.
        assert_eq!(wait_after_refusal(RefusalKind::WindowLimit, head(after(3), None)), (60, false));
        let past = head(Some(UnixTime::from_seconds(1)), None);
        assert_eq!(wait_after_refusal(RefusalKind::WindowLimit, past), (60, false));
    }

    #[test]
    fn honors_retry_after_in_both_forms() {
        let seconds = head(None, Some(RetryAfter::Seconds(700)));
        assert_eq!(wait_after_refusal(RefusalKind::Server, seconds), (700, false));
        let date = head(None, after(700).map(RetryAfter::At));
        assert_eq!(wait_after_refusal(RefusalKind::Server, date), (700, false));
        let sooner = head(after(800), Some(RetryAfter::Seconds(700)));
        assert_eq!(wait_after_refusal(RefusalKind::WindowLimit, sooner), (800, false));
    }

    #[test]
    fn ignores_and_reports_a_time_over_24_h_ahead() {
        let day = RESET_MAX.as_secs();
        assert_eq!(wait_after_refusal(RefusalKind::WindowLimit, head(after(day), None)), (day, false));
        assert_eq!(wait_after_refusal(RefusalKind::WindowLimit, head(after(day + 1), None)), (60, true));
        let last = head(None, Some(RetryAfter::Seconds(u64::MAX)));
        assert_eq!(wait_after_refusal(RefusalKind::Server, last), (5, true));
        // The other field still counts.
        let one = head(after(day + 1), Some(RetryAfter::Seconds(100)));
        assert_eq!(wait_after_refusal(RefusalKind::WindowLimit, one), (100, true));
    }

    #[test]
    fn measures_absolute_times_by_the_date_of_the_same_head() {
        let hour = 60 * 60;
        for ahead in [-hour, -1, 0, 1, hour] {
            let at = |seconds: i64| {
                let unix = NOW.as_millis() / 1_000;
                UnixTime::from_seconds(unix.saturating_add_signed(ahead + seconds))
            };
            let date = Some(at(0));
            let reset = ResponseHead { date, ..head(Some(at(300)), None) };
            assert_eq!(wait_after_refusal(RefusalKind::WindowLimit, reset), (300, false), "{ahead}");
            let after = ResponseHead { date, ..head(None, Some(RetryAfter::At(at(700)))) };
            assert_eq!(wait_after_refusal(RefusalKind::Server, after), (700, false), "{ahead}");
            // A time that is in the past by the server's clock is ignored.
            let past = ResponseHead { date, ..head(Some(at(-1)), Some(RetryAfter::At(at(-1)))) };
            assert_eq!(wait_after_refusal(RefusalKind::WindowLimit, past), (60, false), "{ahead}");
        }
        // A number of seconds does not depend on a clock.
        let date = Some(UnixTime::from_seconds(1));
        let seconds = ResponseHead { date, ..head(None, Some(RetryAfter::Seconds(700))) };
        assert_eq!(wait_after_refusal(RefusalKind::Server, seconds), (700, false));
    }

    #[test]
    fn provisioning_waits_a_minute_at_least() {
        assert_eq!(wait_after_refusal(RefusalKind::Provisioning, head(None, None)), (60, false));
        let longer = head(None, Some(RetryAfter::Seconds(61)));
        assert_eq!(wait_after_refusal(RefusalKind::Provisioning, longer), (61, false));
    }
}
