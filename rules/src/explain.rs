//! Explains a rule in English.
//!
//! The explanation has two forms: one line with every implied parenthesis ("evaluated as" in X's
//! guide), and a list with a sentence for each term. Both are meant for people, so characters that
//! could disturb a terminal are escaped.

use core::fmt::Write;

use crate::ast::{Node, NodeKind, Rule, Step, Term, Value};
use crate::display::show;
use crate::format::write_term;
use crate::operator::{Kind, Sources};
use crate::profile::Profile;

/// The explanation of a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Explanation {
    /// The rule on one line, with AND, OR and NOT, and parentheses around everything that is
    /// evaluated together.
    pub order: String,
    /// The rule as an indented list, without a line end after the last line.
    pub words: String,
}

/// The maximum indentation. Without it, the text would grow with the square of the depth.
const INDENTS_MAX: usize = 12;

impl Rule {
    /// Explains which Posts the rule matches.
    ///
    /// ```
    /// use powerstream_rules::{Profile, Rule};
    ///
    /// let profile = Profile::Powerstream;
    /// let rule = Rule::parse("apple OR iphone -is:retweet", profile).unwrap();
    /// let explanation = rule.explain(profile);
    /// assert_eq!(explanation.order, "apple OR (iphone AND NOT is:retweet)");
    /// assert_eq!(explanation.words, "\
    /// A Post matches if any of these is true:
    ///   - it has the word “apple”
    ///   - all of these are true:
    ///     - it has the word “iphone”
    ///     - NOT: it is a Retweet");
    /// ```
    #[must_use]
    pub fn explain(&self, profile: Profile) -> Explanation {
        Explanation { order: order(self, profile), words: words(self) }
    }
}

fn order(rule: &Rule, profile: Profile) -> String {
    let mut out = String::new();
    let mut path: Vec<&Node> = Vec::new();
    // ANDs and ORs get parentheses, except at the root.
    let bracketed = |path: &[&Node], node: &Node| {
        !path.is_empty() && matches!(node.kind, NodeKind::And(_) | NodeKind::Or(_))
    };
    for step in rule.walk() {
        match step {
            Step::Enter(node) => {
                if bracketed(&path, node) {
                    out.push('(');
                }
                match &node.kind {
                    NodeKind::Term(term) => {
                        let mut written = String::new();
                        write_term(term, profile, &mut written);
                        written.chars().for_each(|character| show(character, &mut out));
                    }
                    NodeKind::Not(_) => out.push_str("NOT "),
                    NodeKind::And(_) | NodeKind::Or(_) => {}
                }
                if !node.kind.children().is_empty() {
                    path.push(node);
                }
            }
            Step::Between(node) => {
                out.push_str(if matches!(node.kind, NodeKind::Or(_)) { " OR " } else { " AND " });
            }
            Step::Leave(node) => {
                path.pop();
                if bracketed(&path, node) {
                    out.push(')');
                }
            }
        }
    }
    out
}

fn words(rule: &Rule) -> String {
    let mut out = String::from("A Post matches if ");
    let mut indents = 0_usize;
    // True if the line already has its dash and indentation, or is the first line.
    let mut begun = true;
    for step in rule.walk() {
        match step {
            Step::Enter(node) => {
                if !begun {
                    out.push('\n');
                    (0..indents.min(INDENTS_MAX)).for_each(|_| out.push_str("  "));
                    out.push_str("- ");
                }
                begun = false;
                match &node.kind {
                    NodeKind::Term(term) => clause(term, &mut out),
                    NodeKind::Not(_) => {
                        out.push_str("NOT: ");
                        begun = true;
                    }
                    NodeKind::And(_) | NodeKind::Or(_) => {
                        let all = matches!(node.kind, NodeKind::And(_));
                        out.push_str(if all { "all of these are true:" } else { "any of these is true:" });
                        indents += 1;
                    }
                }
            }
            Step::Between(_) => {}
            Step::Leave(node) => {
                if !matches!(node.kind, NodeKind::Not(_)) {
                    indents = indents.saturating_sub(1);
                }
            }
        }
    }
    out
}

/// Writes the clause of the operator table with the argument inserted.
fn clause(term: &Term, out: &mut String) {
    let info = term.operator.info();
    let (before, after) = info.clause.split_once("{}").unwrap_or((info.clause, ""));
    out.push_str(before);
    // Writing to a String cannot fail.
    let _ = match term.value {
        Value::Count { min, max: Some(max) } => write!(out, "from {min} to {max}"),
        Value::Count { min, max: None } if info.kind == Kind::Range => write!(out, "at least {min}"),
        _ => {
            term.text.chars().for_each(|character| show(character, out));
            Ok(())
        }
    };
    out.push_str(after);
    if let Value::Proximity { distance } = term.value {
        let _ = write!(out, " with at most {distance} words between them");
    }
    if info.sources == Sources::OuterNoRetweets {
        out.push_str(", and it is not a Retweet");
    }
}
