//! Owned Posts: every field of both formats, and conversion to JSON and back.

use powerstream_client::owned::OwnedEvent;
use powerstream_client::post::{NESTING_MAX, OwnedMediaKind, OwnedPost, PostError};
use powerstream_core::post::Post;
use powerstream_core::session::{Message, SessionEvent};
use powerstream_core::stream::classify;
use powerstream_simulator::Generator;
use serde_json::{Value, json};

fn owned(line: &[u8]) -> Result<OwnedPost, PostError> {
    OwnedPost::try_from(&Message::new(line, classify(line)))
}

fn through_json(post: &OwnedPost) -> OwnedPost {
    serde_json::from_str(&serde_json::to_string(post).unwrap()).unwrap()
}

fn legacy() -> Value {
    json!({
        "created_at": "Wed Oct 10 20:19:24 +0000 2018", "id": 1050118621198921728u64, "id_str": "1050118621198921728",
        "text": "To make room for more expression, we will now count all emojis as eq… https://t.co/MkGjXf9aXm",
        "source": "<a href=\"http://x.com\">X</a>", "truncated": true, "lang": "en",
        "extended_tweet": {
            "full_text": "To make room for more expression & so on #terns $T @shore https://t.co/a",
            "entities": {
                "hashtags": [{"text": "terns", "indices": [1, 2]}], "symbols": [{"text": "T"}],
                "user_mentions": [{"screen_name": "shore", "id": 12, "id_str": "12"}],
                "urls": [{"url": "https://t.co/a", "expanded_url": "https://a.example/", "display_url": "a.example"}]
            },
            "extended_entities": {"media": [{"type": "video", "id_str": "7", "sizes": {"thumb": {"w": 150}}}]}
        },
        "in_reply_to_status_id_str": "5", "in_reply_to_user_id_str": "6", "in_reply_to_screen_name": "tern",
        "user": {"id_str": "6253282", "screen_name": "api", "name": "API", "followers_count": 3, "protected": false},
        "coordinates": {"type": "Point", "coordinates": [-75.14, 40.05]},
        "place": {"id": "x1", "name": "Here", "full_name": "Here, There", "country": "NL", "country_code": "NL",
            "place_type": "city", "bounding_box": {"coordinates": [[[1, 2]]]}},
        "quoted_status_id_str": "9", "quoted_status": {"id_str": "9", "text": "quoted", "user": {"id_str": "1"}},
        "matching_rules": [{"id_str": "77", "tag": "birds"}],
        "favorite_count": 3, "entities": {}, "unheard_of": {"deep": [1, "two", null, true, 1.5]}
    })
}

#[test]
fn reads_each_field_of_a_legacy_post() {
    let post = owned(legacy().to_string().as_bytes()).unwrap();
    assert_eq!(post.id.as_u64(), 1_050_118_621_198_921_728);
    assert_eq!(post.created_ms, Some(1_539_202_764_000 + post.created_ms.unwrap() % 1_000));
    assert_eq!(post.created_at.as_deref(), Some("Wed Oct 10 20:19:24 +0000 2018"));
    assert!(post.text.starts_with("To make room for more expression & so on"));
    assert_eq!((post.hashtags, post.cashtags), (vec!["terns".to_owned()], vec!["T".to_owned()]));
    assert_eq!((post.mentions[0].id, post.mentions[0].screen_name.as_deref()), (Some(12), Some("shore")));
    assert_eq!(post.urls[0].expanded_url.as_deref(), Some("https://a.example/"));
    assert_eq!(post.media[0].kind, OwnedMediaKind::Video);
    assert_eq!(post.media[0].fields["sizes"]["thumb"]["w"], 150);
    let reply = post.in_reply_to.unwrap();
    assert_eq!((reply.post_id.unwrap().as_u64(), reply.user_id), (5, Some(6)));
    assert_eq!(reply.screen_name.as_deref(), Some("tern"));
    let author = post.author.unwrap();
    assert_eq!((author.id, author.followers_count), (Some(6_253_282), Some(3)));
    assert_eq!(Value::Object(author.other), json!({"protected": false}));
    let point = post.point.unwrap();
    assert_eq!((point.longitude, point.latitude), (-75.14, 40.05));
    let place = post.place.unwrap();
    assert_eq!((place.country_code.as_deref(), place.other.len()), (Some("NL"), 1));
    assert_eq!((post.quoted_id.unwrap().as_u64(), post.quoted.unwrap().text.as_str()), (9, "quoted"));
    assert_eq!((post.matching_rules[0].id, post.matching_rules[0].tag.as_deref()), (Some(77), Some("birds")));
    let other = json!({"favorite_count": 3, "unheard_of": {"deep": [1, "two", null, true, 1.5]}});
    assert_eq!(Value::Object(post.other), other);
}

#[test]
fn reads_each_field_of_a_v2_post() {
    let line = json!({
        "data": {
            "id": "20", "text": "short", "note_tweet": {"text": "long", "entities": {"hashtags": [{"tag": "terns"}]}},
            "author_id": "12", "conversation_id": "19", "created_at": "2018-10-10T20:19:24.000Z", "lang": "en",
            "referenced_tweets": [{"type": "retweeted", "id": "21"}, {"type": "quoted", "id": "22"}],
            "attachments": {"media_keys": ["3_1"]}, "geo": {"place_id": "p"},
            "public_metrics": {"like_count": 3}, "possibly_sensitive": false
        },
        "includes": {
            "users": [{"id": "12", "username": "shore", "public_metrics": {"followers_count": 4}, "protected": true}],
            "tweets": [{"id": "21", "text": "repeated", "author_id": "12"}],
            "media": [{"media_key": "3_1", "type": "photo", "url": "https://a.example/1"}],
            "places": [{"id": "p", "full_name": "Here"}]
        },
        "matching_rules": [{"id": "77"}]
    });
    let post = owned(line.to_string().as_bytes()).unwrap();
    assert_eq!((post.text.as_str(), post.hashtags[0].as_str()), ("long", "terns"));
    assert_eq!((post.author_id, post.conversation_id.unwrap().as_u64()), (Some(12), 19));
    let author = post.author.as_ref().unwrap();
    assert_eq!((author.screen_name.as_deref(), author.followers_count), (Some("shore"), Some(4)));
    assert_eq!(author.other["protected"], true);
    assert_eq!(post.retweeted.as_ref().unwrap().text, "repeated");
    assert_eq!((post.quoted_id.unwrap().as_u64(), post.quoted.is_none()), (22, true));
    assert_eq!(post.media[0].fields["url"], "https://a.example/1");
    assert_eq!(post.place.as_ref().unwrap().full_name.as_deref(), Some("Here"));
    assert_eq!(post.matching_rules[0].id, Some(77));
    let other = json!({"public_metrics": {"like_count": 3}, "possibly_sensitive": false});
    assert_eq!(Value::Object(post.other.clone()), other);
    assert_eq!(through_json(&post), post);
}

#[test]
fn generated_posts_are_equal_after_json_and_back() {
    let mut generator = Generator::new(7);
    let mut nested = 0;
    for n in 0..500 {
        let mut line = Vec::new();
        generator.post(1_790_000_000_000 + n, &mut line);
        let post = owned(&line).unwrap();
        nested += u32::from(post.quoted.is_some()) + u32::from(post.retweeted.is_some());
        assert_eq!(through_json(&post), post);
        assert_eq!(post.text, Post::new(&line).text().unwrap().to_cow());
    }
    assert!(nested > 50, "{nested}");
}

#[test]
fn ids_are_strings_in_json_and_numbers_are_accepted() {
    let post = owned(br#"{"id_str":"18446744073709551615","text":"a","user":{"id":12}}"#).unwrap();
    let json = serde_json::to_value(&post).unwrap();
    assert_eq!((&json["id"], &json["author"]["id"]), (&json!("18446744073709551615"), &json!("12")));
    let from_number: OwnedPost = serde_json::from_value(json!({"id": 12})).unwrap();
    assert_eq!(from_number.id.as_u64(), 12);
    for wrong in [json!({"id": "x"}), json!({"id": null}), json!({}), json!({"id": "18446744073709551616"})] {
        assert!(serde_json::from_value::<OwnedPost>(wrong.clone()).is_err(), "{wrong}");
    }
}

#[test]
fn text_that_is_not_unicode_is_replaced() {
    let post = owned(b"{\"id_str\":\"1\",\"text\":\"a\\ud800b\xff\",\"x\":\"\\udc00\"}").unwrap();
    assert_eq!((post.text.as_str(), &post.other["x"]), ("a\u{fffd}b\u{fffd}", &json!("\u{fffd}")));
}

#[test]
fn keeps_numbers_that_fit_no_type() {
    let huge = "9".repeat(400);
    let line = format!(r#"{{"id_str":"1","text":"a","x":{huge},"y":18446744073709551615,"z":1e2}}"#);
    let post = owned(line.as_bytes()).unwrap();
    assert_eq!(post.other["y"], u64::MAX);
    assert_eq!(post.other["z"], 100.0);
    assert!(post.other["x"].is_string() || post.other["x"].is_number());
}

#[test]
fn nesting_is_bounded() {
    let line = |depth: usize| {
        format!(r#"{{"id_str":"1","text":"a","x":{}1{}}}"#, "[".repeat(depth), "]".repeat(depth))
    };
    assert!(owned(line(NESTING_MAX - 1).as_bytes()).is_ok());
    assert_eq!(owned(line(NESTING_MAX).as_bytes()), Err(PostError::TooDeep));
    assert_eq!(owned(line(100_000).as_bytes()), Err(PostError::TooDeep));
}

#[test]
fn a_message_that_is_not_one_post_is_an_error() {
    for line in [br#"{"warning":{"code":"x"}}"#.as_slice(), br#"[{"id_str":"1","text":"a"}]"#, b"words"] {
        assert_eq!(owned(line), Err(PostError::NotOnePost));
    }
}

#[test]
fn owned_messages_have_the_same_posts() {
    let line = br#"[{"id_str":"1","text":"a"},{"id_str":"2","text":"b"}]"#;
    let event = OwnedEvent::from(SessionEvent::Message(Message::new(line, classify(line))));
    let OwnedEvent::Message(message) = event else { panic!("{event:?}") };
    let ids: Vec<u64> = message.posts().map(|post| OwnedPost::try_from(&post).unwrap().id.as_u64()).collect();
    assert_eq!(ids, [1, 2]);
}
