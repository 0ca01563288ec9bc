//! What is sent to the rules endpoints.

use std::borrow::ToOwned;
use std::fmt;
use std::string::String;
use std::time::Duration;
use std::vec::Vec;

use powerstream_core::http::{Method, Request};
use serde::Serialize;

use super::{RULES_PER_REQUEST_MAX, RuleApi};

/// A rule to be added, or to be deleted by its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[non_exhaustive]
pub struct NewRule<'a> {
    /// The rule.
    pub value: &'a str,
    /// What the Posts it matches are marked with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tag: Option<&'a str>,
}

impl<'a> NewRule<'a> {
    /// A rule without a tag.
    #[must_use]
    pub const fn new(value: &'a str) -> Self {
        Self { value, tag: None }
    }

    /// A rule with a tag.
    #[must_use]
    pub const fn tagged(value: &'a str, tag: &'a str) -> Self {
        Self { value, tag: Some(tag) }
    }
}

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CallKind {
    /// Which rules there are.
    List,
    /// To add rules.
    Add,
    /// What adding them would do, without doing it.
    Validate,
    /// To delete rules.
    Delete,
}

impl CallKind {
    /// Whether it may change the rules, so that a lost answer leaves open which there are.
    #[must_use]
    pub const fn is_change(self) -> bool {
        matches!(self, Self::Add | Self::Delete)
    }
}

/// How many requests the service takes in how long. It counts them per app.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Budget {
    /// A short stable name; calls with the same one share the budget.
    pub name: &'static str,
    /// Requests,
    pub requests: u32,
    /// in any span of this length.
    pub window: Duration,
}

/// A request for rules. It holds no token.
#[derive(Clone, PartialEq, Eq)]
pub struct Call {
    api: RuleApi,
    kind: CallKind,
    body: Option<Vec<u8>>,
    query: Option<(&'static str, String)>,
    /// What was asked for, in order, to tell the fate of each: (id, value, tag).
    pub(super) asked: Vec<Asked>,
}

/// A rule as it was asked for.
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
    /// Asks which rules there are. Filtered Stream answers in pages: see [`Listing::next_page`](super::Listing::next_page).
    #[must_use]
    pub const fn list(api: RuleApi) -> Self {
        Self { api, kind: CallKind::List, body: None, query: None, asked: Vec::new() }
    }

    /// Asks for a further page of the rules.
    #[must_use]
    pub fn list_page(api: RuleApi, page: &str) -> Self {
        Self { query: Some(("pagination_token", page.to_owned())), ..Self::list(api) }
    }

    /// Adds rules.
    ///
    /// # Errors
    /// [`CallError`] for none, or more than [`RULES_PER_REQUEST_MAX`].
    pub fn add(api: RuleApi, rules: &[NewRule<'_>]) -> Result<Self, CallError> {
        check(rules.len())?;
        let body = match api {
            RuleApi::Powerstream => json(&Rules { rules }),
            RuleApi::FilteredStream => json(&Add { add: rules }),
        };
        let asked = rules.iter().map(Asked::from).collect();
        Ok(Self { api, kind: CallKind::Add, body: Some(body), query: None, asked })
    }

    /// Asks what adding the rules would do: [`Self::added`] tells their fates as if they had been.
    ///
    /// # Errors
    /// As [`Self::add`], and where the service has no such request ([`RuleApi::can_validate`]).
    pub fn validate(api: RuleApi, rules: &[NewRule<'_>]) -> Result<Self, CallError> {
        if !api.can_validate() {
            return Err(CallError::NotSupported);
        }
        let query = Some(("dry_run", String::from("true")));
        Ok(Self { kind: CallKind::Validate, query, ..Self::add(api, rules)? })
    }

    /// Deletes rules by their ids, as X recommends.
    ///
    /// Powerstream's page recommends it and shows only deletion by value; `{"rules":[{"id":".."}]}` follows the form it
    /// shows.
    ///
    /// # Errors
    /// [`CallError`] for none, or more than [`RULES_PER_REQUEST_MAX`].
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

    /// Deletes rules by their values. Powerstream's page shows the tag beside the value; Filtered Stream takes none.
    ///
    /// # Errors
    /// [`CallError`] for none, or more than [`RULES_PER_REQUEST_MAX`].
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

    /// Whose rules.
    #[must_use]
    pub const fn api(&self) -> RuleApi {
        self.api
    }

    /// What is asked.
    #[must_use]
    pub const fn kind(&self) -> CallKind {
        self.kind
    }

    /// How many rules it names.
    #[must_use]
    pub fn rules(&self) -> usize {
        self.asked.len()
    }

    /// The method.
    #[must_use]
    pub const fn method(&self) -> Method {
        match (self.kind, self.api) {
            (CallKind::List, _) => Method::Get,
            (CallKind::Delete, RuleApi::Powerstream) => Method::Delete,
            _ => Method::Post,
        }
    }

    /// The path on the origin.
    #[must_use]
    pub const fn path(&self) -> &'static str {
        self.api.path()
    }

    /// The query parameter, if there is one, as [`Request::query`] takes it: `call.query().as_slice()`.
    #[must_use]
    pub fn query(&self) -> Option<(&str, &str)> {
        self.query.as_ref().map(|(name, value)| (*name, value.as_str()))
    }

    /// The body.
    #[must_use]
    pub fn body(&self) -> Option<&[u8]> {
        self.body.as_deref()
    }

    /// The request's head, for `host`, with `query` made from [`Self::query`]; the token and the User-Agent are for the
    /// caller to set.
    #[must_use]
    pub const fn request<'a>(&self, host: &'a str, query: &'a [(&'a str, &'a str)]) -> Request<'a> {
        let mut request = Request::new(self.method(), host, self.path());
        request.query = query;
        request
    }

    /// What the service allows of calls like this: 50 requests of all kinds in 24 hours on Powerstream (X docs,
    /// Powerstream introduction); 450 lists and 100 changes in 15 minutes on Filtered Stream (X docs, rate limits).
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
    /// Tells how many rules: what customers look for is not for logs.
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
    // Texts and lists of them cannot fail to be serialised.
    serde_json::to_vec(body).unwrap_or_default()
}

/// Why a request makes no sense. Nothing was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CallError {
    /// It names no rules.
    Empty,
    /// It names more than [`RULES_PER_REQUEST_MAX`].
    TooMany {
        /// How many.
        count: usize,
    },
    /// The service cannot validate without adding.
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
