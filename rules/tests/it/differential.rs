//! Compares the matcher with the oracle on generated rules and Posts: the same rules match, and
//! each has the same value. Also checks that the history of a set does not affect matching.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "test helpers, which clippy.toml's exemption for tests does not cover"
)]

use powerstream_rules::matcher::{RuleKey, RuleSet, Scratch};
use powerstream_rules::{Profile, Rule, check};
use serde_json::Value as Json;

use crate::oracle::choices::{Choices, for_all};
use crate::oracle::generate::{a_message, a_post};
use crate::oracle::matcher::{agree, match_options, options, some_rules};
use crate::oracle::{Options, write};

#[test]
fn matcher_agrees_with_the_oracle() {
    for_all(0xd1ff_e4e7, 300, 1_500, |mut choices| {
        let options = options(&mut choices);
        let post = a_post(&mut choices, 2);
        let message = a_message(&mut choices, &post);
        let bytes = write::json(&mut choices, &message);
        let rules = some_rules(&mut choices, 6);
        agree(&rules, &message, &bytes, options)
    });
}

#[test]
fn oddly_written_json_reads_back_as_the_same_value() {
    // The JSON that the tests write in unusual forms must parse to the intended value.
    for_all(0x000b_17e5, 300, 1_000, |mut choices| {
        let post = a_post(&mut choices, 2);
        let message = a_message(&mut choices, &post);
        let bytes = write::json(&mut choices, &message);
        let read: Json = serde_json::from_slice(&bytes).map_err(|error| error.to_string())?;
        let mut known = Vec::new();
        collect_known_leaves(&read, &mut known);
        let mut want = Vec::new();
        collect_known_leaves(&message, &mut want);
        known.sort();
        want.sort();
        if known == want {
            Ok(())
        } else {
            Err(format!("{message:#} became {}", String::from_utf8_lossy(&bytes)))
        }
    });
}

/// Collects the path of every leaf, without the fields that the product does not read.
fn collect_known_leaves(value: &Json, out: &mut Vec<String>) {
    fn visit(value: &Json, path: &str, out: &mut Vec<String>) {
        match value {
            Json::Object(fields) => {
                for (key, value) in fields.iter().filter(|(key, _)| *key != "stranger") {
                    visit(value, &format!("{path}/{key}"), out);
                }
            }
            Json::Array(elements) => {
                for (index, value) in elements.iter().enumerate() {
                    visit(value, &format!("{path}/{index}"), out);
                }
            }
            leaf => out.push(format!("{path}: {leaf}")),
        }
    }
    visit(value, "", out);
}

#[test]
fn a_set_after_adds_and_removals_matches_like_a_fresh_one() {
    for_all(0x005e_75e7, 12, 1_500, |mut choices| {
        let options = options(&mut choices);
        let posts: Vec<Vec<u8>> = (0..3)
            .map(|_| {
                let post = a_post(&mut choices, 1);
                a_message(&mut choices, &post).to_string().into_bytes()
            })
            .collect();
        let rules = some_rules(&mut choices, 12);
        let mut set = RuleSet::with_options(match_options(options));
        // The expected rules of the set, by key.
        let mut held: Vec<(RuleKey, usize)> = Vec::new();
        let mut given: Vec<RuleKey> = Vec::new();
        let mut scratch = Scratch::new();
        while !choices.is_empty() {
            if held.is_empty() || choices.below(5) < 3 {
                let rule = choices.below(rules.len());
                let tag = format!("rule {rule}");
                let key = set.insert(&rules[rule], Some(&tag));
                if given.contains(&key) {
                    return Err(format!("{key} was given before"));
                }
                given.push(key);
                held.push((key, rule));
            } else {
                let (key, _) = held.remove(choices.below(held.len()));
                if !set.remove(key) || set.remove(key) || set.get(key).is_some() {
                    return Err(format!("{key} was not removed once"));
                }
            }
            if choices.below(6) > 0 {
                continue;
            }
            let mut fresh = RuleSet::with_options(match_options(options));
            let new: Vec<RuleKey> = held.iter().map(|(_, rule)| fresh.insert(&rules[*rule], None)).collect();
            let mut other = Scratch::new();
            for post in &posts {
                let place = |keys: &[RuleKey], of: &dyn Fn(usize) -> RuleKey| -> Vec<usize> {
                    (0..held.len()).filter(|index| keys.contains(&of(*index))).collect()
                };
                let found = place(set.matches(post, &mut scratch), &|index| held[index].0);
                let want = place(fresh.matches(post, &mut other), &|index| new[index]);
                if found != want {
                    let texts: Vec<&str> = held.iter().map(|(_, rule)| rules[*rule].text()).collect();
                    return Err(format!(
                        "{found:?} match, of a fresh set {want:?}, of {texts:?} on {}",
                        String::from_utf8_lossy(post)
                    ));
                }
            }
        }
        let mut listed: Vec<RuleKey> = set.iter().map(|(key, _)| key).collect();
        let mut want: Vec<RuleKey> = held.iter().map(|(key, _)| *key).collect();
        listed.sort_unstable();
        want.sort_unstable();
        if set.len() != held.len() || listed != want {
            return Err(format!("it lists {listed:?} and holds {want:?}"));
        }
        for (key, rule) in &held {
            let entry = set.get(*key).ok_or("a rule is gone")?;
            if entry.value != rules[*rule].text() || entry.tag != Some(&*format!("rule {rule}")) {
                return Err(format!("{entry:?} is not rule {rule}"));
            }
        }
        Ok(())
    });
}

/// Matches real Posts from the file named by `POWERSTREAM_POSTS` (one JSON object per line),
/// against rules made from their own words and generated ones. Passes without the variable.
#[test]
fn real_posts_match_like_the_oracle() {
    let Ok(path) = std::env::var("POWERSTREAM_POSTS") else { return };
    let text = std::fs::read_to_string(path).unwrap();
    let (mut posts, mut pairs, mut matches) = (0, 0, 0);
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        let message: Json = serde_json::from_str(line).unwrap();
        posts += 1;
        let mut rules = own_rules(&message);
        let seed: Vec<u8> = line.bytes().rev().map(|byte| byte.wrapping_mul(97)).take(600).collect();
        rules.extend(some_rules(&mut Choices::new(&seed), 10));
        pairs += rules.len();
        matches +=
            rules.iter().filter(|rule| crate::oracle::matches(rule, &message, Options::default())).count();
        for options in
            [Options::default(), Options { phrase_tokens: true, segment_substring: true, short_links: true }]
        {
            agree(&rules, &message, line.as_bytes(), options).unwrap();
        }
    }
    println!("{posts} Posts, {pairs} rules on them, {matches} matches");
}

/// Makes rules from the contents of a Post.
fn own_rules(message: &Json) -> Vec<Rule> {
    let mut texts: Vec<String> = Vec::new();
    let strings: Vec<&str> = [
        "/text",
        "/extended_tweet/full_text",
        "/user/description",
        "/quoted_status/text",
        "/retweeted_status/text",
    ]
    .into_iter()
    .filter_map(|pointer| message.pointer(pointer)?.as_str())
    .collect();
    for string in &strings {
        let words: Vec<&str> = string.split_whitespace().collect();
        texts.extend(words.iter().map(|word| (*word).to_owned()));
        texts.extend(words.iter().map(|word| format!("contains:{}", quoted(word))));
        texts.extend(words.windows(2).map(|pair| quoted(&pair.join(" "))));
        texts.extend(words.windows(3).map(|few| format!("{}~2", quoted(&format!("{} {}", few[2], few[0])))));
        texts.extend(words.iter().map(|word| format!("bio:{}", quoted(word))));
    }
    let mut add = |format: &dyn Fn(&str) -> String, value: &Json| {
        if let Some(text) = value.as_str() {
            texts.push(format(text));
        }
    };
    for post in [message, &message["retweeted_status"], &message["quoted_status"], &message["extended_tweet"]]
    {
        for tag in post["entities"]["hashtags"].as_array().into_iter().flatten() {
            add(&|tag| format!("#{tag}"), &tag["text"]);
        }
        for user in post["entities"]["user_mentions"].as_array().into_iter().flatten() {
            add(&|name| format!("@{name}"), &user["screen_name"]);
            add(&|name| format!("to:{name}"), &user["screen_name"]);
            add(&|id| format!("retweets_of:{id}"), &user["id_str"]);
        }
        for url in post["entities"]["urls"].as_array().into_iter().flatten() {
            add(&|url| format!("url:{}", quoted(url)), &url["expanded_url"]);
            add(&|url| format!("url_contains:{}", quoted(url)), &url["url"]);
            add(&|url| quoted(url), &url["display_url"]);
        }
        add(&|name| format!("from:{name}"), &post["user"]["screen_name"]);
        add(&|name| format!("bio_name:{}", quoted(name)), &post["user"]["name"]);
        add(&|place| format!("bio_location:{}", quoted(place)), &post["user"]["location"]);
        add(&|lang| format!("lang:{lang}"), &post["lang"]);
        add(&|place| format!("place:{}", quoted(place)), &post["place"]["full_name"]);
        add(&|code| format!("place_country:{code}"), &post["place"]["country_code"]);
    }
    for flag in ["retweet", "reply", "quote", "verified", "nullcast"] {
        texts.push(format!("is:{flag}"));
    }
    for flag in ["hashtags", "mentions", "symbols", "links", "media", "images", "videos", "geo", "lang"] {
        texts.push(format!("has:{flag}"));
    }
    // A sample of all rules, because the oracle is slow.
    let step = texts.len() / 120 + 1;
    texts.iter().step_by(step).filter_map(|text| check(text, Profile::Powerstream).rule).collect()
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}
