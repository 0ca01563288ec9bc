//! Writes JSON in every form that a service may use: the same value in different bytes.

use serde_json::Value as Json;

use super::choices::Choices;

/// Writes a value as bytes, with random order of keys, blanks and escapes.
pub fn json(choices: &mut Choices<'_>, value: &Json) -> Vec<u8> {
    let style = Style {
        blanks: choices.once_in(4),
        turned: choices.once_in(3),
        strangers: choices.once_in(4),
        escapes: choices.below(3),
    };
    let mut out = String::new();
    style.value(value, &mut out);
    out.into_bytes()
}

#[derive(Clone, Copy)]
struct Style {
    blanks: bool,
    /// Keys from the last to the first.
    turned: bool,
    /// Unknown fields, which contain known names inside.
    strangers: bool,
    /// What is escaped. 0: only required escapes; 1: non-ASCII characters as well; 2: every
    /// character.
    escapes: usize,
}

impl Style {
    fn value(self, value: &Json, out: &mut String) {
        match value {
            Json::String(text) => self.string(text, out),
            Json::Array(elements) => {
                out.push('[');
                for (index, element) in elements.iter().enumerate() {
                    self.between(index, out);
                    self.value(element, out);
                }
                out.push(']');
            }
            Json::Object(fields) => {
                out.push('{');
                let mut fields: Vec<_> = fields.iter().collect();
                if self.turned {
                    fields.reverse();
                }
                for (index, (key, value)) in fields.into_iter().enumerate() {
                    self.between(index, out);
                    if self.strangers && index % 3 == 1 {
                        out.push_str(
                            r#""stranger":{"text":"gull","id":[{}],"user":{"lang":"en"},"x":"\"}"},"#,
                        );
                    }
                    // Escaped keys are valid, but no service writes them.
                    Self { escapes: self.escapes.min(1), ..self }.string(key, out);
                    out.push(':');
                    if self.blanks {
                        out.push(' ');
                    }
                    self.value(value, out);
                }
                out.push('}');
            }
            other => out.push_str(&other.to_string()),
        }
    }

    fn between(self, index: usize, out: &mut String) {
        if index > 0 {
            out.push(',');
        }
        if self.blanks {
            out.push_str("\t ");
        }
    }

    fn string(self, text: &str, out: &mut String) {
        out.push('"');
        for c in text.chars() {
            match c {
                '"' | '\\' => {
                    out.push('\\');
                    out.push(c);
                }
                '\n' => out.push_str("\\n"),
                '/' if self.escapes > 0 => out.push_str("\\/"),
                ' '..='~' if self.escapes < 2 => out.push(c),
                c if self.escapes == 0 && c > '\u{7f}' => out.push(c),
                c => {
                    for unit in c.encode_utf16(&mut [0; 2]) {
                        out.push_str(&format!("\\u{unit:04X}"));
                    }
                }
            }
        }
        out.push('"');
    }
}
