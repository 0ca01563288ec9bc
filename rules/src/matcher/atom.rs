//! Reduces each leaf of a rule to the few forms that the matcher evaluates.

use core::fmt::Write as _;

use super::fold::fold_into;
use super::geo::Shape;
use super::options::{MatchOptions, Phrases, Segment};
use super::predicate::Predicate;
use super::token::{Token, split_into};
use super::view::{Domain, bare_url};
use crate::ast::{Term, Value};
use crate::characters::is_unsegmented;
use crate::operator::Operator;

/// One form of a leaf. If a leaf has several forms, one of them must be true. All texts are folded.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Atom<'a> {
    /// A token of a string in the domain equals the key. In a domain of names, a whole string
    /// equals it.
    Key { domain: Domain, key: &'a str },
    /// A condition that must be evaluated.
    Condition(Form<'a>),
}

/// The kinds of conditions.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Form<'a> {
    /// A string of the domain contains these tokens in sequence.
    Run { domain: Domain, text: &'a str, tokens: &'a [Token] },
    /// A text or link contains this text literally, at word boundaries.
    Literal { text: &'a str, tokens: &'a [Token] },
    /// A text contains these tokens, at most `distance` apart.
    Near { text: &'a str, tokens: &'a [Token], distance: u8 },
    /// A string of the domain contains this text, regardless of word boundaries.
    Substring { domain: Domain, text: &'a str },
    /// A field of the Post has a certain value.
    Predicate(Predicate),
}

/// Reusable buffers for `atoms`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Buffer {
    folded: String,
    tokens: Vec<Token>,
    number: String,
}

/// Calls `each` with every form of a leaf; at least once.
pub(crate) fn atoms(term: &Term, options: MatchOptions, buffer: &mut Buffer, each: &mut dyn FnMut(Atom<'_>)) {
    use Operator as O;
    buffer.folded.clear();
    fold_into(&term.text, &mut buffer.folded);
    let links = if options.short_links { Domain::AllLinks } else { Domain::Links };
    match term.operator {
        O::Keyword | O::Emoji => keyword(options, buffer, each),
        O::Phrase => phrase(options, buffer, each),
        O::Proximity => near(term, buffer, each),
        O::Hashtag => key(Domain::Hashtags, buffer, each),
        O::Cashtag => key(Domain::Cashtags, buffer, each),
        O::Mention => user(term, Domain::MentionNames, Domain::MentionIds, buffer, each),
        O::From => user(term, Domain::FromName, Domain::FromId, buffer, each),
        O::To => user(term, Domain::ToName, Domain::ToId, buffer, each),
        O::RetweetsOf => user(term, Domain::RetweetsOfName, Domain::RetweetsOfId, buffer, each),
        O::FromAffiliateOf => user(term, Domain::FromAffiliateName, Domain::FromAffiliateId, buffer, each),
        O::ToAffiliateOf => user(term, Domain::ToAffiliateName, Domain::ToAffiliateId, buffer, each),
        O::Contains => {
            each(Atom::Condition(Form::Substring { domain: Domain::OwnTexts, text: &buffer.folded }))
        }
        O::Url => run(links, buffer, each),
        O::UrlContains => {
            each(Atom::Condition(Form::Substring { domain: Domain::AllLinks, text: &buffer.folded }))
        }
        O::UrlTitle => run(Domain::Titles, buffer, each),
        O::UrlDescription => run(Domain::Descriptions, buffer, each),
        O::Bio => run(Domain::Bio, buffer, each),
        O::BioName => run(Domain::BioName, buffer, each),
        O::BioLocation => run(Domain::BioLocation, buffer, each),
        O::Lang => key(Domain::Lang, buffer, each),
        O::Place => {
            key(Domain::PlaceId, buffer, each);
            run(Domain::PlaceNames, buffer, each);
        }
        O::PlaceCountry => key(Domain::PlaceCountry, buffer, each),
        O::ProfileCountry => key(Domain::ProfileCountry, buffer, each),
        O::ProfileRegion => key(Domain::ProfileRegion, buffer, each),
        O::ProfileLocality => key(Domain::ProfileLocality, buffer, each),
        O::ProfileSubregion => key(Domain::ProfileSubregion, buffer, each),
        O::RetweetsOfStatusId => post(term, Domain::RetweetedId, buffer, each),
        O::InReplyToStatusId => post(term, Domain::RepliedId, buffer, each),
        O::ConversationId => post(term, Domain::ConversationId, buffer, each),
        O::Entity => key(Domain::Entity, buffer, each),
        O::Source => {
            key(Domain::SourceName, buffer, each);
            each(Atom::Key { domain: Domain::SourceUrl, key: bare_url(&buffer.folded) });
        }
        O::Context => {
            let Value::Context { domain, entity } = term.value else { mistyped(term) };
            each(Atom::Key { domain: Domain::Context, key: annotation(domain, entity, &mut buffer.number) });
        }
        _ => each(Atom::Condition(Form::Predicate(predicate(term)))),
    }
}

fn keyword(options: MatchOptions, buffer: &mut Buffer, each: &mut dyn FnMut(Atom<'_>)) {
    let text = &*buffer.folded;
    split(&mut buffer.tokens, text);
    if !is_one_token(&buffer.tokens, text) {
        return phrase(options, buffer, each);
    }
    if options.segment == Segment::Substring && text.contains(is_unsegmented) {
        return each(Atom::Condition(Form::Substring { domain: Domain::Words, text }));
    }
    each(Atom::Key { domain: Domain::Words, key: text });
}

fn phrase(options: MatchOptions, buffer: &mut Buffer, each: &mut dyn FnMut(Atom<'_>)) {
    if options.phrases == Phrases::Tokens {
        return run(Domain::Words, buffer, each);
    }
    let text = &*buffer.folded;
    split(&mut buffer.tokens, text);
    match &*buffer.tokens {
        // A single word that is a whole token.
        [token] if is_one_token(&buffer.tokens, text) && !token.emoji => {
            each(Atom::Key { domain: Domain::Words, key: text });
        }
        tokens => each(Atom::Condition(Form::Literal { text, tokens })),
    }
}

fn near(term: &Term, buffer: &mut Buffer, each: &mut dyn FnMut(Atom<'_>)) {
    let Value::Proximity { distance } = term.value else { mistyped(term) };
    let text = &*buffer.folded;
    split(&mut buffer.tokens, text);
    each(Atom::Condition(Form::Near { text, tokens: &buffer.tokens, distance }));
}

fn run(domain: Domain, buffer: &mut Buffer, each: &mut dyn FnMut(Atom<'_>)) {
    let text = &*buffer.folded;
    split(&mut buffer.tokens, text);
    each(match &*buffer.tokens {
        [token] => Atom::Key { domain, key: token.of(text) },
        tokens => Atom::Condition(Form::Run { domain, text, tokens }),
    });
}

fn key(domain: Domain, buffer: &Buffer, each: &mut dyn FnMut(Atom<'_>)) {
    each(Atom::Key { domain, key: &buffer.folded });
}

fn user(term: &Term, names: Domain, ids: Domain, buffer: &mut Buffer, each: &mut dyn FnMut(Atom<'_>)) {
    key(names, buffer, each);
    if let Value::User { id: Some(id) } = term.value {
        each(Atom::Key { domain: ids, key: decimal(id, &mut buffer.number) });
    }
}

fn post(term: &Term, domain: Domain, buffer: &mut Buffer, each: &mut dyn FnMut(Atom<'_>)) {
    let Value::Post { id } = term.value else { mistyped(term) };
    each(Atom::Key { domain, key: decimal(id, &mut buffer.number) });
}

/// Formats an ID for comparison, in decimal digits.
pub(crate) fn decimal(id: u64, buffer: &mut String) -> &str {
    buffer.clear();
    // Writing to a `String` cannot fail, here and below.
    let _ = write!(buffer, "{id}");
    buffer
}

/// Formats an annotation for comparison, as in a rule, with `*` for any.
pub(crate) fn annotation(domain: Option<u64>, entity: Option<u64>, buffer: &mut String) -> &str {
    buffer.clear();
    let _ = match domain {
        Some(domain) => write!(buffer, "{domain}."),
        None => write!(buffer, "*."),
    };
    let _ = match entity {
        Some(entity) => write!(buffer, "{entity}"),
        None => write!(buffer, "*"),
    };
    buffer
}

fn split(tokens: &mut Vec<Token>, text: &str) {
    tokens.clear();
    split_into(text, 0, tokens);
}

fn is_one_token(tokens: &[Token], text: &str) -> bool {
    matches!(tokens, [token] if token.start == 0 && token.end as usize == text.len())
}

fn predicate(term: &Term) -> Predicate {
    let profile = matches!(term.operator, Operator::ProfilePointRadius | Operator::ProfileBoundingBox);
    let geo = |shape| if profile { Predicate::ProfileGeo(shape) } else { Predicate::Geo(shape) };
    match term.value {
        Value::Count { min, max } => Predicate::Count { operator: term.operator, min, max },
        Value::Circle { longitude, latitude, radius_km } => {
            geo(Shape::Circle { longitude, latitude, radius_km })
        }
        Value::Box { west, south, east, north } => geo(Shape::Box { west, south, east, north }),
        Value::Percent(percent) => Predicate::Sample(percent),
        Value::Threshold(_) => Predicate::True,
        Value::Flag => Predicate::Flag(term.operator),
        // Only the service can compare meanings.
        Value::Text => Predicate::Unknown("embedding"),
        _ => mistyped(term),
    }
}

/// Panics. Unreachable: only the parser creates terms, and it gives each operator a value of its
/// type.
fn mistyped(term: &Term) -> ! {
    unreachable!("{:?} has the value {:?}", term.operator, term.value)
}
