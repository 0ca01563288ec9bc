//! `/2/powerstream/rules`. Successful responses follow X's page "Powerstream: Introduction". Errors
//! are those of the Filtered Stream, with status 400.

use serde_json::Value;

use super::answer::{Answer, text, write_errors, write_rules};
use super::body::{id, ids, list_of, object, rules_to_add};
use super::filtered;
use super::options::{NotDeleted, Options};
use crate::request::query;
use crate::rule_store::{AddOutcome, RuleRef, RuleStore};

pub(super) fn answer(
    store: &RuleStore,
    options: &Options,
    method: &str,
    query: &str,
    body: &[u8],
    unix_ms: u64,
) -> Result<Answer, Answer> {
    // A heading of X's page says that a deletion is a POST. In PowerTrack, such a POST names its
    // method.
    let named =
        query::only(query, if method == "POST" { &["_method"] } else { &[] }).map_err(Answer::invalid)?;
    let deletes = match named.first() {
        None => method == "DELETE",
        Some((_, named)) if named == "delete" => true,
        Some((name, value)) => {
            return Err(Answer::invalid(query::wrong_value(name, value, "one of [delete]")));
        }
    };
    match method {
        "GET" => Ok(Answer::ok(text(|json| {
            json.raw("{\"data\":{\"rules\":[");
            write_rules(json, store.list().iter());
            json.raw("]}}");
        }))),
        _ if deletes => delete(store, options, body),
        _ => add(store, options, body, unix_ms),
    }
}

fn add(store: &RuleStore, options: &Options, body: &[u8], unix_ms: u64) -> Result<Answer, Answer> {
    let body = object(body)?;
    let rules = rules_to_add(body.get("rules"), "rules")?;
    let answers = store.add(&rules, !options.partial, false);
    let is_refused = |answer: &AddOutcome| matches!(answer, AddOutcome::Invalid(_) | AddOutcome::Full);
    let refused = answers.iter().any(is_refused);
    if refused && !options.partial {
        return Ok(Answer::invalid(filtered::added(&rules, &answers, unix_ms, true)));
    }
    // A duplicate is answered with the existing rule, so the client has its id.
    let stored = || {
        answers.iter().filter_map(|answer| match answer {
            AddOutcome::Created(rule) | AddOutcome::Duplicate(rule) => Some(rule),
            _ => None,
        })
    };
    let body = text(|json| {
        json.raw("{\"data\":{\"rules\":[");
        write_rules(json, stored());
        json.raw("]}");
        if refused {
            let (rules, refused): (Vec<_>, Vec<_>) =
                rules.iter().cloned().zip(answers.iter()).filter(|(_, answer)| is_refused(answer)).unzip();
            json.raw(",\"errors\":[");
            let mut comma = "";
            for (rule, refused) in rules.iter().zip(refused) {
                json.raw(comma);
                write_errors(json, std::slice::from_ref(rule), std::slice::from_ref(refused));
                comma = ",";
            }
            json.raw("]");
        }
        json.raw("}");
    });
    Ok(Answer { status: 201, body })
}

fn delete(store: &RuleStore, options: &Options, body: &[u8]) -> Result<Answer, Answer> {
    let body = object(body)?;
    // X's page shows rules with their values and recommends ids. A rule with an id only and
    // PowerTrack's `rule_ids` are accepted, too.
    let which = match body.get("rule_ids") {
        Some(list) => ids(Some(list), "rule_ids")?,
        None => {
            let rule = |rule: &Value| match rule.get("id") {
                Some(named) => id(named),
                None => {
                    rule.get("value").and_then(Value::as_str).map(|value| RuleRef::Value(value.to_owned()))
                }
            };
            let list = list_of(body.get("rules"), "rules")?;
            list.iter()
                .map(rule)
                .collect::<Option<Vec<_>>>()
                .ok_or_else(|| Answer::wrong("rules", "", "Each of the `rules` needs an `id` or a `value`"))?
        }
    };
    let deleted = store.delete(&which);
    let count = deleted.iter().filter(|deleted| **deleted).count() as u64;
    Ok(Answer::ok(text(|json| {
        json.raw("{\"data\":{\"deleted\":").number(count);
        match options.not_deleted {
            NotDeleted::Absent => {}
            NotDeleted::Number => {
                json.raw(",\"not_deleted\":").number(deleted.len() as u64 - count);
            }
            NotDeleted::List => {
                json.raw(",\"not_deleted\":[");
                let mut comma = "";
                for (which, _) in which.iter().zip(&deleted).filter(|(_, deleted)| !**deleted) {
                    json.raw(comma);
                    match which {
                        RuleRef::Id(id) => json.raw("{\"id\":\"").number(*id).raw("\"}"),
                        RuleRef::Value(value) => json.raw("{\"value\":").string(value).raw("}"),
                    };
                    comma = ",";
                }
                json.raw("]");
            }
        }
        json.raw("}}");
    })))
}
