//! `/2/tweets/search/stream/rules`, with dry runs, and `/counts`. The formats follow X's pages and
//! recorded responses.

use std::collections::HashSet;

use serde_json::Value;

use super::answer::{Answer, text, write_errors, write_rules};
use super::body::{ids, list_of, object, rules_to_add};
use crate::request::query;
use crate::rule_store::{AddOutcome, RuleRef, RuleStore};
use crate::time;

/// The most rules on a page of the list, and the default.
const PAGE_MAX: usize = 1_000;

pub(super) fn answer(
    store: &RuleStore,
    method: &str,
    query: &str,
    body: &[u8],
    unix_ms: u64,
) -> Result<Answer, Answer> {
    if method == "GET" { list(store, query, unix_ms) } else { change(store, query, body, unix_ms) }
}

fn list(store: &RuleStore, query: &str, unix_ms: u64) -> Result<Answer, Answer> {
    let mut rules = store.list();
    let (mut most, mut from) = (PAGE_MAX, 0);
    for (name, value) in
        query::only(query, &["ids", "max_results", "pagination_token"]).map_err(Answer::invalid)?
    {
        let wrong = |wanted: &str| Answer::invalid(query::wrong_value(&name, &value, wanted));
        match &*name {
            "max_results" => {
                let number = value.parse().ok().filter(|number| (1..=PAGE_MAX).contains(number));
                most = number.ok_or_else(|| wrong("between 1 and 1000"))?;
            }
            // X's token has sixteen digits of base 32; this one has sixteen digits of base 16.
            "pagination_token" => {
                let offset = usize::from_str_radix(&value, 16).ok().filter(|_| value.len() == 16);
                from = offset.ok_or_else(|| wrong("a token of this list"))?;
            }
            _ => {
                let ids: Option<HashSet<u64>> = value.split(',').map(|id| id.parse().ok()).collect();
                let ids = ids.ok_or_else(|| wrong("a list of ids"))?;
                rules.retain(|rule| ids.contains(&rule.id));
            }
        }
    }
    let end = rules.len().min(from.saturating_add(most));
    let page = rules.get(from..end).unwrap_or_default();
    Ok(Answer::ok(text(|json| {
        json.raw("{");
        // The list is absent if it is empty.
        if !page.is_empty() {
            json.raw("\"data\":[");
            write_rules(json, page.iter());
            json.raw("],");
        }
        json.raw("\"meta\":{\"sent\":").string(&time::iso(unix_ms));
        json.raw(",\"result_count\":").number(page.len() as u64);
        if end < rules.len() {
            json.raw(",\"next_token\":").string(&format!("{end:016X}"));
        }
        json.raw("}}");
    })))
}

fn change(store: &RuleStore, query: &str, body: &[u8], unix_ms: u64) -> Result<Answer, Answer> {
    let (mut dry_run, mut delete_all) = (false, false);
    for (name, value) in query::only(query, &["dry_run", "delete_all"]).map_err(Answer::invalid)? {
        let flag = match &*value {
            "true" => true,
            "false" => false,
            _ => return Err(Answer::invalid(query::wrong_value(&name, &value, "one of [true,false]"))),
        };
        if name == "dry_run" {
            dry_run = flag;
        } else {
            delete_all = flag;
        }
    }
    if delete_all {
        let which: Vec<RuleRef> = store.list().iter().map(|rule| RuleRef::Id(rule.id)).collect();
        let deleted = if dry_run { vec![true; which.len()] } else { store.delete(&which) };
        return Ok(Answer::ok(deletion(&deleted, unix_ms)));
    }
    let body = object(body)?;
    match (body.get("add"), body.get("delete")) {
        (Some(_), Some(_)) | (None, None) => {
            Err(Answer::wrong("body", "", "The request body needs exactly one of `add` and `delete`"))
        }
        (Some(list), None) => {
            let rules = rules_to_add(Some(list), "add")?;
            let answers = store.add(&rules, false, dry_run);
            let accepted = answers
                .iter()
                .any(|answer| matches!(answer, AddOutcome::Created(_) | AddOutcome::Duplicate(_)));
            // Recorded: 201, also for duplicates, but 200 if all rules are invalid.
            let status = if accepted { 201 } else { 200 };
            Ok(Answer { status, body: added(&rules, &answers, unix_ms, false) })
        }
        (None, Some(named)) => {
            let which = match (named.get("ids"), named.get("values")) {
                (Some(list), None) => ids(Some(list), "ids")?,
                (None, Some(list)) => {
                    let value = |value: &Value| value.as_str().map(|value| RuleRef::Value(value.to_owned()));
                    let values = list_of(Some(list), "values")?;
                    values.iter().map(value).collect::<Option<Vec<_>>>().ok_or_else(|| {
                        Answer::wrong("values", "", "The `values` field is a list of strings")
                    })?
                }
                _ => {
                    return Err(Answer::wrong(
                        "delete",
                        "",
                        "The `delete` field needs exactly one of `ids` and `values`",
                    ));
                }
            };
            let deleted = if dry_run {
                let rules = store.list();
                let is_there = |which: &RuleRef| match which {
                    RuleRef::Id(id) => rules.iter().any(|rule| rule.id == *id),
                    RuleRef::Value(value) => rules.iter().any(|rule| rule.value == *value),
                };
                which.iter().map(is_there).collect()
            } else {
                store.delete(&which)
            };
            Ok(Answer::ok(deletion(&deleted, unix_ms)))
        }
    }
}

/// Returns the response to an addition. A duplicate counts as invalid. With `refused`, no rule was
/// stored.
pub(super) fn added(
    rules: &[(String, Option<String>)],
    answers: &[AddOutcome],
    unix_ms: u64,
    refused: bool,
) -> String {
    let count = |of: fn(&AddOutcome) -> bool| answers.iter().filter(|answer| of(answer)).count() as u64;
    let created = if refused { 0 } else { count(|answer| matches!(answer, AddOutcome::Created(_))) };
    let valid = count(|answer| matches!(answer, AddOutcome::Created(_) | AddOutcome::Full));
    let all = answers.len() as u64;
    text(|json| {
        json.raw("{");
        if created > 0 {
            json.raw("\"data\":[");
            let created = answers.iter().filter_map(|answer| match answer {
                AddOutcome::Created(rule) => Some(rule),
                _ => None,
            });
            write_rules(json, created);
            json.raw("],");
        }
        json.raw("\"meta\":{\"sent\":").string(&time::iso(unix_ms)).raw(",\"summary\":{\"created\":");
        json.number(created).raw(",\"not_created\":").number(all - created);
        json.raw(",\"valid\":").number(valid).raw(",\"invalid\":").number(all - valid).raw("}}");
        if answers.iter().any(|answer| !matches!(answer, AddOutcome::Created(_))) {
            json.raw(",\"errors\":[");
            write_errors(json, rules, answers);
            json.raw("]");
        }
        json.raw("}");
    })
}

fn deletion(deleted: &[bool], unix_ms: u64) -> String {
    let count = deleted.iter().filter(|deleted| **deleted).count() as u64;
    text(|json| {
        json.raw("{\"meta\":{\"sent\":").string(&time::iso(unix_ms)).raw(",\"summary\":{\"deleted\":");
        json.number(count).raw(",\"not_deleted\":").number(deleted.len() as u64 - count).raw("}}}");
    })
}

/// Returns the number of rules and its limit. Limits are strings, as in the API description.
pub(super) fn counts(store: &RuleStore, query: &str) -> Result<Answer, Answer> {
    query::only(query, &["rules_count.fields"]).map_err(Answer::invalid)?;
    let (cap, count) = (store.rules_max() as u64, store.len() as u64);
    Ok(Answer::ok(text(|json| {
        json.raw("{\"data\":{\"cap_per_client_app\":\"").number(cap);
        json.raw("\",\"cap_per_project\":\"").number(cap);
        json.raw("\",\"client_app_rules_count\":{\"client_app_id\":\"1\",\"rule_count\":").number(count);
        json.raw("},\"project_rules_count\":\"").number(count);
        json.raw("\",\"all_project_client_apps\":[{\"client_app_id\":\"1\",\"rule_count\":")
            .number(count)
            .raw("}]}}");
    })))
}
