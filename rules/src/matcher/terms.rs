//! The terms of a set of rules: everything its leaves compare with a Post, stored once, with the
//! postings of anchor terms.

use super::atom::Form;
use super::key::{Hashed, Key, KeyKind};
use super::predicate::Predicate;
use super::table::Table;
use super::token::Token;
use super::view::Domain;
use super::wanted::{Wanted, rarest_gram};
use crate::check::is_stop_word;

/// The number of a term, below [`TERMS_MAX`].
pub(crate) type TermId = u32;

/// The maximum number of terms, because an instruction has 28 bits for the number. That many terms
/// would take over 17 GB.
pub(crate) const TERMS_MAX: u32 = 1 << 28;

/// The number that means "no term".
pub(crate) const NONE: TermId = u32::MAX;

/// The place where evaluation of a rule starts if an anchor term occurs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Posting {
    /// The slot of the rule.
    pub(crate) rule: u32,
    /// The index of the instruction in the rule's program.
    pub(crate) entry: u32,
}

/// A condition to evaluate, with the numbers of its terms.
#[derive(Clone, Debug)]
pub(crate) enum Condition {
    Literal { text: Box<str>, tokens: Box<[Token]> },
    Run { domain: Domain, tokens: Box<[TermId]> },
    Near { tokens: Box<[TermId]>, distance: u8 },
    Substring { domain: Domain, text: Box<str> },
    Predicate(Predicate),
}

/// The term that must occur in a Post for a leaf to be true.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Anchor {
    /// This term.
    Term(TermId),
    /// There is no such term: the condition is evaluated for every Post.
    Nothing,
    /// The leaf is never true.
    Never,
}

/// A term. It is one cache line, so one memory access loads the key and the pointer to the
/// postings.
#[derive(Clone, Debug, Default)]
#[repr(align(64))]
struct Term {
    key: Key,
    /// The number of instructions and conditions that use the term.
    users: u32,
    /// The estimated number of occurrences in a million Posts.
    cost: u32,
    postings: Vec<Posting>,
    more: Option<Box<More>>,
}

/// The part of a term that few terms have.
#[derive(Clone, Debug)]
struct More {
    /// The bytes of a long key.
    key: Box<[u8]>,
    condition: Option<(Condition, Anchor)>,
}

impl Term {
    fn key(&self) -> &[u8] {
        if self.key.is_long() { self.more.as_ref().map_or(&[], |more| &more.key) } else { self.key.bytes() }
    }

    fn condition(&self) -> Option<&(Condition, Anchor)> {
        self.more.as_ref()?.condition.as_ref()
    }
}

/// The terms; see the [module](self).
#[derive(Clone, Debug, Default)]
pub(crate) struct Terms {
    table: Table,
    terms: Vec<Term>,
    free: Vec<TermId>,
    wanted: Wanted,
    /// The conditions that are evaluated for every Post.
    unanchored: Vec<TermId>,
}

impl Terms {
    /// Returns the term for a key, and adds one user. Creates the term if necessary.
    pub(crate) fn key(&mut self, kind: KeyKind, key: &[u8]) -> TermId {
        self.find_or_add(kind, key, |_| (key_cost(kind, key), None))
    }

    /// Returns the term for a condition, and adds one user. Creates the term if necessary.
    pub(crate) fn condition(&mut self, form: Form<'_>) -> TermId {
        self.find_or_add(KeyKind::Condition, &identity(form), |terms| {
            let condition = terms.prepared(form);
            let anchor = terms.anchor(form, &condition);
            let cost = match (anchor, &condition) {
                (Anchor::Never, _) => 0,
                (Anchor::Term(anchor), _) => terms.cost(anchor),
                (Anchor::Nothing, Condition::Predicate(Predicate::Geo(_))) => 150_000,
                (Anchor::Nothing, _) => 700_000,
            };
            (cost, Some((condition, anchor)))
        })
    }

    fn find_or_add(
        &mut self,
        kind: KeyKind,
        key: &[u8],
        make: impl FnOnce(&mut Self) -> (u32, Option<(Condition, Anchor)>),
    ) -> TermId {
        let hashed = Hashed::new(kind, key);
        if let Some(found) = self.find(hashed, key) {
            self.terms[found as usize].users += 1;
            return found;
        }
        let (cost, condition) = make(self);
        let long: &[u8] = if hashed.key.is_long() { key } else { &[] };
        let more = (hashed.key.is_long() || condition.is_some())
            .then(|| Box::new(More { key: long.into(), condition }));
        let term = Term { key: hashed.key, users: 1, cost, postings: Vec::new(), more };
        let id = match self.free.pop() {
            Some(id) => {
                self.terms[id as usize] = term;
                id
            }
            None => {
                assert!(
                    self.terms.len() < TERMS_MAX as usize,
                    "a set of rules has at most 2^28 different terms"
                );
                self.terms.push(term);
                #[allow(clippy::cast_possible_truncation, reason = "see above")]
                let id = (self.terms.len() - 1) as TermId;
                id
            }
        };
        self.table.insert(hashed.hash, id);
        id
    }

    fn prepared(&mut self, form: Form<'_>) -> Condition {
        let mut ids = |domain: Domain, text: &str, tokens: &[Token]| {
            tokens.iter().map(|token| self.key(KeyKind::Text(domain), token.of(text).as_bytes())).collect()
        };
        match form {
            Form::Run { domain, text, tokens } => {
                Condition::Run { domain, tokens: ids(domain, text, tokens) }
            }
            Form::Near { text, tokens, distance } => {
                Condition::Near { tokens: ids(Domain::Words, text, tokens), distance }
            }
            Form::Literal { text, tokens } => Condition::Literal { text: text.into(), tokens: tokens.into() },
            Form::Substring { domain, text } => Condition::Substring { domain, text: text.into() },
            Form::Predicate(predicate) => Condition::Predicate(predicate),
        }
    }

    /// Returns the anchor of a condition: its rarest word, or a piece of its text.
    fn anchor(&mut self, form: Form<'_>, condition: &Condition) -> Anchor {
        match (condition, form) {
            (Condition::Run { tokens, .. } | Condition::Near { tokens, .. }, _) => {
                match tokens.iter().copied().min_by_key(|token| self.cost(*token)) {
                    Some(rarest) => {
                        self.terms[rarest as usize].users += 1;
                        Anchor::Term(rarest)
                    }
                    None => Anchor::Never,
                }
            }
            (Condition::Literal { text, .. }, Form::Literal { tokens, .. }) => {
                let words = tokens.iter().filter(|token| !token.emoji).map(|token| token.of(text));
                match words.min_by_key(|word| word_cost(word.as_bytes())) {
                    Some(word) => Anchor::Term(self.key(KeyKind::Text(Domain::Words), word.as_bytes())),
                    None => self.gram(Domain::Words, text),
                }
            }
            (Condition::Substring { domain, text }, _) => self.gram(*domain, text),
            (Condition::Predicate(Predicate::Unknown(_)), _) => Anchor::Never,
            _ => Anchor::Nothing,
        }
    }

    fn gram(&mut self, domain: Domain, text: &str) -> Anchor {
        // A blank in the rule matches any white space, so the piece must not contain one.
        let longest = text.split(' ').max_by_key(|piece| piece.len()).unwrap_or_default();
        match rarest_gram(longest.as_bytes()) {
            Some(gram) => Anchor::Term(self.key(KeyKind::Gram(domain), gram)),
            None => Anchor::Nothing,
        }
    }

    #[inline]
    fn find(&self, hashed: Hashed, key: &[u8]) -> Option<TermId> {
        self.table.find(hashed.hash, |id| {
            let term = &self.terms[id as usize];
            term.key == hashed.key && (!hashed.key.is_long() || term.key() == key)
        })
    }

    /// Returns the term for a key. Most words of a text have none; the filter rejects them quickly.
    #[inline]
    pub(crate) fn look_up(&self, hashed: Hashed, key: &[u8]) -> Option<TermId> {
        if self.table.may_have(hashed.hash) { self.find(hashed, key) } else { None }
    }

    /// Removes one user of a term. Removes the term with its last user, and releases the terms of
    /// its condition.
    pub(crate) fn release(&mut self, id: TermId) {
        let term = &mut self.terms[id as usize];
        term.users -= 1;
        if term.users > 0 {
            return;
        }
        let term = core::mem::take(term);
        self.table.remove(Hashed::new(term.key.kind(), term.key()).hash, id);
        self.free.push(id);
        let Some((condition, anchor)) = term.more.and_then(|more| more.condition) else { return };
        if let Condition::Run { tokens, .. } | Condition::Near { tokens, .. } = condition {
            tokens.iter().for_each(|token| self.release(*token));
        }
        if let Anchor::Term(anchor) = anchor {
            self.release(anchor);
        }
    }

    /// Returns the anchor of a term: the term itself, or the anchor of its condition.
    pub(crate) fn anchor_of(&self, id: TermId) -> Anchor {
        self.terms[id as usize].condition().map_or(Anchor::Term(id), |(_, anchor)| *anchor)
    }

    /// Returns the condition of a term, which must be a condition.
    pub(crate) fn condition_of(&self, id: TermId) -> &Condition {
        match self.terms[id as usize].condition() {
            Some((condition, _)) => condition,
            None => unreachable!("the instruction refers to a condition"),
        }
    }

    /// Returns the domain of a term, which must be a key.
    pub(crate) fn domain_of(&self, id: TermId) -> Domain {
        match self.terms[id as usize].key.kind() {
            KeyKind::Text(domain) => domain,
            kind => unreachable!("the instruction refers to a key, but the term is a {kind:?}"),
        }
    }

    /// Returns the estimated number of occurrences in a million Posts; for a condition, the number
    /// of evaluations.
    pub(crate) fn cost(&self, id: TermId) -> u32 {
        self.terms[id as usize].cost
    }

    /// Indexes a rule: adds a posting to an anchor term.
    pub(crate) fn index(&mut self, anchor: TermId, posting: Posting) {
        let term = &mut self.terms[anchor as usize];
        term.postings.push(posting);
        if term.postings.len() == 1 {
            if term.key.is_condition() {
                self.unanchored.push(anchor);
            }
            self.wanted.add(term.key);
        }
    }

    /// Removes all postings of a rule from a term.
    pub(crate) fn unindex(&mut self, anchor: TermId, rule: u32) {
        let term = &mut self.terms[anchor as usize];
        if term.postings.is_empty() {
            return;
        }
        term.postings.retain(|posting| posting.rule != rule);
        if term.postings.is_empty() {
            if term.key.is_condition() {
                self.unanchored.retain(|other| *other != anchor);
            }
            self.wanted.remove(term.key);
        }
    }

    /// Returns the postings of a term; empty if it is not an anchor term.
    #[inline]
    pub(crate) fn postings(&self, id: TermId) -> &[Posting] {
        &self.terms[id as usize].postings
    }

    /// Returns the searches that find the anchor terms.
    pub(crate) const fn wanted(&self) -> &Wanted {
        &self.wanted
    }

    /// Returns the conditions that are evaluated for every Post.
    pub(crate) fn unanchored(&self) -> &[TermId] {
        &self.unanchored
    }

    /// Returns the key of a term.
    #[cfg(test)]
    pub(crate) fn text_of(&self, id: TermId) -> &str {
        core::str::from_utf8(self.terms[id as usize].key()).unwrap()
    }

    /// Returns true if all terms and their data have been removed.
    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        self.free.len() == self.terms.len()
            && self.terms.iter().all(|term| {
                term.users == 0
                    && term.postings.is_empty()
                    && term.postings.capacity() == 0
                    && term.more.is_none()
            })
    }

    /// Returns an upper bound of the term numbers.
    pub(crate) fn end(&self) -> usize {
        self.terms.len()
    }
}

/// Returns bytes that are equal exactly for equal conditions.
fn identity(form: Form<'_>) -> Vec<u8> {
    let joined = |tag: [u8; 2], text: &str, tokens: &[Token]| {
        let mut key = tag.to_vec();
        for token in tokens {
            key.extend_from_slice(token.of(text).as_bytes());
            // A token never contains a blank.
            key.push(b' ');
        }
        key
    };
    match form {
        Form::Run { domain, text, tokens } => joined([b'R', domain as u8], text, tokens),
        Form::Near { text, tokens, distance } => joined([b'N', distance], text, tokens),
        Form::Literal { text, .. } => [b"L", text.as_bytes()].concat(),
        Form::Substring { domain, text } => [&[b'S', domain as u8], text.as_bytes()].concat(),
        // The debug form differs for different values, including numbers.
        Form::Predicate(predicate) => format!("P{predicate:?}").into_bytes(),
    }
}

fn key_cost(kind: KeyKind, key: &[u8]) -> u32 {
    match kind {
        KeyKind::Text(domain) if domain.has_tokens() => word_cost(key),
        KeyKind::Text(Domain::Lang) => match key {
            b"en" => 400_000,
            b"ja" | b"es" | b"pt" | b"und" => 200_000,
            _ => 50_000,
        },
        KeyKind::Text(Domain::PlaceCountry | Domain::ProfileCountry) => 20_000,
        KeyKind::Text(Domain::SourceName | Domain::SourceUrl) => 100_000,
        KeyKind::Text(Domain::Context | Domain::Entity) => 10_000,
        KeyKind::Text(_) => 100,
        KeyKind::Gram(_) => match key.len() {
            1 => 500_000,
            2 => 100_000,
            3 => 20_000,
            _ => 4_000,
        },
        KeyKind::Condition => unreachable!("the cost of a condition is that of its anchor"),
    }
}

/// Returns how common a word is, estimated from its length and the list of stop words.
fn word_cost(word: &[u8]) -> u32 {
    // No stop word is longer than five bytes.
    if word.len() <= 5 && core::str::from_utf8(word).is_ok_and(is_stop_word) {
        return 200_000;
    }
    match word.len() {
        0..=1 => 60_000,
        2 => 40_000,
        3 => 20_000,
        4 => 8_000,
        5 => 4_000,
        6 => 2_000,
        _ => 1_000,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    #[test]
    fn keys_with_equal_hashes_are_different_terms() {
        let kind = KeyKind::Text(Domain::Words);
        for prefix in ["", "a word that is stored elsewhere "] {
            let mut seen = HashMap::new();
            let mut keys = (0..).map(|number| format!("{prefix}{number}"));
            let (first, second) = keys
                .find_map(|key| {
                    let hash = Hashed::new(kind, key.as_bytes()).hash;
                    seen.insert(hash, key.clone()).map(|other| (other, key))
                })
                .unwrap();
            let mut terms = Terms::default();
            let ids = [&first, &second].map(|key| terms.key(kind, key.as_bytes()));
            assert_ne!(ids[0], ids[1], "{first} {second}");
            assert_eq!(ids.map(|id| terms.text_of(id)), [first.as_str(), second.as_str()]);
        }
    }
}
