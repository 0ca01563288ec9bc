//! Rules and their errors, for people and for programs.

use std::env;
use std::io::{self, IsTerminal};

use powerstream_rules::{Diagnostic, Profile};

use super::input::Entry;
use crate::exit::complain;
use crate::json::Line;
use crate::log::wants_color;
use crate::text::Printable;

/// Returns true if the output to a stream should be colored.
pub(super) fn is_colored(stream: &impl IsTerminal) -> bool {
    stream.is_terminal() && wants_color() && env::var_os("TERM").is_none_or(|value| value != "dumb")
}

/// Renders received text on one line, safe for a terminal.
pub(super) fn printable(text: &str) -> String {
    Printable { bytes: text.as_bytes(), characters_max: 300 }.to_string()
}

/// Renders a rule on one line, safe for a terminal.
pub(super) fn shown(rule: &str) -> Printable<'_> {
    Printable { bytes: rule.as_bytes(), characters_max: 200 }
}

/// Renders errors as the objects of a line.
pub(super) fn errors(errors: &[Diagnostic]) -> impl Iterator<Item = Line> {
    errors.iter().map(|error| {
        let api = error.api.as_ref();
        Line::object()
            .text("code", error.code.name())
            .text("message", &error.to_string())
            .number("start", error.span.start as u64)
            .number("end", error.span.end as u64)
            .text_or_null("api_message", api.map(|api| api.messages.join("\n")).as_deref())
            .number_or_null("api_position", api.map(|api| api.position as u64))
    })
}

/// Reports the errors of an entry on standard error, for commands with other content on standard
/// output.
pub(super) fn report_errors(entry: &Entry, found: &[Diagnostic]) {
    let is_colored = is_colored(&io::stderr());
    for error in found {
        complain(&format!("{}: {}", entry.place, error.render(&entry.value, is_colored).trim_end()));
    }
}

/// Warns if these are more rules than a stream accepts.
pub(super) fn warn_of_too_many(count: usize, profile: Profile) {
    if let Some(max) = profile.rules_max().filter(|max| count > *max) {
        complain(&format!(
            "warning: these are {count} rules, but a stream of {} accepts {max}",
            profile.product()
        ));
    }
}
