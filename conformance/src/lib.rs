#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
// These are tests. They are a crate, so that each adapter need not compile its own copy.
#![allow(clippy::unwrap_used, clippy::missing_panics_doc)]

pub mod async_runtimes;
pub mod delimiters;
pub mod late;
mod ledger;
mod line_decoder;
pub mod log;
pub mod loopback;
pub mod merged;
pub mod no_silent_loss;
pub mod read_recorder;
pub mod recovery;
pub mod reference_driver;
pub mod repeats;
pub mod rules;
pub mod scripts;
#[cfg(unix)]
pub mod stopped;
pub mod telemetry;
pub mod timeouts;
mod wrong_clock;

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Mutex;

use powerstream_client::config::Config;
use powerstream_client::{Client, Runtime, Stream};
use powerstream_simulator::{Generator, Source};
use powerstream_tls::TlsConfig;

/// The transport below HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums, reason = "there are these two")]
pub enum Transport {
    /// TCP without TLS.
    Plain,
    /// TLS, with a certificate by the authority of [`scripts::TestCase::ca_pem`].
    Tls,
}

/// Opens a stream that trusts only the CA of `ca_pem`, if there is one.
pub fn open<R: Runtime>(runtime: R, config: &Config, ca_pem: Option<&str>) -> Stream<R> {
    let client = Client::new(config.clone()).with_runtime(runtime);
    let client = match ca_pem {
        Some(pem) => client.with_tls(TlsConfig::only_ca_pem(pem.as_bytes()).unwrap()),
        None => client,
    };
    client.stream().unwrap()
}

/// The time of the scripts' Posts, in milliseconds since 1970.
const POSTS_OF: u64 = 1_700_000_000_000;

/// Returns Posts that are the same for each connection and each run.
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

/// Runs a check for each item, some at a time since most of them only wait. Names the one that
/// failed.
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
                        eprintln!("failed: {name}");
                        resume_unwind(panic);
                    }
                }
            });
        }
    });
}
