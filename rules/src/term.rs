//! From a written term to a leaf of the tree: which operator it is, whether the product has it, what its argument is.

use crate::api::Text;
use crate::argument::{self, Context, Parsed};
use crate::ast::{Term, Value};
use crate::characters::{is_emoji, is_punctuation, is_white_space};
use crate::diagnostic::{Code, Finding, Findings, quoted};
use crate::lexer::{RawArgument, RawTerm};
use crate::operator::{Availability, Kind, Operator, successor};
use crate::profile::Profile;
use crate::span::Span;

/// Reads one term. One that is wrong is reported, and comes back broken.
pub(crate) fn term(rule: &str, raw: RawTerm, span: Span, profile: Profile, findings: &mut Findings) -> Term {
    let reader = Reader { rule, span, profile };
    let term = match raw {
        RawTerm::Keyword => {
            let text = span.of(rule);
            let operator = if is_emoji(text) { Operator::Emoji } else { Operator::Keyword };
            new(operator, (Value::Text, text.to_owned()), span)
        }
        RawTerm::Phrase(text, None) => new(Operator::Phrase, (Value::Text, text), span),
        RawTerm::Phrase(text, Some(distance)) => reader.proximity(text, distance, findings),
        RawTerm::Hashtag(name) => new(Operator::Hashtag, (Value::Text, name.of(rule).to_owned()), span),
        RawTerm::Cashtag(name) => new(Operator::Cashtag, (Value::Text, name.of(rule).to_owned()), span),
        RawTerm::Mention(name) => {
            let id = argument::digits(name.of(rule));
            new(Operator::Mention, (Value::User { id }, name.of(rule).to_owned()), span)
        }
        RawTerm::Operator { name, argument } => return reader.operator(name, argument, findings),
    };
    reader.available(term.operator, span, findings);
    term
}

fn new(operator: Operator, (value, text): Parsed, argument: Span) -> Term {
    Term { operator, value, text: text.into(), argument, broken: false }
}

fn broken(operator: Operator, argument: Span) -> Term {
    Term { operator, value: Value::Text, text: "".into(), argument, broken: true }
}

struct Reader<'a> {
    rule: &'a str,
    span: Span,
    profile: Profile,
}

impl Reader<'_> {
    fn proximity(&self, text: String, distance: Span, findings: &mut Findings) -> Term {
        let written = distance.of(self.rule);
        if let [digit @ b'1'..=b'6'] = written.as_bytes() {
            return new(Operator::Proximity, (Value::Proximity { distance: digit - b'0' }, text), self.span);
        }
        let rest = if written.is_empty() { "~" } else { written };
        findings.push(
            Finding::new(Code::Argument, self.span, format!("{} is no distance between words", quoted(rest)))
                .help("write one digit from 1 to 6 right behind the ~, as \"harbour gull\"~3")
                .api(Text::CannotParse(rest.to_owned()))
                .api_at(distance.start - usize::from(written.is_empty())),
        );
        broken(Operator::Proximity, self.span)
    }

    fn operator(&self, name: Span, raw: RawArgument, findings: &mut Findings) -> Term {
        let written = name.of(self.rule);
        let span = match &raw {
            RawArgument::Missing => Span::new(name.end + 1, name.end + 1),
            RawArgument::Word(span)
            | RawArgument::Quoted(_, span)
            | RawArgument::Bracketed(span)
            | RawArgument::Colon(span)
            | RawArgument::Bad(span) => *span,
        };
        if written.eq_ignore_ascii_case("has") || written.eq_ignore_ascii_case("is") {
            if let RawArgument::Word(value) = raw {
                return self.flag(name.to(value), findings);
            }
        }
        let Some(operator) = Operator::by_name(written) else {
            self.unknown(written, name, findings);
            return broken(Operator::Keyword, span);
        };
        self.case(name, findings);
        if !self.available(operator, name, findings) {
            return broken(operator, span);
        }
        let (kind, shown) = (operator.info().kind, operator.primary_name(self.profile));
        let context = Context { rule: self.rule, profile: self.profile, name: shown, kind, span };
        let parsed = match raw {
            RawArgument::Word(_) => argument::word(&context, span.of(self.rule), findings),
            RawArgument::Quoted(text, _) => argument::quote(&context, text),
            RawArgument::Bracketed(_) => argument::brackets(&context, findings),
            RawArgument::Missing => Err(self.missing(&context)),
            RawArgument::Colon(_) => {
                let message = format!("a second colon follows `{shown}:`");
                let finding = context.wrong_at(Text::CannotParse(":".to_owned()), message);
                Err(if matches!(kind, Kind::Text | Kind::TextOrNumber | Kind::Quoted) {
                    let whole = quoted(Span::new(name.end + 1, span.end).of(self.rule));
                    finding.help(format!("write {shown}:\"{whole}\", or two terms"))
                } else {
                    finding.help(format!("write {} behind the first, or two terms", kind.description()))
                })
            }
            RawArgument::Bad(_) => return broken(operator, span),
        };
        match parsed {
            Ok(parsed) => new(operator, parsed, span),
            Err(finding) => {
                findings.push(finding);
                broken(operator, span)
            }
        }
    }

    fn flag(&self, written: Span, findings: &mut Findings) -> Term {
        let nothing = Span::new(written.end, written.end);
        let Some(operator) = Operator::flag(written.of(self.rule)) else {
            self.unknown(written.of(self.rule), written, findings);
            return broken(Operator::Keyword, nothing);
        };
        self.case(written, findings);
        if !self.available(operator, written, findings) {
            return broken(operator, nothing);
        }
        new(operator, (Value::Flag, String::new()), nothing)
    }

    fn missing(&self, context: &Context<'_>) -> Finding {
        let next = self.rule.get(context.span.start..).unwrap_or_default().chars().next();
        let rest = next.map_or(Text::END.to_owned(), String::from);
        let finding =
            Finding::new(Code::Argument, self.span, format!("there is nothing behind `{}:`", context.name))
                .api(Text::CannotParse(rest))
                .api_at(context.span.start);
        match next {
            Some('(') => finding.help(format!(
                "write the operator before each term, as ({name}:… OR {name}:…)",
                name = context.name
            )),
            Some(next) if is_white_space(next) => finding.help(format!(
                "write {} right behind the colon, without a blank",
                context.kind.description()
            )),
            _ => finding.help(format!("write {} right behind the colon", context.kind.description())),
        }
    }

    fn unknown(&self, written: &str, name: Span, findings: &mut Findings) {
        let whole = written.contains(':');
        let finding = if whole {
            Finding::new(Code::Operator, name, format!("there is no operator {}", quoted(written)))
        } else {
            Finding::new(Code::Operator, name, format!("there is no operator `{}:`", quoted(written)))
        };
        let help = match successor(written) {
            _ if written.eq_ignore_ascii_case("http") || written.eq_ignore_ascii_case("https") => {
                format!("put the address in quotes, as url:\"{}\"", quoted(self.span.of(self.rule)))
            }
            Some(help) => help.to_owned(),
            None => match similar(written, whole, self.profile) {
                Some(name) if whole => format!("did you mean {name}?"),
                Some(name) => format!("did you mean `{name}:`?"),
                None if whole => "write a flag that there is, as has:links or is:retweet".to_owned(),
                None => "put a text that holds a colon in double quotes".to_owned(),
            },
        };
        let finding = finding.help(help).api(Text::Operator(written.to_owned()));
        findings.push(if whole { finding } else { finding.api(Text::Field(written.to_owned())) });
    }

    /// Warns of letters in upper case.
    fn case(&self, written: Span, findings: &mut Findings) {
        let name = written.of(self.rule);
        if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
            findings.push(
                Finding::new(
                    Code::OperatorCase,
                    written,
                    format!("the operator {} is not in lower case", quoted(name)),
                )
                .help(format!("write {}", quoted(&name.to_ascii_lowercase()))),
            );
        }
    }

    /// Whether the product has the operator; reports it if it has not, or does not say so.
    fn available(&self, operator: Operator, written: Span, findings: &mut Findings) -> bool {
        let (info, product) = (operator.info(), self.profile.product());
        let listed = match operator.availability(self.profile) {
            Availability::Listed => return true,
            Availability::Unlisted => true,
            Availability::Absent | Availability::EmbeddingTier => false,
        };
        if listed {
            let finding = Finding::new(
                Code::Unlisted,
                written,
                format!("{product}'s page does not list {}", title(info.name)),
            );
            findings.push(match (self.profile, operator) {
                (Profile::Powertrack, Operator::HasLang) => {
                    finding.help("write -lang:und: PowerTrack 2.0 refused has:lang when it began")
                }
                _ => finding
                    .help("try it before you rely on it: PowerTrack has it, and it may work all the same"),
            });
            return true;
        }
        let name = written.of(self.rule);
        // Powerstream has no tiers: what neither its page nor PowerTrack's knows is unknown.
        let (code, texts) = if self.profile == Profile::Powerstream {
            (Code::Operator, vec![Text::Operator(name.to_owned()), Text::Field(name.to_owned())])
        } else {
            (Code::Tier, vec![Text::OperatorTier(name.to_owned())])
        };
        let finding = Finding::new(code, written, format!("{product} has no {}", title(info.name))).help(
            match Profile::ALL
                .into_iter()
                .find(|profile| operator.availability(*profile) == Availability::Listed)
            {
                Some(Profile::FilteredStreamEmbedding) => {
                    "leave it out: only the filtered stream with the embedding tier has it".to_owned()
                }
                Some(other) => format!("leave it out: {} has it", other.product()),
                None => "leave it out".to_owned(),
            },
        );
        findings.push(texts.into_iter().fold(finding, Finding::api));
        false
    }
}

/// An operator's name in a sentence.
fn title(name: &str) -> String {
    match name {
        "emoji" => "bare emoji".to_owned(),
        "proximity" => "the distance `~` behind a phrase".to_owned(),
        "hashtag" => "hashtags".to_owned(),
        "cashtag" => "cashtags".to_owned(),
        _ if name.contains(':') => name.to_owned(),
        _ => format!("`{name}:`"),
    }
}

/// The name that was probably meant: at most two letters off, and less than half of it.
fn similar(written: &str, flag: bool, profile: Profile) -> Option<&'static str> {
    const LONGEST: usize = 32;
    if written.chars().count() > LONGEST {
        return None;
    }
    let written = written.to_ascii_lowercase();
    let names =
        Operator::ALL.iter().filter(|operator| operator.availability(profile) != Availability::Absent);
    let names = names.map(|operator| operator.info()).filter(|info| {
        info.name.contains(':') == flag
            && Operator::by_name(info.name).or(Operator::flag(info.name)).is_some()
    });
    let nearest = names.map(|info| (distance(&written, info.name), info.name)).min()?;
    (nearest.0 <= 2 && nearest.0 * 2 <= written.chars().count()).then_some(nearest.1)
}

/// The distance of Levenshtein.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, a) in a.chars().enumerate() {
        let (mut diagonal, mut left) = (i, i + 1);
        for (cell, b) in row.iter_mut().skip(1).zip(b.chars()) {
            let cost = (diagonal + usize::from(a != b)).min(left + 1).min(*cell + 1);
            (diagonal, left) = (*cell, cost);
            *cell = cost;
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().unwrap_or_default()
}

/// Whether a bare word holds what X asks to put in quotes. The service takes it, and reads it as the phrase.
pub(crate) fn is_punctuated(word: &str) -> bool {
    word.chars().any(|character| is_punctuation(character) || character == '\u{fe0f}')
}
