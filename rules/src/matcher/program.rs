//! Compiles a rule to a sequence of instructions with jumps.
//!
//! Negations are first moved to the leaves, which leaves only AND and OR. Such a rule is true
//! exactly if it is true with every unknown leaf, negated or not, replaced by false. Therefore two
//! values suffice here. Each leaf becomes one instruction: it evaluates the leaf, then continues
//! with the next instruction or jumps forward. The end of the program means false.
//!
//! ```text
//!   (a OR b c) -d        0  a   true: 3             anchor terms: a and b. A Post with neither
//!                        1  b   false: end          cannot match.
//!                        2  c   false: end          a occurs: start after 0, that is at 3
//!                        3  -d  true: match         b occurs: start after 1, that is at 2
//! ```
//!
//! # Anchor terms
//!
//! The anchors of a rule are leaves. Whenever the rule is true, at least one of them is true. An
//! AND uses the anchors of its rarest operand. An OR uses the anchors of all its operands.
//!
//! Each AND starts with the operand that has the anchors, so only alternatives precede an anchor.
//! Starting after an anchor that occurs therefore skips nothing that could make the rule false.
//! Conversely, if the rule is true, a run from the beginning reaches a true anchor, and continues
//! like the run that starts after that anchor.

use super::atom::{Atom, Buffer, Form, atoms};
use super::key::KeyKind;
use super::options::MatchOptions;
use super::terms::{Anchor, Posting, TermId, Terms};
use super::view::Domain;
use crate::ast::{NodeId, NodeKind, Rule};

/// One leaf of a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Instruction {
    /// The term number in the low 28 bits, then the class, then two flags.
    bits: u32,
    target: u32,
}

/// How the value of a term is determined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum Class {
    /// A word: all words of the Post are known.
    Word = 0,
    /// A key: known after the strings of its domain have been searched.
    Key = 1,
    /// A condition: evaluated on demand.
    Condition = 2,
}

const NEGATED: u32 = 1 << 31;
const JUMPS_IF_TRUE: u32 = 1 << 30;
const CLASS_SHIFT: u32 = 28;
const TERM: u32 = (1 << CLASS_SHIFT) - 1;

/// The target that means that the rule is true.
pub(crate) const ACCEPT: u32 = u32::MAX;

impl Instruction {
    fn new(leaf: Leaf, negated: bool, jumps_if: bool, target: u32) -> Self {
        let mut bits = leaf.term | (leaf.class as u32) << CLASS_SHIFT;
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
            _ => Class::Condition,
        }
    }

    /// Returns true if the instruction negates its term.
    #[inline]
    pub(crate) const fn is_negated(self) -> bool {
        self.bits & NEGATED != 0
    }

    /// Returns the index of the next instruction, if this one is at `at` and its value is `is`.
    #[inline]
    pub(crate) const fn next(self, at: u32, is: bool) -> u32 {
        if is == (self.bits & JUMPS_IF_TRUE != 0) { self.target } else { at + 1 }
    }
}

/// Compiles a rule and indexes its anchor terms for `slot`. Returns the program, and true if it has
/// anchors. A rule without anchors must be evaluated for every Post.
pub(crate) fn compile(
    rule: &Rule,
    slot: u32,
    options: MatchOptions,
    terms: &mut Terms,
) -> (Box<[Instruction]>, bool) {
    let plans = plan(rule, options, terms);
    let is_anchored = plans[rule.root().index()].costs[0] != FORBIDDEN;
    let nodes = plans.len();
    let mut writer = Writer {
        rule,
        plans,
        tasks: Vec::with_capacity(2 * nodes),
        labels: Vec::with_capacity(nodes + 2),
        code: Vec::with_capacity(nodes),
        anchors: Vec::with_capacity(nodes),
    };
    writer.write(is_anchored);
    for at in &writer.anchors {
        let leaf = writer.code[*at as usize];
        let (mut anchor, mut entry) = (leaf.term(), leaf.next(*at, true));
        if leaf.class() == Class::Condition {
            match terms.anchor_of(anchor) {
                // The word is only part of the condition, so the condition itself must still be
                // evaluated.
                Anchor::Term(word) => (anchor, entry) = (word, *at),
                Anchor::Nothing => {}
                Anchor::Never => continue,
            }
        }
        terms.index(anchor, Posting { rule: slot, entry });
    }
    (writer.code.into(), is_anchored)
}

/// Removes a rule's postings and releases its terms.
pub(crate) fn forget(code: &[Instruction], slot: u32, terms: &mut Terms) {
    for instruction in code {
        match terms.anchor_of(instruction.term()) {
            Anchor::Term(anchor) => terms.unindex(anchor, slot),
            Anchor::Nothing => terms.unindex(instruction.term(), slot),
            Anchor::Never => {}
        }
    }
    code.iter().for_each(|instruction| terms.release(instruction.term()));
}

/// One form of a leaf.
#[derive(Clone, Copy, Debug)]
struct Leaf {
    term: TermId,
    class: Class,
}

/// A cost that excludes a node: a negated leaf cannot be an anchor.
const FORBIDDEN: u32 = u32::MAX;

/// Properties of a node before it is written. Index 0 applies to the node, index 1 to its negation.
#[derive(Clone, Debug, Default)]
struct Plan {
    /// The estimated number of occurrences of its anchors.
    costs: [u32; 2],
    /// The cost of evaluating it.
    effort: u32,
    /// Its forms, if it is a leaf.
    leaves: Leaves,
}

/// The forms of a leaf: nearly always one.
#[derive(Clone, Debug, Default)]
enum Leaves {
    #[default]
    None,
    One(Leaf),
    Several(Vec<Leaf>),
}

impl Leaves {
    fn push(&mut self, leaf: Leaf) {
        match self {
            Self::None => *self = Self::One(leaf),
            Self::One(first) => *self = Self::Several(vec![*first, leaf]),
            Self::Several(leaves) => leaves.push(leaf),
        }
    }

    fn as_slice(&self) -> &[Leaf] {
        match self {
            Self::None => &[],
            Self::One(leaf) => core::slice::from_ref(leaf),
            Self::Several(leaves) => leaves,
        }
    }
}

/// Plans all nodes, children before parents.
fn plan(rule: &Rule, options: MatchOptions, terms: &mut Terms) -> Vec<Plan> {
    let mut buffer = Buffer::default();
    let mut plans: Vec<Plan> = Vec::with_capacity(rule.nodes().len());
    for node in rule.nodes() {
        let plan = match &node.kind {
            NodeKind::Not(child) => {
                let Plan { costs: [is, is_not], effort, .. } = plans[child.index()];
                Plan { costs: [is_not, is], effort, leaves: Leaves::None }
            }
            // An OR needs the anchors of all operands, an AND those of the rarest. Negation swaps
            // the two.
            NodeKind::Or(children) => plan_operands(&plans, children, 0),
            NodeKind::And(children) => plan_operands(&plans, children, 1),
            NodeKind::Term(term) => {
                let mut plan = Plan { costs: [0, FORBIDDEN], ..Plan::default() };
                atoms(term, options, &mut buffer, &mut |atom| {
                    let leaf = leaf(atom, terms);
                    plan.costs[0] = plan.costs[0].saturating_add(terms.cost(leaf.term));
                    plan.effort += effort_of(atom);
                    plan.leaves.push(leaf);
                });
                plan
            }
        };
        plans.push(plan);
    }
    plans
}

/// Plans an AND or an OR. `by_all` is the index in `costs` for which the anchors of all operands
/// are needed; for the other index, the cheapest operand suffices.
fn plan_operands(plans: &[Plan], operands: &[NodeId], by_all: usize) -> Plan {
    let mut plan = Plan { costs: [FORBIDDEN; 2], ..Plan::default() };
    plan.costs[by_all] = 0;
    for operand in operands.iter().map(|id| &plans[id.index()]) {
        plan.costs[by_all] = plan.costs[by_all].saturating_add(operand.costs[by_all]);
        plan.costs[1 - by_all] = plan.costs[1 - by_all].min(operand.costs[1 - by_all]);
        plan.effort = plan.effort.saturating_add(operand.effort);
    }
    plan
}

fn leaf(atom: Atom<'_>, terms: &mut Terms) -> Leaf {
    match atom {
        Atom::Key { domain, key } => {
            let class = if domain == Domain::Words { Class::Word } else { Class::Key };
            Leaf { term: terms.key(KeyKind::Text(domain), key.as_bytes()), class }
        }
        Atom::Condition(form) => Leaf { term: terms.condition(form), class: Class::Condition },
    }
}

/// Returns the cost of evaluating a leaf, in multiples of the test of one word.
const fn effort_of(atom: Atom<'_>) -> u32 {
    match atom {
        Atom::Key { domain: Domain::Words, .. } => 1,
        Atom::Key { domain: Domain::Lang, .. } => 2,
        Atom::Key { .. } => 20,
        Atom::Condition(Form::Predicate(_)) => 25,
        Atom::Condition(Form::Run { .. } | Form::Near { .. }) => 30,
        Atom::Condition(Form::Literal { .. } | Form::Substring { .. }) => 100,
    }
}

/// A node to write, and the labels to continue at.
#[derive(Clone, Copy, Debug)]
struct Goal {
    id: NodeId,
    negated: bool,
    if_true: u32,
    if_false: u32,
    /// True if the node's anchors are anchors of the rule.
    anchors: bool,
}

#[derive(Clone, Copy, Debug)]
enum Task {
    Node(Goal),
    /// Sets the label to the current position.
    Place(u32),
}

const LABEL_ACCEPT: u32 = 0;
const LABEL_REJECT: u32 = 1;

/// Writes the program of a rule.
struct Writer<'r> {
    rule: &'r Rule,
    plans: Vec<Plan>,
    /// A stack: the last task is next.
    tasks: Vec<Task>,
    /// The position of each label.
    labels: Vec<u32>,
    code: Vec<Instruction>,
    /// The positions of the anchors.
    anchors: Vec<u32>,
}

impl Writer<'_> {
    fn write(&mut self, is_anchored: bool) {
        self.labels.extend([ACCEPT, ACCEPT]);
        self.tasks.push(Task::Node(Goal {
            id: self.rule.root(),
            negated: false,
            if_true: LABEL_ACCEPT,
            if_false: LABEL_REJECT,
            anchors: is_anchored,
        }));
        while let Some(task) = self.tasks.pop() {
            match task {
                Task::Node(goal) => self.write_node(goal),
                Task::Place(label) => self.labels[label as usize] = position(self.code.len()),
            }
        }
        self.labels[LABEL_REJECT as usize] = position(self.code.len());
        for instruction in &mut self.code {
            instruction.target = self.labels[instruction.target as usize];
        }
    }

    fn write_node(&mut self, goal: Goal) {
        match &self.rule.node(goal.id).kind {
            NodeKind::And(children) => self.write_operands(children, goal, !goal.negated),
            NodeKind::Or(children) => self.write_operands(children, goal, goal.negated),
            NodeKind::Not(child) => {
                self.tasks.push(Task::Node(Goal { id: *child, negated: !goal.negated, ..goal }));
            }
            NodeKind::Term(_) => self.write_leaf(goal),
        }
    }

    /// Adds tasks for operands of which all must be true, or one suffices. Each operand except the
    /// last continues at the next one if it does not decide the value.
    fn write_operands(&mut self, operands: &[NodeId], goal: Goal, all: bool) {
        let operands = self.ordered(operands, goal, all);
        let begin = self.tasks.len();
        for (index, id) in operands.iter().enumerate() {
            let mut operand = Goal { id: *id, anchors: goal.anchors && (!all || index == 0), ..goal };
            if index + 1 == operands.len() {
                self.tasks.push(Task::Node(operand));
            } else {
                let label = position(self.labels.len());
                self.labels.push(ACCEPT);
                *(if all { &mut operand.if_true } else { &mut operand.if_false }) = label;
                self.tasks.extend([Task::Node(operand), Task::Place(label)]);
            }
        }
        self.tasks[begin..].reverse();
    }

    /// Returns the operands in the order of evaluation: cheap ones first. If all must be true, the
    /// operand with the anchors precedes the others.
    fn ordered(&self, operands: &[NodeId], goal: Goal, all: bool) -> Vec<NodeId> {
        let mut operands = operands.to_vec();
        operands.sort_by_key(|id| self.plans[id.index()].effort);
        if all && goal.anchors {
            let cost = |id: &NodeId| self.plans[id.index()].costs[usize::from(goal.negated)];
            if let Some((best, _)) = operands.iter().map(cost).enumerate().min_by_key(|(_, cost)| *cost) {
                operands[..=best].rotate_right(1);
            }
        }
        operands
    }

    /// Writes a leaf: one instruction for each of its forms.
    fn write_leaf(&mut self, goal: Goal) {
        let Goal { id, negated, if_true, if_false, anchors } = goal;
        // The label directly after the leaf.
        let next = if let Some(Task::Place(next)) = self.tasks.last() { Some(*next) } else { None };
        let leaves = self.plans[id.index()].leaves.as_slice();
        for (index, leaf) in leaves.iter().enumerate() {
            // A true form decides a positive leaf, and a negated one as false: jump. The last form
            // continues after the leaf.
            let is_last = index + 1 == leaves.len();
            let jumps_if = if is_last { next != Some(if_true) } else { !negated };
            let target = if jumps_if { if_true } else { if_false };
            if anchors {
                self.anchors.push(position(self.code.len()));
            }
            self.code.push(Instruction::new(*leaf, negated, jumps_if, target));
        }
    }
}

#[allow(clippy::cast_possible_truncation, reason = "a rule has fewer than 2^32 nodes")]
const fn position(index: usize) -> u32 {
    index as u32
}

#[cfg(test)]
mod tests {
    use super::super::key::Hashed;
    use super::*;
    use crate::check;
    use crate::profile::Profile;

    struct Program {
        code: Box<[Instruction]>,
        is_anchored: bool,
    }

    fn compiled(text: &str) -> (Program, Terms) {
        let profiles = [Profile::Powerstream, Profile::FilteredStreamEmbedding];
        let rule = profiles.into_iter().find_map(|profile| check(text, profile).rule).unwrap();
        let mut terms = Terms::default();
        let (code, is_anchored) = compile(&rule, 0, MatchOptions::default(), &mut terms);
        (Program { code, is_anchored }, terms)
    }

    /// Returns the keywords of a program in order, negated ones with a dash, each with its two
    /// targets.
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
        let hashed = Hashed::new(KeyKind::Text(Domain::Words), word.as_bytes());
        let term = terms.look_up(hashed, word.as_bytes()).unwrap();
        terms.postings(term).iter().map(|posting| posting.entry).collect()
    }

    #[test]
    fn anchors_come_first_and_evaluation_starts_after_them() {
        let (program, terms) = compiled("-delta (alpha OR bravo charlie)");
        // Of two words, the longer one is the anchor, because it is probably rarer.
        assert_eq!(
            shown(&program, &terms),
            ["alpha 3 1", "charlie 2 end", "bravo 3 end", "-delta match end"]
        );
        assert_eq!((entries(&terms, "alpha"), entries(&terms, "charlie")), (vec![3], vec![2]));
        assert!(entries(&terms, "bravo").is_empty() && entries(&terms, "delta").is_empty());
        assert!(program.is_anchored);
    }

    #[test]
    fn negations_are_pushed_down_to_the_leaves() {
        let (program, terms) = compiled("zebra -(alpha OR bravo -charlie)");
        assert_eq!(
            shown(&program, &terms),
            ["zebra 1 end", "-alpha 2 end", "-bravo match 3", "charlie match end"]
        );
        assert_eq!(entries(&terms, "zebra"), [1]);
    }

    #[test]
    fn the_rarest_operand_of_an_and_is_its_anchor() {
        let (_, terms) = compiled("the sea cormorant");
        assert_eq!((entries(&terms, "cormorant"), entries(&terms, "the").len()), (vec![1], 0));
        // A phrase is evaluated if its rarest word occurs. A single letter is too common.
        let (program, terms) = compiled("\"a cormorant\" OR gull");
        assert_eq!(program.code.len(), 2);
        assert_eq!(entries(&terms, "cormorant"), [1]);
    }

    #[test]
    fn a_word_is_the_anchor_if_it_is_probably_rarer_than_the_other_operand() {
        for (text, word, want) in [
            ("lang:en the", "the", true),
            ("lang:ja x", "x", true),
            ("lang:de x", "x", false),
            ("lang:de the", "the", false),
            // A piece of a text is rarer the longer it is.
            ("contains:q x", "x", true),
            ("contains:qz x", "x", true),
            ("contains:qzj bird", "bird", true),
            ("contains:qzjx bird", "bird", false),
            // So is a word.
            ("x qy", "qy", true),
            ("qy auk", "auk", true),
            ("qy bird", "bird", true),
            ("bird skuas", "skuas", true),
            ("skuas gannet", "gannet", true),
            ("gannet kestrel", "kestrel", true),
        ] {
            let (_, terms) = compiled(text);
            assert_eq!(!entries(&terms, word).is_empty(), want, "{text}");
        }
    }

    #[test]
    fn a_condition_on_a_text_is_evaluated_only_if_a_part_of_it_occurs() {
        for (text, always) in [
            ("\"a cormorant\"", 0),
            ("\"a cormorant\"~2", 0),
            ("bio:\"a cormorant\"", 0),
            ("contains:cormorant", 0),
            ("url_contains:cormorant", 0),
            ("\"!\"", 0),
            ("\" \"", 1),
            ("has:links", 1),
        ] {
            assert_eq!(compiled(text).1.unanchored().len(), always, "{text}");
        }
    }

    #[test]
    fn a_phrase_of_one_word_is_looked_up_like_a_keyword() {
        let (program, terms) = compiled("\"gull\" -\"tern\"");
        assert_eq!(shown(&program, &terms), ["gull 1 end", "-tern match end"]);
    }

    #[test]
    fn a_rule_without_positive_terms_has_no_anchor() {
        assert!(!compiled("-gull").0.is_anchored);
        assert!(!compiled("gull OR -tern").0.is_anchored);
        assert!(compiled("gull -tern").0.is_anchored);
        // The rule can never be true, so it is never evaluated.
        let (program, terms) = compiled("gull embedding:\"birds\"");
        assert!(program.is_anchored && entries(&terms, "gull").is_empty());
    }

    #[test]
    fn removing_all_rules_leaves_no_term_behind() {
        let texts = [
            "(gull OR \"sea gull\" OR contains:ull) -tern lang:en",
            "\"a b c\"~3 OR url:\"x/y\" OR has:links OR followers_count:3 OR \"!\"",
            "source:app OR place:bergen OR from:12 OR averyveryverylongkeywordthatgoesoutside",
        ];
        let mut terms = Terms::default();
        let mut programs = Vec::new();
        for (slot, text) in texts.iter().cycle().take(6).enumerate() {
            let rule = check(text, Profile::Powerstream).rule.unwrap();
            programs.push(compile(&rule, slot as u32, MatchOptions::default(), &mut terms).0);
        }
        for (slot, code) in programs.iter().enumerate() {
            forget(code, slot as u32, &mut terms);
        }
        assert!(terms.is_empty());
        assert_eq!((terms.wanted().is_empty(), terms.unanchored().len()), (true, 0));
    }

    #[test]
    fn deep_nesting_does_not_overflow_the_stack() {
        let depth = 50_000;
        let text = format!("{}x{}", "(a OR (b ".repeat(depth), "))".repeat(depth));
        let (program, _) = compiled(&text);
        assert_eq!(program.code.len(), 2 * depth + 1);
    }
}
