//! Comparison of generated Posts with the profile of the real feed.

use std::collections::{HashMap, HashSet};

use powerstream_simulator::Generator;
use serde_json::Value;

const NOW: u64 = 1_790_000_000_123;
const POSTS: usize = 5_000;

fn posts() -> &'static [(u64, Vec<u8>)] {
    static ALL: std::sync::OnceLock<Vec<(u64, Vec<u8>)>> = std::sync::OnceLock::new();
    ALL.get_or_init(make)
}

fn make() -> Vec<(u64, Vec<u8>)> {
    let mut generator = Generator::new(42);
    (0..POSTS)
        .map(|n| {
            let mut out = Vec::new();
            // About 500 per second, with repeated milliseconds.
            let id = generator.post(NOW + n as u64 * 2 / 3, &mut out);
            (id, out)
        })
        .collect()
}

fn share(posts: &[Value], what: impl Fn(&Value) -> bool) -> f64 {
    posts.iter().filter(|post| what(post)).count() as f64 * 100.0 / posts.len() as f64
}

#[track_caller]
fn within(name: &str, value: f64, low: f64, high: f64) {
    println!("{name}: {value:.2}");
    assert!((low..=high).contains(&value), "{name}: {value} is not in {low}..{high}");
}

#[test]
fn sizes_and_mix_follow_the_real_feed() {
    let posts = posts();
    let mut sizes: Vec<usize> = posts.iter().map(|(_, bytes)| bytes.len()).collect();
    sizes.sort_unstable();
    let at = |q: usize| sizes[sizes.len() * q / 100] as f64;
    println!(
        "smallest {} largest {} mean {}",
        sizes[0],
        sizes[POSTS - 1],
        sizes.iter().sum::<usize>() / POSTS
    );
    within("p10", at(10), 2_100.0, 2_600.0);
    within("median", at(50), 3_000.0, 3_800.0);
    within("p90", at(90), 6_500.0, 8_200.0);
    assert!(sizes[POSTS - 1] < 18_000, "largest {}", sizes[POSTS - 1]);

    let parsed: Vec<Value> = posts.iter().map(|(_, bytes)| serde_json::from_slice(bytes).unwrap()).collect();
    within("retweets", share(&parsed, |p| p["retweeted_status"].is_object()), 21.0, 27.0);
    within("quotes", share(&parsed, |p| p["quoted_status"].is_object()), 4.5, 7.5);
    within("extended", share(&parsed, |p| p["extended_tweet"].is_object()), 17.0, 23.0);
    let has_media =
        |p: &Value| p["entities"]["media"].is_array() || p["extended_tweet"]["entities"]["media"].is_array();
    within("media", share(&parsed, has_media), 9.0, 16.0);
    within("place", share(&parsed, |p| p["place"].is_object()), 19.0, 25.0);
    within("coordinates", share(&parsed, |p| p["coordinates"].is_object()), 4.5, 7.5);
    let languages: HashSet<&str> = parsed.iter().filter_map(|p| p["lang"].as_str()).collect();
    assert!(languages.len() >= 20, "{languages:?}");
}

#[test]
fn ids_are_unique_and_agree_with_the_dates() {
    let mut last = 0;
    for (id, bytes) in posts() {
        let id = *id;
        assert!(id > last);
        last = id;
        let post: Value = serde_json::from_slice(bytes).unwrap();
        assert_eq!(post["id"].as_u64(), Some(id));
        assert_eq!(post["id_str"], id.to_string());
        let ms = (id >> 22) + 1_288_834_974_657;
        assert_eq!(post["timestamp_ms"], ms.to_string());
        let second = format!(":{:02} +0000 ", ms / 1_000 % 60);
        assert!(post["created_at"].as_str().unwrap().contains(&second));
    }
}

/// The keys of the documented sample, in a Post and in its user, including nested ones.
#[test]
fn every_post_has_every_documented_field() {
    const POST: &str = "created_at id id_str text truncated entities source in_reply_to_status_id in_reply_to_status_id_str \
        in_reply_to_user_id in_reply_to_user_id_str in_reply_to_screen_name user geo coordinates place contributors \
        is_quote_status retweet_count favorite_count favorited retweeted lang";
    const USER: &str = "id id_str name screen_name location description url entities protected followers_count friends_count \
        listed_count created_at favourites_count utc_offset time_zone geo_enabled verified statuses_count lang \
        contributors_enabled is_translator is_translation_enabled profile_background_color profile_background_image_url \
        profile_background_image_url_https profile_background_tile profile_image_url profile_image_url_https \
        profile_link_color profile_sidebar_border_color profile_sidebar_fill_color profile_text_color \
        profile_use_background_image has_extended_profile default_profile default_profile_image following \
        follow_request_sent notifications translator_type withheld_in_countries";
    fn check(post: &Value) {
        for (object, keys) in [(post, POST), (&post["user"], USER)] {
            for key in keys.split_whitespace() {
                assert!(object.get(key).is_some(), "{key} is missing");
            }
        }
        for nested in ["retweeted_status", "quoted_status"] {
            if let Some(nested) = post.get(nested) {
                check(nested);
                assert!(nested.get("matching_rules").is_none());
            }
        }
    }
    for (_, bytes) in posts().iter().take(500) {
        let post: Value = serde_json::from_slice(bytes).unwrap();
        check(&post);
        assert!(!post["matching_rules"].as_array().unwrap().is_empty());
    }
}

#[test]
fn entity_indices_match_the_text() {
    for (_, bytes) in posts().iter().take(1_000) {
        let post: Value = serde_json::from_slice(bytes).unwrap();
        let mut texts = vec![(&post["text"], &post["entities"])];
        if let Some(extended) = post.get("extended_tweet") {
            texts.push((&extended["full_text"], &extended["entities"]));
        }
        for (text, entities) in texts {
            let text: Vec<char> = text.as_str().unwrap().chars().collect();
            for (list, key, sigil) in [
                ("hashtags", "text", "#"),
                ("user_mentions", "screen_name", "@"),
                ("urls", "url", ""),
                ("media", "url", ""),
            ] {
                for entity in entities[list].as_array().into_iter().flatten() {
                    let [start, end] = [0, 1].map(|n| entity["indices"][n].as_u64().unwrap() as usize);
                    let shown: String = text[start..end].iter().collect();
                    assert_eq!(shown, format!("{sigil}{}", entity[key].as_str().unwrap()));
                }
            }
        }
    }
}

#[test]
fn generates_every_case_that_trips_clients() {
    let mut seen: HashMap<&str, usize> = HashMap::new();
    for (_, bytes) in posts().iter().take(2_500) {
        assert!(!bytes.iter().any(|b| *b < b' '), "a control byte");
        let text = std::str::from_utf8(bytes).unwrap();
        for (name, needle) in [
            ("surrogate pair", "\\ud83"),
            ("line feed", "\\n"),
            ("quote", "\\\""),
            ("backslash", "\\\\"),
            ("tab", "\\t"),
            ("escaped solidus", "\\/"),
            ("plain solidus", "https://"),
            ("escaped angle", "\\u003c"),
            ("plain angle", "<a href"),
            ("raw U+2028", "\u{2028}"),
            ("raw U+0085", "\u{85}"),
            ("joiner", "\u{200d}"),
            ("cyrillic", "хлеб"),
            ("greek", "θάλασσα"),
            ("arabic", "القطار"),
            ("hebrew", "החתול"),
            ("devanagari", "बिल्ली"),
            ("thai", "แมว"),
            ("kana", "パン"),
            ("hangul", "고양이"),
            ("han", "雾"),
        ] {
            *seen.entry(name).or_default() += usize::from(text.contains(needle));
        }
        *seen.entry("ascii only").or_default() += usize::from(text.is_ascii());
    }
    println!("{seen:?}");
    assert!(seen.values().all(|count| *count > 0), "{seen:?}");
}

/// Prints the speed, and asserts nothing about it: run with `--release --nocapture`.
#[test]
fn prints_the_speed_of_generation() {
    const SPEED_POSTS: usize = 1_000;
    let mut generator = Generator::new(1);
    let mut out = Vec::with_capacity(1 << 20);
    let start = std::time::Instant::now();
    let mut bytes = 0;
    for n in 0..SPEED_POSTS {
        out.clear();
        generator.post(NOW + n as u64, &mut out);
        bytes += out.len();
    }
    let seconds = start.elapsed().as_secs_f64();
    println!("{:.0} Posts/s, {:.0} MB/s", SPEED_POSTS as f64 / seconds, bytes as f64 / seconds / 1e6);
}
