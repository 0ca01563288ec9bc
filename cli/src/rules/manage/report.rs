//! What became of each rule, as people and programs read it.

use std::io::Write;

use powerstream_client::rule_api::{AddFate, DeleteFate, Rule};

use crate::exit::Failure;
use crate::json::Line;
use crate::rules::render::{printable, shown};
use crate::stdout::Stdout;

/// Writes lines to standard output, each at once, so that what was done is told even if what follows fails.
pub(in crate::rules) fn write(line: &str) -> Result<(), Failure> {
    Stdout.write_all(line.as_bytes()).map_err(|error| Failure::output(&error))
}

/// One rule of a service.
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

/// What became of a rule: a word for programs, its id, and what the service says.
pub(in crate::rules) struct Told {
    word: &'static str,
    id: Option<String>,
    message: Option<String>,
    /// Whether the rule is now as it was asked to be.
    pub(in crate::rules) is_done: bool,
}

impl Told {
    pub(in crate::rules) fn added(fate: &AddFate) -> Self {
        let told = |word, id: Option<&String>, message: Option<String>, is_done| Self {
            word,
            id: id.cloned(),
            message,
            is_done,
        };
        match fate {
            AddFate::Created(rule) => told("created", rule.id.as_ref(), None, true),
            AddFate::Duplicate { id } => told("duplicate", id.as_ref(), None, false),
            AddFate::Invalid { messages } => told("invalid", None, Some(messages.join("\n")), false),
            AddFate::NotCreated { message } => told("not_created", None, message.clone(), false),
            _ => told("unknown", None, None, false),
        }
    }

    pub(in crate::rules) fn deleted(fate: &DeleteFate) -> Self {
        let told = |word, message, is_done| Self { word, id: None, message, is_done };
        match fate {
            DeleteFate::Deleted => told("deleted", None, true),
            DeleteFate::NotDeleted { message } => told("not_deleted", message.clone(), false),
            _ => told("unknown", None, false),
        }
    }

    pub(in crate::rules) fn is_duplicate(&self) -> bool {
        self.word == "duplicate"
    }

    /// The line that tells it.
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
        for message in self.message.iter().flat_map(|message| message.lines()) {
            line += &format!("\n  {}", printable(message));
        }
        line + "\n"
    }
}
