//! Every possible loss is reported, in each read mode. The reads are recorded below the core.

use powerstream_client::shutdown::Shutdown;
use powerstream_conformance::no_silent_loss::{Recorder, TestCase, check, check_merged};

use crate::executor::Executor;
use crate::runtime::Blocking;
use crate::sockets::{ReadMode, Sockets};

fn read(case: TestCase, mode: ReadMode) -> Recorder {
    let mut executor = Executor::new(Blocking::default(), mode).unwrap();
    let shutdown = Shutdown::new();
    let sockets = Sockets::new(&executor, &shutdown);
    executor.block_on(case.read(sockets, &shutdown))
}

#[test]
fn reports_every_loss_of_a_blocking_read() {
    check(&|case| read(case, ReadMode::Blocking));
}

#[test]
fn reports_every_loss_of_a_read_in_a_poll() {
    check(&|case| read(case, ReadMode::Polling));
}

#[test]
fn reports_every_loss_of_merged_connections() {
    check_merged(&|case| {
        let mut executor = Executor::new(Blocking::default(), ReadMode::Polling).unwrap();
        let shutdown = Shutdown::new();
        let mut sockets = [(); 2].map(|()| Sockets::new(&executor, &shutdown)).into_iter();
        executor.block_on(case.read(|| sockets.next().expect("one for each"), &shutdown))
    });
}
