//! A JSON writer that controls every escape, which a serializer would choose by itself.

/// How a Post escapes its strings. All styles mean the same text. They expose clients that compare
/// bytes or expect one style.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Style {
    /// Escapes everything outside ASCII as `\uXXXX`, with surrogate pairs.
    pub(crate) ascii: bool,
    /// Escapes `/` as `\/`.
    pub(crate) slash: bool,
    /// Escapes `<` and `>` as `\u003c` and `\u003e`.
    pub(crate) angle: bool,
}

/// A growing JSON text: the output and its style.
pub(crate) struct Writer<'a> {
    out: &'a mut Vec<u8>,
    style: Style,
}

impl<'a> Writer<'a> {
    pub(crate) fn new(out: &'a mut Vec<u8>, style: Style) -> Self {
        Writer { out, style }
    }

    /// Appends bytes unchanged: punctuation, keys and constants.
    pub(crate) fn raw(&mut self, json: &str) -> &mut Self {
        self.out.extend_from_slice(json.as_bytes());
        self
    }

    pub(crate) fn number(&mut self, n: u64) -> &mut Self {
        let mut digits = [0; 20];
        let mut at = digits.len();
        let mut rest = n;
        loop {
            at -= 1;
            digits[at] = b'0' + (rest % 10) as u8;
            rest /= 10;
            if rest == 0 {
                break;
            }
        }
        self.out.extend_from_slice(&digits[at..]);
        self
    }

    pub(crate) fn boolean(&mut self, b: bool) -> &mut Self {
        self.raw(if b { "true" } else { "false" })
    }

    /// Appends a coordinate, given in ten-thousandths of a degree.
    pub(crate) fn degrees(&mut self, e4: i64) -> &mut Self {
        if e4 < 0 {
            self.raw("-");
        }
        let e4 = e4.unsigned_abs();
        self.number(e4 / 10_000).raw(".");
        let fraction = e4 % 10_000;
        // A leading 1 keeps the zeros after the point, and is removed again.
        let start = self.out.len();
        self.number(10_000 + fraction);
        self.out.remove(start);
        self
    }

    /// Appends `"id":N,"id_str":"N"`, with a prefix before both keys.
    pub(crate) fn id(&mut self, prefix: &str, id: u64) -> &mut Self {
        self.raw("\"").raw(prefix).raw("id\":").number(id);
        self.raw(",\"").raw(prefix).raw("id_str\":\"").number(id).raw("\"")
    }

    /// Appends a string with its quotes, in the style of the Post.
    pub(crate) fn string(&mut self, text: &str) -> &mut Self {
        self.out.push(b'"');
        self.escaped(text);
        self.out.push(b'"');
        self
    }

    /// Appends a part of a string, without quotes.
    pub(crate) fn escaped(&mut self, text: &str) -> &mut Self {
        let bytes = text.as_bytes();
        let mut clean = 0;
        for (at, c) in text.char_indices() {
            let escape: &[u8] = match c {
                '"' => b"\\\"",
                '\\' => b"\\\\",
                '\n' => b"\\n",
                '\r' => b"\\r",
                '\t' => b"\\t",
                '/' if self.style.slash => b"\\/",
                '<' if self.style.angle => b"\\u003c",
                '>' if self.style.angle => b"\\u003e",
                '\u{0}'..='\u{1f}' => b"",
                _ if c.is_ascii() || !self.style.ascii => continue,
                _ => b"",
            };
            self.out.extend_from_slice(&bytes[clean..at]);
            clean = at + c.len_utf8();
            if escape.is_empty() {
                let mut units = [0; 2];
                for unit in c.encode_utf16(&mut units) {
                    self.unit(*unit);
                }
            } else {
                self.out.extend_from_slice(escape);
            }
        }
        self.out.extend_from_slice(&bytes[clean..]);
        self
    }

    fn unit(&mut self, unit: u16) {
        const HEX: &[u8; 16] = b"0123456789abcdef";
        self.out.extend_from_slice(b"\\u");
        for shift in [12, 8, 4, 0] {
            self.out.push(HEX[usize::from(unit >> shift) & 0xf]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HARD: &str = "a\"b\\c\n\r\t\u{1}/<b>\u{2028}é 漢字 👩‍💻 \u{7f}";

    #[test]
    fn every_style_parses_to_the_same_value() {
        for bits in 0..8 {
            let style = Style { ascii: bits & 1 > 0, slash: bits & 2 > 0, angle: bits & 4 > 0 };
            let mut out = Vec::new();
            Writer::new(&mut out, style).string(HARD);
            assert_eq!(serde_json::from_slice::<String>(&out).unwrap(), HARD, "{style:?}");
            assert_eq!(style.ascii, out.is_ascii());
            assert!(!out.iter().any(|b| *b < 0x20));
        }
    }

    #[test]
    fn writes_numbers() {
        let mut out = Vec::new();
        let mut json = Writer::new(&mut out, Style::default());
        json.number(0).raw(" ").number(u64::MAX).raw(" ").degrees(-50_012).raw(" ").degrees(123_400);
        assert_eq!(out, b"0 18446744073709551615 -5.0012 12.3400");
    }
}
