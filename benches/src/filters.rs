//! Engines that return which rules a text matches.

use std::collections::HashSet;

use a_tree::{ATree, AttributeDefinition};
use mokaccino::prelude::{CNFQueryable, Document, PercolatorUid, Qid, Query};
use powerstream_rules::Rule;
use powerstream_rules::matcher::{MatchOptions, Truth, evidence_text};
use powerstream_workload::rules::Compiled;
use powerstream_workload::texts::KeywordRule;

/// An engine with its rules.
pub trait Filter {
    /// Returns the name of the engine.
    fn name(&self) -> &'static str;
    /// Returns the number of rules that a text matches.
    fn count(&mut self, text: &str) -> usize;
}

impl Filter for Compiled {
    fn name(&self) -> &'static str {
        "powerstream"
    }

    fn count(&mut self, text: &str) -> usize {
        self.count_text(text)
    }
}

/// Evaluates each rule by itself, with evidence.
#[derive(Debug)]
pub struct Naive(pub Vec<Rule>);

impl Filter for Naive {
    fn name(&self) -> &'static str {
        "each rule separately"
    }

    fn count(&mut self, text: &str) -> usize {
        let is = |rule: &&Rule| evidence_text(rule, text, MatchOptions::default()).value == Truth::True;
        self.0.iter().filter(is).count()
    }
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|character: char| !character.is_alphanumeric()).filter(|word| !word.is_empty())
}

/// Puts the words of the text into a set, and checks every rule against it.
#[derive(Debug)]
pub struct Hashed(pub Vec<KeywordRule>);

impl Filter for Hashed {
    fn name(&self) -> &'static str {
        "hash set of the words, then every rule"
    }

    fn count(&mut self, text: &str) -> usize {
        let text = text.to_lowercase();
        let words: HashSet<&str> = words(&text).collect();
        let has = |word: &String| words.contains(&**word);
        let matches = |rule: &&KeywordRule| {
            rule.branches.iter().any(|branch| branch.iter().all(has))
                && rule.all.iter().all(has)
                && !rule.none.iter().any(has)
        };
        self.0.iter().filter(matches).count()
    }
}

/// The crate `mokaccino`.
pub struct Mokaccino(PercolatorUid<Qid>);

impl Mokaccino {
    /// Indexes all rules in a percolator.
    ///
    /// # Panics
    /// If a rule has no branch.
    #[must_use]
    pub fn new(rules: &[KeywordRule]) -> Self {
        let mut percolator = PercolatorUid::default();
        for rule in rules {
            let word = |word: &String| "w".has_value(word.as_str());
            let branch = |branch: &Vec<String>| branch.iter().map(word).reduce(|a, b| a & b).expect("a word");
            let mut query: Query = rule.branches.iter().map(branch).reduce(|a, b| a | b).expect("a branch");
            for all in &rule.all {
                query = query & word(all);
            }
            for none in &rule.none {
                query = query & !word(none);
            }
            percolator.add_query(query);
        }
        Self(percolator)
    }
}

impl Filter for Mokaccino {
    fn name(&self) -> &'static str {
        "mokaccino"
    }

    fn count(&mut self, text: &str) -> usize {
        let text = text.to_lowercase();
        let mut document = Document::default();
        words(&text).for_each(|word| document.with_value_mut("w", word));
        self.0.percolate(&document).count()
    }
}

/// The crate `a-tree`.
pub struct Atree(ATree<u64>);

impl Atree {
    /// Indexes all rules in a tree.
    ///
    /// # Panics
    /// If the tree rejects a rule.
    #[must_use]
    pub fn new(rules: &[KeywordRule]) -> Self {
        let mut tree = ATree::new(&[AttributeDefinition::string_list("w")]).expect("a tree");
        for (id, rule) in rules.iter().enumerate() {
            let list = |words: &[String]| {
                words.iter().map(|word| format!("\"{word}\"")).collect::<Vec<_>>().join(", ")
            };
            // Branches of one word are combined into one list.
            let singles: Vec<String> =
                rule.branches.iter().filter(|branch| branch.len() == 1).flatten().cloned().collect();
            let mut branches = vec![format!("w one of [{}]", list(&singles))];
            let more = rule.branches.iter().filter(|branch| branch.len() > 1);
            branches.extend(more.map(|branch| format!("w all of [{}]", list(branch))));
            let mut text = format!("({})", branches.join(" or "));
            if !rule.all.is_empty() {
                text += &format!(" and w all of [{}]", list(&rule.all));
            }
            if !rule.none.is_empty() {
                text += &format!(" and w none of [{}]", list(&rule.none));
            }
            tree.insert(&(id as u64), &text).expect("an expression");
        }
        Self(tree)
    }
}

impl Filter for Atree {
    fn name(&self) -> &'static str {
        "a-tree"
    }

    fn count(&mut self, text: &str) -> usize {
        let text = text.to_lowercase();
        let words: Vec<&str> = words(&text).collect();
        let mut event = self.0.make_event();
        event.with_string_list("w", &words).expect("an attribute");
        let event = event.build().expect("an event");
        self.0.search(&event).expect("a report").matches().len()
    }
}
