//! Explains why rules match a Post or not, for programs and for people.

use powerstream_rules::matcher::{Evidence, Leaf, MatchOptions, PostRole, Truth, evidence};
use powerstream_rules::{NodeId, NodeKind, Rule};

use super::matched::Matched;
use crate::json::Line;
use crate::rules::render::shown;

/// Adds the evidence of every rule to a Post's line.
pub(super) fn line(line: Line, post: &[u8], rules: &[Matched], options: MatchOptions) -> Line {
    let rules = rules.iter().map(|rule| {
        let Evidence { value, leaves, changes, .. } = evidence(&rule.rule, post, options);
        let terms = leaves.iter().map(|leaf| {
            let found = leaf.found.as_ref();
            let characters = found.and_then(|found| found.characters.clone());
            Line::object()
                .text("term", leaf.span.of(&rule.entry.value))
                .flag_or_null("value", known(leaf.value))
                .text_or_null("post", found.map(|found| place(found.source)))
                .text_or_null("field", found.map(|found| found.field))
                .number_or_null("start", characters.as_ref().map(|range| range.start as u64))
                .number_or_null("end", characters.as_ref().map(|range| range.end as u64))
                .text_or_null("missing", leaf.missing)
        });
        let changes = changes.iter().map(|index| {
            let leaf = &leaves[*index];
            Line::object()
                .text("term", leaf.span.of(&rule.entry.value))
                .flag("value", wanted(leaf, &rule.rule))
        });
        rule.line().flag_or_null("matches", known(value)).objects("terms", terms).objects("changes", changes)
    });
    line.objects("rules", rules)
}

/// Writes the evidence of every rule, line by line.
pub(super) fn words(post: &[u8], rules: &[Matched], options: MatchOptions) -> String {
    let mut out = String::new();
    for rule in rules {
        let Evidence { value, leaves, changes, .. } = evidence(&rule.rule, post, options);
        let verdict = match value {
            Truth::True => "matches",
            Truth::False => "does not match",
            Truth::Unknown => "unknown",
        };
        out += &format!("  {}: {verdict}\n", shown(&rule.entry.value));
        for leaf in &leaves {
            let (answer, why) = match leaf.value {
                Truth::True => ("yes", found(leaf)),
                Truth::False => ("no", String::new()),
                Truth::Unknown => {
                    ("?", format!("  the Post would have to contain {}", leaf.missing.unwrap_or("it")))
                }
            };
            out += &format!("    {answer:<3} {}{why}\n", shown(leaf.span.of(&rule.entry.value)));
        }
        let changes: Vec<String> = changes
            .iter()
            .map(|index| {
                let leaf = &leaves[*index];
                let had = if wanted(leaf, &rule.rule) { "were true" } else { "were false" };
                format!("{} {had}", shown(leaf.span.of(&rule.entry.value)))
            })
            .collect();
        if !changes.is_empty() {
            out += &format!("    it would match if {}\n", changes.join(" and "));
        }
    }
    out
}

fn found(leaf: &Leaf) -> String {
    let Some(found) = &leaf.found else { return String::new() };
    let mut out = format!("  in {}", found.field);
    match found.source {
        PostRole::Own => {}
        other => out += &format!(" of the {} Post", place(other)),
    }
    if let Some(characters) = &found.characters {
        out += &format!(", characters {} to {}", characters.start + 1, characters.end);
    }
    out
}

/// Returns the value that a leaf would need: the opposite of its value. An unknown leaf needs what
/// its negations require.
fn wanted(leaf: &Leaf, rule: &Rule) -> bool {
    known(leaf.value).map_or_else(|| !is_negated(leaf.node, rule), |value| !value)
}

/// Returns true if a node is under an odd number of negations.
fn is_negated(node: NodeId, rule: &Rule) -> bool {
    let mut at = node.index();
    let mut negated = false;
    // Parents follow their children.
    for (index, parent) in rule.nodes().iter().enumerate().skip(at + 1) {
        if parent.kind.children().iter().any(|child| child.index() == at) {
            negated ^= matches!(parent.kind, NodeKind::Not(_));
            at = index;
        }
    }
    negated
}

const fn known(value: Truth) -> Option<bool> {
    match value {
        Truth::True => Some(true),
        Truth::False => Some(false),
        Truth::Unknown => None,
    }
}

/// Returns a short name of the Post.
const fn place(source: PostRole) -> &'static str {
    match source {
        PostRole::Own => "own",
        PostRole::Quoted => "quoted",
        PostRole::Retweeted => "retweeted",
        PostRole::RetweetedQuoted => "retweeted quoted",
        _ => "other",
    }
}
