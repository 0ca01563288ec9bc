//! What is wrong with a rule, or odd about it: code, place, a sentence, and what to write instead.
//!
//! While a rule is read, findings are collected with byte offsets only ([`Findings`]). At the end they are sorted by
//! place, and one walk over the text turns offsets into the service's positions: linear however many there are. Their
//! number is bounded by [`FINDINGS_MAX`]: a megabyte of apostrophes must not answer with a million sentences.

use core::fmt;

use crate::api::Text;
use crate::characters::is_bidi_control;
use crate::span::Span;

/// At most this many errors, and as many warnings, are told about one rule. Nobody reads the hundredth.
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

/// A finding before its position is known.
#[derive(Clone, Debug)]
pub(crate) struct Finding {
    code: Code,
    span: Span,
    message: String,
    help: Option<String>,
    texts: Vec<Text>,
    /// Where the service sees it.
    at: usize,
}

impl Finding {
    pub(crate) fn new(code: Code, span: Span, message: impl Into<String>) -> Self {
        Self { code, span, message: message.into(), help: None, texts: Vec::new(), at: span.start }
    }

    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    pub(crate) fn api(mut self, text: Text) -> Self {
        self.texts.push(text);
        self
    }

    pub(crate) fn api_at(mut self, at: usize) -> Self {
        self.at = at;
        self
    }
}

/// The findings of one rule.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    errors: Vec<Finding>,
    warnings: Vec<Finding>,
}

impl Findings {
    pub(crate) fn push(&mut self, finding: Finding) {
        let list = if finding.code.is_error() { &mut self.errors } else { &mut self.warnings };
        if list.len() < FINDINGS_MAX {
            list.push(finding);
        }
    }

    pub(crate) fn any(&self, code: Code) -> bool {
        self.errors.iter().any(|finding| finding.code == code)
    }

    /// Errors and warnings, each by place.
    pub(crate) fn told(self, text: &str) -> (Vec<Diagnostic>, Vec<Diagnostic>) {
        (tell(self.errors, text), tell(self.warnings, text))
    }
}

fn tell(mut findings: Vec<Finding>, text: &str) -> Vec<Diagnostic> {
    findings.sort_by_key(|finding| (finding.at, finding.span.start));
    let (mut offset, mut position) = (0, 1);
    findings
        .into_iter()
        .map(|finding| {
            let between = text.get(offset..finding.at).unwrap_or_default();
            position += between.chars().map(char::len_utf16).sum::<usize>();
            offset = finding.at;
            Diagnostic {
                code: finding.code,
                message: finding.message,
                help: finding.help,
                span: finding.span,
                api: (!finding.texts.is_empty()).then(|| Api {
                    messages: finding.texts.iter().map(|text| text.at(position)).collect(),
                    position,
                }),
            }
        })
        .collect()
}

/// A stranger's text inside one of our sentences: one line, no controls, not longer than a sentence bears.
pub(crate) fn quoted(text: &str) -> String {
    let mut shown = String::new();
    for character in shorten(text, 60).chars() {
        show(character, &mut shown);
    }
    shown
}

/// The text, or its beginning and an ellipsis.
pub(crate) fn shorten(text: &str, characters_max: usize) -> String {
    match text.char_indices().nth(characters_max) {
        Some((end, _)) => text.get(..end).unwrap_or_default().to_owned() + "…",
        None => text.to_owned(),
    }
}

/// Appends a character so that it can be seen: controls, bidirectional controls and Unicode's line ends as escapes.
pub(crate) fn show(character: char, out: &mut String) {
    let unsafe_to_show = character.is_control()
        || is_bidi_control(character)
        || matches!(character, '\u{2028}' | '\u{2029}' | '\u{feff}');
    if unsafe_to_show {
        out.extend(character.escape_default());
    } else {
        out.push(character);
    }
}
