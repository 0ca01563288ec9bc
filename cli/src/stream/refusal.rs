//! The text of a refusal: its meaning, and the server's own words.

use powerstream_core::http::document_text;
use powerstream_core::session::{RefusalKind, Refused};
use serde_json::Value;

use crate::text::{Printable, new_address};

/// The limit of characters shown of these words.
const SHOWN_MAX: usize = 300;

/// Returns the refusal as one line.
pub(super) fn describe(refused: &Refused<'_>) -> String {
    let mut text = refused.refusal.to_string();
    if refused.refusal.kind == RefusalKind::Redirect {
        text += &new_address(refused.head.field("location"));
    }
    if let Some(unread) = refused.head.unread_body() {
        let unread = unread.to_string();
        text += &format!("; {}", Printable { bytes: unread.as_bytes(), characters_max: SHOWN_MAX });
    }
    text + &own_words(refused.document)
}

/// Returns the message in the body of a refusal, escaped and limited. Empty if there is none.
///
/// X has several forms: a problem with `title` and `detail`, and `errors` with such problems or
/// with `message`s, which say more.
fn own_words(document: &[u8]) -> String {
    let Some(text) = document_text(document) else {
        return format!("; its body is not text ({} bytes)", document.len());
    };
    let words = match serde_json::from_str::<Value>(text) {
        Ok(value) => words(&value["errors"][0]).or_else(|| words(&value)),
        Err(_) => None,
    };
    let words = words.as_deref().unwrap_or(text.trim_ascii());
    if words.is_empty() {
        return String::new();
    }
    format!("; the server says: {}", Printable { bytes: words.as_bytes(), characters_max: SHOWN_MAX })
}

fn words(problem: &Value) -> Option<String> {
    let text = |key: &str| problem[key].as_str().filter(|text| !text.is_empty());
    match (text("title"), text("detail").or(text("message"))) {
        (Some(title), Some(detail)) if title != detail => Some(format!("{title}: {detail}")),
        (title, detail) => detail.or(title).map(String::from),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extracts_the_message_from_every_error_format() {
        for (document, want) in [
            (
                r#"{"title":"Unauthorized","type":"about:blank","detail":"Unauthorized"}"#,
                Some("Unauthorized"),
            ),
            (
                r#"{"title":"ConnectionException","detail":"At the limit."}"#,
                Some("ConnectionException: At the limit."),
            ),
            (r#"{"errors":[{"code":88,"message":"Rate limit exceeded"}]}"#, Some("Rate limit exceeded")),
            (
                r#"{"errors":[{"message":"'x' is no parameter"}],"title":"Invalid Request"}"#,
                Some("'x' is no parameter"),
            ),
            (r#"{"other":1}"#, Some(r#"{"other":1}"#)),
            ("<html>\r\n", Some("<html>")),
            ("\u{1b}[2J", Some(r"\u{1b}[2J")),
            (r#"{"title":"\u001b[2J"}"#, Some(r"\u{1b}[2J")),
            ("", None),
            (" \r\n", None),
        ] {
            let want = want.map(|want| format!("; the server says: {want}")).unwrap_or_default();
            assert_eq!(own_words(document.as_bytes()), want, "{document}");
        }
        let long = own_words(&[b'x'; 60_000]);
        assert_eq!(long.len(), "; the server says: ".len() + SHOWN_MAX + 3);
    }

    #[test]
    fn names_a_binary_document_instead_of_printing_it() {
        for (document, bytes) in
            [(&b"\x1f\x8b\x08\0\0"[..], 5), (b"{\"title\":\"\xff\"}", 13), (b"<\0h\0", 4), (b"\x9b2J", 3)]
        {
            assert_eq!(own_words(document), format!("; its body is not text ({bytes} bytes)"));
        }
    }
}
