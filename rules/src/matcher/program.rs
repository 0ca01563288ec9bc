//! A rule as a row of jumps.
//!
//! Negations are pushed down to the leaves. What is left is made of AND and OR only, and is true exactly if it is true
//! with every unknown leaf, negated or not, taken for false: so two values are enough here, and a leaf tells which.
//! Each leaf becomes one instruction that asks and then goes on behind itself or jumps ahead; running off the end is
//! false.
//!
//! ```text
//!   (a OR b c) -d        0  a   true: 3             the cover is {a, b}: where a Post has neither, the rule is false
//!                        1  b   false: end          a found: start behind 0, that is at 3
//!                        2  c   false: end          b found: start behind 1, that is at 2
//!                        3  -d  true: match
//! ```
//!
//! # The cover
//!
//! A set of leaves of which one is true whenever the rule is: of an AND the cover of its operand that is found most
//! rarely, of an OR those of all. Each AND begins with the operand that covers it, so that what stands before a leaf of
//! the cover is alternatives only. Starting behind such a leaf, because it was found, therefore skips nothing that
//! could make the rule false; and where the rule is true, a run from its beginning passes through a leaf of the cover
//! that is true, and goes on from there as the run that started there did.

use crate::ast::{NodeId, NodeKind, Rule};

use super::MatchOptions;
use super::atom::{Atom, Buffer, atoms};
use super::terms::{Anchor, Kind, Posting, TermId, Terms};
use super::view::Domain;

/// One question of a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Instruction {
    /// The term, and below it what is to be done.
    bits: u32,
    target: u32,
}

/// How the value of a term is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum Class {
    /// The words of the Post are known: it is one of them or not.
    Word = 0,
    /// The same once the strings of its domain have been gone through.
    Key = 1,
    /// It is asked.
    Question = 2,
}

const NEGATED: u32 = 1 << 31;
const JUMPS_IF_TRUE: u32 = 1 << 30;
const CLASS_SHIFT: u32 = 28;
const TERM: u32 = (1 << CLASS_SHIFT) - 1;

/// The end of a program where it is true.
pub(crate) const ACCEPT: u32 = u32::MAX;

impl Instruction {
    fn new(term: TermId, class: Class, negated: bool, jumps_if: bool, target: u32) -> Self {
        let mut bits = (term & TERM) | (class as u32) << CLASS_SHIFT;
        if negated {
            bits |= NEGATED;
        }
        if jumps_if {
            bits |= JUMPS_IF_TRUE;
        }
        Self { bits, target }
    }

    #[inline]
    pub(crate) const fn term(self) -> TermId {
        self.bits & TERM
    }

    #[inline]
    pub(crate) const fn class(self) -> Class {
        match (self.bits >> CLASS_SHIFT) & 3 {
            0 => Class::Word,
            1 => Class::Key,
            _ => Class::Question,
        }
    }

    /// Whether it is true where its term is false.
    #[inline]
    pub(crate) const fn is_negated(self) -> bool {
        self.bits & NEGATED != 0
    }

    /// Where to go on from `at`, where this stands.
    #[inline]
    pub(crate) const fn next(self, at: u32, is: bool) -> u32 {
        if is == (self.bits & JUMPS_IF_TRUE != 0) { self.target } else { at + 1 }
    }
}

/// A rule, compiled.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    pub(crate) code: Box<[Instruction]>,
    /// It has no cover: it is to be run for every Post.
    pub(crate) uncovered: bool,
}

/// A form of a leaf.
#[derive(Clone, Copy, Debug)]
struct Form {
    term: TermId,
    class: Class,
    cost: u32,
}

/// A cost that forbids: a negated leaf covers nothing.
const FORBIDDEN: u32 = u32::MAX;

/// What is known of a node before it is written down, for itself and for its negation.
#[derive(Clone, Copy, Debug, Default)]
struct Plan {
    /// How often its cover is found.
    costs: [u32; 2],
    /// How dear it is to ask.
    effort: u32,
    /// Of a leaf, its forms.
    forms: (u32, u32),
}

#[derive(Clone, Copy, Debug)]
enum Task {
    Node { id: NodeId, negated: bool, if_true: u32, if_false: u32, cover: bool },
    Place(u32),
}

const LABEL_ACCEPT: u32 = 0;
const LABEL_REJECT: u32 = 1;

/// Compiles rules; kept for the room that it has grown to.
#[derive(Clone, Debug, Default)]
pub(crate) struct Compiler {
    buffer: Buffer,
    plans: Vec<Plan>,
    forms: Vec<Form>,
    tasks: Vec<Task>,
    labels: Vec<u32>,
    code: Vec<Instruction>,
    /// Of the cover: the term and where it stands.
    cover: Vec<(Form, u32)>,
    children: Vec<NodeId>,
}

impl Compiler {
    /// Compiles a rule. Its terms become users of theirs, and its cover postings for `slot`.
    pub(crate) fn compile(
        &mut self,
        rule: &Rule,
        slot: u32,
        options: MatchOptions,
        terms: &mut Terms,
    ) -> Program {
        self.plan(rule, options, terms);
        let root = self.plan_of(rule.root());
        let uncovered = root.costs[0] == FORBIDDEN;
        self.write(rule, !uncovered);
        self.resolve();
        for (form, at) in self.cover.drain(..) {
            match terms.anchor_of(form.term) {
                // Whoever comes by a word of a question has yet to ask it.
                Anchor::Term(anchor) if form.class == Class::Question => {
                    terms.post(anchor, Posting { rule: slot, entry: at });
                }
                Anchor::Term(_) | Anchor::Sweep => {
                    let entry =
                        self.code.get(at as usize).map_or(at, |instruction| instruction.next(at, true));
                    terms.post(form.term, Posting { rule: slot, entry });
                }
                Anchor::Never => {}
            }
        }
        Program { code: self.code.as_slice().into(), uncovered }
    }

    /// Takes back what compiling gave.
    pub(crate) fn forget(code: &[Instruction], slot: u32, terms: &mut Terms) {
        for instruction in code {
            match terms.anchor_of(instruction.term()) {
                Anchor::Term(anchor) => terms.unpost(anchor, slot),
                Anchor::Sweep => terms.unpost(instruction.term(), slot),
                Anchor::Never => {}
            }
        }
        code.iter().for_each(|instruction| terms.release(instruction.term()));
    }

    /// Bytes on the heap.
    pub(crate) fn heap_bytes(&self) -> usize {
        self.buffer.heap_bytes()
            + self.plans.capacity() * size_of::<Plan>()
            + self.forms.capacity() * size_of::<Form>()
            + self.tasks.capacity() * size_of::<Task>()
            + (self.labels.capacity() + self.children.capacity()) * size_of::<u32>()
            + self.code.capacity() * size_of::<Instruction>()
            + self.cover.capacity() * size_of::<(Form, u32)>()
    }

    fn plan_of(&self, id: NodeId) -> Plan {
        self.plans.get(id.index()).copied().unwrap_or_default()
    }

    fn plan(&mut self, rule: &Rule, options: MatchOptions, terms: &mut Terms) {
        self.plans.clear();
        self.forms.clear();
        for node in rule.nodes() {
            let of = |id: &NodeId| self.plans.get(id.index()).copied().unwrap_or_default();
            let plan = match &node.kind {
                NodeKind::Not(child) => {
                    let plan = of(child);
                    Plan { costs: [plan.costs[1], plan.costs[0]], ..plan }
                }
                NodeKind::And(children) | NodeKind::Or(children) => {
                    let is_and = usize::from(matches!(node.kind, NodeKind::And(_)));
                    let mut plan = Plan::default();
                    // An OR is covered by all together, an AND by its best; negated it is the other way round.
                    let all = children.iter().map(|id| of(id).costs[is_and]);
                    plan.costs[is_and] = all.fold(0, u32::saturating_add);
                    let best = children.iter().map(|id| of(id).costs[1 - is_and]).min();
                    plan.costs[1 - is_and] = best.unwrap_or(FORBIDDEN);
                    plan.effort = children.iter().map(|id| of(id).effort).fold(0, u32::saturating_add);
                    plan
                }
                NodeKind::Term(term) => {
                    let first = self.forms.len();
                    let forms = &mut self.forms;
                    let mut cost: u32 = 0;
                    let mut effort = 0;
                    atoms(term, options, &mut self.buffer, &mut |atom| {
                        let form = form(atom, terms);
                        cost = cost.saturating_add(form.cost);
                        effort += effort_of(atom);
                        forms.push(form);
                    });
                    Plan {
                        costs: [cost, FORBIDDEN],
                        effort,
                        forms: (position(first), position(self.forms.len())),
                    }
                }
            };
            self.plans.push(plan);
        }
    }

    /// Writes the code, with labels for targets.
    fn write(&mut self, rule: &Rule, cover: bool) {
        self.code.clear();
        self.cover.clear();
        self.labels.clear();
        self.labels.extend([ACCEPT, ACCEPT]);
        self.tasks.clear();
        self.tasks.push(Task::Node {
            id: rule.root(),
            negated: false,
            if_true: LABEL_ACCEPT,
            if_false: LABEL_REJECT,
            cover,
        });
        while let Some(task) = self.tasks.pop() {
            let Task::Node { id, negated, if_true, if_false, cover } = task else {
                if let Task::Place(label) = task {
                    self.place(label);
                }
                continue;
            };
            match &rule.node(id).kind {
                NodeKind::Not(child) => {
                    self.tasks.push(Task::Node { id: *child, negated: !negated, if_true, if_false, cover });
                }
                NodeKind::Term(_) => self.leaf(self.plan_of(id), negated, if_true, if_false, cover),
                kind @ (NodeKind::And(children) | NodeKind::Or(children)) => {
                    let all = matches!(kind, NodeKind::And(_)) != negated;
                    self.order(children, all, negated, cover);
                    let mut last = true;
                    // The last is done last, so it goes onto the stack first.
                    for index in (0..self.children.len()).rev() {
                        let Some(child) = self.children.get(index).copied() else { continue };
                        let (mut if_true, mut if_false) = (if_true, if_false);
                        if !last {
                            let next = position(self.labels.len());
                            self.labels.push(ACCEPT);
                            self.tasks.push(Task::Place(next));
                            *(if all { &mut if_true } else { &mut if_false }) = next;
                        }
                        last = false;
                        let cover = cover && (!all || index == 0);
                        self.tasks.push(Task::Node { id: child, negated, if_true, if_false, cover });
                    }
                }
            }
        }
    }

    /// The operands of a node in the order in which they are asked: of what must all be true first what covers it;
    /// otherwise the cheap ones before the dear ones.
    fn order(&mut self, children: &[NodeId], all: bool, negated: bool, cover: bool) {
        self.children.clear();
        self.children.extend_from_slice(children);
        let plans = &self.plans;
        let plan = |id: &NodeId| plans.get(id.index()).copied().unwrap_or_default();
        self.children.sort_by_key(|id| plan(id).effort);
        if all && cover {
            let costs = self.children.iter().map(|id| plan(id).costs[usize::from(negated)]);
            if let Some((best, _)) = costs.enumerate().min_by_key(|(_, cost)| *cost) {
                if let Some(start) = self.children.get_mut(..=best) {
                    start.rotate_right(1);
                }
            }
        }
    }

    /// Writes a leaf: an instruction for each of its forms.
    fn leaf(&mut self, plan: Plan, negated: bool, if_true: u32, if_false: u32, cover: bool) {
        let (first, end) = plan.forms;
        for index in first..end {
            let Some(form) = self.forms.get(index as usize).copied() else { continue };
            let at = position(self.code.len());
            if cover {
                self.cover.push((form, at));
            }
            let is_last = index + 1 == end;
            // One of several is enough, or, negated, one too many: jump. The last goes on to what stands behind it.
            let jumps_if = if is_last { !self.stands_next(if_true) } else { !negated };
            let target = if jumps_if { if_true } else { if_false };
            self.code.push(Instruction::new(form.term, form.class, negated, jumps_if, target));
        }
    }

    /// Whether a label will be placed behind the next instruction.
    fn stands_next(&self, label: u32) -> bool {
        matches!(self.tasks.last(), Some(Task::Place(next)) if *next == label)
    }

    fn place(&mut self, label: u32) {
        let at = position(self.code.len());
        if let Some(place) = self.labels.get_mut(label as usize) {
            *place = at;
        }
    }

    /// Puts places for labels.
    fn resolve(&mut self) {
        let end = position(self.code.len());
        if let Some(reject) = self.labels.get_mut(LABEL_REJECT as usize) {
            *reject = end;
        }
        for instruction in &mut self.code {
            instruction.target = self.labels.get(instruction.target as usize).copied().unwrap_or(end);
        }
    }
}

#[allow(clippy::cast_possible_truncation, reason = "a rule has fewer than 2^32 nodes")]
const fn position(index: usize) -> u32 {
    index as u32
}

fn form(atom: Atom<'_>, terms: &mut Terms) -> Form {
    let (term, class) = match atom {
        Atom::Key { domain, key } => {
            let class = if domain == Domain::Words { Class::Word } else { Class::Key };
            (terms.key(Kind::Key(domain), key.as_bytes()), class)
        }
        atom => (terms.question(atom), Class::Question),
    };
    Form { term, class, cost: terms.cost(term) }
}

const fn effort_of(atom: Atom<'_>) -> u32 {
    match atom {
        Atom::Key { domain: Domain::Words, .. } => 1,
        Atom::Key { domain: Domain::Lang, .. } => 2,
        Atom::Key { .. } => 20,
        Atom::Check(_) => 25,
        Atom::Run { .. } | Atom::Near { .. } => 30,
        Atom::Literal { .. } | Atom::Holds { .. } => 100,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check;
    use crate::profile::Profile;

    fn compiled(text: &str) -> (Program, Terms) {
        let rule = check(text, Profile::FilteredStreamEmbedding).rule.unwrap();
        let mut terms = Terms::default();
        let program = Compiler::default().compile(&rule, 0, MatchOptions::default(), &mut terms);
        (program, terms)
    }

    /// The keywords of a program in its order, a dash before those that are negated, with the two ways on.
    fn shown(program: &Program, terms: &Terms) -> Vec<String> {
        let way = |next: u32| match next {
            ACCEPT => "match".to_owned(),
            next if next as usize == program.code.len() => "end".to_owned(),
            next => next.to_string(),
        };
        let line = |(at, instruction): (usize, &Instruction)| {
            let dash = if instruction.is_negated() { "-" } else { "" };
            let ways = [true, false].map(|is| way(instruction.next(at as u32, is)));
            format!("{dash}{} {} {}", terms.text_of(instruction.term()), ways[0], ways[1])
        };
        program.code.iter().enumerate().map(line).collect()
    }

    fn entries(terms: &Terms, word: &str) -> Vec<u32> {
        let kind = Kind::Key(Domain::Words);
        let hash = super::super::table::hash(kind.number(), word.as_bytes());
        let term = terms.look_up(kind, hash, word.as_bytes()).unwrap();
        terms.postings(term).iter().map(|posting| posting.entry).collect()
    }

    #[test]
    fn the_cover_comes_first_and_is_entered_behind_what_was_found() {
        let (program, terms) = compiled("-delta (alpha OR bravo charlie)");
        // Of two words the longer one covers, as the rarer.
        assert_eq!(
            shown(&program, &terms),
            ["alpha 3 1", "charlie 2 end", "bravo 3 end", "-delta match end"]
        );
        assert_eq!((entries(&terms, "alpha"), entries(&terms, "charlie")), (vec![3], vec![2]));
        assert!(entries(&terms, "bravo").is_empty() && entries(&terms, "delta").is_empty());
        assert!(!program.uncovered);
    }

    #[test]
    fn negated_groups_are_pushed_down() {
        let (program, terms) = compiled("zebra -(alpha OR bravo -charlie)");
        assert_eq!(
            shown(&program, &terms),
            ["zebra 1 end", "-alpha 2 end", "-bravo match 3", "charlie match end"]
        );
        assert_eq!(entries(&terms, "zebra"), [1]);
    }

    #[test]
    fn the_rarest_operand_covers_a_conjunction() {
        let (_, terms) = compiled("the sea cormorant");
        assert_eq!((entries(&terms, "cormorant"), entries(&terms, "the").len()), (vec![1], 0));
        // A phrase is asked by whoever finds its rarest word, and a word of one letter is not worth waiting for.
        let (program, terms) = compiled("\"a cormorant\" OR gull");
        assert_eq!(program.code.len(), 2);
        assert_eq!(entries(&terms, "cormorant"), [1]);
    }

    #[test]
    fn what_asks_for_nothing_is_tried_every_time() {
        assert!(compiled("-gull").0.uncovered);
        assert!(compiled("gull OR -tern").0.uncovered);
        assert!(!compiled("gull -tern").0.uncovered);
        // Never true, so never tried.
        let (program, terms) = compiled("gull embedding:\"birds\"");
        assert!(!program.uncovered && entries(&terms, "gull").is_empty());
    }

    #[test]
    fn what_is_forgotten_leaves_nothing() {
        let texts = [
            "(gull OR \"sea gull\" OR contains:ull) -tern lang:en",
            "\"a b c\"~3 OR url:\"x/y\" OR has:links OR followers_count:3 OR \"!\"",
            "source:app OR place:bergen OR from:12 OR averyveryverylongkeywordthatgoesoutside",
        ];
        let (mut terms, mut compiler) = (Terms::default(), Compiler::default());
        let mut programs = Vec::new();
        for (slot, text) in texts.iter().cycle().take(6).enumerate() {
            let rule = check(text, Profile::Powerstream).rule.unwrap();
            programs.push(compiler.compile(&rule, slot as u32, MatchOptions::default(), &mut terms));
        }
        for (slot, program) in programs.iter().enumerate() {
            Compiler::forget(&program.code, slot as u32, &mut terms);
        }
        assert!(terms.is_empty());
        assert_eq!((terms.wanted(), terms.wants_some_grams(), terms.sweeps().len()), (0, false, 0));
    }

    #[test]
    fn depth_needs_no_stack() {
        let depth = 50_000;
        let text = format!("{}x{}", "(a OR (b ".repeat(depth), "))".repeat(depth));
        let (program, _) = compiled(&text);
        assert_eq!(program.code.len(), 2 * depth + 1);
    }
}
