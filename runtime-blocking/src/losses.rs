//! Every scenario that is shipped: nothing is lost unseen. What reads return is taken down below the core.

use powerstream_client::shutdown::Shutdown;
use powerstream_conformance::losses::{Case, Recorder, check, check_merged};

use crate::executor::Executor;
use crate::runtime::Blocking;
use crate::sockets::{Reading, Sockets};

fn read(case: Case, reading: Reading) -> Recorder {
    let mut executor = Executor::new(Blocking::default(), reading).unwrap();
    let shutdown = Shutdown::new();
    let sockets = Sockets::new(&executor, &shutdown);
    executor.block_on(case.read(sockets, &shutdown))
}

#[test]
fn on_a_thread_that_sleeps() {
    check(&|case| read(case, Reading::Blocking));
}

#[test]
fn in_a_poll() {
    check(&|case| read(case, Reading::Polling));
}

#[test]
fn by_two_connections_merged() {
    check_merged(&|case| {
        let mut executor = Executor::new(Blocking::default(), Reading::Polling).unwrap();
        let shutdown = Shutdown::new();
        let mut sockets = [(); 2].map(|()| Sockets::new(&executor, &shutdown)).into_iter();
        executor.block_on(case.read(|| sockets.next().expect("one for each"), &shutdown))
    });
}
