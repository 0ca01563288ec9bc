//! The path from a text or a Post to the rules that match.

use powerstream_rules::matcher::{RuleKey, RuleSet, Scratch};
use powerstream_rules::{Profile, Rule};

use crate::posts::Random;
use crate::texts::{KeywordRule, Language};

/// Parses the rules.
///
/// # Panics
/// If a rule is invalid.
#[must_use]
pub fn parse(rules: &[KeywordRule]) -> Vec<Rule> {
    rules.iter().map(|rule| Rule::parse(&rule.text(), Profile::Powerstream).expect("a rule")).collect()
}

/// Returns this many short rules, the same in every run.
#[must_use]
pub fn short(language: &Language, count: usize) -> Vec<KeywordRule> {
    let mut random = Random::new(5);
    (0..count).map(|_| KeywordRule::short(language, &mut random)).collect()
}

/// Returns this many rules with operators of all kinds, the same in every run.
///
/// # Panics
/// Never: the rules are valid.
#[must_use]
pub fn of_all_kinds(language: &Language, count: usize) -> Vec<Rule> {
    let mut random = Random::new(8);
    let rule = |index| {
        let word = language.asked(&mut random);
        let text = match index % 8 {
            0 => format!("{word} lang:en -is:retweet"),
            1 => format!("#{word} has:links"),
            2 => format!("\"{word} {}\" -has:media", language.asked(&mut random)),
            3 => format!("from:{word} OR @{word}"),
            4 => format!("contains:{word} place_country:no"),
            5 => format!("bio:{word} followers_count:1000 lang:ja"),
            6 => format!("url:{word} is:quote"),
            _ => format!("({word} OR {}) is:verified -lang:und", language.asked(&mut random)),
        };
        Rule::parse(&text, Profile::Powerstream).expect("a rule")
    };
    (0..count).map(rule).collect()
}

/// The matcher of this project.
#[derive(Debug, Default)]
pub struct Compiled {
    /// The indexed rules.
    pub set: RuleSet,
    /// The keys of the rules.
    pub keys: Vec<RuleKey>,
    scratch: Scratch,
}

impl Compiled {
    /// Indexes all rules.
    #[must_use]
    pub fn new(rules: &[Rule]) -> Self {
        let mut compiled = Self::default();
        compiled.keys.extend(rules.iter().map(|rule| compiled.set.insert(rule, None)));
        compiled
    }

    /// Returns the number of rules that a text matches.
    pub fn count_text(&mut self, text: &str) -> usize {
        self.set.matches_text(text, &mut self.scratch).len()
    }

    /// Returns the number of rules that a message matches.
    pub fn count_message(&mut self, message: &[u8]) -> usize {
        self.set.matches(message, &mut self.scratch).len()
    }

    /// Returns the number of rules that a Post matches.
    pub fn count_post(&mut self, post: &powerstream_core::post::Post<'_>) -> usize {
        self.set.matches_post(post, &mut self.scratch).len()
    }
}
