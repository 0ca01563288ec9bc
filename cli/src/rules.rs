//! `powerstream rules`: what `powerstream-rules` knows, at the command line, and the rules of an app at a service.
//!
//! ```text
//!   RULE.. | --rule=RULE.. | --file F --> [ input ] --entries--> check | format | explain --> a line or a report a rule
//!                                                           |--> match <--Posts       --> a line a Post
//!                                                           '--> add | delete | sync --> [ manage ] <--> service
//! ```
//!
//! Each offline subcommand reads its rules in the same way ([`input`]) and ends in the same way: 0 if every rule is valid, 1
//! if one is not. With `--json` there is one line a rule on standard output, and nothing else.

mod add;
mod check;
mod delete;
mod explain;
mod format;
mod input;
mod list;
mod manage;
mod matching;
mod operators;
mod sync;

use std::io::{self, IsTerminal};

use powerstream_rules::{Diagnostic, Profile};

use crate::exit::{Exit, Failure, complain};
use crate::json::Line;
use crate::text::Printable;

use self::input::Entry;

const FILES: &str = "\
The file of --file (`-` is standard input):
  *.json   an array of rules or of {\"value\":..,\"tag\":..}; or an object that has one as `rules`, `add` or `data`
  *.toml   the same as TOML: [[rules]] with value = '..' and, if wanted, tag = '..'
  others   one rule a line; blank lines are skipped, and there are no comments; JSON is recognised

A rule that starts with a dash comes after `--`, or as --rule=RULE.
Colours are for terminals only, and not where NO_COLOR is set.

Exit codes:
  0  every rule is valid      1  some are not, or the file cannot be read";

/// Check, format, explain and match rules offline, and manage those of an app
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    Check(check::Args),
    Format(format::Args),
    Explain(explain::Args),
    Match(matching::Args),
    Operators(operators::Args),
    List(list::Args),
    Add(add::Args),
    Delete(delete::Args),
    Sync(sync::Args),
}

pub(crate) fn run(args: &Args) -> Result<Exit, Failure> {
    match &args.command {
        Command::Check(args) => check::run(args),
        Command::Format(args) => format::run(args),
        Command::Explain(args) => explain::run(args),
        Command::Match(args) => matching::run(args),
        Command::Operators(args) => operators::run(args),
        Command::List(args) => list::run(args),
        Command::Add(args) => add::run(args),
        Command::Delete(args) => delete::run(args),
        Command::Sync(args) => sync::run(args),
    }
}

/// Which product's rules they are.
#[derive(Debug, clap::Args)]
struct ProfileArg {
    /// The product the rules are for: powerstream, powertrack, filtered_stream, filtered_stream_ppu,
    /// filtered_stream_embedding
    #[arg(long, value_name = "NAME", default_value_t = Profile::Powerstream)]
    profile: Profile,
}

/// Whether to colour what goes to a stream.
fn colours(stream: &impl IsTerminal) -> bool {
    stream.is_terminal()
        && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
        && std::env::var_os("TERM").is_none_or(|value| value != "dumb")
}

/// A rule on one line, fit for a terminal.
fn shown(rule: &str) -> Printable<'_> {
    Printable { bytes: rule.as_bytes(), characters_max: 200 }
}

/// The errors as the objects of a line.
fn errors(errors: &[Diagnostic]) -> impl Iterator<Item = Line> {
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

/// Tells what is wrong with an entry on standard error, for commands whose output is something else.
fn tell(entry: &Entry, found: &[Diagnostic]) {
    let colours = colours(&io::stderr());
    for error in found {
        complain(&format!("{}: {}", entry.place, error.render(&entry.value, colours).trim_end()));
    }
}

/// Warns if these are more rules than a stream takes.
fn warn_of_too_many(count: usize, profile: Profile) {
    if let Some(max) = profile.rules_max().filter(|max| count > *max) {
        complain(&format!(
            "warning: these are {count} rules, and a stream of {} takes {max}",
            profile.product()
        ));
    }
}
