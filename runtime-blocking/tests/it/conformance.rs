//! The shared suite, on a thread that sleeps and on one that spins.

use std::time::Instant;

use powerstream_blocking::client::owned::OwnedEvent;
use powerstream_blocking::{Blocking, Client};
use powerstream_conformance::delimiters::{Delivered, uneven};
use powerstream_conformance::log::Recorder;
use powerstream_conformance::repeats::{check_once, repeating};
use powerstream_conformance::scripts::{TestCase, check, check_tls_faults};
use powerstream_conformance::{Transport, merged, open, rules, telemetry, timeouts};

use crate::support::ReadMode;

in_each_read_mode! {
    timeouts,
    spans_and_events,
}

fn spans_and_events(mode: ReadMode) {
    telemetry::check(|config, ca_pem, is_enough| {
        let mut stream = open(mode.runtime(), config, ca_pem);
        while let Some(event) = stream.next() {
            if is_enough(event.into()) {
                break;
            }
        }
    });
}

fn read(mode: ReadMode, case: TestCase) -> Recorder {
    let mut recorder = case.recorder;
    let mut stream = open(mode.runtime(), &case.config, case.ca_pem.as_deref());
    while recorder.record(stream.next().unwrap().into()).is_continue() {}
    recorder
}

fn read_owned(case: TestCase) -> Recorder {
    let mut recorder = case.recorder;
    for event in open(Blocking::default(), &case.config, case.ca_pem.as_deref()) {
        if recorder.record(event).is_break() {
            break;
        }
    }
    recorder
}

#[test]
fn scripts_on_a_thread_that_sleeps() {
    std::thread::scope(|scope| {
        scope.spawn(|| check(Transport::Plain, &|case| read(ReadMode::Blocking, case)));
        scope.spawn(|| check(Transport::Tls, &read_owned));
        scope.spawn(|| check_tls_faults(&|case| read(ReadMode::Blocking, case)));
    });
}

#[test]
fn scripts_on_a_thread_that_spins() {
    // One after the other: each reader uses all of a processor.
    check(Transport::Plain, &|case| read(ReadMode::BusyPoll, case));
    check(Transport::Tls, &|case| read(ReadMode::BusyPoll, case));
}

fn timeouts(mode: ReadMode) {
    timeouts::check(&|job| {
        let mut stream = open(mode.runtime(), &job.config, job.ca_pem.as_deref());
        let shutdown = stream.shutdown_handle();
        let thread = std::thread::spawn(move || {
            while let Some(event) = stream.next() {
                if job.events.send((Instant::now(), event.into())).is_err() {
                    break;
                }
            }
        });
        timeouts::ReadHandle::new(shutdown, thread)
    });
}

#[test]
fn rejects_a_merged_stream_without_connections() {
    merged::check_no_connections::<Blocking>();
}

#[test]
fn only_two_streams_have_rules() {
    rules::check_no_rules::<Blocking>();
}

#[test]
fn an_iterator_delivers_messages_with_every_delimiter_and_end() {
    let mut delivered = Delivered::default();
    let mut events = Client::new(uneven()).stream().unwrap().into_iter();
    while !delivered.is_complete(&events.next().unwrap()) {}
}

#[test]
fn an_iterator_delivers_each_post_once_after_a_reconnect() {
    let (_simulator, config, posts) = repeating();
    let mut events = Client::new(config).stream().unwrap().into_iter();
    let mut received = Vec::new();
    while received.len() < posts {
        match events.next() {
            Some(OwnedEvent::Message(message)) => received.extend(message.id()),
            Some(_) => {}
            None => panic!("the stream ended after {} Posts", received.len()),
        }
    }
    check_once(received, events.stream().duplicates());
}
