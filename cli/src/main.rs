//! The `powerstream` command-line tool.
//!
//! Each subcommand is a module with an `Args` and a `run`; to add one, add a module and a line to each half of
//! [`Command`]. What they share is small: how the tool ends ([`exit`]) and is asked to ([`interrupt`]), what it tells
//! meanwhile ([`log`]), how a stranger's text is made safe to show ([`text`]), how an event becomes a line of JSON
//! ([`json`]), what a message is called ([`describe`]), where the token comes from ([`token`]) and
//! how it is kept out of the output ([`secret`]).
#![forbid(unsafe_code)]

mod ca;
mod decode;
mod describe;
mod duration;
mod exit;
mod interrupt;
mod json;
mod log;
mod rules;
mod secret;
mod simulate;
mod size;
mod stdout;
mod stream;
mod text;
mod token;
mod utc;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::exit::{Exit, Failure};

/// Tools for X's Powerstream and the streams that are like it.
#[derive(Debug, Parser)]
#[command(name = "powerstream", version, after_help = EXIT_CODES, disable_help_subcommand = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  failed
  2  wrong usage
  3  the input ended early
  4  not authorised";

/// The subcommands; each brings its own help text.
#[derive(Debug, Subcommand)]
enum Command {
    Stream(Box<stream::Args>),
    Simulate(simulate::Args),
    Decode(decode::Args),
    Rules(rules::Args),
}

impl Command {
    fn run(self) -> Result<Exit, Failure> {
        match self {
            Self::Stream(args) => stream::run(&args),
            Self::Simulate(args) => simulate::run(&args),
            Self::Decode(args) => decode::run(&args),
            Self::Rules(args) => rules::run(&args),
        }
    }
}

fn main() -> ExitCode {
    // Wrong usage ends here, with clap's own text and code 2.
    let cli = Cli::parse();
    let exit = cli.command.run().unwrap_or_else(|failure| failure.report());
    log::finish();
    exit.into()
}
