//! The outcome of each rule, in human-readable and JSON lines.

use std::io::Write;

use powerstream_client::rule_api::{AddFate, DeleteFate, Rule};

use crate::exit::Failure;
use crate::json::Line;
use crate::rules::render::{printable, shown};
use crate::stdout::Stdout;

/// The lines of a message of the service that are shown.
const LINES_MAX: usize = 20;

/// Writes lines to standard output immediately, so that finished changes are shown even if a later
/// one fails.
pub(in crate::rules) fn write(line: &str) -> Result<(), Failure> {
    Stdout.write_all(line.as_bytes()).map_err(|error| Failure::output(&error))
}

/// Renders one rule of a service.
pub(in crate::rules) fn rule(rule: &Rule, json: bool) -> String {
    if json {
        return Line::object()
            .text_or_null("id", rule.id.as_deref())
            .text("value", &rule.value)
            .text_or_null("tag", rule.tag.as_deref())
            .finish();
    }
    let mut line = format!("{}  {}", printable(rule.id.as_deref().unwrap_or("-")), shown(&rule.value));
    if let Some(tag) = &rule.tag {
        line += &format!("  [{}]", printable(tag));
    }
    line + "\n"
}

/// The outcome of a rule: a word for programs, its id, and the service's message.
pub(in crate::rules) struct Outcome {
    word: &'static str,
    id: Option<String>,
    message: Option<String>,
    /// True if the rule is now as requested.
    pub(in crate::rules) is_done: bool,
}

impl Outcome {
    pub(in crate::rules) fn added(fate: &AddFate) -> Self {
        let outcome = |word, id: Option<&String>, message: Option<String>, is_done| Self {
            word,
            id: id.cloned(),
            message,
            is_done,
        };
        match fate {
            AddFate::Created(rule) => outcome("created", rule.id.as_ref(), None, true),
            AddFate::Duplicate { id } => outcome("duplicate", id.as_ref(), None, false),
            AddFate::Invalid { messages } => outcome("invalid", None, Some(messages.join("\n")), false),
            AddFate::NotCreated { message } => outcome("not_created", None, message.clone(), false),
            _ => outcome("unknown", None, None, false),
        }
    }

    pub(in crate::rules) fn deleted(fate: &DeleteFate) -> Self {
        let outcome = |word, message, is_done| Self { word, id: None, message, is_done };
        match fate {
            DeleteFate::Deleted => outcome("deleted", None, true),
            DeleteFate::NotDeleted { message } => outcome("not_deleted", message.clone(), false),
            _ => outcome("unknown", None, false),
        }
    }

    pub(in crate::rules) fn is_duplicate(&self) -> bool {
        self.word == "duplicate"
    }

    /// Returns the line for it.
    pub(in crate::rules) fn line(
        &self,
        value: Option<&str>,
        tag: Option<&str>,
        id: Option<&str>,
        json: bool,
    ) -> String {
        let id = self.id.as_deref().or(id);
        if json {
            return Line::object()
                .text("fate", self.word)
                .text_or_null("id", id)
                .text_or_null("value", value)
                .text_or_null("tag", tag)
                .text_or_null("message", self.message.as_deref())
                .finish();
        }
        let mut line = self.word.replace('_', " ");
        if let Some(id) = id {
            line += &format!(" {}", printable(id));
        }
        if let Some(value) = value {
            line += &format!(": {}", shown(value));
        }
        if let Some(tag) = tag {
            line += &format!("  [{}]", printable(tag));
        }
        for message in self.message.iter().flat_map(|message| message.lines().take(LINES_MAX)) {
            line += &format!("\n  {}", printable(message));
        }
        line + "\n"
    }
}
