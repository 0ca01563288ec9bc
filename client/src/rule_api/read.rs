//! JSON read leniently: what a member may be written as.

use std::borrow::ToOwned;
use std::string::{String, ToString};

use serde_json::Value;

/// The object that a body holds. Depth is bounded by the parser; what is not UTF-8 is no JSON.
pub(super) fn document(body: &[u8]) -> Option<Value> {
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    serde_json::from_slice(body).ok().filter(Value::is_object)
}

/// A text, or a number as a text: ids come as either.
pub(super) fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.to_owned()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// A count, which may come as a text.
pub(super) fn count_of(value: &Value) -> Option<u64> {
    match value {
        Value::Number(number) => number.as_u64(),
        Value::String(text) => text.parse().ok(),
        Value::Array(list) => Some(list.len() as u64),
        _ => None,
    }
}
