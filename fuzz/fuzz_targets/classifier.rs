//! The classifier: it accepts every input, and reads no further than it reports.
#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use powerstream_core::stream::{ConnectionMetadata, Kind, classify, elements, validate};

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

const KEYS: [&str; 24] = [
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
];

fuzz_target!(|pieces: Vec<Piece<'_>>| {
    let mut message = Vec::new();
    for piece in &pieces {
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
});
