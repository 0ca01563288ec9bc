//! Tests each accessor separately. `oracle` compares all of them with a reference implementation.

use core::fmt;
use std::format;
use std::string::{String, ToString};
use std::vec::Vec;

use super::*;
use crate::stream::message::{PostId, classify};

mod fixtures;
mod generate;
mod oracle;
mod readable;
mod text;
mod value;

/// Returns the value of an accessor without an index. Asserts that the value is the same with an
/// index, and with an index of the indexed Post.
fn both<T: PartialEq + fmt::Debug>(message: &str, read: impl Fn(Post<'_>) -> T) -> T {
    let post = Post::new(message.as_bytes());
    let plain = read(post);
    assert_eq!(read(post.index().post()), plain, "{message}");
    assert_eq!(read(post.index().post().index().post()), plain, "{message}");
    plain
}

fn string(text: Option<JsonStr<'_>>) -> Option<String> {
    text.map(|text| text.to_string())
}

fn list<'a>(texts: impl Iterator<Item = JsonStr<'a>>) -> String {
    texts.map(|text| text.to_string()).collect::<Vec<_>>().join(" ")
}

#[test]
fn text_is_the_longest_available() {
    for (message, wanted) in [
        (r#"{"id":1,"text":"a"}"#, Some("a")),
        (r#"{"id":1,"text":"a","truncated":false,"extended_tweet":{"full_text":"b"}}"#, Some("a")),
        (r#"{"id":1,"text":"a","truncated":true,"extended_tweet":{"full_text":"b"}}"#, Some("b")),
        (r#"{"extended_tweet":{"full_text":"b"},"truncated":true,"text":"a","id":1}"#, Some("b")),
        (r#"{"id":1,"text":"a","extended_tweet":{"full_text":"b"}}"#, Some("b")),
        (r#"{"id":1,"text":"a","truncated":null,"extended_tweet":{"full_text":"b"}}"#, Some("b")),
        (r#"{"id":1,"text":"a","truncated":true,"extended_tweet":{"full_text":null}}"#, Some("a")),
        (r#"{"id":1,"text":"a","truncated":true,"extended_tweet":"b"}"#, Some("a")),
        (r#"{"id":1,"text":"a","truncated":true}"#, Some("a")),
        (r#"{"id":1,"full_text":"b","truncated":false}"#, Some("b")),
        (r#"{"id":1,"full_text":"b","text":"a"}"#, Some("a")),
        (r#"{"id":1,"full_text":"b","text":null}"#, Some("b")),
        (r#"{"id":1,"text":null,"text":"a"}"#, None),
        (r#"{"id":1,"user":{"text":"b"},"created_at":""}"#, None),
        (r#"{"id":1,"text":5}"#, None),
        (r#"{"data":{"id":"1","text":"a"}}"#, Some("a")),
        (r#"{"data":{"text":"a","id":"1","note_tweet":{"text":"b"}}}"#, Some("b")),
        (r#"{"data":{"id":"1","text":"a","note_post":{"text":"b"}}}"#, Some("b")),
        (r#"{"data":{"id":"1","text":"a","note_tweet":null,"note_post":{"text":"b"}}}"#, Some("b")),
        (r#"{"data":{"id":"1","text":"a","note_tweet":{"text":1}}}"#, Some("a")),
        (r#"{"data":{"id":"1"},"text":"a"}"#, None),
        (r#"{"data":null,"id":1,"text":"a"}"#, Some("a")),
        (r#"[{"id":1,"text":"a"}]"#, None),
        ("", None),
        ("null", None),
    ] {
        assert_eq!(both(message, |post| string(post.text())).as_deref(), wanted, "{message}");
    }
}

#[test]
fn escaped_keys_match_and_the_first_duplicate_wins() {
    let message =
        r#"{"\u0069d":7,"te\u0078t":"a","text":"b","id":8,"lang\n":"no","l\u0061ng":"en","lang":"de"}"#;
    assert_eq!(both(message, |post| post.id()), Some(PostId::new(7)));
    assert_eq!(both(message, |post| string(post.text())).as_deref(), Some("a"));
    assert_eq!(both(message, |post| string(post.lang())).as_deref(), Some("en"));
}

#[test]
fn numeric_id_is_used_only_without_a_string_id() {
    for (message, wanted) in [
        (r#"{"id":1000,"id_str":"1001","text":""}"#, Some(1001)),
        (r#"{"text":"","id_str":"1001","id":1000}"#, Some(1001)),
        (r#"{"id":1000,"id_str":null,"text":""}"#, Some(1000)),
        (r#"{"id":1000,"text":""}"#, Some(1000)),
        (r#"{"id":"1000","text":""}"#, Some(1000)),
        (r#"{"id":1e3,"id_str":"1 000","text":""}"#, None),
        (r#"{"id":-1,"text":""}"#, None),
        (r#"{"id":18446744073709551615,"text":""}"#, Some(u64::MAX)),
        (r#"{"id":18446744073709551616,"text":""}"#, None),
        (r#"{"data":{"id":"5"}}"#, Some(5)),
        (r#"{"data":{"id":5}}"#, Some(5)),
    ] {
        assert_eq!(both(message, |post| post.id().map(PostId::as_u64)), wanted, "{message}");
    }
}

/// An id of more than 53 bits that a relay or an older reader rounded to a double, in every
/// spelling.
const ROUNDED: [&str; 5] =
    ["1152921504606847000", "1152921504606846976", "1.1529215046068470e+18", "1.152921504606847E18", "null"];

#[test]
fn a_string_id_wins_over_a_rounded_number_in_any_order() {
    let id = 1_152_921_504_606_846_977;
    let members =
        [r#""created_at":"x""#, r#""text":"a""#, r#""user":{"id":7,"id_str":"7"}"#, r#""lang":"en""#];
    for number in ROUNDED {
        for first in 0..=members.len() {
            for second in first..=members.len() {
                for (one, two) in [("id", "id_str"), ("id_str", "id")] {
                    let member = |name| match name {
                        "id" => format!(r#""id":{number}"#),
                        _ => format!(r#""id_str":"{id}""#),
                    };
                    let mut all: Vec<String> = members.iter().map(ToString::to_string).collect();
                    all.insert(second, member(two));
                    all.insert(first, member(one));
                    let message = format!("{{{}}}", all.join(","));
                    let class = classify(message.as_bytes());
                    assert_eq!(class.post_id, Some(PostId::new(id)), "{message}");
                    assert_eq!(both(&message, |post| post.id()), class.post_id, "{message}");
                }
            }
        }
    }
}

#[test]
fn a_string_id_wins_over_a_rounded_number_in_every_field() {
    type Read = fn(Post<'_>) -> Option<u64>;
    // (the member that holds the pair, the name of the pair, what reads it)
    let fields: [(&str, &str, Read); 10] = [
        ("PAIR", "in_reply_to_status_id", |post| post.in_reply_to_post_id().map(PostId::as_u64)),
        ("PAIR", "in_reply_to_user_id", |post| post.in_reply_to_user_id()),
        ("PAIR", "quoted_status_id", |post| post.quoted_id().map(PostId::as_u64)),
        ("PAIR", "conversation_id", |post| post.conversation_id().map(PostId::as_u64)),
        (r#""user":{PAIR}"#, "id", |post| post.author_id()),
        (r#""user":{PAIR}"#, "id", |post| post.author()?.profile().id),
        (r#""retweeted_status":{PAIR}"#, "id", |post| post.retweeted_id().map(PostId::as_u64)),
        (r#""quoted_status":{PAIR}"#, "id", |post| post.quoted()?.id().map(PostId::as_u64)),
        (r#""entities":{"user_mentions":[{PAIR}]}"#, "id", |post| post.entities().mentions().next()?.id),
        (r#""matching_rules":[{PAIR}]"#, "id", |post| post.matching_rules().next()?.id),
    ];
    let id = 1_152_921_504_606_846_977_u64;
    for (member, name, read) in fields {
        for number in ROUNDED {
            for pair in [
                format!(r#""{name}":{number},"{name}_str":"{id}""#),
                format!(r#""{name}_str":"{id}","x":[],"{name}":{number}"#),
            ] {
                let member = member.replace("PAIR", &pair);
                let message = format!(r#"{{"created_at":"","id":1,{member}}}"#);
                assert_eq!(both(&message, read), Some(id), "{message}");
            }
        }
    }
}

#[test]
fn reads_every_field_of_a_legacy_post() {
    let message = fixtures::LEGACY;
    let post = Post::new(message.as_bytes());
    assert_eq!(post.format(), Format::Legacy);
    assert!(post.root().is_some() && post.value().is_some());
    assert_eq!(both(message, |post| post.id().and_then(PostId::created_at)).map(|at| at.as_millis()), {
        Some(1_539_202_764_211)
    });
    assert_eq!(
        both(message, |post| string(post.text())).unwrap(),
        "Rings on gulls: #ring2018 \"é\" 🐦, whole"
    );
    assert_eq!(both(message, |post| string(post.source())).unwrap(), r#"<a href="http://x.test">Hide</a>"#);
    assert_eq!(both(message, |post| string(post.created_at())).unwrap(), "Wed Oct 10 20:19:24 +0000 2018");
    assert_eq!(
        both(message, |post| post.in_reply_to_post_id()),
        Some(PostId::new(1_050_118_000_000_000_001))
    );
    assert_eq!(both(message, |post| post.in_reply_to_user_id()), Some(42));
    assert_eq!(both(message, |post| string(post.in_reply_to_screen_name())).unwrap(), "harbour");
    assert_eq!(both(message, |post| post.author_id()), Some(9_007_199_254_740_993));
    let profile = Post::new(message.as_bytes()).author().unwrap().profile();
    assert!(profile.screen_name.unwrap() == "shore" && profile.name.unwrap() == "Shore\nWatch");
    assert_eq!((profile.verified, profile.followers_count), (Some(true), Some(1_234)));
    assert_eq!(
        (profile.friends_count, profile.listed_count, profile.statuses_count),
        (Some(56), Some(7), Some(0))
    );
    assert_eq!(both(message, |post| list(post.entities().hashtags())), "ring2018 gulls");
    assert_eq!(both(message, |post| list(post.entities().cashtags())), "GULL");
    let mentions = |post: Post<'_>| {
        post.entities().mentions().map(|it| (it.id, string(it.screen_name))).collect::<Vec<_>>()
    };
    assert_eq!(both(message, mentions), [(Some(42), Some("harbour".to_string()))]);
    let url = Post::new(message.as_bytes()).entities().urls().next().unwrap();
    assert!(url.url().unwrap() == "https://t.test/a" && url.expanded_url().unwrap() == "http://s.test/1");
    assert!(
        url.display_url().unwrap() == "s.test/1" && url.unwound_url().unwrap() == "https://long.test/gulls"
    );
    assert!(url.title().unwrap() == "All gulls" && url.description().unwrap() == "Of \\ the / coast");
    let kinds = |post: Post<'_>| post.media().map(|media| media.kind()).collect::<Vec<_>>();
    assert_eq!(both(message, kinds), [MediaKind::Video, MediaKind::AnimatedGif, MediaKind::Other]);
    assert_eq!(both(message, |post| post.point()), Some(Point { longitude: -1.5, latitude: 50.25 }));
    let place = Post::new(message.as_bytes()).place().unwrap();
    assert!(place.id().unwrap() == "0a1b" && place.full_name().unwrap() == "Lymington, England");
    assert!(place.country_code().unwrap() == "GB" && place.place_type().unwrap() == "city");
    assert_eq!(place.corners().count(), 4);
    assert_eq!(
        place.bounding_box(),
        Some(BoundingBox { west: -1.75, south: 50.0, east: -1.25, north: 50.5 })
    );
    assert!(both(message, |post| post.is_quote()));
    assert_eq!(both(message, |post| post.quoted_id()), Some(PostId::new(21)));
    assert_eq!(both(message, |post| string(post.quoted()?.text())).unwrap(), "the quoted one");
    assert_eq!(both(message, |post| post.retweeted_id()), Some(PostId::new(22)));
    assert_eq!(both(message, |post| string(post.retweeted()?.author()?.screen_name())).unwrap(), "other");
    // A nested Post has an index too, and its rules are those of the message.
    let rules = |post: Post<'_>| {
        let inner = post.quoted().unwrap();
        let index = inner.index();
        assert_eq!(string(index.post().text()), string(inner.text()));
        assert_eq!(index.post().matching_rules().count(), post.matching_rules().count());
        post.matching_rules().map(|rule| (rule.id, string(rule.tag))).collect::<Vec<_>>()
    };
    assert_eq!(
        both(message, rules),
        [(Some(9_007_199_254_740_995), Some("gulls".to_string())), (Some(3), None)]
    );
}

#[test]
fn reads_every_field_of_a_v2_post() {
    let message = fixtures::V2;
    assert_eq!(Post::new(message.as_bytes()).format(), Format::V2);
    assert_eq!(both(message, |post| string(post.text())).unwrap(), "A long note on #terns");
    assert_eq!(both(message, |post| post.author_id()), Some(77));
    assert_eq!(both(message, |post| string(post.author()?.screen_name())).unwrap(), "ternery");
    assert_eq!(both(message, |post| post.author()?.profile().friends_count), Some(11));
    assert_eq!(both(message, |post| post.author()?.statuses_count()), Some(13));
    assert_eq!(both(message, |post| post.in_reply_to_post_id()), Some(PostId::new(500)));
    assert_eq!(both(message, |post| string(post.in_reply_to_screen_name())).unwrap(), "harbour");
    assert_eq!(both(message, |post| post.conversation_id()), Some(PostId::new(499)));
    assert_eq!(both(message, |post| list(post.entities().hashtags())), "terns");
    let kinds = |post: Post<'_>| post.media().map(|media| media.kind()).collect::<Vec<_>>();
    assert_eq!(both(message, kinds), [MediaKind::Photo, MediaKind::Video]);
    assert!(both(message, |post| post.is_quote()));
    assert_eq!(both(message, |post| string(post.quoted()?.text())).unwrap(), "quoted beside");
    assert_eq!(both(message, |post| string(post.quoted()?.author()?.name())).unwrap(), "Harbour");
    assert_eq!(both(message, |post| post.retweeted_id()), None);
    assert!(Post::new(message.as_bytes()).retweeted().is_none());
    let place = Post::new(message.as_bytes()).place().unwrap();
    assert!(place.name().unwrap() == "Farne" && place.country().unwrap() == "United Kingdom");
    assert_eq!(place.corners().count(), 4);
    assert_eq!(place.bounding_box().map(|bounds| bounds.north), Some(55.75));
    assert_eq!(both(message, |post| post.point().map(|point| point.latitude)), Some(55.5));
    assert_eq!(both(message, |post| post.matching_rules().count()), 1);
}

#[test]
fn media_beside_known_entities_are_those_of_the_post() {
    for (members, expected) in [
        (r#""entities":{"media":[{"type":"photo"}]}"#, MediaKind::Photo),
        (
            r#""entities":{"media":[{"type":"photo"}]},"extended_entities":{"media":[{"type":"video"}]}"#,
            MediaKind::Video,
        ),
        (
            r#""entities":{"media":[{"type":"photo"}]},"extended_tweet":{"entities":{"media":[{"type":"video"}]}}"#,
            MediaKind::Video,
        ),
    ] {
        let message = format!(r#"{{"id":1,"text":"",{members}}}"#);
        let kinds = |post: Post<'_>| {
            let kinds: Vec<_> = post.media().map(|media| media.kind()).collect();
            let beside = post.media_beside(&post.entities()).map(|media| media.kind());
            assert!(beside.eq(kinds.iter().copied()));
            kinds
        };
        assert_eq!(both(&message, kinds), [expected]);
    }
}

#[test]
fn v2_posts_beside_the_post_are_found_by_either_name() {
    for (references, posts) in [("referenced_tweets", "tweets"), ("referenced_posts", "posts")] {
        let data = format!(r#"{{"id":"1","{references}":[{{"type":"retweeted","id":"2"}}]}}"#);
        let includes = format!(r#"{{"{posts}":[{{"id":"2","text":"whole"}}]}}"#);
        let message = format!(r#"{{"data":{data},"includes":{includes}}}"#);
        assert_eq!(both(&message, |post| string(post.retweeted()?.text())).as_deref(), Some("whole"));
    }
}

#[test]
fn long_media_lists_are_truncated() {
    let many = |item: &str| [item].repeat(1_000).join(",");
    let message = format!(
        r#"{{"data":{{"id":"1","attachments":{{"media_keys":[{}]}}}},"includes":{{"media":[{}]}}}}"#,
        many(r#""a""#),
        many(r#"{"media_key":"a"}"#)
    );
    assert_eq!(Post::new(message.as_bytes()).media().count(), MEDIA_MAX);
}

#[test]
fn debug_output_contains_no_post_content() {
    for message in [fixtures::LEGACY, fixtures::V2] {
        let post = Post::new(message.as_bytes());
        let place = post.place().unwrap();
        let texts = [
            format!("{post:?} {:?} {:?}", post.index(), post.value()),
            format!("{:?} {:?}", post.author(), post.author().map(|author| author.profile())),
            format!("{:?} {:?}", post.entities(), post.entities().urls().collect::<Vec<_>>()),
            format!("{:?} {place:?}", post.media().collect::<Vec<_>>()),
            format!("{:?} {:?}", post.text().map(|text| text.chars()), post.matching_rules().next()),
        ];
        for word in ["gull", "tern", "shore", "Lymington", "Farne", "test"] {
            assert!(!texts.iter().any(|text| text.contains(word)), "{word} in {texts:?}");
        }
    }
}

#[test]
fn index_finds_the_entities_in_its_scan_if_they_are_well_formed() {
    let deep = "[".repeat(126);
    for (entities, is_known) in [
        (r#"{"urls":[{"url":"a"}],"hashtags":[{"text":"b"}]}"#, true),
        (r#"{"hashtags":[{"text":"b"}],"urls":[{"url":"a"}],"x":{"urls":[]},"urls":[]}"#, true),
        ("{}", true),
        ("[]", false),
        ("null", false),
        (r#"{"urls":[{"url":"a"}],x"#, false),
        (&format!(r#"{{"x":{deep}{},"urls":[{{"url":"a"}}]}}"#, "]".repeat(126)), true),
        (&format!(r#"{{"x":{deep}[]{},"urls":[{{"url":"a"}}]}}"#, "]".repeat(126)), false),
    ] {
        for (front, back) in [(r#"{"id":1,"entities":"#, "}"), (r#"{"data":{"id":"1","entities":"#, "}}")] {
            let message = format!("{front}{entities},\"lang\":\"c\"{back}");
            let index = Post::new(message.as_bytes()).index();
            // The fields of the message are stored as well.
            assert!(index.post().root_fields.is_some());
            // In v2, `data` is one more object around the entities, but its own scan begins there.
            assert_eq!(index.post().fields.unwrap().entities().is_some(), is_known, "{message}");
            let read = |post: Post<'_>| {
                let entities = post.entities();
                let urls: Vec<_> = entities.urls().map(|url| string(url.url())).collect();
                (urls, list(entities.hashtags()), string(post.lang()))
            };
            both(&message, read);
        }
    }
}
