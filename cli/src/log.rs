//! What is told on standard error while a command runs: one line an event, as much as `RUST_LOG` asks for.
//!
//! Commands that run for long write it on a separate thread, by a bounded queue: a standard error that takes nothing, such
//! as a pipe to a pager or a terminal after Ctrl-S, must not stop what they do.

use std::io::{self, IsTerminal, Write};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Waker};
use std::{env, thread};

use powerstream_client::queue::{Cost, Delivery, Overflow, QueueConfig, Sender, queue};
use tracing_subscriber::EnvFilter;

use crate::exit::complain;

/// Starts to tell. Standard output is never touched.
pub(crate) fn init() {
    let filter = match env::var("RUST_LOG") {
        Ok(directives) if !directives.trim().is_empty() => {
            EnvFilter::try_new(directives).unwrap_or_else(|error| {
                complain(&format!("RUST_LOG is ignored: {error}"));
                EnvFilter::new("info")
            })
        }
        _ => EnvFilter::new("info"),
    };
    start();
    // No times: under systemd or in a container each line gets one, and who watches a terminal has a clock.
    let subscriber = tracing_subscriber::fmt()
        .compact()
        .without_time()
        .with_target(false)
        .with_ansi(io::stderr().is_terminal() && wants_color())
        .with_env_filter(filter)
        .with_writer(|| Lines)
        // Where standard error is closed there is nobody to tell that it is: not even by a panic.
        .log_internal_errors(false)
        .finish();
    // An error would mean that somebody tells already.
    let _ = tracing::subscriber::set_global_default(subscriber);
}

/// Whether terminals may be sent colours (<https://no-color.org>).
pub(crate) fn wants_color() -> bool {
    env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// Most bytes that wait for standard error. What is oldest is dropped then, and its number is written in its place.
const QUEUE_BYTES: usize = 1 << 20;

/// The thread that writes standard error, while there is one.
static THREAD: Mutex<Option<Thread>> = Mutex::new(None);

struct Thread {
    lines: Sender<Vec<u8>>,
    /// Disconnected when all is written.
    written: Receiver<()>,
}

/// Writes to standard error: by the thread, in its turn, where there is one. Where standard error is closed there is nobody
/// to tell, and no reason to panic.
pub(crate) fn write(text: Vec<u8>) {
    match &mut *THREAD.lock().unwrap_or_else(PoisonError::into_inner) {
        Some(Thread { lines, .. }) => {
            let cost = Cost::Message(text.len());
            // By its policy the queue never asks to wait.
            let _ = lines.poll_send(&mut Context::from_waker(Waker::noop()), cost, || text);
        }
        None => drop(io::stderr().write_all(&text)),
    }
}

/// Ends the thread, when all is written. A signal does not wait so long.
pub(crate) fn finish() {
    let thread = THREAD.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some(Thread { lines, written }) = thread {
        drop(lines);
        // An error is what it waits for.
        let _ = written.recv();
    }
}

/// Starts the thread. Where that fails, whoever has something to tell writes it.
fn start() {
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
                Delivery::Dropped(loss) => format!(
                    " WARN {} lines are left out here: standard error did not take them in time\n",
                    loss.messages
                )
                .into_bytes(),
            };
            let _ = io::stderr().write_all(&text);
        }
    };
    if thread::Builder::new().name(String::from("log")).spawn(run).is_ok() {
        *THREAD.lock().unwrap_or_else(PoisonError::into_inner) = Some(Thread { lines, written });
    }
}

/// The writer of one event, which is written whole.
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
