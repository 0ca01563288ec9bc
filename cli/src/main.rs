//! The `powerstream` command-line tool.
//!
//! Each subcommand is a module with an `Args` and a `run`. To add one, add a module and a line to
//! each half of [`Command`]. They share:
//!
//! - exit codes and error output ([`exit`]), signals ([`interrupt`]) and log lines ([`log`]);
//! - connections ([`connection`]), input files ([`mod@file`]) and standard output ([`stdout`]);
//! - advice on failures of the operating system ([`system`]);
//! - escaping of received text ([`text`]), JSON lines ([`json`]), names of messages ([`describe`]);
//! - the token ([`token`]), and its protection from every output ([`secret`]).
#![forbid(unsafe_code)]

mod completions;
mod connection;
mod decode;
mod describe;
mod duration;
mod exit;
mod file;
mod interrupt;
mod json;
mod log;
mod man;
mod rules;
mod secret;
mod simulate;
mod size;
mod soak;
mod status;
mod stdout;
mod stream;
mod system;
mod text;
mod token;
mod utc;

use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::exit::{Exit, Failure};
use crate::simulate::options::HEADING as SIMULATOR_HEADING;

/// Tools for X's Powerstream and related streams.
#[derive(Debug, Parser)]
#[command(name = "powerstream", version = VERSION, after_help = EXIT_CODES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

/// The version, with the commit if the build script found it.
const VERSION: &str = env!("POWERSTREAM_VERSION");

const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  failed
  2  wrong usage
  3  the input ended early
  4  not authorized";

/// The subcommands. Each has its own help text.
#[derive(Debug, Subcommand)]
enum Command {
    Stream(Box<stream::Args>),
    Simulate(simulate::Args),
    Decode(decode::Args),
    Rules(rules::Args),
    Soak(soak::Args),
    Completions(completions::Args),
    Man(man::Args),
}

impl Command {
    fn run(self) -> Result<Exit, Failure> {
        match self {
            Self::Stream(args) => stream::run(&args),
            Self::Simulate(args) => simulate::run(&args),
            Self::Decode(args) => decode::run(&args),
            Self::Rules(args) => rules::run(&args),
            Self::Soak(args) => soak::run(&args),
            Self::Completions(args) => completions::run(&args, command()),
            Self::Man(args) => man::run(&args, command()),
        }
    }
}

/// The simulator options that `simulate -h` shows. `--help` shows all.
const SIMULATOR_OPTIONS: [&str; 7] = ["posts", "rate", "seed", "scenario", "strict", "tls", "tls_fault"];

/// Returns the definition of all commands, with a short `-h`.
fn command() -> clap::Command {
    let hide = |shown: &'static [&str]| {
        move |command: clap::Command| {
            command.mut_args(|argument| {
                let is_simulators = argument.get_help_heading() == Some(SIMULATOR_HEADING);
                let is_shown = shown.contains(&argument.get_id().as_str());
                if is_simulators && !is_shown { argument.hide_short_help(true) } else { argument }
            })
        }
    };
    Cli::command().mut_subcommand("stream", hide(&[])).mut_subcommand("simulate", hide(&SIMULATOR_OPTIONS))
}

fn main() -> ExitCode {
    // Wrong usage ends here, with clap's own text and code 2.
    let mut matches = command().get_matches();
    let cli = Cli::from_arg_matches_mut(&mut matches).unwrap_or_else(|error| error.exit());
    let exit = cli.command.run().unwrap_or_else(|failure| failure.report());
    log::finish();
    exit.into()
}
