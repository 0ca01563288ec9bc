//! `powerstream completions`: a completion script for a shell.

use std::io::{self, Write};

use clap_complete::{Shell, generate};

use crate::exit::{Exit, Failure};

/// Print a completion script for a shell
///
/// For bash: powerstream completions bash > ~/.local/share/bash-completion/completions/powerstream
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The shell
    shell: Shell,
}

/// Writes the script to standard output.
pub(crate) fn run(args: &Args, mut command: clap::Command) -> Result<Exit, Failure> {
    // `generate` panics if it cannot write, so it writes to memory.
    let mut script = Vec::new();
    generate(args.shell, &mut command, "powerstream", &mut script);
    let mut output = io::stdout().lock();
    output.write_all(&script).and_then(|()| output.flush()).map_err(|error| Failure::output(&error))?;
    Ok(Exit::Done)
}
