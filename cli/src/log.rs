//! Log lines on standard error: one per event, filtered by `RUST_LOG`.
//!
//! Long-running commands write them on a separate thread, through a bounded queue. A blocked
//! standard error, such as a pager or a terminal after Ctrl-S, must not block the command.

use std::io::{self, IsTerminal, Write};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Waker};
use std::time::SystemTime;
use std::{env, fmt, thread};

use powerstream_client::queue::{Cost, Delivery, Overflow, QueueConfig, Sender, queue};
use powerstream_core::time::UnixTime;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::FormatTime;

use crate::exit::complain;
use crate::{status, utc};

/// Starts logging. Standard output is not used.
///
/// Lines start with the time if `with_time` is set, or if standard error goes neither to a terminal
/// nor to systemd. A user at a terminal has a clock, and systemd's journal adds the time.
pub(crate) fn init(with_time: bool) {
    let filter = match env::var("RUST_LOG") {
        Ok(directives) if !directives.trim().is_empty() => {
            EnvFilter::try_new(directives).unwrap_or_else(|error| {
                complain(&format!("RUST_LOG is ignored: {error}"));
                EnvFilter::new("info")
            })
        }
        _ => EnvFilter::new("info"),
    };
    let filter = without_client(filter);
    let with_time = with_time || !io::stderr().is_terminal() && env::var_os("JOURNAL_STREAM").is_none();
    start(with_time);
    let builder = tracing_subscriber::fmt()
        .compact()
        .with_target(false)
        .with_ansi(io::stderr().is_terminal() && wants_color())
        .with_env_filter(filter)
        .with_writer(|| Lines)
        // If standard error is closed, an error cannot be shown, and must not panic.
        .log_internal_errors(false);
    // An error means that logging has started already.
    let _ = if with_time {
        tracing::subscriber::set_global_default(builder.with_timer(Utc).finish())
    } else {
        tracing::subscriber::set_global_default(builder.without_time().finish())
    };
}

/// Turns off the events of the client, unless the user asks for them: the tool logs the same events
/// in its own words.
fn without_client(filter: EnvFilter) -> EnvFilter {
    const CLIENT: &str = "powerstream_client";
    match format!("{CLIENT}=off").parse() {
        Ok(off) if !filter.to_string().contains(CLIENT) => filter.add_directive(off),
        _ => filter,
    }
}

/// The time of a log line, in UTC.
struct Utc;

impl FormatTime for Utc {
    fn format_time(&self, line: &mut Writer<'_>) -> fmt::Result {
        line.write_str(&now())
    }
}

fn now() -> String {
    utc::rfc3339(UnixTime::from(SystemTime::now()))
}

/// Returns true if terminals may receive colors (<https://no-color.org>).
pub(crate) fn wants_color() -> bool {
    env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// The limit of the queue in bytes. Beyond it, the oldest lines are dropped and counted in place.
const QUEUE_BYTES: usize = 1 << 20;

/// The thread that writes standard error, if it runs.
static THREAD: Mutex<Option<Thread>> = Mutex::new(None);

struct Thread {
    lines: Sender<Vec<u8>>,
    /// Disconnected once everything is written.
    written: Receiver<()>,
}

/// Writes to standard error, in order, on the thread if it runs. A closed standard error is not an
/// error.
pub(crate) fn write(text: Vec<u8>) {
    match &mut *THREAD.lock().unwrap_or_else(PoisonError::into_inner) {
        Some(Thread { lines, .. }) => {
            let cost = Cost::Message(text.len());
            // With this overflow policy the queue never makes the sender wait.
            let _ = lines.poll_send(&mut Context::from_waker(Waker::noop()), cost, || text);
        }
        None => drop(io::stderr().write_all(&text)),
    }
}

/// Ends the thread after everything is written. After a signal, the process may exit earlier.
pub(crate) fn finish() {
    let thread = THREAD.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some(Thread { lines, written }) = thread {
        drop(lines);
        // An error is the expected result.
        let _ = written.recv();
    }
}

/// Starts the thread. If that fails, callers write directly.
fn start(with_time: bool) {
    let mut config = QueueConfig::default();
    config.bytes_max = QUEUE_BYTES;
    config.overflow = Overflow::DropOldest;
    let (lines, mut queue) = queue::<Vec<u8>>(config);
    let (writing, written) = channel::<()>();
    let run = move || {
        let _writing = writing;
        while let Some(delivery) = queue.recv_blocking() {
            let text = match delivery {
                Delivery::Event(text) => text,
                Delivery::Dropped(loss) => {
                    let time = if with_time { now() + " " } else { String::new() };
                    let lines = loss.messages;
                    format!(
                        "{time} WARN {lines} lines were dropped here because standard error was blocked\n"
                    )
                    .into_bytes()
                }
            };
            let _ = status::hidden(|| io::stderr().write_all(&text));
        }
    };
    if thread::Builder::new().name(String::from("log")).spawn(run).is_ok() {
        *THREAD.lock().unwrap_or_else(PoisonError::into_inner) = Some(Thread { lines, written });
    }
}

/// Collects one event and writes it as a whole.
struct Lines;

impl Write for Lines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        write(line.to_vec());
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
