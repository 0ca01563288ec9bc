//! Every script of the conformance suite, in each way in which smol may drive a stream.

#![allow(clippy::unwrap_used)]

mod support;

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::time::Duration;

use powerstream_conformance::Transport;
use powerstream_conformance::log::Recorder;
use powerstream_conformance::scripts::{Case, check, check_tls_faults};
use powerstream_smol::{OwnedEvent, Stream};
use smol::future::or;
use smol::stream::StreamExt;
use smol::{Executor, Timer, block_on};

fn check_all(subject: &(dyn Fn(Case) -> Recorder + Sync)) {
    check(Transport::Plain, subject);
    check(Transport::Tls, subject);
    check_tls_faults(subject);
}

fn open(case: &Case) -> Stream {
    support::open(&case.config, case.ca_pem.as_deref())
}

#[test]
fn with_a_future_that_is_dropped_at_every_await() {
    check_all(&|mut case| {
        let mut stream = open(&case);
        block_on(async {
            let mut is_enough = false;
            while !is_enough {
                // The future does not outlive the poll.
                let told = poll_fn(|cx| {
                    let next = pin!(stream.next()).poll(cx);
                    next.map(|event| case.recorder.tell(event.unwrap().into()))
                });
                is_enough = told.await.is_break();
            }
        });
        case.recorder
    });
}

#[test]
fn on_the_global_executor_as_a_stream_of_owned_events() {
    check_all(&|case| {
        let mut stream = open(&case);
        let mut recorder = case.recorder;
        block_on(smol::spawn(async move {
            while let Some(event) = StreamExt::next(&mut stream).await {
                if recorder.tell(event).is_break() {
                    break;
                }
            }
            recorder
        }))
    });
}

#[test]
fn in_a_race_and_from_task_to_task() {
    check_all(&|case| {
        let mut stream = open(&case);
        let mut recorder = case.recorder;
        let executor = Executor::new();
        block_on(executor.run(async {
            loop {
                // Each task reads for some milliseconds, then the next one has the stream.
                let task = executor.spawn(async move {
                    let mut pause = Timer::after(Duration::from_millis(3));
                    loop {
                        let paused = async {
                            (&mut pause).await;
                            None
                        };
                        let event = async { Some(OwnedEvent::from(stream.next().await.unwrap())) };
                        let Some(event) = or(paused, event).await else {
                            return (stream, recorder, false);
                        };
                        if recorder.tell(event).is_break() {
                            return (stream, recorder, true);
                        }
                    }
                });
                let is_enough;
                (stream, recorder, is_enough) = task.await;
                if is_enough {
                    return recorder;
                }
            }
        }))
    });
}
