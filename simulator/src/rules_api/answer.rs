//! Responses, and the JSON that both products share.

use std::sync::Arc;

use crate::generator::json::{Style, Writer};
use crate::request::query;
use crate::rule_store::{AddOutcome, StoredRule};

/// The status and the body of a response.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: String,
}

impl Answer {
    pub(super) fn ok(body: String) -> Self {
        Self { status: 200, body }
    }

    pub(super) fn invalid(body: String) -> Self {
        Self { status: 400, body }
    }

    /// Creates a 400 response for an invalid parameter or body field.
    pub(super) fn wrong(name: &str, value: &str, message: &str) -> Self {
        let mut error = Vec::new();
        let mut json = Writer::new(&mut error, Style::default());
        json.raw(r#"{"parameters":{"#).string(name).raw(":[").string(value).raw("]},");
        json.raw(r#""message":"#).string(message).raw("}");
        Self::invalid(query::invalid_request(&String::from_utf8_lossy(&error)))
    }
}

/// Writes a rule in the format of both products.
pub(super) fn write_rule(json: &mut Writer<'_>, rule: &StoredRule) {
    json.raw("{\"id\":\"").number(rule.id).raw("\",\"value\":").string(&rule.value);
    if let Some(tag) = &rule.tag {
        json.raw(",\"tag\":").string(tag);
    }
    json.raw("}");
}

pub(super) fn write_rules<'a>(json: &mut Writer<'_>, rules: impl Iterator<Item = &'a Arc<StoredRule>>) {
    for (n, rule) in rules.enumerate() {
        json.raw(if n > 0 { "," } else { "" });
        write_rule(json, rule);
    }
}

/// Writes the errors of rules that could not be added, as the Filtered Stream does. The entries for
/// a duplicate and for an invalid rule are recorded. The one for reaching the limit follows them,
/// with PowerTrack's text.
pub(super) fn write_errors(
    json: &mut Writer<'_>,
    rules: &[(String, Option<String>)],
    answers: &[AddOutcome],
) {
    let mut comma = "";
    for ((value, _), answer) in rules.iter().zip(answers) {
        if matches!(answer, AddOutcome::Created(_)) {
            continue;
        }
        json.raw(comma).raw("{\"value\":").string(value);
        comma = ",";
        match answer {
            AddOutcome::Created(_) => unreachable!("skipped above"),
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

pub(super) fn text(write: impl FnOnce(&mut Writer<'_>)) -> String {
    let mut out = Vec::new();
    write(&mut Writer::new(&mut out, Style::default()));
    // Everything written is UTF-8.
    String::from_utf8_lossy(&out).into_owned()
}
