//! The kind of a message as a short stable name, and its Post id. All commands use this module.

use powerstream_core::stream::{Classification, Kind, PostId, System, classify, elements};

/// The kind of a message, and the id if it is a Post. An array with exactly one Post, as in the
/// documentation's sample, counts as that Post.
pub(crate) fn describe(message: &[u8]) -> (&'static str, Option<PostId>) {
    let class = classify(message);
    if class.kind == Kind::Array
        && let Some(post) = sole_post(message)
    {
        return (name(&post.kind), post.post_id);
    }
    (name(&class.kind), class.post_id)
}

/// Returns the Post of an array with one element.
fn sole_post(array: &[u8]) -> Option<Classification> {
    let mut elements = elements(array);
    let element = elements.next()?.ok()?;
    if elements.next().is_some() {
        return None;
    }
    Some(classify(element)).filter(Classification::is_post)
}

/// Returns the name of a kind.
pub(crate) const fn name(kind: &Kind) -> &'static str {
    match kind {
        Kind::Post { .. } => "post",
        Kind::Envelope { .. } => "envelope",
        Kind::Array => "array",
        Kind::ConnectionMetadata => "connection_metadata",
        Kind::StreamError(_) => "stream_error",
        Kind::Problem(_) => "problem",
        Kind::System(System::Error) => "system_error",
        Kind::System(System::Warn) => "system_warn",
        Kind::System(System::Info) => "system_info",
        Kind::Disconnect { .. } => "disconnect",
        Kind::Warning => "warning",
        Kind::Limit { .. } => "limit",
        Kind::Compliance { .. } => "compliance",
        Kind::UserStream => "user_stream",
        Kind::Malformed(_) => "malformed",
        // `Kind::Unknown`, and kinds that a newer core may add.
        _ => "unknown",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_every_kind() {
        for (message, kind, id) in [
            (r#"{"data":{"id":"20","text":"just setting up my twttr"}}"#, "post", Some(20)),
            (r#"{"id":20,"id_str":"20","text":"just setting up my twttr"}"#, "post", Some(20)),
            (r#"{"id":"x","text":""}"#, "post", None),
            (r#"[{"id":20,"text":"just setting up my twttr"}]"#, "post", Some(20)),
            (r#"[{"id":20,"text":""},{"id":21,"text":""}]"#, "array", None),
            (r#"[{"id":20,"text":""},"#, "array", None),
            (r#"[{"type":"connection_metadata"}]"#, "array", None),
            ("[]", "array", None),
            (r#"{"data":{"text":"no id"}}"#, "envelope", None),
            (r#"{"type":"connection_metadata","datacenter":"atla"}"#, "connection_metadata", None),
            (r#"{"errors":[{"title":"operational-disconnect"}]}"#, "stream_error", None),
            (r#"{"title":"Unauthorized","type":"about:blank","status":401}"#, "problem", None),
            (r#"{"error":{"message":"Forced Disconnect"}}"#, "system_error", None),
            (r#"{"warn":{"message":"slow"}}"#, "system_warn", None),
            (r#"{"info":{"message":"Replay Request Completed"}}"#, "system_info", None),
            (r#"{"disconnect":{"code":4}}"#, "disconnect", None),
            (r#"{"warning":{"code":"FALLING_BEHIND"}}"#, "warning", None),
            (r#"{"limit":{"track":7}}"#, "limit", None),
            (r#"{"delete":{"status":{"id":1}}}"#, "compliance", None),
            (r#"{"friends":[1]}"#, "user_stream", None),
            (r#"{"id":"20"}"#, "unknown", None),
            ("{", "malformed", None),
        ] {
            assert_eq!(describe(message.as_bytes()), (kind, id.map(PostId::new)), "{message}");
        }
    }
}
