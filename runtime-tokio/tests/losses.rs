//! Every scenario that is shipped: nothing is lost unseen. What reads return is taken down below the core, so that the streams are put
//! together here, as the client does.

#![allow(clippy::unwrap_used)]

mod support;

use powerstream_conformance::losses::{Case, MergedCase, Recorder, check, check_merged};
use powerstream_conformance::tape::Taped;
use powerstream_tokio::tls::transport::{Trust, open, open_merged};
use powerstream_tokio::{Shutdown, Tokio};
use support::{current_thread, multi_thread};

async fn read(case: Case) -> Recorder {
    let (shutdown, mut recorder) = (Shutdown::new(), case.recorder);
    let reactor = Taped::new(Tokio::default(), case.tape);
    let mut line = open(&case.config, &Trust::default(), reactor, &shutdown).unwrap();
    while let Some(event) = line.next().await {
        if recorder.tell(event.into()).is_break() {
            shutdown.shutdown();
        }
    }
    recorder.ended(line.buffered().session().covered_until())
}

async fn read_merged(case: MergedCase) -> Recorder {
    let (shutdown, mut recorder) = (Shutdown::new(), case.recorder);
    let reactor = || Taped::new(Tokio::default(), case.tape.clone());
    let mut merged = open_merged(&case.config, &Trust::default(), reactor, &shutdown).unwrap();
    while let Some(event) = merged.next().await {
        if recorder.tell_merged(event.into()).is_break() {
            shutdown.shutdown();
        }
    }
    let sessions = merged.lines().iter().map(|line| line.driven().buffered().session());
    recorder.ended(sessions.filter_map(|session| session.covered_until()).max())
}

#[test]
fn nothing_is_lost_unseen_on_a_runtime_of_one_thread() {
    check(&|case| current_thread().block_on(read(case)));
}

#[test]
fn nothing_is_lost_unseen_on_a_runtime_of_many_threads() {
    let runtime = multi_thread();
    check(&|case| runtime.block_on(runtime.spawn(read(case))).unwrap());
}

#[test]
fn nothing_is_lost_unseen_by_two_connections_merged() {
    check_merged(&|case| current_thread().block_on(read_merged(case)));
}
