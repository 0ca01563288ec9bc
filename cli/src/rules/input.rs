//! The source of rules: the command line, or a file of lines, JSON or TOML.

use std::path::{Path, PathBuf};

use powerstream_rules::Profile;
use serde_json::Value;

use crate::exit::{Exit, Failure};
use crate::file;
use crate::text::Printable;

pub(super) const FILES: &str = "\
The file of --file (`-` is standard input):
  *.json   an array of rules or of {\"value\":..,\"tag\":..}, or an object with such an array
           as `rules`, `add` or `data`
  *.toml   the same as TOML: [[rules]] with value = '..' and an optional tag = '..'
  others   one rule per line; blank lines are skipped; there are no comments; JSON is recognized

Pass a rule that starts with a dash after `--`, or as --rule=RULE.
Output is colored only on a terminal, and never if NO_COLOR is set.

Exit codes:
  0  every rule is valid      1  a rule is invalid, or the file cannot be read";

/// The rules to work on.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = true)]
pub(super) struct Source {
    /// A rule
    #[arg(value_name = "RULE")]
    rules: Vec<String>,

    /// A rule; required for rules that start with a dash: --rule=-is:reply
    #[arg(long = "rule", value_name = "RULE", allow_hyphen_values = true)]
    more: Vec<String>,

    /// A file of rules; `-` is standard input
    #[arg(long, value_name = "FILE", conflicts_with_all = ["rules", "more"])]
    file: Option<PathBuf>,
}

/// The product of the rules.
#[derive(Debug, clap::Args)]
pub(super) struct ProfileArg {
    /// The product: powerstream, powertrack, filtered_stream, filtered_stream_ppu,
    /// filtered_stream_embedding
    #[arg(long, value_name = "NAME", default_value_t = Profile::Powerstream)]
    pub(super) profile: Profile,
}

/// A rule and its origin.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) value: String,
    pub(super) tag: Option<String>,
    /// `rule 2`, or the file's name with a line or a rule number.
    pub(super) place: String,
}

impl Source {
    pub(super) fn read(&self) -> Result<Vec<Entry>, Failure> {
        if let Some(file) = &self.file {
            return read(file);
        }
        if let Some(file) = self.rules.iter().find(|rule| names_a_file(rule)) {
            let file = printable(file);
            return Err(Failure::new(
                Exit::Usage,
                format!("{file} is a file; to read rules from it, pass --file {file}"),
            ));
        }
        Ok(of_values(self.rules.iter().chain(&self.more)))
    }
}

/// Returns true if a rule is the name of an existing file of rules. As a rule it would be valid.
fn names_a_file(rule: &str) -> bool {
    let path = Path::new(rule);
    let is_named = |extension| path.extension().is_some_and(|other| other.eq_ignore_ascii_case(extension));
    ["toml", "json", "txt"].into_iter().any(is_named) && path.is_file()
}

/// The longest tag, in characters (PowerTrack: API reference).
pub(super) const TAG_CHARACTERS_MAX: usize = 255;

/// Rules of the command line.
pub(super) fn of_values<'a>(values: impl IntoIterator<Item = &'a String>) -> Vec<Entry> {
    let entry = |(index, value): (usize, &String)| Entry {
        value: value.clone(),
        tag: None,
        place: format!("rule {}", index + 1),
    };
    values.into_iter().enumerate().map(entry).collect()
}

/// The forms of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Lines,
    Json,
    Toml,
}

/// The rules of a file; `-` is standard input.
pub(super) fn read(path: &Path) -> Result<Vec<Entry>, Failure> {
    let text = file::read_text(path).map_err(|why| Failure::new(Exit::Failed, why))?;
    let name = printable(&file::name(path));
    let form = match path.extension().and_then(|extension| extension.to_str()) {
        Some(extension) if extension.eq_ignore_ascii_case("json") => Form::Json,
        Some(extension) if extension.eq_ignore_ascii_case("toml") => Form::Toml,
        _ => guess(&text),
    };
    parse(&text, form, &name).map_err(|why| Failure::new(Exit::Failed, format!("cannot read {name}: {why}")))
}

/// Guesses the form from the text. No rule starts with a bracket or a brace.
fn guess(text: &str) -> Form {
    let start = text.trim_start();
    if start.starts_with("[[") {
        Form::Toml
    } else if start.starts_with(['[', '{']) {
        Form::Json
    } else {
        Form::Lines
    }
}

fn parse(text: &str, form: Form, name: &str) -> Result<Vec<Entry>, String> {
    match form {
        Form::Lines => Ok(text
            .lines()
            .enumerate()
            .filter(|(_, line)| !line.trim().is_empty())
            .map(|(index, line)| Entry {
                // A CR at the very end, which `lines` does not remove.
                value: line.strip_suffix('\r').unwrap_or(line).to_owned(),
                tag: None,
                place: format!("{name}:{}", index + 1),
            })
            .collect()),
        Form::Json => {
            let mut values = serde_json::Deserializer::from_str(text).into_iter::<Value>();
            let wrong = |error: serde_json::Error| printable(&error.to_string());
            let first = values.next().unwrap_or(Ok(Value::Null)).map_err(wrong)?;
            // Several objects, one per line, as `rules list --json` writes them.
            let more = values.collect::<Result<Vec<_>, _>>().map_err(wrong)?;
            let is_rule = first.get("value").is_some();
            match (more.is_empty() && !is_rule, is_rule) {
                (true, _) => entries(first, name),
                (false, true) => entries(Value::Array([vec![first], more].concat()), name),
                (false, false) => Err("it has content after its end".to_owned()),
            }
        }
        Form::Toml => {
            // The last line of the error describes the mistake, the first line locates it.
            let table: toml::Table = toml::from_str(text).map_err(|error| {
                let at = error.span().map_or(0, |span| span.start);
                let line = text.get(..at).map_or(1, |before| before.matches('\n').count() + 1);
                printable(&format!("line {line}: {}", error.message()))
            })?;
            let value = serde_json::to_value(table).map_err(|error| printable(&error.to_string()))?;
            entries(value, name)
        }
    }
}

/// Keys that the service and `rules list` add to value and tag.
const KNOWN_ELSEWHERE: [&str; 2] = ["id", "id_str"];

/// Returns the rules of a parsed document of any form.
fn entries(document: Value, name: &str) -> Result<Vec<Entry>, String> {
    let list = match document {
        Value::Array(list) => list,
        Value::Object(mut object) => ["rules", "add", "data"]
            .into_iter()
            .find_map(|key| match object.remove(key) {
                Some(Value::Array(list)) => Some(list),
                // Powerstream's answer nests its rules one level deeper.
                Some(Value::Object(mut inner)) => match inner.remove("rules") {
                    Some(Value::Array(list)) => Some(list),
                    _ => None,
                },
                _ => None,
            })
            .ok_or("it has no array `rules`, `add` or `data`")?,
        _ => return Err("it is not an array of rules".to_owned()),
    };
    let entry = |(index, rule): (usize, Value)| {
        let place = format!("{name}: rule {}", index + 1);
        let wrong = |what: &str| format!("rule {}: {what}", index + 1);
        match rule {
            Value::String(value) => Ok(Entry { value, tag: None, place }),
            Value::Object(mut object) => {
                let Some(Value::String(value)) = object.remove("value") else {
                    return Err(wrong("it has no string `value`"));
                };
                let tag = match object.remove("tag") {
                    None | Some(Value::Null) => None,
                    Some(Value::String(tag)) => Some(tag),
                    Some(_) => return Err(wrong("its `tag` is not a string")),
                };
                // An unknown key is most often a misspelled tag.
                match object.keys().find(|key| !KNOWN_ELSEWHERE.contains(&key.as_str())) {
                    Some(key) => Err(wrong(&format!("its key `{}` is unknown", printable(key)))),
                    None => Ok(Entry { value, tag, place }),
                }
            }
            _ => Err(wrong("it is neither a string nor an object with a `value`")),
        }
    };
    list.into_iter().enumerate().map(entry).collect()
}

fn printable(text: &str) -> String {
    Printable { bytes: text.as_bytes(), characters_max: 200 }.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(text: &str) -> Result<Vec<(String, Option<String>)>, String> {
        let entries = parse(text, guess(text), "f")?;
        Ok(entries.into_iter().map(|entry| (entry.value, entry.tag)).collect())
    }

    fn plain(values: &[&str]) -> Result<Vec<(String, Option<String>)>, String> {
        Ok(values.iter().map(|value| ((*value).to_owned(), None)).collect())
    }

    #[test]
    fn reads_every_line_as_a_rule_even_after_a_hash_sign() {
        assert_eq!(values("a\n\n  \r\n#b\r\n c \n"), plain(&["a", "#b", " c "]));
        assert_eq!(values(""), plain(&[]));
        let places = parse("a\n\nb", Form::Lines, "f").unwrap();
        assert_eq!(places[1].place, "f:3");
    }

    #[test]
    fn reads_tags_from_json_and_toml() {
        let tagged = Ok(vec![("a b".to_owned(), Some("t".to_owned())), ("c".to_owned(), None)]);
        for text in [
            r#"[{"value":"a b","tag":"t"},"c"]"#,
            r#"{"rules":[{"value":"a b","tag":"t"},{"value":"c","tag":null}]}"#,
            r#"{"add":[{"value":"a b","tag":"t"},{"value":"c"}]}"#,
            r#"{"data":{"rules":[{"id":"1","value":"a b","tag":"t"},{"value":"c"}]}}"#,
            "[[rules]]\nvalue = 'a b'\ntag = \"t\"\n[[rules]]\nvalue = 'c'\n",
        ] {
            assert_eq!(values(text), tagged, "{text}");
        }
        assert_eq!(parse("rules = ['a', '-b']", Form::Toml, "f").map(|entries| entries.len()), Ok(2));
    }

    #[test]
    fn refuses_documents_without_a_list_of_rules() {
        for text in [
            "[1]",
            "[[1]]",
            "{}",
            "[{\"tag\":\"t\"}]",
            "[\"a\"",
            "[\"\\ud800\"]",
            "{\"rules\":3}",
            "[{\"value\":\"a\",\"tag\":1}]",
        ] {
            assert!(values(text).is_err(), "{text}");
        }
        assert!(parse("a = ", Form::Toml, "f").is_err_and(|error| error.starts_with("line 1: ")));
    }
}
