//! The syntax tree of a rule.
//!
//! All nodes are in one vector in post-order: children before their parent, the root last.
//! Therefore no operation on the tree recurses, not even its destructor, and deeply nested rules
//! need no stack. To evaluate a rule, visit the nodes once from first to last.
//!
//! ```text
//!   apple OR iphone -ipad        [ apple, iphone, ipad, Not(2), And(1, 3), Or(0, 4) ]
//! ```
//!
//! The tree has no group nodes: `(a b) c` and `a b c` give the same tree. An `And` has no `And`
//! children, an `Or` has no `Or` children, and both have at least two children. Two rules are equal
//! if their trees are, regardless of spelling and positions.

use std::sync::Arc;
use std::vec::IntoIter;

use crate::characters::is_punctuation;
use crate::operator::Operator;
use crate::span::Span;

/// A parsed rule.
#[derive(Clone, Debug)]
pub struct Rule {
    /// The original text, shared with the sets that contain the rule.
    pub(crate) text: Arc<str>,
    pub(crate) nodes: Vec<Node>,
}

/// The position of a node in its rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub(crate) u32);

impl NodeId {
    /// Returns the index of the node in [`Rule::nodes`].
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// A node of the tree. Comparison ignores the span.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Node {
    /// What the node is.
    pub kind: NodeKind,
    /// The node's text. If a pair of parentheses encloses exactly this node, it is included.
    pub span: Span,
}

/// The kind of a node.
#[derive(Clone, Debug, PartialEq)]
#[allow(clippy::exhaustive_enums, reason = "an evaluator must handle every kind")]
pub enum NodeKind {
    /// True if all children are true. Has at least two children.
    And(Vec<NodeId>),
    /// True if any child is true. Has at least two children.
    Or(Vec<NodeId>),
    /// True if the child is false. The service accepts a double negation as a single one.
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
    /// The argument as text, without quotes, escapes, brackets, `#`, `@` or `$`. Language and
    /// country codes are spelled as X spells them; everything else is as written. Empty for flags.
    pub text: Box<str>,
    /// The argument's span, including its quotes or brackets. Empty for flags.
    pub argument: Span,
    /// The term has an error. It is in the tree only so that the rest of the rule can be checked.
    pub(crate) broken: bool,
}

/// The typed argument of a term. In these descriptions, "the text" is [`Term::text`].
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Value {
    /// No argument: the operator is a flag.
    Flag,
    /// The text is the whole argument.
    Text,
    /// A number after `contains:`. It is matched as text, as written.
    Number,
    /// The words of the text, at most `distance` apart.
    Proximity {
        /// The maximum distance, from 1 to 6.
        distance: u8,
    },
    /// The text is a user name. If it consists of digits, it may also be a user ID.
    User {
        /// The user ID, if the text can be one.
        id: Option<u64>,
    },
    /// A range of counts; both ends are included.
    Count {
        /// The minimum.
        min: u64,
        /// The maximum, if there is one.
        max: Option<u64>,
    },
    /// The text is a language code.
    Language {
        /// True if X lists the code. An unlisted code is compared as written.
        listed: bool,
    },
    /// The text is a country code: two upper-case letters.
    Country,
    /// The ID of a Post or a conversation.
    Post {
        /// The ID.
        id: u64,
    },
    /// An annotation. At least one of the two is `Some`; `None` matches any.
    Context {
        /// The domain ID.
        domain: Option<u64>,
        /// The entity ID.
        entity: Option<u64>,
    },
    /// A percentage from 1 to 100.
    Percent(u8),
    /// A threshold from 0.0 to 1.0.
    Threshold(f64),
    /// A circle on the Earth.
    Circle {
        /// Longitude in degrees, east positive.
        longitude: f64,
        /// Latitude in degrees, north positive.
        latitude: f64,
        /// Radius in kilometers, converted from the rule's unit.
        radius_km: f64,
    },
    /// A box on the Earth, in degrees. If `west` is greater than `east`, it crosses the
    /// antimeridian.
    Box {
        /// The western edge.
        west: f64,
        /// The southern edge.
        south: f64,
        /// The eastern edge.
        east: f64,
        /// The northern edge.
        north: f64,
    },
}

impl Term {
    /// Returns true for a bare word that contains punctuation, such as `acme's`. The service
    /// accepts it; evaluate it as the phrase of the same text.
    #[must_use]
    pub fn is_punctuated(&self) -> bool {
        let is_bare = matches!(self.operator, Operator::Keyword | Operator::Emoji);
        is_bare && self.text.chars().any(|character| is_punctuation(character) || character == '\u{fe0f}')
    }

    /// Creates a placeholder for a term with an error, so that the rest of the rule can be checked.
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
    /// Creates a rule from its tree and its text, which must be shorter than 2^32 bytes.
    pub(crate) fn new(text: &str, nodes: Vec<Node>) -> Self {
        Self { text: text.into(), nodes }
    }

    /// Returns the rule as written. The service identifies a rule by this text, and the spans refer
    /// to it.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Returns the nodes in post-order: children before their parent, the root last. Never empty.
    #[must_use]
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// Returns the ID of the root.
    #[must_use]
    pub fn root(&self) -> NodeId {
        // A rule has fewer than 2^32 nodes, see the parser.
        #[allow(clippy::cast_possible_truncation, reason = "see above")]
        NodeId(self.nodes.len().saturating_sub(1) as u32)
    }

    /// Returns a node.
    ///
    /// # Panics
    ///
    /// May panic if `id` belongs to another rule.
    #[must_use]
    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.index()]
    }

    /// Returns the leaves with their spans, in the order in which they are written.
    pub fn terms(&self) -> impl Iterator<Item = (&Term, Span)> {
        self.nodes.iter().filter_map(|node| match &node.kind {
            NodeKind::Term(term) => Some((term, node.span)),
            _ => None,
        })
    }

    /// Traverses the tree from the root, without recursion.
    #[must_use]
    pub fn walk(&self) -> Walk<'_> {
        Walk { rule: self, path: Vec::new(), next: Some(self.root()), negations_last: false }
    }

    /// Traverses the tree like [`walk`](Self::walk), but visits the negated children of each And
    /// last.
    #[must_use]
    pub fn walk_sorted(&self) -> Walk<'_> {
        Walk { negations_last: true, ..self.walk() }
    }
}

/// A step of a [`Walk`].
#[derive(Clone, Copy, Debug, PartialEq)]
#[allow(clippy::exhaustive_enums, reason = "there are no other steps")]
pub enum Step<'a> {
    /// Enters a node. A leaf gets no `Leave` step.
    Enter(&'a Node),
    /// Moves on to the next child of the node.
    Between(&'a Node),
    /// Leaves an And, an Or or a Not.
    Leave(&'a Node),
}

/// The iterator returned by [`Rule::walk`].
#[derive(Clone, Debug)]
pub struct Walk<'a> {
    rule: &'a Rule,
    /// The ancestors of the current node, each with its remaining children.
    path: Vec<(&'a Node, IntoIter<NodeId>)>,
    /// The node to enter next; `None` to continue from the end of `path`.
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
                // A stable sort: the order of the other children stays.
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
    /// Returns the node's children; none for a leaf.
    #[must_use]
    pub fn children(&self) -> &[NodeId] {
        match self {
            Self::And(children) | Self::Or(children) => children,
            Self::Not(child) => core::slice::from_ref(child),
            Self::Term(_) => &[],
        }
    }
}
