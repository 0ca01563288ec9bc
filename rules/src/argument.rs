//! From the text of an argument to its value.
//!
//! Each form of argument ([`Kind`]) has one function here, which gives the value and the canonical text, or says what
//! is wrong. The service answers a malformed argument with "Cannot parse rule at", and names the place where it
//! starts.

use crate::api::Text;
use crate::ast::Value;
use crate::characters::{is_punctuation, is_white_space};
use crate::diagnostic::{Code, Finding, Findings, quoted};
use crate::language;
use crate::operator::Kind;
use crate::profile::Profile;
use crate::span::Span;

/// A typed argument and its canonical text.
pub(crate) type Parsed = (Value, String);

/// What every argument needs to know of its surroundings.
#[derive(Clone, Copy)]
pub(crate) struct Context<'a> {
    pub(crate) rule: &'a str,
    pub(crate) profile: Profile,
    /// The operator's name, as to be written.
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    /// Where the argument stands.
    pub(crate) span: Span,
}

impl Context<'_> {
    /// An argument of the wrong form.
    pub(crate) fn wrong(&self, message: impl Into<String>) -> Finding {
        let rest = self.span.of(self.rule);
        let rest = if rest.is_empty() { Text::END } else { rest };
        self.wrong_at(Text::CannotParse(rest.to_owned()), message)
    }

    /// The same where the service names a part of the argument, or finds it where it expects none.
    pub(crate) fn wrong_at(&self, text: Text, message: impl Into<String>) -> Finding {
        Finding::new(Code::Argument, self.span, message).api(text)
    }

    /// The same, the form told as help.
    fn form(&self, word: &str) -> Finding {
        self.wrong(format!("`{}:` cannot take {}", self.name, quoted(word)))
            .help(format!("write {}", self.kind.description()))
    }
}

/// An argument that is a bare word.
pub(crate) fn word(context: &Context<'_>, word: &str, findings: &mut Findings) -> Result<Parsed, Finding> {
    match context.kind {
        Kind::Text | Kind::TextOrNumber | Kind::Quoted => text(context, word),
        Kind::User => user(context, word),
        Kind::Range | Kind::Minimum => count(context, word),
        Kind::Language => language(context, word, findings),
        Kind::Country => {
            if word.len() == 2 && word.bytes().all(|byte| byte.is_ascii_alphabetic()) {
                return Ok((Value::Country, word.to_ascii_uppercase()));
            }
            Err(context.form(word))
        }
        Kind::PostId => {
            let id = digits(word).ok_or_else(|| context.form(word))?;
            Ok((Value::Post { id }, word.to_owned()))
        }
        Kind::Context => {
            annotation(word).map(|value| (value, word.to_owned())).ok_or_else(|| context.form(word))
        }
        Kind::Percent => match digits(word) {
            Some(percent @ 1..=100) => {
                Ok((Value::Percent(u8::try_from(percent).unwrap_or(100)), word.to_owned()))
            }
            _ => Err(context.form(word)),
        },
        Kind::Threshold => match number(word) {
            Some(threshold) if (0.0..=1.0).contains(&threshold) && !word.starts_with('-') => {
                Ok((Value::Threshold(threshold), word.to_owned()))
            }
            _ => Err(context.form(word)),
        },
        Kind::Circle | Kind::Box => Err(context.form(word)),
        // None of these is written with a colon.
        Kind::Keyword
        | Kind::Emoji
        | Kind::Phrase
        | Kind::Proximity
        | Kind::Hashtag
        | Kind::Cashtag
        | Kind::Mention
        | Kind::Flag => Err(context.form(word)),
    }
}

/// An argument in double quotes, without them.
pub(crate) fn quote(context: &Context<'_>, text: String) -> Result<Parsed, Finding> {
    match context.kind {
        Kind::Text | Kind::TextOrNumber | Kind::Quoted => Ok((Value::Text, text)),
        Kind::Circle | Kind::Box => Err(context.form(context.span.of(context.rule))),
        _ => Err(context
            .wrong(format!("`{}:` takes no quotes", context.name))
            .help(format!("write {}, without quotes", context.kind.description()))),
    }
}

fn text(context: &Context<'_>, word: &str) -> Result<Parsed, Finding> {
    if context.kind == Kind::Quoted {
        return Err(context.wrong(format!("`{}:` takes a quoted text only", context.name)).help(format!(
            "write {}:\"{}\"",
            context.name,
            quoted(word)
        )));
    }
    let (unsigned, signed) = word.strip_prefix('-').map_or((word, false), |unsigned| (unsigned, true));
    if context.kind == Kind::TextOrNumber
        && (signed || word.contains('.'))
        && !unsigned.starts_with('-')
        && number(unsigned).is_some()
    {
        return Ok((Value::Number, word.to_owned()));
    }
    if word.starts_with(is_punctuation) || word.starts_with('$') {
        // A cashtag is a token by itself, and one too many.
        let text = if word.starts_with('$') { Text::Input } else { Text::CannotParse };
        return Err(context
            .wrong_at(
                text(word.to_owned()),
                format!(
                    "an unquoted argument cannot start with {}",
                    quoted(word.get(..word.chars().next().map_or(0, char::len_utf8)).unwrap_or_default())
                ),
            )
            .help(format!("write {}:\"{}\"", context.name, quoted(word))));
    }
    Ok((Value::Text, word.to_owned()))
}

fn user(context: &Context<'_>, word: &str) -> Result<Parsed, Finding> {
    if let Some(name) = word.strip_prefix('@') {
        return Err(context
            .wrong(format!("`{}:` takes a user name without the @", context.name))
            .help(format!("write {}:{}", context.name, quoted(name))));
    }
    if !word.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
        return Err(context.form(word));
    }
    Ok((Value::User { id: digits(word) }, word.to_owned()))
}

fn count(context: &Context<'_>, word: &str) -> Result<Parsed, Finding> {
    let (min, max) = match word.split_once("..") {
        Some((min, max)) if context.kind == Kind::Range => (min, Some(max)),
        _ => (word, None),
    };
    let (Some(min), Some(max)) = (digits(min), max.map_or(Some(None), |max| digits(max).map(Some))) else {
        return Err(context.form(word));
    };
    if max.is_some_and(|max| max < min) {
        return Err(context
            .wrong(format!("the range {} ends before it begins", quoted(word)))
            .help("write the smaller number first"));
    }
    Ok((Value::Count { min, max }, word.to_owned()))
}

fn language(context: &Context<'_>, word: &str, findings: &mut Findings) -> Result<Parsed, Finding> {
    if word.starts_with(is_punctuation) {
        return Err(context.form(word));
    }
    if let Some(listed) = language::listed(word) {
        return Ok((Value::Language { listed: true }, listed.to_owned()));
    }
    let finding = Finding::new(
        Code::Language,
        context.span,
        format!("X lists no language {}, and may ignore the operator", quoted(word)),
    );
    findings.push(match language::older(word) {
        Some(older) => finding.help(format!("write lang:{older}, the older code that X uses")),
        None => finding.help("write a code that X lists, as en, ja or und"),
    });
    Ok((Value::Language { listed: false }, word.to_owned()))
}

fn annotation(word: &str) -> Option<Value> {
    let (domain, entity) = word.split_once('.')?;
    let part = |part: &str| if part == "*" { Some(None) } else { digits(part).map(Some) };
    let (domain, entity) = (part(domain)?, part(entity)?);
    (domain.is_some() || entity.is_some()).then_some(Value::Context { domain, entity })
}

/// An argument in brackets, with them.
pub(crate) fn brackets(context: &Context<'_>, findings: &mut Findings) -> Result<Parsed, Finding> {
    if !matches!(context.kind, Kind::Circle | Kind::Box) {
        return Err(context.form(context.span.of(context.rule)));
    }
    let inside = Span::new(context.span.start + 1, context.span.end - 1);
    let Some(list) = context.span.of(context.rule).strip_suffix(']').map(|_| inside.of(context.rule)) else {
        return Err(context.wrong("this bracket is never closed").help("write a ] behind the last number"));
    };
    let first = inside.start + (list.len() - list.trim_start().len());
    let mut items = Vec::new();
    for item in list.split(is_white_space).filter(|item| !item.is_empty()) {
        // Five are as wrong as five million.
        if items.len() < 5 {
            items.push(item);
        }
    }
    let at = |item: Option<&&str>, message: String| {
        let item = item.copied().unwrap_or_default();
        let finding = Finding::new(Code::Argument, context.span, message);
        finding
            .api(Text::CannotParse(if item.is_empty() { "]" } else { item }.to_owned()))
            .api_at(first)
            .help(format!("write {}", context.kind.description()))
    };
    if list.contains(',') {
        // The service takes the dash of a first number for a token of its own.
        let unsigned = items.first().map(|item| item.strip_prefix('-').unwrap_or(item));
        let dash = items.first().map_or(0, |item| item.len()) - unsigned.map_or(0, str::len);
        let finding = at(unsigned.as_ref(), "the numbers are separated by commas".to_owned());
        return Err(finding.api_at(first + dash));
    }
    let parsed = match (context.kind, items.as_slice()) {
        (Kind::Circle, [longitude, latitude, radius]) => circle(context, longitude, latitude, radius)?,
        (Kind::Circle, [_, _, radius, unit]) if is_unit(unit) => {
            let finding = at(items.first(), format!("a blank stands before the unit {}", quoted(unit)));
            return Err(finding.help(format!("write {}{}", quoted(radius), quoted(unit))));
        }
        (Kind::Box, [west, south, east, north]) => bounds(context, [west, south, east, north], findings)?,
        _ => {
            let wanted = if context.kind == Kind::Circle { "three" } else { "four" };
            return Err(at(items.first(), format!("`{}:` takes {wanted} numbers", context.name)));
        }
    };
    let text = items.iter().map(|item| item.to_ascii_lowercase()).collect::<Vec<_>>().join(" ");
    Ok((parsed, text))
}

const KILOMETRES_A_MILE: f64 = 1.609_344;
const MILES_MAX: f64 = 25.0;
/// The mean radius of the earth.
const EARTH_KM: f64 = 6_371.008_8;
/// So that 25 miles written in kilometres are 25 miles.
const SLACK: f64 = 1e-9;

fn is_unit(unit: &str) -> bool {
    unit.eq_ignore_ascii_case("mi") || unit.eq_ignore_ascii_case("km")
}

fn circle(
    context: &Context<'_>,
    longitude_text: &str,
    latitude_text: &str,
    radius_text: &str,
) -> Result<Value, Finding> {
    let (longitude, latitude) = (coordinate(context, longitude_text)?, coordinate(context, latitude_text)?);
    let unit =
        radius_text.len().checked_sub(2).and_then(|at| radius_text.get(at..)).filter(|unit| is_unit(unit));
    let radius = unit.and_then(|unit| radius_text.strip_suffix(unit)).filter(|text| !text.starts_with('-'));
    let (Some(unit), Some(radius)) = (unit, radius.and_then(number)) else {
        return Err(context
            .wrong(format!("{} is no radius", quoted(radius_text)))
            .help("write a number with its unit, as 10mi or 16km"));
    };
    position(context, longitude, latitude).map_err(|finding| {
        if longitude.abs() <= 90.0 && latitude.abs() <= 180.0 {
            return finding.help(format!(
                "swap longitude and latitude: write [{} {} {}]",
                quoted(latitude_text),
                quoted(longitude_text),
                quoted(radius_text)
            ));
        }
        finding
    })?;
    let radius_km = if unit.eq_ignore_ascii_case("mi") { radius * KILOMETRES_A_MILE } else { radius };
    if radius_km > MILES_MAX * KILOMETRES_A_MILE + SLACK {
        return Err(context
            .wrong(format!("the radius {} is over 25 miles", quoted(radius_text)))
            .help("write at most 25mi or 40.2336km, and cover more with several circles"));
    }
    Ok(Value::Circle { longitude, latitude, radius_km })
}

fn bounds(context: &Context<'_>, items: [&str; 4], findings: &mut Findings) -> Result<Value, Finding> {
    let mut numbers = [0.0; 4];
    for (number, item) in numbers.iter_mut().zip(items) {
        *number = coordinate(context, item)?;
    }
    let [west, south, east, north] = numbers;
    position(context, west, south)?;
    position(context, east, north)?;
    if south > north {
        return Err(context
            .wrong("the box's south lies north of its north")
            .help("write [west south east north], the smaller latitude before the greater"));
    }
    // West of greater longitude: it crosses the antimeridian.
    let width = if west <= east { east - west } else { east - west + 360.0 };
    let radians = f64::to_radians;
    // The longer of its southern and northern edges.
    let parallel = radians(south).cos().max(radians(north).cos());
    let edge = (radians(north - south) * EARTH_KM).max(radians(width) * parallel * EARTH_KM);
    if edge > MILES_MAX * KILOMETRES_A_MILE + SLACK {
        let message = format!("the box has an edge of {:.1} miles, over 25", edge / KILOMETRES_A_MILE);
        let help = "write several smaller boxes, joined by OR";
        if context.profile != Profile::Powerstream {
            return Err(context.wrong(message).help(help));
        }
        findings.push(Finding::new(Code::Geo, context.span, message).help(help));
    }
    Ok(Value::Box { west, south, east, north })
}

fn coordinate(context: &Context<'_>, item: &str) -> Result<f64, Finding> {
    number(item).ok_or_else(|| {
        context
            .wrong(format!("{} is no number of degrees", quoted(item)))
            .help(format!("write {}", context.kind.description()))
    })
}

fn position(context: &Context<'_>, longitude: f64, latitude: f64) -> Result<(), Finding> {
    if latitude.abs() > 90.0 {
        return Err(context
            .wrong(format!("{latitude} is no latitude"))
            .help("write longitudes within ±180 before latitudes within ±90"));
    }
    if longitude.abs() > 180.0 {
        return Err(context
            .wrong(format!("{longitude} is no longitude"))
            .help("write longitudes within ±180 before latitudes within ±90"));
    }
    Ok(())
}

/// ASCII digits, as many as fit.
pub(crate) fn digits(text: &str) -> Option<u64> {
    // `parse` takes a sign.
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

/// `[-]digits[.digits]`.
fn number(text: &str) -> Option<f64> {
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    (digits(whole) && digits(fraction)).then(|| text.parse().ok())?
}
