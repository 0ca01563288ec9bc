//! Messages that no client asked for.

use crate::rng::Rng;

/// JSON of a kind that does not exist yet; the kinds take turns.
pub(crate) fn unknown(nth: u64) -> Vec<u8> {
    const KINDS: &[&str] = &[
        r#"{"type":"weather_report","payload":{"sky":"clear","id":"17"}}"#,
        "{}",
        "[]",
        "42",
        "null",
        r#""just a string""#,
        r#"{"notice":{"text":"a new kind of notice","level":3}}"#,
        "{\"spread\":\n{\"over\":\"lines\"}}",
    ];
    KINDS[(nth % KINDS.len() as u64) as usize].as_bytes().to_vec()
}

/// The kinds of lines that are not JSON, or JSON as nobody should write it.
pub(crate) const NAMES: &[&str] = &[
    "words",
    "cut",
    "trailing-comma",
    "invalid-utf-8",
    "lone-surrogate",
    "nul",
    "deep",
    "long-number",
    "html",
    "duplicate-keys",
    "pretty-printed",
];

/// A line of this kind, or of any. Never with a CR, which would end it.
pub(crate) fn malformed(kind: Option<usize>, rng: &mut Rng) -> Vec<u8> {
    let kind = kind.unwrap_or_else(|| rng.index(NAMES.len()));
    match NAMES.get(kind).copied().unwrap_or_default() {
        "words" => b"this is no JSON".to_vec(),
        "cut" => br#"{"id":1,"id_str":"1","text":"cut of"#.to_vec(),
        "trailing-comma" => br#"{"id":1,}"#.to_vec(),
        "invalid-utf-8" => b"{\"text\":\"\xff\xfe\xc3\"}".to_vec(),
        "lone-surrogate" => br#"{"text":"lone \ud83d surrogate"}"#.to_vec(),
        "nul" => b"{\"text\":\"a\0b\"}".to_vec(),
        "deep" => [b'['; 100_000].to_vec(),
        "long-number" => [br#"{"id":"#.as_slice(), &[b'9'; 10_000], b"}"].concat(),
        "duplicate-keys" => {
            br#"{"id_str":"1","id_str":"2","text":"a","text":"b","limit":{"track":1}}"#.to_vec()
        }
        "pretty-printed" => b"{\n  \"id_str\": \"1\",\n  \"text\": \"over lines\"\n}".to_vec(),
        _ => b"<html><body>502 Bad Gateway</body></html>".to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn junk_lines_contain_no_cr() {
        let mut rng = Rng::new(1);
        for kind in 0..NAMES.len() {
            assert!(!malformed(Some(kind), &mut rng).contains(&b'\r'));
        }
        for nth in 0..16 {
            serde_json::from_slice::<serde_json::Value>(&unknown(nth)).unwrap();
        }
    }
}
