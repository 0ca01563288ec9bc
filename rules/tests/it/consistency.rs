//! Compares a compiled set with each rule evaluated alone, on generated rules and Posts. The
//! generator has a fixed seed, so a failure is reproducible.

#![allow(
    clippy::unwrap_used,
    reason = "test helpers, which clippy.toml's exemption for tests does not cover"
)]

use powerstream_rules::matcher::{
    MatchOptions, Phrases, RuleSet, Scratch, Segment, Truth, evidence, evidence_text,
};
use powerstream_rules::{Profile, Rule, check};

use crate::random::Random;

const WORDS: [&str; 24] = [
    "gull",
    "tern",
    "Gull",
    "sea",
    "SEA",
    "acme's",
    "señal",
    "sen\u{303}al",
    "日本",
    "東京タワー",
    "🍕",
    "👍🏽",
    "👩\u{200d}💻",
    "the",
    "a",
    "b",
    "c",
    "shore2",
    "#gulls",
    "@jack",
    "$BRK.A",
    "harbour",
    "night",
    "boat",
];

const SEPARATORS: [&str; 14] =
    [" ", " ", " ", " ", "  ", "-", ", ", "\n", "\u{3000}", "'", "", "/", "&amp;", " &lt; "];

fn text(random: &mut Random) -> String {
    let mut out = String::new();
    for _ in 0..random.below(9) {
        out += random.pick(&WORDS);
        out += random.pick(&SEPARATORS);
    }
    out
}

const LEAVES: [&str; 92] = [
    "gull",
    "tern",
    "sea",
    "GULL",
    "acme's",
    "señal",
    "日本",
    "タワー",
    "🍕",
    "👍🏽",
    "👩\u{200d}💻",
    "🍕🍕",
    "the",
    "a",
    "b",
    "c",
    "shore2",
    "harbour",
    "night",
    "boat",
    "example",
    "birds",
    "a^b",
    "\"sea gull\"",
    "\"Gull\"",
    "\"a b\"",
    "\"a b c\"",
    "\"!\"",
    "\", \"",
    "\"  \"",
    "\"acme's\"",
    "\"sea-gull\"",
    "\"#gulls\"",
    "\"日本\"",
    "\"the 🍕\"",
    "\"com/birds\"",
    "\"sea gull\"~2",
    "\"a b c\"~3",
    "\"gull\"~1",
    "\"a a\"~1",
    "\"b a\"~2",
    "#gulls",
    "#日本",
    "@jack",
    "@12",
    "$BRK.A",
    "from:jack",
    "from:12",
    "to:jack",
    "to:13",
    "retweets_of:jill",
    "retweets_of:13",
    "contains:ull",
    "contains:-5",
    "contains:\"a b\"",
    "contains:\"ea g\"",
    "contains:本",
    "url:\"example.com/birds\"",
    "url:birds",
    "url_contains:example",
    "url_contains:\"/b\"",
    "url_title:\"sea birds\"",
    "url_description:birds",
    "bio:gull",
    "bio:\"sea gull\"",
    "bio_name:jack",
    "bio_location:west",
    "followers_count:10",
    "followers_count:1..5",
    "friends_count:3",
    "listed_count:1",
    "statuses_count:100..200",
    "lang:en",
    "lang:zh",
    "lang:zh-CN",
    "lang:und",
    "place:bergen",
    "place:\"west coast\"",
    "place:01ab",
    "place_country:no",
    "point_radius:[5.3 60.4 10km]",
    "bounding_box:[5.2 60.3 5.4 60.5]",
    "profile_country:no",
    "profile_region:\"west coast\"",
    "has:hashtags",
    "has:links",
    "has:images",
    "has:geo",
    "is:retweet",
    "is:reply",
    "is:quote",
    "is:verified",
];

const MORE_LEAVES: [&str; 22] = [
    "has:mentions",
    "has:symbols",
    "has:media",
    "has:videos",
    "has:lang",
    "has:profile_geo",
    "-is:nullcast",
    "retweets_of_status_id:21",
    "in_reply_to_status_id:22",
    "source:\"Web App\"",
    "source:\"example.com/app\"",
    "profile_locality:Bergen",
    "profile_subregion:x",
    "profile_point_radius:[5.3 60.4 10km]",
    "has:images",
    "profile_bounding_box:[5.2 60.3 5.4 60.5]",
    // Operators of the filtered stream.
    "conversation_id:23",
    "context:66.1",
    "context:*.1",
    "context:66.*",
    "entity:\"Sea gull\"",
    "from_affiliate_of:14",
];

const STREAM_LEAVES: [&str; 4] =
    ["to_affiliate_of:acme", "min_followers:7", "embedding:\"sea birds\"", "embedding_threshold:0.5"];

fn leaf(random: &mut Random) -> &'static str {
    match random.below(10) {
        0..=1 => random.pick(&MORE_LEAVES),
        2 if random.chance(2) => random.pick(&STREAM_LEAVES),
        _ => random.pick(&LEAVES),
    }
}

fn rule_text(random: &mut Random, depth: usize) -> String {
    let mut out = String::new();
    for branch in 0..=random.below(3) {
        if branch > 0 {
            out += " OR ";
        }
        for term in 0..=random.below(3) {
            if term > 0 {
                out.push(' ');
            }
            if random.chance(4) {
                out.push('-');
            }
            if depth > 0 && random.chance(3) {
                out += &format!("({})", rule_text(random, depth - 1));
            } else {
                out += leaf(random);
            }
        }
    }
    out
}

/// Generates a tree. The tree may be an invalid rule.
fn rule(random: &mut Random) -> Rule {
    loop {
        let depth = random.below(3);
        let text = rule_text(random, depth);
        let found =
            check(&text, Profile::FilteredStreamEmbedding).rule.or(check(&text, Profile::Powerstream).rule);
        if let Some(rule) = found {
            return rule;
        }
    }
}

fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for character in text.chars() {
        match character {
            '"' | '\\' => out.extend(['\\', character]),
            '\n' => out += "\\n",
            '/' => out += "\\/",
            'é'.. => {
                let mut units = [0; 2];
                for unit in character.encode_utf16(&mut units) {
                    out += &format!("\\u{unit:04x}");
                }
            }
            _ => out.push(character),
        }
    }
    out.push('"');
    out
}

/// Returns one of the texts, or an empty string.
fn some(random: &mut Random, choices: &[&str]) -> String {
    if random.chance(3) { String::new() } else { random.pick(choices).to_owned() }
}

fn entities(random: &mut Random, v2: bool) -> String {
    let (tag, name) = if v2 { ("tag", "username") } else { ("text", "screen_name") };
    let mut lists = Vec::new();
    if random.chance(2) {
        lists.push(format!("\"hashtags\":[{{\"{tag}\":{}}}]", quoted(random.pick(&["Gulls", "日本", "x"]))));
    }
    if random.chance(3) {
        let list = if v2 { "cashtags" } else { "symbols" };
        lists.push(format!("\"{list}\":[{{\"{tag}\":\"brk.a\"}}]"));
    }
    if random.chance(2) {
        let list = if v2 { "mentions" } else { "user_mentions" };
        lists.push(format!(
            "\"{list}\":[{{\"{name}\":{},\"id\":\"{}\"}}]",
            quoted(random.pick(&["Jack", "jill"])),
            12 + random.below(3)
        ));
    }
    if random.chance(2) {
        let unwound = if v2 {
            "\"unwound_url\":\"https://example.com/birds/gull\",\"title\":\"The Sea Birds\",\"description\":\"birds\""
        } else {
            "\"unwound\":{\"url\":\"https://example.com/birds/gull\",\"title\":\"The Sea Birds\",\"description\":\"birds\"}"
        };
        lists.push(format!(
            "\"urls\":[{{\"url\":\"https:\\/\\/t.co\\/a\",\"expanded_url\":{},\"display_url\":\"example.com/b\"{}}}]",
            quoted(random.pick(&["https://example.com/birds", "http://x.example/night-boat", "https://日本.example"])),
            if random.chance(2) { format!(",{unwound}") } else { String::new() }
        ));
    }
    format!("{{{}}}", lists.join(","))
}

fn legacy(random: &mut Random, depth: usize) -> String {
    let mut fields = vec![
        format!("\"id_str\":\"{}\"", 20 + random.below(5)),
        format!("\"text\":{}", quoted(&text(random))),
    ];
    let mut maybe = |random: &mut Random, field: String| {
        if !random.chance(3) {
            fields.push(field);
        }
    };
    let lang = random.pick(&["en", "zh", "zh-CN", "ZH-tw", "und", "ja"]);
    maybe(random, format!("\"lang\":\"{lang}\""));
    let found = entities(random, false);
    maybe(random, format!("\"entities\":{found}"));
    let user = format!(
        "\"user\":{{\"id\":{},\"screen_name\":\"{}\",\"name\":\"Jack\",\"description\":{},\"location\":\"West coast\",\
         \"verified\":{},\"followers_count\":{},\"friends_count\":{},\"listed_count\":1,\"statuses_count\":150{}}}",
        12 + random.below(3),
        random.pick(&["jack", "Jill"]),
        quoted(&text(random)),
        random.chance(2),
        random.below(12),
        random.below(5),
        if random.chance(2) {
            ",\"derived\":{\"locations\":[{\"country_code\":\"NO\",\"region\":\"West Coast\",\"locality\":\"bergen\",\
             \"geo\":{\"coordinates\":[5.32,60.39],\"type\":\"point\"}}]}"
        } else {
            ""
        }
    );
    maybe(random, user);
    if random.chance(2) {
        let replied = some(random, &["\"in_reply_to_status_id\":22,", "\"in_reply_to_user_id_str\":\"13\","]);
        fields.push(format!("{replied}\"in_reply_to_screen_name\":{}", random.pick(&["\"Jack\"", "null"])));
    }
    if random.chance(3) {
        let place = "\"place\":{\"id\":\"01ab\",\"full_name\":\"Bergen, West Coast\",\"name\":\"Bergen\",\"country\":\"Norway\",\
                     \"country_code\":\"NO\",\"bounding_box\":{\"coordinates\":[[[5.3,60.35],[5.35,60.35],[5.35,60.4],[5.3,60.4]]]}}";
        fields.push(place.to_owned());
    }
    if random.chance(4) {
        fields.push(
            random
                .pick(&["\"coordinates\":{\"coordinates\":[5.3,60.4]}", "\"geo\":{\"coordinates\":[61,5]}"])
                .to_owned(),
        );
    }
    if random.chance(3) {
        let kind = random.pick(&["photo", "video", "animated_gif", "x"]);
        fields.push(format!("\"extended_entities\":{{\"media\":[{{\"type\":\"{kind}\",\"display_url\":\"pic.example/gull\"}}]}}"));
    }
    if random.chance(3) {
        let source = random
            .pick(&["\"<a href=\\\"https:\\/\\/example.com\\/app\\/\\\">Web App<\\/a>\"", "\"web app\""]);
        fields.push(format!("\"source\":{source}"));
    }
    if random.chance(5) {
        fields.push("\"scopes\":{\"followers\":false},\"conversation_id\":23".to_owned());
    }
    if depth > 0 && random.chance(3) {
        fields.push(format!("\"is_quote_status\":true,\"quoted_status\":{}", legacy(random, depth - 1)));
    }
    if depth > 0 && random.chance(3) {
        fields.push(format!("\"retweeted_status\":{}", legacy(random, depth - 1)));
    }
    format!("{{{}}}", fields.join(","))
}

fn v2_post(random: &mut Random, id: usize, references: bool) -> String {
    let mut fields = vec![format!("\"id\":\"{id}\""), format!("\"text\":{}", quoted(&text(random)))];
    let mut maybe = |random: &mut Random, field: String| {
        if !random.chance(3) {
            fields.push(field);
        }
    };
    let lang = random.pick(&["en", "zh", "und"]);
    maybe(random, format!("\"lang\":\"{lang}\""));
    let found = entities(random, true);
    maybe(random, format!("\"entities\":{found}"));
    let author = 12 + random.below(4);
    maybe(random, format!("\"author_id\":\"{author}\""));
    maybe(random, "\"source\":\"Web App\"".to_owned());
    maybe(random, "\"conversation_id\":\"23\"".to_owned());
    if random.chance(2) {
        fields.push(format!("\"in_reply_to_user_id\":\"{}\"", 12 + random.below(4)));
    }
    if random.chance(2) {
        let place = random.pick(&["01ab", "02cd"]);
        let point = some(random, &[",\"coordinates\":{\"coordinates\":[5.3,60.4]}"]);
        fields.push(format!("\"geo\":{{\"place_id\":\"{place}\"{point}}}"));
    }
    if random.chance(2) {
        let keys = random.pick(&["\"m1\"", "\"m2\"", "\"m1\",\"m3\""]);
        fields.push(format!("\"attachments\":{{\"media_keys\":[{keys}]}}"));
    }
    if random.chance(2) {
        let entity = random.pick(&["1", "2"]);
        fields.push(format!(
            "\"context_annotations\":[{{\"domain\":{{\"id\":\"66\"}},\"entity\":{{\"id\":\"{entity}\",\"name\":\"sea Gull\"}}}}]"
        ));
    }
    if references {
        let reference = |random: &mut Random, kind: &str| {
            format!("{{\"type\":\"{kind}\",\"id\":\"{}\"}}", 21 + random.below(4))
        };
        let mut list = Vec::new();
        for kind in ["retweeted", "quoted", "replied_to"] {
            if random.chance(3) {
                list.push(reference(random, kind));
            }
        }
        fields.push(format!("\"referenced_tweets\":[{}]", list.join(",")));
    }
    format!("{{{}}}", fields.join(","))
}

fn v2(random: &mut Random) -> String {
    let data = v2_post(random, 20, true);
    let tweets = format!("{},{}", v2_post(random, 21, random.0 & 64 == 0), v2_post(random, 22, false));
    let user = |random: &mut Random, id: usize, name: &str| {
        let more = some(
            random,
            &[
                ",\"verified\":true,\"public_metrics\":{\"followers_count\":10,\"following_count\":4,\"listed_count\":0}",
                ",\"description\":\"a sea gull\",\"affiliation\":{\"user_id\":[\"14\",\"15\"]}",
                ",\"location\":\"west\",\"affiliation\":{\"user_id\":\"14\"}",
            ],
        );
        format!("{{\"id\":\"{id}\",\"username\":\"{name}\",\"name\":\"Jack B\"{more}}}")
    };
    let users = [user(random, 12, "jack"), user(random, 13, "jill"), user(random, 14, "ACME")].join(",");
    let includes = format!(
        "{{\"users\":[{users}],\"tweets\":[{tweets}],\"media\":[{{\"media_key\":\"m1\",\"type\":\"photo\"}}],\
         \"places\":[{{\"id\":\"01ab\",\"full_name\":\"Bergen, West coast\",\"country_code\":\"NO\",\"geo\":{{\"bbox\":[5.3,60.35,5.35,60.4]}}}}]}}"
    );
    if random.chance(4) {
        format!("{{\"data\":{data}}}")
    } else {
        format!("{{\"data\":{data},\"includes\":{includes}}}")
    }
}

fn post(random: &mut Random) -> String {
    if random.chance(2) { legacy(random, 2) } else { v2(random) }
}

fn options(random: &mut Random) -> MatchOptions {
    let mut options = MatchOptions::default();
    options.phrases = if random.chance(3) { Phrases::Tokens } else { Phrases::Literal };
    options.segment = if random.chance(3) { Segment::Substring } else { Segment::Tokens };
    options.short_links = random.chance(3);
    options
}

#[test]
fn a_rule_set_matches_the_same_posts_as_its_rules_alone() {
    let mut random = Random(0x5eed);
    let mut scratch = Scratch::new();
    let mut counts = [0_u32; 3];
    for _ in 0..16 {
        let options = options(&mut random);
        let mut set = RuleSet::with_options(options);
        let mut rules = Vec::new();
        for _ in 0..25 {
            // Removes some of the rules.
            if random.chance(3) && !rules.is_empty() {
                let (key, _) = rules.swap_remove(random.below(rules.len()));
                assert!(set.remove(key) && !set.remove(key) && set.get(key).is_none());
            }
            let rule = rule(&mut random);
            let key = set.insert(&rule, None);
            assert_eq!(set.get(key).unwrap().value, rule.text());
            rules.push((key, rule));
        }
        assert_eq!(set.len(), rules.len());
        rules.sort_by_key(|(key, _)| *key);
        for _ in 0..25 {
            let message = post(&mut random);
            let mut want = Vec::new();
            for (key, rule) in &rules {
                let evidence = evidence(rule, message.as_bytes(), options);
                counts[evidence.value as usize] += 1;
                if evidence.value == Truth::True {
                    want.push(*key);
                }
                assert_eq!(evidence.changes.is_empty(), evidence.value == Truth::True);
                assert_eq!(evidence.leaves.len(), rule.terms().count());
            }
            let got = set.matches(message.as_bytes(), &mut scratch);
            if got != want {
                for (key, rule) in &rules {
                    if got.contains(key) != want.contains(key) {
                        let evidence = evidence(rule, message.as_bytes(), options);
                        panic!("{options:?}\n{}\n{message}\n{evidence:#?}", rule.text());
                    }
                }
            }
            let text = text(&mut random);
            let want: Vec<_> = rules
                .iter()
                .filter(|(_, rule)| evidence_text(rule, &text, options).value == Truth::True)
                .map(|(key, _)| *key)
                .collect();
            assert_eq!(set.matches_text(&text, &mut scratch), want, "{text:?}");
        }
        for (key, _) in rules {
            assert!(set.remove(key));
        }
        assert!(set.is_empty() && set.matches_text("gull", &mut scratch).is_empty());
    }
    assert!(counts.iter().all(|count| *count > 400), "{counts:?}");
}

#[test]
fn messages_other_than_posts_match_no_rule() {
    let rule = Rule::parse("gull -tern", Profile::Powerstream).unwrap();
    let negative = check("-tern", Profile::Powerstream).rule.unwrap();
    let mut set = RuleSet::new();
    set.insert(&rule, None);
    set.insert(&negative, Some("uncovered"));
    let mut scratch = Scratch::new();
    for message in [
        &b"{\"type\":\"connection_metadata\",\"data\":{\"text\":\"gull\"}}"[..],
        b"[]",
        b"null",
        b"",
        b"\xff",
        b"{\"text\":\"gull\"}",
    ] {
        assert!(set.matches(message, &mut scratch).is_empty());
        for rule in [&rule, &negative] {
            let evidence = evidence(rule, message, MatchOptions::default());
            assert_eq!((evidence.value, evidence.leaves[0].value), (Truth::False, Truth::False));
            assert!(evidence.changes.is_empty());
        }
    }
    assert_eq!(set.matches(b"[{\"id\":1,\"text\":\"Gull\"}]", &mut scratch).len(), 2);
    assert_eq!(set.matches(b"{\"id\":1,\"text\":\"tern\"}", &mut scratch).len(), 0);
}
