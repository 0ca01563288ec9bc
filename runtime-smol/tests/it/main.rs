//! The suite of all async runtimes on smol, on each kind of executor.

#![allow(clippy::unwrap_used)]

use std::future::Future;

use powerstream_conformance::async_runtimes::{Host, check_portable_program};
use powerstream_conformance::{async_runtime_tests, portable_program};
use powerstream_smol::Smol;
use smol::{Executor, LocalExecutor, Task};

/// The calling thread, and the global executor for tasks.
struct Global;

impl Host for Global {
    type Runtime = Smol;

    fn block_on<F: Future>(future: F) -> F::Output {
        smol::block_on(future)
    }

    fn join<T: Send + 'static>(task: Task<T>) -> impl Future<Output = T> {
        task
    }
}

static EXECUTOR: Executor<'static> = Executor::new();

/// An executor that the program owns and runs.
struct OwnExecutor;

impl Host for OwnExecutor {
    type Runtime = Smol;

    fn block_on<F: Future>(future: F) -> F::Output {
        smol::block_on(EXECUTOR.run(future))
    }

    fn spawn<F>(future: F) -> impl Future<Output = F::Output>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        EXECUTOR.spawn(future)
    }

    fn join<T: Send + 'static>(task: Task<T>) -> impl Future<Output = T> {
        task
    }
}

thread_local! {
    static LOCAL: LocalExecutor<'static> = const { LocalExecutor::new() };
}

/// An executor of one thread.
struct Local;

impl Host for Local {
    type Runtime = Smol;

    fn block_on<F: Future>(future: F) -> F::Output {
        LOCAL.with(|executor| smol::block_on(executor.run(future)))
    }

    fn spawn<F>(future: F) -> impl Future<Output = F::Output>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        LOCAL.with(|executor| executor.spawn(future))
    }

    fn join<T: Send + 'static>(task: Task<T>) -> impl Future<Output = T> {
        task
    }
}

async_runtime_tests! {
    global: Global => [
        streams_are_send_and_unpin,
        spans_and_events,
        scripts_with_futures_dropped_at_every_await,
        scripts_in_a_task_as_a_stream_of_owned_events,
        reports_every_loss,
        reports_every_loss_in_a_task,
        reports_every_loss_of_merged_connections,
        merged_with_futures_dropped_at_every_await,
        merged_in_a_task_as_a_stream_of_owned_events,
        rejects_a_merged_stream_without_connections,
        shutdown_ends_all_merged_connections,
        recovers_what_was_missed_between_processes,
        queue_that_waits_changes_nothing,
        queue_counts_what_it_drops_while_the_consumer_sleeps,
        queue_of_a_merged_stream,
        queue_delivers_each_post_once_after_a_reconnect,
        queue_delivers_messages_with_every_delimiter_and_end,
        rules_are_added_and_listed_by_a_task,
        a_dropped_rule_call_does_not_disturb_the_next,
        only_two_streams_have_rules,
        late_loses_nothing_outside_a_gap,
        late_loses_nothing_outside_a_gap_over_tls,
        late_loses_nothing_outside_a_gap_of_merged_connections,
    ],
    own_executor: OwnExecutor => [scripts_in_a_race_and_from_task_to_task],
    local: Local => [timeouts],
}

#[cfg(unix)]
async_runtime_tests! {
    stopped: Global => [late_loses_nothing_outside_a_gap_in_a_stopped_process],
}

portable_program!(powerstream_smol);

#[test]
fn a_program_for_tokio_runs_with_another_use() {
    check_portable_program(|base_url| Global::block_on(portable_program::run(base_url)));
}
