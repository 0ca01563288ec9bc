//! Everything a stream may wait for, over real sockets.

#![allow(clippy::unwrap_used)]

mod support;

use std::time::Instant;

use powerstream_conformance::waits::{Reading, Watch, check};
use support::{current_thread, multi_thread, open};
use tokio::runtime::Runtime;

/// Reads on a runtime of its own.
fn start(watch: Watch, runtime: fn() -> Runtime) -> Reading {
    let mut stream = open(&watch.config, watch.ca_pem.as_deref());
    let shutdown = stream.shutdown_handle();
    let thread = std::thread::spawn(move || {
        let runtime = runtime();
        let reading = runtime.spawn(async move {
            while let Some(event) = stream.next().await {
                if watch.events.send((Instant::now(), event.into())).is_err() {
                    break;
                }
            }
        });
        runtime.block_on(reading).unwrap();
    });
    Reading::new(shutdown, thread)
}

#[test]
fn on_a_runtime_of_one_thread() {
    check(&|watch| start(watch, current_thread));
}

#[test]
fn on_a_runtime_of_several_threads() {
    check(&|watch| start(watch, multi_thread));
}
