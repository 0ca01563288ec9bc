//! Every scenario that is shipped: nothing is lost unseen. What reads return is taken down below the core.

use powerstream_client::shutdown::Shutdown;
use powerstream_conformance::losses::{Case, Recorder, check, check_merged};

use crate::reactor::{Reading, Sockets};
use crate::waiter::Waiter;

fn read(case: Case, reading: Reading) -> Recorder {
    let (mut waiter, shutdown) = (Waiter::new().unwrap(), Shutdown::new());
    let sockets = Sockets::new(&waiter, reading, &shutdown);
    waiter.block_on(case.read(sockets, &shutdown))
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
        let (mut waiter, shutdown) = (Waiter::new().unwrap(), Shutdown::new());
        let mut sockets = [(); 2].map(|()| Sockets::new(&waiter, Reading::Polling, &shutdown)).into_iter();
        waiter.block_on(case.read(|| sockets.next().expect("one for each"), &shutdown))
    });
}
