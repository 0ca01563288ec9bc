//! The endpoints that manage rules: what a request says, and X's answer.
//!
//! Powerstream's and the Filtered Stream's differ in everything but the rules. Where Powerstream's page says nothing (errors, above all)
//! the answer is that of the Filtered Stream; where it contradicts itself both readings are taken.

mod filtered;
mod powerstream;

use crate::generator::json::{Style, Writer};
use crate::request::query;
use crate::rule_store::{AddOutcome, RuleRef, RuleStore, StoredRule};
use serde_json::Value;
use std::sync::Arc;

/// Rules in one request, at most (Powerstream: Introduction).
pub(crate) const RULES_A_REQUEST_MAX: usize = 100;

/// Which set of rules, and which of its resources.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Resource {
    Powerstream,
    Filtered,
    FilteredCounts,
}

/// The resource of this path.
pub(crate) fn resource(path: &str) -> Option<Resource> {
    match path {
        "/2/powerstream/rules" => Some(Resource::Powerstream),
        "/2/tweets/search/stream/rules" => Some(Resource::Filtered),
        "/2/tweets/search/stream/rules/counts" => Some(Resource::FilteredCounts),
        _ => None,
    }
}

impl Resource {
    pub(crate) fn allows(self, method: &str) -> bool {
        match self {
            Resource::Powerstream => matches!(method, "GET" | "POST" | "DELETE"),
            Resource::Filtered => matches!(method, "GET" | "POST"),
            Resource::FilteredCounts => method == "GET",
        }
    }

    pub(crate) fn allowed(self) -> &'static str {
        match self {
            Resource::Powerstream => "allow: GET, POST, DELETE\r\n",
            Resource::Filtered => "allow: GET, POST\r\n",
            Resource::FilteredCounts => "allow: GET\r\n",
        }
    }
}

/// What `not_deleted` is in Powerstream's answer to a deletion. Its page prints it without saying.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum NotDeleted {
    /// How many.
    #[default]
    Number,
    /// Which ones.
    List,
    /// It is left out.
    Absent,
}

/// What a set of rules may do beyond the rules themselves.
pub(crate) struct Options {
    pub(crate) not_deleted: NotDeleted,
    /// Powerstream stores the valid ones of a batch and reports the others; by default it stores all or none.
    pub(crate) partial: bool,
}

/// A status and a body.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: String,
}

impl Answer {
    fn ok(body: String) -> Answer {
        Answer { status: 200, body }
    }

    fn invalid(body: String) -> Answer {
        Answer { status: 400, body }
    }

    /// 400, with one thing that is wrong with a parameter or a field of the body.
    fn wrong(name: &str, value: &str, message: &str) -> Answer {
        let mut error = Vec::new();
        let mut json = Writer::new(&mut error, Style::default());
        json.raw(r#"{"parameters":{"#).string(name).raw(":[").string(value).raw("]},");
        json.raw(r#""message":"#).string(message).raw("}");
        Answer::invalid(query::invalid_request(&String::from_utf8_lossy(&error)))
    }
}

/// Answers a request whose method the resource allows.
pub(crate) fn answer(
    store: &RuleStore,
    resource: Resource,
    options: &Options,
    method: &str,
    query: &str,
    body: &[u8],
    unix_ms: u64,
) -> Answer {
    let result = match resource {
        Resource::Powerstream => powerstream::answer(store, options, method, query, body, unix_ms),
        Resource::Filtered => filtered::answer(store, method, query, body, unix_ms),
        Resource::FilteredCounts => filtered::counts(store, query),
    };
    result.unwrap_or_else(|refused| refused)
}

/// The body as a JSON object.
fn object(body: &[u8]) -> Result<serde_json::Map<String, Value>, Answer> {
    match serde_json::from_slice(body) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => Err(Answer::wrong("body", "", "The request body is not a JSON object")),
        Err(error) => {
            // What a parser says of a stranger's text is its own words and numbers.
            Err(Answer::wrong("body", "", &format!("The request body is not valid JSON: {error}")))
        }
    }
}

/// The rules of a list: from one to a hundred, each with a value and perhaps a tag.
fn rules_to_add(list: Option<&Value>, name: &str) -> Result<Vec<(String, Option<String>)>, Answer> {
    let list = list_of(list, name)?;
    let mut rules = Vec::new();
    for (n, rule) in list.iter().enumerate() {
        let place = format!("{name}[{n}]");
        let Some(value) = rule.get("value").and_then(Value::as_str) else {
            return Err(Answer::wrong(&format!("{place}.value"), "", "The `value` of a rule is a string"));
        };
        let tag = match rule.get("tag") {
            None | Some(Value::Null) => None,
            Some(Value::String(tag)) => Some(tag.clone()),
            Some(_) => {
                return Err(Answer::wrong(&format!("{place}.tag"), "", "The `tag` of a rule is a string"));
            }
        };
        rules.push((value.to_owned(), tag));
    }
    Ok(rules)
}

fn list_of<'a>(list: Option<&'a Value>, name: &str) -> Result<&'a [Value], Answer> {
    match list {
        Some(Value::Array(list)) if list.is_empty() => {
            Err(Answer::wrong(name, "", &format!("The `{name}` field can not be empty")))
        }
        Some(Value::Array(list)) if list.len() > RULES_A_REQUEST_MAX => Err(Answer::wrong(
            name,
            &list.len().to_string(),
            &format!("The `{name}` field has more than {RULES_A_REQUEST_MAX} elements"),
        )),
        Some(Value::Array(list)) => Ok(list),
        _ => Err(Answer::wrong(name, "", &format!("The `{name}` field is missing, or not a list"))),
    }
}

/// An id as a string, which it is, or as a number, which some clients make of it.
fn id(value: &Value) -> Option<RuleRef> {
    let id = match value {
        Value::String(text) if text.bytes().all(|b| b.is_ascii_digit()) => text.parse().ok(),
        Value::Number(number) => number.as_u64(),
        _ => None,
    };
    id.map(RuleRef::Id)
}

fn ids(list: Option<&Value>, name: &str) -> Result<Vec<RuleRef>, Answer> {
    let which = list_of(list, name)?.iter().map(id).collect::<Option<Vec<_>>>();
    which.ok_or_else(|| Answer::wrong(name, "", &format!("The `{name}` field is a list of ids")))
}

/// A rule as both products print it.
fn write_rule(json: &mut Writer<'_>, rule: &StoredRule) {
    json.raw("{\"id\":\"").number(rule.id).raw("\",\"value\":").string(&rule.value);
    if let Some(tag) = &rule.tag {
        json.raw(",\"tag\":").string(tag);
    }
    json.raw("}");
}

fn write_rules<'a>(json: &mut Writer<'_>, rules: impl Iterator<Item = &'a Arc<StoredRule>>) {
    for (n, rule) in rules.enumerate() {
        json.raw(if n > 0 { "," } else { "" });
        write_rule(json, rule);
    }
}

/// The list of what is wrong with rules that were to be added, as the Filtered Stream gives it. The entries for a duplicate and for
/// an invalid rule are recorded; that of a full set is made up after them, with PowerTrack's sentence.
fn write_errors(json: &mut Writer<'_>, rules: &[(String, Option<String>)], answers: &[AddOutcome]) {
    let mut comma = "";
    for ((value, _), answer) in rules.iter().zip(answers) {
        if matches!(answer, AddOutcome::Created(_)) {
            continue;
        }
        json.raw(comma).raw("{\"value\":").string(value);
        comma = ",";
        match answer {
            AddOutcome::Created(_) => {}
            AddOutcome::Duplicate(known) => {
                json.raw(",\"id\":\"").number(known.id).raw("\",\"title\":\"DuplicateRule\",");
                json.raw("\"type\":\"https://api.x.com/2/problems/duplicate-rules\"");
            }
            AddOutcome::Invalid(details) => {
                json.raw(",\"details\":[");
                for (n, detail) in details.iter().enumerate() {
                    json.raw(if n > 0 { "," } else { "" }).string(detail);
                }
                json.raw("],\"title\":\"UnprocessableEntity\",");
                json.raw("\"type\":\"https://api.x.com/2/problems/invalid-rules\"");
            }
            AddOutcome::Full => {
                json.raw(",\"title\":\"RuleCap\",\"detail\":\"Request exceeds account’s Rule Limit. ");
                json.raw("Delete rules or contact your account manager to proceed.\",");
                json.raw("\"type\":\"https://api.x.com/2/problems/rule-cap\"");
            }
        }
        json.raw("}");
    }
}

fn text(write: impl FnOnce(&mut Writer<'_>)) -> String {
    let mut out = Vec::new();
    write(&mut Writer::new(&mut out, Style::default()));
    // Everything that is written is text.
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests;
