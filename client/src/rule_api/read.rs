//! Lenient JSON reading. Numbers keep every digit, so that long ids are not rounded.

use std::string::{String, ToString};

use powerstream_core::post::{Value, ValueKind};
use powerstream_core::stream::validate;

/// Parses the object in a body. Returns `None` if it is not UTF-8 or nested too deep.
pub(crate) fn document(body: &[u8]) -> Option<Value<'_>> {
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    validate(body).ok()?;
    Value::new(body).filter(|value| value.kind() == ValueKind::Object)
}

/// Returns a text, or the digits of a number, since ids come as either.
pub(crate) fn text_of(value: Value<'_>) -> Option<String> {
    value.as_str().map(|text| text.to_string()).or_else(|| value.as_number().map(ToString::to_string))
}

/// Returns the text of an object's member.
pub(crate) fn text_in(value: Value<'_>, key: &str) -> Option<String> {
    value.get(key).and_then(text_of)
}

/// Returns the id of a rule: `id_str`, else `id`, which an intermediary may have rounded.
pub(crate) fn id_of(value: Value<'_>) -> Option<String> {
    ["id_str", "id"].into_iter().find_map(|key| text_in(value, key).filter(|id| !id.is_empty()))
}

/// Returns the elements of a member, or none if the member is not an array.
pub(crate) fn list<'a>(value: Value<'a>, key: &str) -> impl Iterator<Item = Value<'a>> + use<'a> {
    value.get(key).into_iter().flat_map(|list| list.elements())
}

/// Returns a count, which may come as a text.
pub(crate) fn count_of(value: Value<'_>) -> Option<u64> {
    match value.kind() {
        ValueKind::Number => value.as_u64(),
        ValueKind::String => value.as_str()?.to_string().parse().ok(),
        ValueKind::Array => Some(value.elements().count() as u64),
        _ => None,
    }
}
