//! Every scenario that is shipped: nothing is lost unseen. What reads return is taken down below the core, so that the streams are put
//! together here, as the client does.

#![allow(clippy::unwrap_used)]

use powerstream_conformance::losses::{Case, MergedCase, Recorder, check, check_merged};
use powerstream_conformance::tape::Taped;
use powerstream_smol::tls::transport::{Trust, open, open_merged};
use powerstream_smol::{Shutdown, Smol};
use smol::block_on;

async fn read(case: Case) -> Recorder {
    let (shutdown, mut recorder) = (Shutdown::new(), case.recorder);
    let reactor = Taped::new(Smol::default(), case.tape);
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
    let reactor = || Taped::new(Smol::default(), case.tape.clone());
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
fn nothing_is_lost_unseen_by_a_task_of_the_thread() {
    check(&|case| block_on(read(case)));
}

#[test]
fn nothing_is_lost_unseen_on_the_global_executor() {
    check(&|case| block_on(smol::spawn(read(case))));
}

#[test]
fn nothing_is_lost_unseen_by_two_connections_merged() {
    check_merged(&|case| block_on(read_merged(case)));
}
