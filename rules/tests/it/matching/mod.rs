//! Tests what each operator matches. Every row of the operator table has Posts that match and Posts
//! that do not, in both formats. The examples of X's pages are tested on invented Posts.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "test helpers, which clippy.toml's exemption for tests does not cover"
)]

mod documented;
mod fields;
mod html;
mod people;
mod words;

use std::collections::{BTreeMap, BTreeSet};

use powerstream_rules::matcher::{RuleKey, RuleSet, Scratch, evidence};
use powerstream_rules::{Operator, Profile, Rule, check};
use serde_json::{Value as Json, json};

use crate::oracle::matcher::{match_options, truth};
use crate::oracle::post::{Link, Location, Place, Post, Reply, User, post};
use crate::oracle::{Options, Truth};

/// Parses a rule for the first product that accepts it.
fn rule(text: &str) -> Rule {
    let trees =
        [Profile::Powerstream, Profile::FilteredStreamEmbedding].map(|profile| check(text, profile).rule);
    trees
        .into_iter()
        .flatten()
        .next()
        .unwrap_or_else(|| panic!("{text}: {:?}", check(text, Profile::Powerstream)))
}

/// Returns the value by the oracle, after checking that the matcher agrees.
fn values(rule: &Rule, message: &Json) -> Truth {
    values_with(rule, message, Options::default())
}

fn values_with(rule: &Rule, message: &Json, options: Options) -> Truth {
    let want = crate::oracle::value(rule, message, options);
    let bytes = message.to_string();
    let mut set = RuleSet::with_options(match_options(options));
    let key = set.insert(rule, None);
    let matched = set.matches(bytes.as_bytes(), &mut Scratch::new()) == [key];
    assert_eq!(
        matched,
        want == YES,
        "{} is {want:?}, but the matcher returned {matched}, on {message:#}",
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

/// Runs each case in both formats, plain and negated.
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

#[test]
fn messages_other_than_posts_match_no_rule() {
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
fn a_set_finds_each_of_many_rules_and_removes_only_the_one_asked_for() {
    let words: Vec<String> = (0..200).map(|number| format!("gull{}", number / 2)).collect();
    let message = media(&["photo"]).saying(&words.join(" ")).legacy().to_string();
    let texts = words.iter().map(String::as_str).chain(["has:links", "has:media"]);
    let (mut set, mut scratch) = (RuleSet::new(), Scratch::new());
    let mut keys: Vec<RuleKey> = texts.map(|text| set.insert(&rule(text), None)).collect();
    assert_eq!(set.matches(message.as_bytes(), &mut scratch), keys);
    for index in [200, 0] {
        assert!(set.remove(keys.remove(index)));
        assert_eq!(set.matches(message.as_bytes(), &mut scratch), keys);
    }
}

/// The cases, grouped by subject.
const ALL: [fn() -> Vec<Case>; 19] = [
    words::keywords_are_tokens_of_the_text_or_of_a_link,
    words::keywords_search_retweeted_and_quoted_posts,
    words::emoji_are_tokens_by_grapheme_cluster,
    words::phrases_are_literal_at_word_boundaries,
    words::proximity_counts_the_words_between,
    people::hashtags_cashtags_and_mentions_come_from_entities,
    people::authors_and_replies,
    people::affiliations_exist_in_v2_only,
    words::characters_in_the_text_and_in_links,
    people::profiles,
    people::profile_places_exist_in_legacy_posts_only,
    fields::languages_and_applications,
    fields::places_and_points_of_the_outer_post,
    fields::media_flags_count_uploads,
    fields::annotations_and_conversations_exist_in_v2_only,
    fields::embeddings_are_unknown,
    fields::samples,
    html::entities_in_texts_are_the_characters_they_stand_for,
    html::every_text_is_decoded_and_no_other_field,
];

#[test]
fn every_case_gives_the_expected_value_in_both_formats() {
    for cases in ALL {
        run(cases());
    }
}

#[test]
fn every_operator_has_matching_and_missing_cases_in_both_formats() {
    // For each operator without others: the values seen in legacy and in v2 Posts.
    let mut seen: BTreeMap<Operator, [BTreeSet<Truth>; 2]> = BTreeMap::new();
    for Case(text, _, legacy, v2) in ALL.iter().flat_map(|cases| cases()) {
        let rule = rule(text);
        let operators: BTreeSet<Operator> = rule.terms().map(|(term, _)| term.operator).collect();
        // `sample:` and `embedding_threshold:` never occur alone.
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
