//! The suite of all async runtimes on tokio, on a runtime of one thread and on one of several
//! threads.

#![allow(clippy::unwrap_used)]

mod clock;

use std::future::Future;

use powerstream_conformance::async_runtimes::{Host, check_portable_program};
use powerstream_conformance::{async_runtime_tests, portable_program};
use powerstream_tokio::Tokio;
use tokio::runtime::Builder;
use tokio::task::JoinHandle;

/// A runtime of one thread.
struct OneThread;

impl Host for OneThread {
    type Runtime = Tokio;

    fn block_on<F: Future>(future: F) -> F::Output {
        Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
    }

    async fn join<T: Send + 'static>(task: JoinHandle<T>) -> T {
        task.await.unwrap()
    }
}

/// A runtime of several threads.
struct Threads;

impl Host for Threads {
    type Runtime = Tokio;

    fn block_on<F: Future>(future: F) -> F::Output {
        Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap().block_on(future)
    }

    async fn join<T: Send + 'static>(task: JoinHandle<T>) -> T {
        task.await.unwrap()
    }
}

async_runtime_tests! {
    one_thread: OneThread => [
        streams_are_send_and_unpin,
        scripts_with_futures_dropped_at_every_await,
        scripts_in_a_race_and_from_task_to_task,
        timeouts,
        spans_and_events,
        reports_every_loss,
        reports_every_loss_of_merged_connections,
        merged_with_futures_dropped_at_every_await,
        rejects_a_merged_stream_without_connections,
        shutdown_ends_all_merged_connections,
        recovers_what_was_missed_between_processes,
        queue_that_waits_changes_nothing,
        queue_counts_what_it_drops_while_the_consumer_sleeps,
        only_two_streams_have_rules,
        late_loses_nothing_outside_a_gap,
        late_loses_nothing_outside_a_gap_over_tls,
        late_loses_nothing_outside_a_gap_of_merged_connections,
    ],
    threads: Threads => [
        scripts_in_a_task_as_a_stream_of_owned_events,
        timeouts,
        spans_and_events,
        reports_every_loss_in_a_task,
        merged_in_a_task_as_a_stream_of_owned_events,
        queue_that_waits_changes_nothing,
        queue_of_a_merged_stream,
        queue_delivers_each_post_once_after_a_reconnect,
        queue_delivers_messages_with_every_delimiter_and_end,
        rules_are_added_and_listed_by_a_task,
        a_dropped_rule_call_does_not_disturb_the_next,
    ],
}

#[cfg(unix)]
async_runtime_tests! {
    stopped: OneThread => [late_loses_nothing_outside_a_gap_in_a_stopped_process],
}

portable_program!(powerstream_tokio);

#[test]
fn a_program_for_smol_runs_with_another_use() {
    check_portable_program(|base_url| OneThread::block_on(portable_program::run(base_url)));
}
