//! Messages that clients do not expect.

use super::names::names;
use crate::rng::Rng;

/// Returns JSON of a kind that does not exist. The kinds alternate.
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

names! {
    /// The kinds of lines that are not JSON, or JSON that no server should write.
    Junk {
        Words "words",
        Cut "cut",
        TrailingComma "trailing-comma",
        InvalidUtf8 "invalid-utf-8",
        LoneSurrogate "lone-surrogate",
        Nul "nul",
        Deep "deep",
        LongNumber "long-number",
        Html "html",
        DuplicateKeys "duplicate-keys",
        PrettyPrinted "pretty-printed",
    }
}

/// Returns a line of this kind, or of a random one. It never contains CR, which would end it.
pub(crate) fn malformed(kind: Option<Junk>, rng: &mut Rng) -> Vec<u8> {
    let kind = kind.unwrap_or_else(|| rng.pick(Junk::NAMES).1);
    match kind {
        Junk::Words => b"this is no JSON".to_vec(),
        Junk::Cut => br#"{"id":1,"id_str":"1","text":"cut of"#.to_vec(),
        Junk::TrailingComma => br#"{"id":1,}"#.to_vec(),
        Junk::InvalidUtf8 => b"{\"text\":\"\xff\xfe\xc3\"}".to_vec(),
        Junk::LoneSurrogate => br#"{"text":"lone \ud83d surrogate"}"#.to_vec(),
        Junk::Nul => b"{\"text\":\"a\0b\"}".to_vec(),
        Junk::Deep => [b'['; 100_000].to_vec(),
        Junk::LongNumber => [br#"{"id":"#.as_slice(), &[b'9'; 10_000], b"}"].concat(),
        Junk::DuplicateKeys => {
            br#"{"id_str":"1","id_str":"2","text":"a","text":"b","limit":{"track":1}}"#.to_vec()
        }
        Junk::PrettyPrinted => b"{\n  \"id_str\": \"1\",\n  \"text\": \"over lines\"\n}".to_vec(),
        Junk::Html => b"<html><body>502 Bad Gateway</body></html>".to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn junk_lines_contain_no_cr() {
        let mut rng = Rng::new(1);
        for (_, kind) in Junk::NAMES {
            assert!(!malformed(Some(*kind), &mut rng).contains(&b'\r'));
        }
        for nth in 0..16 {
            serde_json::from_slice::<serde_json::Value>(&unknown(nth)).unwrap();
        }
    }
}
