//! Explains why a Post matches a rule, or why not, leaf by leaf.
//!
//! It evaluates one leaf after the other without an index. This is slow, but it returns where each
//! leaf was found, which a compiled set does not record.

use core::ops::Range;

use super::atom::{Atom, Buffer, Form, annotation, atoms, decimal};
use super::fold::{folded, folded_with_origins};
use super::options::MatchOptions;
use super::phrase::{find_literal, find_near, find_run};
use super::predicate::Answer;
use super::token::{Token, split};
use super::truth::Truth;
use super::view::{Domain, FieldValue, Missing, PostRole, Posts, View, bare_url, post_of};
use crate::ast::{NodeId, NodeKind, Rule, Term};
use crate::span::Span;

/// The value of a rule for a Post, and the reasons.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Evidence {
    /// The rule's value. Only [`Truth::True`] is a match.
    pub value: Truth,
    /// The leaves of the rule, in the order in which they are written.
    pub leaves: Vec<Leaf>,
    /// If the rule does not match: the fewest leaves whose values must change for it to match, as
    /// indices into `leaves`. Of several choices, the first is returned.
    ///
    /// Empty if the rule matches, or if the message is not a Post.
    pub changes: Vec<usize>,
}

/// The value of a leaf, and the reasons.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Leaf {
    /// The leaf.
    pub node: NodeId,
    /// The leaf's position in the rule, without a dash before it.
    pub span: Span,
    /// The leaf's value, without a negation before it.
    pub value: Truth,
    /// The position that made the leaf true. `None` if the leaf is false or unknown, or depends on
    /// no field.
    pub found: Option<Found>,
    /// For [`Truth::Unknown`]: the path of the field that the message lacks.
    pub missing: Option<&'static str>,
}

/// The position where a leaf was found.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Found {
    /// The Post.
    pub source: PostRole,
    /// The path of the field in the legacy format; `user` is the author.
    pub field: &'static str,
    /// The characters of the field, for words and phrases. Counted in code points of the received
    /// text, like X's `indices`. An entity such as `&amp;` counts as five.
    pub characters: Option<Range<usize>>,
}

impl Found {
    fn new(source: PostRole, field: &'static str, characters: Option<Range<usize>>) -> Self {
        Self { source, field, characters }
    }
}

/// Evaluates one rule on one message and explains its value.
///
/// Pass the JSON of a Post in either format, as for [`RuleSet::matches`](super::RuleSet::matches).
/// If the message is not a Post, the rule and every leaf are false.
///
/// ```
/// use powerstream_rules::{Profile, Rule, matcher::{MatchOptions, PostRole, Truth, evidence}};
///
/// let rule = Rule::parse("gull (terns OR lang:de) -is:retweet", Profile::Powerstream).unwrap();
/// let post = br#"{"id_str":"20","text":"One gull, two.","lang":"en"}"#;
/// let evidence = evidence(&rule, post, MatchOptions::default());
/// assert_eq!(evidence.value, Truth::False);
///
/// let found = evidence.leaves[0].found.as_ref().unwrap();
/// assert_eq!((found.source, found.field), (PostRole::Own, "text"));
/// assert_eq!(found.characters, Some(4..8));
/// // The rule would match if `terns` or `lang:de` were true. The first is returned.
/// assert_eq!(evidence.changes, [1]);
/// ```
#[must_use]
pub fn evidence(rule: &Rule, message: &[u8], options: MatchOptions) -> Evidence {
    match post_of(message) {
        Some(post) => evidence_view(rule, &View::new(&Posts::new(post)), options),
        // If the message is not a Post, even negations are false.
        None => Evidence {
            value: Truth::False,
            changes: Vec::new(),
            ..gather(rule, |_| (Answer::new(None, None), None))
        },
    }
}

/// Evaluates one rule on a text alone, as
/// [`RuleSet::matches_text`](super::RuleSet::matches_text) does.
#[must_use]
pub fn evidence_text(rule: &Rule, text: &str, options: MatchOptions) -> Evidence {
    evidence_view(rule, &View::new(&Posts::of_text(text)), options)
}

fn evidence_view(rule: &Rule, view: &View<'_>, options: MatchOptions) -> Evidence {
    let mut buffer = Buffer::default();
    gather(rule, |term| leaf(term, view, options, &mut buffer))
}

fn gather(rule: &Rule, mut leaf: impl FnMut(&Term) -> (Answer, Option<Found>)) -> Evidence {
    let mut leaves = Vec::new();
    let mut values: Vec<Truth> = Vec::with_capacity(rule.nodes().len());
    let of = |values: &[Truth], id: &NodeId| values[id.index()];
    for (index, node) in rule.nodes().iter().enumerate() {
        let value = match &node.kind {
            NodeKind::And(children) => children.iter().map(|id| of(&values, id)).fold(Truth::True, Ord::min),
            NodeKind::Or(children) => children.iter().map(|id| of(&values, id)).fold(Truth::False, Ord::max),
            NodeKind::Not(child) => !of(&values, child),
            NodeKind::Term(term) => {
                let (answer, found) = leaf(term);
                #[allow(clippy::cast_possible_truncation, reason = "a rule has fewer than 2^32 nodes")]
                let node_id = NodeId(index as u32);
                leaves.push(Leaf {
                    node: node_id,
                    span: node.span,
                    value: answer.value,
                    found,
                    missing: answer.missing,
                });
                answer.value
            }
        };
        values.push(value);
    }
    let value = values[rule.root().index()];
    let changes = if value == Truth::True { Vec::new() } else { changes(rule, &leaves) };
    Evidence { value, leaves, changes }
}

/// Returns the fewest leaves to change so that the rule matches.
///
/// Computes for each node, from the leaves up, how many changes make it true and how many make it
/// false. Then follows the cheaper choices from the root down.
fn changes(rule: &Rule, leaves: &[Leaf]) -> Vec<usize> {
    // For each node: the number of changes that make it false, and that make it true.
    let mut costs: Vec<[usize; 2]> = Vec::with_capacity(rule.nodes().len());
    let mut leaf_of: Vec<usize> = Vec::with_capacity(rule.nodes().len());
    let mut next_leaf = 0;
    let cost = |costs: &[[usize; 2]], id: NodeId, is: bool| costs[id.index()][usize::from(is)];
    for node in rule.nodes() {
        leaf_of.push(next_leaf);
        let all = |is: bool| node.kind.children().iter().map(|id| cost(&costs, *id, is)).sum();
        let one = |is: bool| node.kind.children().iter().map(|id| cost(&costs, *id, is)).min().unwrap_or(0);
        let own = match &node.kind {
            NodeKind::And(_) => [one(false), all(true)],
            NodeKind::Or(_) => [all(false), one(true)],
            NodeKind::Not(child) => [cost(&costs, *child, true), cost(&costs, *child, false)],
            NodeKind::Term(_) => {
                let value = leaves[next_leaf].value;
                next_leaf += 1;
                [usize::from(value != Truth::False), usize::from(value != Truth::True)]
            }
        };
        costs.push(own);
    }
    let mut changes = Vec::new();
    let mut wanted = vec![(rule.root(), true)];
    while let Some((id, is)) = wanted.pop() {
        if cost(&costs, id, is) == 0 {
            continue;
        }
        match &rule.node(id).kind {
            NodeKind::Term(_) => changes.push(leaf_of[id.index()]),
            NodeKind::Not(child) => wanted.push((*child, !is)),
            kind @ (NodeKind::And(children) | NodeKind::Or(children)) => {
                if matches!(kind, NodeKind::And(_)) == is {
                    wanted.extend(children.iter().map(|child| (*child, is)));
                } else {
                    let cheapest = children.iter().min_by_key(|child| cost(&costs, **child, is));
                    wanted.extend(cheapest.map(|child| (*child, is)));
                }
            }
        }
    }
    changes.sort_unstable();
    changes
}

/// Evaluates a leaf. It is true if one of its forms is true.
fn leaf(term: &Term, view: &View<'_>, options: MatchOptions, buffer: &mut Buffer) -> (Answer, Option<Found>) {
    let mut best: Option<(Answer, Option<Found>)> = None;
    atoms(term, options, buffer, &mut |atom| {
        if best.as_ref().is_none_or(|(answer, _)| answer.value < Truth::True) {
            let next = answer(atom, view);
            if best.as_ref().is_none_or(|(answer, _)| answer.value < next.0.value) {
                best = Some(next);
            }
        }
    });
    best.unwrap_or_else(|| unreachable!("a leaf has a form"))
}

/// A string that was folded and split into tokens.
struct Analyzed {
    text: String,
    origins: Vec<usize>,
    tokens: Vec<Token>,
}

impl Analyzed {
    fn new(text: &str) -> Self {
        let (text, origins) = folded_with_origins(text);
        let tokens = split(&text);
        Self { text, origins, tokens }
    }

    /// Returns the characters of the string that correspond to these bytes of the folded text.
    fn characters(&self, bytes: Range<usize>) -> Option<Range<usize>> {
        let at = |byte: usize| self.origins.get(byte).copied();
        Some(at(bytes.start)?..at(bytes.end)?)
    }

    fn tokens_at(&self, tokens: Range<usize>) -> Option<Range<usize>> {
        let (first, last) = (self.tokens.get(tokens.start)?, self.tokens.get(tokens.end.checked_sub(1)?)?);
        self.characters(first.start as usize..last.end as usize)
    }
}

fn answer(atom: Atom<'_>, view: &View<'_>) -> (Answer, Option<Found>) {
    match atom {
        Atom::Condition(Form::Predicate(predicate)) => {
            let answer = predicate.answer(view);
            (answer, answer.found.map(|(source, field)| Found::new(source, field, None)))
        }
        Atom::Key { domain, key } if !domain.has_tokens() => whole(domain, key, view),
        Atom::Key { domain, key } => search(domain, view, |_, analysed| {
            let token = analysed.tokens.iter().find(|token| token.of(&analysed.text) == key)?;
            analysed.characters(token.start as usize..token.end as usize)
        }),
        Atom::Condition(Form::Run { domain, text, tokens }) => search(domain, view, |_, analysed| {
            let is = |token: &Token, index: usize| {
                tokens.get(index).is_some_and(|wanted| wanted.of(text) == token.of(&analysed.text))
            };
            let start = find_run(&analysed.tokens, tokens.len(), is)?;
            analysed.tokens_at(start..start + tokens.len())
        }),
        Atom::Condition(Form::Near { text, tokens, distance }) => {
            search(Domain::Words, view, |field, analysed| {
                if field != "text" {
                    return None;
                }
                let is = |token: &Token, index: usize| {
                    tokens.get(index).is_some_and(|wanted| wanted.of(text) == token.of(&analysed.text))
                };
                analysed.tokens_at(find_near(&analysed.tokens, tokens.len(), distance, is)?)
            })
        }
        Atom::Condition(Form::Literal { text, tokens }) => search(Domain::Words, view, |_, analysed| {
            analysed.characters(find_literal(&analysed.text, &analysed.tokens, 0, text, tokens)?)
        }),
        Atom::Condition(Form::Substring { domain, text }) => search(domain, view, |_, analysed| {
            let start = analysed.text.find(text)?;
            analysed.characters(start..start + text.len())
        }),
    }
}

/// Searches the strings of a domain, and stops at the first that matches.
fn search(
    domain: Domain,
    view: &View<'_>,
    find: impl Fn(&'static str, &Analyzed) -> Option<Range<usize>>,
) -> (Answer, Option<Found>) {
    let mut buffer = String::new();
    let mut found = None;
    let missing = view.visit(domain, &mut |source, field, text| {
        if found.is_some() {
            return;
        }
        let readable = domain.cut(text.read(&mut buffer));
        if let Some(characters) = find(field, &Analyzed::new(readable)) {
            found = Some(Found::new(source, field, Some(text.received(characters))));
        }
    });
    answer_of(found, missing)
}

/// Compares each string of a domain as a whole.
fn whole(domain: Domain, key: &str, view: &View<'_>) -> (Answer, Option<Found>) {
    let mut buffer = String::new();
    let mut found = None;
    let missing = view.visit(domain, &mut |source, field, text| {
        let is = match text {
            FieldValue::Id(id) => decimal(id, &mut buffer) == key,
            FieldValue::Annotation(domain, entity) => {
                [(domain, entity), (domain, None), (None, entity)].into_iter().any(|(domain, entity)| {
                    (domain.is_some() || entity.is_some()) && annotation(domain, entity, &mut buffer) == key
                })
            }
            _ => {
                let text = folded(text.read(&mut buffer));
                key == if domain == Domain::SourceUrl { bare_url(&text) } else { &text }
            }
        };
        if is && found.is_none() {
            found = Some(Found::new(source, field, None));
        }
    });
    answer_of(found, missing)
}

fn answer_of(found: Option<Found>, missing: Missing) -> (Answer, Option<Found>) {
    (Answer::new(found.as_ref().map(|found| (found.source, found.field)), missing), found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check;
    use crate::profile::Profile;

    #[test]
    fn a_rule_that_does_not_match_names_the_fewest_leaves_to_change() {
        for (rule, want) in [
            ("gull -skua", &[][..]),
            ("skua", &[0]),
            ("-gull", &[0]),
            ("gull skua -tern", &[1, 2]),
            ("skua OR auk", &[0]),
            ("(skua auk) OR puffin", &[2]),
            ("skua OR (auk gull)", &[0]),
            ("gull -(skua OR tern OR sea)", &[2, 3]),
            ("-(gull tern)", &[0]),
            ("gull -(tern (sea OR skua))", &[1]),
            ("gull embedding:\"birds\"", &[1]),
            ("gull -embedding:\"birds\"", &[1]),
        ] {
            let tree = check(rule, Profile::FilteredStreamEmbedding).rule.unwrap();
            let evidence = evidence_text(&tree, "gull, tern and sea", MatchOptions::default());
            assert_eq!(evidence.changes, want, "{rule}");
        }
    }
}
