//! The service's messages as recorded, separate from those of this crate.
//!
//! Sources: X's pages (PowerTrack: API reference; Filtered Stream: Build a rule), and responses
//! recorded in the tests of client libraries. The spelling is the service's. Positions are 1-based
//! and count UTF-16 code units; the end of the rule is its length plus one.
//!
//! If the service's message for an error is unknown, this module has none. Three messages follow
//! the pattern of a recorded one and are marked as such.

use crate::display::shorten;

/// A message of the service without its position. The strings are parts of the rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Message<'a> {
    /// There is no positive term.
    NonNegation,
    /// There is no positive term except stop words.
    NonStopword,
    /// An unquoted `and`.
    And,
    /// An unquoted `or`. Follows the pattern of `and`; not recorded itself.
    Or,
    /// An unquoted `not`. Follows the pattern of `and`; not recorded itself.
    Not,
    /// `sample:` in a top-level OR.
    SampleOr,
    /// The text cannot be parsed. Contains the rest of the token with the error.
    CannotParse(&'a str),
    /// The rule ends where a closing parenthesis is expected.
    UnclosedGroup,
    /// A character that cannot start a term.
    Character(char),
    /// A token where a term is expected.
    Input(&'a str),
    /// An extra closing parenthesis.
    ExtraParenthesis,
    /// An unclosed quote. Follows a message that was recorded for another character.
    UnclosedQuote,
    /// An unknown operator.
    Operator(&'a str),
    /// An operator that another tier has.
    OperatorTier(&'a str),
    /// The second message for an unknown operator.
    Field(&'a str),
    /// All operators in the rule cannot stand alone.
    Standalone,
}

impl Message<'_> {
    /// The service's name for the end of the rule.
    pub(crate) const END: &'static str = "<EOF>";

    /// Returns the message as the service sends it, with this position.
    pub(crate) fn at(&self, position: usize) -> String {
        // A rule may be one word of a megabyte, so the message contains only a part of it.
        let word = |word: &str| shorten(word, 2_048);
        match self {
            Self::NonNegation => format!("Rules must contain a non-negation term (at position {position})"),
            Self::NonStopword => format!(
                "Rules must contain at least one positive, non-stopword clause (at position {position})"
            ),
            Self::And => format!(
                "Ambiguous use of and as a keyword. Use a space to logically join two clauses, or \"and\" to find \
                 occurrences of and in text (at position {position})"
            ),
            Self::Or => format!(
                "Ambiguous use of or as a keyword. Use OR to logically join two clauses, or \"or\" to find \
                 occurrences of or in text (at position {position})"
            ),
            Self::Not => format!(
                "Ambiguous use of not as a keyword. Use - to logically negate a clause, or \"not\" to find \
                 occurrences of not in text (at position {position})"
            ),
            Self::SampleOr => format!(
                "The sample operator cannot be used with an OR. To use the sample operator with an OR in the rule, \
                 the ORed clauses must be grouped together with parenthesis.  For example, to get 10% of activites \
                 that have term1 or term2, the rule should be (excluding the single quotes) '(term1 OR term2) \
                 sample:10' (at position {position})"
            ),
            Self::CannotParse(rest) => format!("Cannot parse rule at '{}' (position {position})", word(rest)),
            Self::UnclosedGroup => format!("mismatched input 'EOF' expecting ')' (at position {position})"),
            Self::Character(character) => {
                format!("no viable alternative at character '{character}' (at position {position})")
            }
            Self::Input(token) => {
                format!("no viable alternative at input '{}' (at position {position})", word(token))
            }
            Self::ExtraParenthesis => format!("missing EOF at ')' (at position {position})"),
            Self::UnclosedQuote => "mismatched character '<EOF>' expecting '\"'".to_owned(),
            Self::Operator(name) => {
                format!("Reference to invalid operator '{}' (at position {position})", word(name))
            }
            Self::OperatorTier(name) => format!(
                "Reference to invalid operator '{}'. Operator is not available in current product or product \
                 packaging.",
                word(name)
            ),
            Self::Field(name) => {
                format!("Reference to invalid field '{}' (at position {position})", word(name))
            }
            Self::Standalone => {
                format!("is/has/lang cannot be used as a standalone operator (at position {position})")
            }
        }
    }
}

/// The service's message for adding a rule whose value already exists, with any tag (PowerTrack:
/// API reference).
pub const RULE_EXISTS: &str = "A rule with this value already exists";
