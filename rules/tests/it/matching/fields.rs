//! Tests languages, places, media, annotations, samples, and fields that a message lacks.

use super::*;

pub(super) fn languages_and_applications() -> Vec<Case> {
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
        yes("is:nullcast", made_with("Twitter Ads Composer", "https://ads.example")),
        no("is:nullcast", made_with("Twitter Ads Composers", "https://ads.example")),
        yes("source:Gullcam", made_with("GullCam", "https://x.example")),
        no("source:web", made_with("X Web Client", "https://x.example")),
        Case("source:\"http://x.example/app\"", made_with("X", "https://x.example/app/"), YES, NO),
        Case("source:\"x.example/app\"", made_with("X", "https://X.example/app"), YES, NO),
        Case("source:\"x.example\"", made_with("X", "https://x.example/app"), NO, NO),
    ]
}

pub(super) fn places_and_points_of_the_outer_post() -> Vec<Case> {
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
        // Without a point, the whole place must be inside.
        yes("bounding_box:[0.7 51.7 0.9 51.8]", in_tollesbury()),
        no("bounding_box:[0.7 51.7 0.85 51.8]", in_tollesbury()),
        yes("point_radius:[0.835 51.76 5km]", in_tollesbury()),
        no("point_radius:[0.835 51.76 3km]", in_tollesbury()),
        // With a point, only the point counts.
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

pub(super) fn media_flags_count_uploads() -> Vec<Case> {
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

pub(super) fn annotations_and_conversations_exist_in_v2_only() -> Vec<Case> {
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
        // A legacy Post may still have one.
        yes("conversation_id:20", Post { conversation: Some(20), ..post("x") }),
        no("conversation_id:20", Post { conversation: Some(21), ..post("x") }),
        Case("conversation_id:20", post("x"), NO, UNKNOWN),
    ]
}

fn numbered(id: u64) -> Post {
    Post { id, ..post("gull") }
}

pub(super) fn samples() -> Vec<Case> {
    vec![
        yes("gull sample:100", numbered(1)),
        no("tern sample:100", numbered(1)),
        // The first number of splitmix64 from seed 0 is 16294208416658607535, as published by its
        // author.
        yes("gull sample:36", numbered(0)),
        no("gull sample:35", numbered(0)),
    ]
}

#[test]
fn a_larger_sample_contains_the_smaller_one() {
    let kept = |percent: u8| {
        let rule = rule(&format!("gull sample:{percent}"));
        let ids = (0..2_000).map(|id| 1_592_000_000_000_000_000 + id * 4_194_307);
        ids.filter(|id| values(&rule, &numbered(*id).legacy()) == YES).collect::<Vec<_>>()
    };
    let (few, many) = (kept(10), kept(50));
    assert!((150..250).contains(&few.len()) && (900..1_100).contains(&many.len()));
    assert!(few.iter().all(|id| many.contains(id)));
}

pub(super) fn embeddings_are_unknown() -> Vec<Case> {
    vec![
        Case("embedding:\"birds by the sea\"", post("gull"), UNKNOWN, UNKNOWN),
        Case("embedding:\"x\" embedding_threshold:0.5", post("gull"), UNKNOWN, UNKNOWN),
        yes("gull OR embedding:\"x\"", post("gull")),
        no("tern embedding:\"x\"", post("gull")),
        yes("gull embedding_threshold:0.5", post("gull")),
    ]
}

#[test]
fn fields_missing_from_a_v2_message_give_unknown() {
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
        // The message names the author but does not include the user.
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
        // The retweeted or quoted Post is not included.
        ("gull", without(&retweet_of(post("gull")), &["/includes/tweets"]), YES),
        ("tern", without(&retweet_of(post("gull")), &["/includes/tweets"]), UNKNOWN),
        ("tern", without(&quote_of("look", post("gull")), &["/includes/tweets"]), UNKNOWN),
        ("look", without(&quote_of("look", post("gull")), &["/includes/tweets"]), YES),
        ("-tern look", without(&quote_of("look", post("gull")), &["/includes/tweets"]), UNKNOWN),
        ("contains:tern", without(&quote_of("look", post("gull")), &["/includes/tweets"]), NO),
        ("-contains:tern", without(&quote_of("look", post("gull")), &["/includes/tweets"]), YES),
        ("has:links", without(&quote_of("look", post("gull")), &["/includes/tweets"]), UNKNOWN),
        ("is:retweet", without(&retweet_of(post("gull")), &["/includes/tweets"]), YES),
        ("retweets_of:x", without(&retweet_of(post("gull")), &["/includes/tweets"]), UNKNOWN),
        // The type of the uploaded media.
        ("has:media", without(&media(&["photo"]), &["/includes/media"]), YES),
        ("has:images", without(&media(&["photo"]), &["/includes/media"]), UNKNOWN),
        ("has:links", without(&media(&["photo"]), &["/includes/media"]), YES),
        // The key of a medium counts as a link even if its link is not among the entities.
        ("has:links", without(&media(&["photo"]), &["/includes/media", "/data/entities"]), YES),
        // The place.
        ("has:geo", without(&in_tollesbury(), &["/includes/places"]), YES),
        ("place:01a9a39529b27f36", without(&in_tollesbury(), &["/includes/places"]), YES),
        ("place:tollesbury", without(&in_tollesbury(), &["/includes/places"]), UNKNOWN),
        ("place_country:GB", without(&in_tollesbury(), &["/includes/places"]), UNKNOWN),
        ("bounding_box:[0.7 51.7 0.9 51.8]", without(&in_tollesbury(), &["/includes/places"]), UNKNOWN),
        // The name of the user that it replies to.
        ("to:5", without(&replying(Some(20), 5, "x"), &["/includes/users"]), YES),
        ("to:x", without(&replying(Some(20), 5, "x"), &["/includes/users"]), UNKNOWN),
    ] {
        assert_eq!(values(&rule(text), &message), want, "{text} on {message:#}");
    }
}
