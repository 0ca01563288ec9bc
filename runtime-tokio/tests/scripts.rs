//! Every script of the conformance suite, in each way in which tokio may drive a stream.

#![allow(clippy::unwrap_used)]

mod support;

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::time::Duration;

use futures_core::Stream as _;
use powerstream_conformance::Transport;
use powerstream_conformance::log::Recorder;
use powerstream_conformance::scripts::{Case, check, check_tls_faults};
use powerstream_tokio::{OwnedEvent, Stream};
use support::{current_thread, multi_thread};

fn check_all(subject: &(dyn Fn(Case) -> Recorder + Sync)) {
    check(Transport::Plain, subject);
    check(Transport::Tls, subject);
    check_tls_faults(subject);
}

fn open(case: &Case) -> Stream {
    support::open(&case.config, case.ca_pem.as_deref())
}

#[test]
fn on_a_runtime_of_one_thread_with_a_future_that_is_dropped_at_every_await() {
    check_all(&|mut case| {
        let mut stream = open(&case);
        current_thread().block_on(async {
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
fn on_a_runtime_of_many_threads_as_a_stream_of_owned_events() {
    async fn read(mut stream: Stream, mut recorder: Recorder) -> Recorder {
        while let Some(event) = poll_fn(|cx| Pin::new(&mut stream).poll_next(cx)).await {
            if recorder.tell(event).is_break() {
                break;
            }
        }
        recorder
    }
    let runtime = multi_thread();
    check_all(&|case| {
        let stream = open(&case);
        runtime.block_on(runtime.spawn(read(stream, case.recorder))).unwrap()
    });
}

#[test]
fn in_a_select_and_from_task_to_task() {
    check_all(&|case| {
        let mut stream = open(&case);
        let mut recorder = case.recorder;
        current_thread().block_on(async {
            loop {
                // Each task reads for some milliseconds, then the next one has the stream.
                let task = tokio::spawn(async move {
                    let mut pause = pin!(tokio::time::sleep(Duration::from_millis(3)));
                    let mut is_enough = false;
                    while !is_enough {
                        tokio::select! {
                            biased;
                            () = &mut pause => break,
                            event = stream.next() => {
                                is_enough = recorder.tell(OwnedEvent::from(event.unwrap())).is_break();
                            }
                        }
                    }
                    (stream, recorder, is_enough)
                });
                let is_enough;
                (stream, recorder, is_enough) = task.await.unwrap();
                if is_enough {
                    return recorder;
                }
            }
        })
    });
}
