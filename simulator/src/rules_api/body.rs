//! Parsing of request bodies: the fields that both products share.

use serde_json::Value;

use super::answer::Answer;
use crate::rule_store::RuleRef;

/// The most rules in one request (page "Powerstream: Introduction").
pub(crate) const RULES_A_REQUEST_MAX: usize = 100;

/// Parses the body as a JSON object.
pub(super) fn object(body: &[u8]) -> Result<serde_json::Map<String, Value>, Answer> {
    match serde_json::from_slice(body) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => Err(Answer::wrong("body", "", "The request body is not a JSON object")),
        Err(error) => {
            // The parser's message contains none of the client's text.
            Err(Answer::wrong("body", "", &format!("The request body is not valid JSON: {error}")))
        }
    }
}

/// Parses a list of rules to add: one to a hundred, each with a value and an optional tag.
pub(super) fn rules_to_add(
    list: Option<&Value>,
    name: &str,
) -> Result<Vec<(String, Option<String>)>, Answer> {
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

pub(super) fn list_of<'a>(list: Option<&'a Value>, name: &str) -> Result<&'a [Value], Answer> {
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

/// Parses an id. It is a string, but some clients send a number.
pub(super) fn id(value: &Value) -> Option<RuleRef> {
    let id = match value {
        Value::String(text) if text.bytes().all(|b| b.is_ascii_digit()) => text.parse().ok(),
        Value::Number(number) => number.as_u64(),
        _ => None,
    };
    id.map(RuleRef::Id)
}

pub(super) fn ids(list: Option<&Value>, name: &str) -> Result<Vec<RuleRef>, Answer> {
    let which = list_of(list, name)?.iter().map(id).collect::<Option<Vec<_>>>();
    which.ok_or_else(|| Answer::wrong(name, "", &format!("The `{name}` field is a list of ids")))
}
