//! Every script and every wait of the conformance suite, on a thread that sleeps and on one that spins.

#![allow(clippy::unwrap_used)]

use std::time::Instant;

use powerstream_blocking::{Blocking, Client, Config, Stream, TlsConfig};
use powerstream_conformance::log::Recorder;
use powerstream_conformance::scripts::{Case, check, check_tls_faults};
use powerstream_conformance::{Transport, waits};

fn open(config: &Config, ca_pem: Option<&str>, busy_poll: bool) -> Stream {
    let client = Client::new(config.clone()).with_runtime(Blocking::default().with_busy_poll(busy_poll));
    let client = match ca_pem {
        Some(pem) => client.with_tls(TlsConfig::only_ca_pem(pem.as_bytes()).unwrap()),
        None => client,
    };
    client.stream().unwrap()
}

fn lent(case: Case, busy_poll: bool) -> Recorder {
    let mut recorder = case.recorder;
    let mut stream = open(&case.config, case.ca_pem.as_deref(), busy_poll);
    while recorder.tell(stream.next().unwrap().into()).is_continue() {}
    recorder
}

fn owned(case: Case) -> Recorder {
    let mut recorder = case.recorder;
    for event in open(&case.config, case.ca_pem.as_deref(), false) {
        if recorder.tell(event).is_break() {
            break;
        }
    }
    recorder
}

fn check_waits(busy_poll: bool) {
    waits::check(&|watch| {
        let mut stream = open(&watch.config, watch.ca_pem.as_deref(), busy_poll);
        let shutdown = stream.shutdown_handle();
        let thread = std::thread::spawn(move || {
            while let Some(event) = stream.next() {
                if watch.events.send((Instant::now(), event.into())).is_err() {
                    break;
                }
            }
        });
        waits::Reading::new(shutdown, thread)
    });
}

#[test]
fn scripts_on_a_thread_that_sleeps() {
    check(Transport::Plain, &|case| lent(case, false));
    check(Transport::Tls, &owned);
    check_tls_faults(&|case| lent(case, false));
}

#[test]
fn scripts_on_a_thread_that_spins() {
    check(Transport::Plain, &|case| lent(case, true));
    check(Transport::Tls, &|case| lent(case, true));
}

#[test]
fn waits_on_a_thread_that_sleeps() {
    check_waits(false);
}

#[test]
fn waits_on_a_thread_that_spins() {
    check_waits(true);
}
