//! Interprets error responses.
//!
//! The status alone is not sufficient: five kinds of 429 need three different waits. The body has
//! priority over the header fields (X docs, handling disconnections and rate limits; recorded
//! bodies).

use core::fmt;

use crate::http::head::ResponseHead;
use crate::stream::message::{ConnectionIssue, Kind, Problem, ProblemType, classify};

/// A response that is not a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Refusal {
    /// The status code.
    pub status: u16,
    /// The meaning, derived from the body, the status and the header fields.
    pub kind: RefusalKind,
}

/// The meaning of an error response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RefusalKind {
    /// 401: the token is missing, wrong or revoked.
    Unauthorized,
    /// 403: the app may not use this endpoint.
    Forbidden,
    /// 409 without rules in force: the stream needs at least one.
    NoRules,
    /// The rules in force are invalid.
    InvalidRules,
    /// 429: too many connections. Another connection must end first, so waiting for the rate-limit
    /// window does not help.
    ConnectionLimit,
    /// 429: the connection requests of the rate-limit window are used up.
    WindowLimit,
    /// 429 without a specific reason.
    RateLimit,
    /// 429: the plan's volume of Posts is used up.
    UsageCap,
    /// 503: a change of the subscription is being provisioned.
    Provisioning,
    /// 3xx: redirects are not followed, because the token would be sent along.
    Redirect,
    /// Another 4xx, which a retry cannot resolve.
    Request,
    /// 408, 425, or 5xx and above: an error of the server.
    Server,
}

impl RefusalKind {
    const fn text(self) -> &'static str {
        match self {
            Self::Unauthorized => "not authorized; check the bearer token",
            Self::Forbidden => "forbidden; this app may not use this endpoint",
            Self::NoRules => "the app has no rules; add one before connecting",
            Self::InvalidRules => "the active rules are invalid; correct them before connecting",
            Self::ConnectionLimit => {
                "too many connections; close another one, or wait: one that was lost may be counted for minutes"
            }
            Self::WindowLimit => "the requests of the rate-limit window are used up",
            Self::RateLimit => "rate limited",
            Self::UsageCap => "the plan's volume of Posts is used up",
            Self::Provisioning => "a change of the subscription is being provisioned",
            Self::Redirect => {
                "redirected, but redirects are not followed; use the new address as the base URL"
            }
            Self::Request => "the server rejected the request; a retry would fail too",
            Self::Server => "the server failed",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (status {})", self.kind.text(), self.status)
    }
}

/// Interprets the head and the body of an error response. A body that cannot be parsed is ignored.
pub(super) fn read(head: &ResponseHead, document: &[u8]) -> Refusal {
    let problem = match classify(document).kind {
        Kind::Problem(problem) | Kind::StreamError(problem) => problem,
        _ => Problem::default(),
    };
    Refusal { status: head.status, kind: kind(head, &problem, document) }
}

fn kind(head: &ResponseHead, problem: &Problem, document: &[u8]) -> RefusalKind {
    match problem.connection_issue {
        Some(ConnectionIssue::TooManyConnections) => return RefusalKind::ConnectionLimit,
        Some(ConnectionIssue::ProvisioningSubscription) => return RefusalKind::Provisioning,
        Some(ConnectionIssue::RuleConfigurationIssue) => return RefusalKind::NoRules,
        Some(ConnectionIssue::RulesInvalidIssue) => return RefusalKind::InvalidRules,
        // An unknown connection issue: the end of the rate-limit window will not resolve it.
        Some(ConnectionIssue::Other) if head.status == 429 => return RefusalKind::ConnectionLimit,
        _ => {}
    }
    match head.status {
        401 => RefusalKind::Unauthorized,
        403 => RefusalKind::Forbidden,
        409 => RefusalKind::NoRules,
        // The retired v1.1 streams responded with 420.
        420 | 429 => too_many(head, problem, document),
        300..=399 => RefusalKind::Redirect,
        408 | 425 => RefusalKind::Server,
        400..=499 => RefusalKind::Request,
        _ => RefusalKind::Server,
    }
}

/// Distinguishes the kinds of 429. `x-rate-limit-remaining` is the number of remaining requests:
/// all recordings and X's rate-limit page agree on that, against X's streaming page.
fn too_many(head: &ResponseHead, problem: &Problem, document: &[u8]) -> RefusalKind {
    if problem.problem_type == Some(ProblemType::UsageCapped) {
        return RefusalKind::UsageCap;
    }
    match head.rate_limit.remaining {
        Some(0) => RefusalKind::WindowLimit,
        Some(_) if document.is_empty() && head.unreadable.is_none() => RefusalKind::ConnectionLimit,
        Some(_) => RefusalKind::RateLimit,
        None if head.rate_limit.reset.is_some() => RefusalKind::WindowLimit,
        None => RefusalKind::RateLimit,
    }
}

#[cfg(test)]
mod tests {
    use std::string::ToString;

    use super::*;

    #[test]
    fn the_text_of_a_refusal_names_its_meaning_and_status() {
        let refusal = Refusal { status: 401, kind: RefusalKind::Unauthorized };
        assert_eq!(refusal.to_string(), "not authorized; check the bearer token (status 401)");
    }
}
