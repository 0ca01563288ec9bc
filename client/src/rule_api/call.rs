//! Requests to the rules endpoints.

use std::borrow::ToOwned;
use std::fmt;
use std::string::String;
use std::time::Duration;
use std::vec::Vec;

use powerstream_core::http::{Method, Request};
use serde::Serialize;

use super::{RULES_PER_REQUEST_MAX, RuleApi};

/// A rule to add, or to delete by its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[non_exhaustive]
pub struct NewRule<'a> {
    /// The rule.
    pub value: &'a str,
    /// The tag that is attached to the Posts that the rule matches.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tag: Option<&'a str>,
}

impl<'a> NewRule<'a> {
    /// Creates a rule without a tag.
    #[must_use]
    pub const fn new(value: &'a str) -> Self {
        Self { value, tag: None }
    }

    /// Creates a rule with a tag.
    #[must_use]
    pub const fn tagged(value: &'a str, tag: &'a str) -> Self {
        Self { value, tag: Some(tag) }
    }
}

/// The kind of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CallKind {
    /// List the rules.
    List,
    /// Add rules.
    Add,
    /// Validate rules without adding them.
    Validate,
    /// Delete rules.
    Delete,
}

impl CallKind {
    /// Returns true if the request may change the rules. A lost answer then leaves them unknown.
    #[must_use]
    pub const fn is_change(self) -> bool {
        matches!(self, Self::Add | Self::Delete)
    }
}

/// A rate limit: how many requests the service accepts in a time window. It counts them per app.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Budget {
    /// A short stable name. Calls with the same name share the budget.
    pub name: &'static str,
    /// The most requests in a window.
    pub requests: u32,
    /// The length of the window.
    pub window: Duration,
}

/// A rule request. It holds no token.
#[derive(Clone, PartialEq, Eq)]
pub struct Call {
    api: RuleApi,
    kind: CallKind,
    body: Option<Vec<u8>>,
    query: Option<(&'static str, String)>,
    /// The rules in the request, in order, to match the answer to them: (id, value, tag).
    pub(super) asked: Vec<Asked>,
}

/// A rule in the request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) id: Option<String>,
    pub(super) value: Option<String>,
    pub(super) tag: Option<String>,
}

impl From<&NewRule<'_>> for Asked {
    fn from(rule: &NewRule<'_>) -> Self {
        Self { id: None, value: Some(rule.value.to_owned()), tag: rule.tag.map(ToOwned::to_owned) }
    }
}

#[derive(Serialize)]
struct Rules<'a, T> {
    rules: &'a [T],
}

#[derive(Serialize)]
struct Add<'a> {
    add: &'a [NewRule<'a>],
}

#[derive(Serialize)]
struct Delete<T> {
    delete: T,
}

#[derive(Serialize)]
struct Ids<'a> {
    ids: &'a [&'a str],
}

#[derive(Serialize)]
struct Values<'a> {
    values: &'a [&'a str],
}

#[derive(Serialize)]
struct Id<'a> {
    id: &'a str,
}

impl Call {
    /// Creates a request that lists the rules.
    ///
    /// Filtered Stream answers in pages: see [`Listing::next_page`](super::Listing::next_page).
    #[must_use]
    pub const fn list(api: RuleApi) -> Self {
        Self { api, kind: CallKind::List, body: None, query: None, asked: Vec::new() }
    }

    /// Creates a request for a further page of the list.
    #[must_use]
    pub fn list_page(api: RuleApi, page: &str) -> Self {
        Self { query: Some(("pagination_token", page.to_owned())), ..Self::list(api) }
    }

    /// Creates a request that adds rules.
    ///
    /// # Errors
    /// Returns a [`CallError`] for no rules, or more than [`RULES_PER_REQUEST_MAX`].
    pub fn add(api: RuleApi, rules: &[NewRule<'_>]) -> Result<Self, CallError> {
        check(rules.len())?;
        let body = match api {
            RuleApi::Powerstream => json(&Rules { rules }),
            RuleApi::FilteredStream => json(&Add { add: rules }),
        };
        let asked = rules.iter().map(Asked::from).collect();
        Ok(Self { api, kind: CallKind::Add, body: Some(body), query: None, asked })
    }

    /// Creates a request that validates rules. [`Self::added`] reads what adding them would do.
    ///
    /// # Errors
    /// Returns a [`CallError`] as [`Self::add`], or if the service cannot validate
    /// ([`RuleApi::can_validate`]).
    pub fn validate(api: RuleApi, rules: &[NewRule<'_>]) -> Result<Self, CallError> {
        if !api.can_validate() {
            return Err(CallError::NotSupported);
        }
        let query = Some(("dry_run", String::from("true")));
        Ok(Self { kind: CallKind::Validate, query, ..Self::add(api, rules)? })
    }

    /// Creates a request that deletes rules by their ids, as X recommends.
    ///
    /// Powerstream's page recommends this, but shows only deletion by value. The body
    /// `{"rules":[{"id":".."}]}` follows the form that it shows.
    ///
    /// # Errors
    /// Returns a [`CallError`] for no rules, or more than [`RULES_PER_REQUEST_MAX`].
    pub fn delete_ids(api: RuleApi, ids: &[&str]) -> Result<Self, CallError> {
        check(ids.len())?;
        let body = match api {
            RuleApi::Powerstream => {
                let rules: Vec<Id<'_>> = ids.iter().map(|id| Id { id }).collect();
                json(&Rules { rules: &rules })
            }
            RuleApi::FilteredStream => json(&Delete { delete: Ids { ids } }),
        };
        let asked = ids.iter().map(|id| Asked { id: Some((*id).to_owned()), ..Asked::default() }).collect();
        Ok(Self { api, kind: CallKind::Delete, body: Some(body), query: None, asked })
    }

    /// Creates a request that deletes rules by their values.
    ///
    /// Powerstream's page shows the tag beside the value; Filtered Stream accepts no tag.
    ///
    /// # Errors
    /// Returns a [`CallError`] for no rules, or more than [`RULES_PER_REQUEST_MAX`].
    pub fn delete_values(api: RuleApi, rules: &[NewRule<'_>]) -> Result<Self, CallError> {
        check(rules.len())?;
        let body = match api {
            RuleApi::Powerstream => json(&Rules { rules }),
            RuleApi::FilteredStream => {
                let values: Vec<&str> = rules.iter().map(|rule| rule.value).collect();
                json(&Delete { delete: Values { values: &values } })
            }
        };
        let asked = rules.iter().map(Asked::from).collect();
        Ok(Self { api, kind: CallKind::Delete, body: Some(body), query: None, asked })
    }

    /// Returns the service that the request is for.
    #[must_use]
    pub const fn api(&self) -> RuleApi {
        self.api
    }

    /// Returns the kind of the request.
    #[must_use]
    pub const fn kind(&self) -> CallKind {
        self.kind
    }

    /// Returns the number of rules in the request.
    #[must_use]
    pub fn rules(&self) -> usize {
        self.asked.len()
    }

    /// Returns the HTTP method.
    #[must_use]
    pub const fn method(&self) -> Method {
        match (self.kind, self.api) {
            (CallKind::List, _) => Method::Get,
            (CallKind::Delete, RuleApi::Powerstream) => Method::Delete,
            _ => Method::Post,
        }
    }

    /// Returns the path on the origin.
    #[must_use]
    pub const fn path(&self) -> &'static str {
        self.api.path()
    }

    /// Returns the query parameter, if any, for [`Request::query`]: `call.query().as_slice()`.
    #[must_use]
    pub fn query(&self) -> Option<(&str, &str)> {
        self.query.as_ref().map(|(name, value)| (*name, value.as_str()))
    }

    /// Returns the body, if any.
    #[must_use]
    pub fn body(&self) -> Option<&[u8]> {
        self.body.as_deref()
    }

    /// Creates the request head for `host`. Pass the `query` made from [`Self::query`].
    ///
    /// The caller must set the token and the User-Agent.
    #[must_use]
    pub const fn request<'a>(&self, host: &'a str, query: &'a [(&'a str, &'a str)]) -> Request<'a> {
        let mut request = Request::new(self.method(), host, self.path());
        request.query = query;
        request
    }

    /// Returns the service's rate limit for calls of this kind.
    ///
    /// Powerstream: 50 requests of all kinds in 24 hours (X docs, Powerstream introduction).
    /// Filtered Stream: 450 lists and 100 changes in 15 minutes (X docs, rate limits).
    #[must_use]
    pub const fn budget(&self) -> Budget {
        const QUARTER: Duration = Duration::from_secs(15 * 60);
        match (self.api, self.kind) {
            (RuleApi::Powerstream, _) => {
                Budget { name: "rules", requests: 50, window: Duration::from_secs(24 * 60 * 60) }
            }
            (RuleApi::FilteredStream, CallKind::List) => {
                Budget { name: "lists", requests: 450, window: QUARTER }
            }
            (RuleApi::FilteredStream, _) => Budget { name: "changes", requests: 100, window: QUARTER },
        }
    }
}

impl fmt::Debug for Call {
    /// Formats the number of rules instead of their text, which does not belong in logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call")
            .field("api", &self.api)
            .field("kind", &self.kind)
            .field("rules", &self.asked.len())
            .finish_non_exhaustive()
    }
}

const fn check(count: usize) -> Result<(), CallError> {
    match count {
        0 => Err(CallError::Empty),
        1..=RULES_PER_REQUEST_MAX => Ok(()),
        _ => Err(CallError::TooMany { count }),
    }
}

fn json(body: &impl Serialize) -> Vec<u8> {
    // Serializing texts and lists of texts cannot fail.
    serde_json::to_vec(body).unwrap_or_default()
}

/// Why a request is invalid. Nothing was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CallError {
    /// The request has no rules.
    Empty,
    /// The request has more than [`RULES_PER_REQUEST_MAX`] rules.
    TooMany {
        /// How many rules it has.
        count: usize,
    },
    /// The service cannot validate rules without adding them.
    NotSupported,
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("a request must name at least one rule"),
            Self::TooMany { count } => write!(
                f,
                "a request takes at most {RULES_PER_REQUEST_MAX} rules, and these are {count}: send several"
            ),
            Self::NotSupported => {
                f.write_str("Powerstream cannot validate rules without adding them: check them offline")
            }
        }
    }
}

impl std::error::Error for CallError {}
