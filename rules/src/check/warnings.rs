//! Warnings: valid constructs that are probably not what was meant.

use super::facts::Facts;
use super::stop_words::is_stop_word;
use crate::ast::{Node, NodeKind, Rule, Term};
use crate::characters::{LOOK_ALIKES, is_unsegmented};
use crate::diagnostic::Code;
use crate::findings::Findings;
use crate::issue::Issue;
use crate::operator::Operator;
use crate::profile::Profile;
use crate::span::Span;

/// The maximum length of a term in PowerTrack 1.0. Later products limit only the whole rule.
const TERM_CHARACTERS_MAX: usize = 128;

/// Reports the warnings of a rule.
pub(super) fn report(rule: &Rule, facts: &Facts, profile: Profile, findings: &mut Findings<'_>) {
    for (index, node) in rule.nodes().iter().enumerate() {
        let NodeKind::Term(term) = &node.kind else { continue };
        if term.broken {
            continue;
        }
        long(term, node.span, findings);
        match term.operator {
            Operator::Keyword => {
                keyword(term, node.span, findings);
                // A rule of stop words alone is an error, reported elsewhere.
                let alone = findings.any(Code::StopWords);
                if facts.dashes[index] == 0 && !alone && is_stop_word(&term.text) {
                    findings.push(Issue::StopWord(term.argument), node.span);
                }
            }
            Operator::Emoji if term.is_punctuated() => {
                findings.push(Issue::Punctuated(term.argument), node.span);
            }
            Operator::Phrase => look_alike(term, node.span, findings),
            Operator::Hashtag if term.text.chars().all(char::is_numeric) => {
                // The name without the `#`.
                let name = Span::new(term.argument.start + 1, term.argument.end);
                findings.push(Issue::NumericTag(name), node.span);
            }
            _ => {}
        }
    }
    broad(rule, facts, profile, findings);
    if profile.is_filtered_stream() && !findings.any(Code::Conjunction) && !findings.any(Code::Negative) {
        branches(rule, facts, findings);
    }
}

fn long(term: &Term, span: Span, findings: &mut Findings<'_>) {
    let characters = term.text.chars().count();
    if characters > TERM_CHARACTERS_MAX {
        findings.push(Issue::LongTerm { characters, max: TERM_CHARACTERS_MAX }, span);
    }
}

fn keyword(term: &Term, span: Span, findings: &mut Findings<'_>) {
    if term.text.contains(is_unsegmented) {
        findings.push(Issue::Unsegmented(term.argument), span);
    }
    if term.is_punctuated() {
        findings.push(Issue::Punctuated(term.argument), span);
    }
}

fn look_alike(term: &Term, span: Span, findings: &mut Findings<'_>) {
    for (family, members) in LOOK_ALIKES {
        if let Some(found) = term.text.chars().find(|character| members.contains(character)) {
            findings.push(Issue::LookAlike { family, members, found }, span);
        }
    }
}

/// Warns of a rule that matches a massive volume of Posts (Filtered Stream: Build a rule).
fn broad(rule: &Rule, facts: &Facts, profile: Profile, findings: &mut Findings<'_>) {
    let root = rule.node(rule.root());
    if let NodeKind::Term(term) = &root.kind {
        if matches!(term.operator, Operator::Keyword | Operator::Emoji | Operator::Hashtag) {
            if !term.broken && !findings.any(Code::StopWords) {
                let is_hashtag = term.operator == Operator::Hashtag;
                let issue = if is_hashtag { Issue::SingleHashtag } else { Issue::SingleKeyword };
                findings.push(issue, root.span);
            }
            return;
        }
    }
    // On the filtered streams these are errors, reported elsewhere.
    let mut any = false;
    let narrow = |(term, _): (&Term, &Node)| term.broken || (term.operator.info().standalone);
    for term in facts.positive_terms(rule) {
        if narrow(term) {
            return;
        }
        any = true;
    }
    if any && !profile.is_filtered_stream() {
        findings.push(Issue::NothingNarrow, root.span);
    }
}

/// Warns of alternatives that contain only operators that cannot stand alone.
fn branches(rule: &Rule, facts: &Facts, findings: &mut Findings<'_>) {
    // True for a node if no sibling or ancestor contains a standalone operator. Indexed by node,
    // parents last.
    let mut bare = vec![false; rule.nodes().len()];
    if let Some(root) = bare.last_mut() {
        *root = true;
    }
    for (index, node) in rule.nodes().iter().enumerate().rev() {
        if !bare[index] {
            continue;
        }
        match &node.kind {
            NodeKind::Or(branches) => {
                for branch in branches.iter().filter(|branch| !facts.standalone[branch.index()]) {
                    let inner = matches!(&rule.node(*branch).kind, NodeKind::And(children)
                        if children.iter().any(|child| matches!(rule.node(*child).kind, NodeKind::Or(_))));
                    bare[branch.index()] = inner;
                    if !inner {
                        findings.push(Issue::NothingStandaloneInBranch, rule.node(*branch).span);
                    }
                }
            }
            NodeKind::And(children) if !facts.standalone[index] => {
                for child in children {
                    bare[child.index()] = true;
                }
            }
            _ => {}
        }
    }
}
