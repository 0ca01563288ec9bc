//! Finding and replacing one root key of a JSON object in its bytes. Everything else stays
//! unchanged.

use std::ops::Range;

/// Returns the range of the value of a root key, the first if there are several. Returns `None` if
/// the text is not an object or has no such key.
pub(crate) fn root_value(json: &[u8], key: &[u8]) -> Option<Range<usize>> {
    let found = root_member(json, key)?;
    Some(found.value)
}

struct Member {
    /// The index of the key's opening quote.
    start: usize,
    value: Range<usize>,
}

fn root_member(json: &[u8], key: &[u8]) -> Option<Member> {
    let mut at = blanks(json, 0);
    if json.get(at) != Some(&b'{') {
        return None;
    }
    at = blanks(json, at + 1);
    while json.get(at) == Some(&b'"') {
        let end = string_end(json, at)?;
        let colon = blanks(json, end + 1);
        if json.get(colon) != Some(&b':') {
            return None;
        }
        let value = blanks(json, colon + 1);
        let value_end = value_end(json, value)?;
        if &json[at + 1..end] == key {
            return Some(Member { start: at, value: value..value_end });
        }
        let comma = blanks(json, value_end);
        if json.get(comma) != Some(&b',') {
            return None;
        }
        at = blanks(json, comma + 1);
    }
    None
}

/// Returns the object with this value for the root key, replaced or added last. Returns `None` if
/// the text is not an object.
pub(crate) fn with_root(json: &[u8], key: &str, value: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(json.len() + key.len() + value.len() + 4);
    if let Some(old) = root_value(json, key.as_bytes()) {
        out.extend_from_slice(&json[..old.start]);
        out.extend_from_slice(value);
        out.extend_from_slice(&json[old.end..]);
        return Some(out);
    }
    let close = json.iter().rposition(|b| *b == b'}')?;
    let open = blanks(json, 0);
    if json.get(open) != Some(&b'{') || !json[close + 1..].iter().all(u8::is_ascii_whitespace) {
        return None;
    }
    out.extend_from_slice(&json[..close]);
    if blanks(json, open + 1) < close {
        out.push(b',');
    }
    out.push(b'"');
    out.extend_from_slice(key.as_bytes());
    out.extend_from_slice(b"\":");
    out.extend_from_slice(value);
    out.extend_from_slice(&json[close..]);
    Some(out)
}

/// Returns the object without this root key, or `None` if it has none.
pub(crate) fn without_root(json: &[u8], key: &str) -> Option<Vec<u8>> {
    let Member { start, value } = root_member(json, key.as_bytes())?;
    let after = blanks(json, value.end);
    let (start, end) = if json.get(after) == Some(&b',') {
        (start, blanks(json, after + 1))
    } else {
        // If the key is the last one, the comma before it is removed.
        let before = json[..start].iter().rposition(|b| !b.is_ascii_whitespace())?;
        (if json[before] == b',' { before } else { before + 1 }, value.end)
    };
    Some([&json[..start], &json[end..]].concat())
}

fn blanks(json: &[u8], at: usize) -> usize {
    at + json.get(at..).map_or(0, |rest| rest.iter().take_while(|b| b.is_ascii_whitespace()).count())
}

/// Returns the index of the closing quote of the string that starts at `at`.
fn string_end(json: &[u8], at: usize) -> Option<usize> {
    let mut at = at + 1;
    loop {
        match json.get(at)? {
            b'"' => return Some(at),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
}

/// Returns the index after the value that starts at `at`, without recursion.
fn value_end(json: &[u8], mut at: usize) -> Option<usize> {
    let mut level = 0_usize;
    loop {
        match json.get(at)? {
            b'"' => at = string_end(json, at)?,
            b'{' | b'[' => level += 1,
            b'}' | b']' if level == 0 => return Some(at),
            b'}' | b']' => level -= 1,
            byte if level == 0 => {
                let rest = json[at..].iter().take_while(|b| !b.is_ascii_whitespace() && !b",}]".contains(b));
                let len = rest.count();
                return if len == 0 || *byte == b':' { None } else { Some(at + len) };
            }
            _ => {}
        }
        at += 1;
        if level == 0 {
            return Some(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "matching_rules";

    #[track_caller]
    fn put(json: &str, want: Option<&str>) {
        let got = with_root(json.as_bytes(), KEY, b"[1]").map(|out| String::from_utf8(out).unwrap());
        assert_eq!(got.as_deref(), want);
        if let Some(got) = got {
            serde_json::from_str::<serde_json::Value>(&got).unwrap();
            assert_eq!(root_value(got.as_bytes(), KEY.as_bytes()).map(|range| &got[range]), Some("[1]"));
        }
    }

    #[test]
    fn replaces_a_root_key_in_place_or_adds_it_last() {
        put(
            r#"{"a":1,"matching_rules":[{"tag":"]}"}],"b":2}"#,
            Some(r#"{"a":1,"matching_rules":[1],"b":2}"#),
        );
        put(r#"{ "matching_rules" : null }"#, Some(r#"{ "matching_rules" : [1] }"#));
        put(r#"{"a":"x\"y"}"#, Some(r#"{"a":"x\"y","matching_rules":[1]}"#));
        put(
            r#"{"a":{"matching_rules":2},"b":-1.5e3}"#,
            Some(r#"{"a":{"matching_rules":2},"b":-1.5e3,"matching_rules":[1]}"#),
        );
        put("{}", Some(r#"{"matching_rules":[1]}"#));
        put(" { } \t", Some(" { \"matching_rules\":[1]} \t"));
        for no_object in ["", "[{}]", "42", "null", "} {", "x}"] {
            put(no_object, None);
        }
    }

    #[test]
    fn removes_a_root_key_with_its_comma() {
        for (json, want) in [
            (r#"{"a":1,"matching_rules":[{"x":1}],"b":2}"#, Some(r#"{"a":1,"b":2}"#)),
            (r#"{"a":1, "matching_rules":[]}"#, Some(r#"{"a":1}"#)),
            (r#"{"matching_rules":[], "b":2}"#, Some(r#"{"b":2}"#)),
            (r#"{"matching_rules":[]}"#, Some("{}")),
            (r#"{"a":{"matching_rules":1}}"#, None),
        ] {
            let got = without_root(json.as_bytes(), KEY).map(|out| String::from_utf8(out).unwrap());
            assert_eq!(got.as_deref(), want);
        }
    }

    #[test]
    fn does_not_panic_on_junk() {
        let json = br#"{"a":[1,{"b":"c\u00e9"}],"matching_rules":[{"tag":null}],"d":"e"}"#;
        for cut in 0..json.len() {
            for junk in [b'"', b'{', b'}', b'[', b']', b',', b':', b'\\', b' ', 0xff] {
                let mut text = json[..cut].to_vec();
                text.push(junk);
                text.extend_from_slice(&json[(cut * 7) % json.len()..]);
                let _ = (with_root(&text, KEY, b"1"), without_root(&text, KEY), root_value(&text, b"d"));
            }
        }
    }
}
