//! The matcher. With rules and Posts generated from the input, it agrees with the oracle. With the
//! input itself as rules and messages, the set agrees with the evidence of each rule.
//!
//! An input that begins with `#` can be written by hand: one rule per line, an empty line, the
//! message. Any other input contains the choices of the tests' generators.

use powerstream_rules::matcher::{MatchOptions, RuleSet, Scratch, Truth, evidence};
use powerstream_rules::{Profile, check};

use crate::oracle::choices::Choices;
use crate::oracle::generate::{a_message, a_post};
use crate::oracle::matcher::{agree, options, some_rules};
use crate::oracle::write;

/// Checks one input.
pub fn run(input: &[u8]) {
    match input.strip_prefix(b"#") {
        Some(text) => written(text),
        None => generated(&mut Choices::new(input)),
    }
}

fn generated(choices: &mut Choices<'_>) {
    let options = options(choices);
    // The time of an execution grows with the rules times the length of the Post, so both are small
    // more often than in the tests.
    let count = 1 + choices.below(3);
    let rules = some_rules(choices, count);
    let depth = choices.pick(&[0, 0, 1, 2]);
    let post = a_post(choices, depth);
    let message = a_message(choices, &post);
    let bytes = write::json(choices, &message);
    if let Err(difference) = agree(&rules, &message, &bytes, options) {
        panic!("{difference}");
    }
}

fn written(input: &[u8]) {
    let Some(end) = input.windows(2).position(|pair| pair == b"\n\n") else { return };
    let (rules, message) = (String::from_utf8_lossy(&input[..end]), &input[end + 2..]);
    let mut set = RuleSet::new();
    let mut held = Vec::new();
    for text in rules.lines().take(8) {
        let rule = [Profile::Powerstream, Profile::FilteredStreamEmbedding]
            .into_iter()
            .find_map(|profile| check(text, profile).rule);
        if let Some(rule) = rule {
            held.push((set.insert(&rule, None), rule));
        }
    }
    let mut scratch = Scratch::new();
    let matched = set.matches(message, &mut scratch).to_vec();
    for (key, rule) in &held {
        let evidence = evidence(rule, message, MatchOptions::default());
        assert_eq!(matched.contains(key), evidence.value == Truth::True, "{}", rule.text());
        // For a message that is not a Post, changing a term does not help.
        assert!(evidence.changes.is_empty() || evidence.value != Truth::True, "{}", rule.text());
    }
    // A removed rule no longer matches, and the others match as before.
    if let Some((first, _)) = held.first() {
        assert!(set.remove(*first));
        let left: Vec<_> = matched.into_iter().filter(|key| key != first).collect();
        assert_eq!(set.matches(message, &mut scratch), left);
    }
}
