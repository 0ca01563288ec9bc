//! Related rules and Posts: both use the same few words, so that half of the leaves are true.

use serde_json::Value as Json;

use super::choices::Choices;
use super::post::{Link, Location, Place, Post, Reply, User, post};

const WORDS: [&str; 28] = [
    "gull",
    "tern",
    "skua",
    "sea",
    "harbour",
    "GULL",
    "the",
    "gulls",
    "seagull",
    "gull2015",
    "señal",
    "sen\u{303}al",
    "senal",
    "SEÑAL",
    "straße",
    "STRAẞE",
    "日本",
    "鷗",
    "🍕",
    "🍣",
    "👩\u{200d}💻",
    "👩",
    "👍🏽",
    "acme's",
    "a+b",
    "ΣΊΣΥΦΟΣ",
    "amp",
    "lt;",
];

const JOINTS: [&str; 34] = [
    " ",
    " ",
    " ",
    " ",
    "  ",
    "-",
    "_",
    ".",
    "'",
    "\u{2019}",
    "#",
    "@",
    "/",
    "",
    "",
    "\n",
    "\u{a0}",
    "\u{26bd}",
    "\u{26bd}\u{fe0f}",
    "\u{200d}",
    "\u{3001}",
    "\u{1f3fd}",
    "\u{2764}\u{fe0f}\u{200d}\u{1f525}",
    "\u{200c}",
    "1\u{fe0f}\u{20e3}",
    "\u{301}",
    " x ",
    "&",
    "<",
    "&amp;",
    " &amp; ",
    "&lt;",
    "&gt;",
    "&amp;amp;",
];

const NAMES: [&str; 5] = ["harbour_news", "Shore_Walker", "gull", "12", "_a"];

const TAGS: [&str; 7] = ["gulls", "Gulls", "señal", "SEN\u{303}AL", "日本", "2024", "BRK"];

const HOSTS: [&str; 6] = [
    "https://example.org/birds/gull-colony",
    "https://EXAMPLE.org",
    "http://sea.example/tern_skua?q=gull",
    "https://x.example/日本/señal",
    "https://www.example.org/sea/gull/",
    "HTTPS://bit.example/a+b",
];

const LANGS: [&str; 8] = ["en", "de", "und", "zh", "zh-CN", "zh-TW", "hi-Latn", "xx"];

const COUNTS: [u64; 6] = [0, 1, 10, 11, 5_000, 18_446_744_073_709_551_615];

const IDS: [u64; 6] = [12, 13, 20, 21, 1_592_000_000_000_000_001, 18_446_744_073_709_551_615];

const CODES: [&str; 3] = ["GB", "NO", "US"];

/// Returns a text of a few words, sometimes of many.
fn text(choices: &mut Choices<'_>) -> String {
    let most = if choices.once_in(12) { 40 } else { 8 };
    let mut text = String::new();
    for _ in 0..choices.below(most) {
        text += choices.pick(&WORDS);
        text += choices.pick(&JOINTS);
    }
    text
}

fn some<T>(choices: &mut Choices<'_>, times: usize, one: impl FnOnce(&mut Choices<'_>) -> T) -> Option<T> {
    choices.once_in(times).then(|| one(choices))
}

fn few<T>(choices: &mut Choices<'_>, times: usize, mut one: impl FnMut(&mut Choices<'_>) -> T) -> Vec<T> {
    let count = if choices.once_in(times) { 1 + choices.below(2) } else { 0 };
    (0..count).map(|_| one(choices)).collect()
}

fn user(choices: &mut Choices<'_>) -> User {
    let location = |choices: &mut Choices<'_>| Location {
        country_code: choices.pick(&CODES).into(),
        region: choices.pick(&WORDS).into(),
        locality: text(choices),
        subregion: choices.pick(&["Suffolk County", "sea"]).into(),
        point: some(choices, 2, point),
    };
    User {
        name: text(choices),
        description: some(choices, 2, text),
        location: some(choices, 3, text),
        is_verified: choices.once_in(2),
        followers: choices.pick(&COUNTS),
        friends: choices.pick(&COUNTS),
        listed: choices.pick(&COUNTS),
        statuses: choices.pick(&COUNTS),
        locations: few(choices, 4, location),
        affiliations: few(choices, 6, |choices| choices.pick(&IDS)),
        ..User::new(choices.pick(&IDS), choices.pick(&NAMES))
    }
}

fn link(choices: &mut Choices<'_>) -> Link {
    let unwound = some(choices, 3, |choices| {
        let title =
            if choices.once_in(6) { format!("{}{}", "x ".repeat(145), text(choices)) } else { text(choices) };
        let description =
            if choices.once_in(6) { format!("{}{}", "x ".repeat(495), text(choices)) } else { text(choices) };
        [choices.pick(&HOSTS).to_owned(), title, description]
    });
    let short = choices.pick(&["https://t.co/Ab3dE", "https://t.co/sea"]);
    Link { unwound, ..Link::new(short, choices.pick(&HOSTS)) }
}

/// Returns a point. It is never at the edge of a rule's shape, where rounding would decide.
fn point(choices: &mut Choices<'_>) -> (f64, f64) {
    choices.pick(&[
        (-0.151, 51.503),
        (0.831, 51.763),
        (179.951, 0.013),
        (-179.957, 0.011),
        (5.321, 60.391),
        (12.3, -45.6),
    ])
}

fn place(choices: &mut Choices<'_>) -> Place {
    let (west, south) = point(choices);
    let size = choices.pick(&[0.011, 0.0, 0.3]);
    let east = if west + size > 180.0 { west + size - 360.0 } else { west + size };
    Place {
        id: choices.pick(&["01a9a39529b27f36", "gull", "01A9"]).into(),
        name: choices.pick(&WORDS).into(),
        full_name: text(choices),
        country: choices.pick(&["United Kingdom", "Norge", "日本"]).into(),
        country_code: choices.pick(&CODES).into(),
        edges: [west, south, east, south + size].map(|edge: f64| (edge * 1_000.0).round() / 1_000.0),
    }
}

/// Returns a Post, which contains other Posts up to this depth.
pub fn a_post(choices: &mut Choices<'_>, depth: usize) -> Post {
    let mut made = Post {
        id: if choices.once_in(3) { choices.number() } else { choices.pick(&IDS) },
        is_long: choices.once_in(6),
        lang: Some(choices.pick(&LANGS).into()),
        source: (choices.pick(&["X Web Client", "gull", "R&amp;D"]).into(), choices.pick(&HOSTS).into()),
        author: user(choices),
        hashtags: few(choices, 3, |choices| choices.pick(&TAGS).into()),
        cashtags: few(choices, 6, |choices| choices.pick(&TAGS).into()),
        mentions: few(choices, 4, |choices| (choices.pick(&IDS), choices.pick(&NAMES).into())),
        links: few(choices, 3, link),
        media: few(choices, 5, |choices| {
            let kind = choices.pick(&["photo", "video", "animated_gif"]);
            let link = Link::new("https://t.co/m3D1a", "https://x.example/gull/status/1/photo/1");
            (kind.to_owned(), link)
        }),
        reply: some(choices, 5, |choices| Reply {
            to: (!choices.once_in(4)).then(|| choices.pick(&IDS)),
            user: user(choices),
        }),
        point: some(choices, 6, point),
        place: some(choices, 5, place),
        is_promoted_only: choices.once_in(20),
        conversation: some(choices, 4, |choices| choices.pick(&IDS)),
        annotations: few(choices, 4, |choices| {
            (choices.pick(&[65, 66]), choices.pick(&[852, 7]), choices.pick(&["Herring gull", "gull"]).into())
        }),
        ..post(&text(choices))
    };
    if depth > 0 {
        made.quoted = some(choices, 5, |choices| {
            let mut inner = a_post(choices, 0);
            inner.id ^= 1 << 40;
            Box::new(inner)
        });
        if choices.once_in(5) {
            let mut inner = a_post(choices, depth - 1);
            inner.id ^= 1 << 41;
            if let Some(quoted) = &mut inner.quoted {
                quoted.id ^= 1 << 42;
            }
            made.text =
                format!("RT @{}: {}…", inner.author.username, inner.text.chars().take(9).collect::<String>());
            made.quoted = None;
            made.retweeted = Some(Box::new(inner));
        }
    }
    same_users(&mut made);
    made
}

/// Makes each id one user: every user with the id of an earlier user is replaced by it.
fn same_users(post: &mut Post) {
    fn visit(post: &mut Post, known: &mut Vec<User>) {
        let mut one = |user: &mut User| match known.iter().find(|known| known.id == user.id) {
            Some(first) => *user = first.clone(),
            None => known.push(user.clone()),
        };
        one(&mut post.author);
        if let Some(reply) = &mut post.reply {
            one(&mut reply.user);
        }
        for inner in [&mut post.retweeted, &mut post.quoted].into_iter().flatten() {
            visit(inner, known);
        }
    }
    let mut known = Vec::new();
    visit(post, &mut known);
}

/// Returns the message of a Post in one of the formats, sometimes with fields left out.
pub fn a_message(choices: &mut Choices<'_>, post: &Post) -> Json {
    let mut message = match choices.below(5) {
        0 | 1 => post.legacy(),
        2 | 3 => post.v2(),
        _ => post.v2_new(),
    };
    if choices.once_in(5) {
        for _ in 0..=choices.below(2) {
            leave_out(choices, &mut message);
        }
    }
    message
}

/// Removes one field from a message, or makes it null. Never removes the fields that make it a
/// Post.
fn leave_out(choices: &mut Choices<'_>, message: &mut Json) {
    let mut at = message;
    loop {
        // An empty list has no field to remove.
        let keys: Vec<String> = match &*at {
            Json::Object(fields) => {
                let kept = ["data", "id", "id_str", "text", "type", "truncated", "full_text"];
                fields
                    .keys()
                    .filter(|key| !kept.contains(&key.as_str()) || key.as_str() == "data")
                    .cloned()
                    .collect()
            }
            _ => return,
        };
        let Some(key) = (!keys.is_empty()).then(|| keys[choices.below(keys.len())].clone()) else { return };
        let deeper = match &at[&key] {
            Json::Object(fields) => !fields.is_empty() && (key == "data" || !choices.once_in(3)),
            Json::Array(elements) => elements.first().is_some_and(Json::is_object) && !choices.once_in(3),
            _ => false,
        };
        if deeper {
            at = match &mut at[&key] {
                Json::Array(elements) => &mut elements[0],
                object => object,
            };
            continue;
        }
        let Json::Object(fields) = at else { return };
        if choices.once_in(2) {
            fields.insert(key, Json::Null);
        } else {
            fields.remove(&key);
        }
        return;
    }
}

/// Which operators a rule may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// The operators of Powerstream and PowerTrack.
    Powertrack,
    /// The operators of the filtered stream with the embedding tier.
    FilteredStream,
}

/// Returns a rule that follows the grammar, with leaves that often match the Posts above.
pub fn a_rule(choices: &mut Choices<'_>, family: Family, depth: usize) -> String {
    let mut out = String::new();
    for branch in 0..=choices.pick(&[0, 0, 1, 2]) {
        if branch > 0 {
            out += " OR ";
        }
        for term in 0..=choices.pick(&[0, 0, 1, 2]) {
            if term > 0 {
                out += choices.pick(&[" ", " ", "  ", "\t"]);
            }
            if choices.once_in(4) {
                out += "-";
            }
            if depth > 0 && choices.once_in(4) {
                out += &format!("({})", a_rule(choices, family, depth - 1));
            } else {
                out += &a_leaf(choices, family);
            }
        }
    }
    out
}

/// Returns the text in quotes.
fn quoted(text: &str) -> String {
    // An empty quote is an error.
    let text = if text.is_empty() { "gull" } else { text };
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// Returns a term.
pub fn a_leaf(choices: &mut Choices<'_>, family: Family) -> String {
    let phrase = |choices: &mut Choices<'_>| {
        let mut phrase = String::new();
        for index in 0..=choices.below(3) {
            if index > 0 || choices.once_in(8) {
                phrase += choices.pick(&JOINTS);
            }
            phrase += choices.pick(&WORDS);
        }
        phrase
    };
    let argument = |choices: &mut Choices<'_>| {
        if choices.once_in(2) { quoted(&phrase(choices)) } else { quoted(choices.pick(&WORDS)) }
    };
    let count = |choices: &mut Choices<'_>| {
        let (a, b) = (choices.pick(&COUNTS), choices.pick(&COUNTS));
        if choices.once_in(2) { format!("{}..{}", a.min(b), a.max(b)) } else { a.to_string() }
    };
    // Words come first, because they are by far the most frequent.
    match choices.below(64) {
        0..=15 => choices.pick(&WORDS).to_owned(),
        16..=21 => quoted(&phrase(choices)),
        22 | 23 => format!("{}~{}", quoted(&phrase(choices)), 1 + choices.below(6)),
        24 | 25 => format!("#{}", choices.pick(&["gulls", "señal", "sen\u{303}al", "日本", "2024", "BRK"])),
        26 => format!("${}", choices.pick(&["gulls", "2024", "BRK", "brk"])),
        27 => format!("@{}", choices.pick(&NAMES)),
        28 => format!("from:{}", choices.pick(&NAMES)),
        29 => format!("to:{}", choices.pick(&NAMES)),
        30 => format!("retweets_of:{}", choices.pick(&NAMES)),
        31 => format!(
            "url:{}",
            if choices.once_in(2) { argument(choices) } else { quoted(choices.pick(&HOSTS)) }
        ),
        32 => format!("url_contains:{}", choices.pick(&["example", "ull", "\"org/b\"", "\"T.CO\"", "señ"])),
        33 => format!("url_title:{}", argument(choices)),
        34 => format!("url_description:{}", argument(choices)),
        35 => format!("bio:{}", argument(choices)),
        36 => format!("bio_name:{}", argument(choices)),
        37 => format!("bio_location:{}", argument(choices)),
        38 => format!("followers_count:{}", count(choices)),
        39 => format!("friends_count:{}", count(choices)),
        40 => format!("listed_count:{}", count(choices)),
        41 => format!("statuses_count:{}", count(choices)),
        42 | 43 => format!("lang:{}", choices.pick(&LANGS)),
        44 => format!(
            "place:{}",
            choices.pick(&["gull", "01a9a39529b27f36", "\"united kingdom\"", "日本", "\"sea gull\""])
        ),
        45 => format!("place_country:{}", choices.pick(&CODES)),
        46 => choices
            .pick(&[
                "point_radius:[-0.12 51.5 10mi]",
                "point_radius:[179.99 0 20km]",
                "point_radius:[0.835 51.76 5km]",
            ])
            .to_owned(),
        47 => choices
            .pick(&[
                "bounding_box:[-0.2 51.4 -0.1 51.6]",
                "bounding_box:[179.9 -0.1 -179.9 0.1]",
                "bounding_box:[0.7 51.7 0.9 51.8]",
            ])
            .to_owned(),
        48..=51 => choices
            .pick(&[
                "has:hashtags",
                "has:mentions",
                "has:symbols",
                "has:links",
                "has:media",
                "has:images",
                "has:videos",
                "has:geo",
            ])
            .to_owned(),
        52..=54 => {
            choices.pick(&["is:retweet", "is:reply", "is:quote", "is:verified", "is:nullcast"]).to_owned()
        }
        55 => format!("retweets_of_status_id:{}", choices.pick(&IDS)),
        56 => format!("in_reply_to_status_id:{}", choices.pick(&IDS)),
        57 => format!(
            "source:{}",
            choices.pick(&[
                "gull",
                "\"r&d\"",
                "\"x web client\"",
                "\"http://example.org/\"",
                "\"bit.example/a+b\""
            ])
        ),
        58 => format!("sample:{}", choices.pick(&[50, 1, 100])),
        _ => match (family, choices.below(8)) {
            (Family::Powertrack, 0 | 1) => {
                format!(
                    "contains:{}",
                    choices.pick(&[
                        "ull",
                        "\"a g\"",
                        "señ",
                        "\"\u{303}\"",
                        "-5",
                        "\"l t\"",
                        "🍕",
                        "\"&\"",
                        "\"<g\""
                    ])
                )
            }
            (Family::Powertrack, 2) => format!("profile_country:{}", choices.pick(&CODES)),
            (Family::Powertrack, 3) => format!("profile_region:{}", argument(choices)),
            (Family::Powertrack, 4) => format!("profile_locality:{}", argument(choices)),
            (Family::Powertrack, 5) => "profile_subregion:\"suffolk county\"".to_owned(),
            (Family::Powertrack, 6) => choices
                .pick(&["profile_point_radius:[-0.12 51.5 10mi]", "profile_bounding_box:[0.7 51.7 0.9 51.8]"])
                .to_owned(),
            (Family::Powertrack, _) => choices.pick(&["has:lang", "has:profile_geo"]).to_owned(),
            (_, 0) => format!("from_affiliate_of:{}", choices.pick(&NAMES)),
            (_, 1) => format!("to_affiliate_of:{}", choices.pick(&NAMES)),
            (_, 2) => format!("min_followers:{}", choices.pick(&COUNTS)),
            (_, 3) => format!("conversation_id:{}", choices.pick(&IDS)),
            (_, 4) => choices.pick(&["context:66.852", "context:65.*", "context:*.7"]).to_owned(),
            (_, 5) => choices.pick(&["entity:\"herring GULL\"", "entity:\"gull\""]).to_owned(),
            (_, 6) => "embedding:\"birds by the sea\"".to_owned(),
            _ => "embedding_threshold:0.5".to_owned(),
        },
    }
}
