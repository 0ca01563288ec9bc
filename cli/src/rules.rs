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
mod render;
mod sync;

use crate::exit::{Exit, Failure};

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
