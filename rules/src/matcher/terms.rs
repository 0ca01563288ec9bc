//! What the rules of a set ask, each thing once, and who is to be looked at when it is so.

use super::atom::Atom;
use super::check::Check;
use super::key::{Hashed, Key, Kind};
use super::postings::{List, Lists, Posting, Start, Starts, StartsOf};
use super::slab::Slab;
use super::table::Table;
use super::token::Token;
use super::view::Domain;

/// The number of a term, below [`TERMS_MAX`].
pub(crate) type TermId = u32;

/// More do not fit into an instruction; a set would need tens of gigabytes first.
pub(crate) const TERMS_MAX: u32 = 1 << 28;

/// No term.
pub(crate) const NONE: TermId = u32::MAX;

/// A question, made to be asked often.
#[derive(Clone, Debug)]
pub(crate) enum Question {
    Literal { text: Box<str>, tokens: Box<[Token]> },
    Run { domain: Domain, tokens: Box<[TermId]> },
    Near { tokens: Box<[TermId]>, distance: u8 },
    Holds { domain: Domain, text: Box<str> },
    Check(Check),
}

/// What tells that a question is worth asking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Anchor {
    /// This term was found.
    Term(TermId),
    /// Nothing: it is asked of every Post.
    Sweep,
    /// It is never true.
    Never,
}

#[derive(Clone, Debug)]
struct Asked {
    question: Question,
    anchor: Anchor,
}

/// A cache line, so that one wait for memory brings the key and, most often, all who are to be looked at.
#[derive(Clone, Debug, Default)]
#[repr(align(64))]
struct Term {
    key: Key,
    /// How many instructions and questions have it.
    users: u32,
    /// How often it is likely to be found; of a question, where it is instead.
    cost_or_place: u32,
    /// Who is to be looked at.
    postings: List,
}

const _: () = assert!(size_of::<Term>() == 64, "what is said of it above");

/// See the [module](self).
#[derive(Clone, Debug, Default)]
pub(crate) struct Terms {
    table: Table,
    terms: Slab<Term>,
    lists: Lists,
    starts: Starts,
    long: Slab<Box<[u8]>>,
    questions: Slab<Option<Asked>>,
    /// How many terms have postings, by their kind.
    counts: Counts,
    /// The same of keys, in short: a bit for each domain with some.
    wanted: u64,
    /// How many of them are pieces.
    grams: u32,
    /// The questions that are asked of every Post.
    sweeps: Vec<TermId>,
    /// Room for keys.
    buffer: Vec<u8>,
}

/// How many terms have postings.
#[derive(Clone, Debug, Default)]
struct Counts {
    /// By domain.
    keys: DomainCounts,
    /// By length less one, and domain.
    grams: [DomainCounts; GRAM_MAX],
}

#[derive(Clone, Copy, Debug)]
struct DomainCounts([u32; Domain::ALL.len()]);

impl Default for DomainCounts {
    fn default() -> Self {
        Self([0; Domain::ALL.len()])
    }
}

/// The longest piece of a substring that is looked up.
pub(crate) const GRAM_MAX: usize = 4;

impl Terms {
    /// The term for a key, one user more; it is made if it is not there.
    pub(crate) fn key(&mut self, kind: Kind, key: &[u8]) -> TermId {
        let found = self.find_or_add(kind, Hashed::new(kind, key), key);
        self.retain(found);
        found
    }

    fn find_or_add(&mut self, kind: Kind, hashed: Hashed, key: &[u8]) -> TermId {
        self.find(kind, hashed, key).unwrap_or_else(|| self.add(kind, hashed, key, Self::key_cost(kind, key)))
    }

    /// The term for a question, one user more; it is made if it is not there.
    pub(crate) fn question(&mut self, atom: Atom<'_>) -> TermId {
        let mut key = core::mem::take(&mut self.buffer);
        key.clear();
        identity(atom, &mut key);
        let hashed = Hashed::new(Kind::Question, &key);
        let found = self.find(Kind::Question, hashed, &key).unwrap_or_else(|| {
            let question = self.ask(atom);
            let anchor = self.anchor(atom, &question);
            let place = self.questions.add(Some(Asked { question, anchor }));
            self.add(Kind::Question, hashed, &key, place)
        });
        self.buffer = key;
        self.retain(found);
        found
    }

    fn ask(&mut self, atom: Atom<'_>) -> Question {
        let mut ids = |domain: Domain, text: &str, tokens: &[Token]| {
            tokens.iter().map(|token| self.key(Kind::Key(domain), token.of(text).as_bytes())).collect()
        };
        match atom {
            Atom::Run { domain, text, tokens } => Question::Run { domain, tokens: ids(domain, text, tokens) },
            Atom::Near { text, tokens, distance } => {
                Question::Near { tokens: ids(Domain::Words, text, tokens), distance }
            }
            Atom::Literal { text, tokens } => Question::Literal { text: text.into(), tokens: tokens.into() },
            Atom::Holds { domain, text } => Question::Holds { domain, text: text.into() },
            // A key is no question, and is not asked.
            Atom::Key { .. } => Question::Check(Check::Unknown("")),
            Atom::Check(check) => Question::Check(check),
        }
    }

    /// Finds what must be there where a question is true: the rarest of the words, or a piece of the text.
    fn anchor(&mut self, atom: Atom<'_>, question: &Question) -> Anchor {
        match (atom, question) {
            (
                Atom::Run { .. } | Atom::Near { .. },
                Question::Run { tokens, .. } | Question::Near { tokens, .. },
            ) => {
                let rarest = tokens.iter().min_by_key(|token| self.cost(**token));
                rarest.map_or(Anchor::Never, |token| {
                    let token = *token;
                    self.retain(token);
                    Anchor::Term(token)
                })
            }
            (Atom::Literal { text, tokens }, _) => {
                let words = tokens.iter().filter(|token| !token.emoji).map(|token| token.of(text));
                match words.min_by_key(|word| word_cost(word.as_bytes())) {
                    Some(word) => Anchor::Term(self.key(Kind::Key(Domain::Words), word.as_bytes())),
                    None => self.gram(Domain::Words, text),
                }
            }
            (Atom::Holds { domain, text }, _) => self.gram(domain, text),
            (Atom::Check(Check::Unknown(_)), _) => Anchor::Never,
            _ => Anchor::Sweep,
        }
    }

    /// The rarest piece of a text, as far as letters tell.
    fn gram(&mut self, domain: Domain, text: &str) -> Anchor {
        // A blank may stand for other white space.
        let longest = text.split(' ').max_by_key(|piece| piece.len()).unwrap_or_default().as_bytes();
        let length = longest.len().min(GRAM_MAX);
        let common = |gram: &&[u8]| gram.iter().map(|byte| commonness(*byte)).sum::<u32>();
        match longest.windows(length.max(1)).min_by_key(common) {
            Some(gram) => Anchor::Term(self.key(Kind::Gram(domain), gram)),
            None => Anchor::Sweep,
        }
    }

    fn find(&self, kind: Kind, hashed: Hashed, key: &[u8]) -> Option<TermId> {
        self.table.find(hashed.hash, |id| self.is(id, kind, hashed, key))
    }

    /// Whether a term has this key.
    #[inline]
    fn is(&self, id: TermId, kind: Kind, hashed: Hashed, key: &[u8]) -> bool {
        let Some(term) = self.terms.get(id) else { return false };
        match hashed.as_short() {
            Some(short) => term.key == short,
            None => term.key.kind() == kind && self.bytes(&term.key) == key,
        }
    }

    #[inline]
    fn bytes<'k>(&'k self, key: &'k Key) -> &'k [u8] {
        match key.place() {
            Some(place) => self.long.get(place).map_or(&[], |key| key),
            None => key.bytes(),
        }
    }

    /// The term for a key, where there is none for most keys, as for the words of a text.
    #[inline]
    pub(crate) fn look_up(&self, kind: Kind, hashed: Hashed, key: &[u8]) -> Option<TermId> {
        if self.table.may_have(hashed.hash) { self.find(kind, hashed, key) } else { None }
    }

    #[inline(never)]
    fn add(&mut self, kind: Kind, hashed: Hashed, bytes: &[u8], cost_or_place: u32) -> TermId {
        let key = hashed.as_short().unwrap_or_else(|| Key::long(kind, self.long.add(bytes.into())));
        let id = self.terms.add(Term { key, postings: List::default(), users: 0, cost_or_place });
        assert!(id < TERMS_MAX, "a set of rules has less than 2^28 different terms");
        self.table.insert(hashed.hash, id);
        id
    }

    fn retain(&mut self, id: TermId) {
        if let Some(term) = self.terms.get_mut(id) {
            term.users += 1;
        }
    }

    /// Gives up a term, and what only it has. What it is made of are words, so this goes one level deep.
    pub(crate) fn release(&mut self, id: TermId) {
        let Some(term) = self.terms.get_mut(id) else { return };
        term.users = term.users.saturating_sub(1);
        if term.users > 0 {
            return;
        }
        let (key, place) = (term.key, term.cost_or_place);
        let hashed = Hashed::new(key.kind(), self.bytes(&key));
        self.table.remove(hashed.hash, id);
        if let Some(place) = key.place() {
            if let Some(long) = self.long.get_mut(place) {
                *long = Box::default();
                self.long.free(place);
            }
        }
        self.terms.free(id);
        if !key.is_question() {
            return;
        }
        if let Some(asked) = self.questions.get_mut(place).and_then(Option::take) {
            self.questions.free(place);
            if let Question::Run { tokens, .. } | Question::Near { tokens, .. } = asked.question {
                tokens.iter().for_each(|token| self.release(*token));
            }
            if let Anchor::Term(anchor) = asked.anchor {
                self.release(anchor);
            }
        }
    }

    /// What tells that a term may be true.
    #[inline(never)]
    pub(crate) fn anchor_of(&self, id: TermId) -> Anchor {
        self.asked(id).map_or(Anchor::Term(id), |asked| asked.anchor)
    }

    fn asked(&self, id: TermId) -> Option<&Asked> {
        let Term { key, cost_or_place, .. } = self.terms.get(id)?;
        if key.is_question() { self.questions.get(*cost_or_place)?.as_ref() } else { None }
    }

    /// The question that a term is.
    pub(crate) fn asked_by(&self, id: TermId) -> Option<&Question> {
        self.asked(id).map(|asked| &asked.question)
    }

    /// The domain of a term that is a key.
    pub(crate) fn domain_of(&self, id: TermId) -> Option<Domain> {
        match self.terms.get(id)?.key.kind() {
            Kind::Key(domain) => Some(domain),
            _ => None,
        }
    }

    /// How often a term is likely to be found, in Posts of some millions; the most for what is not found but asked.
    pub(crate) fn cost(&self, id: TermId) -> u32 {
        let Some(term) = self.terms.get(id) else { return 0 };
        if !term.key.is_question() {
            return term.cost_or_place;
        }
        match self.questions.get(term.cost_or_place).and_then(Option::as_ref) {
            Some(Asked { anchor: Anchor::Never, .. }) | None => 0,
            // No anchor is a question.
            Some(Asked { anchor: Anchor::Term(anchor), .. }) => self.cost(*anchor),
            Some(Asked { question: Question::Check(Check::Geo(_)), .. }) => 150_000,
            Some(_) => 700_000,
        }
    }

    fn key_cost(kind: Kind, key: &[u8]) -> u32 {
        match kind {
            Kind::Key(domain) if domain.has_tokens() => word_cost(key),
            Kind::Key(Domain::Lang) => match key {
                b"en" => 400_000,
                b"ja" | b"es" | b"pt" | b"und" => 200_000,
                _ => 50_000,
            },
            Kind::Key(Domain::PlaceCountry | Domain::ProfileCountry) => 20_000,
            Kind::Key(Domain::SourceName | Domain::SourceUrl) => 100_000,
            Kind::Key(Domain::Context | Domain::Entity) => 10_000,
            Kind::Key(_) | Kind::Question => 100,
            Kind::Gram(_) => match key.len() {
                1 => 500_000,
                2 => 100_000,
                3 => 20_000,
                _ => 4_000,
            },
        }
    }

    /// Adds a posting to the term that tells.
    #[inline]
    pub(crate) fn post(&mut self, anchor: TermId, posting: Posting) {
        let Some(term) = self.terms.get_mut(anchor) else { return };
        self.lists.push(&mut term.postings, posting);
        if term.postings.is_single() {
            let key = term.key;
            self.tells(anchor, key);
        }
    }

    /// A term has its first posting.
    #[inline(never)]
    fn tells(&mut self, anchor: TermId, key: Key) {
        if key.is_question() {
            self.sweeps.push(anchor);
        }
        self.count(key, |count| *count += 1);
    }

    /// The number of a place to start at, one of those of its rule.
    #[inline(never)]
    pub(crate) fn start(&mut self, start: Start, of_rule: &mut StartsOf) -> Posting {
        self.starts.add(start, of_rule)
    }

    /// The place to start at.
    #[inline]
    pub(crate) fn start_of(&self, posting: Posting) -> Option<Start> {
        self.starts.get(posting)
    }

    /// Gives up the starts of a rule, once no term has a posting of it.
    pub(crate) fn free_starts(&mut self, of_rule: StartsOf) {
        self.starts.free(of_rule);
    }

    /// Takes out all postings of a rule.
    pub(crate) fn unpost(&mut self, anchor: TermId, rule: u32) {
        let starts = |posting| self.starts.get(posting).is_some_and(|start| start.rule == rule);
        let Some(term) = self.terms.get_mut(anchor) else { return };
        if term.postings.is_empty() {
            return;
        }
        self.lists.remove(&mut term.postings, starts);
        if term.postings.is_empty() {
            let key = term.key;
            if key.is_question() {
                self.sweeps.retain(|sweep| *sweep != anchor);
            }
            self.count(key, |count| *count = count.saturating_sub(1));
        }
    }

    fn count(&mut self, key: Key, change: impl Fn(&mut u32)) {
        let (kind, length) = (key.kind(), key.bytes().len());
        let counts = match kind {
            Kind::Key(_) => Some(&mut self.counts.keys),
            Kind::Gram(_) => self.counts.grams.get_mut(length.saturating_sub(1)),
            Kind::Question => None,
        };
        if let (Some(counts), Kind::Key(domain) | Kind::Gram(domain)) = (counts, kind) {
            if let Some(count) = counts.0.get_mut(domain as usize) {
                change(count);
                match kind {
                    Kind::Key(_) if *count > 0 => self.wanted |= 1 << domain as u32,
                    Kind::Key(_) => self.wanted &= !(1 << domain as u32),
                    Kind::Gram(_) | Kind::Question => change(&mut self.grams),
                }
            }
        }
    }

    /// Who is to be looked at when a term is found: has `each` told in pieces.
    #[inline]
    pub(crate) fn postings(&self, id: TermId, each: impl FnMut(&[Posting])) {
        if let Some(term) = self.terms.get(id) {
            self.lists.pieces(&term.postings).for_each(each);
        }
    }

    /// The domains for whose keys somebody waits, a bit for each by its number.
    pub(crate) const fn wanted(&self) -> u64 {
        self.wanted
    }

    /// Whether anybody waits for pieces.
    pub(crate) const fn wants_some_grams(&self) -> bool {
        self.grams > 0
    }

    /// Whether anybody waits for pieces of this length.
    pub(crate) fn wants_grams(&self, domain: Domain, length: usize) -> bool {
        let counts = self.counts.grams.get(length.wrapping_sub(1));
        counts.and_then(|counts| counts.0.get(domain as usize)).is_some_and(|count| *count > 0)
    }

    /// The questions to ask of every Post.
    pub(crate) fn sweeps(&self) -> &[TermId] {
        &self.sweeps
    }

    /// The key of a term.
    #[cfg(test)]
    pub(crate) fn text_of(&self, id: TermId) -> &str {
        let key = self.terms.get(id).map_or(&[][..], |term| self.bytes(&term.key));
        core::str::from_utf8(key).unwrap_or_default()
    }

    /// Whether all terms, and all that belongs to them, were given up.
    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        self.terms.is_empty()
            && self.lists.is_empty()
            && self.starts.is_empty()
            && self.long.is_empty()
            && self.questions.is_empty()
            && self.terms.items().all(|term| term.users == 0 && term.postings.is_empty())
    }

    /// All term numbers are below this.
    pub(crate) fn end(&self) -> usize {
        self.terms.end()
    }

    /// Bytes on the heap.
    pub(crate) fn heap_bytes(&self) -> usize {
        let long = self.long.items().map(|key| key.len());
        let questions = self.questions.items().flatten().map(|asked| match &asked.question {
            Question::Literal { text, tokens } => text.len() + size_of_val(&**tokens),
            Question::Run { tokens, .. } | Question::Near { tokens, .. } => size_of_val(&**tokens),
            Question::Holds { text, .. } => text.len(),
            Question::Check(_) => 0,
        });
        self.table.heap_bytes()
            + self.terms.heap_bytes()
            + self.lists.heap_bytes()
            + self.starts.heap_bytes()
            + self.long.heap_bytes()
            + self.questions.heap_bytes()
            + long.chain(questions).sum::<usize>()
            + self.sweeps.capacity() * size_of::<TermId>()
            + self.buffer.capacity()
    }
}

/// What makes two questions the same.
fn identity(atom: Atom<'_>, key: &mut Vec<u8>) {
    let mut joined = |tag: &[u8], text: &str, tokens: &[Token]| {
        key.extend_from_slice(tag);
        for token in tokens {
            key.extend_from_slice(token.of(text).as_bytes());
            // No token holds one.
            key.push(b' ');
        }
    };
    match atom {
        Atom::Run { domain, text, tokens } => joined(&[b'R', domain as u8], text, tokens),
        Atom::Near { text, tokens, distance } => joined(&[b'N', distance], text, tokens),
        Atom::Literal { text, .. } => {
            key.push(b'L');
            key.extend_from_slice(text.as_bytes());
        }
        Atom::Holds { domain, text } => {
            key.extend([b'H', domain as u8]);
            key.extend_from_slice(text.as_bytes());
        }
        Atom::Key { domain, key: text } => {
            key.extend([b'K', domain as u8]);
            key.extend_from_slice(text.as_bytes());
        }
        // Distinct for distinct values, numbers too.
        Atom::Check(check) => key.extend_from_slice(format!("C{check:?}").as_bytes()),
    }
}

/// How common a word is, by its length: short ones are, and those that everybody uses.
fn word_cost(word: &[u8]) -> u32 {
    // None of those is longer.
    if word.len() <= 5 && core::str::from_utf8(word).is_ok_and(crate::check::is_stop_word) {
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

/// How common a byte is in texts and links, roughly.
const fn commonness(byte: u8) -> u32 {
    match byte {
        b'e' | b't' | b'a' | b'o' | b'i' | b'n' | b's' | b'/' | b'.' | b':' => 9,
        b'r' | b'h' | b'l' | b'd' | b'c' | b'u' | b'p' | b'm' | b'w' => 6,
        b'j' | b'q' | b'x' | b'z' | b'k' | b'v' => 1,
        0x80.. => 5,
        _ => 3,
    }
}
