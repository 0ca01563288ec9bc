//! What an answer that is no stream means, and what an announced disconnect calls for.
//!
//! The service says little by the status alone: five kinds of 429 call for three different waits. The body comes
//! before the fields (X docs, handling disconnections and rate limits; recorded bodies).

use super::cause::{Refusal, RefusalKind};
use crate::backoff::Class;
use crate::http::head::ResponseHead;
use crate::stream::message::{ConnectionIssue, DisconnectType, Kind, Problem, ProblemType, System, classify};

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

/// Tells the 429s apart. `x-rate-limit-remaining` counts what is left: so all recordings say, and X's rate-limit page,
/// against its streaming page.
fn too_many(head: &ResponseHead, problem: &Problem, document: &[u8]) -> RefusalKind {
    if problem.problem_type == Some(ProblemType::UsageCapped) {
        return RefusalKind::UsageCap;
    }
    match head.rate_limit.remaining {
        Some(0) => RefusalKind::WindowLimit,
        Some(_) if document.is_empty() => RefusalKind::ConnectionLimit,
        Some(_) => RefusalKind::RateLimit,
        None if head.rate_limit.reset.is_some() => RefusalKind::WindowLimit,
        None => RefusalKind::RateLimit,
    }
}

/// How to come back after a disconnect that the server announced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Return {
    /// Whether the one immediate reconnect may be spent on it.
    pub(super) at_once: bool,
    /// The class of the wait otherwise.
    pub(super) class: Class,
}

impl Return {
    const fn at_once_or(class: Class) -> Self {
        Self { at_once: true, class }
    }

    const fn after(class: Class) -> Self {
        Self { at_once: false, class }
    }
}

/// What a message in the stream announces, if it announces that the server will close.
///
/// That the server closes is for the connection to tell; the text only says how soon to come back.
pub(super) fn announced(kind: &Kind) -> Option<Return> {
    match kind {
        Kind::StreamError(problem) | Kind::Problem(problem) => Some(after_problem(problem)),
        // After a forced disconnect an immediate reconnect should work (X docs, PowerTrack API).
        Kind::System(System::Error) => Some(Return::at_once_or(Class::Http)),
        Kind::Disconnect { code, .. } => Some(match code {
            Some(1 | 4 | 5 | 10 | 11) => Return::at_once_or(Class::Network),
            // Another client has the stream, or the token is gone: coming back at once would fight over it.
            _ => Return::after(Class::Http),
        }),
        _ => None,
    }
}

fn after_problem(problem: &Problem) -> Return {
    if let Some(issue) = problem.connection_issue {
        return Return::after(match issue {
            ConnectionIssue::TooManyConnections => Class::RateLimit,
            _ => Class::Http,
        });
    }
    if matches!(problem.problem_type, Some(ProblemType::UsageCapped | ProblemType::RateLimitExceeded)) {
        return Return::after(Class::RateLimit);
    }
    match problem.disconnect_type {
        Some(
            DisconnectType::OperationalDisconnect
            | DisconnectType::UpstreamOperationalDisconnect
            | DisconnectType::UpstreamUncleanDisconnect,
        ) => Return::at_once_or(Class::Network),
        Some(DisconnectType::ForceDisconnect | DisconnectType::SlowReader | DisconnectType::Other) => {
            Return::at_once_or(Class::Http)
        }
        Some(_) => Return::after(Class::Http),
        None => Return::at_once_or(Class::Http),
    }
}
