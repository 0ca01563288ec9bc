//! Every scenario that is shipped: nothing is lost unseen. What reads return is taken down below the core.

#![allow(clippy::unwrap_used)]

use powerstream_conformance::losses::{Case, MergedCase, Recorder, check, check_merged};
use powerstream_smol::{Shutdown, Smol};
use smol::block_on;

async fn read(case: Case) -> Recorder {
    case.read(Smol::default(), &Shutdown::new()).await
}

async fn read_merged(case: MergedCase) -> Recorder {
    case.read(Smol::default, &Shutdown::new()).await
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
