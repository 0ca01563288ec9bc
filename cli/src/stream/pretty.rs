//! A Post on one human-readable line: time, author and text. Unreadable characters become U+FFFD.

use std::borrow::Cow;
use std::io::{self, Write};

use powerstream_core::post::{JsonStr, Post};
use powerstream_core::stream::PostId;

use crate::text::Printable;
use crate::utc::utc;

/// The limit of characters written of a name and of a text. The longest Posts have 25,000.
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

/// Writes the line without its end.
pub(super) fn write(
    post: &[u8],
    id: Option<PostId>,
    style: Style,
    writer: &mut impl Write,
) -> io::Result<()> {
    let post = Post::new(post);
    let when = match id.and_then(PostId::created_at) {
        Some(created_at) => utc(created_at),
        None => {
            Printable { bytes: decoded(post.created_at()).as_bytes(), characters_max: NAME_MAX }.to_string()
        }
    };
    let (dim, bold, plain) = (style.of("\x1b[2m"), style.of("\x1b[1m"), style.of("\x1b[0m"));
    let author = author(&post);
    let author = Printable { bytes: author.as_bytes(), characters_max: NAME_MAX };
    let text = one_line(&text(&post));
    let text = Printable { bytes: text.as_bytes(), characters_max: TEXT_MAX };
    write!(writer, "{dim}{when}{plain} {bold}{author}{plain} {text}")
}

/// Returns the author's name. For a v2 Post without expansions, returns the id.
fn author(post: &Post<'_>) -> String {
    let name = post.author().and_then(|author| author.screen_name());
    match (name, post.author_id()) {
        (Some(name), _) => format!("@{}", decoded(Some(name))),
        (None, Some(id)) => format!("@{id}"),
        (None, None) => String::new(),
    }
}

/// Returns the whole text. The text of a Retweet is cut off, so the original's is used.
fn text(post: &Post<'_>) -> String {
    match post.retweeted().and_then(|original| Some((original, original.text()?))) {
        Some((original, text)) => format!("RT {}: {}", author(&original), decoded(Some(text))),
        None => decoded(post.text()).into_owned(),
    }
}

/// Returns the text of a string, with U+FFFD for lone surrogates and bytes that are not UTF-8.
fn decoded(text: Option<JsonStr<'_>>) -> Cow<'_, str> {
    text.map(|text| text.to_cow()).unwrap_or_default()
}

/// Returns the text on one line, with the three HTML escapes of X decoded.
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
            (r#"{"data":{"id":"20","text":"v2","author_id":"7"}}"#, None, " @7 v2"),
            (
                r#"{"data":{"id":"20","text":"RT @c: cu..","author_id":"7","referenced_tweets":[{"type":"retweeted","id":"5"}]},"includes":{"users":[{"id":"7","username":"b"},{"id":"8","username":"c"}],"tweets":[{"id":"5","text":"whole","author_id":"8"}]}}"#,
                None,
                " @b RT @c: whole",
            ),
            ("no JSON", None, "  "),
        ] {
            assert_eq!(pretty(post, id, false), line);
        }
    }

    #[test]
    fn shows_the_readable_parts_of_broken_posts() {
        let huge = "9".repeat(400);
        let deep = format!("{}{}", "[".repeat(500), "]".repeat(500));
        for (post, line) in [
            (br#"{"text":"a \ud83d b","user":{"screen_name":"n"}}"#.to_vec(), " @n a \u{fffd} b"),
            (br#"{"text":"\udc00\ud83d\ude00","user":{"screen_name":"\ud800n"}}"#.to_vec(), " @\u{fffd}n \u{fffd}\u{1f600}"),
            (b"{\"text\":\"a \xff\xc3 b\",\"user\":{\"screen_name\":\"\x80\"}}".to_vec(), " @\u{fffd} a \u{fffd}\u{fffd} b"),
            (format!(r#"{{"n":{huge},"text":"a","retweet_count":1e999,"user":{{"id":{huge},"screen_name":"n"}}}}"#).into(), " @n a"),
            (format!(r#"{{"data":{{"author_id":"{huge}","n":-{huge}.5e-{huge},"text":"v2"}}}}"#).into(), "  v2"),
            (format!(r#"{{"text":"a","deep":{deep},"user":{{"screen_name":"n"}}}}"#).into(), "  a"),
            (br#"{"text":"a","user":{"screen_name":"n"},"retweeted_status":{"id":1}}"#.to_vec(), " @n a"),
            // A repeated key: the first counts, as everywhere in this project.
            (br#"{"text":"a","text":"b","user":{"screen_name":"n"}}"#.to_vec(), " @n a"),
            (br#"{"text":7,"user":"none","created_at":{}}"#.to_vec(), "  "),
            (br#"{"text":"cut","user":{"screen_name":"n"},"#.to_vec(), " @n cut"),
        ] {
            let mut written = Vec::new();
            write(&post, None, Style { is_colored: false }, &mut written).unwrap();
            let shown = String::from_utf8(written).unwrap();
            assert_eq!(shown, line, "{}", post[..post.len().min(80)].escape_ascii());
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
