//! `powerstream man`: manual pages.

use std::path::PathBuf;

use crate::exit::{Exit, Failure};
use crate::system::explained;
use crate::text::Printable;

/// Write manual pages, one for each command
///
/// To install them: powerstream man ~/.local/share/man/man1
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The directory to write to; it must exist
    directory: PathBuf,
}

/// Writes the pages into the directory.
pub(crate) fn run(args: &Args, command: clap::Command) -> Result<Exit, Failure> {
    clap_mangen::generate_to(command, &args.directory).map_err(|error| {
        let text =
            format!("cannot write manual pages to {}: {}", args.directory.display(), explained(&error));
        let text = Printable { bytes: text.as_bytes(), characters_max: 4_096 };
        Failure::new(Exit::Failed, text.to_string())
    })?;
    Ok(Exit::Done)
}
