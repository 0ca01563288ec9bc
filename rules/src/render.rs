//! Renders a diagnostic as lines for a terminal: the message, the rule, and carets below it.
//!
//! Only the part of a long rule around the span is shown. The carets are aligned on a terminal. A
//! wide character takes two columns, and a combining mark takes none. An escaped character takes as
//! many columns as its escape.

use crate::diagnostic::Diagnostic;
use crate::display::show;

/// How many characters of the rule are shown before the start of the span, and from it on.
const BEFORE: usize = 40;
const AFTER: usize = 60;

/// The escape sequences for colors; empty strings without colors.
struct Colors {
    kind: &'static str,
    bold: &'static str,
    dim: &'static str,
    end: &'static str,
}

impl Diagnostic {
    /// Renders the diagnostic as lines of text; each line ends with `\n`. `colors` adds ANSI escape
    /// sequences. `rule` must be the text that was checked.
    ///
    /// ```
    /// use powerstream_rules::{Profile, check};
    ///
    /// let rule = "plum OR -fig";
    /// let verdict = check(rule, Profile::Powerstream);
    /// assert_eq!(verdict.errors[0].render(rule, false), "\
    /// error[E-NEG]: every term of this alternative is negated, so it would match nearly every Post
    ///   | plum OR -fig
    ///   |         ^^^^
    ///   = add a term to it that is not negated, or move it out of the OR
    ///   = the service: Rules must contain a non-negation term (at position 9)
    /// ");
    /// ```
    #[must_use]
    pub fn render(&self, rule: &str, colors: bool) -> String {
        let error = self.code.is_error();
        let colors = match (colors, error) {
            (false, _) => Colors { kind: "", bold: "", dim: "", end: "" },
            (true, true) => Colors { kind: "\x1b[1;31m", bold: "\x1b[1m", dim: "\x1b[2m", end: "\x1b[0m" },
            (true, false) => Colors { kind: "\x1b[1;33m", bold: "\x1b[1m", dim: "\x1b[2m", end: "\x1b[0m" },
        };
        let Colors { kind, bold, dim, end } = colors;
        let name = if error { "error" } else { "warning" };
        let mut out = format!("{kind}{name}[{}]{end}: {bold}{}{end}\n", self.code, self.message);
        let (line, indent, width) = self.place(rule);
        out += &format!("{dim}  |{end} {line}\n{dim}  |{end} ");
        out.extend(core::iter::repeat_n(' ', indent));
        out += kind;
        out.extend(core::iter::repeat_n('^', width.max(1)));
        out += end;
        out.push('\n');
        if let Some(help) = &self.help {
            out += &format!("{dim}  ={end} {help}\n");
        }
        for message in self.api.iter().flat_map(|api| &api.messages) {
            out += &format!("{dim}  = the service:{end} ");
            message.chars().for_each(|character| show(character, &mut out));
            out.push('\n');
        }
        out
    }

    /// Returns the part of the rule to show, the column of the first caret, and the number of
    /// carets.
    fn place(&self, rule: &str) -> (String, usize, usize) {
        let (before, from) = rule.split_at_checked(self.span.start).unwrap_or((rule, ""));
        let start = before.char_indices().rev().take(BEFORE).last().map_or(before.len(), |(start, _)| start);
        let mut line = String::from(if start > 0 { "…" } else { "" });
        let mut indent = usize::from(start > 0);
        for character in before.get(start..).unwrap_or_default().chars() {
            indent += put(character, &mut line);
        }
        let mut width = 0;
        let mut characters = from.char_indices();
        for (offset, character) in characters.by_ref().take(AFTER) {
            let columns = put(character, &mut line);
            if self.span.start + offset < self.span.end {
                width += columns;
            }
        }
        if characters.next().is_some() {
            line.push('…');
        }
        (line, indent, width)
    }
}

/// Appends a character, escaped if necessary, and returns the number of columns it takes.
fn put(character: char, line: &mut String) -> usize {
    let start = line.len();
    show(character, line);
    let shown = line.get(start..).unwrap_or_default();
    if shown.chars().nth(1).is_some() { shown.chars().count() } else { columns(character) }
}

/// Returns the approximate width of a character on a terminal.
const fn columns(character: char) -> usize {
    match character {
        '\u{300}'..='\u{36f}'
        | '\u{200b}'..='\u{200d}'
        | '\u{fe00}'..='\u{fe0f}'
        | '\u{1f3fb}'..='\u{1f3ff}' => 0,
        '\u{1100}'..='\u{115f}'
        | '\u{2e80}'..='\u{303e}'
        | '\u{3041}'..='\u{a4cf}'
        | '\u{ac00}'..='\u{d7a3}'
        | '\u{f900}'..='\u{faff}'
        | '\u{fe30}'..='\u{fe6f}'
        | '\u{ff00}'..='\u{ff60}'
        | '\u{ffe0}'..='\u{ffe6}'
        | '\u{1f300}'..='\u{1f64f}'
        | '\u{1f680}'..='\u{1f6ff}'
        | '\u{1f900}'..='\u{1faff}'
        | '\u{20000}'..='\u{3fffd}' => 2,
        _ => 1,
    }
}
