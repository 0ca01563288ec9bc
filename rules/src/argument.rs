//! Parses an operator's argument.
//!
//! For each form of argument ([`Kind`]), one function returns the value and the canonical text, or
//! an [`ArgumentError`]. The service answers a malformed argument with "Cannot parse rule at" and
//! the position of its start.

use crate::ast::Value;
use crate::characters::{is_punctuation, is_white_space};
use crate::language;
use crate::operator::Kind;
use crate::span::Span;

/// A typed argument and its canonical text.
pub(crate) type Parsed = (Value, String);

/// What is wrong with an argument.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum ArgumentError {
    /// The argument does not have the form that the operator requires.
    Form,
    /// The argument is quoted, but the operator accepts no quotes.
    Quoted,
    /// The operator accepts only a quoted argument.
    Unquoted,
    /// The argument is unquoted and starts with this character.
    BadStart(char),
    /// The user name starts with an `@`.
    AtSign,
    ReversedRange,
    UnclosedBracket,
    /// The items are separated by commas. `first` is the first item without its dash.
    Commas {
        first: Span,
    },
    BlankBeforeUnit {
        first: Span,
        radius: Span,
        unit: Span,
    },
    /// The number of items is wrong. `first` is empty if there are none.
    NumberCount {
        first: Span,
    },
    NotDegrees(Span),
    NotRadius(Span),
    /// A longitude or latitude is out of range.
    OffEarth {
        degrees: f64,
        is_latitude: bool,
        /// All items, if swapping longitude and latitude would make them valid.
        swapped: Option<[Span; 3]>,
    },
    LongRadius(Span),
    /// The southern edge is north of the northern one.
    UpsideDown,
    /// The longest edge, in miles.
    WideBox(f64),
}

impl ArgumentError {
    /// Returns the offset that the service names, if it is not the start of the argument.
    pub(crate) const fn start(self) -> Option<usize> {
        match self {
            Self::Commas { first } | Self::BlankBeforeUnit { first, .. } | Self::NumberCount { first } => {
                Some(first.start)
            }
            _ => None,
        }
    }
}

/// Parses an argument that is a bare word.
pub(crate) fn word(kind: Kind, word: &str) -> Result<Parsed, ArgumentError> {
    let value = match kind {
        Kind::Text | Kind::TextOrNumber | Kind::Quoted => text(kind, word)?,
        Kind::User => user(word)?,
        Kind::Range | Kind::Minimum => count(kind, word)?,
        Kind::Language => return language(word),
        Kind::Country => {
            if word.len() == 2 && word.bytes().all(|byte| byte.is_ascii_alphabetic()) {
                return Ok((Value::Country, word.to_ascii_uppercase()));
            }
            return Err(ArgumentError::Form);
        }
        Kind::PostId => Value::Post { id: digits(word).ok_or(ArgumentError::Form)? },
        Kind::Context => annotation(word).ok_or(ArgumentError::Form)?,
        Kind::Percent => {
            let percent = digits(word).and_then(|percent| u8::try_from(percent).ok());
            Value::Percent(percent.filter(|percent| (1..=100).contains(percent)).ok_or(ArgumentError::Form)?)
        }
        Kind::Threshold => match number(word) {
            Some(threshold) if (0.0..=1.0).contains(&threshold) && !word.starts_with('-') => {
                Value::Threshold(threshold)
            }
            _ => return Err(ArgumentError::Form),
        },
        Kind::Circle | Kind::Box => return Err(ArgumentError::Form),
        Kind::Keyword
        | Kind::Emoji
        | Kind::Phrase
        | Kind::Proximity
        | Kind::Hashtag
        | Kind::Cashtag
        | Kind::Mention
        | Kind::Flag => unreachable!("no operator of this form is written with a colon"),
    };
    Ok((value, word.to_owned()))
}

/// Parses a quoted argument, given without its quotes.
pub(crate) fn quoted(kind: Kind, text: String) -> Result<Parsed, ArgumentError> {
    match kind {
        Kind::Text | Kind::TextOrNumber | Kind::Quoted => Ok((Value::Text, text)),
        Kind::Circle | Kind::Box => Err(ArgumentError::Form),
        _ => Err(ArgumentError::Quoted),
    }
}

fn text(kind: Kind, word: &str) -> Result<Value, ArgumentError> {
    if kind == Kind::Quoted {
        return Err(ArgumentError::Unquoted);
    }
    let (unsigned, signed) = word.strip_prefix('-').map_or((word, false), |unsigned| (unsigned, true));
    if kind == Kind::TextOrNumber
        && (signed || word.contains('.'))
        && !unsigned.starts_with('-')
        && number(unsigned).is_some()
    {
        return Ok(Value::Number);
    }
    match word.chars().next() {
        Some(first) if is_punctuation(first) || first == '$' => Err(ArgumentError::BadStart(first)),
        _ => Ok(Value::Text),
    }
}

fn user(word: &str) -> Result<Value, ArgumentError> {
    if word.starts_with('@') {
        return Err(ArgumentError::AtSign);
    }
    if !word.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
        return Err(ArgumentError::Form);
    }
    Ok(Value::User { id: digits(word) })
}

fn count(kind: Kind, word: &str) -> Result<Value, ArgumentError> {
    let (min, max) = match word.split_once("..") {
        Some((min, max)) if kind == Kind::Range => (min, Some(max)),
        _ => (word, None),
    };
    let min = digits(min).ok_or(ArgumentError::Form)?;
    let max = max.map(|max| digits(max).ok_or(ArgumentError::Form)).transpose()?;
    if max.is_some_and(|max| max < min) {
        return Err(ArgumentError::ReversedRange);
    }
    Ok(Value::Count { min, max })
}

fn language(word: &str) -> Result<Parsed, ArgumentError> {
    if word.starts_with(is_punctuation) {
        return Err(ArgumentError::Form);
    }
    let listed = language::listed(word);
    Ok((Value::Language { listed: listed.is_some() }, listed.unwrap_or(word).to_owned()))
}

fn annotation(word: &str) -> Option<Value> {
    let (domain, entity) = word.split_once('.')?;
    let part = |part: &str| if part == "*" { Some(None) } else { digits(part).map(Some) };
    let (domain, entity) = (part(domain)?, part(entity)?);
    (domain.is_some() || entity.is_some()).then_some(Value::Context { domain, entity })
}

/// Parses a bracketed argument, whose span in the rule is `span`.
pub(crate) fn brackets(kind: Kind, span: Span, rule: &str) -> Result<Parsed, ArgumentError> {
    if !matches!(kind, Kind::Circle | Kind::Box) {
        return Err(ArgumentError::Form);
    }
    if !span.of(rule).ends_with(']') {
        return Err(ArgumentError::UnclosedBracket);
    }
    let inside = Span::new(span.start + 1, span.end - 1);
    let list = inside.of(rule);
    // Five items are enough to report a wrong count.
    let items: Vec<Span> = items(list, inside.start).take(5).collect();
    let first = items.first().copied().unwrap_or(Span::new(inside.end, inside.end));
    if list.contains(',') {
        // The service treats the dash of the first number as a separate token.
        let dash = usize::from(first.of(rule).starts_with('-'));
        return Err(ArgumentError::Commas { first: Span::new(first.start + dash, first.end) });
    }
    let value = match (kind, items.as_slice()) {
        (Kind::Circle, &[longitude, latitude, radius]) => circle([longitude, latitude, radius], rule)?,
        (Kind::Circle, &[_, _, radius, unit]) if is_unit(unit.of(rule)) => {
            return Err(ArgumentError::BlankBeforeUnit { first, radius, unit });
        }
        (Kind::Box, &[west, south, east, north]) => bounds([west, south, east, north], rule)?,
        _ => return Err(ArgumentError::NumberCount { first }),
    };
    let words = items.iter().map(|item| item.of(rule).to_ascii_lowercase());
    Ok((value, words.collect::<Vec<_>>().join(" ")))
}

/// Splits a list at white space. Returns the items' spans in the rule, where the list starts at
/// `start`.
fn items(list: &str, start: usize) -> impl Iterator<Item = Span> {
    let mut at = start;
    list.split_inclusive(is_white_space).filter_map(move |piece| {
        let item = Span::new(at, at + piece.trim_end_matches(is_white_space).len());
        at += piece.len();
        (item.start < item.end).then_some(item)
    })
}

const KM_PER_MILE: f64 = 1.609_344;
const MILES_MAX: f64 = 25.0;
/// The mean radius of the Earth.
const EARTH_KM: f64 = 6_371.008_8;
/// A tolerance, so that 25 miles written in kilometers are accepted.
const SLACK: f64 = 1e-9;

fn is_unit(unit: &str) -> bool {
    unit.eq_ignore_ascii_case("mi") || unit.eq_ignore_ascii_case("km")
}

fn circle(items: [Span; 3], rule: &str) -> Result<Value, ArgumentError> {
    let [longitude_item, latitude_item, radius_item] = items;
    let (longitude, latitude) = (degrees(longitude_item, rule)?, degrees(latitude_item, rule)?);
    let text = radius_item.of(rule);
    let unit = text.len().checked_sub(2).and_then(|at| text.get(at..)).filter(|unit| is_unit(unit));
    let radius = unit.and_then(|unit| text.strip_suffix(unit)).filter(|text| !text.starts_with('-'));
    let (Some(unit), Some(radius)) = (unit, radius.and_then(number)) else {
        return Err(ArgumentError::NotRadius(radius_item));
    };
    let can_be_swapped = longitude.abs() <= 90.0 && latitude.abs() <= 180.0;
    on_earth(longitude, latitude, can_be_swapped.then_some(items))?;
    let radius_km = if unit.eq_ignore_ascii_case("mi") { radius * KM_PER_MILE } else { radius };
    if radius_km > MILES_MAX * KM_PER_MILE + SLACK {
        return Err(ArgumentError::LongRadius(radius_item));
    }
    Ok(Value::Circle { longitude, latitude, radius_km })
}

fn bounds(items: [Span; 4], rule: &str) -> Result<Value, ArgumentError> {
    let mut numbers = [0.0; 4];
    for (number, item) in numbers.iter_mut().zip(items) {
        *number = degrees(item, rule)?;
    }
    let [west, south, east, north] = numbers;
    on_earth(west, south, None)?;
    on_earth(east, north, None)?;
    if south > north {
        return Err(ArgumentError::UpsideDown);
    }
    Ok(Value::Box { west, south, east, north })
}

/// Returns the longest edge of a box in miles if X does not accept it: more than 25 miles.
pub(crate) fn too_wide([west, south, east, north]: [f64; 4]) -> Option<f64> {
    // If west is greater than east, the box crosses the antimeridian.
    let width = if west <= east { east - west } else { east - west + 360.0 };
    let radians = f64::to_radians;
    // The longer of the southern and the northern edge.
    let parallel = radians(south).cos().max(radians(north).cos());
    let edge = (radians(north - south) * EARTH_KM).max(radians(width) * parallel * EARTH_KM);
    (edge > MILES_MAX * KM_PER_MILE + SLACK).then_some(edge / KM_PER_MILE)
}

fn degrees(item: Span, rule: &str) -> Result<f64, ArgumentError> {
    number(item.of(rule)).ok_or(ArgumentError::NotDegrees(item))
}

fn on_earth(longitude: f64, latitude: f64, swapped: Option<[Span; 3]>) -> Result<(), ArgumentError> {
    if latitude.abs() > 90.0 {
        return Err(ArgumentError::OffEarth { degrees: latitude, is_latitude: true, swapped });
    }
    if longitude.abs() > 180.0 {
        return Err(ArgumentError::OffEarth { degrees: longitude, is_latitude: false, swapped });
    }
    Ok(())
}

/// Parses ASCII digits; `None` if there are other characters or the number exceeds `u64`.
pub(crate) fn digits(text: &str) -> Option<u64> {
    // `parse` would also accept a sign.
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

/// Parses `[-]digits[.digits]`.
fn number(text: &str) -> Option<f64> {
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    (digits(whole) && digits(fraction)).then(|| text.parse().ok())?
}
