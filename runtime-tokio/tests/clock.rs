//! Whose clock it is: tokio's, so that a test which pauses it need not wait.

#![allow(clippy::unwrap_used)]

use std::net::TcpListener;
use std::time::Duration;

use powerstream_tokio::core::session::Cause;
use powerstream_tokio::{Client, Config, MergedStream, SessionEvent, Stream};

/// An hour of attempts that fail.
#[tokio::test(start_paused = true)]
async fn waits_pass_in_no_time_on_a_clock_that_is_paused() {
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let config = Config::builder().base_url(format!("http://{nobody}")).seed(1).build().unwrap();
    let (started, begun) = (std::time::Instant::now(), tokio::time::Instant::now());
    let mut stream = Client::new(config).stream().unwrap();
    let opened = stream.now();
    let mut waits = Duration::ZERO;
    let mut last = Duration::ZERO;
    while waits < Duration::from_secs(3_600) {
        match stream.next().await {
            // The paused clock may pass the connect's deadline while the system still answers.
            Some(SessionEvent::Disconnected(disconnected))
                if matches!(disconnected.cause, Cause::Fault(_) | Cause::Timeout(_)) =>
            {
                waits += disconnected.delay;
                last = disconnected.delay;
            }
            event => panic!("{event:?}"),
        }
    }
    let passed = waits - last;
    assert!(stream.now().saturating_since(opened) >= passed && begun.elapsed() >= passed);
    assert!(started.elapsed() < Duration::from_secs(60), "{:?}", started.elapsed());
}

/// A stream can be handed from thread to thread and held in anything.
#[test]
fn streams_are_send_and_unpin() {
    fn check<T: Send + Unpin + 'static>() {}
    check::<Stream>();
    check::<MergedStream>();
}
