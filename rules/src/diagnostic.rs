//! The public form of a finding about a rule: code, place, a sentence, and what to write instead.
//!
//! `issue.rs` has the same as plain data, `wording.rs` the sentences.

use core::fmt;

use crate::span::Span;

/// The most errors, and the most warnings, that are reported for one rule.
pub const FINDINGS_MAX: usize = 100;

macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident = $name:literal,)*) => {
        /// The kinds of findings. Errors start with `E-`, warnings with `W-`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Code {
            $($(#[$doc])* $variant,)*
        }

        impl Code {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The code, as commands print it.
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
    /// A term starts with a character that cannot start one, or is a bare `#`, `@`, `$` or dash.
    Lexical = "E-LEX",
    /// The grammar: parentheses and ORs without terms.
    Grammar = "E-PARSE",
    /// A quote is never closed, or there is nothing in it.
    Quote = "E-QUOTE",
    /// No product has this operator.
    Operator = "E-OP",
    /// The operator belongs to another product or plan.
    Tier = "E-TIER",
    /// The operator's argument has the wrong form.
    Argument = "E-ARG",
    /// An unquoted and, or, not.
    ReservedWord = "E-WORD",
    /// No positive term, in the rule or in a branch of an OR.
    Negative = "E-NEG",
    /// Every positive term is a stop word.
    StopWords = "E-STOP",
    /// `sample:` beside an OR at the top, or negated.
    Sample = "E-SAMPLE",
    /// `is:nullcast` not negated.
    Nullcast = "E-NULLCAST",
    /// Only operators that cannot stand alone.
    Conjunction = "E-CONJ",
    /// Too long.
    TooLong = "E-LEN",
    /// Punctuation inside a bare word, or a dash where none is expected.
    Punctuation = "W-PUNCT",
    /// A negated group.
    NegatedGroup = "W-NEGGROUP",
    /// An operator that the product's own table does not list.
    Unlisted = "W-UNLISTED",
    /// A term of more than 128 characters.
    LongTerm = "W-LONGTERM",
    /// An operator name that is not in lower case.
    OperatorCase = "W-OPCASE",
    /// An explicit AND.
    ExplicitAnd = "W-AND",
    /// The rule matches a massive volume of Posts.
    Broad = "W-BROAD",
    /// A stop word beside other terms.
    StopWord = "W-STOP",
    /// A language code that X does not list.
    Language = "W-LANG",
    /// A keyword of a script without blanks between words.
    Segmentation = "W-SEGMENT",
    /// A hashtag of digits only.
    NumericTag = "W-NUMTAG",
    /// A phrase with a character that has look-alikes.
    LookAlike = "W-QUOTECHAR",
    /// A branch of an OR without a standalone operator.
    Branch = "W-BRANCH",
    /// A box with an edge of more than 25 miles.
    Geo = "W-GEO",
}

impl Code {
    /// Whether a rule with this finding is invalid.
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

/// What the service itself says to an error, where that is known.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Api {
    /// Its messages. An unknown operator and a rule of negated terms get two.
    pub messages: Vec<String>,
    /// The place it names: 1-based, in UTF-16 code units; the end of the rule is its length plus one.
    pub position: usize,
}

/// One finding about a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Diagnostic {
    /// Its kind.
    pub code: Code,
    /// What is wrong: one sentence, without a full stop, fit for a terminal.
    pub message: String,
    /// What to write instead: as `message`.
    pub help: Option<String>,
    /// Where it is.
    pub span: Span,
    /// What the service says. Never for warnings.
    pub api: Option<Api>,
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        self.help.as_ref().map_or(Ok(()), |help| write!(f, "; {help}"))
    }
}
