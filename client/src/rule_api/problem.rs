//! Error documents of the rules endpoints, in all their forms.

use std::boxed::Box;
use std::string::{String, ToString};
use std::time::Duration;
use std::vec::Vec;
use std::{fmt, format};

use powerstream_core::http::{RateLimit, RetryAfter, document_text};
use powerstream_core::post::Value;
use powerstream_core::time::UnixTime;

use super::Reply;
use super::read::{document, list, text_in, text_of};

/// The most bytes that are kept of an answer that is not JSON.
const TEXT_BYTES_MAX: usize = 4_096;

/// The server's error text. It is untrusted: escape it before displaying it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ApiProblem {
    /// `title`
    pub title: Option<String>,
    /// `detail`
    pub detail: Option<String>,
    /// `type`: a URI. Only its last segment is meaningful, since its host has changed before.
    pub problem_type: Option<String>,
    /// The texts of `errors`, one per element. For a document that is not JSON, its first 4 KiB.
    pub messages: Vec<String>,
    /// Where a redirect leads to: the field `Location`. Not part of the text.
    pub location: Option<Vec<u8>>,
}

impl ApiProblem {
    /// Reads an error document (X docs: response codes, rate limits, PowerTrack API).
    ///
    /// Known forms are a plain problem, a problem with `errors`, `errors` alone, `code` with
    /// `message`, and `error` with a `message`. Any other document is kept as text, unless it is
    /// binary.
    pub(super) fn read(body: &[u8]) -> Self {
        match document(body) {
            Some(value) => Self::of(value),
            None => {
                let text = text(body).unwrap_or_default();
                let messages = Some(text.trim()).filter(|text| !text.is_empty());
                Self { messages: messages.map(ToString::to_string).into_iter().collect(), ..Self::default() }
            }
        }
    }

    /// Reads an object.
    pub(super) fn of(value: Value<'_>) -> Self {
        let text = |key: &str| text_in(value, key).filter(|text| !text.is_empty());
        let mut messages: Vec<String> = list(value, "errors").filter_map(words).collect();
        messages.extend(list(value, "details").filter_map(text_of));
        messages.extend(text("message"));
        messages.extend(value.get("error").and_then(words));
        let [title, detail, problem_type] = ["title", "detail", "type"].map(text);
        Self { title, detail, problem_type, messages, location: None }
    }

    /// Returns the last segment of the type, such as `invalid-rules`.
    #[must_use]
    pub fn type_name(&self) -> Option<&str> {
        self.problem_type.as_deref()?.rsplit('/').next()
    }

    fn is_type(&self, name: &str, title: &str) -> bool {
        self.type_name() == Some(name) || self.title.as_deref() == Some(title)
    }

    pub(super) fn is_duplicate(&self) -> bool {
        self.is_type("duplicate-rules", "DuplicateRule")
    }

    pub(super) fn is_invalid_rule(&self) -> bool {
        self.is_type("invalid-rules", "UnprocessableEntity")
    }

    pub(super) fn is_rule_cap(&self) -> bool {
        self.is_type("rule-cap", "RuleCapExceeded") || self.says("exceeds account") && self.says("limit")
    }

    fn says(&self, words: &str) -> bool {
        let texts = self.messages.iter().chain(&self.detail);
        texts.into_iter().any(|text| text.to_ascii_lowercase().contains(words))
    }

    /// Returns the most specific of the texts, if there are any.
    #[must_use]
    pub fn text(&self) -> Option<String> {
        if let Some(message) = self.messages.first() {
            return Some(message.clone());
        }
        match (&self.title, &self.detail) {
            (Some(title), Some(detail)) if title != detail => {
                Some([title.as_str(), ": ", detail.as_str()].concat())
            }
            (title, detail) => detail.clone().or_else(|| title.clone()),
        }
    }
}

/// Returns the part of a non-JSON body that is kept, or `None` if the body is binary.
fn text(body: &[u8]) -> Option<&str> {
    document_text(&body[..body.len().min(TEXT_BYTES_MAX)])
}

/// Returns why a body has no text.
fn unread_body(reply: &Reply<'_>) -> Option<String> {
    let binary = || format!("its body is not text ({} bytes)", reply.body.len());
    reply.unread_body.map(String::from).or_else(|| text(reply.body).is_none().then(binary))
}

/// Returns the text of an element of `errors`.
fn words(error: Value<'_>) -> Option<String> {
    if let Some(text) = text_of(error) {
        return Some(text);
    }
    if let Some(words) = list(error, "errors").next().and_then(|inner| text_in(inner, "message")) {
        return Some(words);
    }
    ["message", "detail", "title"].into_iter().find_map(|key| text_in(error, key))
}

/// The service refused a request, or did not confirm it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ApiError {
    /// The meaning of the refusal.
    pub kind: ApiErrorKind,
    /// The status code.
    pub status: u16,
    /// The server's error text.
    pub problem: Box<ApiProblem>,
    /// X's rate-limit fields.
    pub rate_limit: RateLimit,
    /// The `Retry-After` field.
    pub retry_after: Option<RetryAfter>,
    /// The `Date` field: the server's clock, to which the times above refer.
    pub date: Option<UnixTime>,
    /// Why the server's error text was not read, escaped; `None` if it was read.
    pub unread_body: Option<String>,
}

/// The meaning of a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ApiErrorKind {
    /// 401: the token is missing, wrong or revoked.
    Unauthorized,
    /// 403: the app may not use this endpoint.
    Forbidden,
    /// 402: the account has no credits left.
    Payment,
    /// 404, 410: the endpoint does not exist.
    NotFound,
    /// The app would have more rules than it may.
    RuleLimit,
    /// 429: too many requests in the window.
    RateLimit,
    /// 429: the plan's volume of Posts is used up.
    UsageCap,
    /// 3xx: redirects are not followed, since the token would be sent along.
    Redirect,
    /// Another 4xx. Repeating the request does not help.
    Request,
    /// 408, 425, or 5xx and above: a server error. The server may still have acted.
    Server,
    /// A success status with a body of unknown form. A proxy may have answered instead of the
    /// service.
    Unreadable,
}

impl ApiErrorKind {
    /// Returns a short stable name, for programs.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Unauthorized => "unauthorized",
            Self::Forbidden => "forbidden",
            Self::Payment => "payment",
            Self::NotFound => "not_found",
            Self::RuleLimit => "rule_limit",
            Self::RateLimit => "rate_limit",
            Self::UsageCap => "usage_cap",
            Self::Redirect => "redirect",
            Self::Request => "request",
            Self::Server => "server",
            Self::Unreadable => "unreadable",
        }
    }

    const fn text(self) -> &'static str {
        match self {
            Self::Unauthorized => "not authorized: check the bearer token",
            Self::Forbidden => "forbidden: this app has no access to this endpoint",
            Self::Payment => "the account has no credits left",
            Self::NotFound => "there is no such endpoint: check the base URL",
            Self::RuleLimit => "there would be more rules than the app may have: delete some first",
            Self::RateLimit => "rate limited: wait until the window ends",
            Self::UsageCap => "the plan's volume is used up",
            Self::Redirect => "redirected: redirects are not followed; use the new address as the base URL",
            Self::Request => "the server rejected the request; a retry would fail too",
            Self::Server => "the server failed",
            Self::Unreadable => {
                "expected the service's JSON: something between may have answered in its place; check the base URL"
            }
        }
    }
}

impl ApiError {
    /// Reads an answer that refuses the request or that cannot be parsed.
    pub(crate) fn read(reply: &Reply<'_>) -> Self {
        let mut problem = ApiProblem::read(reply.body);
        let kind = match reply.status {
            200..=299 => ApiErrorKind::Unreadable,
            300..=399 => ApiErrorKind::Redirect,
            401 => ApiErrorKind::Unauthorized,
            402 => ApiErrorKind::Payment,
            408 | 425 => ApiErrorKind::Server,
            429 if problem.is_type("usage-capped", "UsageCapExceeded") => ApiErrorKind::UsageCap,
            420 | 429 => ApiErrorKind::RateLimit,
            400..=499 if problem.is_rule_cap() => ApiErrorKind::RuleLimit,
            403 => ApiErrorKind::Forbidden,
            404 | 410 => ApiErrorKind::NotFound,
            400..=499 => ApiErrorKind::Request,
            _ => ApiErrorKind::Server,
        };
        if kind == ApiErrorKind::Redirect {
            problem.location = reply.location.map(<[u8]>::to_vec);
        }
        Self {
            kind,
            status: reply.status,
            problem: Box::new(problem),
            rate_limit: reply.rate_limit,
            retry_after: reply.retry_after,
            date: reply.date,
            unread_body: unread_body(reply),
        }
    }

    /// Returns how long the server asks to wait before the next request, or `None` if it does not
    /// ask.
    ///
    /// Measured by the server's clock. For an answer without `Date`, pass the local time as `now`.
    #[must_use]
    pub fn wait(&self, now: UnixTime) -> Option<Duration> {
        let now = self.date.unwrap_or(now);
        let is_limited = matches!(self.kind, ApiErrorKind::RateLimit);
        let window = self.rate_limit.reset.filter(|_| is_limited).map(|reset| reset.saturating_since(now));
        self.retry_after.map(|after| after.wait(now)).or(window)
    }

    /// Returns true if a change may still have been made. Then list the rules before you repeat it.
    #[must_use]
    pub const fn is_outcome_unknown(&self) -> bool {
        matches!(self.kind, ApiErrorKind::Server | ApiErrorKind::Unreadable)
    }
}

impl fmt::Display for ApiError {
    /// Leaves out the server's error text, which must be escaped first. See [`ApiProblem::text`].
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (status {})", self.kind.text(), self.status)
    }
}

impl std::error::Error for ApiError {}
