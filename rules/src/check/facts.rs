//! Properties of the nodes of a tree.
//!
//! In post-order, one forward pass derives a node's properties from its children (is it positive,
//! can it stand alone). One backward pass counts the negations around it. Nothing recurses.

use crate::ast::{Node, NodeKind, Rule, Term};

/// The properties of each node, by its index.
pub(super) struct Facts {
    /// True if the node requires something to be present, in every alternative.
    pub(super) positive: Vec<bool>,
    /// True if the node may be the whole rule on the filtered stream.
    pub(super) standalone: Vec<bool>,
    /// The number of negations around the node.
    pub(super) dashes: Vec<usize>,
}

impl Facts {
    pub(super) fn of(rule: &Rule) -> Self {
        let nodes = rule.nodes();
        let mut facts = Self {
            positive: Vec::with_capacity(nodes.len()),
            standalone: Vec::with_capacity(nodes.len()),
            dashes: vec![0; nodes.len()],
        };
        for node in nodes {
            let (positive, standalone) = match &node.kind {
                NodeKind::Term(term) => (true, term.broken || term.operator.info().standalone),
                NodeKind::Not(_) => (false, false),
                NodeKind::And(children) => (
                    children.iter().any(|child| facts.positive[child.index()]),
                    children.iter().any(|child| facts.standalone[child.index()]),
                ),
                NodeKind::Or(children) => (
                    children.iter().all(|child| facts.positive[child.index()]),
                    children.iter().all(|child| facts.standalone[child.index()]),
                ),
            };
            facts.positive.push(positive);
            facts.standalone.push(standalone);
        }
        for (index, node) in nodes.iter().enumerate().rev() {
            let dashes = facts.dashes[index] + usize::from(matches!(node.kind, NodeKind::Not(_)));
            for child in node.kind.children() {
                facts.dashes[child.index()] = dashes;
            }
        }
        facts
    }

    /// Returns the terms that are not negated, with their nodes.
    pub(super) fn positive_terms<'a>(&'a self, rule: &'a Rule) -> impl Iterator<Item = (&'a Term, &'a Node)> {
        rule.nodes().iter().zip(&self.dashes).filter(|(_, dashes)| **dashes == 0).filter_map(|(node, _)| {
            match &node.kind {
                NodeKind::Term(term) => Some((term, node)),
                _ => None,
            }
        })
    }
}
