//! A Post for people: when, who, and what they say, on one line.

use std::io::{self, Write};

use powerstream_core::stream::PostId;
use serde_json::Value;

use crate::text::Printable;
use crate::utc::utc;

/// Most characters shown of a name and of a text: the longest Posts have 25,000.
const NAME_MAX: usize = 50;
const TEXT_MAX: usize = 1_000;

#[derive(Clone, Copy, Debug)]
pub(super) struct Style {
    pub(super) is_colored: bool,
}

impl Style {
    const fn of(self, code: &'static str) -> &'static str {
        if self.is_colored { code } else { "" }
    }
}

/// Writes the line, without its end.
pub(super) fn write(
    post: &[u8],
    id: Option<PostId>,
    style: Style,
    writer: &mut impl Write,
) -> io::Result<()> {
    let value: Value = serde_json::from_slice(post).unwrap_or_default();
    let post = Post::of(&value);
    let when = match id.and_then(PostId::created_at) {
        Some(created_at) => utc(created_at),
        None => Printable { bytes: post.created_at.as_bytes(), characters_max: NAME_MAX }.to_string(),
    };
    let (dim, bold, plain) = (style.of("\x1b[2m"), style.of("\x1b[1m"), style.of("\x1b[0m"));
    let author = Printable { bytes: post.author.as_bytes(), characters_max: NAME_MAX };
    let text = one_line(&post.text);
    let text = Printable { bytes: text.as_bytes(), characters_max: TEXT_MAX };
    write!(writer, "{dim}{when}{plain} {bold}{author}{plain} {text}")
}

/// What is shown of a Post of either format.
struct Post<'a> {
    author: String,
    created_at: &'a str,
    text: String,
}

impl<'a> Post<'a> {
    fn of(value: &'a Value) -> Self {
        let data = &value["data"];
        if data.is_object() {
            let author = username(value, &data["author_id"]).or(data["author_id"].as_str());
            return Self {
                author: author.map(|author| format!("@{author}")).unwrap_or_default(),
                created_at: data["created_at"].as_str().unwrap_or_default(),
                text: data["note_tweet"]["text"]
                    .as_str()
                    .or(data["text"].as_str())
                    .unwrap_or_default()
                    .to_owned(),
            };
        }
        // The text of a Retweet is cut off; the one in the original is not.
        let original = &value["retweeted_status"];
        let text = if original.is_object() {
            format!("RT {}: {}", author(original), text(original))
        } else {
            text(value).to_owned()
        };
        Self { author: author(value), created_at: value["created_at"].as_str().unwrap_or_default(), text }
    }
}

/// The name of a v2 Post's author, which is among the expansions if they were asked for.
fn username<'a>(value: &'a Value, author_id: &Value) -> Option<&'a str> {
    let users = value["includes"]["users"].as_array()?;
    users.iter().find(|user| user["id"] == *author_id)?["username"].as_str()
}

fn author(post: &Value) -> String {
    post["user"]["screen_name"].as_str().map(|name| format!("@{name}")).unwrap_or_default()
}

fn text(post: &Value) -> &str {
    let full = post["extended_tweet"]["full_text"].as_str().or(post["full_text"].as_str());
    full.or(post["text"].as_str()).unwrap_or_default()
}

/// The text with its lines joined, and the three characters that X escapes as HTML does as themselves.
fn one_line(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    words.join(" ").replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pretty(post: &str, id: Option<u64>, is_colored: bool) -> String {
        let mut line = Vec::new();
        write(post.as_bytes(), id.map(PostId::new), Style { is_colored }, &mut line).unwrap();
        String::from_utf8(line).unwrap()
    }

    #[test]
    fn renders_legacy_and_v2_posts() {
        for (post, id, line) in [
            (
                r#"{"id":20,"created_at":"Tue Mar 21 20:50:14 +0000 2006","text":"just\nsetting up &amp;lt;","user":{"screen_name":"jack"}}"#,
                Some(20),
                "Tue Mar 21 20:50:14 +0000 2006 @jack just setting up &lt;",
            ),
            (
                r#"{"text":"cut..","extended_tweet":{"full_text":"whole"},"user":{"screen_name":"a"}}"#,
                Some(1_050_118_621_198_921_728),
                "2018-10-10 20:19:24 @a whole",
            ),
            (
                r#"{"text":"RT @b: cu..","user":{"screen_name":"a"},"retweeted_status":{"text":"whole","user":{"screen_name":"b"}}}"#,
                Some(1_050_118_621_198_921_728),
                "2018-10-10 20:19:24 @a RT @b: whole",
            ),
            (
                r#"{"data":{"id":"20","text":"v2","author_id":"7","created_at":"then"},"includes":{"users":[{"id":"7","username":"c"}]}}"#,
                Some(20),
                "then @c v2",
            ),
            (r#"{"data":{"id":"20","text":"v2"}}"#, None, "  v2"),
            ("no JSON", None, "  "),
        ] {
            assert_eq!(pretty(post, id, false), line);
        }
    }

    #[test]
    fn escapes_terminal_controls_in_post_texts() {
        let post = r#"{"text":"\u001b]0;owned\u0007 \u202e\u009b2J","user":{"screen_name":"\u001b[2J"},"created_at":"\u001b"}"#;
        let line = pretty(post, None, false);
        assert_eq!(line, r"\u{1b} @\u{1b}[2J \u{1b}]0;owned\u{7} \u{202e}\u{9b}2J");
        let long = format!(r#"{{"text":"{}"}}"#, "x".repeat(30_000));
        assert!(pretty(&long, None, false).ends_with("xxx...") && pretty(&long, None, false).len() < 1_100);
    }

    #[test]
    fn colors_only_when_asked() {
        assert_eq!(pretty(r#"{"text":"a"}"#, None, true), "\x1b[2m\x1b[0m \x1b[1m\x1b[0m a");
        assert!(!pretty(r#"{"text":"a"}"#, None, false).contains('\x1b'));
    }
}
