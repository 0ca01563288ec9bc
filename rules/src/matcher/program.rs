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

use core::ops::Range;

use crate::ast::{Node, NodeId, NodeKind, Rule};

use super::MatchOptions;
use super::atom::{Atom, Buffer, atoms};
use super::key::Kind;
use super::postings::{Start, StartsOf};
use super::terms::{Anchor, TermId, Terms};
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
    fn new(form: Form, negated: bool, jumps_if: bool, target: u32) -> Self {
        let mut bits = form.0;
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
        Form(self.bits).term()
    }

    #[inline]
    pub(crate) const fn class(self) -> Class {
        Form(self.bits).class()
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
    /// Where its postings start.
    pub(crate) starts: StartsOf,
    /// It has no cover: it is to be run for every Post.
    pub(crate) uncovered: bool,
}

/// A form of a leaf: the term, and above it the class. What is above that in an instruction does not count.
#[derive(Clone, Copy, Debug)]
struct Form(u32);

impl Form {
    const fn new(term: TermId, class: Class) -> Self {
        Self((term & TERM) | (class as u32) << CLASS_SHIFT)
    }

    #[inline]
    const fn term(self) -> TermId {
        self.0 & TERM
    }

    #[inline]
    const fn class(self) -> Class {
        match (self.0 >> CLASS_SHIFT) & 3 {
            0 => Class::Word,
            1 => Class::Key,
            _ => Class::Question,
        }
    }
}

/// The forms of a node.
#[derive(Clone, Copy, Debug, Default)]
enum Forms {
    /// It is no leaf.
    #[default]
    None,
    /// Of a leaf, nearly always.
    One(Form),
    /// Those of this place in `Compiler::several`. Kept there because there is a plan for each word of a long rule.
    Several(u32),
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
    forms: Forms,
}

impl Plan {
    /// The plan of a node with these operands, of which those of these costs cover it all together, or the best of the others.
    #[inline]
    fn of_operands<'p>(operands: impl Iterator<Item = &'p Self>, by_all: usize) -> Self {
        let (mut all, mut best, mut effort) = (0_u64, FORBIDDEN, 0_u64);
        for operand in operands {
            all += u64::from(operand.costs[by_all]);
            best = best.min(operand.costs[1 - by_all]);
            effort += u64::from(operand.effort);
        }
        let mut costs = [best; 2];
        costs[by_all] = bounded(all);
        Self { costs, effort: bounded(effort), forms: Forms::None }
    }
}

/// A node to be written, and where to go on from it. Targets are labels.
#[derive(Clone, Copy, Debug)]
struct Goal {
    id: NodeId,
    negated: bool,
    if_true: u32,
    if_false: u32,
    /// Whether its leaves are those of the cover.
    cover: bool,
}

#[derive(Clone, Copy, Debug)]
enum Task {
    Node(Goal),
    /// The operands of a node from `Compiler::children[next]` on. They are all true together, or one of them is enough.
    Operands {
        node: Goal,
        all: bool,
        first: u32,
        next: u32,
    },
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
    /// Which of `forms` are those of one leaf, where it has not just one.
    several: Vec<Range<u32>>,
    tasks: Vec<Task>,
    labels: Vec<u32>,
    code: Vec<Instruction>,
    /// Where the leaves of the cover stand.
    cover: Vec<Range<u32>>,
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
        let code = self.resolved();
        let mut starts = StartsOf::NONE;
        let (mut last, mut posting) = (None, 0);
        for range in &self.cover {
            let leaves = code.get(range.start as usize..range.end as usize).unwrap_or_default();
            for (at, leaf) in (range.start..).zip(leaves) {
                let (mut anchor, mut entry) = (leaf.term(), leaf.next(at, true));
                if leaf.class() == Class::Question {
                    match terms.anchor_of(anchor) {
                        // Whoever comes by a word of a question has yet to ask it.
                        Anchor::Term(word) => (anchor, entry) = (word, at),
                        Anchor::Sweep => {}
                        Anchor::Never => continue,
                    }
                }
                if last != Some(entry) {
                    posting = terms.start(Start { rule: slot, entry }, &mut starts);
                    last = Some(entry);
                }
                terms.post(anchor, posting);
            }
        }
        Program { code, starts, uncovered }
    }

    /// Takes back what compiling gave.
    pub(crate) fn forget(code: &[Instruction], starts: StartsOf, slot: u32, terms: &mut Terms) {
        for instruction in code {
            match terms.anchor_of(instruction.term()) {
                Anchor::Term(anchor) => terms.unpost(anchor, slot),
                Anchor::Sweep => terms.unpost(instruction.term(), slot),
                Anchor::Never => {}
            }
        }
        terms.free_starts(starts);
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
            + (self.several.capacity() + self.cover.capacity()) * size_of::<Range<u32>>()
    }

    fn plan_of(&self, id: NodeId) -> Plan {
        self.plans.get(id.index()).copied().unwrap_or_default()
    }

    fn plan(&mut self, rule: &Rule, options: MatchOptions, terms: &mut Terms) {
        self.plans.clear();
        self.forms.clear();
        self.several.clear();
        self.plan_up_to(rule.nodes().len(), rule, options, terms);
    }

    /// Plans the nodes before this one that have no plan yet.
    #[inline]
    fn plan_up_to(&mut self, end: usize, rule: &Rule, options: MatchOptions, terms: &mut Terms) {
        while self.plans.len() < end {
            let Some(node) = rule.nodes().get(self.plans.len()) else { return };
            let plan = self.plan_node(node, options, terms);
            self.plans.push(plan);
        }
    }

    /// The plan of a node, once those before it are made.
    fn plan_node(&mut self, node: &Node, options: MatchOptions, terms: &mut Terms) -> Plan {
        match &node.kind {
            NodeKind::Not(child) => {
                let plan = self.plan_of(*child);
                Plan { costs: [plan.costs[1], plan.costs[0]], effort: plan.effort, forms: Forms::None }
            }
            NodeKind::And(children) | NodeKind::Or(children) => {
                // An OR is covered by all together, an AND by its best; negated it is the other way round.
                let by_all = usize::from(matches!(node.kind, NodeKind::And(_)));
                match row(children).and_then(|row| self.plans.get(row.start as usize..row.end as usize)) {
                    Some(plans) => Plan::of_operands(plans.iter(), by_all),
                    None => {
                        let plans = children.iter().filter_map(|child| self.plans.get(child.index()));
                        Plan::of_operands(plans, by_all)
                    }
                }
            }
            NodeKind::Term(term) => {
                let first = self.forms.len();
                let mut plan = Plan { costs: [0, FORBIDDEN], effort: 0, forms: Forms::None };
                let forms = &mut self.forms;
                atoms(term, options, &mut self.buffer, &mut |atom| {
                    let form = form(atom, terms);
                    plan.costs[0] = plan.costs[0].saturating_add(terms.cost(form.term()));
                    plan.effort += effort_of(atom);
                    forms.push(form);
                });
                plan.forms = match self.forms.get(first..) {
                    Some([form]) => Forms::One(*form),
                    _ => {
                        self.several.push(position(first)..position(self.forms.len()));
                        Forms::Several(position(self.several.len() - 1))
                    }
                };
                plan
            }
        }
    }

    /// Writes the code, with labels for targets.
    fn write(&mut self, rule: &Rule, cover: bool) {
        self.code.clear();
        self.cover.clear();
        self.labels.clear();
        self.labels.extend([ACCEPT, ACCEPT]);
        self.children.clear();
        self.tasks.clear();
        let (if_true, if_false) = (LABEL_ACCEPT, LABEL_REJECT);
        self.tasks.push(Task::Node(Goal { id: rule.root(), negated: false, if_true, if_false, cover }));
        while let Some(task) = self.tasks.pop() {
            match task {
                Task::Node(goal) => self.write_node(rule, goal),
                Task::Operands { node, all, first, next } => self.write_operands(node, all, first, next),
                Task::Place(label) => self.place(label),
            }
        }
    }

    fn write_node(&mut self, rule: &Rule, goal: Goal) {
        match &rule.node(goal.id).kind {
            NodeKind::And(children) => self.begin_operands(children, goal, !goal.negated),
            NodeKind::Or(children) => self.begin_operands(children, goal, goal.negated),
            NodeKind::Not(child) => {
                self.tasks.push(Task::Node(Goal { id: *child, negated: !goal.negated, ..goal }));
            }
            NodeKind::Term(_) => {
                let next = match self.tasks.last() {
                    Some(Task::Place(next)) => Some(*next),
                    _ => None,
                };
                self.leaf(goal, self.plan_of(goal.id).forms, next);
            }
        }
    }

    fn begin_operands(&mut self, children: &[NodeId], node: Goal, all: bool) {
        let first = self.children.len();
        match row(children) {
            Some(row) => self.children.extend(row.map(NodeId)),
            None => self.children.extend_from_slice(children),
        }
        self.order(first, all, node);
        self.write_operands(node, all, position(first), position(first));
    }

    /// Writes operands up to the first that is no leaf; it and the others are put off.
    fn write_operands(&mut self, node: Goal, all: bool, first: u32, mut next: u32) {
        loop {
            next = self.write_single_forms(node, all, first, next);
            let Some(child) = self.children.get(next as usize).copied() else { return };
            let cover = node.cover && (!all || next == first);
            next += 1;
            let mut goal = Goal { id: child, cover, ..node };
            if next as usize == self.children.len() {
                self.children.truncate(first as usize);
                self.tasks.push(Task::Node(goal));
                return;
            }
            let forms = self.plan_of(child).forms;
            let label = position(self.labels.len());
            self.labels.push(ACCEPT);
            *(if all { &mut goal.if_true } else { &mut goal.if_false }) = label;
            if matches!(forms, Forms::None) {
                // Done from the last to the first.
                self.tasks.push(Task::Operands { node, all, first, next });
                self.tasks.push(Task::Place(label));
                self.tasks.push(Task::Node(goal));
                return;
            }
            self.leaf(goal, forms, Some(label));
            self.place(label);
        }
    }

    /// Writes operands up to the first that is no leaf of one form, or the last of all, and says which that is. As most
    /// leaves are, they need no label: each jumps away or goes on behind itself, where the next one stands.
    fn write_single_forms(&mut self, node: Goal, all: bool, first: u32, next: u32) -> u32 {
        let last = self.children.len().saturating_sub(1);
        let (plans, begin) = (&self.plans, position(self.code.len()));
        let target = if all { node.if_false } else { node.if_true };
        let operands = self.children.get(next as usize..last).unwrap_or_default();
        self.code.extend(operands.iter().map_while(|id| match plans.get(id.index())?.forms {
            Forms::One(form) => Some(Instruction::new(form, node.negated, !all, target)),
            _ => None,
        }));
        let end = position(self.code.len());
        if node.cover && begin < end {
            // Of what must all be true the first covers.
            match (all, next == first) {
                (true, true) => self.cover.push(begin..begin + 1),
                (true, false) => {}
                (false, _) => self.cover.push(begin..end),
            }
        }
        next + (end - begin)
    }

    /// Puts the operands from `first` on in the order in which they are asked: of what must all be true first what covers
    /// it; otherwise the cheap ones before the dear ones.
    fn order(&mut self, first: usize, all: bool, node: Goal) {
        let plans = &self.plans;
        let plan = |id: &NodeId| plans.get(id.index()).copied().unwrap_or_default();
        let children = self.children.get_mut(first..).unwrap_or_default();
        // None is cheaper than a word, so that where the sum is that of as many words there is nothing to sort.
        if plan(&node.id).effort > position(children.len()) * WORD_EFFORT {
            children.sort_by_key(|id| plan(id).effort);
        }
        if all && node.cover {
            let costs = children.iter().map(|id| plan(id).costs[usize::from(node.negated)]);
            if let Some((best, _)) = costs.enumerate().min_by_key(|(_, cost)| *cost) {
                if let Some(start) = children.get_mut(..=best) {
                    start.rotate_right(1);
                }
            }
        }
    }

    /// Writes a leaf: an instruction for each of its forms. `next` is the label that will be placed behind it.
    fn leaf(&mut self, goal: Goal, forms: Forms, next: Option<u32>) {
        let Goal { negated, if_true, if_false, .. } = goal;
        let forms = match &forms {
            Forms::None => &[],
            Forms::One(form) => core::slice::from_ref(form),
            Forms::Several(place) => {
                let range = self.several.get(*place as usize).cloned().unwrap_or_default();
                self.forms.get(range.start as usize..range.end as usize).unwrap_or_default()
            }
        };
        let begin = position(self.code.len());
        for (index, form) in forms.iter().enumerate() {
            // One of several is enough, or, negated, one too many: jump. The last goes on to what stands behind it.
            let is_last = index + 1 == forms.len();
            let jumps_if = if is_last { next != Some(if_true) } else { !negated };
            let target = if jumps_if { if_true } else { if_false };
            self.code.push(Instruction::new(*form, negated, jumps_if, target));
        }
        if goal.cover {
            self.cover.push(begin..position(self.code.len()));
        }
    }

    fn place(&mut self, label: u32) {
        let at = position(self.code.len());
        if let Some(place) = self.labels.get_mut(label as usize) {
            *place = at;
        }
    }

    /// The code, with places for labels.
    fn resolved(&mut self) -> Box<[Instruction]> {
        let end = position(self.code.len());
        if let Some(reject) = self.labels.get_mut(LABEL_REJECT as usize) {
            *reject = end;
        }
        let place = |label: u32| self.labels.get(label as usize).copied().unwrap_or(end);
        self.code.iter().map(|code| Instruction { target: place(code.target), ..*code }).collect()
    }
}

#[allow(clippy::cast_possible_truncation, reason = "a rule has fewer than 2^32 nodes")]
const fn position(index: usize) -> u32 {
    index as u32
}

/// Operands that stand in a row, as leaves do. There may be hundreds, whose numbers then need not be read.
fn row(children: &[NodeId]) -> Option<Range<u32>> {
    debug_assert!(children.is_sorted(), "a tree is in post-order");
    match children {
        [first, .., last] if last.0 - first.0 == position(children.len()) - 1 => Some(first.0..last.0 + 1),
        _ => None,
    }
}

/// A sum of costs, which may be of 2^32 leaves.
fn bounded(sum: u64) -> u32 {
    u32::try_from(sum).unwrap_or(u32::MAX)
}

fn form(atom: Atom<'_>, terms: &mut Terms) -> Form {
    let (term, class) = match atom {
        Atom::Key { domain, key } => {
            let class = if domain == Domain::Words { Class::Word } else { Class::Key };
            (terms.key(Kind::Key(domain), key.as_bytes()), class)
        }
        atom => (terms.question(atom), Class::Question),
    };
    Form::new(term, class)
}

/// How dear it is to ask for a word of the Post; what else there is is measured by it.
const WORD_EFFORT: u32 = 1;

const fn effort_of(atom: Atom<'_>) -> u32 {
    match atom {
        Atom::Key { domain: Domain::Words, .. } => WORD_EFFORT,
        Atom::Key { domain: Domain::Lang, .. } => 2,
        Atom::Key { .. } => 20,
        Atom::Check(_) => 25,
        Atom::Run { .. } | Atom::Near { .. } => 30,
        Atom::Literal { .. } | Atom::Holds { .. } => 100,
    }
}

#[cfg(test)]
mod tests {
    use super::super::key::Hashed;

    const WORD: Kind = Kind::Key(Domain::Words);
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
        let term = terms.look_up(WORD, Hashed::new(WORD, word.as_bytes()), word.as_bytes()).unwrap();
        let mut entries = Vec::new();
        terms.postings(term, |some| {
            entries.extend(some.iter().map(|posting| terms.start_of(*posting).unwrap().entry));
        });
        entries
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
            Compiler::forget(&program.code, program.starts, slot as u32, &mut terms);
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
