//! Conversion of a legacy Post into the v2 format, with the requested fields only.
//!
//! Names, nesting and defaults follow X's pages on fields, on expansions and on the migration from
//! the legacy format. Only common fields of Posts, users, places and media that the generator has
//! data for are present. Others are absent, as in the service if there is no value.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use crate::rule_store::{StoredRule, matching_rules};
use crate::{splice, time};

/// Returns the v2 form of a legacy Post, or `None` if the text is not a Post or not JSON.
pub(crate) fn envelope(
    legacy: &[u8],
    fields: &[(String, String)],
    rules: Option<&[Arc<StoredRule>]>,
) -> Option<Vec<u8>> {
    let post: Value = serde_json::from_slice(legacy).ok()?;
    let wanted = Wanted(fields);
    let mut envelope = Map::new();
    envelope.insert("data".to_owned(), Value::Object(tweet(&post, &wanted)?));
    let includes = includes(&post, &wanted);
    if !includes.is_empty() {
        envelope.insert("includes".to_owned(), Value::Object(includes));
    }
    let bytes = serde_json::to_vec(&Value::Object(envelope)).ok()?;
    match rules {
        Some(rules) => splice::with_root(&bytes, "matching_rules", &matching_rules(rules, true)),
        None => Some(bytes),
    }
}

struct Wanted<'a>(&'a [(String, String)]);

impl Wanted<'_> {
    fn has(&self, parameter: &str, value: &str) -> bool {
        self.0.iter().any(|(name, field)| name == parameter && field == value)
    }
}

/// Returns the whole text and its entities.
fn whole(post: &Value) -> (&Value, &Value) {
    match post.get("extended_tweet") {
        Some(extended) => (&extended["full_text"], &extended["entities"]),
        None => (&post["text"], &post["entities"]),
    }
}

fn tweet(post: &Value, wanted: &Wanted<'_>) -> Option<Map<String, Value>> {
    let id = post.get("id_str")?.as_str()?;
    let (text, entities) = whole(post);
    let mut data = Map::new();
    let history = post["edit_history"]["edit_tweet_ids"].as_array().cloned();
    data.insert("edit_history_tweet_ids".to_owned(), history.map_or_else(|| json!([id]), Value::Array));
    data.insert("id".to_owned(), json!(id));
    data.insert("text".to_owned(), text.clone());
    // A Post names what is expanded even if that field was not requested.
    let field = |name: &str| wanted.has("tweet.fields", name);
    let expands = |name: &str| wanted.has("expansions", name);
    let mut put = |name: &str, value: Value| {
        if !value.is_null() {
            data.insert(name.to_owned(), value);
        }
    };
    if field("author_id") || expands("author_id") {
        put("author_id", post["user"]["id_str"].clone());
    }
    if field("created_at") {
        let ms = id.parse().ok().map(time::snowflake_ms);
        put("created_at", ms.map_or(Value::Null, |ms| json!(time::iso(ms))));
    }
    if field("lang") {
        put("lang", post["lang"].clone());
    }
    if field("source") {
        let source = post["source"].as_str().unwrap_or_default();
        let name = source.split_once('>').map_or(source, |(_, rest)| rest.trim_end_matches("</a>"));
        put("source", json!(name));
    }
    if field("possibly_sensitive") {
        put("possibly_sensitive", json!(post["possibly_sensitive"] == true));
    }
    if field("in_reply_to_user_id") || expands("in_reply_to_user_id") {
        put("in_reply_to_user_id", post["in_reply_to_user_id_str"].clone());
    }
    if field("conversation_id") {
        let first = post["in_reply_to_status_id_str"].as_str().unwrap_or(id);
        put("conversation_id", json!(first));
    }
    if field("reply_settings") {
        put("reply_settings", json!("everyone"));
    }
    if field("public_metrics") {
        put(
            "public_metrics",
            json!({
                "retweet_count": post["retweet_count"], "reply_count": post["reply_count"],
                "like_count": post["favorite_count"], "quote_count": post["quote_count"],
                "bookmark_count": 0, "impression_count": 0,
            }),
        );
    }
    if field("entities") {
        put("entities", v2_entities(entities));
    }
    if field("geo") || expands("geo.place_id") {
        put("geo", geo(post));
    }
    if field("edit_controls") {
        let controls = &post["edit_controls"];
        if let Some(until) = controls["editable_until_ms"].as_u64() {
            let left = &controls["edits_remaining"];
            let editable = post["editable"] == true;
            put(
                "edit_controls",
                json!({"edits_remaining": left, "is_edit_eligible": editable, "editable_until": time::iso(until)}),
            );
        }
    }
    if field("referenced_tweets")
        || expands("referenced_tweets.id")
        || expands("referenced_tweets.id.author_id")
    {
        let references: Vec<Value> = [
            ("retweeted", &post["retweeted_status"]["id_str"]),
            ("quoted", &post["quoted_status"]["id_str"]),
            ("replied_to", &post["in_reply_to_status_id_str"]),
        ]
        .into_iter()
        .filter(|(_, id)| id.is_string())
        .map(|(kind, id)| json!({"type": kind, "id": id}))
        .collect();
        if !references.is_empty() {
            put("referenced_tweets", Value::Array(references));
        }
    }
    if field("attachments") || expands("attachments.media_keys") {
        let keys: Vec<Value> = media(post).map(|medium| json!(media_key(medium))).collect();
        if !keys.is_empty() {
            put("attachments", json!({"media_keys": keys}));
        }
    }
    Some(data)
}

fn v2_entities(legacy: &Value) -> Value {
    let range = |entity: &Value| (entity["indices"][0].clone(), entity["indices"][1].clone());
    let list = |name: &str| legacy[name].as_array().into_iter().flatten();
    let mut entities = Map::new();
    let hashtags: Vec<Value> = list("hashtags")
        .map(|hashtag| {
            let (start, end) = range(hashtag);
            json!({"start": start, "end": end, "tag": hashtag["text"]})
        })
        .collect();
    let mentions: Vec<Value> = list("user_mentions")
        .map(|mention| {
            let (start, end) = range(mention);
            json!({"start": start, "end": end, "username": mention["screen_name"], "id": mention["id_str"]})
        })
        .collect();
    let urls: Vec<Value> = list("urls")
        .chain(list("media"))
        .map(|url| {
            let (start, end) = range(url);
            json!({
                "start": start, "end": end, "url": url["url"],
                "expanded_url": url["expanded_url"], "display_url": url["display_url"],
            })
        })
        .collect();
    for (name, list) in [("hashtags", hashtags), ("mentions", mentions), ("urls", urls)] {
        if !list.is_empty() {
            entities.insert(name.to_owned(), Value::Array(list));
        }
    }
    if entities.is_empty() { Value::Null } else { Value::Object(entities) }
}

fn geo(post: &Value) -> Value {
    let mut geo = Map::new();
    if post["coordinates"].is_object() {
        geo.insert("coordinates".to_owned(), post["coordinates"].clone());
    }
    if post["place"]["id"].is_string() {
        geo.insert("place_id".to_owned(), post["place"]["id"].clone());
    }
    if geo.is_empty() { Value::Null } else { Value::Object(geo) }
}

fn media(post: &Value) -> impl Iterator<Item = &Value> {
    let media = &post["extended_entities"]["media"];
    let media = if media.is_array() { media } else { &post["extended_tweet"]["extended_entities"]["media"] };
    media.as_array().into_iter().flatten()
}

fn media_key(medium: &Value) -> String {
    format!("3_{}", medium["id_str"].as_str().unwrap_or_default())
}

fn includes(post: &Value, wanted: &Wanted<'_>) -> Map<String, Value> {
    let expands = |name: &str| wanted.has("expansions", name);
    let (mut users, mut tweets) = (Vec::new(), Vec::new());
    let add_user = |person: &Value, users: &mut Vec<Value>| {
        let is_new = |user: &Value| user["id"] != person["id_str"];
        if person.is_object() && users.iter().all(is_new) {
            users.push(user(person, wanted));
        }
    };
    if expands("author_id") {
        add_user(&post["user"], &mut users);
    }
    for referenced in [&post["retweeted_status"], &post["quoted_status"]] {
        if (expands("referenced_tweets.id") || expands("referenced_tweets.id.author_id"))
            && referenced.is_object()
        {
            tweets.extend(tweet(referenced, wanted).map(Value::Object));
        }
        if expands("referenced_tweets.id.author_id") {
            add_user(&referenced["user"], &mut users);
        }
    }
    if expands("entities.mentions.username") || expands("in_reply_to_user_id") {
        let reply_to = &post["in_reply_to_user_id_str"];
        for mention in whole(post).1["user_mentions"].as_array().into_iter().flatten() {
            if expands("entities.mentions.username") || mention["id_str"] == *reply_to {
                add_user(mention, &mut users);
            }
        }
    }
    let mut includes = Map::new();
    if !users.is_empty() {
        includes.insert("users".to_owned(), Value::Array(users));
    }
    if !tweets.is_empty() {
        includes.insert("tweets".to_owned(), Value::Array(tweets));
    }
    if expands("attachments.media_keys") {
        let field = |name: &str| wanted.has("media.fields", name);
        let media: Vec<Value> = media(post)
            .map(|medium| {
                let mut out = json!({"media_key": media_key(medium), "type": medium["type"]});
                let large = &medium["sizes"]["large"];
                for (name, value) in
                    [("url", &medium["media_url_https"]), ("width", &large["w"]), ("height", &large["h"])]
                {
                    if field(name) {
                        out[name] = value.clone();
                    }
                }
                out
            })
            .collect();
        if !media.is_empty() {
            includes.insert("media".to_owned(), Value::Array(media));
        }
    }
    let place = &post["place"];
    if expands("geo.place_id") && place.is_object() {
        let mut out = json!({"id": place["id"], "full_name": place["full_name"]});
        for name in ["name", "country", "country_code", "place_type"] {
            if wanted.has("place.fields", name) {
                out[name] = place[name].clone();
            }
        }
        includes.insert("places".to_owned(), json!([out]));
    }
    includes
}

fn user(person: &Value, wanted: &Wanted<'_>) -> Value {
    let mut user = json!({"id": person["id_str"], "name": person["name"], "username": person["screen_name"]});
    for (field, legacy) in [
        ("description", "description"),
        ("location", "location"),
        ("protected", "protected"),
        ("verified", "verified"),
        ("url", "url"),
        ("profile_image_url", "profile_image_url_https"),
        ("profile_banner_url", "profile_banner_url"),
    ] {
        if wanted.has("user.fields", field) && !person[legacy].is_null() {
            user[field] = person[legacy].clone();
        }
    }
    if wanted.has("user.fields", "public_metrics") && !person["followers_count"].is_null() {
        user["public_metrics"] = json!({
            "followers_count": person["followers_count"], "following_count": person["friends_count"],
            "tweet_count": person["statuses_count"], "listed_count": person["listed_count"],
            "like_count": person["favourites_count"], "media_count": 0,
        });
    }
    user
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generator::Generator;

    fn ask(query: &str) -> Vec<(String, String)> {
        crate::request::query::pairs(query)
            .flat_map(|(name, values)| {
                values.split(',').map(|value| (name.clone(), value.to_owned())).collect::<Vec<_>>()
            })
            .collect()
    }

    #[test]
    fn writes_only_the_default_fields_unless_more_are_requested() {
        let mut legacy = Vec::new();
        let id = Generator::new(3).post(1_790_000_000_000, &mut legacy);
        let rules =
            [Arc::new(StoredRule { id: 5, value: "x".to_owned(), tag: Some("a \"tag\"".to_owned()) })];
        let post: Value = serde_json::from_slice(&envelope(&legacy, &[], Some(&rules)).unwrap()).unwrap();
        let keys: Vec<&String> = post.as_object().unwrap().keys().collect();
        assert_eq!(keys, ["data", "matching_rules"]);
        assert_eq!(post["matching_rules"], json!([{"id": "5", "tag": "a \"tag\""}]));
        let keys: Vec<&String> = post["data"].as_object().unwrap().keys().collect();
        assert_eq!(keys, ["edit_history_tweet_ids", "id", "text"]);
        assert_eq!(post["data"]["id"], id.to_string());
        assert!(envelope(b"junk", &[], None).is_none() && envelope(b"{}", &[], None).is_none());
    }

    #[test]
    fn writes_every_requested_field_that_the_post_has() {
        let fields = ask(
            "tweet.fields=author_id,created_at,lang,source,public_metrics,entities,geo,referenced_tweets,attachments,\
             edit_controls,conversation_id&expansions=author_id,referenced_tweets.id,referenced_tweets.id.author_id,\
             geo.place_id,attachments.media_keys&user.fields=public_metrics,verified&media.fields=url&place.fields=country",
        );
        let mut generator = Generator::new(4);
        let mut seen = std::collections::BTreeMap::new();
        for n in 0..500 {
            let mut legacy = Vec::new();
            generator.post(1_790_000_000_000 + n, &mut legacy);
            let old: Value = serde_json::from_slice(&legacy).unwrap();
            let post: Value = serde_json::from_slice(&envelope(&legacy, &fields, None).unwrap()).unwrap();
            let (data, includes) = (&post["data"], &post["includes"]);
            assert_eq!(data["created_at"].as_str().map(|at| &at[..19]), Some("2026-09-21T14:13:20"));
            assert_eq!(data["text"], *whole(&old).0);
            let author = &includes["users"][0];
            assert_eq!(
                (&author["id"], &author["username"]),
                (&data["author_id"], &old["user"]["screen_name"])
            );
            assert!(author["public_metrics"]["followers_count"].is_u64());
            for reference in data["referenced_tweets"].as_array().into_iter().flatten() {
                *seen.entry(reference["type"].as_str().unwrap().to_owned()).or_insert(0) += 1;
                if reference["type"] != "replied_to" {
                    let tweets = includes["tweets"].as_array().unwrap();
                    assert!(tweets.iter().any(|tweet| tweet["id"] == reference["id"]));
                }
            }
            for name in ["places", "media", "tweets"] {
                *seen.entry(name.to_owned()).or_insert(0) += usize::from(includes[name].is_array());
            }
            for name in ["geo", "entities", "attachments", "edit_controls"] {
                *seen.entry(name.to_owned()).or_insert(0) += usize::from(data[name].is_object());
            }
        }
        assert!(seen.len() == 10 && seen.values().all(|count| *count > 10), "{seen:?}");
    }
}
