//! Everything a stream may wait for, over real sockets.

#![allow(clippy::unwrap_used)]

mod support;

use std::time::Instant;

use powerstream_conformance::waits::{Reading, check};
use smol::{LocalExecutor, block_on};
use support::open;

#[test]
fn everything_that_is_waited_for() {
    check(&|watch| {
        let mut stream = open(&watch.config, watch.ca_pem.as_deref());
        let shutdown = stream.shutdown_handle();
        let thread = std::thread::spawn(move || {
            let executor = LocalExecutor::new();
            let reading = executor.spawn(async move {
                while let Some(event) = stream.next().await {
                    if watch.events.send((Instant::now(), event.into())).is_err() {
                        break;
                    }
                }
            });
            block_on(executor.run(reading));
        });
        Reading::new(shutdown, thread)
    });
}
