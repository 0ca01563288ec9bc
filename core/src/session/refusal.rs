//! What a response other than a stream means.
//!
//! The status alone says little: five kinds of 429 need three different waits. The body counts more
//! than the fields (X docs, handling disconnections and rate limits; recorded bodies).

use core::fmt;

use crate::http::head::ResponseHead;
use crate::stream::message::{ConnectionIssue, Kind, Problem, ProblemType, classify};

/// The server answered with something other than a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Refusal {
    /// The status code.
    pub status: u16,
    /// What it means, from the status, the body and the fields, in this order of weight where they
    /// differ.
    pub kind: RefusalKind,
}

/// What a refusal means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RefusalKind {
    /// 401: the token is missing, wrong or revoked.
    Unauthorized,
    /// 403: the app may not use this endpoint.
    Forbidden,
    /// 409 without rules: the stream needs at least one.
    NoRules,
    /// The rules in force are invalid.
    InvalidRules,
    /// 429: too many connections; the other one must go first, so waiting for a window is
    /// pointless.
    ConnectionLimit,
    /// 429: the window's connection requests are used up.
    WindowLimit,
    /// 429: for reasons not given.
    RateLimit,
    /// 429: the plan's volume of Posts is used up.
    UsageCap,
    /// 503: a change of the subscription is being provisioned.
    Provisioning,
    /// 3xx: redirects are not followed, the token would go with them.
    Redirect,
    /// Another 4xx, which asking again cannot cure.
    Request,
    /// 408, 425, or 5xx and above: the server's trouble.
    Server,
}

impl RefusalKind {
    const fn text(self) -> &'static str {
        match self {
            Self::Unauthorized => "not authorised: check the bearer token",
            Self::Forbidden => "forbidden: this app may not use this endpoint",
            Self::NoRules => "no rules: add one before connecting",
            Self::InvalidRules => "the rules in force are invalid: change them before connecting",
            Self::ConnectionLimit => {
                "too many connections: close another one, or wait until the server forgets it"
            }
            Self::WindowLimit => "the rate limit's window is used up",
            Self::RateLimit => "rate limited",
            Self::UsageCap => "the plan's volume of Posts is used up",
            Self::Provisioning => "a change of the subscription is being provisioned",
            Self::Redirect => "redirected: redirects are not followed; use the new address as the base URL",
            Self::Request => "the request was refused, and would be again",
            Self::Server => "the server has trouble",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (status {})", self.kind.text(), self.status)
    }
}

/// Reads what a refusal's head and document say. A document that cannot be read says nothing.
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
        // One that is new: whatever the connection's issue is, the window's end will not cure it.
        Some(ConnectionIssue::Other) if head.status == 429 => return RefusalKind::ConnectionLimit,
        _ => {}
    }
    match head.status {
        401 => RefusalKind::Unauthorized,
        403 => RefusalKind::Forbidden,
        409 => RefusalKind::NoRules,
        // 420 is what the retired v1.1 streams answered.
        420 | 429 => too_many(head, problem, document),
        300..=399 => RefusalKind::Redirect,
        408 | 425 => RefusalKind::Server,
        400..=499 => RefusalKind::Request,
        _ => RefusalKind::Server,
    }
}

/// Tells the 429s apart. `x-rate-limit-remaining` counts what is left: so all recordings say, and
/// X's rate-limit page, against its streaming page.
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
