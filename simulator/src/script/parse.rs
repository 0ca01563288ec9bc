//! Parsing of scenario files: TOML text to events, with a check of every field.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;
use toml::Spanned;

use super::action::{
    Action, Attempts, BadChunk, Definition, Endless, Event, How, KeepAlives, Metadata, On, Place, Requested,
    Stream, Then, When, WrongSize,
};
use super::error::ScriptError;
use super::heads::BadHead;
use super::junk::Junk;
use super::refusal::{Refusal, RefusalBody, Reset};
use super::system;
use crate::endpoint;
use crate::scenario::Scenario;
use crate::wire::Cutting;

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct File {
    description: Spanned<String>,
    #[serde(default)]
    stream: Option<Spanned<RawStream>>,
    #[serde(default, rename = "event")]
    events: Vec<Spanned<RawEvent>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct RawStream {
    cut: Option<String>,
    arrays: Option<bool>,
    keep_alives: Option<String>,
    metadata: Option<String>,
    clock_skew: Option<String>,
}

/// A number, or a text such as `1-3` or `10m`.
#[derive(Deserialize)]
#[serde(untagged, expecting = "expected a number or a text in quotes")]
enum NumberOrText {
    Number(i64),
    Text(String),
}

/// The fields of all events. [`RawEvent::event`] checks which of them belong together, because its
/// errors are clearer than those that serde makes for an enum.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
struct RawEvent {
    #[serde(rename = "do")]
    action: String,
    // Which requests.
    on: Option<String>,
    attempts: Option<NumberOrText>,
    endpoint: Option<String>,
    datacenter: Option<String>,
    request: Option<String>,
    times: Option<u64>,
    /// Only in triggers: the number of the connection.
    connection: Option<u64>,
    // When.
    after_posts: Option<u64>,
    every_posts: Option<u64>,
    after_keep_alives: Option<u64>,
    after: Option<String>,
    every: Option<String>,
    at: Option<String>,
    probability: Option<f64>,
    // What.
    how: Option<String>,
    place: Option<String>,
    kind: Option<String>,
    what: Option<String>,
    then: Option<String>,
    step: Option<String>,
    length: Option<String>,
    shift: Option<String>,
    status: Option<u16>,
    body: Option<String>,
    headers: Option<Headers>,
    reset: Option<NumberOrText>,
    remaining: Option<u64>,
    retry_after: Option<NumberOrText>,
    count: Option<u64>,
    coding: Option<String>,
    text: Option<String>,
    bytes: Option<usize>,
    split: Option<bool>,
    by: Option<u64>,
    factor: Option<u64>,
    name: Option<String>,
}

/// The header fields of a refusal; for a failover, whether it sends any.
#[derive(Deserialize)]
#[serde(untagged, expecting = "expected a table of names and values, or true or false")]
enum Headers {
    Named(BTreeMap<String, String>),
    Any(bool),
}

/// The longest time that a scenario may contain.
const LENGTH_MAX: Duration = Duration::from_secs(366 * 24 * 60 * 60);

pub(super) fn definition(text: &str, named: Option<Scenario>) -> Result<Definition, ScriptError> {
    let file: File = from_toml(text)?;
    if file.description.get_ref().contains(char::is_control) {
        let message = "`description` has a line break or another control character; write one line";
        return Err(ScriptError::at(message, text, file.description.span().start));
    }
    let stream = match file.stream {
        None => Stream::default(),
        Some(raw) => {
            let header = raw.span().start;
            let stream = raw.into_inner().stream();
            stream.map_err(|error| ScriptError::at(format!("[stream]: {error}"), text, header))?
        }
    };
    let mut events = Vec::new();
    for (n, raw) in file.events.into_iter().enumerate() {
        let header = raw.span().start;
        let raw = raw.into_inner();
        let name = raw.action.clone();
        let event = match raw.connection {
            Some(_) => Err("`connection` is only for triggers; remove it, or use `attempts`".to_owned()),
            None => raw.event(),
        };
        let wrong = |error| ScriptError::at(format!("event {} ({name}): {error}", n + 1), text, header);
        events.push(event.map_err(wrong)?);
    }
    Ok(Definition { description: file.description.into_inner(), named, stream, events })
}

pub(super) fn event(text: &str) -> Result<(Event, Option<u64>), ScriptError> {
    let raw: RawEvent = if text.trim_start().starts_with('{') {
        serde_json::from_str(text).map_err(|error| ScriptError::new(error.to_string()))?
    } else {
        from_toml(text)?
    };
    let connection = raw.connection;
    raw.event().map(|event| (event, connection)).map_err(ScriptError::new)
}

fn from_toml<T: for<'a> Deserialize<'a>>(text: &str) -> Result<T, ScriptError> {
    toml::from_str(text).map_err(|error| match error.span() {
        Some(span) => ScriptError::at(error.message(), text, span.start),
        None => ScriptError::new(error.message()),
    })
}

impl RawStream {
    fn stream(self) -> Result<Stream, String> {
        let mut stream = Stream::default();
        if let Some(cut) = &self.cut {
            stream.cutting = one_of(
                "cut",
                cut,
                &[
                    ("whole", Cutting::Whole),
                    ("tiny", Cutting::Tiny),
                    ("split", Cutting::Split),
                    ("coalesced", Cutting::Coalesced),
                    ("dribbled", Cutting::Dribbled),
                ],
            )?;
        }
        if let Some(keep_alives) = &self.keep_alives {
            stream.keep_alives = one_of(
                "keep-alives",
                keep_alives,
                &[
                    ("idle", KeepAlives::WhenIdle),
                    ("between", KeepAlives::Between),
                    ("now-and-then", KeepAlives::NowAndThen),
                ],
            )?;
        }
        if let Some(metadata) = &self.metadata {
            stream.metadata = one_of(
                "metadata",
                metadata,
                &[
                    ("first", Metadata::First),
                    ("late", Metadata::Late),
                    ("twice", Metadata::Twice),
                    ("never", Metadata::Never),
                ],
            )?;
        }
        stream.arrays = self.arrays.unwrap_or(false);
        stream.skew_ms = self.clock_skew.as_deref().map_or(Ok(0), |skew| signed_ms("clock-skew", skew))?;
        Ok(stream)
    }
}

impl RawEvent {
    fn event(mut self) -> Result<Event, String> {
        let on = match self.on.take() {
            None => On::Stream,
            Some(on) => one_of("on", &on, &[("stream", On::Stream), ("rules", On::Rules)])?,
        };
        let attempts = match self.attempts.take() {
            None => Attempts(vec![(1, u64::MAX)]),
            Some(NumberOrText::Number(number)) => attempts(&number.to_string())?,
            Some(NumberOrText::Text(text)) => attempts(&text)?,
        };
        let probability = match self.probability.take() {
            None => None,
            Some(part) if (0.0..=1.0).contains(&part) => Some((part * 1e9).round() as u64),
            Some(part) => return Err(format!("`probability` is {part}; use a number from 0 to 1")),
        };
        let mut when = self.when()?;
        let (endpoint, datacenter) = (self.endpoint.take(), self.datacenter.take());
        if let Some(path) = &endpoint {
            let known = endpoint::stream(path).is_some() || endpoint::rules(path).is_some();
            if !known {
                return Err(format!(
                    "`endpoint` is `{}`; use the path of a stream or of rules, such as `/2/powerstream`",
                    path.escape_debug()
                ));
            }
        }
        let request = self.request.take();
        let request = request.map(|name| one_of("request", &name, Requested::NAMES)).transpose()?;
        let times = self.times.take();
        self.connection = None;
        let action = self.action()?;
        if let Some(left) = self.left() {
            return Err(format!("`{left}` has no meaning for `{}`; remove it", self.action));
        }
        if action.is_of_request() || on == On::Rules {
            if when != When::AtOnce {
                return Err(
                    "it happens before the stream starts; remove the time or the number of Posts".to_owned()
                );
            }
        } else if when == When::AtOnce && probability.is_some() {
            when = When::EachPost;
        }
        if on == On::Rules
            && !action.is_of_request()
            && !matches!(action, Action::Cut { place: Place::InMessage, .. })
        {
            return Err(format!(
                "`{}` cannot happen to rule requests; remove `on`, or use a refusal or `cut`",
                self.action
            ));
        }
        if request.is_some()
            && (on == On::Rules || matches!(action, Action::Cut { place: Place::Accept, .. }))
        {
            return Err("`request` selects stream requests that have been read; remove it".to_owned());
        }
        Ok(Event { on, attempts, endpoint, datacenter, request, times, when, probability, action })
    }

    fn when(&mut self) -> Result<When, String> {
        let mut all = Vec::new();
        if let Some(posts) = self.after_posts.take() {
            all.push(When::AfterPosts(posts));
        }
        if let Some(posts) = self.every_posts.take() {
            all.push(When::EveryPosts(posts.max(1)));
        }
        if let Some(count) = self.after_keep_alives.take() {
            all.push(When::AfterKeepAlives(count));
        }
        if let Some(time) = self.after.take() {
            all.push(When::After(length("after", &time)?));
        }
        if let Some(time) = self.every.take() {
            all.push(When::Every(length("every", &time)?.max(Duration::from_millis(1))));
        }
        if let Some(time) = self.at.take() {
            all.push(When::At(length("at", &time)?));
        }
        match all[..] {
            [] => Ok(When::AtOnce),
            [when] => Ok(when),
            _ => Err("it has more than one time or number of Posts; keep one of them".to_owned()),
        }
    }

    fn action(&mut self) -> Result<Action, String> {
        let step = self.step.take().map(|step| length("step", &step)).transpose()?;
        let step_given = step.is_some();
        let action = match &*self.action.clone() {
            "cut" => {
                let how = required_one_of(
                    "how",
                    self.how.take(),
                    &[
                        ("reset", How::Reset),
                        ("close", How::Close),
                        ("half-close", How::HalfClose),
                        ("stall", How::Stall),
                        ("trickle", How::Trickle),
                    ],
                )?;
                let place = match self.place.take() {
                    None => Place::Between,
                    Some(place) => one_of(
                        "place",
                        &place,
                        &[
                            ("accept", Place::Accept),
                            ("request", Place::Request),
                            ("head", Place::Head),
                            ("in-head", Place::InHead),
                            ("between", Place::Between),
                            ("in-size", Place::InSize),
                            ("in-message", Place::InMessage),
                            ("in-line-end", Place::InLineEnd),
                        ],
                    )?,
                };
                let trickles = matches!(place, Place::InHead | Place::InSize | Place::InMessage);
                if how == How::Trickle && !trickles {
                    return Err("`how = \"trickle\"` needs a place that has bytes left; set `place` to in-head, in-size or in-message".to_owned());
                }
                if step_given && how != How::Trickle {
                    return Err(
                        "`step` has no meaning here; remove it, or set `how = \"trickle\"`".to_owned()
                    );
                }
                Action::Cut { how, place, step: step.unwrap_or(Duration::from_secs(19)) }
            }
            "slow-head" => Action::SlowHead { step: step.unwrap_or(Duration::from_millis(2)) },
            _ if step_given => return Err(format!("`step` has no meaning for `{}`; remove it", self.action)),
            "end" => Action::End,
            "refuse" => Action::Refuse(self.refusal()?),
            "interim" => Action::Interim {
                count: self.count.take().unwrap_or(1),
                status: match self.status.take() {
                    None => 103,
                    Some(status) if (100..200).contains(&status) && status != 101 => status,
                    Some(status) => {
                        return Err(format!("`status` is {status}; use 100, or 102 to 199"));
                    }
                },
            },
            "bad-head" => Action::BadHead(required_one_of("kind", self.kind.take(), &BadHead::names())?),
            "coding" => {
                let coding = required("coding", self.coding.take(), "a list such as `gzip, br`")?;
                let token = |b: u8| b.is_ascii_alphanumeric() || b"-, ".contains(&b);
                if coding.is_empty() || !coding.bytes().all(token) {
                    return Err("`coding` must be a list of names such as `gzip, br`".to_owned());
                }
                Action::Coding(coding)
            }
            "endless" => Action::Endless(required_one_of("what", self.what.take(), Endless::NAMES)?),
            "bad-chunk" => match self.kind.take() {
                None => Action::BadChunk(BadChunk::Any),
                Some(kind) => Action::BadChunk(one_of("kind", &kind, BadChunk::NAMES)?),
            },
            "wrong-size" => Action::WrongSize(required_one_of("kind", self.kind.take(), WrongSize::NAMES)?),
            "message" => {
                let kind = required("kind", self.kind.take(), &format!("one of {}", names(system::ALL)))?;
                let text = system::message(&kind).ok_or_else(|| unknown("kind", &kind, system::ALL))?;
                Action::Line { bytes: text.as_bytes().to_vec(), then: self.then()? }
            }
            "line" => {
                let text = required("text", self.text.take(), "the line to send")?;
                if text.is_empty() || text.contains("\r\n") {
                    return Err(
                        "`text` must be one line that is not empty; remove the CR LF, or use several events"
                            .to_owned(),
                    );
                }
                Action::Line { bytes: text.into_bytes(), then: self.then()? }
            }
            "junk" => match self.kind.take() {
                None => Action::Junk(None),
                Some(kind) => Action::Junk(Some(one_of("kind", &kind, Junk::NAMES)?)),
            },
            "unknown" => Action::Unknown,
            "oversize" => Action::Oversize { bytes: self.bytes.take() },
            "keep-alives" => Action::KeepAlives {
                count: self.count.take().unwrap_or(1_000),
                split: self.split.take().unwrap_or(false),
            },
            "duplicate" => Action::Duplicate,
            "reorder" => Action::Reorder { by: self.by.take().unwrap_or(1) },
            "skewed" => {
                let shift = required("shift", self.shift.take(), TIME)?;
                Action::Skewed { shift_ms: signed_ms("shift", &shift)? }
            }
            "quiet" => Action::Quiet { length: self.required_length()? },
            "burst" => Action::Burst {
                length: self.required_length()?,
                factor: self.factor.take().unwrap_or(10).clamp(1, 1_000),
            },
            "pause" => Action::Pause { length: self.required_length()? },
            "ghost" => Action::Ghost { length: self.required_length()? },
            "failover" => Action::Failover {
                name: self.name.take(),
                headers: match self.headers.take() {
                    None => true,
                    Some(Headers::Any(any)) => any,
                    Some(Headers::Named(_)) => {
                        return Err("`headers` must be true or false for `failover`".to_owned());
                    }
                },
            },
            "kill" => {
                let length = self.length.take().map(|text| length("length", &text)).transpose()?;
                Action::Kill { name: self.name.take(), length }
            }
            "" => return Err(missing("do", &format!("one of {}", ACTIONS.join(", ")))),
            name => return Err(unknown("do", name, &ACTIONS.map(|name| (name, ())))),
        };
        Ok(action)
    }

    fn required_length(&mut self) -> Result<Duration, String> {
        required("length", self.length.take(), TIME).and_then(|text| length("length", &text))
    }

    fn then(&mut self) -> Result<Then, String> {
        match self.then.take() {
            None => Ok(Then::Nothing),
            Some(then) => one_of(
                "then",
                &then,
                &[
                    ("nothing", Then::Nothing),
                    ("end", Then::End),
                    ("close", Then::Close),
                    ("reset", Then::Reset),
                ],
            ),
        }
    }

    fn refusal(&mut self) -> Result<Refusal, String> {
        let status = required("status", self.status.take(), "a number from 200 to 999")?;
        if !(200..1_000).contains(&status) {
            return Err(format!("`status` is {status}; use a number from 200 to 999"));
        }
        let body = match self.body.take() {
            None => RefusalBody::Problem,
            Some(body) => one_of("body", &body, RefusalBody::NAMES)?,
        };
        let mut refusal = Refusal::new(status, body);
        refusal.remaining = self.remaining.take();
        refusal.reset = match self.reset.take() {
            None => None,
            Some(NumberOrText::Number(seconds)) => Some(Reset::In(seconds)),
            Some(NumberOrText::Text(text)) => Some(match text.strip_suffix(" as milliseconds") {
                Some(text) => Reset::InAsMilliseconds(signed_ms("reset", text)? / 1_000),
                None => match signed_ms("reset", &text) {
                    Ok(ms) => Reset::In(ms / 1_000),
                    // A text that is not a time is sent unchanged.
                    Err(_) => Reset::Text(field("reset", text)?),
                },
            }),
        };
        refusal.retry_after = match self.retry_after.take() {
            None => None,
            Some(NumberOrText::Number(seconds)) => Some(seconds.to_string()),
            Some(NumberOrText::Text(text)) => Some(field("retry-after", text)?),
        };
        match self.headers.take() {
            None => {}
            Some(Headers::Any(_)) => {
                return Err("`headers` must be a table of names and values for `refuse`".to_owned());
            }
            Some(Headers::Named(headers)) => {
                for (name, value) in headers {
                    refusal.headers.push(field("headers", format!("{name}: {value}"))?);
                }
            }
        }
        Ok(refusal)
    }

    /// Returns the name of a field that is set and that the action did not use.
    fn left(&self) -> Option<&'static str> {
        [
            ("how", self.how.is_some()),
            ("place", self.place.is_some()),
            ("kind", self.kind.is_some()),
            ("what", self.what.is_some()),
            ("then", self.then.is_some()),
            ("length", self.length.is_some()),
            ("shift", self.shift.is_some()),
            ("status", self.status.is_some()),
            ("body", self.body.is_some()),
            ("headers", self.headers.is_some()),
            ("reset", self.reset.is_some()),
            ("remaining", self.remaining.is_some()),
            ("retry-after", self.retry_after.is_some()),
            ("count", self.count.is_some()),
            ("coding", self.coding.is_some()),
            ("text", self.text.is_some()),
            ("bytes", self.bytes.is_some()),
            ("split", self.split.is_some()),
            ("by", self.by.is_some()),
            ("factor", self.factor.is_some()),
            ("name", self.name.is_some()),
        ]
        .into_iter()
        .find_map(|(name, is_left)| is_left.then_some(name))
    }
}

const ACTIONS: [&str; 25] = [
    "cut",
    "end",
    "refuse",
    "interim",
    "slow-head",
    "bad-head",
    "coding",
    "endless",
    "bad-chunk",
    "wrong-size",
    "message",
    "line",
    "junk",
    "unknown",
    "oversize",
    "keep-alives",
    "duplicate",
    "reorder",
    "skewed",
    "quiet",
    "burst",
    "pause",
    "ghost",
    "failover",
    "kill",
];

/// What a time looks like, for errors.
const TIME: &str = "a number and a unit such as 250ms, 20s, 5m or 1h";

fn required<T>(field: &str, value: Option<T>, what: &str) -> Result<T, String> {
    value.ok_or_else(|| missing(field, what))
}

fn required_one_of<T: Copy>(field: &str, name: Option<String>, known: &[(&str, T)]) -> Result<T, String> {
    one_of(field, &required(field, name, &format!("one of {}", names(known)))?, known)
}

fn one_of<T: Copy>(field: &str, name: &str, known: &[(&str, T)]) -> Result<T, String> {
    let found = known.iter().find(|(known, _)| *known == name);
    found.map(|(_, value)| *value).ok_or_else(|| unknown(field, name, known))
}

fn missing(field: &str, what: &str) -> String {
    format!("`{field}` is missing; set it to {what}")
}

fn unknown<T>(field: &str, name: &str, known: &[(&str, T)]) -> String {
    format!("`{field}` is `{}`; use one of {}", name.escape_debug(), names(known))
}

fn names<T>(known: &[(&str, T)]) -> String {
    known.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
}

fn field(name: &str, text: String) -> Result<String, String> {
    if text.bytes().all(|b| b == b'\t' || (b >= b' ' && b != 0x7f)) {
        Ok(text)
    } else {
        Err(format!("`{name}` contains a control character; remove it"))
    }
}

/// Parses a time such as `250ms` or `1h`.
fn length(name: &str, text: &str) -> Result<Duration, String> {
    let wrong = || format!("`{name}` is `{}`; use {TIME}", text.escape_debug());
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let number: u64 = text[..digits].parse().map_err(|_| wrong())?;
    let unit_ms = match &text[digits..] {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return Err(wrong()),
    };
    let length =
        number.checked_mul(unit_ms).map(Duration::from_millis).filter(|length| *length <= LENGTH_MAX);
    length.ok_or_else(|| format!("`{name}` is over a year; use at most 8784h"))
}

fn signed_ms(name: &str, text: &str) -> Result<i64, String> {
    let (sign, text) = text.strip_prefix('-').map_or((1, text), |text| (-1, text));
    length(name, text).map(|length| length.as_millis() as i64 * sign)
}

fn attempts(text: &str) -> Result<Attempts, String> {
    if text == "every" {
        return Ok(Attempts(vec![(1, u64::MAX)]));
    }
    let number = |text: &str| text.parse::<u64>().ok().filter(|number| *number > 0);
    let range = |text: &str| match text.trim().split_once('-') {
        None => number(text.trim()).map(|number| (number, number)),
        Some((first, "")) => number(first).map(|first| (first, u64::MAX)),
        Some((first, last)) => Some((number(first)?, number(last)?)),
    };
    let ranges: Option<Vec<_>> = text.split(',').map(range).collect();
    ranges.filter(|ranges| ranges.iter().all(|(first, last)| first <= last)).map(Attempts).ok_or_else(|| {
        format!(
            "`attempts` is `{}`; use a number or a text such as \"1-3\", \"4-\", \"1,3,5-7\" or \"every\"",
            text.escape_debug()
        )
    })
}
