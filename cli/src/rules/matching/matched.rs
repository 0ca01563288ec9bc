//! A rule that Posts are matched with.

use powerstream_rules::Rule;
use powerstream_rules::matcher::RuleKey;

use crate::json::Line;
use crate::rules::input::Entry;

pub(super) struct Matched {
    pub(super) entry: Entry,
    pub(super) rule: Rule,
    pub(super) key: RuleKey,
}

impl Matched {
    /// Starts the object that names the rule in a Post's line.
    pub(super) fn line(&self) -> Line {
        Line::object().text("value", &self.entry.value).text_or_null("tag", self.entry.tag.as_deref())
    }
}
