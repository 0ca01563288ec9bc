//! Every scenario that is shipped: nothing is lost unseen. What reads return is taken down below the core, so that the streams are put
//! together here, as [`Stream`](crate::Stream) and [`MergedStream`](crate::MergedStream) do.

use powerstream_conformance::losses::{Case, Recorder, check, check_merged};
use powerstream_conformance::tape::Taped;
use powerstream_core::driver::stop::Shutdown;
use powerstream_tls::transport::{Trust, open, open_merged};

use crate::reactor::{Reading, Sockets};
use crate::waiter::Waiter;

fn read(case: Case, reading: Reading) -> Recorder {
    let (mut waiter, shutdown, mut recorder) = (Waiter::new().unwrap(), Shutdown::new(), case.recorder);
    let reactor = Taped::new(Sockets::new(&waiter, reading, &shutdown), case.tape);
    let mut line = open(&case.config, &Trust::default(), reactor, &shutdown).unwrap();
    while let Some(event) = waiter.block_on(line.next()) {
        if recorder.tell(event.into()).is_break() {
            shutdown.shutdown();
        }
    }
    recorder.ended(line.buffered().session().covered_until())
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
        let (mut waiter, shutdown, mut recorder) = (Waiter::new().unwrap(), Shutdown::new(), case.recorder);
        let reactor = || Taped::new(Sockets::new(&waiter, Reading::Polling, &shutdown), case.tape.clone());
        let mut merged = open_merged(&case.config, &Trust::default(), reactor, &shutdown).unwrap();
        while let Some(event) = waiter.block_on(merged.next()) {
            if recorder.tell_merged(event.into()).is_break() {
                shutdown.shutdown();
            }
        }
        let sessions = merged.lines().iter().map(|line| line.driven().buffered().session());
        recorder.ended(sessions.filter_map(|session| session.covered_until()).max())
    });
}
