//! Compares the matcher with the oracle. Only this module uses both.

use powerstream_rules::matcher::{self, MatchOptions, Phrases, RuleKey, RuleSet, Scratch, Segment, evidence};
use powerstream_rules::{Profile, Rule, check};
use serde_json::Value as Json;

use super::choices::Choices;
use super::generate::{Family, a_rule};
use super::{Options, Truth, value};

/// Converts options to the matcher's.
pub fn match_options(options: Options) -> MatchOptions {
    let mut same = MatchOptions::default();
    same.phrases = if options.phrase_tokens { Phrases::Tokens } else { Phrases::Literal };
    same.segment = if options.segment_substring { Segment::Substring } else { Segment::Tokens };
    same.short_links = options.short_links;
    same
}

/// Converts the matcher's value to the oracle's.
pub fn truth(truth: matcher::Truth) -> Truth {
    match truth {
        matcher::Truth::True => Some(true),
        matcher::Truth::False => Some(false),
        matcher::Truth::Unknown => None,
    }
}

/// Returns random options.
pub fn options(choices: &mut Choices<'_>) -> Options {
    Options {
        phrase_tokens: choices.once_in(3),
        segment_substring: choices.once_in(3),
        short_links: choices.once_in(3),
    }
}

/// Rules of either family of products.
pub fn some_rules(choices: &mut Choices<'_>, count: usize) -> Vec<Rule> {
    let rules = (0..count).map(|_| {
        let (family, profile) = choices.pick(&[
            (Family::Powertrack, Profile::Powerstream),
            (Family::FilteredStream, Profile::FilteredStreamEmbedding),
        ]);
        let depth = choices.below(4);
        let text = a_rule(choices, family, depth);
        check(&text, profile).rule.unwrap_or_else(|| panic!("{text}: {:?}", check(&text, profile).errors))
    });
    rules.collect()
}

/// Compares the oracle's answer with the matcher's, rule by rule and all at once.
pub fn agree(rules: &[Rule], message: &Json, bytes: &[u8], options: Options) -> Result<(), String> {
    let shown = String::from_utf8_lossy(bytes);
    let mut set = RuleSet::with_options(match_options(options));
    let keys: Vec<RuleKey> = rules.iter().map(|rule| set.insert(rule, None)).collect();
    let mut scratch = Scratch::new();
    let matched = set.matches(bytes, &mut scratch);
    for (rule, key) in rules.iter().zip(&keys) {
        let want = value(rule, message, options);
        if matched.contains(key) != (want == Some(true)) {
            return Err(format!(
                "{} is {want:?}, but the set disagrees, with {options:?}, on {shown}",
                rule.text()
            ));
        }
        let found = truth(evidence(rule, bytes, match_options(options)).value);
        if found != want {
            return Err(format!(
                "{} is {want:?}, but its evidence is {found:?}, with {options:?}, on {shown}",
                rule.text()
            ));
        }
    }
    if matched.windows(2).any(|pair| pair[0] >= pair[1]) {
        return Err(format!("{matched:?} is not ascending"));
    }
    Ok(())
}
