//! Errors in scenario files and in triggered events.

use std::fmt;

/// A scenario or an event that cannot be read.
///
/// The text says where (line and column, if known), what is wrong and what to write instead. If the
/// place is known, the text also shows the line of the file, below the message.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ScriptError {
    message: String,
    place: Option<Place>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Place {
    line: usize,
    column: usize,
    text: String,
}

impl ScriptError {
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), place: None }
    }

    /// Creates an error at a byte offset in the text of the scenario.
    pub(super) fn at(message: impl Into<String>, scenario: &str, offset: usize) -> Self {
        let before = scenario.get(..offset).unwrap_or(scenario);
        let start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let place = Place {
            line: before.matches('\n').count() + 1,
            column: before[start..].chars().count() + 1,
            text: scenario[start..].lines().next().unwrap_or_default().to_owned(),
        };
        Self { message: message.into(), place: Some(place) }
    }

    /// Returns the line and the column of the error, both counted from 1, or `None` for an error
    /// without a known place. A column is a character.
    #[must_use]
    pub fn position(&self) -> Option<(usize, usize)> {
        self.place.as_ref().map(|place| (place.line, place.column))
    }
}

impl fmt::Display for ScriptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(Place { line, column, text }) = &self.place else { return f.write_str(&self.message) };
        let number = line.to_string();
        let margin = " ".repeat(number.len());
        writeln!(f, "line {line}, column {column}: {}", self.message)?;
        write!(f, "{number} | {text}\n{margin} | {:>column$}", "^")
    }
}

impl std::error::Error for ScriptError {}
