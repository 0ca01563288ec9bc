//! A finding with its place: the rule, and carets below it.
//!
//! Of a long rule the part around the place is shown. The carets stand where the characters do: what is wide on a
//! terminal counts twice, marks not at all, and what is escaped as often as its escape is long.

use crate::diagnostic::Diagnostic;
use crate::display::show;

/// How many characters of the rule stand before the place, and how many from it on.
const BEFORE: usize = 40;
const AFTER: usize = 60;

/// The codes that colour a terminal; empty without colours.
struct Colours {
    kind: &'static str,
    bold: &'static str,
    dim: &'static str,
    end: &'static str,
}

impl Diagnostic {
    /// The finding as lines for people, each with its line end.
    ///
    /// ```
    /// use powerstream_rules::{Profile, check};
    ///
    /// let rule = "plum OR -fig";
    /// let verdict = check(rule, Profile::Powerstream);
    /// assert_eq!(verdict.errors[0].render(rule, false), "\
    /// error[E-NEG]: every term of this alternative is negated, which alone asks for nearly everything
    ///   | plum OR -fig
    ///   |         ^^^^
    ///   = add a term to it that Posts must match, or move it out of the OR
    ///   = the service: Rules must contain a non-negation term (at position 9)
    /// ");
    /// ```
    #[must_use]
    pub fn render(&self, rule: &str, colours: bool) -> String {
        let error = self.code.is_error();
        let colours = match (colours, error) {
            (false, _) => Colours { kind: "", bold: "", dim: "", end: "" },
            (true, true) => Colours { kind: "\x1b[1;31m", bold: "\x1b[1m", dim: "\x1b[2m", end: "\x1b[0m" },
            (true, false) => Colours { kind: "\x1b[1;33m", bold: "\x1b[1m", dim: "\x1b[2m", end: "\x1b[0m" },
        };
        let Colours { kind, bold, dim, end } = colours;
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

    /// The part of the rule to show, the columns before the carets, and the columns of the carets.
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

/// Shows a character, and says how many columns it takes.
fn put(character: char, line: &mut String) -> usize {
    let start = line.len();
    show(character, line);
    let shown = line.get(start..).unwrap_or_default();
    if shown.chars().nth(1).is_some() { shown.chars().count() } else { columns(character) }
}

/// An approximation of what terminals do.
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
