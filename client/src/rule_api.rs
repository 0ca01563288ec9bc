//! The rules endpoints: builds requests, and reads the result of each rule from the answers.
//!
//! ```text
//!   Call::add(..) --> method, path, body --[ Exchange ]--> Reply --> call.added(..) --> fates
//! ```
//!
//! Two services have rules, with different request formats ([`RuleApi`]). Powerstream's page does
//! not document errors, the form of `not_deleted`, or deletion by id. For these, this module
//! accepts every form that Powerstream, Filtered Stream or PowerTrack is known to use. The sources
//! are X docs (Powerstream introduction, Filtered Stream quickstart, PowerTrack API) and answers
//! recorded in the test data of client libraries.
//!
//! If the body says more than the status, the body decides. If neither says what happened to a
//! rule, the result is [`AddFate::Unknown`]: list the rules to find out.
//!
//! The request budget is small (50 in 24 hours on Powerstream, all kinds together). Each [`Call`]
//! therefore knows its [`Budget`] and takes up to [`RULES_PER_REQUEST_MAX`] rules. Values and tags
//! are always escaped by the JSON serializer.
//!
//! ```
//! use powerstream_client::rule_api::{AddFate, Call, NewRule, Reply, RuleApi};
//!
//! let rules = [NewRule::new("gull lang:en"), NewRule::tagged("tern", "birds")];
//! let call = Call::add(RuleApi::Powerstream, &rules)?;
//! assert_eq!(call.path(), "/2/powerstream/rules");
//! let want = br#"{"rules":[{"value":"gull lang:en"},{"value":"tern","tag":"birds"}]}"#;
//! assert_eq!(call.body(), Some(want.as_slice()));
//!
//! let body = br#"{"data":{"rules":[
//!     {"id":"1","value":"gull lang:en"},{"id":"2","value":"tern","tag":"birds"}]}}"#;
//! let added = call.added(&Reply::new(201, body))?;
//! assert!(matches!(&added.fates[1], AddFate::Created(rule) if rule.id.as_deref() == Some("2")));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod answer;
mod call;
mod problem;
pub(crate) mod read;

use std::time::Duration;

pub use answer::{AddFate, Added, DeleteFate, Deleted, Listing, NotDeleted, Rule, Summary};
pub use call::{Budget, Call, CallError, CallKind, NewRule};
use powerstream_core::endpoint::{Endpoint, FILTERED_STREAM, POWERSTREAM};
use powerstream_core::http::{RateLimit, RetryAfter};
use powerstream_core::time::UnixTime;
pub use problem::{ApiError, ApiErrorKind, ApiProblem};

/// The most rules of one request (X docs, Powerstream introduction). Filtered Stream documents no
/// limit; the same value is used there.
pub const RULES_PER_REQUEST_MAX: usize = 100;

/// The most rules of one app (X docs, Powerstream introduction; Filtered Stream pay per use).
/// Enterprise contracts for Filtered Stream have higher limits.
pub const RULES_MAX: usize = 1_000;

/// The time until a new rule takes effect: about 20 seconds (X docs, Filtered Stream operators).
/// Powerstream documents no value.
pub const RULE_SETTLES_IN: Duration = Duration::from_secs(20);

/// The service that has the rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RuleApi {
    /// `/2/powerstream/rules`: GET lists, POST adds, DELETE with a body deletes.
    Powerstream,
    /// `/2/tweets/search/stream/rules`: GET lists, POST adds, deletes and validates.
    FilteredStream,
}

impl RuleApi {
    /// Returns the API for the rules of a stream, or `None` if the stream has no rules.
    #[must_use]
    pub fn of(stream: &Endpoint<'_>) -> Option<Self> {
        [Self::Powerstream, Self::FilteredStream].into_iter().find(|api| api.stream().path == stream.path)
    }

    /// Returns the stream that the rules apply to.
    #[must_use]
    pub const fn stream(self) -> Endpoint<'static> {
        match self {
            Self::Powerstream => POWERSTREAM,
            Self::FilteredStream => FILTERED_STREAM,
        }
    }

    /// Returns the path of the rules endpoint.
    #[must_use]
    pub const fn path(self) -> &'static str {
        match self {
            Self::Powerstream => "/2/powerstream/rules",
            Self::FilteredStream => "/2/tweets/search/stream/rules",
        }
    }

    /// Returns true if the service can validate rules without adding them.
    #[must_use]
    pub const fn can_validate(self) -> bool {
        matches!(self, Self::FilteredStream)
    }
}

/// The parts of an answer that matter for rules.
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
    /// Why the body was not read, escaped
    /// ([`Head::unread_body`](powerstream_core::http::Head::unread_body)).
    pub unread_body: Option<&'a str>,
    /// The `Location` field: where a redirect leads to.
    pub location: Option<&'a [u8]>,
}

impl<'a> Reply<'a> {
    /// Creates an answer without header fields.
    #[must_use]
    pub fn new(status: u16, body: &'a [u8]) -> Self {
        let rate_limit = RateLimit::default();
        Self { status, body, rate_limit, retry_after: None, date: None, unread_body: None, location: None }
    }
}

impl std::fmt::Debug for Reply<'_> {
    /// Formats the body's length instead of the body.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reply")
            .field("status", &self.status)
            .field("body", &self.body.len())
            .finish_non_exhaustive()
    }
}
