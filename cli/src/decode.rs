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
mod mode;
mod octets;
mod reads;

use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use powerstream_core::stream::Delimiter;

use self::ending::Ending;
use self::events::{Events, Style};
use self::mode::Mode;
use self::octets::ByteCounts;
use self::reads::Reads;
use crate::exit::{Exit, Failure, complain};
use crate::stdout::{Stdout, end_when_closed};
use crate::text::Printable;

const EXAMPLES: &str = "\
The events of --json, each an object with the key `event`:
  head        status, headers: names in lower case, repeated fields joined by `, `,
              octets that are not UTF-8 replaced by U+FFFD
  message     kind, id (of a Post), bytes (without the delimiter)
  keep_alive
  skipped     bytes: a message over the limit of 1 MiB
  end         cause: complete, complete_by_close, cut or cut_in_head;
              undelivered: bytes of a last message without delimiter, or of the unfinished head
  error       error, detail, offset: bytes of the response before the offending one
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
/// them: the head, the messages and keep-alives in the body, and how it ended. Interim (1xx) responses are passed over. What came whole before a fault is shown before the fault.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The recorded response; `-` is standard input
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

    /// What ends a message: crlf on Powerstream and the older streams, lf on v2 streams
    #[arg(long, value_enum, default_value_t = DelimiterArg::Crlf)]
    delimiter: DelimiterArg,
}

/// A bound on `--read-size`, because that much is held in memory: 64 MiB.
const READ_BYTES_MAX: i64 = 1 << 26;

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum DelimiterArg {
    /// CR LF
    Crlf,
    /// LF, a CR before it dropped
    Lf,
}

impl From<DelimiterArg> for Delimiter {
    fn from(delimiter: DelimiterArg) -> Self {
        match delimiter {
            DelimiterArg::Crlf => Self::CrLf,
            DelimiterArg::Lf => Self::Lf,
        }
    }
}

pub(crate) fn run(args: &Args) -> Result<Exit, Failure> {
    let (name, mut input) = open(&args.file)?;
    // The input may be quiet for long.
    end_when_closed()?;
    let reads = Reads::new(&mut *input, args.read_size as usize);
    let mut output = BufWriter::with_capacity(65_536, Stdout);
    let delimiter = args.delimiter.into();
    let ending = if args.body {
        decode(reads, ByteCounts::new(), &mut output)
    } else if args.json {
        decode(reads, Events::new(Style::Json, delimiter), &mut output)
    } else {
        decode(reads, Events::new(Style::Text, delimiter), &mut output)
    };
    let ending = ending.map_err(|error| match error {
        IoError::Read(error) => Failure::new(
            Exit::Failed,
            format!("cannot read {name}: {error}; the output holds what came before"),
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

/// The input, and its name in messages.
fn open(file: &Path) -> Result<(String, Box<dyn Read>), Failure> {
    if file.as_os_str() == "-" {
        return Ok((String::from("standard input"), Box::new(io::stdin().lock())));
    }
    let name = Printable { bytes: file.as_os_str().as_encoded_bytes(), characters_max: 4_096 }.to_string();
    match File::open(file) {
        Ok(file) => Ok((name, Box::new(file))),
        Err(error) => Err(Failure::new(
            Exit::Failed,
            format!("cannot open {name}: {error}; name a recorded response, or - for standard input"),
        )),
    }
}

/// Reading and writing fail for different reasons and are told differently.
#[derive(Debug)]
enum IoError {
    Read(io::Error),
    Write(io::Error),
}

/// Feeds all of the input, or up to the first fault, and writes what `mode` makes of it.
fn decode(mut reads: Reads<'_>, mut mode: impl Mode, output: &mut dyn Write) -> Result<Ending, IoError> {
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
