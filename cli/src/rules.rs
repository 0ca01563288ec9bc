//! `powerstream rules`: the offline features of `powerstream-rules`, and the rules of an app at the
//! service.
//!
//! ```text
//!   RULE.. | --rule=RULE.. | --file F
//!      |
//!      '--> [ input ] --entries--> check | format | explain --> one line or report per rule
//!                             |--> match <--Posts           --> one line per Post
//!                             '--> add | delete | sync --> [ manage ] <--> service
//! ```
//!
//! All offline subcommands read rules in the same way ([`input`]). They exit with 0 if every rule
//! is valid, else with 1. With `--json`, standard output contains one line per rule and nothing
//! else.

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

pub(crate) use self::manage::RuleWatch;
use crate::exit::{Exit, Failure};

/// Check, format, explain and match rules offline, and manage the rules of an app
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
