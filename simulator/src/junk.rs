//! Messages and framing that no client asked for.

use crate::rng::Rng;

/// The announcement of a disconnect, as X documents it.
pub(crate) const OPERATIONAL_DISCONNECT: &str = concat!(
    r#"{"errors":[{"title":"operational-disconnect","disconnect_type":"UpstreamOperationalDisconnect","#,
    r#""detail":"This stream has been disconnected upstream for operational reasons.","#,
    r#""type":"https://api.x.com/2/problems/operational-disconnect"}]}"#
);

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

/// A line that is not JSON, or JSON as nobody should write it. Never with a CR, which would end it.
pub(crate) fn malformed(rng: &mut Rng) -> Vec<u8> {
    match rng.below(9) {
        0 => b"this is no JSON".to_vec(),
        1 => br#"{"id":1,"id_str":"1","text":"cut of"#.to_vec(),
        2 => br#"{"id":1,}"#.to_vec(),
        3 => b"{\"text\":\"\xff\xfe\xc3\"}".to_vec(),
        4 => br#"{"text":"lone \ud83d surrogate"}"#.to_vec(),
        5 => b"{\"text\":\"a\0b\"}".to_vec(),
        6 => [b'['; 100_000].to_vec(),
        7 => [br#"{"id":"#.as_slice(), &[b'9'; 10_000], b"}"].concat(),
        _ => b"<html><body>502 Bad Gateway</body></html>".to_vec(),
    }
}

/// What stands in place of a chunk size.
pub(crate) fn chunk_size(rng: &mut Rng) -> &'static str {
    rng.pick(&["xyz", "-5", "", "g", "{\"id\":2}", "fffffffffffffffff"])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_line_ends_inside() {
        let mut rng = Rng::new(1);
        assert!((0..200).all(|_| !malformed(&mut rng).contains(&b'\r')));
        for nth in 0..16 {
            serde_json::from_slice::<serde_json::Value>(&unknown(nth)).unwrap();
        }
        serde_json::from_str::<serde_json::Value>(OPERATIONAL_DISCONNECT).unwrap();
    }
}
