//! Compares all accessors with plain lookups in a tree, on mutated Posts in every spelling.
//!
//! The tree is a `serde_json::Value` made from the fixtures and mutated (`generate`). The oracle
//! reads the tree, never its serialized bytes.

use std::boxed::Box;

use serde_json::Value as Tree;

use super::generate::{MISFITS, Random, mutate, pointers, written};
use super::*;

type Text = Option<String>;

/// The owned results of all accessors.
#[derive(Debug, Default, PartialEq)]
struct Record {
    texts: Vec<(&'static str, Text)>,
    ids: Vec<(&'static str, Option<u64>)>,
    is_quote: bool,
    author: Option<Person>,
    hashtags: Vec<String>,
    cashtags: Vec<String>,
    mentions: Vec<(Option<u64>, Text)>,
    urls: Vec<[Text; 6]>,
    media: Vec<(&'static str, Text)>,
    point: Option<[f64; 2]>,
    place: Option<Spot>,
    rules: Vec<(Option<u64>, Text)>,
    retweeted: Option<Box<Record>>,
    quoted: Option<Box<Record>>,
}

#[derive(Debug, PartialEq)]
struct Person {
    id: Option<u64>,
    texts: [Text; 4],
    verified: Option<bool>,
    counts: [Option<u64>; 4],
}

#[derive(Debug, PartialEq)]
struct Spot {
    texts: [Text; 6],
    corners: Vec<[f64; 2]>,
    bounds: Option<[f64; 4]>,
}

/// The maximum depth of nested Posts, because v2 Posts may refer to each other in cycles.
const LEVELS: u32 = 2;

fn read(post: Post<'_>, levels: u32) -> Record {
    let own = |text: Option<JsonStr<'_>>| text.map(|text| text.to_string());
    let nested =
        |post: Option<Post<'_>>| post.filter(|_| levels > 0).map(|post| Box::new(read(post, levels - 1)));
    let entities = post.entities();
    Record {
        texts: std::vec![
            ("text", own(post.text())),
            ("created_at", own(post.created_at())),
            ("lang", own(post.lang())),
            ("source", own(post.source())),
            ("in_reply_to_screen_name", own(post.in_reply_to_screen_name())),
            ("place_id", own(post.place_id())),
        ],
        ids: std::vec![
            ("id", post.id().map(PostId::as_u64)),
            ("conversation", post.conversation_id().map(PostId::as_u64)),
            ("reply to post", post.in_reply_to_post_id().map(PostId::as_u64)),
            ("reply to user", post.in_reply_to_user_id()),
            ("author", post.author_id()),
            ("quoted", post.quoted_id().map(PostId::as_u64)),
            ("retweeted", post.retweeted_id().map(PostId::as_u64)),
        ],
        is_quote: post.is_quote(),
        author: post.author().map(|user| {
            let profile = user.profile();
            let person = Person {
                id: user.id(),
                texts: [user.screen_name(), user.name(), user.description(), user.location()].map(own),
                verified: user.verified(),
                counts: [
                    user.followers_count(),
                    user.friends_count(),
                    user.listed_count(),
                    user.statuses_count(),
                ],
            };
            let at_once = Person {
                id: profile.id,
                texts: [profile.screen_name, profile.name, profile.description, profile.location].map(own),
                verified: profile.verified,
                counts: [
                    profile.followers_count,
                    profile.friends_count,
                    profile.listed_count,
                    profile.statuses_count,
                ],
            };
            assert_eq!(at_once, person);
            person
        }),
        hashtags: entities.hashtags().map(|tag| tag.to_string()).collect(),
        cashtags: entities.cashtags().map(|tag| tag.to_string()).collect(),
        mentions: entities.mentions().map(|mention| (mention.id, own(mention.screen_name))).collect(),
        urls: entities.urls().map(read_url).collect(),
        media: post
            .media()
            .map(|media| {
                let kind = match media.kind() {
                    MediaKind::Photo => "photo",
                    MediaKind::Video => "video",
                    MediaKind::AnimatedGif => "animated_gif",
                    MediaKind::Other => "",
                };
                (kind, own(media.links().url()))
            })
            .collect(),
        point: post.point().map(|point| [point.longitude, point.latitude]),
        place: post.place().map(|place| Spot {
            texts: [
                place.id(),
                place.name(),
                place.full_name(),
                place.country(),
                place.country_code(),
                place.place_type(),
            ]
            .map(own),
            corners: place.corners().map(|corner| [corner.longitude, corner.latitude]).collect(),
            bounds: place.bounding_box().map(|bounds| [bounds.west, bounds.south, bounds.east, bounds.north]),
        }),
        rules: post.matching_rules().map(|rule| (rule.id, own(rule.tag))).collect(),
        retweeted: nested(post.retweeted()),
        quoted: nested(post.quoted()),
    }
}

fn read_url(url: Url<'_>) -> [Text; 6] {
    [url.url(), url.expanded_url(), url.display_url(), url.unwound_url(), url.title(), url.description()]
        .map(|text| text.map(|text| text.to_string()))
}

// The oracle. `tree["key"]` is null if there is no such member, or `tree` is not an object.

fn own(tree: &Tree) -> Text {
    tree.as_str().map(str::to_string)
}

fn id(tree: &Tree) -> Option<u64> {
    let digits = |text: &&str| text.bytes().all(|byte| byte.is_ascii_digit());
    tree.as_str().filter(digits).map_or(tree.as_u64(), |text| text.parse().ok())
}

fn id_of(tree: &Tree, name: &str) -> Option<u64> {
    id(&tree[format!("{name}_str")]).or(id(&tree[name]))
}

fn array(tree: &Tree) -> &[Tree] {
    tree.as_array().map_or(&[], Vec::as_slice)
}

fn objects(tree: &Tree) -> impl Iterator<Item = &Tree> {
    array(tree).iter().filter(|element| element.is_object())
}

fn pair(tree: &Tree) -> Option<[f64; 2]> {
    Some([tree.get(0)?.as_f64()?, tree.get(1)?.as_f64()?])
}

fn first_array<'t>(of: &[&'t Tree]) -> &'t [Tree] {
    of.iter().find(|tree| tree.is_array()).map_or(&[], |tree| array(tree))
}

fn expected(root: &Tree, post: &Tree, format: Format, levels: u32) -> Record {
    let mut record = Record {
        rules: array(&root["matching_rules"])
            .iter()
            .map(|rule| (id(&rule["id_str"]).or(id(&rule["id"])), own(&rule["tag"])))
            .collect(),
        ..Record::default()
    };
    if format == Format::V2 {
        expected_v2(&mut record, root, post, levels);
    } else {
        expected_legacy(&mut record, root, post, levels);
    }
    record
}

fn expected_legacy(record: &mut Record, root: &Tree, post: &Tree, levels: u32) {
    let none = Tree::Null;
    let extended = if post["truncated"] == Tree::Bool(false) { &none } else { &post["extended_tweet"] };
    record.texts = std::vec![
        ("text", own(&extended["full_text"]).or(own(&post["text"])).or(own(&post["full_text"]))),
        ("created_at", own(&post["created_at"])),
        ("lang", own(&post["lang"])),
        ("source", own(&post["source"])),
        ("in_reply_to_screen_name", own(&post["in_reply_to_screen_name"])),
        ("place_id", own(&post["place"]["id"])),
    ];
    record.ids = std::vec![
        ("id", id_of(post, "id")),
        ("conversation", id_of(post, "conversation_id")),
        ("reply to post", id_of(post, "in_reply_to_status_id")),
        ("reply to user", id_of(post, "in_reply_to_user_id")),
        ("author", id_of(&post["user"], "id")),
        ("quoted", id_of(post, "quoted_status_id").or(id_of(&post["quoted_status"], "id"))),
        ("retweeted", id_of(&post["retweeted_status"], "id")),
    ];
    record.is_quote = post["is_quote_status"] == Tree::Bool(true);
    let user = &post["user"];
    record.author = user.is_object().then(|| Person {
        id: id_of(user, "id"),
        texts: ["screen_name", "name", "description", "location"].map(|key| own(&user[key])),
        verified: user["verified"].as_bool(),
        counts: ["followers_count", "friends_count", "listed_count", "statuses_count"]
            .map(|key| user[key].as_u64()),
    });
    let entities = if extended["entities"].is_object() { &extended["entities"] } else { &post["entities"] };
    let tags = |list: &Tree| array(list).iter().filter_map(|tag| own(&tag["text"])).collect();
    record.hashtags = tags(&entities["hashtags"]);
    record.cashtags = tags(&entities["symbols"]);
    record.mentions = objects(&entities["user_mentions"])
        .map(|mention| (id_of(mention, "id"), own(&mention["screen_name"])))
        .collect();
    record.urls = objects(&entities["urls"])
        .map(|url| {
            let unwound = &url["unwound"];
            [
                own(&url["url"]),
                own(&url["expanded_url"]),
                own(&url["display_url"]),
                own(&unwound["url"]),
                own(&unwound["title"]),
                own(&unwound["description"]),
            ]
        })
        .collect();
    let media = first_array(&[
        &extended["extended_entities"]["media"],
        &post["extended_entities"]["media"],
        &extended["entities"]["media"],
        &post["entities"]["media"],
    ]);
    record.media = media.iter().filter(|media| media.is_object()).map(medium).collect();
    record.point = pair(&post["coordinates"]["coordinates"])
        .or(pair(&post["geo"]["coordinates"]).map(|[latitude, longitude]| [longitude, latitude]));
    let ring = &post["place"]["bounding_box"]["coordinates"][0];
    let corners: Vec<_> = array(ring).iter().map(pair).collect();
    let bounds = corners.iter().copied().collect::<Option<Vec<_>>>().filter(|corners| !corners.is_empty());
    let spot = |place| {
        let least = |corners: &[[f64; 2]], axis: usize| {
            corners.iter().map(|corner| corner[axis]).fold(f64::INFINITY, f64::min)
        };
        let most = |corners: &[[f64; 2]], axis: usize| {
            corners.iter().map(|corner| corner[axis]).fold(f64::NEG_INFINITY, f64::max)
        };
        Spot {
            texts: place_texts(place),
            bounds: bounds.map(|of| [least(&of, 0), least(&of, 1), most(&of, 0), most(&of, 1)]),
            corners: corners.into_iter().flatten().collect(),
        }
    };
    record.place = Some(&post["place"]).filter(|place| place.is_object()).map(spot);
    let nested = |inner: &Tree| {
        let wanted = inner.is_object() && levels > 0;
        wanted.then(|| Box::new(expected(root, inner, Format::Legacy, levels - 1)))
    };
    record.retweeted = nested(&post["retweeted_status"]);
    record.quoted = nested(&post["quoted_status"]);
}

fn expected_v2(record: &mut Record, root: &Tree, post: &Tree, levels: u32) {
    let includes = &root["includes"];
    let either = |old: &str, new: &str, fits: fn(&Tree) -> bool| {
        if fits(&post[old]) { post[old].clone() } else { post[new].clone() }
    };
    let note = either("note_tweet", "note_post", Tree::is_object);
    let references = either("referenced_tweets", "referenced_posts", Tree::is_array);
    let reference =
        |kind: &str| array(&references).iter().filter(|it| it["type"] == *kind).find_map(|it| id(&it["id"]));
    let by_id = |list: &[Tree], wanted: Option<u64>| {
        list.iter()
            .find(|it| wanted.is_some() && id(&it["id"]) == wanted)
            .filter(|it| it.is_object())
            .cloned()
    };
    let user = |wanted| by_id(array(&includes["users"]), wanted);
    let answered = user(id(&post["in_reply_to_user_id"])).unwrap_or_default();
    record.texts = std::vec![
        ("text", own(&note["text"]).or(own(&post["text"]))),
        ("created_at", own(&post["created_at"])),
        ("lang", own(&post["lang"])),
        ("source", own(&post["source"])),
        ("in_reply_to_screen_name", own(&answered["username"])),
        ("place_id", own(&post["geo"]["place_id"])),
    ];
    record.ids = std::vec![
        ("id", id(&post["id"])),
        ("conversation", id(&post["conversation_id"])),
        ("reply to post", reference("replied_to")),
        ("reply to user", id(&post["in_reply_to_user_id"])),
        ("author", id(&post["author_id"])),
        ("quoted", reference("quoted")),
        ("retweeted", reference("retweeted")),
    ];
    record.is_quote = reference("quoted").is_some();
    record.author = user(id(&post["author_id"])).map(|user| {
        let metrics = &user["public_metrics"];
        Person {
            id: id(&user["id"]),
            texts: ["username", "name", "description", "location"].map(|key| own(&user[key])),
            verified: user["verified"].as_bool(),
            counts: [
                metrics["followers_count"].as_u64(),
                metrics["following_count"].as_u64(),
                metrics["listed_count"].as_u64(),
                metrics["tweet_count"].as_u64().or(metrics["post_count"].as_u64()),
            ],
        }
    });
    let entities = if note["entities"].is_object() { &note["entities"] } else { &post["entities"] };
    let tags = |list: &Tree| array(list).iter().filter_map(|tag| own(&tag["tag"])).collect();
    record.hashtags = tags(&entities["hashtags"]);
    record.cashtags = tags(&entities["cashtags"]);
    record.mentions = objects(&entities["mentions"])
        .map(|mention| (id_of(mention, "id"), own(&mention["username"])))
        .collect();
    let keys = ["url", "expanded_url", "display_url", "unwound_url", "title", "description"];
    record.urls = objects(&entities["urls"]).map(|url| keys.map(|key| own(&url[key]))).collect();
    record.media = array(&post["attachments"]["media_keys"])
        .iter()
        .filter_map(|key| {
            let is_it = |media: &&Tree| key.is_string() && media["media_key"] == *key;
            array(&includes["media"]).iter().find(is_it).map(medium)
        })
        .collect();
    record.point = pair(&post["geo"]["coordinates"]["coordinates"]);
    let place_id = &post["geo"]["place_id"];
    record.place = array(&includes["places"])
        .iter()
        .find(|place| place_id.is_string() && place["id"] == *place_id)
        .map(|place| {
            let bbox = &place["geo"]["bbox"];
            let bounds = (|| Some([pair(bbox)?, pair(&Tree::from(array(bbox).get(2..)?))?].concat()))();
            let bounds: Option<[f64; 4]> = bounds.and_then(|bounds| bounds.try_into().ok());
            Spot {
                texts: place_texts(place),
                corners: bounds.map_or(Vec::new(), |[west, south, east, north]| {
                    std::vec![[west, south], [east, south], [east, north], [west, north]]
                }),
                bounds,
            }
        });
    let posts = first_array(&[&includes["tweets"], &includes["posts"]]);
    let nested = |wanted| {
        let inner = by_id(posts, wanted).filter(|_| levels > 0);
        inner.map(|inner| Box::new(expected(root, &inner, Format::V2, levels - 1)))
    };
    record.retweeted = nested(reference("retweeted"));
    record.quoted = nested(reference("quoted"));
}

fn medium(media: &Tree) -> (&'static str, Text) {
    let kind = ["photo", "video", "animated_gif"].into_iter().find(|kind| media["type"] == **kind);
    (kind.unwrap_or_default(), own(&media["url"]))
}

fn place_texts(place: &Tree) -> [Text; 6] {
    ["id", "name", "full_name", "country", "country_code", "place_type"].map(|key| own(&place[key]))
}

fn fixtures() -> [(Format, Tree); 2] {
    [(Format::Legacy, fixtures::LEGACY), (Format::V2, fixtures::V2)]
        .map(|(format, json)| (format, serde_json::from_str(json).unwrap()))
}

/// Compares every accessor with the oracle.
fn check(json: &str, tree: &Tree, format: Format) {
    let wanted = match format {
        Format::V2 if tree["data"].is_object() => expected(tree, &tree["data"], format, LEVELS),
        // A message without a Post has no references, but still has its rules.
        Format::V2 => expected(tree, &Tree::Null, format, LEVELS),
        _ => expected(tree, tree, format, LEVELS),
    };
    let post = Post::with_format(json.as_bytes(), format);
    assert_eq!(read(post, LEVELS), wanted, "{json}");
    let index = post.index();
    assert_eq!(read(index.post(), LEVELS), wanted, "with an index: {json}");
}

#[test]
fn reference_agrees_on_the_fixtures_and_every_field_is_present() {
    for (format, tree) in fixtures() {
        check(if format == Format::V2 { fixtures::V2 } else { fixtures::LEGACY }, &tree, format);
        let json = tree.to_string();
        check(&json, &tree, format);
        let record = read(Post::new(json.as_bytes()), LEVELS);
        assert!(record.texts.iter().all(|(_, text)| text.is_some()), "{record:?}");
        let absent: Vec<_> =
            record.ids.iter().filter(|(_, id)| id.is_none()).map(|(name, _)| *name).collect();
        assert_eq!(absent, if format == Format::V2 { &["retweeted"][..] } else { &[] });
        assert!(
            record.is_quote && record.point.is_some() && record.place.is_some() && record.quoted.is_some()
        );
    }
}

#[test]
fn each_field_may_be_absent_or_of_another_type() {
    for (format, tree) in fixtures() {
        let mut all = Vec::new();
        pointers(&tree, "", &mut all);
        for (index, at) in all.iter().enumerate() {
            // A third of the replacements for each value, so that each type of value meets each
            // type of replacement.
            for misfit in MISFITS.iter().skip(index % 3).step_by(3) {
                let mut tree = tree.clone();
                *tree.pointer_mut(at).unwrap() = serde_json::from_str(misfit).unwrap();
                check(&tree.to_string(), &tree, format);
            }
            let mut tree = tree.clone();
            let (parent, key) = at.rsplit_once('/').unwrap();
            if let Tree::Object(members) = tree.pointer_mut(parent).unwrap() {
                members.remove(key);
            }
            check(&tree.to_string(), &tree, format);
        }
    }
}

#[test]
fn generated_posts_agree_with_their_json_trees() {
    let mut random = Random(0x9057);
    let fixtures = fixtures();
    for round in 0..600 {
        for (format, mut tree) in fixtures.clone() {
            for _ in 0..random.below(12) {
                mutate(&mut tree, &mut random);
            }
            let noise = [0, 2, 9][round % 3];
            let json = written(&tree, noise, &mut random);
            check(&json, &tree, format);
        }
    }
}

/// A cut Post has exactly the fields that are complete before the cut, and no accessor panics.
#[test]
fn every_prefix_gives_only_complete_fields() {
    for (_, tree) in fixtures() {
        let json = written(&tree, 0, &mut Random(0xC07));
        let whole: Vec<_> = Value::new(json.as_bytes())
            .unwrap()
            .members()
            .map(|(key, value)| (key.as_str().unwrap(), value.kind(), value.raw()))
            .collect();
        for end in 0..json.len() {
            let Some(cut) = json.as_bytes().get(..end) else { continue };
            for format in [Format::Legacy, Format::V2] {
                let post = Post::with_format(cut, format);
                let record = read(post, LEVELS);
                assert_eq!(read(post.index().post(), LEVELS), record, "at {end} of {json}");
            }
            let value = Value::new(cut);
            for &(key, kind, raw) in &whole {
                let found = value.and_then(|value| value.get(key));
                assert!(found.is_none_or(|found| found.kind() == kind), "{key} at {end}");
                let found = found.and_then(|found| found.raw());
                assert!(found.is_none_or(|found| Some(found) == raw), "{key} at {end}");
            }
        }
    }
}

#[test]
fn broken_bytes_never_panic() {
    let mut random = Random(0xB0B);
    let fixtures = fixtures();
    for round in 0..1_500 {
        let (_, tree) = &fixtures[round % 2];
        let mut json = written(tree, [0, 9][round % 2], &mut random).into_bytes();
        for _ in 0..1 + random.below(4) {
            let at = random.below(json.len());
            json[at] = [b'"', b'\\', b'{', b'}', b'[', b']', b',', b':', b'u', 0xFF, b'0'][random.below(11)];
        }
        for format in [Format::Legacy, Format::V2] {
            let post = Post::with_format(&json, format);
            read(post, LEVELS);
            read(post.index().post(), LEVELS);
        }
        read(Post::new(&json), 0);
    }
}
