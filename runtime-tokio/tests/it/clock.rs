//! The clock is tokio's: a test that pauses it need not wait.

use std::net::TcpListener;
use std::time::Duration;

use powerstream_tokio::core::session::DisconnectReason;
use powerstream_tokio::{Client, Config, SessionEvent};

/// An hour of failing attempts.
#[tokio::test(start_paused = true)]
async fn backoff_takes_no_real_time_while_the_clock_is_paused() {
    let unused = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let config = Config::builder().base_url(format!("http://{unused}")).seed(1).build().unwrap();
    let (started, begun) = (std::time::Instant::now(), tokio::time::Instant::now());
    let mut stream = Client::new(config).stream().unwrap();
    let opened = stream.now();
    let mut waits = Duration::ZERO;
    let mut last = Duration::ZERO;
    while waits < Duration::from_secs(3_600) {
        match stream.next().await {
            // The paused clock may pass the connect's deadline while the system still answers.
            Some(SessionEvent::Disconnected(disconnected))
                if matches!(
                    disconnected.reason,
                    DisconnectReason::Transport(_) | DisconnectReason::Timeout(_)
                ) =>
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
