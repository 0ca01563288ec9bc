//! What a message is, and which Post: the one place in the tool that asks.

use std::borrow::Cow;

use serde_json::Value;

/// The kind of a message, as a short stable name, and its id where it is a Post.
pub(crate) fn describe(message: &[u8]) -> (&'static str, Option<Cow<'_, str>>) {
    let Ok(value) = serde_json::from_slice::<Value>(message) else { return ("malformed", None) };
    // The documentation's sample wraps its Post in an array.
    let value = match &value {
        Value::Array(elements) => elements.first().unwrap_or(&Value::Null),
        other => other,
    };
    let id = |of: &Value| match (&of["id_str"], &of["id"]) {
        (Value::String(id), _) | (_, Value::String(id)) => Some(Cow::Owned(id.clone())),
        (_, Value::Number(id)) => Some(Cow::Owned(id.to_string())),
        _ => None,
    };
    if value["type"] == "connection_metadata" {
        return ("connection_metadata", None);
    }
    if value["data"].is_object() {
        return ("post", id(&value["data"]));
    }
    if value["errors"].is_array() {
        return ("error", None);
    }
    let is_post = ["text", "full_text", "user", "created_at"].iter().any(|key| !value[key].is_null());
    match id(value) {
        Some(id) if is_post => ("post", Some(id)),
        _ => ("unknown", None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn posts_are_told_from_the_rest() {
        for (message, kind, id) in [
            (r#"{"data":{"id":"20","text":"just setting up my twttr"}}"#, "post", Some("20")),
            (r#"{"id":20,"id_str":"20","text":"just setting up my twttr"}"#, "post", Some("20")),
            (r#"[{"id":20,"text":"just setting up my twttr"}]"#, "post", Some("20")),
            (r#"{"type":"connection_metadata","datacenter":"atla"}"#, "connection_metadata", None),
            (r#"{"errors":[{"title":"operational-disconnect"}]}"#, "error", None),
            (r#"{"id":"20"}"#, "unknown", None),
            ("[]", "unknown", None),
            ("{", "malformed", None),
        ] {
            assert_eq!(describe(message.as_bytes()), (kind, id.map(Cow::Borrowed)), "{message}");
        }
    }
}
