//! Every scenario that is shipped: nothing is lost unseen. What reads return is taken down below the core.

#![allow(clippy::unwrap_used)]

mod support;

use powerstream_conformance::losses::{Case, MergedCase, Recorder, check, check_merged};
use powerstream_tokio::{Shutdown, Tokio};
use support::{current_thread, multi_thread};

async fn read(case: Case) -> Recorder {
    case.read(Tokio::default(), &Shutdown::new()).await
}

async fn read_merged(case: MergedCase) -> Recorder {
    case.read(Tokio::default, &Shutdown::new()).await
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
