//! Several connections as one stream.

#![allow(clippy::unwrap_used)]

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};

use futures_core::Stream as _;
use powerstream_conformance::merged::{Case, check};
use powerstream_smol::{Client, Config, Connections, Group, MergedStream, OpenError};
use smol::block_on;

fn open(case: &Case) -> MergedStream {
    // Its own configuration is no part of it.
    Client::new(Config::builder().build().unwrap()).merged(&case.config).unwrap()
}

#[test]
fn with_a_future_that_is_dropped_at_every_await() {
    check(&|mut case| {
        let mut stream = open(&case);
        block_on(async {
            let mut is_enough = false;
            while !is_enough {
                let told = poll_fn(|cx| {
                    let next = pin!(stream.next()).poll(cx);
                    next.map(|event| case.recorder.tell(event.unwrap().into()))
                });
                is_enough = told.await.is_break();
            }
        });
        case.recorder
    });
}

#[test]
fn on_the_global_executor_as_a_stream_of_owned_events() {
    check(&|case| {
        let mut stream = open(&case);
        let mut recorder = case.recorder;
        let reading = smol::spawn(async move {
            while let Some(event) = poll_fn(|cx| Pin::new(&mut stream).poll_next(cx)).await {
                if recorder.tell(event).is_break() {
                    break;
                }
            }
            let wins: u64 = stream.merge().records().iter().map(|record| record.wins()).sum();
            assert_ne!(wins, 0);
            recorder
        });
        block_on(reading)
    });
}

#[test]
fn a_stream_of_no_connections_is_none() {
    let client = Client::new(Config::builder().build().unwrap());
    assert!(matches!(client.merged(&Connections::new(Group::Redundant)), Err(OpenError::Merge(_))));
}

#[test]
fn shutdown_ends_all_connections() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let base_url = format!("http://{}", listener.local_addr().unwrap());
    let config = Config::builder().base_url(base_url).build().unwrap();
    let client = Client::new(config.clone());
    let mut stream = client.merged(&Connections::copies(3, &config)).unwrap();
    let shutdown = stream.shutdown_handle();
    let reading = std::thread::spawn(move || {
        block_on(async { assert!(stream.next().await.is_none()) });
        stream
    });
    let sockets = [(); 3].map(|()| listener.accept().unwrap());
    shutdown.shutdown();
    let stream = reading.join().unwrap();
    assert_eq!(stream.merge().records().len(), 3);
    drop(sockets);
}
