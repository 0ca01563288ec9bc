//! One event as one line of JSON, with its keys in the given order.
//!
//! JSON serializers escape only C0 controls. Here, everything that [`is_unsafe`] names is escaped
//! too, so a line is safe on every terminal. Programs read the same string.

use std::fmt::Write;

use crate::secret::redacted;
use crate::text::is_unsafe;

/// A line under construction: `{"event":"...",...`.
#[derive(Debug)]
pub(crate) struct Line(String);

impl Line {
    pub(crate) fn event(name: &str) -> Self {
        Self(String::from("{")).text("event", name)
    }

    /// Starts an object that is not an event.
    pub(crate) fn object() -> Self {
        Self(String::from("{"))
    }

    pub(crate) fn flag(mut self, key: &str, value: bool) -> Self {
        self.key(key);
        self.0.push_str(if value { "true" } else { "false" });
        self
    }

    /// Adds a flag, or `null`.
    pub(crate) fn flag_or_null(mut self, key: &str, value: Option<bool>) -> Self {
        if let Some(value) = value {
            return self.flag(key, value);
        }
        self.key(key);
        self.0.push_str("null");
        self
    }

    /// Adds a text, or `null`.
    pub(crate) fn text_or_null(mut self, key: &str, value: Option<&str>) -> Self {
        self.key(key);
        match value {
            Some(value) => self.string(value),
            None => self.0.push_str("null"),
        }
        self
    }

    /// Adds a number, or `null`.
    pub(crate) fn number_or_null(mut self, key: &str, value: Option<u64>) -> Self {
        if let Some(value) = value {
            return self.number(key, value);
        }
        self.key(key);
        self.0.push_str("null");
        self
    }

    /// Adds an array of objects.
    pub(crate) fn objects(mut self, key: &str, objects: impl Iterator<Item = Self>) -> Self {
        self.key(key);
        self.0.push('[');
        for (index, object) in objects.enumerate() {
            if index > 0 {
                self.0.push(',');
            }
            self.0.push_str(&object.0);
            self.0.push('}');
        }
        self.0.push(']');
        self
    }

    pub(crate) fn number(mut self, key: &str, value: u64) -> Self {
        self.key(key);
        let _ = write!(self.0, "{value}");
        self
    }

    pub(crate) fn text(mut self, key: &str, value: &str) -> Self {
        self.key(key);
        self.string(value);
        self
    }

    /// Adds an object with text values. The keys must differ.
    pub(crate) fn texts<'a>(mut self, key: &str, texts: impl Iterator<Item = (&'a str, &'a str)>) -> Self {
        self.key(key);
        self.0.push('{');
        for (key, value) in texts {
            self = self.text(key, value);
        }
        self.0.push('}');
        self
    }

    /// Returns the line with its LF.
    pub(crate) fn finish(mut self) -> String {
        self.0.push_str("}\n");
        self.0
    }

    fn key(&mut self, key: &str) {
        if !self.0.ends_with('{') {
            self.0.push(',');
        }
        self.string(key);
        self.0.push(':');
    }

    fn string(&mut self, value: &str) {
        let value = redacted(value.as_bytes());
        let quoted = serde_json::to_string(&String::from_utf8_lossy(&value))
            .unwrap_or_else(|_| unreachable!("every string can be written as JSON"));
        for character in quoted.chars() {
            if is_unsafe(character) {
                // All of them are at most U+FFFF, so surrogates are not needed.
                let _ = write!(self.0, "\\u{:04x}", u32::from(character));
            } else {
                self.0.push(character);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_keys_in_the_order_given() {
        let line =
            Line::event("head").number("status", 200).texts("headers", [("b", "1"), ("a", "{")].into_iter());
        assert_eq!(
            line.text("x", "").finish(),
            "{\"event\":\"head\",\"status\":200,\"headers\":{\"b\":\"1\",\"a\":\"{\"},\"x\":\"\"}\n"
        );
        assert_eq!(
            Line::event("head").texts("headers", [].into_iter()).finish(),
            "{\"event\":\"head\",\"headers\":{}}\n"
        );
    }

    #[test]
    fn nests_objects() {
        let inner = || Line::object().flag("b", true).text_or_null("c", None).number_or_null("d", None);
        let line =
            Line::object().objects("none", [].into_iter()).objects("two", [inner(), inner()].into_iter());
        assert_eq!(
            line.text_or_null("e", Some("{")).number_or_null("f", Some(1)).finish(),
            "{\"none\":[],\"two\":[{\"b\":true,\"c\":null,\"d\":null},{\"b\":true,\"c\":null,\"d\":null}],\
             \"e\":\"{\",\"f\":1}\n"
        );
    }

    #[test]
    fn escapes_unsafe_characters_and_keeps_the_value() {
        let all: String = (0..=0x2100).filter_map(char::from_u32).chain(['\u{ffff}', '\u{1f600}']).collect();
        let line = Line::event("x").text("all", &all).finish();
        assert!(line.strip_suffix('\n').is_some_and(|line| !line.chars().any(is_unsafe)));
        let value: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(value["all"], all.as_str());
    }
}
