//! Checks a rule: runs the parser and all checks, and returns the verdict.

mod errors;
mod facts;
mod stop_words;
mod warnings;

use self::facts::Facts;
pub use self::stop_words::is_stop_word;
use crate::ast::Rule;
use crate::characters::{is_bidi_control, is_white_space};
use crate::diagnostic::Diagnostic;
use crate::findings::Findings;
use crate::issue::Issue;
use crate::parser::parse;
use crate::profile::Profile;
use crate::span::{Length, Span};

/// The maximum size of a text that is parsed: 1 MiB, 500 times the longest rule. For a longer text,
/// the only error is that it is too long.
pub const TEXT_BYTES_MAX: usize = 1 << 20;

/// The result of checking a rule.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Verdict {
    /// The tree, if the text can be parsed. An invalid rule may have one.
    pub rule: Option<Rule>,
    /// The errors, sorted by position.
    pub errors: Vec<Diagnostic>,
    /// The warnings, sorted by position.
    pub warnings: Vec<Diagnostic>,
    /// The length of the rule.
    pub length: Length,
    /// The number of characters that the lexer examined.
    #[cfg(test)]
    pub(crate) steps: usize,
}

impl Verdict {
    /// Returns true if there are no errors. The service may reject a valid rule for reasons that
    /// cannot be checked offline.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        self.errors.is_empty()
    }
}

/// Parses and checks a rule.
///
/// Takes time linear in the text's length. Does not recurse, and does not panic on any text.
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
    let mut findings = Findings::new(text, profile);
    let length = Length::of(text);
    if length.utf16 > profile.rule_length_max() {
        findings.push(Issue::TooLong(length), excess(text, profile.rule_length_max()));
    }
    if let Some((at, character)) = text.char_indices().find(|(_, character)| is_invisible(*character)) {
        findings.push(Issue::Invisible(character), Span::new(at, at + character.len_utf8()));
    }
    #[cfg_attr(not(test), allow(unused_variables))]
    let (rule, steps) =
        if text.len() > TEXT_BYTES_MAX { (None, 0) } else { parse(text, profile, &mut findings) };
    if let Some(rule) = &rule {
        let facts = Facts::of(rule);
        errors::report(rule, &facts, profile, &mut findings);
        warnings::report(rule, &facts, profile, &mut findings);
    }
    let whole = |rule: &Rule| !rule.terms().any(|(term, _)| term.broken);
    let (errors, warnings) = findings.into_diagnostics();
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
    /// Parses a rule that must be valid. Like [`check`], without the warnings.
    ///
    /// # Errors
    ///
    /// Returns all errors, sorted by position; at least one.
    pub fn parse(text: &str, profile: Profile) -> Result<Self, Vec<Diagnostic>> {
        let verdict = check(text, profile);
        match verdict.rule {
            Some(rule) if verdict.errors.is_empty() => Ok(rule),
            _ => Err(verdict.errors),
        }
    }
}

/// Returns true for control characters other than white space, and for bidirectional controls. In a
/// rule they are a mistake, or make it look like another rule.
fn is_invisible(character: char) -> bool {
    is_bidi_control(character) || (character.is_control() && !is_white_space(character))
}

/// Returns the excess of a text: everything from the first character that does not fit into `max`
/// UTF-16 code units.
fn excess(text: &str, max: usize) -> Span {
    let mut units = 0;
    let first = text.char_indices().find(|(_, character)| {
        units += character.len_utf16();
        units > max
    });
    Span::new(first.map_or(text.len(), |(start, _)| start), text.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::Code;

    /// Texts that a quadratic lexer or parser would examine repeatedly.
    const REPEATED: [&str; 23] = [
        "a ",
        "(",
        ")",
        "-",
        "\"",
        "\\",
        "_",
        "_a",
        "_a ",
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
    fn steps_grow_linearly_with_the_text() {
        for piece in REPEATED {
            for profile in Profile::ALL {
                let steps = |count: usize| check(&piece.repeat(count), profile).steps;
                let (once, twice) = (steps(1_000), steps(2_000));
                // Every character and the end of the text are examined.
                assert!(once > 1_000 * piece.chars().count(), "{piece:?}: {once}");
                assert!(twice <= 2 * once + 10, "{piece:?}: {once}, then {twice}");
                assert!(once <= 5 * 1_000 * piece.chars().count(), "{piece:?}: {once}");
            }
        }
    }

    #[test]
    fn closed_groups_take_linear_steps_without_recursion() {
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
    fn texts_over_the_size_limit_are_not_read() {
        let verdict = check(&"(".repeat(TEXT_BYTES_MAX + 1), Profile::Powerstream);
        assert_eq!(verdict.steps, 0);
        assert_eq!(verdict.errors.len(), 1);
        assert_eq!(verdict.errors[0].code, Code::TooLong);
        assert_ne!(check(&"(".repeat(TEXT_BYTES_MAX), Profile::Powerstream).steps, 0);
    }

    #[test]
    fn an_invalid_rule_with_a_tree_is_not_returned() {
        assert!(check("plum OR -fig", Profile::Powerstream).rule.is_some());
        let errors = Rule::parse("plum OR -fig", Profile::Powerstream).unwrap_err();
        assert_eq!(errors[0].code, Code::Negative);
    }
}
