//! Disconnects that the server announces in the stream.
//!
//! The announcement determines how to reconnect. It does not guarantee that the server closes the
//! connection. A Post after it shows that the stream continues, unless a close follows within the
//! grace time.

use core::time::Duration;

use crate::backoff::FailureClass;
use crate::stream::message::{
    Classification, ConnectionIssue, DisconnectType, Kind, Problem, ProblemType, System, classify, elements,
};
use crate::time::Instant;

/// A disconnect that the server announced.
#[derive(Clone, Copy, Debug)]
pub(super) struct Announcement {
    /// The message that announced it.
    pub(super) kind: Kind,
    /// How to reconnect.
    pub(super) advice: Advice,
    at: Instant,
    /// A Post followed the announcement.
    is_void: bool,
}

/// How to reconnect after an announced disconnect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Advice {
    /// True if the single immediate reconnect may be used.
    pub(super) immediate: bool,
    /// The failure class of the wait otherwise.
    pub(super) class: FailureClass,
}

impl Announcement {
    /// Returns the announcement in a message received at `now`; `None` if the message announces no
    /// disconnect.
    pub(super) fn read(kind: &Kind, now: Instant) -> Option<Self> {
        Some(Self { kind: *kind, advice: Advice::read(kind)?, at: now, is_void: false })
    }

    /// Reports a message after the announcement. Returns true if it is the first Post, which shows
    /// that the stream continues.
    pub(super) fn handle_message(&mut self, bytes: &[u8], class: &Classification) -> bool {
        let becomes_void = !self.is_void && holds_post(bytes, class);
        self.is_void |= becomes_void;
        becomes_void
    }

    /// Returns true if the announcement explains that the connection ended at `now`. The server may
    /// still empty a queue after the announcement, so Posts do not matter if the close follows
    /// within `grace`.
    pub(super) fn explains_end(&self, now: Instant, grace: Duration) -> bool {
        !self.is_void || now <= self.at.saturating_add(grace)
    }
}

impl Advice {
    const fn immediate_or(class: FailureClass) -> Self {
        Self { immediate: true, class }
    }

    const fn wait(class: FailureClass) -> Self {
        Self { immediate: false, class }
    }

    fn read(kind: &Kind) -> Option<Self> {
        match kind {
            Kind::StreamError(problem) | Kind::Problem(problem) => Some(Self::read_problem(problem)),
            // After a forced disconnect an immediate reconnect should work (X docs, PowerTrack
            // API).
            Kind::System(System::Error) => Some(Self::immediate_or(FailureClass::Http)),
            Kind::Disconnect { code, .. } => Some(match code {
                Some(1 | 4 | 5 | 10 | 11) => Self::immediate_or(FailureClass::Network),
                // Another client uses the stream, or the token was revoked. An immediate reconnect
                // would compete for the stream.
                _ => Self::wait(FailureClass::Http),
            }),
            _ => None,
        }
    }

    fn read_problem(problem: &Problem) -> Self {
        if let Some(issue) = problem.connection_issue {
            return Self::wait(match issue {
                ConnectionIssue::TooManyConnections => FailureClass::RateLimit,
                _ => FailureClass::Http,
            });
        }
        if matches!(problem.problem_type, Some(ProblemType::UsageCapped | ProblemType::RateLimitExceeded)) {
            return Self::wait(FailureClass::RateLimit);
        }
        match problem.disconnect_type {
            Some(
                DisconnectType::OperationalDisconnect
                | DisconnectType::UpstreamOperationalDisconnect
                | DisconnectType::UpstreamUncleanDisconnect,
            ) => Self::immediate_or(FailureClass::Network),
            Some(DisconnectType::ForceDisconnect | DisconnectType::SlowReader | DisconnectType::Other) => {
                Self::immediate_or(FailureClass::Http)
            }
            Some(_) => Self::wait(FailureClass::Http),
            None => Self::immediate_or(FailureClass::Http),
        }
    }
}

/// Returns true if a message is a Post or an array of Posts.
fn holds_post(bytes: &[u8], class: &Classification) -> bool {
    class.is_post()
        || class.kind == Kind::Array
            && elements(bytes).next().is_some_and(|first| first.is_ok_and(|first| classify(first).is_post()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const POST: &[u8] = br#"{"created_at":"a","id":1,"id_str":"1","text":"b"}"#;

    const fn at(seconds: u64) -> Instant {
        Instant::from_nanos(seconds * 1_000_000_000)
    }

    fn advice(message: &str) -> Option<Advice> {
        Announcement::read(&classify(message.as_bytes()).kind, at(0)).map(|announcement| announcement.advice)
    }

    fn announcement(now: Instant) -> Announcement {
        let kind = classify(br#"{"errors":[{"disconnect_type":"OperationalDisconnect"}]}"#).kind;
        Announcement::read(&kind, now).unwrap()
    }

    fn is_first_post(announcement: &mut Announcement, message: &[u8]) -> bool {
        announcement.handle_message(message, &classify(message))
    }

    #[test]
    fn messages_that_continue_the_stream_announce_nothing() {
        for message in [
            r#"{"created_at":"a","id":1,"text":"b"}"#,
            r#"{"type":"connection_metadata","datacenter":"atla"}"#,
            r#"{"warning":{"code":"FALLING_BEHIND"}}"#,
            r#"{"limit":{"track":7}}"#,
            r#"{"info":{"message":"Replay Request Completed"}}"#,
            "[]",
            "not JSON",
        ] {
            assert_eq!(advice(message), None, "{message}");
        }
    }

    #[test]
    fn disconnects_caused_by_the_service_allow_an_immediate_reconnect() {
        let immediate = |message: &str| advice(message).unwrap().immediate;
        assert!(immediate(r#"{"errors":[{"disconnect_type":"UpstreamUncleanDisconnect"}]}"#));
        assert!(immediate(r#"{"errors":[{"disconnect_type":"SlowReader"}]}"#));
        assert!(immediate(r#"{"disconnect":{"code":4,"reason":"a"}}"#));
        assert!(immediate(r#"{"error":{"message":"Forced Disconnect","sent":"a"}}"#));
        // Another client uses the stream.
        assert!(!immediate(r#"{"disconnect":{"code":7,"reason":"a"}}"#));
        assert!(!immediate(r#"{"disconnect":{"reason":"a"}}"#));
        assert!(!immediate(r#"{"errors":[{"connection_issue":"ProvisioningSubscription"}]}"#));
    }

    #[test]
    fn a_connection_limit_and_a_used_up_plan_wait_as_rate_limits() {
        let class = |message: &str| advice(message).unwrap().class;
        assert_eq!(
            class(r#"{"errors":[{"connection_issue":"TooManyConnections"}]}"#),
            FailureClass::RateLimit
        );
        let capped = r#"{"errors":[{"type":"https://api.x.com/2/problems/usage-capped"}]}"#;
        assert_eq!(class(capped), FailureClass::RateLimit);
        assert_eq!(class(r#"{"errors":[{"title":"new"}]}"#), FailureClass::Http);
    }

    #[test]
    fn only_the_first_post_after_it_shows_that_the_stream_continues() {
        let mut announcement = announcement(at(0));
        assert!(!is_first_post(&mut announcement, br#"{"limit":{"track":7}}"#));
        assert!(!is_first_post(&mut announcement, b"[7]"));
        assert!(is_first_post(&mut announcement, POST));
        assert!(!is_first_post(&mut announcement, POST));
    }

    #[test]
    fn an_array_of_posts_counts_as_a_post() {
        let array = [b"[", POST, b",", POST, b"]"].concat();
        assert!(is_first_post(&mut announcement(at(0)), &array));
    }

    #[test]
    fn explains_an_end_until_a_post_has_followed_and_the_grace_is_over() {
        let grace = Duration::from_secs(5);
        let mut announcement = announcement(at(100));
        assert!(announcement.explains_end(at(1_000), grace));
        assert!(is_first_post(&mut announcement, POST));
        assert!(announcement.explains_end(at(105), grace));
        assert!(!announcement.explains_end(at(106), grace));
    }
}
