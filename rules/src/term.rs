//! Interprets a term: determines its operator, checks that the product has it, and parses the
//! argument.

use crate::argument::{self, ArgumentError, Parsed};
use crate::ast::{Term, Value};
use crate::characters::is_emoji;
use crate::findings::Findings;
use crate::issue::Issue;
use crate::lexer::{RawArgument, RawTerm};
use crate::operator::{Availability, Operator};
use crate::profile::Profile;
use crate::span::Span;

/// Interprets one term. Reports an invalid one and returns a broken term for it.
pub(crate) fn term(
    rule: &str,
    raw: RawTerm,
    span: Span,
    profile: Profile,
    findings: &mut Findings<'_>,
) -> Term {
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

struct Reader<'a> {
    rule: &'a str,
    span: Span,
    profile: Profile,
}

impl Reader<'_> {
    fn proximity(&self, text: String, distance: Span, findings: &mut Findings<'_>) -> Term {
        let written = distance.of(self.rule);
        if let [digit @ b'1'..=b'6'] = written.as_bytes() {
            return new(Operator::Proximity, (Value::Proximity { distance: digit - b'0' }, text), self.span);
        }
        // If nothing follows the `~`, the service names the `~` itself.
        let at = distance.start - usize::from(written.is_empty());
        findings.push_at(Issue::BadDistance(distance), self.span, at);
        Term::broken(Operator::Proximity, self.span)
    }

    fn operator(&self, name: Span, raw: RawArgument, findings: &mut Findings<'_>) -> Term {
        let written = name.of(self.rule);
        let start = name.end + 1;
        let span = match &raw {
            RawArgument::Missing => Span::new(start, start),
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
            findings.push(Issue::UnknownOperator { term: self.span }, name);
            return Term::broken(Operator::Keyword, span);
        };
        self.case(name, findings);
        if !self.available(operator, name, findings) {
            return Term::broken(operator, span);
        }
        let kind = operator.info().kind;
        let parsed = match raw {
            RawArgument::Word(_) => argument::word(kind, span.of(self.rule)),
            RawArgument::Quoted(text, _) => argument::quoted(kind, text),
            RawArgument::Bracketed(_) => argument::brackets(kind, span, self.rule),
            RawArgument::Missing => {
                findings.push_at(Issue::MissingArgument { operator, at: start }, self.span, start);
                return Term::broken(operator, span);
            }
            RawArgument::Colon(_) => {
                findings.push(Issue::SecondColon { operator, start }, span);
                return Term::broken(operator, span);
            }
            RawArgument::Bad(_) => return Term::broken(operator, span),
        };
        match parsed.and_then(|parsed| self.doubtful(parsed, span, findings)) {
            Ok(parsed) => new(operator, parsed, span),
            Err(error) => {
                findings.push_at(
                    Issue::Argument { operator, error },
                    span,
                    error.start().unwrap_or(span.start),
                );
                Term::broken(operator, span)
            }
        }
    }

    /// Warns of a well-formed argument that X may not accept. A wide box is an error everywhere but
    /// on Powerstream, whose pages set no limit.
    fn doubtful(
        &self,
        parsed: Parsed,
        span: Span,
        findings: &mut Findings<'_>,
    ) -> Result<Parsed, ArgumentError> {
        match parsed.0 {
            Value::Language { listed: false } => findings.push(Issue::UnlistedLanguage, span),
            Value::Box { west, south, east, north } => {
                if let Some(miles) = argument::too_wide([west, south, east, north]) {
                    if self.profile != Profile::Powerstream {
                        return Err(ArgumentError::WideBox(miles));
                    }
                    findings.push(Issue::WideBox(miles), span);
                }
            }
            _ => {}
        }
        Ok(parsed)
    }

    fn flag(&self, written: Span, findings: &mut Findings<'_>) -> Term {
        let nothing = Span::new(written.end, written.end);
        let Some(operator) = Operator::flag(written.of(self.rule)) else {
            findings.push(Issue::UnknownFlag, written);
            return Term::broken(Operator::Keyword, nothing);
        };
        self.case(written, findings);
        if !self.available(operator, written, findings) {
            return Term::broken(operator, nothing);
        }
        new(operator, (Value::Flag, String::new()), nothing)
    }

    /// Warns of upper-case letters in an operator name.
    fn case(&self, written: Span, findings: &mut Findings<'_>) {
        if written.of(self.rule).bytes().any(|byte| byte.is_ascii_uppercase()) {
            findings.push(Issue::OperatorCase, written);
        }
    }

    /// Returns true if the product accepts the operator. Reports an operator that the product does
    /// not accept or does not list.
    fn available(&self, operator: Operator, written: Span, findings: &mut Findings<'_>) -> bool {
        match operator.availability(self.profile) {
            Availability::Listed => true,
            Availability::Unlisted => {
                findings.push(Issue::Unlisted(operator), written);
                true
            }
            Availability::Absent | Availability::EmbeddingTier => {
                findings.push(Issue::Unavailable(operator), written);
                false
            }
        }
    }
}
