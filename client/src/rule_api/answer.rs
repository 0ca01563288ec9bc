//! Reads the result of each rule from an answer.

use std::string::{String, ToString};
use std::vec;
use std::vec::Vec;

use powerstream_core::post::{Value, ValueKind};

use super::Reply;
use super::call::{Asked, Call, CallKind};
use super::problem::{ApiError, ApiProblem};
use super::read::{count_of, document, id_of, list, text_in, text_of};

/// A rule in the form the service returns.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Rule {
    /// The id: digits, kept as text.
    pub id: Option<String>,
    /// The rule.
    pub value: String,
    /// The tag. An empty tag counts as none.
    pub tag: Option<String>,
}

impl Rule {
    /// Creates a rule, such as one that was stored by a program.
    #[must_use]
    pub fn new(id: Option<String>, value: String, tag: Option<String>) -> Self {
        Self { id, value, tag: tag.filter(|tag| !tag.is_empty()) }
    }

    /// Parses `{"id","value","tag"}`. The id may be text or a number.
    fn read(value: Value<'_>) -> Option<Self> {
        Some(Self::new(id_of(value), value.get("value")?.as_str()?.to_string(), text_in(value, "tag")))
    }
}

/// A page of the active rules.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Listing {
    /// The rules of this page, in the service's order.
    pub rules: Vec<Rule>,
    /// The token of the next page, for [`Call::list_page`]. `None`: this was the last page.
    pub next_page: Option<String>,
}

/// The result of adding a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AddFate {
    /// The rule is active, or would be ([`CallKind::Validate`]), in the form the service returns.
    ///
    /// If the service counts the rule but does not return it, this is the rule as requested.
    Created(Rule),
    /// A rule of that value already existed. The request did not change its tag.
    Duplicate {
        /// The id of the existing rule.
        id: Option<String>,
    },
    /// The service refused the rule.
    Invalid {
        /// The service's messages, one per error.
        messages: Vec<String>,
    },
    /// The rule was not added, although it was not refused itself. Another rule of the request was
    /// invalid, or there would be too many rules.
    NotCreated {
        /// The service's message, if there is one.
        message: Option<String>,
    },
    /// The answer does not mention the rule. List the rules to find out.
    Unknown,
}

/// The result of a request that adds or validates rules.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Added {
    /// The status code.
    pub status: u16,
    /// The result of each rule, in the order of the request.
    pub fates: Vec<AddFate>,
    /// Rules in the answer that were not requested.
    pub others: Vec<Rule>,
    /// Other errors in the answer.
    pub problems: Vec<ApiProblem>,
    /// The counts that the service returned.
    pub summary: Summary,
}

/// The service's counts of what it did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Summary {
    /// `created`
    pub created: Option<u64>,
    /// `not_created`
    pub not_created: Option<u64>,
    /// `valid`
    pub valid: Option<u64>,
    /// `invalid`, which counts duplicates
    pub invalid: Option<u64>,
}

/// The result of deleting a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DeleteFate {
    /// The rule was deleted.
    Deleted,
    /// The rule was not deleted, usually because it did not exist.
    NotDeleted {
        /// The service's message, if there is one.
        message: Option<String>,
    },
    /// The answer does not mention the rule. List the rules to find out.
    Unknown,
}

/// The member `not_deleted`, whose form X does not document.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum NotDeleted {
    /// The member is missing.
    #[default]
    Absent,
    /// A number.
    Count(u64),
    /// A list, with the ids or values in it.
    Entries(Vec<String>),
}

/// The result of a request that deletes rules.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Deleted {
    /// The status code.
    pub status: u16,
    /// The result of each rule, in the order of the request.
    pub fates: Vec<DeleteFate>,
    /// `deleted`
    pub deleted: Option<u64>,
    /// `not_deleted`
    pub not_deleted: NotDeleted,
    /// Other errors in the answer.
    pub problems: Vec<ApiProblem>,
}

impl Call {
    /// Reads the answer to [`Call::list`] or [`Call::list_page`].
    ///
    /// A list that cannot be read to its last entry is an error. With a partial list, every missing
    /// rule would look deleted.
    ///
    /// # Errors
    /// Returns an [`ApiError`] if the service refused, or the answer is not a complete list of
    /// rules.
    pub fn listed(&self, reply: &Reply<'_>) -> Result<Listing, ApiError> {
        let refused = || ApiError::read(reply);
        let value = document(reply.body).filter(|_| is_success(reply.status)).ok_or_else(refused)?;
        if list(value, "errors").next().is_some() {
            return Err(refused());
        }
        let entries = rules_in(value);
        if entries.is_some_and(|entries| !matches!(entries.kind(), ValueKind::Array | ValueKind::Null)) {
            return Err(refused());
        }
        // If there are no rules, the member or `data` may be missing. Any other form is not a list.
        let is_empty = |value: Value<'_>| value.members().next().is_none();
        let may_be_missing = match value.get("data") {
            Some(data) => is_empty(data),
            None => value.get("meta").is_some() || is_empty(value),
        };
        if entries.is_none() && !may_be_missing {
            return Err(refused());
        }
        let entries = entries.into_iter().flat_map(|entries| entries.elements());
        let rules: Vec<Rule> = entries.map(Rule::read).collect::<Option<_>>().ok_or_else(refused)?;
        let meta = value.get("meta");
        let counted = meta.and_then(|meta| meta.get("result_count")).and_then(count_of);
        if counted.is_some_and(|counted| counted != rules.len() as u64) {
            return Err(refused());
        }
        let next_page = meta.and_then(|meta| text_in(meta, "next_token"));
        Ok(Listing { rules, next_page: next_page.filter(|page| !page.is_empty()) })
    }

    /// Reads the answer to [`Call::add`] or [`Call::validate`].
    ///
    /// # Errors
    /// Returns an [`ApiError`] if the service refused the whole request, or the answer is not in a
    /// known form. A refusal that names the invalid rules is not an error: see [`Added::fates`].
    pub fn added(&self, reply: &Reply<'_>) -> Result<Added, ApiError> {
        let Some(value) = document(reply.body) else { return Err(ApiError::read(reply)) };
        let summary = summary(value);
        let mut fates = Fates::new(&self.asked);
        let mut others = Vec::new();
        let mut problems = Vec::new();

        let created = rules_in(value).filter(|_| is_success(reply.status));
        let mut unmatched = Vec::new();
        for entry in created.into_iter().flat_map(|created| created.elements()) {
            let Some(rule) = Rule::read(entry) else {
                problems.push(ApiProblem::of(entry));
                continue;
            };
            match fates.find(None, Some(&rule.value), rule.tag.as_deref()) {
                Some(index) => {
                    let asked = self.asked[index].tag.as_deref().filter(|tag| !tag.is_empty());
                    // The tag of a rule that exists cannot be changed (X docs, OpenAPI).
                    let fate = if rule.tag.as_deref() == asked {
                        AddFate::Created(rule)
                    } else {
                        AddFate::Duplicate { id: rule.id }
                    };
                    fates.settle(index, fate);
                }
                None => unmatched.push(rule),
            }
        }
        for entry in list(value, "detail") {
            let rule = entry.get("rule").and_then(Rule::read);
            let found =
                rule.as_ref().and_then(|rule| fates.find(None, Some(&rule.value), rule.tag.as_deref()));
            match (found, rule) {
                (Some(index), Some(rule)) => fates.settle(index, detail_fate(entry, rule)),
                _ => problems.push(ApiProblem::of(entry)),
            }
        }
        for entry in list(value, "errors") {
            let problem = ApiProblem::of(entry);
            let value = text_in(entry, "value");
            match value.and_then(|value| fates.find(None, Some(&value), None)) {
                Some(index) => fates.settle(index, error_fate(entry, problem)),
                None => problems.push(problem),
            }
        }

        let none_named = fates.settled() == 0 && unmatched.is_empty();
        if none_named && !is_success(reply.status) {
            return Err(ApiError::read(reply));
        }
        // The service may normalize values. If the counts are equal, match the rules by order.
        if unmatched.len() == fates.open() && problems.is_empty() {
            for rule in unmatched.drain(..) {
                if let Some(index) = fates.first_open() {
                    fates.settle(index, AddFate::Created(rule));
                }
            }
        }
        others.append(&mut unmatched);
        self.conclude(&mut fates, summary, reply.status, none_named, &problems);
        Ok(Added { status: reply.status, fates: fates.take(AddFate::Unknown), others, problems, summary })
    }

    /// Derives the results of rules that the answer does not name, from its counts and its status.
    fn conclude(
        &self,
        fates: &mut Fates<'_, AddFate>,
        summary: Summary,
        status: u16,
        none_named: bool,
        problems: &[ApiProblem],
    ) {
        let created = fates.count(|fate| matches!(fate, AddFate::Created(_))) as u64;
        let open = fates.open() as u64;
        let is_cap = problems.iter().any(ApiProblem::is_rule_cap);
        let message = problems.iter().find_map(ApiProblem::text);
        let all_created = summary.created == Some(created + open)
            || (self.kind() == CallKind::Validate && summary.valid == Some(created + open));
        let none_created = summary.created == Some(created)
            || is_cap
            // A request that is refused for one of its rules adds none.
            || (!none_named && (400..500).contains(&status));
        while let Some(index) = fates.first_open() {
            let asked = &self.asked[index];
            let fate = if all_created && problems.is_empty() {
                let value = asked.value.clone().unwrap_or_default();
                AddFate::Created(Rule { id: None, value, tag: asked.tag.clone() })
            } else if none_created {
                AddFate::NotCreated { message: message.clone() }
            } else {
                AddFate::Unknown
            };
            fates.settle(index, fate);
        }
    }

    /// Reads the answer to [`Call::delete_ids`] or [`Call::delete_values`].
    ///
    /// # Errors
    /// Returns an [`ApiError`] if the service refused the whole request, or the answer is not in a
    /// known form.
    pub fn deleted(&self, reply: &Reply<'_>) -> Result<Deleted, ApiError> {
        let value = document(reply.body).filter(|_| is_success(reply.status));
        let Some(value) = value else { return Err(ApiError::read(reply)) };
        let counts =
            [value.get("data"), value.get("meta").and_then(|meta| meta.get("summary")), value.get("summary")];
        let member = |key: &str| counts.iter().flatten().find_map(|counts| counts.get(key));
        let deleted = member("deleted").and_then(count_of);
        let not_deleted = match member("not_deleted") {
            Some(list) if list.kind() == ValueKind::Array => {
                NotDeleted::Entries(list.elements().filter_map(name_of).collect())
            }
            Some(value) => count_of(value).map_or(NotDeleted::Absent, NotDeleted::Count),
            None => NotDeleted::Absent,
        };

        let mut fates = Fates::new(&self.asked);
        let mut problems = Vec::new();
        for entry in member("not_deleted").into_iter().flat_map(|list| list.elements()) {
            let problem = ApiProblem::of(entry);
            match fates.find_named(entry) {
                Some(index) => fates.settle(index, DeleteFate::NotDeleted { message: problem.text() }),
                None => problems.push(problem),
            }
        }
        for entry in list(value, "detail").chain(list(value, "errors")) {
            let problem = ApiProblem::of(entry);
            let was_deleted = entry.get("deleted").and_then(|deleted| deleted.as_bool());
            match (fates.find_named(entry), was_deleted) {
                (Some(index), Some(true)) => fates.settle(index, DeleteFate::Deleted),
                (Some(index), _) => {
                    fates.settle(index, DeleteFate::NotDeleted { message: problem.text() });
                }
                (None, _) => problems.push(problem),
            }
        }

        let gone = fates.count(|fate| matches!(fate, DeleteFate::Deleted)) as u64;
        let kept = fates.settled() as u64 - gone;
        let open = fates.open() as u64;
        let all_gone = match (deleted, &not_deleted) {
            (Some(deleted), _) => deleted == gone + open,
            (None, NotDeleted::Count(count)) => *count == kept,
            (None, NotDeleted::Entries(_)) => problems.is_empty(),
            (None, NotDeleted::Absent) => false,
        };
        let none_gone = match (deleted, &not_deleted) {
            (Some(deleted), _) => deleted == gone,
            (None, NotDeleted::Count(count)) => *count == kept + open,
            _ => false,
        };
        while let Some(index) = fates.first_open() {
            fates.settle(
                index,
                if all_gone {
                    DeleteFate::Deleted
                } else if none_gone {
                    DeleteFate::NotDeleted { message: problems.iter().find_map(ApiProblem::text) }
                } else {
                    DeleteFate::Unknown
                },
            );
        }
        Ok(Deleted {
            status: reply.status,
            fates: fates.take(DeleteFate::Unknown),
            deleted,
            not_deleted,
            problems,
        })
    }
}

/// The results of the requested rules, while an answer is read.
struct Fates<'a, F> {
    asked: &'a [Asked],
    fates: Vec<Option<F>>,
}

impl<'a, F> Fates<'a, F> {
    fn new(asked: &'a [Asked]) -> Self {
        let mut fates = vec![];
        fates.resize_with(asked.len(), || None);
        Self { asked, fates }
    }

    /// Returns the first rule without a result that has this id or value. Prefers one with this
    /// tag.
    fn find(&self, id: Option<&str>, value: Option<&str>, tag: Option<&str>) -> Option<usize> {
        let open = |index: &usize| self.fates[*index].is_none();
        let is_same = |index: &usize| {
            let asked = &self.asked[*index];
            (asked.id.is_some() && asked.id.as_deref() == id)
                || (asked.value.is_some() && asked.value.as_deref() == value)
        };
        let mut found = (0..self.asked.len()).filter(open).filter(is_same);
        let first = found.next()?;
        let of_tag = |index: &usize| self.asked[*index].tag.as_deref().filter(|tag| !tag.is_empty()) == tag;
        Some(Some(first).into_iter().chain(found).find(of_tag).unwrap_or(first))
    }

    /// Returns the rule without a result that a list entry names.
    ///
    /// An entry is an id, a value, an object with one of them, or an object whose `rule` has one.
    fn find_named(&self, entry: Value<'_>) -> Option<usize> {
        let entry = entry.get("rule").unwrap_or(entry);
        if let Some(name) = text_of(entry) {
            return self.find(Some(&name), Some(&name), None);
        }
        let other = || ["rule_id", "resource_id"].into_iter().find_map(|key| text_in(entry, key));
        let id = id_of(entry).or_else(other);
        self.find(id.as_deref(), text_in(entry, "value").as_deref(), None)
    }

    fn settle(&mut self, index: usize, fate: F) {
        self.fates[index] = Some(fate);
    }

    fn first_open(&self) -> Option<usize> {
        self.fates.iter().position(Option::is_none)
    }

    fn open(&self) -> usize {
        self.fates.len() - self.settled()
    }

    fn settled(&self) -> usize {
        self.fates.iter().flatten().count()
    }

    fn count(&self, which: impl Fn(&F) -> bool) -> usize {
        self.fates.iter().flatten().filter(|fate| which(fate)).count()
    }

    fn take(self, otherwise: F) -> Vec<F>
    where
        F: Clone,
    {
        self.fates.into_iter().map(|fate| fate.unwrap_or_else(|| otherwise.clone())).collect()
    }
}

const fn is_success(status: u16) -> bool {
    200 <= status && status < 300
}

/// Returns the rules of an answer: `data.rules` (Powerstream), `data` (Filtered Stream), `rules`
/// (PowerTrack).
fn rules_in(value: Value<'_>) -> Option<Value<'_>> {
    match value.get("data") {
        Some(data) if data.kind() == ValueKind::Object => data.get("rules"),
        Some(data) if !data.is_null() => Some(data),
        _ => value.get("rules"),
    }
}

fn summary(value: Value<'_>) -> Summary {
    let summary = value.get("meta").and_then(|meta| meta.get("summary")).or_else(|| value.get("summary"));
    let count = |key: &str| summary.and_then(|summary| summary.get(key)).and_then(count_of);
    Summary {
        created: count("created"),
        not_created: count("not_created"),
        valid: count("valid"),
        invalid: count("invalid").or_else(|| count("not_valid")),
    }
}

/// Returns the id or value that a list entry names.
fn name_of(entry: Value<'_>) -> Option<String> {
    let entry = entry.get("rule").unwrap_or(entry);
    text_of(entry).or_else(|| id_of(entry)).or_else(|| text_in(entry, "value"))
}

/// Reads PowerTrack's `{"rule","created","message"}` (X docs, PowerTrack API).
fn detail_fate(entry: Value<'_>, rule: Rule) -> AddFate {
    let is_created = |key: &str| entry.get(key).and_then(|created| created.as_bool());
    if is_created("created").or_else(|| is_created("valid")) == Some(true) {
        return AddFate::Created(rule);
    }
    match text_in(entry, "message") {
        Some(message) if message.contains("already exists") => AddFate::Duplicate { id: rule.id },
        Some(message) => AddFate::Invalid {
            messages: message.lines().filter(|line| !line.is_empty()).map(ToString::to_string).collect(),
        },
        None => AddFate::NotCreated { message: None },
    }
}

/// Reads an element of `errors` that names a rule (X docs, Filtered Stream; recorded answers).
fn error_fate(entry: Value<'_>, problem: ApiProblem) -> AddFate {
    if problem.is_duplicate() {
        return AddFate::Duplicate { id: id_of(entry) };
    }
    if problem.is_rule_cap() {
        return AddFate::NotCreated { message: problem.text() };
    }
    if problem.is_invalid_rule() || !problem.messages.is_empty() {
        let messages =
            if problem.messages.is_empty() { problem.text().into_iter().collect() } else { problem.messages };
        return AddFate::Invalid { messages };
    }
    AddFate::NotCreated { message: problem.text() }
}
