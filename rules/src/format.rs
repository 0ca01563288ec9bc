//! The canonical form: a single way to write each tree.
//!
//! The form has one blank between terms, ` OR ` between alternatives, straight quotes, and
//! parentheses only where the tree requires them. Operator names are lower-case and as the
//! product's page writes them. An argument is quoted exactly if it is not a single word without
//! punctuation. Numbers stay as written. Parsing the result gives the same tree; formatting it
//! again gives the same text.
//!
//! The service identifies a rule by its exact text: to the service, a reformatted rule is a
//! different rule.

use crate::ast::{Node, NodeKind, Rule, Step, Term, Value};
use crate::characters::{continues_word, is_punctuation};
use crate::operator::Kind;
use crate::profile::Profile;

/// Options that change the canonical form.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[allow(clippy::exhaustive_structs, reason = "written as a literal, with `..` for the defaults")]
pub struct FormatOptions {
    /// Write parentheses around each AND inside an OR, although the order of evaluation implies
    /// them.
    pub explicit: bool,
    /// Write negated terms after the others. This reorders the tree, but matches the same Posts.
    pub sort: bool,
}

impl Rule {
    /// Returns the rule in canonical form.
    ///
    /// ```
    /// use powerstream_rules::{FormatOptions, Profile, Rule};
    ///
    /// let profile = Profile::Powerstream;
    /// let text = r#"( FROM:harbour_news   bio:"gulls" ) OR ("sea gull" -(is:retweet))"#;
    /// let rule = Rule::parse(text, profile).unwrap();
    /// let canonical = r#"from:harbour_news bio:gulls OR "sea gull" -is:retweet"#;
    /// assert_eq!(rule.format(profile), canonical);
    ///
    /// let options = FormatOptions { explicit: true, ..FormatOptions::default() };
    /// assert_eq!(
    ///     rule.format_with(profile, options),
    ///     r#"(from:harbour_news bio:gulls) OR ("sea gull" -is:retweet)"#
    /// );
    /// ```
    #[must_use]
    pub fn format(&self, profile: Profile) -> String {
        self.format_with(profile, FormatOptions::default())
    }

    /// Returns the rule in the canonical form, changed by `options`.
    #[must_use]
    pub fn format_with(&self, profile: Profile, options: FormatOptions) -> String {
        let mut out = String::new();
        let mut path: Vec<&Node> = Vec::new();
        for step in if options.sort { self.walk_sorted() } else { self.walk() } {
            match step {
                Step::Enter(node) => {
                    if needs_parentheses(path.last().map(|node| &node.kind), &node.kind, options.explicit) {
                        out.push('(');
                    }
                    match &node.kind {
                        NodeKind::Term(term) => write_term(term, profile, &mut out),
                        NodeKind::Not(_) => out.push('-'),
                        NodeKind::And(_) | NodeKind::Or(_) => {}
                    }
                    if !node.kind.children().is_empty() {
                        path.push(node);
                    }
                }
                Step::Between(node) => {
                    out.push_str(if matches!(node.kind, NodeKind::Or(_)) { " OR " } else { " " });
                }
                Step::Leave(node) => {
                    path.pop();
                    if needs_parentheses(path.last().map(|node| &node.kind), &node.kind, options.explicit) {
                        out.push(')');
                    }
                }
            }
        }
        out
    }
}

fn needs_parentheses(parent: Option<&NodeKind>, kind: &NodeKind, explicit: bool) -> bool {
    match (parent, kind) {
        (Some(NodeKind::Not(_)), NodeKind::And(_))
        | (Some(NodeKind::Not(_) | NodeKind::And(_)), NodeKind::Or(_)) => true,
        (Some(NodeKind::Or(_)), NodeKind::And(_)) => explicit,
        _ => false,
    }
}

/// Writes a term in canonical form.
pub(crate) fn write_term(term: &Term, profile: Profile, out: &mut String) {
    let text = &*term.text;
    let kind = term.operator.info().kind;
    match kind {
        Kind::Keyword | Kind::Emoji => return out.push_str(text),
        Kind::Phrase => return write_quoted(text, out),
        Kind::Proximity => {
            write_quoted(text, out);
            out.push('~');
            if let Value::Proximity { distance } = term.value {
                out.push(char::from(b'0' + distance.min(9)));
            }
            return;
        }
        Kind::Hashtag => out.push('#'),
        Kind::Cashtag => out.push('$'),
        Kind::Mention => out.push('@'),
        _ => out.push_str(term.operator.primary_name(profile)),
    }
    if kind > Kind::Flag {
        out.push(':');
    }
    match kind {
        Kind::Circle | Kind::Box => {
            out.push('[');
            out.push_str(text);
            out.push(']');
        }
        Kind::Quoted => write_quoted(text, out),
        Kind::Text | Kind::TextOrNumber if term.value != Value::Number && !is_bare(text) => {
            write_quoted(text, out)
        }
        _ => out.push_str(text),
    }
}

/// Returns true if an argument is a single word without punctuation.
fn is_bare(text: &str) -> bool {
    !text.is_empty()
        && !text.starts_with('$')
        && text.chars().all(|character| continues_word(character) && !is_punctuation(character))
}

/// Writes a text in quotes, with as few backslashes as possible.
fn write_quoted(text: &str, out: &mut String) {
    out.push('"');
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        let escaped = match character {
            '"' => true,
            '\\' => matches!(characters.peek(), None | Some('"' | '\\')),
            _ => false,
        };
        if escaped {
            out.push('\\');
        }
        out.push(character);
    }
    out.push('"');
}
