//! Nothing is lost outside a gap when the path or the reader is late, or the clock is wrong.

use powerstream_blocking::client::{BlockingRuntime, Runtime};
use powerstream_blocking::{Blocking, ShutdownHandle};
use powerstream_conformance::Transport;
use powerstream_conformance::late::{Recorder, TestCase, check, check_merged};

/// The most connections of a merged stream.
const CONNECTIONS: usize = 3;

fn read(case: TestCase) -> Recorder {
    let mut executor = Blocking::default().executor(1).unwrap();
    let shutdown = ShutdownHandle::new();
    let reactor = Blocking::reactor(&executor, &shutdown);
    Blocking::block_on(&mut executor, case.read(reactor, &shutdown))
}

#[test]
fn loses_nothing_outside_a_gap() {
    check(Transport::Plain, &read);
}

#[test]
fn loses_nothing_outside_a_gap_over_tls() {
    check(Transport::Tls, &read);
}

#[test]
fn loses_nothing_outside_a_gap_of_merged_connections() {
    check_merged(&|case| {
        let mut executor = Blocking::default().executor(CONNECTIONS).unwrap();
        let shutdown = ShutdownHandle::new();
        let mut reactors = [(); CONNECTIONS].map(|()| Blocking::reactor(&executor, &shutdown)).into_iter();
        let reactor = || reactors.next().expect("one reactor per connection");
        Blocking::block_on(&mut executor, case.read(reactor, &shutdown))
    });
}

#[cfg(unix)]
#[test]
fn loses_nothing_outside_a_gap_in_a_stopped_process() {
    powerstream_conformance::stopped::check(&read);
}
