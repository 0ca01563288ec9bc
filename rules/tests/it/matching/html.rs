//! Tests the characters that X writes as HTML entities in texts.

use powerstream_rules::matcher::{Evidence, MatchOptions, Truth, evidence_text};

use super::*;

pub(super) fn entities_in_texts_are_the_characters_they_stand_for() -> Vec<Case> {
    let att = || post("I left AT&amp;T");
    let math = || post("1 &lt; 2 -&gt; gulls &lt;3");
    vec![
        yes("\"AT&T\"", att()),
        yes("AT&T", att()),
        yes("\"left at&t\"", att()),
        no("amp", att()),
        yes("left -amp", att()),
        no("\"AT&amp;T\"", att()),
        yes("contains:\"t&t\"", att()),
        no("contains:amp", att()),
        no("contains:\";\"", att()),
        // The text as sent by a relay that decodes entities.
        yes("\"AT&T\"", post("I left AT&T")),
        yes("\"1 < 2\"", math()),
        yes("\"-> gulls\"", math()),
        yes("gulls", math()),
        yes("contains:\"<3\"", math()),
        yes("3", math()),
        no("lt OR gt", math()),
        yes("gulls -lt -gt", math()),
        // Characters next to an entity.
        yes("gull", post("&amp;gull&lt;")),
        yes("tern", post("gull&gt;tern")),
        no("ampgull OR gullamp", post("gull&amp;gull")),
        yes("\"gull>tern\"", post("gull&gt;tern")),
        yes("🍕", post("🍕&amp;🌭")),
        yes("\"🍕 & 🌭\"", post("🍕 &amp; 🌭")),
        yes("\"日本&señal\"", post("日本&amp;sen\u{303}al")),
        yes("contains:\"a\u{226e}b\"", post("a&lt;\u{338}b")),
        yes("#gulls", tagged(&["gulls"]).saying("tern&amp;#gulls")),
        yes("\"tern&#gulls\"", tagged(&["gulls"]).saying("tern&amp;#gulls")),
        no("\"#gulls\"", tagged(&["gulls"]).saying("&lt;3")),
        yes("$BRK", cashtagged(&["BRK"]).saying("&amp;$BRK")),
        yes("contains:\"&$brk\"", cashtagged(&["BRK"]).saying("&amp;$BRK")),
        yes("@jack", mentioning(12, "jack").saying("&lt;3@jack")),
        yes("\"<3@jack\"", mentioning(12, "jack").saying("&lt;3@jack")),
        // Entities are decoded once.
        yes("\"&lt;\"", post("&amp;lt;")),
        yes("lt", post("&amp;lt;")),
        no("contains:\"<\"", post("&amp;lt;")),
        yes("\"AT&amp;T\"", post("AT&amp;amp;T")),
        no("\"AT&T\"", post("AT&amp;amp;T")),
        // The author typed the entities that X does not write.
        yes("quot", post("&quot;gull&quot;")),
        yes("contains:\"&#39;s\"", post("gull&#39;s")),
        no("gull's", post("gull&#39;s")),
        yes("AMP", post("AT&AMP;T")),
        yes("amp", post("AT&ampT &amp")),
        yes("amp", post("AT&amp T")),
        yes("nbsp", post("a&nbsp;b")),
        // Truncated entities.
        yes("\"R&am…\"", post("R&am…")),
        yes("\"R&amp\"", post("R&amp")),
        yes("\"R&l\"", post("R&l")),
        // Words between other words.
        yes("\"rock roll\"~1", post("rock &amp; big roll")),
        no("\"rock roll\"~1", post("rock &amp; big bad roll")),
        yes("\"roll rock\"~2", post("rock &amp; roll")),
        no("\"rock amp\"~6", post("rock &amp; roll")),
        yes("\"a b\"~1", post("a &lt;&gt;&amp; b")),
    ]
}

pub(super) fn every_text_is_decoded_and_no_other_field() -> Vec<Case> {
    let att = || post("first came a tern, and much later it left AT&amp;T");
    let made_with = |name: &str, url: &str| Post { source: (name.into(), url.into()), ..post("x") };
    let bio = |text: &str| with_author(|user| user.description = Some(text.into()));
    vec![
        yes("\"AT&T\" -amp", Post { is_long: true, ..att() }),
        yes("\"AT&T\" -amp", retweet_of(att())),
        yes("\"AT&T\" -amp", retweet_of(Post { is_long: true, ..att() })),
        yes("\"AT&T\" -amp", quote_of("look", att())),
        yes("\"AT&T\" -amp", quote_of("look", Post { is_long: true, ..att() })),
        yes("\"AT&T\" -amp", retweet_of(quote_of("look", att()))),
        yes("contains:\"AT&T\"", retweet_of(att())),
        no("contains:\"AT&T\"", quote_of("look", att())),
        // X does not change these fields.
        yes("url:\"example.org/?a=1&b=2\"", linked("https://example.org/?a=1&b=2")),
        yes("url_contains:\"=1&b\"", linked("https://example.org/?a=1&b=2")),
        no("url_contains:\"=1&b\"", linked("https://example.org/?a=1&amp;b=2")),
        yes("url_contains:\"&amp;b\"", linked("https://example.org/?a=1&amp;b=2")),
        yes("amp", linked("https://example.org/?a=1&amp;b=2")),
        no("\"1&b\"", linked("https://example.org/?a=1&amp;b=2")),
        yes("url_title:\"R amp D\"", unwound("https://a.example", "R&amp;D", "x")),
        yes("url_description:\"R amp D\"", unwound("https://a.example", "x", "R&amp;D")),
        yes("bio:\"R&D\"", bio("R&D")),
        no("bio:\"R&D\"", bio("R&amp;D")),
        yes("bio:amp", bio("R&amp;D")),
        // JSON escapes the quotes.
        no("bio:\"R&D\"", bio("\"R&amp;D\"")),
        yes("bio_name:amp", with_author(|user| user.name = "R&amp;D".into())),
        yes("bio_location:amp", with_author(|user| user.location = Some("R&amp;D".into()))),
        no("#R", tagged(&["R&amp;D"])),
        // HTML in legacy Posts, a name in v2.
        Case("source:\"R&D\"", made_with("R&amp;D", "https://x.example"), YES, NO),
        Case("source:\"R&amp;D\"", made_with("R&amp;D", "https://x.example"), NO, YES),
        Case("source:\"x.example/?a&b\"", made_with("X", "https://x.example/?a&amp;b"), YES, NO),
    ]
}

#[test]
fn every_text_field_is_decoded() {
    let text = "I left AT&amp;T";
    for message in [
        json!({"id_str": "1", "text": text, "user": {}}),
        json!({"id_str": "1", "full_text": text}),
        json!({"id_str": "1", "text": "cut…", "truncated": true, "extended_tweet": {"full_text": text}}),
        json!({"id_str": "1", "text": "x", "quoted_status": {"full_text": text}}),
        json!({"id_str": "1", "text": "RT", "retweeted_status": {"id_str": "2", "full_text": text}}),
        json!({"data": {"id": "1", "text": text}}),
        json!({"data": {"id": "1", "text": "cut…", "note_tweet": {"text": text}}}),
        json!({"data": {"id": "1", "text": "cut…", "note_post": {"text": text}}}),
    ] {
        assert_eq!(values(&rule("\"AT&T\" -amp"), &message), YES, "{message}");
    }
}

#[test]
fn runs_of_tokens_do_not_contain_the_name_of_an_entity() {
    let options = Options { phrase_tokens: true, ..Options::default() };
    for (text, message, want) in [
        ("\"at t\"", "AT&amp;T", true),
        ("\"at amp t\"", "AT&amp;T", false),
        ("\"a b\"", "a &lt;&gt; b", true),
        ("\"a lt b\"", "a &amp;lt; b", true),
    ] {
        for message in [post(message).legacy(), post(message).v2()] {
            assert_eq!(values_with(&rule(text), &message, options), Some(want), "{text} on {message:#}");
        }
    }
}

/// Returns the text with `\uXXXX` for the chars from `start` to `end`.
fn written(text: &str, start: usize, end: usize) -> String {
    let each = |(index, char): (usize, char)| match char.encode_utf16(&mut [0; 2]) {
        units if (start..end).contains(&index) => {
            units.iter().map(|unit| format!("\\u{unit:04x}")).collect::<String>()
        }
        _ => char.to_string(),
    };
    text.chars().enumerate().map(each).collect()
}

#[test]
fn evidence_ranges_count_the_received_characters_as_indices_do() {
    for (text, asked, found) in [
        ("I left AT&amp;T today", "\"AT&T\"", "AT&amp;T"),
        ("&amp;&lt;🍕&gt; x", "🍕", "🍕"),
        ("a &amp; gull", "gull", "gull"),
        ("a &amp; gull", "\"a &\"", "a &amp;"),
        ("rock &amp; big roll!", "\"rock roll\"~1", "rock &amp; big roll"),
        ("a&lt;b&gt;c", "contains:\"<\"", "&lt;"),
        ("a&lt;b&gt;c", "contains:\"b>c\"", "b&gt;c"),
        ("a &lt;\u{338}b", "contains:\"\u{226e}\"", "&lt;\u{338}"),
        ("x &amp;lt; y", "lt", "lt"),
        ("x &amp;lt; y", "\"&lt;\"", "&amp;lt;"),
        ("&amp &am; gull", "gull", "gull"),
        // X gives this hashtag the indices 15 and 21.
        ("R&amp;D &lt;3 x#gulls", "\"#gulls\"", "#gulls"),
    ] {
        let rule = rule(asked);
        let place = |evidence: Evidence| {
            let place = evidence.leaves[0].found.clone().unwrap().characters.unwrap();
            text.chars().take(place.end).skip(place.start).collect::<String>()
        };
        let alone = evidence_text(&rule, text, MatchOptions::default());
        assert_eq!(place(alone), found, "{asked} on the text {text}");
        let length = text.chars().count();
        let escapes = (0..length).map(|start| (start, start + 1)).chain([(0, 0), (0, length)]);
        for (start, end) in escapes {
            let text_json = written(text, start, end);
            for message in [
                format!(r#"{{"id_str":"1","text":"{text_json}"}}"#),
                format!(r#"{{"data":{{"id":"1","text":"{text_json}"}}}}"#),
            ] {
                let evidence = evidence(&rule, message.as_bytes(), MatchOptions::default());
                assert_eq!(place(evidence), found, "{asked} on {message}");
                let mut set = RuleSet::new();
                let key = set.insert(&rule, None);
                assert_eq!(set.matches(message.as_bytes(), &mut Scratch::new()), [key], "{message}");
            }
        }
    }
}

#[test]
fn a_text_alone_matches_like_the_text_of_a_post() {
    for (asked, text, want) in [
        ("\"AT&T\"", "AT&amp;T", true),
        ("amp", "AT&amp;T", false),
        ("\"AT&T\"", "AT&T", true),
        ("lt", "&amp;lt;", true),
    ] {
        let rule = rule(asked);
        let mut set = RuleSet::new();
        set.insert(&rule, None);
        assert_eq!(set.matches_text(text, &mut Scratch::new()).len(), usize::from(want), "{asked} on {text}");
        let value = evidence_text(&rule, text, MatchOptions::default()).value;
        assert_eq!(value == Truth::True, want, "{asked} on {text}");
    }
}
