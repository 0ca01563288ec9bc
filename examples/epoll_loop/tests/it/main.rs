//! The event loop gives the same event logs as the reference.

#![allow(clippy::unwrap_used)]

#[path = "../../src/tcp.rs"]
mod tcp;

use std::cell::Cell;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use mio::{Events, Token};
use powerstream_conformance::log::Recorder;
use powerstream_conformance::scripts::{TestCase, check_all};
use powerstream_core::driver::{Driver, Io};
use powerstream_tls::{MaybeTls, TlsConfig};
use tcp::Tcp;

fn read(mut case: TestCase) -> Recorder {
    let mut poll = mio::Poll::new().unwrap();
    let mut events = Events::with_capacity(16);
    let until = Rc::new(Cell::new(None));
    let origin = case.config.origin();
    let tcp = Tcp {
        address: case.config.route().address().unwrap(),
        registry: poll.registry().try_clone().unwrap(),
        token: Token(0),
        socket: None,
        until: Rc::clone(&until),
        base: std::time::Instant::now(),
    };
    let tls = case.ca_pem.as_ref().map(|pem| TlsConfig::only_ca_pem(pem.as_bytes()).unwrap());
    let connector = tls.and_then(|tls| tls.for_origin(&origin).unwrap());
    let buffered = case.config.open(case.config.seed().unwrap(), tcp.now(), tcp.unix_now()).unwrap();
    let mut driven = Driver::new(buffered, MaybeTls::new(tcp, connector));
    let mut cx = Context::from_waker(Waker::noop());
    loop {
        match driven.poll_next(&mut cx) {
            Poll::Ready(event) => {
                if case.recorder.record(event.unwrap().into()).is_break() {
                    return case.recorder;
                }
            }
            Poll::Pending => {
                let left = until.get().map(|until| until.saturating_since(driven.io().now()));
                // An interrupted wait only ends early.
                let _ = poll.poll(&mut events, left);
            }
        }
    }
}

#[test]
fn gives_the_same_event_logs_as_the_reference() {
    check_all(&read);
}
