//! Tests of texts as readers see them.

use super::*;
use crate::post::tests::generate::Random;

/// The received text, and the text that readers see.
const TEXTS: [(&str, &str); 24] = [
    ("", ""),
    ("gulls", "gulls"),
    ("AT&amp;T", "AT&T"),
    ("&lt;b&gt;", "<b>"),
    ("&amp;&lt;&gt;&amp;", "&<>&"),
    ("🍕 &amp; 🌭, señal&gt;日本", "🍕 & 🌭, señal>日本"),
    // Once, not twice.
    ("&amp;lt;", "&lt;"),
    ("&amp;amp;amp;", "&amp;amp;"),
    ("&amp;#39;", "&#39;"),
    // Entities that X does not write.
    ("&quot;&#39;&#38;&#x26;&nbsp;&apos;", "&quot;&#39;&#38;&#x26;&nbsp;&apos;"),
    ("&AMP; &Lt; &gT;", "&AMP; &Lt; &gT;"),
    ("& amp; &amp ; &am\u{301}p;", "& amp; &amp ; &am\u{301}p;"),
    ("amp; lt; gt;", "amp; lt; gt;"),
    ("&ampere; &lta; &gtr;", "&ampere; &lta; &gtr;"),
    // An entity inside an incomplete one.
    ("&&amp;;", "&&;"),
    ("&am&amp;", "&am&"),
    ("&l&gt;t;", "&l>t;"),
    // Truncated entities.
    ("&", "&"),
    ("R&a", "R&a"),
    ("R&am…", "R&am…"),
    ("R&amp", "R&amp"),
    ("R&amp… https://t.co/a", "R&amp… https://t.co/a"),
    ("R&l", "R&l"),
    ("R&gt", "R&gt"),
];

/// The string in quotes, with `\uXXXX` for the chars that are chosen.
fn quoted(text: &str, is_escaped: impl Fn(usize) -> bool) -> String {
    let mut out = String::from("\"");
    for (index, char) in text.chars().enumerate() {
        if is_escaped(index) {
            for unit in char.encode_utf16(&mut [0; 2]) {
                out += &format!("\\u{unit:04x}");
            }
        } else {
            out.push(char);
        }
    }
    out + "\""
}

/// Compares every way to read a text with the text that readers see.
fn check(quoted: &str, received: &str, wanted: &str) {
    let text = Value::new(quoted.as_bytes()).unwrap().as_str().unwrap();
    assert!(text == received, "{quoted}");
    for mut readable in [text.readable(), Readable::new(received)] {
        assert_eq!(readable.to_string(), wanted, "{quoted}");
        // Each char corresponds to the received text at its position.
        let mut start = 0;
        for char in wanted.chars() {
            assert_eq!(readable.position(), start, "{quoted}");
            assert_eq!(readable.next(), Some(char), "{quoted}");
            let held: String = received.chars().take(readable.position()).skip(start).collect();
            let name = match char {
                '&' if held.len() > 1 => "&amp;".to_string(),
                '<' => "&lt;".to_string(),
                '>' => "&gt;".to_string(),
                _ => char.to_string(),
            };
            assert_eq!(held, name, "{quoted}");
            start = readable.position();
        }
        assert_eq!((readable.next(), readable.next()), (None, None), "{quoted}");
        assert_eq!(readable.position(), received.chars().count(), "{quoted}");
    }
}

#[test]
fn entities_are_decoded_once_wherever_json_escapes_interrupt_them() {
    for (received, wanted) in TEXTS {
        let length = received.chars().count();
        check(&quoted(received, |_| false), received, wanted);
        check(&quoted(received, |_| true), received, wanted);
        for place in 0..length {
            check(&quoted(received, |index| index == place), received, wanted);
            check(&quoted(received, |index| index < place), received, wanted);
            check(&quoted(received, |index| index > place), received, wanted);
        }
    }
}

#[test]
fn readable_texts_agree_with_replacing() {
    const PIECES: [&str; 12] = ["&", "a", "m", "p", ";", "l", "t", "g", "&amp;", "&lt;", "é", "🍕"];
    let mut random = Random(0xE717);
    let mut decoded = 0;
    for _ in 0..20_000 {
        let received: String = (0..random.below(12)).map(|_| PIECES[random.below(PIECES.len())]).collect();
        // The ampersand last, so that its result is not decoded again.
        let wanted = received.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&");
        let escapes = random.below(1 << 12);
        check(&quoted(&received, |index| escapes >> (index % 12) & 1 == 1), &received, &wanted);
        decoded += usize::from(received != wanted);
    }
    assert!(decoded > 5_000, "{decoded}");
}

#[test]
fn broken_bytes_and_halves_of_pairs_read_as_replacement_characters() {
    for (quoted, wanted) in [
        (&b"\"&amp\xFF;&lt;\xE2\x82\""[..], "&amp\u{FFFD};<\u{FFFD}"),
        (b"\"&\xFFamp;\\uD83D&gt;\"", "&\u{FFFD}amp;\u{FFFD}>"),
        (b"\"\\u0026\\uDC26&am\\u0070;\\n\"", "&\u{FFFD}&\n"),
    ] {
        let text = Value::new(quoted).unwrap().as_str().unwrap();
        assert_eq!(text.readable().to_string(), wanted);
    }
}

#[test]
fn megabyte_of_ampersands_reads_in_linear_time() {
    for body in ["&", "\\u0026", "&amp", "\\u0026am\\u0070;", "\\u0026\u{20ac}"] {
        let quoted = format!("\"{}\"", body.repeat((1 << 20) / body.len()));
        let text = Value::new(quoted.as_bytes()).unwrap().as_str().unwrap();
        assert!(text.readable().count() >= (1 << 20) / body.len());
    }
}
