//! Tests of the bit arithmetic, each compared with a simple implementation.

use std::format;
use std::string::ToString;
use std::vec::Vec;

use super::*;

#[test]
fn special_finds_each_byte_at_each_position() {
    for place in 0..8 {
        for byte in 0..=255 {
            // Before the byte, every byte that is not special; after it, every kind of byte.
            for (before, after) in
                [(b'a', b'"'), (0xFF, 0), (0x20, b'\\'), (0x21, 0x1F), (0x7F, b'a'), (0x80, 0xFF)]
            {
                let mut block = [after; 8];
                block[..place].fill(before);
                block[place] = byte;
                let naive = block.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..=0x1F));
                let found = special(u64::from_le_bytes(block));
                let fast = (found != 0).then(|| (found.trailing_zeros() / 8) as usize);
                assert_eq!(fast, naive, "{block:x?}");
                let nine = beyond_nine(u64::from_le_bytes(block));
                for (index, byte) in block.iter().enumerate() {
                    assert_eq!(nine >> (index * 8 + 7) & 1 == 1, *byte > 9, "{block:x?}");
                }
            }
        }
    }
}

#[test]
fn decimal_agrees_with_std_parsing() {
    let mut number: u64 = 1;
    for round in 0..4_000_u64 {
        number = number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let number = number >> (round % 64);
        assert_eq!(decimal(number.to_string().as_bytes()), Some(number));
        assert_eq!(decimal(format!("{number:025}").as_bytes()), Some(number));
    }
    for (text, want) in [
        ("", None),
        ("0", Some(0)),
        ("007", Some(7)),
        ("18446744073709551615", Some(u64::MAX)),
        ("18446744073709551616", None),
        ("99999999999999999999", None),
        ("100000000000000000000000000000000", None),
        ("+1", None),
        ("-1", None),
        ("1 ", None),
        ("1234567:", None),
        ("1234567/", None),
        ("12345678\u{663}", None),
    ] {
        assert_eq!(decimal(text.as_bytes()), want, "{text}");
    }
}

#[test]
fn strings_are_decoded_for_comparison() {
    for (raw, want) in [
        (r"id", &b"id"[..]),
        (r"\u0069d", b"id"),
        (r"\u0069\u0064", b"id"),
        (r#"a\/b\\c\""#, b"a/b\\c\""),
        (r"\b\f\n\r\t", b"\x08\x0C\n\r\t"),
        (r"\u0000\u007f\u0080", b"\0\x7F\xFF"),
        (r"\u00e9\uD83D\uDE00\uD800", b"\xFF\xFF\xFF\xFF"),
    ] {
        let quoted = format!("\"{raw}\"");
        let mut scanner = Scanner::new(quoted.as_bytes());
        let text = scanner.string().unwrap();
        assert_eq!(text.raw, raw.as_bytes());
        assert_eq!(text.plain(&mut [0; NAME_MAX]), want, "{raw}");
    }
    // A text that does not fit returns an empty name, not a truncated one.
    let long = format!("\"{}\"", r"\u0061".repeat(NAME_MAX + 1));
    let text = Scanner::new(long.as_bytes()).string().unwrap();
    assert_eq!(text.plain(&mut [0; NAME_MAX]), b"");
    assert_eq!(text.bytes().collect::<Vec<_>>(), [b'a'; NAME_MAX + 1]);
}

#[test]
fn entering_and_skipping_share_one_depth_limit() {
    let deep = "[".repeat(DEPTH_MAX + 1);
    for steps in 0..=DEPTH_MAX {
        let mut scanner = Scanner::new(deep.as_bytes());
        for _ in 0..steps {
            scanner.enter().unwrap();
        }
        let too_deep = Malformed { at: DEPTH_MAX, reason: MalformedReason::TooDeep };
        assert_eq!(scanner.skip_value(), Err(too_deep));
        if steps == DEPTH_MAX {
            assert_eq!(scanner.enter(), Err(too_deep));
        }
    }
}

#[test]
fn decimal_behind_reads_only_a_complete_number() {
    for (bytes, want) in [
        (r#","id":"123","#, Some(123)),
        (r#","id":"123"#, None),
        (r#","id":"12","#, None),
        (r#","id":"1234","#, None),
        (r#","id":"12x","#, None),
        (r#","ID":"123","#, None),
        (r#","id""#, None),
    ] {
        let mut scanner = Scanner::new(bytes.as_bytes());
        assert_eq!(scanner.decimal_behind(br#","id":""#, 3), want, "{bytes}");
        assert_eq!(scanner.at(), if want.is_some() { 11 } else { 0 }, "{bytes}");
    }
}
