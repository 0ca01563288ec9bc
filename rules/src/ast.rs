//! The tree of a rule.
//!
//! The tree lies flat in one vector, in post-order: children before their parent, the root last. So nothing that is
//! done with it recurses, not even dropping it, and a rule nested as deep as its length allows needs no stack.
//! To evaluate a rule, go through the nodes once from the first to the last.
//!
//! ```text
//!   apple OR iphone -ipad        [ apple, iphone, ipad, Not(2), And(1, 3), Or(0, 4) ]
//! ```
//!
//! There are no groups: parentheses are gone once they have said what belongs together, and `(a b) c` is the same
//! tree as `a b c`. An `And` therefore never has an `And` for a child, nor an `Or` an `Or`, and both have at least
//! two children. Two rules are equal if their trees are, wherever their parts stand and however they were spelled.

use std::sync::Arc;
use std::vec::IntoIter;

use crate::characters::is_punctuation;
use crate::operator::Operator;
use crate::span::Span;

/// A rule, parsed.
#[derive(Clone, Debug)]
pub struct Rule {
    /// Shared with the sets that the rule is in.
    pub(crate) text: Arc<str>,
    pub(crate) nodes: Vec<Node>,
}

/// The place of a node in its rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub(crate) u32);

impl NodeId {
    /// The same as an index into [`Rule::nodes`].
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// One node. Compared without its span.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Node {
    /// What it is.
    pub kind: NodeKind,
    /// Where it stands, with the parentheses around it if a group is all of it.
    pub span: Span,
}

/// What a node is.
#[derive(Clone, Debug, PartialEq)]
#[allow(clippy::exhaustive_enums, reason = "an evaluator that missed a kind would be wrong")]
pub enum NodeKind {
    /// True if all of them are: two or more.
    And(Vec<NodeId>),
    /// True if any of them is: two or more.
    Or(Vec<NodeId>),
    /// True if it is not. The service takes a double negation for one.
    Not(NodeId),
    /// A leaf.
    Term(Term),
}

/// A leaf: an operator with its argument.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Term {
    /// The operator.
    pub operator: Operator,
    /// The argument, typed.
    pub value: Value,
    /// The argument as text: without quotes, escapes, brackets and the `#`, `@` or `$` before it; language and
    /// country codes as X spells them, all else as written. Empty for the flags.
    pub text: Box<str>,
    /// Where the argument stands, with its quotes or brackets. Empty for the flags.
    pub argument: Span,
    /// It has an error of its own, and stands in the tree only so that the rest can be checked.
    pub(crate) broken: bool,
}

/// The typed argument of a term. Where it says "text", that is [`Term::text`].
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Value {
    /// None: the operator is a flag.
    Flag,
    /// The text is all there is to it.
    Text,
    /// `contains:` with a number: the text as it stands.
    Number,
    /// The text, its words at most so far apart.
    Proximity {
        /// From 1 to 6.
        distance: u8,
    },
    /// The text is a user name; if of digits only, it may be an ID too.
    User {
        /// The ID, if it can be one.
        id: Option<u64>,
    },
    /// A count, both ends included.
    Count {
        /// The least.
        min: u64,
        /// The most, if there is a most.
        max: Option<u64>,
    },
    /// The text is a language code.
    Language {
        /// Whether X lists it. If not, it is compared as it stands.
        listed: bool,
    },
    /// The text is a country code, two letters in upper case.
    Country,
    /// The ID of a Post or a conversation.
    Post {
        /// The ID.
        id: u64,
    },
    /// An annotation; what is `None` is any. At least one is given.
    Context {
        /// The domain.
        domain: Option<u64>,
        /// The entity.
        entity: Option<u64>,
    },
    /// From 1 to 100.
    Percent(u8),
    /// From 0.0 to 1.0.
    Threshold(f64),
    /// A circle on the earth.
    Circle {
        /// In degrees, east positive.
        longitude: f64,
        /// In degrees, north positive.
        latitude: f64,
        /// In kilometres, whatever the unit in the rule.
        radius_km: f64,
    },
    /// A box on the earth, in degrees. West greater than east: it crosses the antimeridian.
    Box {
        /// Its western edge.
        west: f64,
        /// Its southern edge.
        south: f64,
        /// Its eastern edge.
        east: f64,
        /// Its northern edge.
        north: f64,
    },
}

impl Term {
    /// Whether it is a bare word that holds punctuation, as `acme's`. The service takes it; it is to be evaluated as the
    /// phrase of the same text.
    #[must_use]
    pub fn is_punctuated(&self) -> bool {
        let is_bare = matches!(self.operator, Operator::Keyword | Operator::Emoji);
        is_bare && self.text.chars().any(|character| is_punctuation(character) || character == '\u{fe0f}')
    }

    /// Returns what stands in the tree for a term with an error, so that the rest can be checked.
    pub(crate) fn broken(operator: Operator, argument: Span) -> Self {
        Self { operator, value: Value::Text, text: "".into(), argument, broken: true }
    }
}

impl PartialEq for Rule {
    fn eq(&self, other: &Self) -> bool {
        // The post-order of a tree is unique.
        self.nodes == other.nodes
    }
}

impl PartialEq for Node {
    fn eq(&self, other: &Self) -> bool {
        self.kind == other.kind
    }
}

impl PartialEq for Term {
    fn eq(&self, other: &Self) -> bool {
        self.operator == other.operator && self.value == other.value && self.text == other.text
    }
}

impl Rule {
    /// A tree and the text that it was read from, which is shorter than 2^32.
    pub(crate) fn new(text: &str, nodes: Vec<Node>) -> Self {
        Self { text: text.into(), nodes }
    }

    /// The rule as it was written: what the service knows it by, and what the spans point into.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The nodes in post-order: children before their parent, the root last. Never empty.
    #[must_use]
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// The root.
    #[must_use]
    pub fn root(&self) -> NodeId {
        // A rule has fewer than 2^32 nodes, see the parser.
        #[allow(clippy::cast_possible_truncation, reason = "see above")]
        NodeId(self.nodes.len().saturating_sub(1) as u32)
    }

    /// A node.
    ///
    /// # Panics
    ///
    /// If the id is another rule's and this one is smaller.
    #[must_use]
    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.index()]
    }

    /// The leaves, in the order in which they stand.
    pub fn terms(&self) -> impl Iterator<Item = (&Term, Span)> {
        self.nodes.iter().filter_map(|node| match &node.kind {
            NodeKind::Term(term) => Some((term, node.span)),
            _ => None,
        })
    }

    /// Goes through the tree from the root, without recursion.
    #[must_use]
    pub fn walk(&self) -> Walk<'_> {
        Walk { rule: self, path: Vec::new(), next: Some(self.root()), negations_last: false }
    }

    /// The same, the negated children of each And after its others.
    #[must_use]
    pub fn walk_sorted(&self) -> Walk<'_> {
        Walk { negations_last: true, ..self.walk() }
    }
}

/// A step of a [`Walk`].
#[derive(Clone, Copy, Debug, PartialEq)]
#[allow(clippy::exhaustive_enums, reason = "a walk can do nothing else")]
pub enum Step<'a> {
    /// Down to a node; a leaf is left at once, without a step of its own.
    Enter(&'a Node),
    /// On to the next child of the node.
    Between(&'a Node),
    /// Up from an And, an Or or a Not.
    Leave(&'a Node),
}

/// The iterator of [`Rule::walk`].
#[derive(Clone, Debug)]
pub struct Walk<'a> {
    rule: &'a Rule,
    /// The nodes above, each with its children that are still to come.
    path: Vec<(&'a Node, IntoIter<NodeId>)>,
    /// To be entered next; `None`: go on from the end of `path`.
    next: Option<NodeId>,
    negations_last: bool,
}

impl<'a> Iterator for Walk<'a> {
    type Item = Step<'a>;

    fn next(&mut self) -> Option<Step<'a>> {
        if let Some(id) = self.next.take() {
            let node = self.rule.node(id);
            let mut children = node.kind.children().to_vec();
            if self.negations_last && matches!(node.kind, NodeKind::And(_)) {
                // Stable: all else stays in its order.
                children.sort_by_key(|child| matches!(self.rule.node(*child).kind, NodeKind::Not(_)));
            }
            let mut children = children.into_iter();
            self.next = children.next();
            if self.next.is_some() {
                self.path.push((node, children));
            }
            return Some(Step::Enter(node));
        }
        let (node, children) = self.path.last_mut()?;
        let node = *node;
        self.next = children.next();
        if self.next.is_some() {
            return Some(Step::Between(node));
        }
        self.path.pop();
        Some(Step::Leave(node))
    }
}

impl NodeKind {
    /// The children; none for a leaf.
    #[must_use]
    pub fn children(&self) -> &[NodeId] {
        match self {
            Self::And(children) | Self::Or(children) => children,
            Self::Not(child) => core::slice::from_ref(child),
            Self::Term(_) => &[],
        }
    }
}
