//! Tests keywords, phrases, proximity, emoji, `contains:` and links.

use super::*;

pub(super) fn keywords_are_tokens_of_the_text_or_of_a_link() -> Vec<Case> {
    vec![
        yes("gull", post("A gull!")),
        yes("gull", post("GULL")),
        yes("GULL", post("gull")),
        no("gull", post("gulls")),
        no("gull", post("seagull")),
        no("gull", post("")),
        // Characters that separate tokens.
        yes("gull", post("#gull-watch")),
        yes("watch", post("#gull-watch")),
        yes("acme", post("acme's")),
        yes("acme", post("acme\u{2019}s")),
        yes("side", post("@sea_side")),
        yes("new", post("NEW.PICS")),
        no("gull", post("gull2015")),
        yes("gull2015", post("so gull2015")),
        yes("gull", post("tern\u{3000}gull\u{2014}skua")),
        yes("gull", post("gull\u{26bd}tern")),
        no("tern", post("tern\u{200d}ish")),
        // Diacritics, case beyond ASCII, composition.
        yes("señal", post("una SEÑAL")),
        no("senal", post("señal")),
        no("señal", post("senal")),
        yes("sen\u{303}al", post("señal")),
        yes("señal", post("sen\u{303}al")),
        no("sen", post("sen\u{303}al")),
        yes("ΣΊΣΥΦΟΣ", post("σίσυφος")),
        yes("straße", post("STRAẞE")),
        no("strasse", post("straße")),
        // Width is not folded.
        no("gull", post("ｇｕｌｌ")),
        // Each form of a link.
        yes("gull", linked("https://example.org/birds/gull-colony")),
        no("colon", linked("https://example.org/birds/gull-colony")),
        yes("ab3de", linked("https://example.org")),
        yes("birds", unwound("https://birds.example/a", "no", "no")),
        no("title", unwound("https://birds.example/a", "title", "no")),
        yes("photo", media(&["photo"])),
        // A phrase matches within one field only.
        no("\"this https\"", linked("https://example.org")),
        // With punctuation it is a phrase.
        yes("acme's", post("at ACME's today")),
        no("acme's", post("acme\u{2019}s")),
        no("acme's", post("acme s")),
        yes("a+b", post("so a+b.")),
        no("a+b", post("a+bc")),
        // Long texts.
        yes("gull", Post { is_long: true, ..post("a gull") }),
        no("cut", Post { is_long: true, ..post("a gull") }),
    ]
}

pub(super) fn keywords_search_retweeted_and_quoted_posts() -> Vec<Case> {
    let inner = || post("first came a tern and much later, cut off in the copy, a gull");
    vec![
        yes("gull", retweet_of(inner())),
        yes("echo OR shore_walker", retweet_of(inner())),
        yes("gull", quote_of("look", inner())),
        yes("look", quote_of("look", inner())),
        yes("gull", retweet_of(quote_of("look", inner()))),
        no("skua", retweet_of(quote_of("look", inner()))),
        // Both words, one in each Post.
        yes("look gull", quote_of("look", inner())),
        no("\"look first\"", quote_of("look", inner())),
        yes("copy", quote_of("look", linked("https://example.org/copy"))),
    ]
}

pub(super) fn emoji_are_tokens_by_grapheme_cluster() -> Vec<Case> {
    vec![
        yes("🍕", post("so 🍕 then")),
        yes("🍕", post("so🍕then")),
        yes("so", post("so🍕then")),
        yes("🍕", post("🍕🍕")),
        yes("🍕🍣", post("then 🍕🍣.")),
        no("🍣🍕", post("then 🍕🍣.")),
        no("🍕🍣", post("then 🍕 🍣.")),
        yes("gull🍕", post("a gull🍕!")),
        no("gull🍕", post("a seagull🍕!")),
        yes("a$b", post("so a$b")),
        no("a$b", post("so a b")),
        no("🍕", post("🍣")),
        no("👩", post("👩\u{200d}💻")),
        no("💻", post("👩\u{200d}💻")),
        no("👍", post("👍🏽")),
        yes("👍🏽", post("👍🏽!")),
        no("🇩🇪", post("🇩🇰")),
        yes("🇩🇪", post("🇫🇷🇩🇪")),
        yes("🍕 -🍣", post("🍕")),
        // A word of a phrase does not match a piece of an emoji, negated or not.
        no("\"\u{200d}👍🏽\"", post("👍🏽\u{200d}👍🏽")),
        yes("gull OR -\"\u{200d}👍🏽\"", post("👍🏽\u{200d}👍🏽")),
        yes("gull OR -\"\u{301}tern tern\"", post("🍕\u{301}tern tern")),
        yes("gull OR -\"\u{200c}\u{301} tern\"", post("🍕\u{200c}\u{301} tern")),
        yes("gull OR -\"x ☀\u{200d}\"", post("x ☀\u{200d}🍕")),
        yes("\"x 🍕\u{301}\"", post("x 🍕\u{301} y")),
        yes("🍕", quote_of("look", post("🍕"))),
    ]
}

pub(super) fn phrases_are_literal_at_word_boundaries() -> Vec<Case> {
    vec![
        yes("\"sea gull\"", post("a Sea Gull.")),
        yes("\"sea gull\"", post("(sea gull)")),
        no("\"sea gull\"", post("sea  gull")),
        no("\"sea gull\"", post("sea-gull")),
        no("\"sea gull\"", post("sea_gull")),
        yes("\"sea gull\"", post("sea\ngull")),
        yes("\"sea gull\"", post("sea\u{a0}gull")),
        no("\"sea gull\"", post("sea gulls")),
        no("\"sea gull\"", post("undersea gull")),
        no("\"sea gull\"", post("sea gull2")),
        yes("\"sea gull\"", post("sea gulls, no: a sea gull")),
        yes("\"sea gull\"", post("sea gull_watch")),
        yes("\"gull\"", post("#gull")),
        yes("\"#gull\"", post("a #gull")),
        yes("\"#gull\"", post("a#gull")),
        no("\"#gull\"", post("gull")),
        no("\"#gull\"", tagged(&["gull"])),
        yes("\"gull's\"", post("the gull's")),
        no("\"gull's\"", post("the gull\u{2019}s")),
        yes("\"...\"", post("well...then")),
        yes(r#""say \"gull\"""#, post("they say \"gull\" here")),
        yes("\"the\"", post("the")),
        yes("\"señal roja\"", post("SEN\u{303}AL ROJA")),
        no("\"seña\"", post("sen\u{303}al")),
        no("\"sen\"", post("sen\u{303}al")),
        yes("\"\u{26bd}\"", post("play \u{26bd}\u{fe0f} now")),
        yes("\"https://example.org/a\"", linked("https://example.org/a")),
        yes("\"example.org/a\"", linked("https://example.org/a/b")),
        no("\"example.org/a\"", linked("https://example.org/ab")),
        yes("\"much later\"", retweet_of(post("first a tern and then, much later, a gull"))),
        yes("\"much later\"", quote_of("look", post("much later"))),
    ]
}

#[test]
fn phrases_match_runs_of_tokens_if_the_option_is_set() {
    let options = Options { phrase_tokens: true, ..Options::default() };
    for (text, message, want) in [
        ("\"sea gull\"", "sea  gull", true),
        ("\"sea gull\"", "sea-gull", true),
        ("\"sea gull\"", "#sea_gull", true),
        ("\"sea gull\"", "sea gulls", false),
        ("\"sea gull\"", "gull sea", false),
        ("\"gull's\"", "gull\u{2019}s", true),
        ("gull's", "gull s", true),
        ("\"#gull\"", "gull", true),
        ("\"...\"", "well...", false),
    ] {
        for message in [post(message).legacy(), post(message).v2()] {
            assert_eq!(values_with(&rule(text), &message, options), Some(want), "{text} on {message:#}");
        }
    }
}

#[test]
fn keywords_match_inside_unsegmented_text_only_if_the_option_is_set() {
    let substring = Options { segment_substring: true, ..Options::default() };
    for (text, message, strict, inside) in [
        ("鷗", "白い鷗が飛ぶ", false, true),
        ("鷗", "白い、鷗、飛ぶ", true, true),
        ("かもめ", "白いかもめ", false, true),
        ("นก", "เห็นนกบิน", false, true),
        ("gull", "seagull", false, false),
        ("갈매기", "갈매기가", false, false),
        ("鷗", "白い鳥", false, false),
    ] {
        for message in [post(message).legacy(), post(message).v2()] {
            assert_eq!(
                values_with(&rule(text), &message, Options::default()),
                Some(strict),
                "{text} on {message:#}"
            );
            assert_eq!(values_with(&rule(text), &message, substring), Some(inside), "{text} on {message:#}");
        }
    }
    run(vec![yes("contains:鷗", post("白い鷗が飛ぶ"))]);
}

pub(super) fn proximity_counts_the_words_between() -> Vec<Case> {
    vec![
        yes("\"harbour gull\"~1", post("harbour gull")),
        yes("\"harbour gull\"~1", post("harbour big gull")),
        no("\"harbour gull\"~1", post("harbour big bad gull")),
        yes("\"harbour gull\"~2", post("harbour big bad gull")),
        yes("\"harbour gull\"~6", post("harbour a b c d e f gull")),
        no("\"harbour gull\"~6", post("harbour a b c d e f g gull")),
        // In reverse order, at most two fewer.
        no("\"harbour gull\"~1", post("gull harbour")),
        yes("\"harbour gull\"~2", post("gull harbour")),
        no("\"harbour gull\"~2", post("gull big harbour")),
        yes("\"harbour gull\"~3", post("gull big harbour")),
        yes("\"harbour gull\"~6", post("gull a b c d harbour")),
        no("\"harbour gull\"~6", post("gull a b c d e harbour")),
        // Three words, one word, and one word twice.
        yes("\"one two three\"~1", post("one two x three")),
        no("\"one two three\"~1", post("one x two x three")),
        yes("\"one two three\"~2", post("one x two x three")),
        yes("\"API\"~3", post("an api")),
        no("\"API\"~3", post("an apiary")),
        no("\"gull gull\"~3", post("a gull")),
        yes("\"gull gull\"~3", post("gull and gull")),
        // Punctuation separates tokens. Links do not count, quoted Posts do.
        yes("\"harbour, gull\"~1", post("HARBOUR-gull")),
        no("\"birds gull\"~6", linked("https://example.org/birds/gull")),
        yes("\"harbour gull\"~1", quote_of("look", post("harbour gull"))),
        no("\"harbour gull\"~6", quote_of("harbour", post("gull"))),
        // The last occurrence of a word may be the one that matches.
        yes("\"harbour gull\"~1", post("gull x x x harbour x x x gull harbour gull")),
    ]
}

pub(super) fn characters_in_the_text_and_in_links() -> Vec<Case> {
    vec![
        yes("contains:gull", post("seagulls")),
        yes("contains:\"a g\"", post("sea gulls")),
        no("contains:\"a  g\"", post("sea gulls")),
        yes("contains:GULL", post("seagulls")),
        yes("contains:-5", post("at -5.5 degrees")),
        no("contains:-5", post("at 5 degrees")),
        yes("contains:3.25", post("is 13.256")),
        yes("contains:\"$xyz\"", post("the $XYZ")),
        yes("contains:señ", post("SEN\u{303}AL")),
        no("contains:sen", post("señal")),
        no("contains:gull", linked("https://example.org/gull")),
        // The Post and the one that it retweets, but not quoted Posts.
        yes("contains:gull", retweet_of(post("first came a tern, and much later a seagull"))),
        no("contains:gull", quote_of("look", post("seagull"))),
        no("contains:gull", retweet_of(quote_of("look", post("seagull")))),
        yes("url:birds", linked("https://example.org/birds/gull")),
        yes("url:\"example.org/birds\"", linked("https://www.EXAMPLE.org/birds/gull")),
        yes("url:\"https://example.org\"", linked("https://example.org/birds")),
        no("url:bird", linked("https://example.org/birds")),
        no("url:\"example birds\"", linked("https://example.org/birds")),
        yes("url:target", unwound("https://target.example", "x", "x")),
        no("url:birds", post("https://example.org/birds")),
        no("url:ab3de", linked("https://example.org")),
        yes("url:birds", quote_of("look", linked("https://example.org/birds"))),
        yes("url_contains:ample.or", linked("https://example.org")),
        yes("url_contains:\"EXAMPLE.ORG/b\"", linked("https://example.org/birds")),
        yes("url_contains:ab3d", linked("https://example.org")),
        yes("url_contains:arget", unwound("https://target.example", "x", "x")),
        no("url_contains:gull", linked("https://example.org/tern")),
        no("url_contains:gull", post("gull")),
        yes("url_title:\"sea birds\"", unwound("https://a.example", "Of Sea-Birds", "x")),
        yes("within_url_title:birds", unwound("https://a.example", "sea birds", "x")),
        no("url_title:bird", unwound("https://a.example", "sea birds", "x")),
        no("url_title:birds", unwound("https://a.example", "x", "birds")),
        no("url_title:last", unwound("https://a.example", &format!("{} last", "x ".repeat(150)), "x")),
        yes("url_title:last", unwound("https://a.example", &format!("{} last", "x ".repeat(147)), "x")),
        yes("url_description:\"sea birds\"", unwound("https://a.example", "x", "sea birds")),
        no("url_description:birds", unwound("https://a.example", "birds", "x")),
        no("url_description:last", unwound("https://a.example", "x", &format!("{} last", "x ".repeat(500)))),
        yes(
            "within_url_description:last",
            unwound("https://a.example", "x", &format!("{} last", "x ".repeat(497))),
        ),
        yes("url_title:birds", quote_of("look", unwound("https://a.example", "birds", "x"))),
        yes("has:links", linked("https://example.org")),
        yes("has:links", media(&["photo"])),
        yes("has:links", quote_of("look", linked("https://example.org"))),
        no("has:links", post("https://example.org")),
    ]
}
