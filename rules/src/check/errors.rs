//! Errors that require the whole tree.

use super::facts::Facts;
use super::stop_words::is_stop_word;
use crate::ast::{Node, NodeKind, Rule, Value};
use crate::findings::Findings;
use crate::issue::Issue;
use crate::operator::{Negation, Operator};
use crate::profile::Profile;
use crate::span::Span;

/// Reports the errors of the whole rule.
pub(super) fn report(rule: &Rule, facts: &Facts, profile: Profile, findings: &mut Findings<'_>) {
    negative(rule, facts, findings);
    stop_words(rule, facts, findings);
    dashes(rule, facts, findings);
    sample(rule, facts, findings);
    if profile.is_filtered_stream() {
        conjunction(rule, facts, findings);
    }
}

/// Reports a rule, and each alternative of an OR, without a positive term.
fn negative(rule: &Rule, facts: &Facts, findings: &mut Findings<'_>) {
    let whole = rule.node(rule.root());
    let nothing = facts.positive_terms(rule).next().is_none();
    // For a rule without any positive term, the service sends both messages, once.
    let mut also_stop_words = nothing;
    let mut push = |node: &Node, is_branch: bool| {
        findings.push(Issue::NothingPositive { is_branch, also_stop_words }, node.span);
        also_stop_words = false;
    };
    if nothing && !matches!(whole.kind, NodeKind::Or(_)) {
        push(whole, false);
    }
    for node in rule.nodes() {
        let NodeKind::Or(branches) = &node.kind else { continue };
        for branch in branches.iter().filter(|branch| !facts.positive[branch.index()]) {
            let branch = rule.node(*branch);
            if !matches!(branch.kind, NodeKind::Or(_)) {
                push(branch, true);
            }
        }
    }
}

fn stop_words(rule: &Rule, facts: &Facts, findings: &mut Findings<'_>) {
    let mut terms = facts.positive_terms(rule).map(|(term, _)| term).peekable();
    let any = terms.peek().is_some();
    if any && terms.all(|term| term.operator == Operator::Keyword && is_stop_word(&term.text)) {
        findings.push(Issue::OnlyStopWords, rule.node(rule.root()).span);
    }
}

/// Reports operators that must be negated and are not, and those that must not be and are.
fn dashes(rule: &Rule, facts: &Facts, findings: &mut Findings<'_>) {
    for (node, dashes) in rule.nodes().iter().zip(&facts.dashes) {
        let NodeKind::Term(term) = &node.kind else { continue };
        let operator = term.operator;
        match operator.info().negation {
            Negation::Required if dashes % 2 == 0 => {
                findings.push(Issue::MustBeNegated(operator), node.span);
            }
            Negation::Refused if *dashes > 0 => {
                let percent = if let Value::Percent(percent) = term.value { Some(percent) } else { None };
                findings.push(Issue::CannotBeNegated { operator, percent }, node.span);
            }
            _ => {}
        }
    }
}

fn sample(rule: &Rule, facts: &Facts, findings: &mut Findings<'_>) {
    if !matches!(rule.node(rule.root()).kind, NodeKind::Or(_)) {
        return;
    }
    for (term, node) in facts.positive_terms(rule).filter(|(term, _)| term.operator == Operator::Sample) {
        let percent = if term.broken { Span::default() } else { term.argument };
        findings.push(Issue::SampleInOr { percent }, node.span);
    }
}

fn conjunction(rule: &Rule, facts: &Facts, findings: &mut Findings<'_>) {
    let mut terms = facts.positive_terms(rule).peekable();
    let Some((_, first)) = terms.peek().copied() else { return };
    if !terms.any(|(term, _)| term.broken || term.operator.info().standalone) {
        findings.push(Issue::NothingStandalone, first.span);
    }
}
