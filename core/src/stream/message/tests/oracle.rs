//! Compares the classifier with a slow and simple reference implementation, on generated objects.
//!
//! The generator creates a tree and writes it with random white space and escapes. The oracle never
//! reads the bytes. It examines each prefix of the list of members in turn, and applies the rows of
//! the table in order.

use std::format;
use std::string::{String, ToString};
use std::vec::Vec;

use super::*;
use crate::stream::json::{Malformed, MalformedReason};

/// xorshift64*, so that every run is the same.
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) as usize % limit
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }
}

#[derive(Clone, Debug)]
enum Json {
    Bare(&'static str),
    Text(String),
    Array(Vec<Json>),
    Object(Vec<(String, Json)>),
}

use Json::{Array, Bare, Object};

#[rustfmt::skip]
const KEYS: &[&str] = &[
    "type", "errors", "data", "title", "disconnect", "error", "warn", "info", "warning", "limit", "delete",
    "scrub_geo", "status_withheld", "user_withheld", "drop", "undrop", "user_delete", "user_undelete",
    "user_protect", "user_unprotect", "user_suspend", "user_unsuspend", "tweet_edit", "friends", "friends_str",
    "control", "for_user", "event", "direct_message", "id", "id_str", "text", "full_text", "user", "created_at",
    "withheld", "code", "track", "disconnect_type", "connection_issue", "lang", "x", "", "matching_rules",
];
/// Keys that decide, more often than their share of [`KEYS`].
const HOT: &[&str] = &["id", "id_str", "text", "type", "title", "errors", "data", "error", "disconnect", "x"];
#[rustfmt::skip]
const BARE: &[&str] = &[
    "null", "true", "false", "0", "1", "-1", "20", "1.5", "1e3", "-0", "18446744073709551615",
    "18446744073709551616", "1050118621198921728", "4294967295", "4294967296",
];
#[rustfmt::skip]
const TEXTS: &[&str] = &[
    "", "connection_metadata", "about:blank", "https://api.x.com/2/problems/usage-capped", "foo", "20", "007",
    "1050118621198921728", "18446744073709551616", "12x", "SlowReader", "TooManyConnections", "UsageCapExceeded",
    "https://api.twitter.com/2/problems/streaming-connection", "\"id\":1,\\", "caf\u{e9} \u{1f600}", "},{\u{8}\n",
    "a string that is rather longer than two blocks of eight bytes",
];
#[rustfmt::skip]
const COMPLIANCE: &[(&str, Compliance)] = &[
    ("delete", Compliance::Delete), ("scrub_geo", Compliance::ScrubGeo), ("drop", Compliance::Drop),
    ("user_withheld", Compliance::UserWithheld), ("undrop", Compliance::Undrop),
    ("user_delete", Compliance::UserDelete), ("user_undelete", Compliance::UserUndelete),
    ("user_protect", Compliance::UserProtect), ("user_unprotect", Compliance::UserUnprotect),
    ("user_suspend", Compliance::UserSuspend), ("user_unsuspend", Compliance::UserUnsuspend),
    ("tweet_edit", Compliance::TweetEdit), ("status_withheld", Compliance::StatusWithheld),
    ("withheld", Compliance::Withheld),
];
const USER_STREAM: &[&str] = &["friends", "friends_str", "control", "for_user", "event", "direct_message"];
const RESERVED: &[&str] =
    &["type", "errors", "data", "title", "disconnect", "error", "warn", "info", "warning", "limit"];

fn value(random: &mut Random, depth: usize) -> Json {
    match random.below(if depth == 0 { 5 } else { 9 }) {
        0 | 1 => Bare(random.pick(BARE)),
        2..=4 => Json::Text(random.pick(TEXTS).to_string()),
        5 | 6 => Array((0..random.below(4)).map(|_| value(random, depth - 1)).collect()),
        _ => Object(members(random, depth - 1)),
    }
}

fn members(random: &mut Random, depth: usize) -> Vec<(String, Json)> {
    (0..random.below(7))
        .map(|_| {
            let key = if random.below(2) == 0 { random.pick(KEYS) } else { random.pick(HOT) };
            // Often a value of the expected type, because otherwise few rows would apply.
            let value = match key {
                "errors" if random.below(3) > 0 => Array(
                    (0..random.below(3)).map(|_| Object(members(random, depth.saturating_sub(1)))).collect(),
                ),
                "data" | "disconnect" | "error" | "warn" | "info" | "warning" | "limit"
                    if random.below(3) > 0 =>
                {
                    Object(members(random, depth.saturating_sub(1)))
                }
                "limit" => Object([("track".to_string(), value(random, 0))].into()),
                "type" | "id_str" | "disconnect_type" | "connection_issue" | "title"
                    if random.below(4) > 0 =>
                {
                    Json::Text(random.pick(TEXTS).to_string())
                }
                _ => value(random, depth),
            };
            (key.to_string(), value)
        })
        .collect()
}

fn space(random: &mut Random, out: &mut String) {
    if random.below(8) == 0 {
        out.push_str(random.pick(&[" ", "\n", "\r\n", "\t", "  \t "]));
    }
}

fn write_text(random: &mut Random, text: &str, out: &mut String) {
    out.push('"');
    let escape_often = random.below(6) == 0;
    for char in text.chars() {
        if char < ' ' || char == '"' || char == '\\' || (escape_often && random.below(3) == 0) {
            match char {
                '"' | '\\' | '/' if random.below(2) == 0 => {
                    out.push('\\');
                    out.push(char);
                }
                _ => {
                    for unit in char.encode_utf16(&mut [0; 2]) {
                        out.push_str(&if random.below(2) == 0 {
                            format!("\\u{unit:04x}")
                        } else {
                            format!("\\u{unit:04X}")
                        });
                    }
                }
            }
        } else {
            out.push(char);
        }
    }
    out.push('"');
}

fn write(random: &mut Random, json: &Json, out: &mut String) {
    space(random, out);
    match json {
        Bare(word) => out.push_str(word),
        Json::Text(text) => write_text(random, text, out),
        Array(elements) => {
            out.push('[');
            for (index, element) in elements.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                write(random, element, out);
            }
            space(random, out);
            out.push(']');
        }
        Object(members) => {
            out.push('{');
            for (index, (key, value)) in members.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                space(random, out);
                write_text(random, key, out);
                space(random, out);
                out.push(':');
                write(random, value, out);
            }
            space(random, out);
            out.push('}');
        }
    }
    space(random, out);
}

type Members = [(String, Json)];

fn first<'a>(members: &'a Members, key: &str) -> Option<&'a Json> {
    members.iter().find(|(name, _)| name == key).map(|(_, value)| value)
}

fn object<'a>(members: &'a Members, key: &str) -> Option<&'a Members> {
    match first(members, key) {
        Some(Object(inner)) => Some(inner),
        _ => None,
    }
}

fn text<'a>(members: &'a Members, key: &str) -> Option<&'a str> {
    match first(members, key) {
        Some(Json::Text(text)) => Some(text),
        _ => None,
    }
}

fn digits(text: &str) -> Option<u64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

fn integer(members: &Members, key: &str) -> Option<u64> {
    match first(members, key) {
        Some(Bare(word)) => digits(word),
        _ => None,
    }
}

fn problem(members: &Members) -> Problem {
    let kind = text(members, "type").map(|uri| match uri.rsplit('/').next() {
        _ if uri == "about:blank" => ProblemType::AboutBlank,
        Some("usage-capped") => ProblemType::UsageCapped,
        Some("streaming-connection") => ProblemType::StreamingConnection,
        _ => ProblemType::Other,
    });
    let capped = text(members, "title") == Some("UsageCapExceeded");
    Problem {
        problem_type: if capped { Some(ProblemType::UsageCapped) } else { kind },
        disconnect_type: text(members, "disconnect_type").map(|word| match word {
            "SlowReader" => DisconnectType::SlowReader,
            _ => DisconnectType::Other,
        }),
        connection_issue: text(members, "connection_issue").map(|word| match word {
            "TooManyConnections" => ConnectionIssue::TooManyConnections,
            _ => ConnectionIssue::Other,
        }),
        code: integer(members, "code").and_then(|code| code.try_into().ok()),
    }
}

fn stream_error(elements: &[Json], around: &Members) -> Problem {
    let problems: Vec<_> = elements
        .iter()
        .map(|element| if let Object(inner) = element { problem(inner) } else { NO_PROBLEM })
        .collect();
    let chosen = problems
        .iter()
        .find(|problem| problem.disconnect_type.is_some() || problem.connection_issue.is_some())
        .or(problems.first())
        .copied()
        .unwrap_or(NO_PROBLEM);
    let around = problem(around);
    Problem {
        problem_type: chosen.problem_type.or(around.problem_type),
        disconnect_type: chosen.disconnect_type.or(around.disconnect_type),
        connection_issue: chosen.connection_issue.or(around.connection_issue),
        code: chosen.code.or(around.code),
    }
}

fn v2(data: &Members, partial_errors: bool) -> (Kind, Option<u64>) {
    if let Some((key, _)) = data.first() {
        let event = COMPLIANCE.iter().find(|(name, _)| name == key && key != "status_withheld");
        if let Some((_, event)) = event.filter(|_| key != "withheld" || data.len() == 1) {
            return (compliance(*event, Format::V2), None);
        }
    }
    if first(data, "id").is_none() {
        return (Kind::Envelope { partial_errors }, None);
    }
    let id = id(data, "id");
    (Kind::Post { format: Format::V2, partial_errors }, id)
}

/// The members up to and including the last one read, and whether these are all members.
fn decide(seen: &Members, end: bool) -> Option<(Kind, Option<u64>)> {
    let no_data = matches!(first(seen, "data"), None | Some(Bare("null")));
    let errors = match first(seen, "errors") {
        Some(Array(elements)) => Some(elements),
        _ => None,
    };
    let is_problem = first(seen, "title").is_some()
        && text(seen, "type").is_some_and(|uri| uri == "about:blank" || uri.starts_with("https:"));
    if let Some(data) = object(seen, "data") {
        return Some(v2(data, errors.is_some()));
    }
    let pending = no_data && (errors.is_some() || is_problem);
    if pending && !end {
        return None;
    }
    if text(seen, "type") == Some("connection_metadata") {
        return Some((Kind::ConnectionMetadata, None));
    }
    if let (Some(elements), true) = (errors, no_data) {
        return Some((Kind::StreamError(stream_error(elements, seen)), None));
    }
    if is_problem && no_data {
        return Some((Kind::Problem(problem(seen)), None));
    }
    if let Some(inner) = object(seen, "disconnect") {
        let code = integer(inner, "code").and_then(|code| code.try_into().ok());
        return Some((Kind::Disconnect { code }, None));
    }
    for (key, system) in [("error", System::Error), ("warn", System::Warn), ("info", System::Info)] {
        if end && object(seen, key).is_some() && seen.iter().all(|(name, _)| name == key) {
            return Some((Kind::System(system), None));
        }
    }
    if object(seen, "warning").is_some() {
        return Some((Kind::Warning, None));
    }
    if let Some(limit) = object(seen, "limit") {
        if first(limit, "track").is_some() {
            return Some((Kind::Limit { track: integer(limit, "track") }, None));
        }
    }
    let named = |key: &str| COMPLIANCE.iter().find(|(name, _)| *name == key && key != "withheld");
    if let Some((_, event)) = seen.iter().find_map(|(key, _)| named(key)) {
        return Some((compliance(*event, Format::Legacy), None));
    }
    if seen.iter().any(|(key, _)| USER_STREAM.contains(&key.as_str())) {
        return Some((Kind::UserStream, None));
    }
    let content = ["text", "full_text", "user", "created_at"].iter().any(|key| first(seen, key).is_some());
    let has_id = first(seen, "id").is_some() || first(seen, "id_str").is_some();
    let reserved = seen.iter().any(|(key, _)| RESERVED.contains(&key.as_str()));
    if content && has_id && (end || !reserved) {
        return Some((LEGACY, id(seen, "id_str").or(id(seen, "id"))));
    }
    end.then_some((Kind::Unknown, None))
}

fn id(members: &Members, key: &str) -> Option<u64> {
    integer(members, key).or(text(members, key).and_then(digits))
}

/// Returns true if an `id` cannot have been rounded.
fn is_exact(id: &Json) -> bool {
    match id {
        Bare(word) => word.len() <= 15 && digits(word).is_some(),
        other => matches!(other, Json::Text(_)),
    }
}

fn oracle(members: &Members) -> (Kind, Option<u64>) {
    let decided = |count: &usize| decide(&members[..*count], false).is_some();
    let count = (1..=members.len()).find(decided);
    let seen = &members[..count.unwrap_or(members.len())];
    let (kind, found) = decide(seen, count.is_none()).unwrap();
    let is_rounded = first(seen, "id_str").is_none() && first(seen, "id").is_some_and(|id| !is_exact(id));
    let later = if kind == LEGACY && is_rounded { id(members, "id_str") } else { None };
    (kind, later.or(found))
}

#[test]
fn generated_objects_agree_with_the_reference_classifier() {
    let mut random = Random(0x9E37_79B9_7F4A_7C15);
    let mut tally = std::collections::HashMap::new();
    for _ in 0..40_000 {
        let members = members(&mut random, 3);
        let mut wire = String::new();
        write(&mut random, &Object(members.clone()), &mut wire);
        let class = classify(wire.as_bytes());
        let (kind, id) = oracle(&members);
        assert_eq!((class.kind, class.post_id), (kind, id.map(PostId::new)), "{wire}");
        assert_eq!(validate(wire.as_bytes()), Ok(()), "{wire}");
        *tally.entry(core::mem::discriminant(&kind)).or_insert(0) += 1;
        // For every prefix, the result is the same, or the input is too short.
        for _ in 0..4 {
            let cut = random.below(wire.len());
            let part = classify(&wire.as_bytes()[..cut]);
            let short = Kind::Malformed(Malformed { at: cut, reason: MalformedReason::End });
            assert!(
                part.kind == short || (part.kind, part.post_id) == (class.kind, class.post_id),
                "{wire} {cut}"
            );
        }
        assert_eq!(classify(&wire.as_bytes()[..class.bytes_read]), class, "{wire}");
        // A changed byte must not cause a panic, and only changes in the bytes read may affect the
        // result.
        let mut bytes = wire.clone().into_bytes();
        let place = random.below(bytes.len());
        bytes[place] = random.below(256) as u8;
        let other = classify(&bytes);
        assert!(place < class.bytes_read || other == class, "{wire} {place}");
    }
    // The generator reaches every kind except arrays and malformed messages.
    assert_eq!(tally.len(), 12);
    assert!(tally.values().all(|count| *count > 50), "{tally:?}");
}

#[test]
fn generated_arrays_split_into_their_elements() {
    let mut random = Random(77);
    for _ in 0..2_000 {
        let parts: Vec<String> = (0..random.below(5))
            .map(|_| {
                let mut wire = String::new();
                let value = value(&mut random, 3);
                write(&mut random, &value, &mut wire);
                wire
            })
            .collect();
        let wire = format!("[{}]", parts.join(","));
        assert_eq!(classify(wire.as_bytes()).kind, Kind::Array);
        let want: Vec<&str> = parts.iter().map(|part| part.trim()).collect();
        assert_eq!(listed(wire.as_bytes()), want, "{wire}");
    }
}
