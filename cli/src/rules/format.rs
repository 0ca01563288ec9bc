//! `powerstream rules format`: the canonical form, one rule per line.

use std::io::{self, BufWriter, IsTerminal, Write};

use powerstream_rules::{FormatOptions, Length, check};

use super::input::{FILES, ProfileArg, Source};
use super::render::{errors, report_errors, shown};
use crate::exit::{Exit, Failure, complain};
use crate::json::Line;
use crate::stdout::Stdout;
use crate::text::Printable;

/// Write rules in canonical form
///
/// One line per rule. Errors of invalid rules go to standard error. The service identifies a rule
/// by its exact text, so a reformatted rule is a different rule.
#[derive(Debug, clap::Args)]
#[command(after_long_help = FILES)]
pub(super) struct Args {
    #[command(flatten)]
    source: Source,

    #[command(flatten)]
    profile: ProfileArg,

    /// Write parentheses around each AND inside an OR too
    #[arg(long)]
    explicit: bool,

    /// Write negated terms after the others
    #[arg(long)]
    sort: bool,

    /// Write one JSON object per rule
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args) -> Result<Exit, Failure> {
    let (entries, profile) = (args.source.read()?, args.profile.profile);
    let options = FormatOptions { explicit: args.explicit, sort: args.sort };
    let terminal = io::stdout().is_terminal();
    let mut output = BufWriter::new(Stdout);
    let mut exit = Exit::Done;
    for entry in &entries {
        let verdict = check(&entry.value, profile);
        if !verdict.is_valid() {
            exit = Exit::Failed;
        }
        let formatted = verdict.rule.as_ref().map(|rule| rule.format_with(profile, options));
        let text = if args.json {
            Line::object()
                .text("rule", &entry.value)
                .flag("valid", verdict.is_valid())
                .text_or_null("formatted", formatted.as_deref())
                .objects("errors", errors(&verdict.errors))
                .finish()
        } else {
            report_errors(entry, &verdict.errors);
            match &formatted {
                // Output that does not go to a terminal must not be escaped.
                Some(formatted) if terminal => {
                    let whole = Printable { bytes: formatted.as_bytes(), characters_max: usize::MAX };
                    format!("{whole}\n")
                }
                Some(formatted) => format!("{formatted}\n"),
                None => String::new(),
            }
        };
        output.write_all(text.as_bytes()).map_err(|error| Failure::output(&error))?;
        let length = Length::of(formatted.as_deref().unwrap_or_default()).utf16;
        let max = profile.rule_length_max();
        if length > max && verdict.length.utf16 <= max {
            exit = Exit::Failed;
            complain(&format!(
                "{}: the formatted rule has {length} characters, but only {max} are allowed: {}",
                entry.place,
                shown(&entry.value)
            ));
        }
    }
    output.flush().map_err(|error| Failure::output(&error))?;
    Ok(exit)
}
