//! Tests of string decoding.

use super::*;
use crate::post::tests::generate::Random;

fn json_str(quoted: &[u8]) -> JsonStr<'_> {
    Value::new(quoted).unwrap().as_str().unwrap()
}

/// Compares every way to read a string with the expected text.
fn check(quoted: &[u8], wanted: &str) {
    let text = json_str(quoted);
    let shown = String::from_utf8_lossy(quoted);
    assert_eq!(text.chars().collect::<String>(), wanted, "{shown}");
    assert!(text.bytes_unescaped().eq(wanted.bytes()), "{shown}");
    assert_eq!(text.to_string(), wanted, "{shown}");
    let mut written = String::new();
    text.write_to(&mut written).unwrap();
    assert_eq!(written, wanted, "{shown}");
    assert!(text.eq_str(wanted) && text == *wanted, "{shown}");
    assert!(!text.eq_str(&format!("{wanted}x")) && text != *"another", "{shown}");
    assert_eq!(text.is_escaped(), quoted.contains(&b'\\'), "{shown}");
    assert!(text.same(&text));
    if let Some(lent) = text.as_str() {
        assert_eq!((lent, lent.as_bytes()), (wanted, text.raw()), "{shown}");
    }
    let mut buffer = std::vec![0; wanted.len()];
    assert_eq!(text.unescape(&mut buffer), Some(wanted), "{shown}");
    if text.as_str().is_none() {
        assert_eq!(text.unescape(&mut buffer[1..]), None, "{shown}");
    }
    assert_eq!(text.is_empty(), wanted.is_empty());
    let mut chars = text.chars();
    while chars.next().is_some() {}
    assert_eq!(chars.next(), None);
    #[cfg(feature = "alloc")]
    {
        let cow = text.to_cow();
        assert_eq!(cow, wanted);
        assert_eq!(matches!(cow, alloc::borrow::Cow::Borrowed(_)), text.as_str().is_some());
    }
}

#[test]
fn escapes_are_decoded() {
    for (quoted, wanted) in [
        (&br#""""#[..], ""),
        (br#""plain""#, "plain"),
        (r#""é and 🐦""#.as_bytes(), "é and 🐦"),
        (br#""\"\\\/\b\f\n\r\t""#, "\"\\/\u{8}\u{C}\n\r\t"),
        (br#""\u0041\u00e9\u20AC\uffff\u0000""#, "A\u{E9}\u{20AC}\u{FFFF}\0"),
        (br#""\uD83D\uDC26""#, "🐦"),
        (br#""a\ud83d\udc26b\uD83D\uDC26""#, "a🐦b🐦"),
        // Lone surrogates, and pairs in the wrong order.
        (br#""\uD83D""#, "\u{FFFD}"),
        (br#""\uDC26""#, "\u{FFFD}"),
        (br#""\uDC26\uD83D""#, "\u{FFFD}\u{FFFD}"),
        (br#""\uD83D\uD83D\uDC26""#, "\u{FFFD}🐦"),
        (br#""\uD83Dx\uDC26""#, "\u{FFFD}x\u{FFFD}"),
        (br#""\uD83D\n""#, "\u{FFFD}\n"),
        (br#""\uD83D\u0041""#, "\u{FFFD}A"),
        (br#""\uDBFF\uDFFF\uD800\uDC00""#, "\u{10FFFF}\u{10000}"),
    ] {
        check(quoted, wanted);
    }
}

#[test]
fn invalid_utf_8_decodes_as_in_std() {
    let mut random = Random(0x5EED);
    for _ in 0..20_000 {
        let mut quoted = std::vec![b'"'];
        for _ in 0..random.below(12) {
            let byte =
                [b'a', 0x80, 0xBF, 0xC3, 0xA9, 0xE2, 0x82, 0xF0, 0x9F, 0x90, 0xED, 0xFF][random.below(12)];
            quoted.push(byte);
        }
        let body = quoted[1..].to_vec();
        quoted.push(b'"');
        let wanted = String::from_utf8_lossy(&body);
        check(&quoted, &wanted);
        // The same with an escape inside, which splits the run.
        let cut = random.below(body.len() + 1);
        let (before, after) = body.split_at(cut);
        let quoted = [b"\"", before, b"\\n", after, b"\""].concat();
        check(&quoted, &format!("{}\n{}", String::from_utf8_lossy(before), String::from_utf8_lossy(after)));
    }
}

#[test]
fn megabyte_of_broken_bytes_decodes_in_linear_time() {
    for body in [b"\xFF".repeat(1 << 20), b"\xFF\\n".repeat(1 << 19), b"a\xC3".repeat(1 << 19)] {
        let quoted = [b"\"", body.as_slice(), b"\""].concat();
        assert!(json_str(&quoted).chars().count() >= 1 << 20);
        assert!(json_str(&quoted).to_string().chars().eq(json_str(&quoted).chars()));
    }
}

#[test]
fn ids_compare_equal_with_and_without_escapes() {
    let cases: [(&[u8], &[u8], bool); 8] = [
        (b"\"3_1\"", b"\"3_1\"", true),
        (b"\"3_1\"", b"\"\\u0033\\u005F\\u0031\"", true),
        (b"\"\\u0033_1\"", b"\"3\\u005f1\"", true),
        (b"\"\"", b"\"\"", true),
        (b"\"\"", b"\"\\n\"", false),
        (b"\"3_1\"", b"\"3_\\u0032\"", false),
        (b"\"3_1\"", b"\"3_11\"", false),
        // The same text with the greatest possible difference in length.
        (b"\"\xFF\xFF\"", b"\"\\uFFFD\\uFFFD\"", true),
    ];
    for (one, other, wanted) in cases {
        let (one, other) = (json_str(one), json_str(other));
        assert_eq!((one.same(&other), other.same(&one)), (wanted, wanted), "{one} {other}");
    }
}
