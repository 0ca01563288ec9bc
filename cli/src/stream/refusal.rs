//! A refusal: what it means, and the server's own words.

use powerstream_core::session::{RefusalKind, Refused};
use serde_json::Value;

use crate::text::Printable;

/// Most characters shown of them.
const SHOWN_MAX: usize = 300;

/// All that is to be told of it, on one line.
pub(super) fn told(refused: &Refused<'_>) -> String {
    let mut told = refused.refusal.to_string();
    if refused.refusal.kind == RefusalKind::Redirect {
        told += &match refused.head.field("location") {
            Some(bytes) => format!("; it is {}", Printable { bytes, characters_max: SHOWN_MAX }),
            None => String::from("; the server names none"),
        };
    }
    if let Some(words) = own_words(refused.document) {
        told += "; the server says: ";
        told += &words;
    }
    told
}

/// What the document that came with a refusal says, escaped and capped; `None` where it says nothing.
///
/// X has more than one form: a problem with `title` and `detail`, and `errors` of such or of `message`s, which say more.
fn own_words(document: &[u8]) -> Option<String> {
    let shown = |bytes: &[u8]| Printable { bytes, characters_max: SHOWN_MAX }.to_string();
    let words = match serde_json::from_slice::<Value>(document) {
        Ok(value) => {
            words(&value["errors"][0]).or_else(|| words(&value)).map(|words| shown(words.as_bytes()))
        }
        Err(_) => None,
    };
    words.or_else(|| Some(document.trim_ascii()).filter(|document| !document.is_empty()).map(shown))
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
            assert_eq!(own_words(document.as_bytes()).as_deref(), want, "{document}");
        }
        let long = own_words(&[b'x'; 60_000]).unwrap();
        assert_eq!(long.len(), SHOWN_MAX + 3);
    }
}
