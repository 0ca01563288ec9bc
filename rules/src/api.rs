//! What the service itself says: its message texts, as recorded, kept apart from ours.
//!
//! The sources are X's pages (PowerTrack: API reference, Filtered Stream: Build a rule) and answers that client
//! libraries keep in their test data. Texts are spelled as sent. Positions are 1-based and count UTF-16 code units;
//! the end of the rule is its length plus one. Where no text of the service is known, there is none here
//! either; the three that only follow a recorded pattern say so.

use crate::display::shorten;

/// A message of the service without its position. Texts are parts of the rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Message<'a> {
    /// No positive term.
    NonNegation,
    /// No positive term that is no stop word.
    NonStopword,
    /// An unquoted `and`.
    And,
    /// An unquoted `or`; the pattern of `and`, itself not recorded.
    Or,
    /// An unquoted `not`; the pattern of `and`, itself not recorded.
    Not,
    /// `sample:` beside an OR at the top.
    SampleOr,
    /// The rest of the offending token.
    CannotParse(&'a str),
    /// The end where a closing parenthesis should be.
    UnclosedGroup,
    /// A character that starts no term.
    Character(char),
    /// A token where a term should be.
    Input(&'a str),
    /// A closing parenthesis too many.
    ExtraParenthesis,
    /// A quote that never ends; recorded for another character.
    UnclosedQuote,
    /// An unknown operator.
    Operator(&'a str),
    /// An operator of another tier.
    OperatorTier(&'a str),
    /// What goes with an unknown operator.
    Field(&'a str),
    /// Only operators that cannot stand alone.
    Standalone,
}

impl Message<'_> {
    /// What the service names at the end of the rule.
    pub(crate) const END: &'static str = "<EOF>";

    /// Returns the text as the service sends it, with this position.
    pub(crate) fn at(&self, position: usize) -> String {
        // A rule may be megabytes of one word; what the service would say to that is not worth as many.
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

/// Adding a rule whose value is already there, whatever its tag (PowerTrack: API reference).
pub const RULE_EXISTS: &str = "A rule with this value already exists";
