//! The rules endpoints: what to send, and what the answers say of each rule.
//!
//! ```text
//!   Call::add(..) --> method, path, body --[ Exchange ]--> Reply --> call.added(..) --> the fate of each rule
//! ```
//!
//! Two services have rules, and spell them differently ([`RuleApi`]). What Powerstream's page leaves open (errors, the
//! form of `not_deleted`, deletion by id) is read in every form that it, Filtered Stream or PowerTrack are known to
//! use (X docs: Powerstream introduction, Filtered Stream quickstart, PowerTrack API; answers that client libraries keep
//! in their test data). Nothing is guessed from a status where the body says more, and what nothing says is
//! [`AddFate::Unknown`]: list the rules to find out.
//!
//! Requests for rules are few (50 in 24 hours on Powerstream, all kinds together), so each [`Call`] knows its [`Budget`]
//! and takes up to [`RULES_PER_REQUEST_MAX`] rules. Values and tags reach a request through the JSON serialiser only.
//!
//! ```
//! use powerstream_client::rule_api::{AddFate, Call, NewRule, Reply, RuleApi};
//!
//! let call = Call::add(RuleApi::Powerstream, &[NewRule::new("gull lang:en"), NewRule::tagged("tern", "birds")])?;
//! assert_eq!(call.path(), "/2/powerstream/rules");
//! assert_eq!(call.body(), Some(br#"{"rules":[{"value":"gull lang:en"},{"value":"tern","tag":"birds"}]}"#.as_slice()));
//!
//! let body = br#"{"data":{"rules":[{"id":"1","value":"gull lang:en"},{"id":"2","value":"tern","tag":"birds"}]}}"#;
//! let added = call.added(&Reply::new(201, body))?;
//! assert!(matches!(&added.fates[1], AddFate::Created(rule) if rule.id.as_deref() == Some("2")));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod answer;
mod call;
mod problem;
mod read;

use std::time::Duration;

pub use answer::{AddFate, Added, DeleteFate, Deleted, Listing, NotDeleted, Rule, Summary};
pub use call::{Budget, Call, CallError, CallKind, NewRule};
use powerstream_core::endpoint::{Endpoint, FILTERED_STREAM, POWERSTREAM};
use powerstream_core::http::{RateLimit, RetryAfter};
use powerstream_core::time::UnixTime;
pub use problem::{ApiError, ApiErrorKind, ApiProblem};

/// Most rules of one request (X docs, Powerstream introduction). Filtered Stream documents no number; the same is kept
/// there.
pub const RULES_PER_REQUEST_MAX: usize = 100;

/// Most rules of one app (X docs, Powerstream introduction; Filtered Stream pay per use). Enterprise contracts for
/// Filtered Stream name higher ones.
pub const RULES_MAX: usize = 1_000;

/// How long a new rule takes to act: some 20 seconds (X docs, Filtered Stream operators; Powerstream says nothing).
pub const RULE_SETTLES_IN: Duration = Duration::from_secs(20);

/// Whose rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RuleApi {
    /// `/2/powerstream/rules`: GET lists, POST adds, DELETE with a body deletes.
    Powerstream,
    /// `/2/tweets/search/stream/rules`: GET lists, POST does the rest, and can try without adding.
    FilteredStream,
}

impl RuleApi {
    /// That of a stream; `None` where the stream has no rules.
    #[must_use]
    pub fn of(stream: &Endpoint<'_>) -> Option<Self> {
        [Self::Powerstream, Self::FilteredStream].into_iter().find(|api| api.stream().path == stream.path)
    }

    /// The stream that the rules are for.
    #[must_use]
    pub const fn stream(self) -> Endpoint<'static> {
        match self {
            Self::Powerstream => POWERSTREAM,
            Self::FilteredStream => FILTERED_STREAM,
        }
    }

    /// The path of the rules.
    #[must_use]
    pub const fn path(self) -> &'static str {
        match self {
            Self::Powerstream => "/2/powerstream/rules",
            Self::FilteredStream => "/2/tweets/search/stream/rules",
        }
    }

    /// Whether the service can say what it would do with rules without adding them.
    #[must_use]
    pub const fn can_validate(self) -> bool {
        matches!(self, Self::FilteredStream)
    }
}

/// An answer, as far as it says something of rules.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct Reply<'a> {
    /// The status code.
    pub status: u16,
    /// The body.
    pub body: &'a [u8],
    /// X's rate-limit fields.
    pub rate_limit: RateLimit,
    /// The `Retry-After` field.
    pub retry_after: Option<RetryAfter>,
    /// The `Date` field.
    pub date: Option<UnixTime>,
    /// Why the body was not read, escaped ([`Head::unread_body`](powerstream_core::http::Head::unread_body)).
    pub unread_body: Option<&'a str>,
}

impl<'a> Reply<'a> {
    /// An answer without fields.
    #[must_use]
    pub fn new(status: u16, body: &'a [u8]) -> Self {
        let rate_limit = RateLimit::default();
        Self { status, body, rate_limit, retry_after: None, date: None, unread_body: None }
    }
}

impl std::fmt::Debug for Reply<'_> {
    /// Tells the body's length.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reply")
            .field("status", &self.status)
            .field("body", &self.body.len())
            .finish_non_exhaustive()
    }
}
