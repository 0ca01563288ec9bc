//! `powerstream decode`: decodes one recorded HTTP response offline, with the engine of the
//! clients.
//!
//! ```text
//!   file or stdin --> [ Reads ] --slices of N--> [ Events ]  the whole engine: one line per event
//!                                           \--> [ BodyBytes ]  head and body decoders only: the
//!                                                              bytes of the content
//! ```
//!
//! Both modes must agree on how the response ended. [`Ending`] represents that, and alone decides
//! the exit code. No deadline applies, so every call gets `Instant::ZERO`. The output depends
//! neither on the size of the reads nor on where a pipe cuts its input.

mod body;
mod ending;
mod events;
mod heads;
mod mode;
mod reads;

use std::io::{self, BufWriter, Write};
use std::path::PathBuf;

use self::body::BodyBytes;
use self::ending::Ending;
use self::events::{Events, Style};
use self::heads::Heads;
use self::mode::Mode;
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
              bytes that are not UTF-8 replaced by U+FFFD;
              unreadable: why the body of a refusal cannot be read
  message     kind, id (of a Post), bytes (without the delimiter)
  keep_alive
  skipped     bytes: a message over the limit of 1 MiB
  end         cause: complete, complete_by_close, cut or cut_in_head;
              undelivered: bytes of a last message that is cut, or of the unfinished head
  error       error, detail, offset: bytes before the wrong one, including skipped heads
  leftover    bytes: received after the end of the response

Exit codes:
  0  the response is complete      3  it was cut short
  1  the input is not valid HTTP, or the file cannot be read

Examples:
  curl -si --http1.1 --raw https://example.com/ | powerstream decode
  powerstream decode --json capture.http | grep '\"event\":\"error\"'
  powerstream decode --body capture.http > body.ndjson";

/// Decode a recorded HTTP response, offline
///
/// Reads the raw bytes of one HTTP/1.1 response, and shows how a client reads them: the head, the
/// messages and keep-alives in the body, and the end. Heads before the last one, such as those of a
/// proxy and interim (1xx) responses, are named and skipped. Complete messages before an error are
/// shown before the error.
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct Args {
    /// The recorded response; `-` is standard input. A leading byte order mark is skipped
    #[arg(value_name = "FILE", default_value = "-")]
    file: PathBuf,

    /// Write one JSON object per event
    #[arg(long, conflicts_with = "body")]
    json: bool,

    /// Write only the bytes of the decoded body
    #[arg(long)]
    body: bool,

    /// Feed the decoder at most this many bytes at a time; the output does not depend on it
    #[arg(long, value_name = "N", default_value_t = 16_384,
          value_parser = clap::value_parser!(u32).range(1..=READ_BYTES_MAX))]
    read_size: u32,
}

/// The limit of `--read-size`, which is held in memory: 64 MiB.
const READ_BYTES_MAX: i64 = 1 << 26;

pub(crate) fn run(args: &Args) -> Result<Exit, Failure> {
    let mut input = Input::open(&args.file).map_err(|why| {
        Failure::new(Exit::Failed, format!("{why}; name a recorded response, or - for standard input"))
    })?;
    // The input may pause for a long time.
    end_when_closed()?;
    let name = input.name().to_owned();
    let reads = Reads::new(&mut input, args.read_size as usize);
    let mut output = BufWriter::with_capacity(65_536, Stdout);
    let ending = if args.body {
        decode(reads, BodyBytes::new(), &mut output)
    } else if args.json {
        decode(reads, Events::new(Style::Json), &mut output)
    } else {
        decode(reads, Events::new(Style::Text), &mut output)
    };
    let ending = ending.map_err(|error| match error {
        IoError::Read(error) => Failure::new(
            Exit::Failed,
            format!("cannot read {name}: {}; the output contains everything before that", explained(&error)),
        ),
        IoError::Write(error) => Failure::output(&error),
    })?;
    // With --json it is one of the events.
    if !args.json
        && let Some(complaint) = ending.complaint()
    {
        complain(&format!("{name}: {complaint}"));
    }
    Ok(ending.exit())
}

/// Failed reads and failed writes are reported differently.
#[derive(Debug)]
enum IoError {
    Read(io::Error),
    Write(io::Error),
}

/// Feeds the input to `mode` up to its end or the first error, and writes the output.
fn decode(mut reads: Reads<'_>, mode: impl Mode, output: &mut dyn Write) -> Result<Ending, IoError> {
    let mut mode = Heads::new(mode);
    let ending = loop {
        if reads.would_read() {
            // The next read may wait, so everything known is written first.
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
