//! Everything there is to say about a rule: the checks that need the whole tree, and the one door to all findings.
//!
//! The tree lies in post-order, so what a node is made of is known by one pass forwards (is it positive, can it stand
//! alone), and what it stands in by one pass backwards (is it negated). Nothing recurses.

mod stop_words;
mod warnings;

pub use self::stop_words::is_stop_word;

use crate::api::Text;
use crate::ast::{Node, NodeKind, Rule, Term};
use crate::characters::{is_bidi_control, is_white_space};
use crate::diagnostic::{Code, Diagnostic, Finding, Findings, quoted};
use crate::operator::{Negation, Operator};
use crate::parser::parse;
use crate::profile::Profile;
use crate::span::{Length, Span};

/// The longest text that is read at all: 1 MiB, 500 times the longest rule. What is longer is too long and nothing
/// else.
pub const TEXT_BYTES_MAX: usize = 1 << 20;

/// What is to be said about a rule.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Verdict {
    /// The tree, if the text can be read. A rule may have one and be invalid all the same.
    pub rule: Option<Rule>,
    /// What makes it invalid, by place.
    pub errors: Vec<Diagnostic>,
    /// What is odd about it, by place.
    pub warnings: Vec<Diagnostic>,
    /// Its length, as the service counts it.
    pub length: Length,
    /// How many characters the lexer looked at.
    #[cfg(test)]
    pub(crate) steps: usize,
}

impl Verdict {
    /// Whether the product takes the rule, as far as can be told offline.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        self.errors.is_empty()
    }

    /// What the service would say, message by message.
    pub fn api_messages(&self) -> impl Iterator<Item = &str> {
        self.errors
            .iter()
            .filter_map(|error| error.api.as_ref())
            .flat_map(|api| &api.messages)
            .map(String::as_str)
    }
}

/// Reads a rule and checks it.
///
/// Linear in the text's length, without recursion, and without a panic on any text.
///
/// ```
/// use powerstream_rules::{Code, Profile, check};
///
/// let verdict = check("plum OR -fig", Profile::Powerstream);
/// let error = &verdict.errors[0];
/// assert_eq!(error.code, Code::Negative);
/// assert_eq!(error.span.of("plum OR -fig"), "-fig");
/// let api = error.api.as_ref().unwrap();
/// assert_eq!(api.messages, ["Rules must contain a non-negation term (at position 9)"]);
/// ```
#[must_use]
pub fn check(text: &str, profile: Profile) -> Verdict {
    let mut findings = Findings::default();
    let length = Length::of(text);
    if length.utf16 > profile.rule_length_max() {
        findings.push(too_long(text, length, profile));
    }
    if let Some((at, character)) = text.char_indices().find(|(_, character)| is_invisible(*character)) {
        let shown = quoted(character.encode_utf8(&mut [0; 4]));
        findings.push(
            Finding::new(
                Code::Lexical,
                Span::new(at, at + character.len_utf8()),
                format!("the rule holds {shown}, which nobody sees in it"),
            )
            .help("leave it out: it came along with a copied text, and Posts that match have to hold it too"),
        );
    }
    #[cfg_attr(not(test), allow(unused_variables))]
    let (rule, steps) =
        if text.len() > TEXT_BYTES_MAX { (None, 0) } else { parse(text, profile, &mut findings) };
    if let Some(rule) = &rule {
        let facts = Facts::of(rule);
        facts.check(rule, profile, &mut findings);
        warnings::warn(rule, &facts, profile, &mut findings);
    }
    let whole = |rule: &Rule| !rule.terms().any(|(term, _)| term.broken);
    let (errors, warnings) = findings.told(text);
    Verdict {
        rule: rule.filter(whole),
        errors,
        warnings,
        length,
        #[cfg(test)]
        steps,
    }
}

impl Rule {
    /// Reads a rule that must be valid: [`check`] without the warnings.
    ///
    /// # Errors
    ///
    /// Everything that makes it invalid, by place; never nothing.
    pub fn parse(text: &str, profile: Profile) -> Result<Self, Vec<Diagnostic>> {
        let verdict = check(text, profile);
        match verdict.rule {
            Some(rule) if verdict.errors.is_empty() => Ok(rule),
            _ => Err(verdict.errors),
        }
    }
}

/// Controls that are no white space, and those that turn the direction of writing: in a rule they are a mistake, or meant to
/// make it read as another.
fn is_invisible(character: char) -> bool {
    is_bidi_control(character) || (character.is_control() && !is_white_space(character))
}

fn too_long(text: &str, length: Length, profile: Profile) -> Finding {
    let max = profile.rule_length_max();
    // From the first character that is too many.
    let mut units = 0;
    let start = text.char_indices().find(|(_, character)| {
        units += character.len_utf16();
        units > max
    });
    let span = Span::new(start.map_or(text.len(), |(start, _)| start), text.len());
    let points = match length.code_points {
        same if same == length.utf16 => String::new(),
        points => format!(" ({points} code points)"),
    };
    Finding::new(
        Code::TooLong,
        span,
        format!("the rule has {} characters{points}, and {max} are allowed", length.utf16),
    )
    .help("write several rules: a Post that matches two of them is sent once")
}

/// What every node is, by its index.
pub(crate) struct Facts {
    /// Whether it asks for something, in every branch.
    positive: Vec<bool>,
    /// Whether it may be the whole rule on the filtered stream.
    pub(crate) standalone: Vec<bool>,
    /// How many dashes it stands under.
    pub(crate) dashes: Vec<usize>,
}

impl Facts {
    fn of(rule: &Rule) -> Self {
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

    /// The terms under no dash.
    pub(crate) fn positive_terms<'a>(&'a self, rule: &'a Rule) -> impl Iterator<Item = (&'a Term, &'a Node)> {
        rule.nodes().iter().zip(&self.dashes).filter(|(_, dashes)| **dashes == 0).filter_map(|(node, _)| {
            match &node.kind {
                NodeKind::Term(term) => Some((term, node)),
                _ => None,
            }
        })
    }

    fn check(&self, rule: &Rule, profile: Profile, findings: &mut Findings) {
        self.negative(rule, findings);
        self.stop_words(rule, findings);
        self.dashes(rule, findings);
        self.sample(rule, findings);
        if profile.is_filtered_stream() {
            self.conjunction(rule, findings);
        }
    }

    /// No positive term; checked on every branch of every OR.
    fn negative(&self, rule: &Rule, findings: &mut Findings) {
        let whole = rule.node(rule.root());
        let nothing = self.positive_terms(rule).next().is_none();
        let mut first = nothing;
        let mut push = |node: &Node, message: &str, help: &str| {
            let finding = Finding::new(Code::Negative, node.span, message).help(help).api(Text::NonNegation);
            // On the level of the rule the service says both.
            findings.push(if core::mem::take(&mut first) { finding.api(Text::NonStopword) } else { finding });
        };
        if nothing && !matches!(whole.kind, NodeKind::Or(_)) {
            push(
                whole,
                "every term of this rule is negated, which asks for nearly everything",
                "add a term that Posts must match, as from:harbour_news",
            );
        }
        for node in rule.nodes() {
            let NodeKind::Or(branches) = &node.kind else { continue };
            for branch in branches.iter().filter(|branch| !self.positive[branch.index()]) {
                let branch = rule.node(*branch);
                if !matches!(branch.kind, NodeKind::Or(_)) {
                    push(
                        branch,
                        "every term of this alternative is negated, which alone asks for nearly everything",
                        "add a term to it that Posts must match, or move it out of the OR",
                    );
                }
            }
        }
    }

    fn stop_words(&self, rule: &Rule, findings: &mut Findings) {
        let mut any = false;
        let is_stop = |term: &Term| term.operator == Operator::Keyword && is_stop_word(&term.text);
        for (term, _) in self.positive_terms(rule) {
            if !is_stop(term) {
                return;
            }
            any = true;
        }
        if any {
            findings.push(
                Finding::new(
                    Code::StopWords,
                    rule.node(rule.root()).span,
                    "this rule asks for nothing but stop words",
                )
                .help("add a term that is none, or put the words in double quotes")
                .api(Text::NonStopword),
            );
        }
    }

    /// What must be negated, and what must not.
    fn dashes(&self, rule: &Rule, findings: &mut Findings) {
        for (node, dashes) in rule.nodes().iter().zip(&self.dashes) {
            let NodeKind::Term(term) = &node.kind else { continue };
            let info = term.operator.info();
            match info.negation {
                Negation::Required if dashes % 2 == 0 => findings.push(
                    Finding::new(Code::Nullcast, node.span, format!("{} must be negated", info.name))
                        .help(format!("write -{}", info.name)),
                ),
                Negation::Refused if *dashes > 0 => {
                    let code = if term.operator == Operator::Sample { Code::Sample } else { Code::Negative };
                    let help = match term.value {
                        crate::ast::Value::Percent(percent @ 1..=99) => {
                            format!("write sample:{} for the other share", 100 - percent)
                        }
                        _ => "leave out the dash, or the operator".to_owned(),
                    };
                    findings.push(
                        Finding::new(code, node.span, format!("`{}:` cannot be negated", info.name))
                            .help(help),
                    );
                }
                _ => {}
            }
        }
    }

    fn sample(&self, rule: &Rule, findings: &mut Findings) {
        if !matches!(rule.node(rule.root()).kind, NodeKind::Or(_)) {
            return;
        }
        for (term, node) in self.positive_terms(rule).filter(|(term, _)| term.operator == Operator::Sample) {
            findings.push(
                Finding::new(
                    Code::Sample,
                    node.span,
                    "`sample:` acts on the whole rule, and here it stands in an OR",
                )
                .help(format!(
                    "write parentheses around the alternatives, as (gull OR tern) sample:{}",
                    quoted(&term.text)
                ))
                .api(Text::SampleOr),
            );
        }
    }

    fn conjunction(&self, rule: &Rule, findings: &mut Findings) {
        let mut terms = self.positive_terms(rule).peekable();
        let Some((_, first)) = terms.peek().copied() else { return };
        if terms.any(|(term, _)| term.broken || term.operator.info().standalone) {
            return;
        }
        findings.push(
            Finding::new(
                Code::Conjunction,
                first.span,
                "no term of this rule may stand alone on the filtered stream",
            )
            .help("add a standalone operator, as a keyword or from:")
            .api(Text::Standalone),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Texts that make a careless lexer or parser look at things twice.
    const REPEATED: [&str; 22] = [
        "a ",
        "(",
        ")",
        "-",
        "\"",
        "\\",
        "_",
        "_a",
        ":",
        "a:",
        "#",
        "[",
        "x:[",
        "\u{301}",
        "(a OR b) ",
        "(a ",
        "(a OR ",
        "-(",
        "-(a OR ",
        "a OR ",
        "\"a\"~",
        "🍕\u{200d}",
    ];

    #[test]
    fn twice_the_text_is_twice_the_work() {
        for piece in REPEATED {
            for profile in Profile::ALL {
                let steps = |count: usize| check(&piece.repeat(count), profile).steps;
                let (once, twice) = (steps(1_000), steps(2_000));
                assert!(twice <= 2 * once + 10, "{piece:?}: {once}, then {twice}");
                assert!(once <= 5 * 1_000 * piece.chars().count(), "{piece:?}: {once}");
            }
        }
    }

    #[test]
    fn closed_groups_are_read_in_linear_steps_and_without_recursion() {
        for (open, close) in
            [("(", ")"), ("-(", ")"), ("(a ", ")"), ("(a OR ", ")"), ("-(a OR ", " b)"), ("(b ", " OR c)")]
        {
            let deep = 20_000;
            let text = format!("{}x{}", open.repeat(deep), close.repeat(deep));
            let verdict = check(&text, Profile::Powerstream);
            assert!(verdict.rule.is_some(), "{open}");
            assert!(verdict.steps <= 4 * text.len());
        }
    }

    #[test]
    fn what_is_absurdly_long_is_not_read() {
        let verdict = check(&"(".repeat(TEXT_BYTES_MAX + 1), Profile::Powerstream);
        assert_eq!(verdict.steps, 0);
        assert_eq!(verdict.errors.len(), 1);
        assert_eq!(verdict.errors[0].code, Code::TooLong);
    }
}
