//! Matches one Post against all rules.
//!
//! ```text
//!   strings --fold--> folded --split--> tokens --table--> terms and their postings
//!                                                                        |
//!   rules that match <-- accepts <-- programs of the rules, from where the posting says
//! ```
//!
//! First all anchor terms are searched, domain by domain, in one pass over the strings. Then the
//! programs of the rules with an anchor in the Post run. If they need other terms, these are
//! searched or evaluated once, on demand.

use super::atom::{annotation, decimal};
use super::fold::fold_into;
use super::index::{Index, RuleKey};
use super::key::{Hashed, KeyKind};
use super::phrase::{find_literal, find_near, find_run};
use super::program::{ACCEPT, Class, Instruction};
use super::terms::{Condition, NONE, Posting, TermId, Terms};
use super::token::{PADDING, Token, split_padded_into};
use super::truth::Truth;
use super::view::{Domain, FieldValue, PostRole, View, bare_url};

/// Reusable buffers for matching. Once they have grown to the size that Posts need, matching
/// allocates nothing. One `Scratch` serves any number of sets, one at a time.
#[derive(Clone, Debug, Default)]
pub struct Scratch {
    /// The terms that are true. One bit each, so that the bits of a large set fit the L1 cache.
    found: Bits,
    /// The conditions that were evaluated, and those of them that are unknown.
    evaluated: Bits,
    unknown: Bits,
    /// The terms with a bit in one of these sets.
    touched: Vec<TermId>,
    /// The slots of the rules that match.
    marked: Bits,
    /// The postings of the anchor terms found.
    candidates: Vec<Posting>,
    matched: Vec<RuleKey>,
    /// The strings that were searched, folded, each followed by `PADDING`.
    folded: String,
    strings: Vec<SearchedString>,
    tokens: Vec<Token>,
    /// The term of each token.
    terms: Vec<TermId>,
    /// For each domain: whether it was searched, and whether something was missing.
    searched: u64,
    missing: u64,
    /// A buffer for text that is decoded or folded temporarily.
    raw: String,
    key: String,
}

/// A string whose tokens are known.
#[derive(Clone, Copy, Debug)]
struct SearchedString {
    domain: Domain,
    part: Part,
    /// A position in `Scratch::folded`.
    start: u32,
    end: u32,
    /// An index in `Scratch::tokens`.
    tokens_start: u32,
    tokens_end: u32,
}

/// The kind of a string of [`Domain::Words`], for operators that read only some kinds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    OwnText,
    QuotedText,
    /// The target of a link.
    Link,
    /// A link as displayed, or the link of a medium.
    Shown,
}

impl Part {
    fn of(role: PostRole, field: &'static str) -> Self {
        match field {
            "text" if matches!(role, PostRole::Own | PostRole::Retweeted) => Self::OwnText,
            "text" => Self::QuotedText,
            "urls.url" | "urls.expanded_url" | "urls.unwound.url" => Self::Link,
            _ => Self::Shown,
        }
    }

    /// Returns true if a part of the words is in this domain.
    fn is_in(self, domain: Domain) -> bool {
        match domain {
            Domain::OwnTexts => self == Self::OwnText,
            Domain::AllLinks => self == Self::Link,
            _ => true,
        }
    }
}

/// A set of numbers below a fixed bound.
#[derive(Clone, Debug, Default)]
struct Bits(Vec<u64>);

impl Bits {
    fn reserve(&mut self, end: usize) {
        if self.0.len() * 64 < end {
            self.0.resize(end.div_ceil(64), 0);
        }
    }

    #[inline]
    fn has(&self, number: u32) -> bool {
        self.0.get((number >> 6) as usize).is_some_and(|word| word >> (number & 63) & 1 == 1)
    }

    /// Adds a number. Returns false if it was already in the set.
    #[inline]
    fn add(&mut self, number: u32) -> bool {
        let Some(word) = self.0.get_mut((number >> 6) as usize) else { return false };
        let before = *word;
        *word |= 1 << (number & 63);
        before != *word
    }

    /// Removes a number, and its neighbors in the same word.
    fn wipe(&mut self, number: u32) {
        if let Some(word) = self.0.get_mut((number >> 6) as usize) {
            *word = 0;
        }
    }
}

impl Scratch {
    /// Creates empty buffers. They grow at the first use.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn begin(&mut self, terms: usize, rules: usize) {
        for term in self.touched.drain(..) {
            self.found.wipe(term);
            self.evaluated.wipe(term);
            self.unknown.wipe(term);
        }
        for key in self.matched.drain(..) {
            self.marked.wipe(key.slot());
        }
        self.found.reserve(terms);
        self.evaluated.reserve(terms);
        self.unknown.reserve(terms);
        self.marked.reserve(rules);
        self.candidates.clear();
        self.folded.clear();
        self.strings.clear();
        self.tokens.clear();
        self.terms.clear();
        (self.searched, self.missing) = (0, 0);
    }

    /// Returns the rules that matched.
    pub(crate) fn matched(&self) -> &[RuleKey] {
        &self.matched
    }

    /// Records a term that occurs, and collects its postings.
    #[inline]
    fn find(&mut self, terms: &Terms, term: TermId) {
        if self.found.add(term) {
            self.touched.push(term);
            self.candidates.extend_from_slice(terms.postings(term));
        }
    }

    const fn is_searched(&self, domain: Domain) -> bool {
        self.searched & (1 << domain as u32) != 0
    }

    const fn is_missing(&self, domain: Domain) -> bool {
        self.missing & (1 << domain as u32) != 0
    }
}

/// A Post being matched.
pub(crate) struct Scan<'r> {
    index: &'r Index,
    terms: &'r Terms,
    view: &'r View<'r>,
    scratch: &'r mut Scratch,
}

impl<'r> Scan<'r> {
    pub(crate) fn new(index: &'r Index, view: &'r View<'r>, scratch: &'r mut Scratch) -> Self {
        scratch.begin(index.terms.end(), index.programs.len());
        Self { index, terms: &index.terms, view, scratch }
    }

    /// Matches the Post, and writes the result to `Scratch::matched`.
    pub(crate) fn run(mut self) {
        for domain in self.terms.wanted().domains() {
            self.search(domain);
        }
        for (domain, length) in self.terms.wanted().grams() {
            self.search_grams(domain, length);
        }
        for term in self.terms.unanchored() {
            if self.evaluate(*term) == Truth::True {
                self.scratch.candidates.extend_from_slice(self.terms.postings(*term));
            }
        }
        // No candidates are added from here on.
        let candidates = core::mem::take(&mut self.scratch.candidates);
        candidates.iter().for_each(|candidate| self.evaluate_rule(*candidate));
        self.scratch.candidates = candidates;
        for rule in &self.index.unanchored {
            self.evaluate_rule(Posting { rule: *rule, entry: 0 });
        }
        self.scratch.matched.sort_unstable();
    }

    #[inline]
    fn evaluate_rule(&mut self, Posting { rule, entry }: Posting) {
        if self.scratch.marked.has(rule) {
            return;
        }
        let program = &self.index.programs[rule as usize];
        if self.accepts(&program.code, entry) {
            self.scratch.marked.add(rule);
            self.scratch.matched.push(program.key);
        }
    }

    fn accepts(&mut self, code: &[Instruction], mut at: u32) -> bool {
        while let Some(instruction) = code.get(at as usize) {
            at = instruction.next(at, self.is(*instruction));
        }
        at == ACCEPT
    }

    /// Returns true if a leaf, or its negation, is known to be true.
    #[inline]
    fn is(&mut self, instruction: Instruction) -> bool {
        let term = instruction.term();
        let value = match instruction.class() {
            Class::Word => self.key(Domain::Words, term),
            Class::Key => self.key(self.terms.domain_of(term), term),
            Class::Condition => self.evaluate(term),
        };
        value == if instruction.is_negated() { Truth::False } else { Truth::True }
    }

    #[inline]
    fn key(&mut self, domain: Domain, term: TermId) -> Truth {
        self.search(domain);
        if self.scratch.found.has(term) {
            Truth::True
        } else if self.scratch.is_missing(domain) {
            Truth::Unknown
        } else {
            Truth::False
        }
    }

    /// Searches a domain unless it was already searched.
    #[inline]
    fn search(&mut self, domain: Domain) {
        if !self.scratch.is_searched(domain) {
            self.search_strings(domain);
        }
    }

    /// Searches the strings of a domain and records the terms found there.
    fn search_strings(&mut self, domain: Domain) {
        let (terms, scratch) = (self.terms, &mut *self.scratch);
        scratch.searched |= 1 << domain as u32;
        let missing = if domain.has_tokens() {
            self.view.visit(domain, &mut |role, field, text| {
                scratch.take_string(terms, domain, Part::of(role, field), text);
            })
        } else {
            self.view.visit(domain, &mut |_, _, text| scratch.take_whole(terms, domain, text))
        };
        if missing.is_some() {
            scratch.missing |= 1 << domain as u32;
        }
    }

    /// Searches pieces of substrings.
    fn search_grams(&mut self, domain: Domain, length: usize) {
        self.search(Domain::Words);
        let scratch = &mut *self.scratch;
        let kind = KeyKind::Gram(domain);
        for index in 0..scratch.strings.len() {
            let string = scratch.strings[index];
            if string.domain != Domain::Words || !string.part.is_in(domain) {
                continue;
            }
            for start in string.start as usize..(string.end as usize + 1).saturating_sub(length) {
                let gram = &scratch.folded.as_bytes()[start..start + length];
                if let Some(term) = self.terms.look_up(Hashed::new(kind, gram), gram) {
                    scratch.find(self.terms, term);
                }
            }
        }
    }

    /// Returns the value of a condition.
    fn evaluate(&mut self, term: TermId) -> Truth {
        if self.scratch.evaluated.has(term) {
            return match (self.scratch.found.has(term), self.scratch.unknown.has(term)) {
                (true, _) => Truth::True,
                (false, true) => Truth::Unknown,
                (false, false) => Truth::False,
            };
        }
        let value = self.value(self.terms.condition_of(term));
        self.scratch.touched.push(term);
        self.scratch.evaluated.add(term);
        match value {
            Truth::True => self.scratch.found.add(term),
            Truth::Unknown => self.scratch.unknown.add(term),
            Truth::False => false,
        };
        value
    }

    fn value(&mut self, condition: &Condition) -> Truth {
        let domain = match condition {
            Condition::Predicate(predicate) => return predicate.answer(self.view).value,
            Condition::Run { domain, .. } => *domain,
            Condition::Literal { .. } | Condition::Near { .. } | Condition::Substring { .. } => Domain::Words,
        };
        self.search(domain);
        let missing = match condition {
            Condition::Substring { domain: Domain::OwnTexts, .. } => self.view.missing_own().is_some(),
            _ => self.scratch.is_missing(domain),
        };
        let scratch = &*self.scratch;
        let mut strings = scratch.strings.iter().filter(|string| string.domain == domain);
        match (strings.any(|string| scratch.has(string, condition)), missing) {
            (true, _) => Truth::True,
            (false, true) => Truth::Unknown,
            (false, false) => Truth::False,
        }
    }
}

impl Scratch {
    /// Returns true if a condition on strings is true for this string.
    fn has(&self, string: &SearchedString, condition: &Condition) -> bool {
        let text = &self.folded[string.start as usize..string.end as usize];
        let range = string.tokens_start as usize..string.tokens_end as usize;
        let terms = &self.terms[range.clone()];
        match condition {
            Condition::Literal { text: phrase, tokens } => {
                find_literal(text, &self.tokens[range], string.start, phrase, tokens).is_some()
            }
            Condition::Run { tokens, .. } => {
                find_run(terms, tokens.len(), |term, index| tokens.get(index) == Some(term)).is_some()
            }
            Condition::Near { tokens, distance } => {
                let is = |term: &TermId, index: usize| tokens.get(index) == Some(term);
                matches!(string.part, Part::OwnText | Part::QuotedText)
                    && find_near(terms, tokens.len(), *distance, is).is_some()
            }
            Condition::Substring { domain, text: wanted } => {
                string.part.is_in(*domain)
                    && memchr::memmem::find(text.as_bytes(), wanted.as_bytes()).is_some()
            }
            Condition::Predicate(_) => unreachable!("a predicate is not searched in strings"),
        }
    }

    /// Adds a string whose tokens are compared.
    fn take_string(&mut self, terms: &Terms, domain: Domain, part: Part, text: FieldValue<'_>) {
        let mut raw = core::mem::take(&mut self.raw);
        let text = domain.cut(text.read(&mut raw));
        // Positions are stored in 32 bits. No message is that long; the rest would be left out.
        if text.len() < (u32::MAX as usize / 4).saturating_sub(self.folded.len()) {
            self.take_text(terms, domain, part, text);
        }
        self.raw = raw;
    }

    #[allow(clippy::cast_possible_truncation, reason = "checked by the caller")]
    fn take_text(&mut self, terms: &Terms, domain: Domain, part: Part, text: &str) {
        let (start, tokens_start) = (self.folded.len(), self.tokens.len());
        fold_into(text, &mut self.folded);
        let end = self.folded.len();
        self.folded.push_str(PADDING);
        split_padded_into(&self.folded, start, end, &mut self.tokens);
        self.strings.push(SearchedString {
            domain,
            part,
            start: start as u32,
            end: end as u32,
            tokens_start: tokens_start as u32,
            tokens_end: self.tokens.len() as u32,
        });
        let kind = KeyKind::Text(domain);
        for index in tokens_start..self.tokens.len() {
            let token = self.tokens[index];
            let (start, end) = (token.start as usize, token.end as usize);
            let bytes = self.folded.as_bytes();
            let hashed = Hashed::within(kind, bytes, start, end);
            let found = terms.look_up(hashed, &bytes[start..end]);
            self.terms.push(found.unwrap_or(NONE));
            if let Some(term) = found {
                self.find(terms, term);
            }
        }
    }

    /// Adds a string that is compared as a whole, or an id in the form of one.
    fn take_whole(&mut self, terms: &Terms, domain: Domain, text: FieldValue<'_>) {
        let mut key = core::mem::take(&mut self.key);
        match text {
            FieldValue::Id(id) => self.find_whole(terms, domain, decimal(id, &mut key)),
            FieldValue::Annotation(a, b) => {
                for (a, b) in [(a, b), (a, None), (None, b)] {
                    if a.is_some() || b.is_some() {
                        self.find_whole(terms, domain, annotation(a, b, &mut key));
                    }
                }
            }
            _ => {
                let mut raw = core::mem::take(&mut self.raw);
                key.clear();
                fold_into(text.read(&mut raw), &mut key);
                self.raw = raw;
                let whole = if domain == Domain::SourceUrl { bare_url(&key) } else { &key };
                self.find_whole(terms, domain, whole);
            }
        }
        self.key = key;
    }

    fn find_whole(&mut self, terms: &Terms, domain: Domain, key: &str) {
        let hashed = Hashed::new(KeyKind::Text(domain), key.as_bytes());
        if let Some(term) = terms.look_up(hashed, key.as_bytes()) {
            self.find(terms, term);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ast::Rule;
    use crate::matcher::RuleSet;
    use crate::profile::Profile;

    /// Matches a Post, and returns the number of rules that match and the buffers.
    fn matched(rules: &[&str], post: &str) -> (usize, Scratch) {
        let mut set = RuleSet::new();
        for text in rules {
            set.insert(&Rule::parse(text, Profile::Powerstream).unwrap(), None);
        }
        let mut scratch = Scratch::new();
        (set.matches(post.as_bytes(), &mut scratch).len(), scratch)
    }

    #[test]
    fn each_string_is_searched_once_however_many_leaves_read_it() {
        let post = r#"{"id_str":"20","text":"sea gull","user":{"id":12,"description":"sea gull"}}"#;
        let rules = ["gull \"sea gull\" \"gull sea\"~2 contains:ull", "bio:gull bio:\"sea gull\""];
        let (count, scratch) = matched(&rules, post);
        assert_eq!((count, scratch.strings.len()), (2, 2));
    }

    #[test]
    fn a_substring_outside_its_domain_makes_no_rule_a_candidate() {
        let post = |text: &str, quoted: &str| {
            format!(
                r#"{{"id_str":"20","text":"{text}","quoted_status":{{"id_str":"19","text":"{quoted}"}}}}"#
            )
        };
        for (post, count) in [(post("a gull", "tern"), 1), (post("a tern", "gull"), 0)] {
            let (matches, scratch) = matched(&["contains:ull"], &post);
            assert_eq!((matches, scratch.candidates.len()), (count, count), "on {post}");
        }
    }
}
