//! A task that reads, and a consumer that takes its time.

#![allow(clippy::unwrap_used)]

mod support;

use std::time::Duration;

use powerstream_conformance::Transport;
use powerstream_conformance::scripts::check_some;
use powerstream_simulator::{Config as SimulatorConfig, Simulator};
use powerstream_tokio::{Client, Config, Connections, Delivery, Overflow, OwnedEvent, QueueConfig, Token};
use support::{current_thread, multi_thread, open};

fn bounded(messages_max: usize, overflow: Overflow) -> QueueConfig {
    let mut config = QueueConfig::default();
    config.messages_max = messages_max;
    config.overflow = overflow;
    config
}

/// Those in which no keep-alive is left out because something else waits.
const SCRIPTS: [&str; 11] = [
    "steady",
    "split",
    "arrays",
    "oversized",
    "stall",
    "reset",
    "bad-chunk",
    "clean-end",
    "rate-limited",
    "unavailable",
    "accept-close",
];

#[test]
fn a_queue_that_waits_changes_nothing() {
    for runtime in [current_thread, multi_thread] {
        check_some(&SCRIPTS, Transport::Tls, &|mut case| {
            let stream = open(&case.config, case.ca_pem.as_deref());
            runtime().block_on(async {
                let (mut receiver, reading) = stream.queued(bounded(3, Overflow::Wait)).unwrap();
                loop {
                    let Some(Delivery::Event(event)) = receiver.recv().await else {
                        panic!("a loss, or the end")
                    };
                    if case.recorder.tell(event).is_break() {
                        break;
                    }
                }
                // The task ends with the receiver, and gives the stream back.
                drop(receiver);
                assert!(!reading.await.unwrap().session().is_streaming());
            });
            case.recorder
        });
    }
}

fn flood() -> (Simulator, Config) {
    let mut config = SimulatorConfig::default();
    config.rate = Some(20_000.0);
    let simulator = Simulator::start(config).unwrap();
    let config =
        Config::builder().base_url(simulator.base_url()).token(Token::new("any").unwrap()).build().unwrap();
    (simulator, config)
}

#[test]
fn a_consumer_that_sleeps_does_not_stop_the_reader_and_losses_are_counted() {
    let (_simulator, config) = flood();
    current_thread().block_on(async {
        let stream = Client::new(config).stream().unwrap();
        let shutdown = stream.shutdown_handle();
        let (mut receiver, reading) = stream.queued(bounded(50, Overflow::DropOldest)).unwrap();
        assert!(matches!(receiver.recv().await, Some(Delivery::Event(OwnedEvent::Connected(_)))));
        while receiver.stats().dropped.messages < 500 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        assert!(receiver.stats().messages <= 50);
        shutdown.shutdown();
        reading.await.unwrap();
        let sent = receiver.stats();
        let (mut delivered, mut dropped) = (0, 0);
        while let Some(delivery) = receiver.recv().await {
            match delivery {
                Delivery::Event(OwnedEvent::Message(_)) => delivered += 1,
                Delivery::Event(event) => panic!("{event:?}"),
                Delivery::Dropped(loss) => dropped += loss.messages,
            }
        }
        assert_eq!((delivered + dropped, dropped), (sent.sent, sent.dropped.messages));
        assert_eq!((delivered, sent.messages_high), (50, 50));
    });
}

#[test]
fn a_merged_stream_is_queued_alike() {
    let (_simulator, config) = flood();
    multi_thread().block_on(async {
        let merged = Connections::copies(2, &config);
        let (mut receiver, reading) =
            Client::new(config).merged(&merged).unwrap().queued(QueueConfig::default()).unwrap();
        for _ in 0..500 {
            assert!(matches!(receiver.recv().await, Some(Delivery::Event(_))));
        }
        drop(receiver);
        let stream = reading.await.unwrap();
        let wins: u64 = stream.merge().records().iter().map(|record| record.wins()).sum();
        assert!(wins > 400, "{wins}");
    });
}
