//! Errors and warnings about a rule, as plain data.
//!
//! The lexer, the parser and the checks report an [`Issue`] with its span. An issue refers to text
//! by spans of the rule, so it is `Copy`. `wording.rs` contains all English text.

use crate::argument::ArgumentError;
use crate::diagnostic::Code;
use crate::operator::Operator;
use crate::profile::Profile;
use crate::span::{Length, Span};

/// An error or a warning.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Issue {
    // Errors of the whole text.
    TooLong(Length),
    Invisible(char),

    // Errors of the lexer.
    BadStart(char),
    UnclosedQuote,
    EmptyQuote,

    // Errors of the grammar.
    DashBeforeOr,
    NothingBeforeOr,
    NothingBeforeClose {
        is_behind_or: bool,
    },
    ExtraParenthesis,
    UnclosedParenthesis {
        more: usize,
    },
    NothingAfterOr,
    NothingAfterParenthesis,
    EmptyRule,
    Reserved(Reserved),

    // Errors of a term.
    UnknownOperator {
        /// The whole term.
        term: Span,
    },
    UnknownFlag,
    Unavailable(Operator),
    /// The text after `~`, which may be empty.
    BadDistance(Span),
    MissingArgument {
        operator: Operator,
        /// The offset where the argument is missing.
        at: usize,
    },
    SecondColon {
        operator: Operator,
        /// The offset where the argument starts.
        start: usize,
    },
    Argument {
        operator: Operator,
        error: ArgumentError,
    },

    // Errors of the tree.
    NothingPositive {
        /// True for an alternative of an OR, false for the whole rule.
        is_branch: bool,
        /// True if the service also reports that a non-stop word is missing.
        also_stop_words: bool,
    },
    OnlyStopWords,
    MustBeNegated(Operator),
    CannotBeNegated {
        operator: Operator,
        percent: Option<u8>,
    },
    SampleInOr {
        percent: Span,
    },
    NothingStandalone,

    // Warnings of the parser and of a term.
    ExplicitAnd,
    DashAfterTerm,
    NegatedGroup {
        is_or: bool,
    },
    OperatorCase,
    Unlisted(Operator),
    UnlistedLanguage,
    /// A box; its longest edge in miles.
    WideBox(f64),

    // Warnings of the tree. A span covers the text that is meant, without parentheses around it.
    LongTerm {
        characters: usize,
        max: usize,
    },
    StopWord(Span),
    Punctuated(Span),
    Unsegmented(Span),
    LookAlike {
        family: &'static str,
        members: &'static [char],
        found: char,
    },
    NumericTag(Span),
    SingleKeyword,
    SingleHashtag,
    NothingNarrow,
    NothingStandaloneInBranch,
}

/// The words that must be quoted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reserved {
    And,
    Or,
    Not,
}

impl Issue {
    /// Returns the code. Whether an issue is an error never depends on the profile.
    pub(crate) fn code(self, profile: Profile) -> Code {
        match self {
            Self::TooLong(_) => Code::TooLong,
            Self::Invisible(_) | Self::BadStart(_) => Code::Lexical,
            Self::UnclosedQuote | Self::EmptyQuote => Code::Quote,
            Self::DashBeforeOr
            | Self::NothingBeforeOr
            | Self::NothingBeforeClose { .. }
            | Self::ExtraParenthesis
            | Self::UnclosedParenthesis { .. }
            | Self::NothingAfterOr
            | Self::NothingAfterParenthesis
            | Self::EmptyRule => Code::Grammar,
            Self::Reserved(_) => Code::ReservedWord,
            Self::UnknownOperator { .. } | Self::UnknownFlag => Code::Operator,
            // Powerstream has no tiers: an operator that neither its page nor PowerTrack's lists
            // is unknown.
            Self::Unavailable(_) if profile == Profile::Powerstream => Code::Operator,
            Self::Unavailable(_) => Code::Tier,
            Self::BadDistance(_)
            | Self::MissingArgument { .. }
            | Self::SecondColon { .. }
            | Self::Argument { .. } => Code::Argument,
            Self::NothingPositive { .. } => Code::Negative,
            Self::OnlyStopWords => Code::StopWords,
            Self::MustBeNegated(_) => Code::Nullcast,
            Self::CannotBeNegated { operator: Operator::Sample, .. } | Self::SampleInOr { .. } => {
                Code::Sample
            }
            Self::CannotBeNegated { .. } => Code::Negative,
            Self::NothingStandalone => Code::Conjunction,
            Self::ExplicitAnd => Code::ExplicitAnd,
            Self::DashAfterTerm | Self::Punctuated(_) => Code::Punctuation,
            Self::NegatedGroup { .. } => Code::NegatedGroup,
            Self::OperatorCase => Code::OperatorCase,
            Self::Unlisted(_) => Code::Unlisted,
            Self::UnlistedLanguage => Code::Language,
            Self::WideBox(_) => Code::Geo,
            Self::LongTerm { .. } => Code::LongTerm,
            Self::StopWord(_) => Code::StopWord,
            Self::Unsegmented(_) => Code::Segmentation,
            Self::LookAlike { .. } => Code::LookAlike,
            Self::NumericTag(_) => Code::NumericTag,
            Self::SingleKeyword | Self::SingleHashtag | Self::NothingNarrow => Code::Broad,
            Self::NothingStandaloneInBranch => Code::Branch,
        }
    }
}
