//! The classifier: it accepts every input, and reads no further than it reports. For JSON, a walk
//! over the members gives the same kind and the same id. The walk applies the rows of the
//! classifier's table in order, to each prefix of the members in turn.

use std::fmt;

use arbitrary::Arbitrary;
use powerstream_core::stream::{ConnectionMetadata, Format, Kind, System, classify, elements, validate};
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};

use crate::shared::arbitrary;

/// A part of a message: text that is meaningful to the classifier, in any order and nesting, or raw
/// bytes.
#[derive(Arbitrary, Debug)]
enum Piece<'a> {
    Key(u8),
    Text(&'a str),
    Number(i64),
    Open(bool),
    Close(bool),
    Comma,
    Colon,
    Literal(u8),
    Raw(&'a [u8]),
}

const KEYS: [&str; 28] = [
    "id",
    "id_str",
    "text",
    "full_text",
    "user",
    "created_at",
    "type",
    "errors",
    "data",
    "title",
    "disconnect",
    "error",
    "warn",
    "info",
    "warning",
    "limit",
    "track",
    "delete",
    "friends",
    "disconnect_type",
    "connection_issue",
    "code",
    "withheld",
    "\\u0069d",
    "scrub_geo",
    "tweet_edit",
    "event",
    "user_delete",
];

/// Checks one input.
pub fn run(input: &[u8]) {
    if let Some(pieces) = arbitrary::<Vec<Piece<'_>>>(input) {
        check(&pieces);
    }
}

fn check(pieces: &[Piece<'_>]) {
    let mut message = Vec::new();
    for piece in pieces {
        match piece {
            Piece::Key(key) => {
                let key = KEYS[usize::from(*key) % KEYS.len()];
                message.extend_from_slice(format!("\"{key}\":").as_bytes());
            }
            Piece::Text(text) => message.extend_from_slice(format!("\"{text}\"").as_bytes()),
            Piece::Number(number) => message.extend_from_slice(number.to_string().as_bytes()),
            Piece::Open(object) => message.push(if *object { b'{' } else { b'[' }),
            Piece::Close(object) => message.push(if *object { b'}' } else { b']' }),
            Piece::Comma => message.push(b','),
            Piece::Colon => message.push(b':'),
            Piece::Literal(literal) => {
                let literals: [&[u8]; 4] = [b"true", b"false", b"null", b"\"connection_metadata\""];
                message.extend_from_slice(literals[usize::from(*literal) % literals.len()]);
            }
            Piece::Raw(bytes) => message.extend_from_slice(bytes),
        }
    }

    let class = classify(&message);
    assert!(class.bytes_read <= message.len());
    // The bytes after the ones that decided do not change the result.
    assert_eq!(classify(&message[..class.bytes_read]), class);
    assert!(class.post_id.is_none() || class.is_post());
    if validate(&message).is_ok() {
        assert!(!matches!(class.kind, Kind::Malformed(_)), "JSON is not malformed");
    }
    let metadata = ConnectionMetadata::parse(&message);
    assert!(metadata.is_none() || class.kind == Kind::ConnectionMetadata);
    // Elements are disjoint slices of the message, and at most one error ends them.
    let mut bytes_seen = 0;
    let mut failed = false;
    for element in elements(&message) {
        assert!(!failed, "nothing follows an error");
        match element {
            Ok(element) => bytes_seen += element.len(),
            Err(_) => failed = true,
        }
    }
    assert!(bytes_seen <= message.len());
    if let Ok(Json::Object(members)) = serde_json::from_slice(&message) {
        let found = (Outline::of(class.kind), class.post_id.map(|id| id.as_u64()));
        assert_eq!(found, walk(&members), "{}", message.escape_ascii());
    }
}

/// A value with all members of its objects, repeated ones too, in their order.
enum Json {
    Null,
    /// A number without sign, fraction and exponent.
    Digits(u64),
    Other,
    Text(String),
    Array,
    Object(Vec<(String, Self)>),
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AnyValue;
        impl<'de> Visitor<'de> for AnyValue {
            type Value = Json;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("JSON")
            }

            fn visit_unit<E>(self) -> Result<Json, E> {
                Ok(Json::Null)
            }

            fn visit_bool<E>(self, _: bool) -> Result<Json, E> {
                Ok(Json::Other)
            }

            fn visit_u64<E>(self, number: u64) -> Result<Json, E> {
                Ok(Json::Digits(number))
            }

            fn visit_i64<E>(self, _: i64) -> Result<Json, E> {
                Ok(Json::Other)
            }

            fn visit_f64<E>(self, _: f64) -> Result<Json, E> {
                Ok(Json::Other)
            }

            fn visit_str<E>(self, text: &str) -> Result<Json, E> {
                Ok(Json::Text(text.to_owned()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Json, A::Error> {
                while elements.next_element::<Json>()?.is_some() {}
                Ok(Json::Array)
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Json, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Json::Object(members))
            }
        }
        deserializer.deserialize_any(AnyValue)
    }
}

/// A kind without the details of problems.
#[derive(Debug, PartialEq, Eq)]
enum Outline {
    Metadata,
    StreamError,
    Post { is_v2: bool },
    Envelope,
    Problem,
    Disconnect,
    System(System),
    Warning,
    Limit { track: Option<u64> },
    Compliance { is_v2: bool },
    UserStream,
    Unknown,
}

impl Outline {
    fn of(kind: Kind) -> Self {
        match kind {
            Kind::ConnectionMetadata => Self::Metadata,
            Kind::StreamError(_) => Self::StreamError,
            Kind::Post { format, .. } => Self::Post { is_v2: format == Format::V2 },
            Kind::Envelope { .. } => Self::Envelope,
            Kind::Problem(_) => Self::Problem,
            Kind::Disconnect { .. } => Self::Disconnect,
            Kind::System(system) => Self::System(system),
            Kind::Warning => Self::Warning,
            Kind::Limit { track, .. } => Self::Limit { track },
            Kind::Compliance { format, .. } => Self::Compliance { is_v2: format == Format::V2 },
            Kind::UserStream => Self::UserStream,
            Kind::Unknown => Self::Unknown,
            other => panic!("an object is {other:?}"),
        }
    }
}

type Members = [(String, Json)];

fn first<'a>(members: &'a Members, key: &str) -> Option<&'a Json> {
    members.iter().find(|(name, _)| name == key).map(|(_, value)| value)
}

fn object<'a>(members: &'a Members, key: &str) -> Option<&'a Members> {
    match first(members, key) {
        Some(Json::Object(inner)) => Some(inner),
        _ => None,
    }
}

fn text<'a>(members: &'a Members, key: &str) -> Option<&'a str> {
    match first(members, key) {
        Some(Json::Text(text)) => Some(text),
        _ => None,
    }
}

fn id(members: &Members, key: &str) -> Option<u64> {
    match first(members, key)? {
        Json::Digits(number) => Some(*number),
        Json::Text(text) if text.bytes().all(|byte| byte.is_ascii_digit()) => text.parse().ok(),
        _ => None,
    }
}

/// The events of rows 5 and 11. `withheld` is one of row 5 only, `status_withheld` of row 11.
const COMPLIANCE: [&str; 14] = [
    "delete",
    "scrub_geo",
    "drop",
    "undrop",
    "user_withheld",
    "user_delete",
    "user_undelete",
    "user_protect",
    "user_unprotect",
    "user_suspend",
    "user_unsuspend",
    "tweet_edit",
    "withheld",
    "status_withheld",
];
const USER_STREAM: [&str; 6] = ["friends", "friends_str", "control", "for_user", "event", "direct_message"];
const CONTENT: [&str; 4] = ["text", "full_text", "user", "created_at"];
/// The keys of rows 3 to 10.
const RESERVED: [&str; 10] =
    ["type", "errors", "data", "title", "disconnect", "error", "warn", "info", "warning", "limit"];
const SYSTEM: [(&str, System); 3] =
    [("error", System::Error), ("warn", System::Warn), ("info", System::Info)];

/// Returns the kind and the id of a complete object.
fn walk(members: &Members) -> (Outline, Option<u64>) {
    let early = (1..=members.len()).find_map(|count| decide(&members[..count], false));
    let (kind, found) = early.unwrap_or_else(|| decide(members, true).expect("the end decides"));
    // `id_str` replaces an `id` that a reader with 53 bits may have rounded.
    let is_exact = match first(members, "id") {
        Some(Json::Digits(number)) => *number < 1_000_000_000_000_000,
        Some(Json::Text(_)) | None => true,
        Some(_) => false,
    };
    let later =
        if kind == (Outline::Post { is_v2: false }) && !is_exact { id(members, "id_str") } else { None };
    (kind, later.or(found))
}

/// Returns what the members decide, if they do. `is_end` is true for all members.
fn decide(seen: &Members, is_end: bool) -> Option<(Outline, Option<u64>)> {
    let no_data = matches!(first(seen, "data"), None | Some(Json::Null));
    let has_errors = matches!(first(seen, "errors"), Some(Json::Array));
    // A scheme and a colon (RFC 3986, section 3.1).
    let is_uri = |uri: &str| {
        uri.split_once(':').is_some_and(|(scheme, _)| {
            scheme.starts_with(|first: char| first.is_ascii_alphabetic())
                && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
        })
    };
    let is_problem = first(seen, "title").is_some() && text(seen, "type").is_some_and(is_uri);
    if let Some(data) = object(seen, "data") {
        let event = data.first().map(|(key, _)| key.as_str()).filter(|key| COMPLIANCE.contains(key));
        let is_event =
            event.is_some_and(|key| key != "status_withheld" && (key != "withheld" || data.len() == 1));
        return Some(match first(data, "id") {
            _ if is_event => (Outline::Compliance { is_v2: true }, None),
            Some(_) => (Outline::Post { is_v2: true }, id(data, "id")),
            None => (Outline::Envelope, None),
        });
    }
    if no_data && (has_errors || is_problem) && !is_end {
        return None;
    }
    let kind = if text(seen, "type") == Some("connection_metadata") {
        Outline::Metadata
    } else if has_errors && no_data {
        Outline::StreamError
    } else if is_problem && no_data {
        Outline::Problem
    } else if object(seen, "disconnect").is_some() {
        Outline::Disconnect
    } else if let Some((_, system)) = SYSTEM
        .into_iter()
        .find(|(key, _)| is_end && object(seen, key).is_some() && seen.iter().all(|(name, _)| name == key))
    {
        Outline::System(system)
    } else if object(seen, "warning").is_some() {
        Outline::Warning
    } else if let Some(track) = object(seen, "limit").and_then(|limit| first(limit, "track")) {
        Outline::Limit { track: if let Json::Digits(track) = track { Some(*track) } else { None } }
    } else if seen.iter().any(|(key, _)| key != "withheld" && COMPLIANCE.contains(&key.as_str())) {
        Outline::Compliance { is_v2: false }
    } else if seen.iter().any(|(key, _)| USER_STREAM.contains(&key.as_str())) {
        Outline::UserStream
    } else {
        let has_content = CONTENT.iter().any(|key| first(seen, key).is_some());
        let has_id = first(seen, "id").is_some() || first(seen, "id_str").is_some();
        let is_reserved = seen.iter().any(|(key, _)| RESERVED.contains(&key.as_str()));
        if has_content && has_id && (is_end || !is_reserved) {
            return Some((Outline::Post { is_v2: false }, id(seen, "id_str").or(id(seen, "id"))));
        }
        return is_end.then_some((Outline::Unknown, None));
    };
    Some((kind, None))
}
