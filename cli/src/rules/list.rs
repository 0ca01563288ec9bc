//! `powerstream rules list`: lists the active rules.

use super::manage::{Target, notes, plural, report};
use crate::exit::{Exit, Failure, complain};

/// List the active rules: one request
#[derive(Debug, clap::Args)]
#[command(after_long_help = notes())]
pub(super) struct Args {
    #[command(flatten)]
    target: Target,

    /// Write one JSON object per rule
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args) -> Result<Exit, Failure> {
    let mut service = args.target.open(false)?;
    let rules = service.list()?;
    for rule in &rules {
        report::write(&report::rule(rule, args.json))?;
    }
    if !args.json {
        complain(&plural(rules.len(), "rule"));
    }
    Ok(Exit::Done)
}
