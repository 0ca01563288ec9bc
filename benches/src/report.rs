//! What a measurement returns: tables and charts.

use std::fmt;

use crate::charts::Chart;

/// The result of a measurement.
#[derive(Clone, Debug)]
pub struct Section {
    /// The heading.
    pub heading: &'static str,
    /// The command that measures it.
    pub command: &'static str,
    /// Paragraphs before the tables, wrapped.
    pub about: &'static str,
    /// The tables.
    pub tables: Vec<Table>,
    /// The charts, after the tables.
    pub charts: Vec<Chart>,
}

/// A table in Markdown.
#[derive(Clone, Debug)]
pub struct Table {
    /// A sentence before the table.
    pub caption: String,
    /// The names of the columns.
    pub head: Vec<String>,
    /// The cells.
    pub rows: Vec<Vec<String>>,
}

impl Table {
    /// Creates a table without rows.
    pub fn new(caption: impl Into<String>, head: &[&str]) -> Self {
        let head = head.iter().map(|name| (*name).to_owned()).collect();
        Self { caption: caption.into(), head, rows: Vec::new() }
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}\n", wrapped(&self.caption))?;
        writeln!(f, "| {} |", self.head.join(" | "))?;
        writeln!(f, "|{}", "---|".repeat(self.head.len()))?;
        self.rows.iter().try_for_each(|row| writeln!(f, "| {} |", row.join(" | ")))
    }
}

impl fmt::Display for Section {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "## {}\n\n```sh,no_run\n{}\n```\n", self.heading, self.command)?;
        writeln!(f, "{}\n", self.about)?;
        self.tables.iter().try_for_each(|table| writeln!(f, "{table}"))?;
        self.charts
            .iter()
            .try_for_each(|chart| writeln!(f, "![{}](figures/{}.svg)\n", chart.title, chart.file))
    }
}

/// Breaks a paragraph into lines of at most 100 columns.
#[must_use]
pub fn wrapped(text: &str) -> String {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let line = lines.last_mut().expect("one line");
        if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > 100 {
            lines.push(word.to_owned());
        } else {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    lines.join("\n")
}

/// Formats a figure with three significant digits, as a duration or another quantity.
#[must_use]
pub fn figure(value: f64) -> String {
    let digits = match value.abs() {
        100.0.. => 0,
        10.0.. => 1,
        _ => 2,
    };
    let text = format!("{value:.digits$}");
    let (whole, rest) = text.split_once('.').map_or((&*text, ""), |(whole, rest)| (whole, rest));
    let mut grouped = String::new();
    for (index, digit) in whole.chars().enumerate() {
        let left = whole.len() - index;
        if index > 0 && left % 3 == 0 && !grouped.ends_with('-') {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    if rest.is_empty() { grouped } else { format!("{grouped}.{rest}") }
}

/// Formats nanoseconds with a unit.
#[must_use]
pub fn nanos(value: f64) -> String {
    match value {
        1e6.. => format!("{} ms", figure(value / 1e6)),
        1e3.. => format!("{} µs", figure(value / 1e3)),
        _ => format!("{} ns", figure(value)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_have_three_digits_and_groups() {
        assert_eq!(figure(1_234_567.8), "1,234,568");
        assert_eq!(figure(1.005), "1.00");
        assert_eq!(figure(12.34), "12.3");
        assert_eq!(nanos(12_340.0), "12.3 µs");
    }

    #[test]
    fn no_line_of_a_paragraph_is_longer_than_100_columns() {
        let text = "a word and more ".repeat(40);
        assert!(wrapped(&text).lines().all(|line| line.len() <= 100));
        assert_eq!(wrapped(&text).split_whitespace().count(), 160);
    }
}
