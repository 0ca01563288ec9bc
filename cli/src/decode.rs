//! `powerstream decode`: one recorded HTTP response, through the engine that the clients use, offline.
//!
//! ```text
//!   file or stdin --> [ Reads ] --slices of N--> [ Events ]  the whole engine: one line an event
//!                                           \--> [ ByteCounts ]  head and body decoders only: the content, octet by octet
//! ```
//!
//! The two modes meet the same response in the same way and must agree on how it ended; [`Ending`] is that, and the
//! only thing that decides the exit code. No deadline applies: every call is told that it is `Instant::ZERO`.
//! Neither the size of the reads nor where a pipe cuts its input may show in what is written.

mod ending;
mod events;
mod heads;
mod mode;
mod octets;
mod reads;

use std::io::{self, BufWriter, Write};
use std::path::PathBuf;

use self::ending::Ending;
use self::events::{Events, Style};
use self::heads::Heads;
use self::mode::Mode;
use self::octets::ByteCounts;
use self::reads::Reads;
use crate::exit::{Exit, Failure, complain};
use crate::file::Input;
use crate::stdout::{Stdout, end_when_closed};
use crate::system::explained;

const EXAMPLES: &str = "\
The events of --json, each an object with the key `event`:
  skipped_head
              status: of an interim (1xx) response, or of a head that another head
              follows directly, such as a proxy's answer to CONNECT in a capture by `curl -i`
  head        status, headers: names in lower case, repeated fields joined by `, `,
              octets that are not UTF-8 replaced by U+FFFD;
              unreadable, of a refusal: why its body cannot be read
  message     kind, id (of a Post), bytes (without the delimiter)
  keep_alive
  skipped     bytes: a message over the limit of 1 MiB
  end         cause: complete, complete_by_close, cut or cut_in_head;
              undelivered: bytes of a last message that is cut, or of the unfinished head
  error       error, detail, offset: bytes before the offending one, skipped heads included
  leftover    bytes behind the response

Exit codes:
  0  the response is complete      3  it was cut short
  1  it is no correct HTTP, or the file cannot be read

Examples:
  curl -si --http1.1 --raw https://example.com/ | powerstream decode
  powerstream decode --json capture.http | grep '\"event\":\"error\"'
  powerstream decode --body capture.http > body.ndjson";

/// Decode a recorded HTTP response, offline
///
/// Reads the raw bytes of one HTTP/1.1 response, as they came over the wire, and says what a client would make of
/// them: the head, the messages and keep-alives in the body, and how it ended. Heads before the last one, such as those
/// of a proxy and of interim (1xx) responses, are named and skipped. What came whole before a fault is shown before the fault.
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct Args {
    /// The recorded response; `-` is standard input. A byte order mark in front is left out
    #[arg(value_name = "FILE", default_value = "-")]
    file: PathBuf,

    /// Write one JSON object an event
    #[arg(long, conflicts_with = "body")]
    json: bool,

    /// Write the octets of the decoded body, and nothing else
    #[arg(long)]
    body: bool,

    /// Feed the decoder at most this many bytes at a time; the output is the same for every number
    #[arg(long, value_name = "N", default_value_t = 16_384,
          value_parser = clap::value_parser!(u32).range(1..=READ_BYTES_MAX))]
    read_size: u32,
}

/// A bound on `--read-size`, because that much is held in memory: 64 MiB.
const READ_BYTES_MAX: i64 = 1 << 26;

pub(crate) fn run(args: &Args) -> Result<Exit, Failure> {
    let mut input = Input::open(&args.file).map_err(|why| {
        Failure::new(Exit::Failed, format!("{why}; name a recorded response, or - for standard input"))
    })?;
    // The input may be quiet for long.
    end_when_closed()?;
    let name = input.name().to_owned();
    let reads = Reads::new(&mut input, args.read_size as usize);
    let mut output = BufWriter::with_capacity(65_536, Stdout);
    let ending = if args.body {
        decode(reads, ByteCounts::new(), &mut output)
    } else if args.json {
        decode(reads, Events::new(Style::Json), &mut output)
    } else {
        decode(reads, Events::new(Style::Text), &mut output)
    };
    let ending = ending.map_err(|error| match error {
        IoError::Read(error) => Failure::new(
            Exit::Failed,
            format!("cannot read {name}: {}; the output holds what came before", explained(&error)),
        ),
        IoError::Write(error) => Failure::output(&error),
    })?;
    // With --json it is among the events already.
    if !args.json
        && let Some(complaint) = ending.complaint()
    {
        complain(&format!("{name}: {complaint}"));
    }
    Ok(ending.exit())
}

/// Reading and writing fail for different reasons and are told differently.
#[derive(Debug)]
enum IoError {
    Read(io::Error),
    Write(io::Error),
}

/// Feeds all of the input, or up to the first fault, and writes what `mode` makes of it.
fn decode(mut reads: Reads<'_>, mode: impl Mode, output: &mut dyn Write) -> Result<Ending, IoError> {
    let mut mode = Heads::new(mode);
    let ending = loop {
        if reads.would_read() {
            // The next read may wait: nothing that is known by now is held back meanwhile.
            output.flush().map_err(IoError::Write)?;
        }
        match reads.next().map_err(IoError::Read)? {
            [] => break mode.close(output),
            input => match mode.take(input, output) {
                Ok(None) => {}
                Ok(Some(fault)) => break Ok(Ending::Broken(fault)),
                Err(error) => break Err(error),
            },
        }
    };
    let ending = ending.map_err(IoError::Write)?;
    output.flush().map_err(IoError::Write)?;
    Ok(ending)
}

#[cfg(test)]
mod tests;
