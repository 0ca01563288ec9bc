//! The public form of an error or warning: code, span, message and help.
//!
//! `issue.rs` defines the same as plain data; `wording.rs` contains the texts.

use core::fmt;

use crate::span::Span;

/// The maximum number of errors, and of warnings, reported for one rule.
pub const FINDINGS_MAX: usize = 100;

macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident = $name:literal,)*) => {
        /// The kinds of errors and warnings. The names of errors start with `E-`, those of warnings
        /// with `W-`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Code {
            $($(#[$doc])* $variant,)*
        }

        impl Code {
            /// All codes.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// Returns the name of the code, as commands print it.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }
        }
    };
}

codes! {
    /// A character that cannot start a term, or a bare `#`, `@`, `$` or dash.
    Lexical = "E-LEX",
    /// A syntax error: unbalanced parentheses, or an OR without a term on one side.
    Grammar = "E-PARSE",
    /// An unclosed or empty quote.
    Quote = "E-QUOTE",
    /// An operator that no product has.
    Operator = "E-OP",
    /// An operator that only another product or plan has.
    Tier = "E-TIER",
    /// An argument of the wrong form.
    Argument = "E-ARG",
    /// An unquoted `and`, `or` or `not`.
    ReservedWord = "E-WORD",
    /// A rule, or an alternative of an OR, without a positive term.
    Negative = "E-NEG",
    /// A rule whose positive terms are all stop words.
    StopWords = "E-STOP",
    /// `sample:` in a top-level OR, or negated.
    Sample = "E-SAMPLE",
    /// `is:nullcast` without a negation.
    Nullcast = "E-NULLCAST",
    /// A rule whose operators cannot stand alone.
    Conjunction = "E-CONJ",
    /// A rule that is too long.
    TooLong = "E-LEN",
    /// Punctuation inside a bare word, or an unexpected dash.
    Punctuation = "W-PUNCT",
    /// A negated group.
    NegatedGroup = "W-NEGGROUP",
    /// An operator that the product's own page does not list.
    Unlisted = "W-UNLISTED",
    /// A term of more than 128 characters.
    LongTerm = "W-LONGTERM",
    /// An operator name in upper case or mixed case.
    OperatorCase = "W-OPCASE",
    /// An explicit AND.
    ExplicitAnd = "W-AND",
    /// A rule that matches a massive volume of Posts.
    Broad = "W-BROAD",
    /// A stop word together with other terms.
    StopWord = "W-STOP",
    /// A language code that X does not list.
    Language = "W-LANG",
    /// A keyword in a script that puts no blanks between words.
    Segmentation = "W-SEGMENT",
    /// A hashtag of digits only.
    NumericTag = "W-NUMTAG",
    /// A phrase with a character that has look-alikes.
    LookAlike = "W-QUOTECHAR",
    /// An alternative of an OR without a standalone operator.
    Branch = "W-BRANCH",
    /// A box with an edge of more than 25 miles.
    Geo = "W-GEO",
}

impl Code {
    /// Returns true if a rule with this code is invalid.
    #[must_use]
    pub fn is_error(self) -> bool {
        self.name().starts_with("E-")
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// The service's own response to an error, if it is known.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Api {
    /// Its messages. An unknown operator and a rule of only negated terms get two.
    pub messages: Vec<String>,
    /// The position that it names: 1-based, in UTF-16 code units. The end of the rule is its length
    /// plus one.
    pub position: usize,
}

/// An error or warning about a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Diagnostic {
    /// The kind.
    pub code: Code,
    /// What is wrong: one sentence without a full stop. Control characters are escaped.
    pub message: String,
    /// What to write instead, in the same form as `message`.
    pub help: Option<String>,
    /// The part of the rule that is affected.
    pub span: Span,
    /// What the service answers. Always `None` for warnings.
    pub api: Option<Api>,
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        self.help.as_ref().map_or(Ok(()), |help| write!(f, "; {help}"))
    }
}
