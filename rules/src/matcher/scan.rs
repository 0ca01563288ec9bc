//! One Post against all rules.
//!
//! ```text
//!   strings --fold--> folded --split--> tokens --table--> terms: noted, and their postings collected
//!                                                                                     |
//!   rules that match <-- accepts <-- programs of the rules, from where the posting says
//! ```
//!
//! First all that somebody waits for is looked for, domain by domain; then the programs run. What they ask besides is
//! looked for when they ask, once.

use super::atom::{annotation, decimal};
use super::evidence::cut;
use super::fold::fold_into;
use super::key::{Hashed, Kind};
use super::phrase::{find_literal, find_near, find_run};
use super::postings::{Posting, Start};
use super::program::{ACCEPT, Class, Instruction};
use super::terms::{GRAM_MAX, NONE, Question, TermId, Terms};
use super::token::{PADDING, Token, split_padded_into};
use super::view::{Domain, Text, View, bare_url};
use super::{RuleKey, RuleSet, Source, Truth};

/// Room for matching, to be used again: what it has grown to is enough for most Posts, and then nothing allocates. One
/// serves any number of sets, one at a time.
#[derive(Clone, Debug, Default)]
pub struct Scratch {
    /// The terms that are true. A bit each, so that those of a large set stay in the nearest cache.
    found: Bits,
    /// The questions that were answered, and those of them whose answer is unknown.
    answered: Bits,
    unknown: Bits,
    /// The terms with a bit in one of these.
    touched: Vec<TermId>,
    /// The slots of the rules that match.
    marked: Bits,
    hits: Vec<Posting>,
    pub(super) matched: Vec<RuleKey>,
    /// The strings gone through, folded, with `PADDING` zeros behind each.
    folded: String,
    fields: Vec<Field>,
    tokens: Vec<Token>,
    /// By token, the term that it is.
    terms: Vec<TermId>,
    /// By domain: whether it was gone through, and whether something was missing.
    done: u64,
    missing: u64,
    /// Room for what is decoded or folded and not kept.
    raw: String,
    key: String,
}

/// A string that was gone through.
#[derive(Clone, Copy, Debug)]
struct Field {
    domain: Domain,
    part: Part,
    /// In `Scratch::folded`.
    start: u32,
    end: u32,
    /// In `Scratch::tokens`.
    tokens_start: u32,
    tokens_end: u32,
}

/// What a string of [`Domain::Words`] is to the operators that read some of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    OwnText,
    QuotedText,
    /// A link that leads somewhere.
    Link,
    /// A link as it is shown, or of a medium.
    Shown,
}

impl Part {
    fn of(source: Source, field: &'static str) -> Self {
        match field {
            "text" if matches!(source, Source::Own | Source::Retweeted) => Self::OwnText,
            "text" => Self::QuotedText,
            "urls.url" | "urls.expanded_url" | "urls.unwound.url" => Self::Link,
            _ => Self::Shown,
        }
    }

    /// Whether a domain that is a part of the words has it.
    fn is_in(self, domain: Domain) -> bool {
        match domain {
            Domain::OwnTexts => self == Self::OwnText,
            Domain::AllLinks => self == Self::Link,
            _ => true,
        }
    }
}

/// The domains in which substrings are searched. All of their strings are words' strings.
const SEARCHED: [Domain; 3] = [Domain::Words, Domain::OwnTexts, Domain::AllLinks];

/// A set of numbers below a known one.
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

    /// Adds a number. False: it was there.
    #[inline]
    fn add(&mut self, number: u32) -> bool {
        let Some(word) = self.0.get_mut((number >> 6) as usize) else { return false };
        let before = *word;
        *word |= 1 << (number & 63);
        before != *word
    }

    /// Takes out a number, and some around it.
    fn wipe(&mut self, number: u32) {
        if let Some(word) = self.0.get_mut((number >> 6) as usize) {
            *word = 0;
        }
    }
}

impl Scratch {
    /// Empty; it grows at the first use.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn begin(&mut self, terms: usize, rules: usize) {
        for term in self.touched.drain(..) {
            self.found.wipe(term);
            self.answered.wipe(term);
            self.unknown.wipe(term);
        }
        for key in self.matched.drain(..) {
            self.marked.wipe(key.slot());
        }
        self.found.reserve(terms);
        self.answered.reserve(terms);
        self.unknown.reserve(terms);
        self.marked.reserve(rules);
        self.hits.clear();
        self.folded.clear();
        self.fields.clear();
        self.tokens.clear();
        self.terms.clear();
        (self.done, self.missing) = (0, 0);
    }

    /// A term was found.
    #[inline]
    fn find(&mut self, terms: &Terms, term: TermId) {
        if self.found.add(term) {
            self.touched.push(term);
            let hits = &mut self.hits;
            terms.postings(term, |some| hits.extend_from_slice(some));
        }
    }

    const fn is_done(&self, domain: Domain) -> bool {
        self.done & (1 << domain as u32) != 0
    }

    const fn is_missing(&self, domain: Domain) -> bool {
        self.missing & (1 << domain as u32) != 0
    }
}

/// A Post being matched.
pub(super) struct Scan<'r> {
    set: &'r RuleSet,
    terms: &'r Terms,
    view: &'r View<'r>,
    scratch: &'r mut Scratch,
}

impl<'r> Scan<'r> {
    pub(super) fn new(set: &'r RuleSet, view: &'r View<'r>, scratch: &'r mut Scratch) -> Self {
        let terms = set.terms();
        scratch.begin(terms.end(), set.slots());
        Self { set, terms, view, scratch }
    }

    /// Fills `Scratch::matched`.
    pub(super) fn run(mut self) {
        let mut wanted = self.terms.wanted();
        while wanted != 0 {
            if let Some(domain) = Domain::ALL.get(wanted.trailing_zeros() as usize) {
                self.go_through(*domain);
            }
            wanted &= wanted - 1;
        }
        if self.terms.wants_some_grams() {
            self.find_grams();
        }
        for term in self.terms.sweeps() {
            if self.ask(*term) == Truth::True {
                let hits = &mut self.scratch.hits;
                self.terms.postings(*term, |some| hits.extend_from_slice(some));
            }
        }
        let mut next = 0;
        while let Some(hit) = self.scratch.hits.get(next).copied() {
            next += 1;
            if let Some(start) = self.terms.start_of(hit) {
                self.try_rule(start);
            }
        }
        for slot in self.set.uncovered() {
            self.try_rule(Start { rule: *slot, entry: 0 });
        }
        self.scratch.matched.sort_unstable();
    }

    #[inline]
    fn try_rule(&mut self, start: Start) {
        if self.scratch.marked.has(start.rule) {
            return;
        }
        let set = self.set;
        if self.accepts(set.program(start.rule), start.entry) {
            if let Some(key) = set.key(start.rule) {
                self.scratch.marked.add(start.rule);
                self.scratch.matched.push(key);
            }
        }
    }

    fn accepts(&mut self, code: &[Instruction], mut at: u32) -> bool {
        while let Some(instruction) = code.get(at as usize) {
            at = instruction.next(at, self.is(*instruction));
        }
        at == ACCEPT
    }

    /// Whether a leaf, or its negation, is known to be true.
    #[inline]
    fn is(&mut self, instruction: Instruction) -> bool {
        let term = instruction.term();
        let value = match instruction.class() {
            Class::Word => self.key(Domain::Words, term),
            Class::Key => self.terms.domain_of(term).map_or(Truth::Unknown, |domain| self.key(domain, term)),
            Class::Question => self.ask(term),
        };
        value == if instruction.is_negated() { Truth::False } else { Truth::True }
    }

    #[inline]
    fn key(&mut self, domain: Domain, term: TermId) -> Truth {
        if !self.scratch.is_done(domain) {
            self.go_through(domain);
        }
        if self.scratch.found.has(term) {
            Truth::True
        } else if self.scratch.is_missing(domain) {
            Truth::Unknown
        } else {
            Truth::False
        }
    }

    /// Goes through the strings of a domain and notes what is found there.
    fn go_through(&mut self, domain: Domain) {
        let (terms, scratch) = (self.terms, &mut *self.scratch);
        scratch.done |= 1 << domain as u32;
        let missing = if domain.has_tokens() {
            self.view.visit(domain, &mut |source, field, text| {
                scratch.take_string(terms, domain, Part::of(source, field), text);
            })
        } else {
            self.view.visit(domain, &mut |_, _, text| scratch.take_whole(terms, domain, text))
        };
        if missing.is_some() {
            scratch.missing |= 1 << domain as u32;
        }
    }

    /// Looks for pieces of substrings that somebody waits for.
    fn find_grams(&mut self) {
        for domain in SEARCHED {
            for length in 1..=GRAM_MAX {
                if !self.terms.wants_grams(domain, length) {
                    continue;
                }
                if !self.scratch.is_done(Domain::Words) {
                    self.go_through(Domain::Words);
                }
                for index in 0..self.scratch.fields.len() {
                    self.find_grams_in(domain, length, index);
                }
            }
        }
    }

    fn find_grams_in(&mut self, domain: Domain, length: usize, field: usize) {
        let scratch = &mut *self.scratch;
        let Some(field) = scratch.fields.get(field) else { return };
        if field.domain != Domain::Words || !field.part.is_in(domain) {
            return;
        }
        let kind = Kind::Gram(domain);
        for start in field.start as usize..(field.end as usize + 1).saturating_sub(length) {
            let Some(gram) = scratch.folded.as_bytes().get(start..start + length) else { return };
            if let Some(term) = self.terms.look_up(kind, Hashed::new(kind, gram), gram) {
                scratch.find(self.terms, term);
            }
        }
    }

    /// The value of a question.
    fn ask(&mut self, term: TermId) -> Truth {
        if self.scratch.answered.has(term) {
            return match (self.scratch.found.has(term), self.scratch.unknown.has(term)) {
                (true, _) => Truth::True,
                (false, true) => Truth::Unknown,
                (false, false) => Truth::False,
            };
        }
        let value = self.terms.asked_by(term).map_or(Truth::Unknown, |question| self.answer(question));
        self.scratch.touched.push(term);
        self.scratch.answered.add(term);
        match value {
            Truth::True => self.scratch.found.add(term),
            Truth::Unknown => self.scratch.unknown.add(term),
            Truth::False => false,
        };
        value
    }

    fn answer(&mut self, question: &Question) -> Truth {
        let domain = match question {
            Question::Check(check) => return check.answer(self.view).value,
            Question::Run { domain, .. } => *domain,
            Question::Literal { .. } | Question::Near { .. } | Question::Holds { .. } => Domain::Words,
        };
        if !self.scratch.is_done(domain) {
            self.go_through(domain);
        }
        let missing = match question {
            Question::Holds { domain: Domain::OwnTexts, .. } => self.view.missing_own().is_some(),
            _ => self.scratch.is_missing(domain),
        };
        let scratch = &*self.scratch;
        let found = scratch
            .fields
            .iter()
            .filter(|field| field.domain == domain)
            .any(|field| scratch.has(field, question));
        match (found, missing) {
            (true, _) => Truth::True,
            (false, true) => Truth::Unknown,
            (false, false) => Truth::False,
        }
    }
}

impl Scratch {
    /// Whether a string has what a question asks for.
    fn has(&self, field: &Field, question: &Question) -> bool {
        let text = || self.folded.get(field.start as usize..field.end as usize).unwrap_or_default();
        let range = field.tokens_start as usize..field.tokens_end as usize;
        let terms = || self.terms.get(range.clone()).unwrap_or_default();
        match question {
            Question::Literal { text: phrase, tokens } => {
                let own = self.tokens.get(range.clone()).unwrap_or_default();
                find_literal(text(), own, field.start, phrase, tokens).is_some()
            }
            Question::Run { tokens, .. } => {
                find_run(terms(), tokens.len(), |term, index| tokens.get(index) == Some(term)).is_some()
            }
            Question::Near { tokens, distance } => {
                matches!(field.part, Part::OwnText | Part::QuotedText)
                    && find_near(terms(), tokens.len(), *distance, |term, index| {
                        tokens.get(index) == Some(term)
                    })
                    .is_some()
            }
            Question::Holds { domain, text: wanted } => {
                field.part.is_in(*domain)
                    && memchr::memmem::find(text().as_bytes(), wanted.as_bytes()).is_some()
            }
            Question::Check(_) => false,
        }
    }

    /// Takes in a string whose tokens are compared.
    fn take_string(&mut self, terms: &Terms, domain: Domain, part: Part, text: Text<'_>) {
        let mut raw = core::mem::take(&mut self.raw);
        let text = cut(text.read(&mut raw), domain.characters_max());
        // Places in it are kept in 32 bits. No message is as long; what were would be left out.
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
        self.fields.push(Field {
            domain,
            part,
            start: start as u32,
            end: end as u32,
            tokens_start: tokens_start as u32,
            tokens_end: self.tokens.len() as u32,
        });
        let kind = Kind::Key(domain);
        for index in tokens_start..self.tokens.len() {
            let Some(token) = self.tokens.get(index).copied() else { break };
            let (start, end) = (token.start as usize, token.end as usize);
            let bytes = self.folded.as_bytes();
            let hashed = Hashed::within(kind, bytes, start, end);
            let found = bytes.get(start..end).and_then(|key| terms.look_up(kind, hashed, key));
            self.terms.push(found.unwrap_or(NONE));
            if let Some(term) = found {
                self.find(terms, term);
            }
        }
    }

    /// Takes in a string that is compared as a whole, or what stands for one.
    fn take_whole(&mut self, terms: &Terms, domain: Domain, text: Text<'_>) {
        let mut key = core::mem::take(&mut self.key);
        match text {
            Text::Id(id) => self.find_whole(terms, domain, decimal(id, &mut key)),
            Text::Annotation(a, b) => {
                for (a, b) in [(a, b), (a, None), (None, b)] {
                    if a.is_some() || b.is_some() {
                        self.find_whole(terms, domain, annotation(a, b, &mut key));
                    }
                }
            }
            Text::Str(_) | Text::Json(_) => {
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
        let kind = Kind::Key(domain);
        if let Some(term) = terms.look_up(kind, Hashed::new(kind, key.as_bytes()), key.as_bytes()) {
            self.find(terms, term);
        }
    }
}
