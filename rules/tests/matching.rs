//! What each operator matches: every row of the operator table with Posts that match and Posts that do not, in both
//! formats; and the examples of X's pages on Posts of our own.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "helpers of tests, which clippy.toml does not know from the rest"
)]

mod oracle;

use std::collections::{BTreeMap, BTreeSet};

use powerstream_rules::matcher::{RuleSet, Scratch, evidence};
use powerstream_rules::{Operator, Profile, Rule, check};
use serde_json::{Value as Json, json};

use self::oracle::matcher::{match_options, truth};
use self::oracle::post::{Link, Location, Place, Post, Reply, User, post};
use self::oracle::{Options, Truth};

/// The tree of a rule, for whichever product takes it.
fn rule(text: &str) -> Rule {
    let trees =
        [Profile::Powerstream, Profile::FilteredStreamEmbedding].map(|profile| check(text, profile).rule);
    trees
        .into_iter()
        .flatten()
        .next()
        .unwrap_or_else(|| panic!("{text}: {:?}", check(text, Profile::Powerstream)))
}

/// What the oracle says, once the matcher has said the same.
fn values(rule: &Rule, message: &Json) -> Truth {
    values_with(rule, message, Options::default())
}

fn values_with(rule: &Rule, message: &Json, options: Options) -> Truth {
    let want = oracle::value(rule, message, options);
    let bytes = message.to_string();
    let mut set = RuleSet::with_options(match_options(options));
    let key = set.insert(rule, None);
    let matched = set.matches(bytes.as_bytes(), &mut Scratch::new()) == [key];
    assert_eq!(
        matched,
        want == YES,
        "{} is {want:?}, and by the matcher a match: {matched}, on {message:#}",
        rule.text()
    );
    let evidence = evidence(rule, bytes.as_bytes(), match_options(options));
    assert_eq!(truth(evidence.value), want, "the evidence of {} on {message:#}", rule.text());
    want
}

const YES: Truth = Some(true);
const NO: Truth = Some(false);
const UNKNOWN: Truth = None;

/// A rule, a Post, and the rule's value for it as a legacy and as a v2 Post.
struct Case(&'static str, Post, Truth, Truth);

fn yes(rule: &'static str, post: Post) -> Case {
    Case(rule, post, YES, YES)
}

fn no(rule: &'static str, post: Post) -> Case {
    Case(rule, post, NO, NO)
}

/// Every case in both formats, negated too.
fn run(cases: Vec<Case>) {
    for Case(text, post, legacy, v2) in cases {
        let negated = format!("-({text})");
        for (message, want) in [(post.legacy(), legacy), (post.v2(), v2), (post.v2_new(), v2)] {
            assert_eq!(values(&rule(text), &message), want, "{text} on {message:#}");
            assert_eq!(
                values(&rule(&negated), &message),
                want.map(|value| !value),
                "{negated} on {message:#}"
            );
            // An array of one Post is that Post.
            assert_eq!(values(&rule(text), &json!([message])), want, "{text} on an array");
        }
    }
}

fn retweet_of(inner: Post) -> Post {
    let text: String = inner.text.chars().take(20).collect();
    Post {
        id: 1_592_000_000_000_000_900,
        text: format!("RT @{}: {text}…", inner.author.username),
        author: User::new(88, "echo"),
        retweeted: Some(Box::new(inner)),
        ..post("")
    }
}

fn quote_of(text: &str, inner: Post) -> Post {
    Post {
        id: 1_592_000_000_000_000_800,
        author: User::new(99, "quoter"),
        quoted: Some(Box::new(inner)),
        ..post(text)
    }
}

fn with_author(change: impl FnOnce(&mut User)) -> Post {
    let mut post = post("nothing");
    change(&mut post.author);
    post
}

fn linked(expanded: &str) -> Post {
    Post { links: vec![Link::new("https://t.co/Ab3dE", expanded)], ..post("see this") }
}

fn unwound(url: &str, title: &str, description: &str) -> Post {
    let unwound = Some([url, title, description].map(str::to_owned));
    let link = Link { unwound, ..Link::new("https://t.co/Ab3dE", "https://bit.example/x1") };
    Post { links: vec![link], ..post("see this") }
}

fn media(kinds: &[&str]) -> Post {
    let link = Link::new("https://t.co/m3D1a", "https://x.example/shore_walker/status/1/photo/1");
    Post { media: kinds.iter().map(|kind| ((*kind).to_owned(), link.clone())).collect(), ..post("look") }
}

impl Post {
    fn saying(self, text: &str) -> Self {
        Self { text: text.into(), ..self }
    }
}

fn tagged(tags: &[&str]) -> Post {
    Post { hashtags: tags.iter().map(|tag| (*tag).to_owned()).collect(), ..post("of the day") }
}

fn cashtagged(tags: &[&str]) -> Post {
    Post { cashtags: tags.iter().map(|tag| (*tag).to_owned()).collect(), ..post("of the day") }
}

fn mentioning(id: u64, name: &str) -> Post {
    Post { mentions: vec![(id, name.to_owned())], ..post("hello there") }
}

fn replying(to: Option<u64>, id: u64, name: &str) -> Post {
    Post { reply: Some(Reply { to, user: User::new(id, name) }), ..post("me too") }
}

fn at(longitude: f64, latitude: f64) -> Post {
    Post { point: Some((longitude, latitude)), ..post("here") }
}

fn in_place(edges: [f64; 4]) -> Post {
    let place = Place {
        id: "01a9a39529b27f36".into(),
        name: "Tollesbury".into(),
        full_name: "Tollesbury, England".into(),
        country: "United Kingdom".into(),
        country_code: "GB".into(),
        edges,
    };
    Post { place: Some(place), ..post("here") }
}

fn in_tollesbury() -> Post {
    in_place([0.80, 51.74, 0.87, 51.78])
}

fn located() -> Post {
    with_author(|user| {
        user.locations = vec![
            Location { country_code: "NO".into(), region: "Vestland".into(), ..Location::default() },
            Location {
                country_code: "US".into(),
                region: "New York".into(),
                locality: "Sag Harbor".into(),
                subregion: "Suffolk County".into(),
                point: Some((-72.29, 41.0)),
            },
        ];
    })
}

fn keywords_are_tokens_of_the_text_or_of_a_link() -> Vec<Case> {
    vec![
        yes("gull", post("A gull!")),
        yes("gull", post("GULL")),
        yes("GULL", post("gull")),
        no("gull", post("gulls")),
        no("gull", post("seagull")),
        no("gull", post("")),
        // What divides tokens.
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
        // No width folding.
        no("gull", post("ｇｕｌｌ")),
        // Links, each form of them.
        yes("gull", linked("https://example.org/birds/gull-colony")),
        no("colon", linked("https://example.org/birds/gull-colony")),
        yes("ab3de", linked("https://example.org")),
        yes("birds", unwound("https://birds.example/a", "no", "no")),
        no("title", unwound("https://birds.example/a", "title", "no")),
        yes("photo", media(&["photo"])),
        // One field, not two.
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

fn keywords_read_what_is_repeated_and_quoted() -> Vec<Case> {
    let inner = || post("first came a tern and much later, cut off in the copy, a gull");
    vec![
        yes("gull", retweet_of(inner())),
        yes("echo OR shore_walker", retweet_of(inner())),
        yes("gull", quote_of("look", inner())),
        yes("look", quote_of("look", inner())),
        yes("gull", retweet_of(quote_of("look", inner()))),
        no("skua", retweet_of(quote_of("look", inner()))),
        // Both words, one in each.
        yes("look gull", quote_of("look", inner())),
        no("\"look first\"", quote_of("look", inner())),
        yes("copy", quote_of("look", linked("https://example.org/copy"))),
    ]
}

fn emoji_are_tokens_by_grapheme_cluster() -> Vec<Case> {
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
        // A word of a phrase is no piece of an emoji, negated or not.
        no("\"\u{200d}👍🏽\"", post("👍🏽\u{200d}👍🏽")),
        yes("gull OR -\"\u{200d}👍🏽\"", post("👍🏽\u{200d}👍🏽")),
        yes("gull OR -\"\u{301}tern tern\"", post("🍕\u{301}tern tern")),
        yes("gull OR -\"\u{200c}\u{301} tern\"", post("🍕\u{200c}\u{301} tern")),
        yes("gull OR -\"x ☀\u{200d}\"", post("x ☀\u{200d}🍕")),
        yes("\"x 🍕\u{301}\"", post("x 🍕\u{301} y")),
        yes("🍕", quote_of("look", post("🍕"))),
    ]
}

fn phrases_are_literal_at_word_boundaries() -> Vec<Case> {
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
fn phrases_are_runs_of_tokens_where_that_is_chosen() {
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
fn scripts_without_blanks_are_one_token_unless_chosen() {
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

fn near_words_count_what_lies_between() -> Vec<Case> {
    vec![
        yes("\"harbour gull\"~1", post("harbour gull")),
        yes("\"harbour gull\"~1", post("harbour big gull")),
        no("\"harbour gull\"~1", post("harbour big bad gull")),
        yes("\"harbour gull\"~2", post("harbour big bad gull")),
        yes("\"harbour gull\"~6", post("harbour a b c d e f gull")),
        no("\"harbour gull\"~6", post("harbour a b c d e f g gull")),
        // In reverse two less.
        no("\"harbour gull\"~1", post("gull harbour")),
        yes("\"harbour gull\"~2", post("gull harbour")),
        no("\"harbour gull\"~2", post("gull big harbour")),
        yes("\"harbour gull\"~3", post("gull big harbour")),
        yes("\"harbour gull\"~6", post("gull a b c d harbour")),
        no("\"harbour gull\"~6", post("gull a b c d e harbour")),
        // More than two, one, and one twice.
        yes("\"one two three\"~1", post("one two x three")),
        no("\"one two three\"~1", post("one x two x three")),
        yes("\"one two three\"~2", post("one x two x three")),
        yes("\"API\"~3", post("an api")),
        no("\"API\"~3", post("an apiary")),
        no("\"gull gull\"~3", post("a gull")),
        yes("\"gull gull\"~3", post("gull and gull")),
        // Punctuation divides, links do not count, quoted Posts do.
        yes("\"harbour, gull\"~1", post("HARBOUR-gull")),
        no("\"birds gull\"~6", linked("https://example.org/birds/gull")),
        yes("\"harbour gull\"~1", quote_of("look", post("harbour gull"))),
        no("\"harbour gull\"~6", quote_of("harbour", post("gull"))),
        // The last place of a word may be the right one.
        yes("\"harbour gull\"~1", post("gull x x x harbour x x x gull harbour gull")),
    ]
}

fn hashtags_cashtags_and_mentions_are_the_entities() -> Vec<Case> {
    vec![
        yes("#gulls", tagged(&["terns", "Gulls"])),
        no("#gulls", tagged(&["gullsandterns"])),
        no("#gulls", post("#gulls")),
        yes("#señal", tagged(&["SEN\u{303}AL"])),
        no("#senal", tagged(&["señal"])),
        yes("#日本", tagged(&["日本"])),
        yes("#gulls", quote_of("look", tagged(&["gulls"]))),
        yes("#gulls", retweet_of(tagged(&["gulls"]))),
        yes("#gulls", Post { is_long: true, ..tagged(&["gulls"]) }),
        yes("$ABC", cashtagged(&["abc"])),
        yes("$BRK.A", cashtagged(&["BRK.A"])),
        no("$BRK", cashtagged(&["BRK.A"])),
        no("$ABC", post("$ABC")),
        yes("$ABC", quote_of("look", cashtagged(&["ABC"]))),
        yes("@harbour_news", mentioning(5, "Harbour_News")),
        no("@harbour", mentioning(5, "harbour_news")),
        yes("@5", mentioning(5, "harbour_news")),
        yes("@5", mentioning(6, "5")),
        no("@5", mentioning(55, "harbour_news")),
        no("@harbour_news", post("@harbour_news")),
        yes("@harbour_news", quote_of("look", mentioning(5, "harbour_news"))),
        yes("has:hashtags", tagged(&["x"])),
        no("has:hashtags", post("#x")),
        yes("has:hashtags", quote_of("look", tagged(&["x"]))),
        yes("has:symbols", cashtagged(&["x"])),
        yes("has:cashtags", cashtagged(&["x"])),
        no("has:symbols", post("$x")),
        yes("has:symbols", retweet_of(cashtagged(&["x"]))),
        yes("has:mentions", mentioning(5, "x")),
        no("has:mentions", post("@x")),
        yes("has:mentions", quote_of("look", mentioning(5, "x"))),
    ]
}

fn authors_and_whom_they_answer() -> Vec<Case> {
    let by = |id, name: &str| Post { author: User::new(id, name), ..post("x") };
    vec![
        yes("from:harbour_news", by(5, "Harbour_News")),
        no("from:harbour", by(5, "harbour_news")),
        yes("from:5", by(5, "harbour_news")),
        yes("from:5", by(6, "5")),
        no("from:5", by(50, "harbour_news")),
        // The outer Post only.
        no("from:harbour_news", retweet_of(by(5, "harbour_news"))),
        no("from:harbour_news", quote_of("look", by(5, "harbour_news"))),
        yes("from:echo", retweet_of(by(5, "harbour_news"))),
        yes("to:harbour_news", replying(Some(20), 5, "Harbour_News")),
        yes("to:harbour_news", replying(None, 5, "harbour_news")),
        yes("to:5", replying(Some(20), 5, "harbour_news")),
        no("to:harbour_news", replying(Some(20), 6, "other")),
        no("to:harbour_news", mentioning(5, "harbour_news")),
        no("to:harbour_news", quote_of("look", replying(Some(20), 5, "harbour_news"))),
        yes("retweets_of:harbour_news", retweet_of(by(5, "Harbour_News"))),
        yes("retweets_of_user:5", retweet_of(by(5, "harbour_news"))),
        no("retweets_of:echo", retweet_of(by(5, "harbour_news"))),
        no("retweets_of:harbour_news", quote_of("look", by(5, "harbour_news"))),
        no("retweets_of:harbour_news", by(5, "harbour_news")),
        yes("retweets_of_status_id:1592000000000000001", retweet_of(post("x"))),
        yes("retweets_of_tweet_id:1592000000000000001", retweet_of(post("x"))),
        no("retweets_of_status_id:1592000000000000900", retweet_of(post("x"))),
        no("retweets_of_status_id:1592000000000000001", post("x")),
        yes("in_reply_to_status_id:20", replying(Some(20), 5, "x")),
        yes("in_reply_to_tweet_id:20", replying(Some(20), 5, "x")),
        no("in_reply_to_status_id:20", replying(Some(21), 5, "x")),
        no("in_reply_to_status_id:20", post("x")),
        no("in_reply_to_status_id:20", quote_of("look", replying(Some(20), 5, "x"))),
        yes("is:reply", replying(Some(20), 5, "x")),
        yes("is:reply", retweet_of(replying(Some(20), 5, "x"))),
        yes("is:reply", quote_of("look", replying(Some(20), 5, "x"))),
        no("is:reply", mentioning(5, "x")),
        yes("is:retweet", retweet_of(post("x"))),
        no("is:retweet", quote_of("x", post("y"))),
        no("is:retweet", post("RT @x: y")),
        yes("is:quote", quote_of("x", post("y"))),
        yes("is:quote", retweet_of(quote_of("x", post("y")))),
        no("is:quote", retweet_of(post("x"))),
        no("is:quote", post("x")),
        yes("is:verified", with_author(|user| user.is_verified = true)),
        no("is:verified", post("x")),
        yes("is:nullcast", Post { is_promoted_only: true, ..post("x") }),
        no("is:nullcast", post("x")),
        yes("x -is:nullcast", post("x")),
    ]
}

fn affiliations_are_of_v2() -> Vec<Case> {
    let affiliated = |ids: &[u64]| with_author(|user| user.affiliations = ids.to_vec());
    let mut answer = replying(Some(20), 5, "harbour_news");
    answer.reply.as_mut().unwrap().user.affiliations = vec![12, 13];
    // The account's name is known where it is included.
    let mut named = affiliated(&[5]);
    named.reply = Some(Reply { to: Some(20), user: User::new(5, "harbour_news") });
    vec![
        Case("from_affiliate_of:12", affiliated(&[11, 12]), UNKNOWN, YES),
        Case("from_affiliate_of:12", affiliated(&[]), UNKNOWN, NO),
        Case("from_affiliate_of:harbour_news", named, UNKNOWN, YES),
        Case("to_affiliate_of:13", answer, UNKNOWN, YES),
        Case("to_affiliate_of:13", post("x"), UNKNOWN, NO),
    ]
}

fn characters_in_the_text_and_in_links() -> Vec<Case> {
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
        // The Post and what it repeats, nothing quoted.
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

fn profiles() -> Vec<Case> {
    vec![
        yes(
            "bio:ornithologist",
            with_author(|user| user.description = Some("An Ornithologist, retired".into())),
        ),
        yes("user_bio:\"sea birds\"", with_author(|user| user.description = Some("of sea/birds".into()))),
        no("bio:\"birds sea\"", with_author(|user| user.description = Some("of sea birds".into()))),
        no("bio:bird", with_author(|user| user.description = Some("birds".into()))),
        no("bio:birds", post("birds")),
        no("bio:birds", quote_of("look", with_author(|user| user.description = Some("birds".into())))),
        yes("bio_name:\"harbour master\"", with_author(|user| user.name = "The Harbour Master".into())),
        no("bio_name:harbour", with_author(|user| user.username = "harbour".into())),
        yes("bio_location:\"west coast\"", with_author(|user| user.location = Some("West Coast!".into()))),
        yes("user_bio_location:coast", with_author(|user| user.location = Some("west coast".into()))),
        no("bio_location:coast", post("coast")),
        yes("followers_count:10", with_author(|user| user.followers = 10)),
        no("followers_count:10", with_author(|user| user.followers = 9)),
        yes("followers_count:10..12", with_author(|user| user.followers = 12)),
        no("followers_count:10..12", with_author(|user| user.followers = 13)),
        yes("friends_count:10", with_author(|user| user.friends = 11)),
        yes("following_count:10..12", with_author(|user| user.friends = 11)),
        no("friends_count:10", with_author(|user| user.followers = 11)),
        yes("listed_count:10", with_author(|user| user.listed = 10)),
        no("user_in_lists_count:10..11", with_author(|user| user.listed = 9)),
        yes("statuses_count:10", with_author(|user| user.statuses = 10)),
        no("tweets_count:10", with_author(|user| user.statuses = 9)),
        yes("min_followers:10", with_author(|user| user.followers = 10)),
        no("min_followers:10", with_author(|user| user.followers = 9)),
        no("followers_count:10", retweet_of(with_author(|user| user.followers = 10))),
    ]
}

fn places_of_profiles_are_of_legacy_posts() -> Vec<Case> {
    vec![
        Case("profile_country:NO", located(), YES, UNKNOWN),
        Case("profile_country:us", located(), YES, UNKNOWN),
        Case("profile_country:GB", located(), NO, UNKNOWN),
        Case("profile_country:GB", post("x"), NO, UNKNOWN),
        Case("profile_region:\"new york\"", located(), YES, UNKNOWN),
        Case("profile_region:york", located(), NO, UNKNOWN),
        Case("profile_locality:\"sag harbor\"", located(), YES, UNKNOWN),
        Case("profile_locality:harbor", located(), NO, UNKNOWN),
        Case("profile_subregion:\"Suffolk County\"", located(), YES, UNKNOWN),
        Case("profile_subregion:Vestland", located(), NO, UNKNOWN),
        Case("profile_point_radius:[-72.3 41.0 2km]", located(), YES, UNKNOWN),
        Case("profile_point_radius:[-72.4 41.0 2km]", located(), NO, UNKNOWN),
        Case("profile_bounding_box:[-72.3 40.9 -72.2 41.1]", located(), YES, UNKNOWN),
        Case("profile_bounding_box:[-72.2 40.9 -72.1 41.1]", located(), NO, UNKNOWN),
        Case("has:profile_geo", located(), YES, UNKNOWN),
        Case("has:derived_user_geo", post("x"), NO, UNKNOWN),
    ]
}

fn languages_and_applications() -> Vec<Case> {
    let in_language = |lang: &str| Post { lang: Some(lang.into()), ..post("x") };
    let made_with = |name: &str, url: &str| Post { source: (name.into(), url.into()), ..post("x") };
    vec![
        yes("lang:en", in_language("en")),
        yes("lang:EN", in_language("en")),
        no("lang:en", in_language("de")),
        yes("lang:und", in_language("und")),
        yes("lang:xx", in_language("xx")),
        yes("lang:zh", in_language("zh-TW")),
        yes("lang:zh", in_language("zh-CN")),
        yes("lang:zh", in_language("zh")),
        yes("lang:zh-CN", in_language("zh-CN")),
        yes("lang:zh-CN", in_language("zh")),
        no("lang:zh-CN", in_language("zh-TW")),
        no("lang:hi", in_language("hi-Latn")),
        no("lang:de", retweet_of(in_language("de"))),
        yes("has:lang", in_language("en")),
        no("has:lang", in_language("und")),
        Case("lang:en", Post { lang: None, ..post("x") }, NO, UNKNOWN),
        Case("has:lang", Post { lang: None, ..post("x") }, NO, UNKNOWN),
        yes("source:\"x web client\"", made_with("X Web Client", "https://x.example")),
        yes("source:Gullcam", made_with("GullCam", "https://x.example")),
        no("source:web", made_with("X Web Client", "https://x.example")),
        Case("source:\"http://x.example/app\"", made_with("X", "https://x.example/app/"), YES, NO),
        Case("source:\"x.example/app\"", made_with("X", "https://X.example/app"), YES, NO),
        Case("source:\"x.example\"", made_with("X", "https://x.example/app"), NO, NO),
    ]
}

fn places_and_points_of_the_outer_post() -> Vec<Case> {
    vec![
        yes("place:tollesbury", in_tollesbury()),
        yes("place:\"united kingdom\"", in_tollesbury()),
        yes("place:\"Tollesbury England\"", in_tollesbury()),
        yes("place:01A9a39529b27f36", in_tollesbury()),
        no("place:01a9", in_tollesbury()),
        no("place:tolles", in_tollesbury()),
        no("place:GB", in_tollesbury()),
        no("place:tollesbury", retweet_of(in_tollesbury())),
        no("place:tollesbury", quote_of("look", in_tollesbury())),
        no("place:tollesbury", post("tollesbury")),
        yes("place_country:GB", in_tollesbury()),
        yes("place_country:gb", in_tollesbury()),
        no("place_country:US", in_tollesbury()),
        no("place_country:GB", Post { place: in_tollesbury().place, ..retweet_of(post("x")) }),
        no("place_country:GB", post("x")),
        yes("point_radius:[-0.12 51.5 10mi]", at(-0.2, 51.45)),
        no("point_radius:[-0.12 51.5 10mi]", at(-0.4, 51.4)),
        yes("point_radius:[179.99 0 10km]", at(-179.99, 0.0)),
        no("point_radius:[-0.12 51.5 10mi]", post("x")),
        no("point_radius:[-0.12 51.5 10mi]", retweet_of(at(-0.12, 51.5))),
        no("point_radius:[-0.12 51.5 10mi]", Post { point: Some((-0.12, 51.5)), ..retweet_of(post("x")) }),
        yes("bounding_box:[-0.2 51.4 -0.1 51.6]", at(-0.15, 51.5)),
        yes("geo_bounding_box:[-0.2 51.4 -0.1 51.6]", at(-0.1, 51.6)),
        no("bounding_box:[-0.2 51.4 -0.1 51.6]", at(-0.05, 51.5)),
        no("bounding_box:[-0.2 51.4 -0.1 51.6]", at(-0.15, 51.7)),
        yes("bounding_box:[179.9 -0.1 -179.9 0.1]", at(179.95, 0.0)),
        yes("bounding_box:[179.9 -0.1 -179.9 0.1]", at(-179.95, 0.0)),
        no("bounding_box:[179.9 -0.1 -179.9 0.1]", at(0.0, 0.0)),
        // Without a point, all of the place.
        yes("bounding_box:[0.7 51.7 0.9 51.8]", in_tollesbury()),
        no("bounding_box:[0.7 51.7 0.85 51.8]", in_tollesbury()),
        yes("point_radius:[0.835 51.76 5km]", in_tollesbury()),
        no("point_radius:[0.835 51.76 3km]", in_tollesbury()),
        // With one, the point alone.
        no("bounding_box:[0.7 51.7 0.9 51.8]", Post { point: Some((1.0, 51.75)), ..in_tollesbury() }),
        yes("bounding_box:[0.95 51.7 1.05 51.8]", Post { point: Some((1.0, 51.75)), ..in_tollesbury() }),
        yes("has:geo", in_tollesbury()),
        yes("has:geo", at(1.0, 2.0)),
        no("has:geo", post("x")),
        no("has:geo", retweet_of(at(1.0, 2.0))),
        no("has:geo", Post { point: Some((1.0, 2.0)), ..retweet_of(post("x")) }),
        no("has:geo", quote_of("look", in_tollesbury())),
    ]
}

fn media_are_what_was_uploaded() -> Vec<Case> {
    vec![
        yes("has:media", media(&["photo"])),
        yes("has:media_link", media(&["animated_gif"])),
        no("has:media", linked("https://example.org/a.jpg")),
        yes("has:images", media(&["video", "photo"])),
        no("has:images", media(&["video", "animated_gif"])),
        yes("has:videos", media(&["video"])),
        yes("has:video_link", media(&["photo", "video"])),
        no("has:videos", media(&["animated_gif"])),
        no("has:videos", media(&["photo"])),
        yes("has:videos", quote_of("look", media(&["video"]))),
        yes("has:images", retweet_of(media(&["photo"]))),
        yes("has:images", Post { is_long: true, ..media(&["photo"]) }),
        no("has:images", Post { is_long: true, ..media(&["video"]) }),
    ]
}

fn annotations_and_conversations_are_of_v2() -> Vec<Case> {
    let annotated =
        || Post { annotations: vec![(66, 852, "Herring gull".into()), (65, 7, "Tern".into())], ..post("x") };
    vec![
        Case("context:66.852", annotated(), UNKNOWN, YES),
        Case("context:66.*", annotated(), UNKNOWN, YES),
        Case("context:*.7", annotated(), UNKNOWN, YES),
        Case("context:66.7", annotated(), UNKNOWN, NO),
        Case("context:67.*", annotated(), UNKNOWN, NO),
        Case("context:66.852", post("x"), UNKNOWN, NO),
        Case("entity:\"herring GULL\"", annotated(), UNKNOWN, YES),
        Case("entity:\"herring\"", annotated(), UNKNOWN, NO),
        // A legacy Post may have one all the same.
        yes("conversation_id:20", Post { conversation: Some(20), ..post("x") }),
        no("conversation_id:20", Post { conversation: Some(21), ..post("x") }),
        Case("conversation_id:20", post("x"), NO, UNKNOWN),
    ]
}

fn numbered(id: u64) -> Post {
    Post { id, ..post("gull") }
}

fn samples() -> Vec<Case> {
    vec![
        yes("gull sample:100", numbered(1)),
        no("tern sample:100", numbered(1)),
        // The first number of splitmix64 from seed 0 is 16294208416658607535, as its author publishes.
        yes("gull sample:36", numbered(0)),
        no("gull sample:35", numbered(0)),
    ]
}

#[test]
fn samples_are_shares_and_a_larger_one_holds_the_smaller() {
    let kept = |percent: u8| {
        let rule = rule(&format!("gull sample:{percent}"));
        let ids = (0..2_000).map(|id| 1_592_000_000_000_000_000 + id * 4_194_307);
        ids.filter(|id| values(&rule, &numbered(*id).legacy()) == YES).collect::<Vec<_>>()
    };
    let (few, many) = (kept(10), kept(50));
    assert!((150..250).contains(&few.len()) && (900..1_100).contains(&many.len()));
    assert!(few.iter().all(|id| many.contains(id)));
}

fn meaning_is_not_to_be_told() -> Vec<Case> {
    vec![
        Case("embedding:\"birds by the sea\"", post("gull"), UNKNOWN, UNKNOWN),
        Case("embedding:\"x\" embedding_threshold:0.5", post("gull"), UNKNOWN, UNKNOWN),
        yes("gull OR embedding:\"x\"", post("gull")),
        no("tern embedding:\"x\"", post("gull")),
        yes("gull embedding_threshold:0.5", post("gull")),
    ]
}

#[test]
fn what_a_v2_message_does_not_hold_is_not_to_be_told() {
    let without = |post: &Post, pointers: &[&str]| {
        let mut message = post.v2();
        for pointer in pointers {
            let (parent, key) = pointer.rsplit_once('/').unwrap();
            message.pointer_mut(parent).unwrap().as_object_mut().unwrap().remove(key).unwrap();
        }
        message
    };
    let author = with_author(|user| user.description = Some("birds".into()));
    for (text, message, want) in [
        // The author is named and not included.
        ("from:77", without(&author, &["/includes/users"]), YES),
        ("from:shore_walker", without(&author, &["/includes/users"]), UNKNOWN),
        ("from:shore_walker", without(&author, &["/includes/users/0/username"]), UNKNOWN),
        ("retweets_of:x", without(&retweet_of(post("gull")), &["/includes/users/1/username"]), UNKNOWN),
        ("bio:birds", without(&author, &["/includes/users"]), UNKNOWN),
        ("followers_count:0", without(&author, &["/includes/users"]), UNKNOWN),
        ("is:verified", without(&author, &["/includes/users"]), UNKNOWN),
        ("from:77", without(&author, &["/data/author_id"]), UNKNOWN),
        ("followers_count:0", without(&author, &["/includes/users/0/public_metrics"]), UNKNOWN),
        ("is:verified", without(&author, &["/includes/users/0/verified"]), UNKNOWN),
        ("lang:en", without(&author, &["/data/lang"]), UNKNOWN),
        ("source:x", without(&author, &["/data/source"]), UNKNOWN),
        // What is repeated or quoted is not included.
        ("gull", without(&retweet_of(post("gull")), &["/includes/tweets"]), YES),
        ("tern", without(&retweet_of(post("gull")), &["/includes/tweets"]), UNKNOWN),
        ("tern", without(&quote_of("look", post("gull")), &["/includes/tweets"]), UNKNOWN),
        ("look", without(&quote_of("look", post("gull")), &["/includes/tweets"]), YES),
        ("-tern look", without(&quote_of("look", post("gull")), &["/includes/tweets"]), UNKNOWN),
        ("contains:tern", without(&quote_of("look", post("gull")), &["/includes/tweets"]), NO),
        ("has:links", without(&quote_of("look", post("gull")), &["/includes/tweets"]), UNKNOWN),
        ("is:retweet", without(&retweet_of(post("gull")), &["/includes/tweets"]), YES),
        ("retweets_of:x", without(&retweet_of(post("gull")), &["/includes/tweets"]), UNKNOWN),
        // The kind of what was uploaded.
        ("has:media", without(&media(&["photo"]), &["/includes/media"]), YES),
        ("has:images", without(&media(&["photo"]), &["/includes/media"]), UNKNOWN),
        ("has:links", without(&media(&["photo"]), &["/includes/media"]), YES),
        // The place.
        ("has:geo", without(&in_tollesbury(), &["/includes/places"]), YES),
        ("place:01a9a39529b27f36", without(&in_tollesbury(), &["/includes/places"]), YES),
        ("place:tollesbury", without(&in_tollesbury(), &["/includes/places"]), UNKNOWN),
        ("place_country:GB", without(&in_tollesbury(), &["/includes/places"]), UNKNOWN),
        ("bounding_box:[0.7 51.7 0.9 51.8]", without(&in_tollesbury(), &["/includes/places"]), UNKNOWN),
        // The name of whom it answers.
        ("to:5", without(&replying(Some(20), 5, "x"), &["/includes/users"]), YES),
        ("to:x", without(&replying(Some(20), 5, "x"), &["/includes/users"]), UNKNOWN),
    ] {
        assert_eq!(values(&rule(text), &message), want, "{text} on {message:#}");
    }
}

/// Filtered Stream: Build a rule; Powerstream: Introduction. What the pages say of their examples, on Posts of our own.
#[test]
fn the_examples_of_the_pages_match_as_the_pages_say() {
    let said = post;
    let with_tag = |text: &str, tag: &str| Post { hashtags: vec![tag.into()], ..post(text) };
    let in_language = |text: &str, lang: &str| Post { lang: Some(lang.into()), ..post(text) };
    run(vec![
        // Standalone operators, and conjunction-required ones beside them.
        yes("#xapiv2", tagged(&["XAPIv2"])),
        yes("\"X data\" has:mentions (has:media OR has:links)", {
            Post { mentions: vec![(5, "a".into())], ..linked("https://example.org") }.saying("on x data")
        }),
        no(
            "\"X data\" has:mentions (has:media OR has:links)",
            linked("https://example.org").saying("on x data"),
        ),
        // AND, OR, NOT, grouping.
        yes("snow day #NoSchool", with_tag("a snow day", "noschool")),
        no("snow day #NoSchool", with_tag("a day", "noschool")),
        no("snow day #NoSchool", said("snow day #NoSchool")),
        yes("grumpy OR cat OR #meme", said("so grumpy")),
        yes("grumpy OR cat OR #meme", with_tag("x", "meme")),
        no("grumpy OR cat OR #meme", said("a meme")),
        yes("cat #meme -grumpy", with_tag("a cat", "meme")),
        no("cat #meme -grumpy", with_tag("a grumpy cat", "meme")),
        yes("(grumpy cat) OR (#meme has:images)", said("grumpy cat")),
        yes(
            "(grumpy cat) OR (#meme has:images)",
            Post { hashtags: vec!["meme".into()], ..media(&["photo"]) },
        ),
        no("(grumpy cat) OR (#meme has:images)", with_tag("grumpy", "meme")),
        // A negated group is what the page writes instead of it.
        yes("skiing -snow -day -noschool", said("skiing in rain")),
        no("skiing -snow -day -noschool", said("skiing in snow")),
        yes("skiing -(snow OR day OR noschool)", said("skiing in rain")),
        no("skiing -(snow OR day OR noschool)", said("skiing all day")),
        // The order of operations: AND before OR.
        yes("apple OR iphone ipad", said("apple")),
        no("apple OR iphone ipad", said("ipad")),
        yes("apple OR (iphone ipad)", said("apple")),
        yes("ipad iphone OR android", said("android")),
        no("ipad iphone OR android", said("ipad")),
        no("(apple OR iphone) ipad", said("apple")),
        yes("(apple OR iphone) ipad", said("apple ipad")),
        no("iphone (ipad OR android)", said("android")),
        yes("iphone (ipad OR android)", said("android iphone")),
        // Diacritics and case.
        yes("diacrítica", said("DIACRÍTICA")),
        no("diacrítica", said("diacritica")),
        no("diacritica", said("diacrítica")),
        yes("cat", said("CAT")),
        yes("cat", said("Cat")),
        // What is quoted counts as well.
        yes("cat", quote_of("look", said("a cat"))),
        // From broad to narrow.
        yes("(happy OR happiness) lang:en -birthday -is:retweet", in_language("happy me", "en")),
        no("(happy OR happiness) lang:en -birthday -is:retweet", in_language("happy me", "de")),
        no("(happy OR happiness) lang:en -birthday -is:retweet", in_language("happy birthday", "en")),
        no("(happy OR happiness) lang:en -birthday -is:retweet", retweet_of(in_language("happy me", "en"))),
        yes(
            "(happy OR happiness) place_country:GB -birthday -is:retweet",
            in_tollesbury().saying("such happiness"),
        ),
        no("(happy OR happiness) place_country:GB -birthday -is:retweet", said("such happiness")),
        no(
            "(happy OR happiness OR excited OR elated) lang:en -birthday -is:retweet -holidays",
            said("elated: holidays"),
        ),
        yes("meme has:images", media(&["photo"]).saying("a meme")),
        no("cat has:media -grumpy", media(&["photo"]).saying("grumpy cat")),
        // The pages' longer rules.
        yes(
            "-is:retweet has:geo (from:NWSNHC OR from:NHC_Atlantic)",
            Post { author: User::new(5, "nhc_atlantic"), ..in_tollesbury() },
        ),
        no(
            "-is:retweet has:geo (from:NWSNHC OR from:NHC_Atlantic)",
            Post { author: User::new(5, "nhc_atlantic"), ..post("x") },
        ),
        yes(
            "#nowplaying (happy OR exciting) (place_country:US OR place_country:GB) -horrible",
            Post { hashtags: vec!["NowPlaying".into()], ..in_tollesbury() }.saying("exciting"),
        ),
        Case(
            "context:65.852262932607926273 -context:66.852262932607926273 -is:retweet has:images lang:ja",
            Post {
                annotations: vec![(65, 852_262_932_607_926_273, "Pets".into())],
                lang: Some("ja".into()),
                ..media(&["photo"])
            },
            UNKNOWN,
            YES,
        ),
        yes("(cat OR dog) lang:en -is:retweet", said("a dog")),
        no("(cat OR dog) lang:en -is:retweet", retweet_of(said("a dog"))),
        no("(cat OR dog) lang:en -is:retweet", in_language("a dog", "fr")),
    ]);
}

#[test]
fn what_is_no_post_matches_nothing() {
    for message in [
        json!({"type": "connection_metadata", "datacenter": "atla", "timestamp": 1_762_557_264_155_u64}),
        json!({"errors": [{"title": "operational-disconnect", "detail": "gull"}]}),
        json!({"disconnect": {"code": 4, "stream_name": "gull", "reason": "gull"}}),
        json!({"delete": {"status": {"id": 20, "id_str": "20", "user_id": 12}}}),
        json!([]),
        json!({}),
        json!(null),
        json!("gull"),
    ] {
        for text in ["gull", "-tern", "gull OR -gull"] {
            assert_eq!(values(&rule(text), &message), NO, "{text} on {message}");
        }
    }
}

#[test]
fn a_post_of_the_powerstream_page_is_read() {
    // The fields that the sample of Powerstream: Introduction has, with its values.
    let message = json!([{
        "created_at": "Tue Mar 21 20:50:14 +0000 2006", "id": 20, "id_str": "20", "text": "just setting up my twttr",
        "truncated": false,
        "entities": {"hashtags": [], "symbols": [], "user_mentions": [], "urls": []},
        "source": "<a href=\"http://x.com\" rel=\"nofollow\">X Web Client</a>",
        "in_reply_to_status_id": null, "in_reply_to_user_id": null, "in_reply_to_screen_name": null,
        "user": {
            "id": 12, "id_str": "12", "name": "jack", "screen_name": "jack", "location": "",
            "description": "no state is the best state", "followers_count": 6_427_829, "friends_count": 3,
            "listed_count": 32_968, "statuses_count": 30_134, "verified": false,
        },
        "geo": null, "coordinates": null, "place": null, "is_quote_status": false, "lang": "en",
    }]);
    for (text, want) in [
        ("twttr", YES),
        ("\"setting up\"", YES),
        ("from:jack", YES),
        ("from:12", YES),
        ("bio:\"best state\"", YES),
        ("source:\"X Web Client\"", YES),
        ("source:\"https://x.com/\"", YES),
        ("followers_count:6000000..7000000", YES),
        ("contains:witter", NO),
        ("contains:wttr", YES),
        ("lang:en -is:retweet -has:links -has:geo -is:reply -is:quote", YES),
        ("(cat OR dog) lang:en -is:retweet", NO),
        ("has:mentions OR has:media OR has:symbols OR is:verified OR has:hashtags", NO),
    ] {
        assert_eq!(values(&rule(text), &message), want, "{text}");
    }
}

/// The cases by subject.
const ALL: [fn() -> Vec<Case>; 17] = [
    keywords_are_tokens_of_the_text_or_of_a_link,
    keywords_read_what_is_repeated_and_quoted,
    emoji_are_tokens_by_grapheme_cluster,
    phrases_are_literal_at_word_boundaries,
    near_words_count_what_lies_between,
    hashtags_cashtags_and_mentions_are_the_entities,
    authors_and_whom_they_answer,
    affiliations_are_of_v2,
    characters_in_the_text_and_in_links,
    profiles,
    places_of_profiles_are_of_legacy_posts,
    languages_and_applications,
    places_and_points_of_the_outer_post,
    media_are_what_was_uploaded,
    annotations_and_conversations_are_of_v2,
    meaning_is_not_to_be_told,
    samples,
];

#[test]
fn every_case_has_its_value_in_both_formats() {
    for cases in ALL {
        run(cases());
    }
}

#[test]
fn every_operator_is_matched_and_missed_in_both_formats() {
    // Of each operator alone: the values seen in legacy and in v2 Posts.
    let mut seen: BTreeMap<Operator, [BTreeSet<Truth>; 2]> = BTreeMap::new();
    for Case(text, _, legacy, v2) in ALL.iter().flat_map(|cases| cases()) {
        let rule = rule(text);
        let operators: BTreeSet<Operator> = rule.terms().map(|(term, _)| term.operator).collect();
        // A sample and a threshold are never alone.
        for operator in operators.iter().filter(|operator| {
            operators.len() == 1 || matches!(operator, Operator::Sample | Operator::EmbeddingThreshold)
        }) {
            let [in_legacy, in_v2] = seen.entry(*operator).or_default();
            in_legacy.insert(legacy);
            in_v2.insert(v2);
        }
    }
    for operator in Operator::ALL {
        use Operator as O;
        let both = BTreeSet::from([NO, YES]);
        let [legacy, v2] = &seen[operator];
        let (of_legacy, of_v2) = match operator {
            O::FromAffiliateOf | O::ToAffiliateOf | O::Context | O::Entity => {
                (BTreeSet::from([UNKNOWN]), both)
            }
            O::ProfileCountry
            | O::ProfileRegion
            | O::ProfileLocality
            | O::ProfileSubregion
            | O::ProfilePointRadius
            | O::ProfileBoundingBox
            | O::HasProfileGeo => (both, BTreeSet::from([UNKNOWN])),
            O::Embedding => (BTreeSet::from([UNKNOWN]), BTreeSet::from([UNKNOWN])),
            O::EmbeddingThreshold => (BTreeSet::from([YES]), BTreeSet::from([YES])),
            _ => (both.clone(), both),
        };
        assert!(legacy.is_superset(&of_legacy), "{operator:?} on legacy Posts: {legacy:?}");
        assert!(v2.is_superset(&of_v2), "{operator:?} on v2 Posts: {v2:?}");
    }
}
