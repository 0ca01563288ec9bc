//! Compares `validate` with serde_json, on samples with a few changed bytes.

use std::string::ToString;
use std::vec::Vec;

use super::oracle::Random;
use super::*;
use crate::stream::json::{Malformed, MalformedReason};

/// Errors of serde_json for texts that the grammar allows: lone surrogates, and numbers too large
/// for a double.
const BEYOND_GRAMMAR: &[&str] = &["surrogate", "hex escape", "number out of range"];

/// Returns true if serde_json accepts the text. Returns `None` if its error does not concern the
/// grammar.
fn accepted(bytes: &[u8]) -> Option<bool> {
    match serde_json::from_slice::<serde_json::Value>(bytes) {
        Ok(_) => Some(true),
        Err(error) if BEYOND_GRAMMAR.iter().any(|text| error.to_string().contains(text)) => None,
        Err(_) => Some(false),
    }
}

#[test]
fn validate_accepts_what_serde_json_accepts() {
    const BYTES: &[u8] =
        b"{}[]\",:\\/ \n\r\t\x00\x1f\x7f-+.eE0123456789unltrfasbcdDC\xC3\xA9\xF0\x9F\x80\xFF\xED";
    let mut random = Random(4242);
    let mut samples: Vec<&[u8]> = CASES.iter().map(|case| case.0.as_bytes()).collect();
    samples.extend([
        &br#"{"a":[1,-0,0.5,1e5,-2.5E-7,[],{},"\u00e9\ud83d\ude00\\\/\b\f\n\r\t",true,false,null]}"#[..],
        "[\"caf\u{e9} \u{1f600} \u{2028}\",\"12345678\u{e9}\"]".as_bytes(),
        b"-0.0e-0",
    ]);
    let (mut good, mut bad) = (0, 0);
    for sample in &samples {
        for round in 0..200 {
            let mut bytes = sample.to_vec();
            for _ in 0..round % 4 {
                let at = random.below(bytes.len() + 1);
                let byte = BYTES[random.below(BYTES.len())];
                match random.below(4) {
                    0 if at < bytes.len() => bytes[at] = byte,
                    1 if at < bytes.len() => drop(bytes.remove(at)),
                    2 => bytes.truncate(at),
                    _ => bytes.insert(at, byte),
                }
            }
            let answer = validate(&bytes);
            if let Some(accepted) = accepted(&bytes) {
                assert_eq!(answer.is_ok(), accepted, "{:?}: {answer:?}", bytes.escape_ascii().to_string());
            }
            if answer.is_ok() {
                good += 1
            } else {
                bad += 1
            }
            if let Err(Malformed { at, reason }) = answer {
                assert!(at < bytes.len() || (at == bytes.len() && reason == MalformedReason::End));
            }
            // The classifier never reports a valid message as malformed.
            let class = classify(&bytes);
            assert!(answer.is_err() || !matches!(class.kind, Kind::Malformed(_)));
            // Every error that the classifier finds is also found by the check of the whole
            // message.
            assert!(answer.is_ok() || class.bytes_read <= bytes.len());
            if let (Kind::Malformed(found), Err(error)) = (class.kind, answer) {
                assert!(error.at <= found.at);
            }
        }
    }
    assert!(good > 2_000 && bad > 10_000, "{good} {bad}");
}

#[test]
fn validation_checks_grammar_only() {
    for (wire, want) in [
        (&br#""\ud800""#[..], None),
        (br#""\udc00\ud800x""#, None),
        (br#"{"a":1,"a":2}"#, None),
        (b"1e999", None),
        (b"\"\x7f\"", None),
        ("\"\u{85}\u{2028}\"".as_bytes(), None),
        (b" \t\r\n{} \t\r\n", None),
        (b"\"\xFF\"", Some((1, MalformedReason::Utf8))),
        (b"\"\xED\xA0\x80\"", Some((1, MalformedReason::Utf8))),
        (b"\"\xC0\x80\"", Some((1, MalformedReason::Utf8))),
        (b"\"\xC3\"", Some((1, MalformedReason::Utf8))),
        // The first error counts. A truncated character at the end is an unexpected end of input.
        (b"\"\xFF\",", Some((1, MalformedReason::Utf8))),
        (b"{\"a\":01,\"b\":\"\xFF\"}", Some((6, MalformedReason::Number))),
        (b"\"a\xC3", Some((3, MalformedReason::End))),
        (b"\"\x01\xFF\"", Some((1, MalformedReason::Control))),
        (b"\xFF", Some((0, MalformedReason::Byte))),
        (b"\xEF\xBB\xBF{}", Some((0, MalformedReason::Byte))),
    ] {
        let want = want.map_or(Ok(()), |(at, reason)| Err(Malformed { at, reason }));
        assert_eq!(validate(wire), want, "{}", wire.escape_ascii());
    }
    let digits = std::vec![b'9'; 10_000];
    assert_eq!(validate(&digits), Ok(()));
}
