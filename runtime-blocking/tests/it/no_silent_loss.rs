//! Every possible loss is reported. The reads are recorded below the core.

use powerstream_blocking::client::{BlockingRuntime, Runtime};
use powerstream_blocking::{Blocking, ShutdownHandle};
use powerstream_conformance::no_silent_loss::{Recorder, TestCase, check, check_merged};

/// Reads one stream on the executor for this number of connections, which decides how reads wait.
fn read(case: TestCase, connections: usize) -> Recorder {
    let mut executor = Blocking::default().executor(connections).unwrap();
    let shutdown = ShutdownHandle::new();
    let reactor = Blocking::reactor(&executor, &shutdown);
    Blocking::block_on(&mut executor, case.read(reactor, &shutdown))
}

#[test]
fn reports_every_loss_of_reads_in_the_kernel() {
    check(&|case| read(case, 1));
}

#[test]
fn reports_every_loss_of_reads_in_a_poll() {
    check(&|case| read(case, 2));
}

#[test]
fn reports_every_loss_of_merged_connections() {
    check_merged(&|case| {
        let mut executor = Blocking::default().executor(2).unwrap();
        let shutdown = ShutdownHandle::new();
        let mut reactors = [(); 2].map(|()| Blocking::reactor(&executor, &shutdown)).into_iter();
        let reactor = || reactors.next().expect("one reactor per connection");
        Blocking::block_on(&mut executor, case.read(reactor, &shutdown))
    });
}
