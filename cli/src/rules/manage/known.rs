//! The last known rules, so that a sync can skip the list if the user allows it. Also the time when
//! rules were added last, so that no replaced rule is deleted before its successor takes effect.
//!
//! The rules are removed from the file before a change is sent, and written again after its answer.
//! So the file is correct whenever it exists, and a run that was killed leaves no file. The time of
//! the last change is in a file of its own, for a stream that watches for changes.

use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{fs, io};

use powerstream_client::rule_api::Rule;
use powerstream_core::time::UnixTime;
use serde_json::{Value, json};

use crate::file::replace;

/// Older content is ignored.
const AGE_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// The path of the file.
#[derive(Debug)]
pub(super) struct Known(PathBuf);

impl Known {
    pub(super) const fn at(path: PathBuf) -> Self {
        Self(path)
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    /// Returns the rules, if they are known and recent at `now`.
    pub(super) fn read(&self, now: UnixTime) -> Option<Vec<Rule>> {
        let content: Value = serde_json::from_slice(&fs::read(&self.0).ok()?).ok()?;
        let at = UnixTime::from_millis(content.get("at")?.as_u64()?);
        let is_fresh = at <= now && now.saturating_since(at) <= AGE_MAX;
        if content.get("version")?.as_u64()? != 1 || !is_fresh {
            return None;
        }
        let text = |rule: &Value, key: &str| rule.get(key).and_then(Value::as_str).map(String::from);
        let rule = |rule: &Value| Some(Rule::new(text(rule, "id"), text(rule, "value")?, text(rule, "tag")));
        content.get("rules")?.as_array()?.iter().map(rule).collect()
    }

    pub(super) fn write(&self, rules: &[Rule], now: UnixTime) -> io::Result<()> {
        let rule = |rule: &Rule| json!({ "id": rule.id, "value": rule.value, "tag": rule.tag });
        let rules: Vec<Value> = rules.iter().map(rule).collect();
        let content = json!({ "version": 1, "at": now.as_millis(), "rules": rules });
        replace(&self.0, content.to_string().as_bytes())
    }

    /// Records that rules are being added. They take effect some time later.
    pub(super) fn note_addition(&self, now: UnixTime) -> io::Result<()> {
        replace(&self.addition(), now.as_millis().to_string().as_bytes())
    }

    /// Returns when rules were added last.
    pub(super) fn added_at(&self) -> Option<UnixTime> {
        let text = fs::read_to_string(self.addition()).ok()?;
        text.trim().parse().ok().map(UnixTime::from_millis)
    }

    fn addition(&self) -> PathBuf {
        self.0.with_extension("added")
    }

    /// Returns a text that differs after each change.
    pub(super) fn last_change(&self) -> Option<String> {
        fs::read_to_string(self.change()).ok()
    }

    fn change(&self) -> PathBuf {
        self.0.with_extension("changed")
    }

    /// Forgets the rules and records the time: a change is about to be sent.
    pub(super) fn begin_change(&self, now: UnixTime) -> io::Result<()> {
        self.forget()?;
        replace(&self.change(), now.as_millis().to_string().as_bytes())
    }

    fn forget(&self) -> io::Result<()> {
        match fs::remove_file(&self.0) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_change_differs_after_a_change_and_not_after_a_list() {
        let directory = tempfile::tempdir().unwrap();
        let known = Known::at(directory.path().join("known"));
        let at = UnixTime::from_seconds;
        assert_eq!(known.last_change(), None);
        known.write(&[], at(1)).unwrap();
        assert_eq!(known.last_change(), None);
        known.begin_change(at(2)).unwrap();
        assert_eq!(known.read(at(2)), None);
        let first = known.last_change();
        known.write(&[], at(3)).unwrap();
        assert_eq!(known.last_change(), first);
        known.begin_change(at(4)).unwrap();
        assert_ne!(known.last_change(), first);
    }

    #[test]
    fn returns_known_rules_for_a_day_unless_forgotten() {
        let directory = tempfile::tempdir().unwrap();
        let known = Known::at(directory.path().join("known"));
        let at = |seconds: u64| UnixTime::from_seconds(1_800_000_000 + seconds);
        assert_eq!(known.read(at(0)), None);
        let rules = vec![
            Rule::new(Some(String::from("1")), String::from("gull \"x\""), Some(String::from("t"))),
            Rule::new(None, String::from("tern"), None),
        ];
        known.write(&rules, at(0)).unwrap();
        assert_eq!(known.read(at(86_400)), Some(rules));
        // Too old, or written by a clock that was ahead.
        assert_eq!(known.read(at(86_401)), None);
        assert_eq!(known.read(UnixTime::from_seconds(1_799_999_999)), None);
        known.forget().unwrap();
        known.forget().unwrap();
        assert_eq!(known.read(at(0)), None);
        fs::write(known.path(), "{\"version\":1,\"at\":1800000000000,\"rules\":[{}]}").unwrap();
        assert_eq!(known.read(at(0)), None);
    }
}
