//! One script suite for every way to drive a session: the same script, the same event log.
//!
//! Each adapter's tests hand their way of reading a stream to [`scripts`], [`waits`] and [`losses`]; so can any event loop. They
//! start the servers they need. What differs between adapters is one closure:
//!
//! ```
//! use powerstream_conformance::{Transport, by_hand, scripts};
//!
//! // An adapter's own tests: `case.config` is what to read, and `case.recorder` is told every event until it has enough.
//! scripts::check_some(&["steady", "reset"], Transport::Plain, &|mut case| {
//!     by_hand::read(&case.config, |event| case.recorder.tell(event.into()));
//!     case.recorder
//! });
//! ```
//!
//! The yardstick is [`by_hand`]: a session whose steps are carried out one by one, over std sockets, without the driver and
//! the read buffer that the adapters share. Over TLS the log is the same, so that the yardstick is always read in the clear.
#![forbid(unsafe_code)]
// These are tests, in a crate of their own so that each adapter need not compile its copy.
#![allow(clippy::unwrap_used, clippy::missing_panics_doc)]

mod account;
pub mod by_hand;
mod lines;
pub mod log;
pub mod losses;
pub mod merged;
pub mod scripts;
pub mod tape;
pub mod waits;

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Mutex;

use powerstream_simulator::{Generator, Source};

/// What is under HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums, reason = "there are these two")]
pub enum Transport {
    /// TCP in the clear.
    Plain,
    /// TLS, with a certificate by the authority of [`scripts::Case::ca_pem`].
    Tls,
}

/// When the Posts of files were written, in milliseconds since 1970.
const POSTS_OF: u64 = 1_700_000_000_000;

/// Posts as a file has them: the same for each connection and each run.
fn posts(seed: u64, count: usize) -> Source {
    let mut generator = Generator::new(seed);
    let mut lines = Vec::new();
    for nth in 0..count {
        let mut post = Vec::new();
        let _ = generator.post(POSTS_OF + nth as u64, &mut post);
        lines.extend_from_slice(&post);
        lines.push(b'\n');
    }
    Source::from_ndjson(&lines).unwrap()
}

/// Goes through `items`, some at a time, since most of them wait most of the time; says which one failed.
fn parallel<'a, T: Sync>(
    items: &'a [T],
    threads: usize,
    check: &(dyn Fn(&'a T) -> (&'a str, Box<dyn FnOnce() + 'a>) + Sync),
) {
    let queue = Mutex::new(items.iter());
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(item) = { queue.lock().unwrap().next() } {
                    let (name, check) = check(item);
                    if let Err(panic) = catch_unwind(AssertUnwindSafe(check)) {
                        eprintln!("that was: {name}");
                        resume_unwind(panic);
                    }
                }
            });
        }
    });
}
