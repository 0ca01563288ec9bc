//! `powerstream rules explain`: explains rules in plain words.

use std::io::{BufWriter, Write};

use powerstream_rules::check;

use super::input::{FILES, ProfileArg, Source};
use super::render::{errors, report_errors, shown};
use crate::exit::{Exit, Failure};
use crate::json::Line;
use crate::stdout::Stdout;

/// Explain what rules match, and in which order they are evaluated
#[derive(Debug, clap::Args)]
#[command(after_long_help = FILES)]
pub(super) struct Args {
    #[command(flatten)]
    source: Source,

    #[command(flatten)]
    profile: ProfileArg,

    /// Write one JSON object per rule
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args) -> Result<Exit, Failure> {
    let (entries, profile) = (args.source.read()?, args.profile.profile);
    let mut output = BufWriter::new(Stdout);
    let mut exit = Exit::Done;
    for entry in &entries {
        let verdict = check(&entry.value, profile);
        if !verdict.is_valid() {
            exit = Exit::Failed;
        }
        let explanation = verdict.rule.as_ref().map(|rule| rule.explain(profile));
        let text = if args.json {
            Line::object()
                .text("rule", &entry.value)
                .flag("valid", verdict.is_valid())
                .text_or_null("evaluated_as", explanation.as_ref().map(|it| it.order.as_str()))
                .text_or_null("explanation", explanation.as_ref().map(|it| it.words.as_str()))
                .number("length", verdict.length.utf16 as u64)
                .number("length_max", profile.rule_length_max() as u64)
                .objects("errors", errors(&verdict.errors))
                .finish()
        } else {
            report_errors(entry, &verdict.errors);
            explanation.map_or_else(String::new, |explanation| {
                let mut out = format!("{}\n  evaluated as: {}\n", shown(&entry.value), explanation.order);
                for line in explanation.words.lines() {
                    out += &format!("  {line}\n");
                }
                let (length, max) = (verdict.length, profile.rule_length_max());
                out += &format!("  length: {} of {max}", length.utf16);
                if length.code_points != length.utf16 {
                    out += &format!(" ({} code points)", length.code_points);
                }
                out + "\n"
            })
        };
        output.write_all(text.as_bytes()).map_err(|error| Failure::output(&error))?;
    }
    output.flush().map_err(|error| Failure::output(&error))?;
    Ok(exit)
}
