//! Legal, and probably not what was meant.

use super::{Facts, is_stop_word};
use crate::ast::{Node, NodeKind, Rule, Term};
use crate::characters::{LOOK_ALIKES, is_unsegmented};
use crate::diagnostic::{Code, Finding, Findings, quoted};
use crate::operator::Operator;
use crate::profile::Profile;
use crate::span::Span;

/// The longest single term of PowerTrack 1.0; later limits are on the rule only.
const TERM_CHARACTERS_MAX: usize = 128;

pub(super) fn warn(rule: &Rule, facts: &Facts, profile: Profile, findings: &mut Findings) {
    for (index, node) in rule.nodes().iter().enumerate() {
        let NodeKind::Term(term) = &node.kind else { continue };
        if term.broken {
            continue;
        }
        long(term, node.span, findings);
        match term.operator {
            Operator::Keyword => {
                keyword(term, node.span, findings);
                // Alone they are an error.
                let alone = findings.any(Code::StopWords);
                if facts.dashes[index] == 0 && !alone && is_stop_word(&term.text) {
                    findings.push(
                        Finding::new(
                            Code::StopWord,
                            node.span,
                            format!("{} is a stop word, and hardly narrows the rule", quoted(&term.text)),
                        )
                        .help("leave it out, or quote it together with its neighbours"),
                    );
                }
            }
            Operator::Emoji if term.is_punctuated() => punctuated(term, node.span, findings),
            Operator::Phrase => look_alike(term, node.span, findings),
            Operator::Hashtag if term.text.chars().all(char::is_numeric) => findings.push(
                Finding::new(
                    Code::NumericTag,
                    node.span,
                    format!("X takes #{} for no hashtag, since it is a number", quoted(&term.text)),
                )
                .help(format!("write \"#{}\" to find the text", quoted(&term.text))),
            ),
            _ => {}
        }
    }
    broad(rule, facts, profile, findings);
    if profile.is_filtered_stream() && !findings.any(Code::Conjunction) && !findings.any(Code::Negative) {
        branches(rule, facts, findings);
    }
}

fn long(term: &Term, span: Span, findings: &mut Findings) {
    let length = term.text.chars().count();
    if length > TERM_CHARACTERS_MAX {
        findings.push(
            Finding::new(
                Code::LongTerm,
                span,
                format!(
                    "this term has {length} characters, and over {TERM_CHARACTERS_MAX} were refused once"
                ),
            )
            .help("write a shorter one"),
        );
    }
}

fn keyword(term: &Term, span: Span, findings: &mut Findings) {
    if term.text.contains(is_unsegmented) {
        findings.push(
            Finding::new(
                Code::Segmentation,
                span,
                format!("{} is found only where blanks or punctuation set it off", quoted(&term.text)),
            )
            .help(format!("write contains:{}, which looks inside sentences", quoted(&term.text))),
        );
    }
    if term.is_punctuated() {
        punctuated(term, span, findings);
    }
}

fn punctuated(term: &Term, span: Span, findings: &mut Findings) {
    let text = quoted(&term.text);
    findings.push(
        Finding::new(Code::Punctuation, span, format!("{text} holds punctuation, and is read as a phrase"))
            .help(format!("write \"{text}\"")),
    );
}

fn look_alike(term: &Term, span: Span, findings: &mut Findings) {
    for (family, members) in LOOK_ALIKES {
        let Some(found) = term.text.chars().find(|character| members.contains(character)) else { continue };
        let mut others = String::new();
        for other in members.iter().filter(|member| **member != found).take(3) {
            others += if others.is_empty() { "" } else { ", " };
            others.push(*other);
        }
        findings.push(
            Finding::new(
                Code::LookAlike,
                span,
                format!("a phrase with this {family}, {found}, does not match those that look like it"),
            )
            .help(format!("write alternatives with the others too: {others}")),
        );
    }
}

/// The guide's warning of rules that match a massive volume of Posts (Filtered Stream: Build a rule).
fn broad(rule: &Rule, facts: &Facts, profile: Profile, findings: &mut Findings) {
    const HELP: &str = "add terms that narrow it, as lang:en or -is:retweet";
    let root = rule.node(rule.root());
    if let NodeKind::Term(term) = &root.kind {
        if matches!(term.operator, Operator::Keyword | Operator::Emoji | Operator::Hashtag) {
            if !term.broken && !findings.any(Code::StopWords) {
                let what =
                    if term.operator == Operator::Hashtag { "a single hashtag" } else { "a single keyword" };
                findings.push(
                    Finding::new(Code::Broad, root.span, format!("{what} matches a massive volume of Posts"))
                        .help(HELP),
                );
            }
            return;
        }
    }
    // The filtered streams refuse these.
    let mut any = false;
    let narrow = |(term, _): (&Term, &Node)| term.broken || (term.operator.info().standalone);
    for term in facts.positive_terms(rule) {
        if narrow(term) {
            return;
        }
        any = true;
    }
    if any && !profile.is_filtered_stream() {
        findings.push(
            Finding::new(
                Code::Broad,
                root.span,
                "flags, languages and samples alone match a massive volume of Posts",
            )
            .help("add a term that narrows it, as a keyword or from:"),
        );
    }
}

/// Alternatives that nothing but flags and the like carry.
fn branches(rule: &Rule, facts: &Facts, findings: &mut Findings) {
    // Nodes that nothing beside them or above them carries, by index; parents come last.
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
                        findings.push(
                            Finding::new(
                                Code::Branch,
                                rule.node(*branch).span,
                                "no term of this alternative may stand alone on the filtered stream",
                            )
                            .help("add a standalone operator to it, as a keyword or from:"),
                        );
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
