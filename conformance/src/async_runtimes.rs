//! The suite of an [`AsyncRuntime`].
//!
//! A runtime's tests implement [`Host`] for each way of running its tasks, and list the checks that
//! run there with [`async_runtime_tests!`](crate::async_runtime_tests).

use std::future::{Future, poll_fn};
use std::net::TcpListener;
use std::ops::ControlFlow;
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::{Duration, Instant};

use futures_core::Stream as _;
use powerstream_client::config::{Config, Connections, Token};
use powerstream_client::owned::OwnedEvent;
use powerstream_client::queue::{Delivery, EventSource, Overflow, QueueConfig};
use powerstream_client::rule_api::{AddFate, NewRule};
use powerstream_client::shutdown::ShutdownHandle;
use powerstream_client::{AsyncRuntime, Client, MergedStream, Stream};
use powerstream_simulator::Simulator;

use crate::delimiters::{Delivered, uneven};
use crate::repeats::{check_once, repeating};
use crate::rules::Answer;
use crate::{Transport, late, merged, no_silent_loss, open, recovery, rules, scripts, telemetry, timeouts};

/// A runtime, and one way of running its tasks.
pub trait Host: 'static {
    /// The runtime.
    type Runtime: AsyncRuntime<Socket: Unpin, Timer: Unpin> + Unpin;

    /// Runs a future on the calling thread.
    fn block_on<F: Future>(future: F) -> F::Output;

    /// Runs a future on a new task and waits for it.
    fn spawn<F>(future: F) -> impl Future<Output = F::Output>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        async { Self::join(<Self::Runtime as AsyncRuntime>::spawn(future)).await }
    }

    /// Waits for a task.
    fn join<T: Send + 'static>(task: <Self::Runtime as AsyncRuntime>::Task<T>) -> impl Future<Output = T>;
}

/// Makes a test of each check, in a module for each [`Host`].
///
/// ```ignore
/// async_runtime_tests! {
///     one_thread: OneThread => [streams_are_send_and_unpin, timeouts],
/// }
/// ```
#[macro_export]
macro_rules! async_runtime_tests {
    ($($module:ident: $host:ident => [$($check:ident),* $(,)?]),* $(,)?) => {
        $(mod $module {
            $(
                #[test]
                fn $check() {
                    $crate::async_runtimes::$check::<super::$host>();
                }
            )*
        })*
    };
}

fn open_stream<H: Host>(config: &Config, ca_pem: Option<&str>) -> Stream<H::Runtime> {
    open(H::Runtime::default(), config, ca_pem)
}

fn open_merged<H: Host>(connections: &Connections) -> MergedStream<H::Runtime> {
    // A merged stream does not use the client's own configuration.
    Client::new(Config::builder().build().unwrap()).merged(connections).unwrap()
}

/// Checks the `tracing` spans and events of a stream.
pub fn spans_and_events<H: Host>() {
    telemetry::check(|config, ca_pem, is_enough| {
        H::block_on(async {
            let mut stream = open_stream::<H>(config, ca_pem);
            while let Some(event) = stream.next().await {
                if is_enough(event.into()) {
                    break;
                }
            }
        });
    });
}

/// Reads until `record` breaks, and drops the future of each event after every poll.
async fn read_dropping_futures<R, S>(
    stream: &mut Stream<R, S>,
    mut record: impl FnMut(S::Owned) -> ControlFlow<()>,
) where
    R: AsyncRuntime,
    S: EventSource,
{
    let mut control = ControlFlow::Continue(());
    while control.is_continue() {
        control = poll_fn(|cx| pin!(stream.next()).poll(cx).map(|event| record(event.unwrap().into()))).await;
    }
}

/// Reads owned events through [`futures_core::Stream`] until `record` breaks.
async fn read_owned<R, S>(stream: &mut Stream<R, S>, mut record: impl FnMut(S::Owned) -> ControlFlow<()>)
where
    R: AsyncRuntime,
    S: EventSource + Unpin,
    Stream<R, S>: Unpin,
{
    while let Some(event) = poll_fn(|cx| Pin::new(&mut *stream).poll_next(cx)).await {
        if record(event).is_break() {
            break;
        }
    }
}

/// Waits by the runtime's timer.
async fn sleep<R: AsyncRuntime>(length: Duration) {
    let (reactor, mut timer) = (R::default(), None);
    reactor.set_timer(&mut timer, reactor.now() + length);
    let mut timer = timer.unwrap();
    poll_fn(move |cx| reactor.poll_timer(&mut timer, cx)).await;
}

/// Waits for the first of two futures; `None` if that is `limit`. Drops `future` either way.
async fn before<L: Future + Unpin, F: Future>(limit: &mut L, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    poll_fn(|cx| match Pin::new(&mut *limit).poll(cx) {
        Poll::Ready(_) => Poll::Ready(None),
        Poll::Pending => future.as_mut().poll(cx).map(Some),
    })
    .await
}

/// Streams can move between threads and need no pinning.
pub fn streams_are_send_and_unpin<H: Host>() {
    fn check<T: Send + Unpin + 'static>() {}
    check::<Stream<H::Runtime>>();
    check::<MergedStream<H::Runtime>>();
}

/// The scripts, when the future of each event is dropped after every poll.
pub fn scripts_with_futures_dropped_at_every_await<H: Host>() {
    scripts::check_all(&|mut case| {
        let mut stream = open_stream::<H>(&case.config, case.ca_pem.as_deref());
        H::block_on(read_dropping_futures(&mut stream, |event| case.recorder.record(event)));
        case.recorder
    });
}

/// The scripts, read in a task as a [`futures_core::Stream`].
pub fn scripts_in_a_task_as_a_stream_of_owned_events<H: Host>() {
    scripts::check_all(&|case| {
        let mut stream = open_stream::<H>(&case.config, case.ca_pem.as_deref());
        let mut recorder = case.recorder;
        H::block_on(H::spawn(async move {
            read_owned(&mut stream, |event| recorder.record(event)).await;
            recorder
        }))
    });
}

/// The scripts, when the stream races with a timer and moves to another task each time the timer
/// wins.
pub fn scripts_in_a_race_and_from_task_to_task<H: Host>() {
    scripts::check_all(&|case| {
        let mut stream = open_stream::<H>(&case.config, case.ca_pem.as_deref());
        let mut recorder = case.recorder;
        H::block_on(async move {
            let mut is_complete = false;
            while !is_complete {
                (stream, recorder, is_complete) = H::spawn(async move {
                    let mut pause = Box::pin(sleep::<H::Runtime>(Duration::from_millis(3)));
                    let mut is_complete = false;
                    while !is_complete {
                        let next = async { OwnedEvent::from(stream.next().await.unwrap()) };
                        let Some(event) = before(&mut pause, next).await else { break };
                        is_complete = recorder.record(event).is_break();
                    }
                    (stream, recorder, is_complete)
                })
                .await;
            }
            recorder
        })
    });
}

/// The timeouts, with each stream read in a task.
pub fn timeouts<H: Host>() {
    timeouts::check(&|job| {
        let mut stream = open_stream::<H>(&job.config, job.ca_pem.as_deref());
        let shutdown = stream.shutdown_handle();
        let thread = std::thread::spawn(|| {
            H::block_on(H::spawn(async move {
                while let Some(event) = stream.next().await {
                    if job.events.send((Instant::now(), event.into())).is_err() {
                        break;
                    }
                }
            }));
        });
        timeouts::ReadHandle::new(shutdown, thread)
    });
}

/// Every loss is reported on the thread that waits for the runtime.
pub fn reports_every_loss<H: Host>() {
    no_silent_loss::check(&|case| H::block_on(case.read(H::Runtime::default(), &ShutdownHandle::new())));
}

/// Every loss is reported in a task.
pub fn reports_every_loss_in_a_task<H: Host>() {
    no_silent_loss::check(&|case| {
        H::block_on(H::spawn(async { case.read(H::Runtime::default(), &ShutdownHandle::new()).await }))
    });
}

/// Every loss is reported by two merged connections.
pub fn reports_every_loss_of_merged_connections<H: Host>() {
    no_silent_loss::check_merged(&|case| H::block_on(case.read(H::Runtime::default, &ShutdownHandle::new())));
}

/// Nothing is lost outside a gap when the path or the reader is late, or the clock is wrong.
pub fn late_loses_nothing_outside_a_gap<H: Host>() {
    late::check(Transport::Plain, &|case| {
        H::block_on(case.read(H::Runtime::default(), &ShutdownHandle::new()))
    });
}

/// The same over TLS.
pub fn late_loses_nothing_outside_a_gap_over_tls<H: Host>() {
    late::check(Transport::Tls, &|case| {
        H::block_on(case.read(H::Runtime::default(), &ShutdownHandle::new()))
    });
}

/// The same of merged connections whose datacenters lag, of each and of the whole.
pub fn late_loses_nothing_outside_a_gap_of_merged_connections<H: Host>() {
    late::check_merged(&|case| H::block_on(case.read(H::Runtime::default, &ShutdownHandle::new())));
}

/// A process that is stopped and continued loses nothing outside a gap.
#[cfg(unix)]
pub fn late_loses_nothing_outside_a_gap_in_a_stopped_process<H: Host>() {
    crate::stopped::check(&|case| H::block_on(case.read(H::Runtime::default(), &ShutdownHandle::new())));
}

/// Merged connections, when the future of each event is dropped after every poll.
pub fn merged_with_futures_dropped_at_every_await<H: Host>() {
    merged::check(&|mut case| {
        let mut stream = open_merged::<H>(&case.config);
        H::block_on(read_dropping_futures(&mut stream, |event| case.recorder.record(event)));
        case.recorder
    });
}

/// Merged connections, read in a task as a [`futures_core::Stream`].
pub fn merged_in_a_task_as_a_stream_of_owned_events<H: Host>() {
    merged::check(&|case| {
        let mut stream = open_merged::<H>(&case.config);
        let mut recorder = case.recorder;
        H::block_on(H::spawn(async move {
            read_owned(&mut stream, |event| recorder.record(event)).await;
            let wins: u64 = stream.merge().connections().iter().map(|record| record.first_arrivals()).sum();
            assert_ne!(wins, 0);
            recorder
        }))
    });
}

/// A merged stream needs a connection.
pub fn rejects_a_merged_stream_without_connections<H: Host>() {
    merged::check_no_connections::<H::Runtime>();
}

/// A shutdown ends all connections of a merged stream.
pub fn shutdown_ends_all_merged_connections<H: Host>() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let base_url = format!("http://{}", listener.local_addr().unwrap());
    let config = Config::builder().base_url(base_url).build().unwrap();
    let mut stream = open_merged::<H>(&Connections::copies(3, &config));
    let shutdown = stream.shutdown_handle();
    let reading = std::thread::spawn(move || {
        H::block_on(async { assert!(stream.next().await.is_none()) });
        stream
    });
    let sockets = [(); 3].map(|()| listener.accept().unwrap());
    shutdown.shutdown();
    let stream = reading.join().unwrap();
    assert_eq!(stream.merge().connections().len(), 3);
    drop(sockets);
}

/// The scripts in which no keep-alive is left out because another event waits in the queue.
const QUEUE_SCRIPTS: [&str; 11] = [
    "steady",
    "split",
    "arrays",
    "oversized",
    "stall",
    "reset",
    "bad-chunk",
    "clean-end",
    "rate-limited",
    "unavailable",
    "accept-close",
];

fn bounded(messages_max: usize, overflow: Overflow) -> QueueConfig {
    let mut config = QueueConfig::default();
    config.messages_max = messages_max;
    config.overflow = overflow;
    config
}

/// A server that sends 20,000 Posts per second, and a configuration for it.
fn flood() -> (Simulator, Config) {
    let mut config = powerstream_simulator::Config::default();
    config.rate = Some(20_000.0);
    let simulator = Simulator::start(config).unwrap();
    let config = Config::builder().base_url(simulator.base_url()).token(Token::new("any").unwrap());
    (simulator, config.build().unwrap())
}

/// The scripts, read through a queue that waits while it is full.
pub fn queue_that_waits_changes_nothing<H: Host>() {
    scripts::check_some(&QUEUE_SCRIPTS, Transport::Tls, &|mut case| {
        let stream = open_stream::<H>(&case.config, case.ca_pem.as_deref());
        H::block_on(async {
            let (mut receiver, reading) = stream.queued(bounded(3, Overflow::Wait)).unwrap();
            loop {
                let Some(Delivery::Event(event)) = receiver.recv().await else {
                    panic!("a loss, or the end")
                };
                if case.recorder.record(event).is_break() {
                    break;
                }
            }
            // The task ends with the receiver and returns the stream.
            drop(receiver);
            assert!(!H::join(reading).await.session().is_streaming());
        });
        case.recorder
    });
}

/// A consumer that sleeps does not stop the reader, and the queue counts what it drops.
pub fn queue_counts_what_it_drops_while_the_consumer_sleeps<H: Host>() {
    let (_simulator, config) = flood();
    H::block_on(async {
        let stream = open_stream::<H>(&config, None);
        let shutdown = stream.shutdown_handle();
        let (mut receiver, reading) = stream.queued(bounded(50, Overflow::DropOldest)).unwrap();
        assert!(matches!(receiver.recv().await, Some(Delivery::Event(OwnedEvent::Connected(_)))));
        while receiver.stats().dropped.messages < 500 {
            sleep::<H::Runtime>(Duration::from_millis(1)).await;
        }
        assert!(receiver.stats().messages <= 50);
        shutdown.shutdown();
        H::join(reading).await;
        let sent = receiver.stats();
        let (mut delivered, mut dropped) = (0, 0);
        while let Some(delivery) = receiver.recv().await {
            match delivery {
                Delivery::Event(OwnedEvent::Message(_)) => delivered += 1,
                Delivery::Event(event) => panic!("{event:?}"),
                Delivery::Dropped(loss) => dropped += loss.messages,
            }
        }
        assert_eq!((delivered + dropped, dropped), (sent.sent, sent.dropped.messages));
        assert_eq!((delivered, sent.messages_high), (50, 50));
    });
}

/// A server that sends the same Posts again after a reset, and a queue that delivers each once.
pub fn queue_delivers_each_post_once_after_a_reconnect<H: Host>() {
    let (_simulator, config, posts) = repeating();
    H::block_on(async {
        let (mut receiver, reading) = open_stream::<H>(&config, None).queued(QueueConfig::default()).unwrap();
        let mut received = Vec::new();
        while received.len() < posts {
            match receiver.recv().await {
                Some(Delivery::Event(OwnedEvent::Message(message))) => received.extend(message.id()),
                Some(_) => {}
                None => panic!("the stream ended after {} Posts", received.len()),
            }
        }
        drop(receiver);
        check_once(received, H::join(reading).await.duplicates());
    });
}

/// A queue delivers all messages of a server that uses every legal delimiter and end of stream.
pub fn queue_delivers_messages_with_every_delimiter_and_end<H: Host>() {
    let config = uneven();
    H::block_on(async {
        let (mut receiver, reading) = open_stream::<H>(&config, None).queued(QueueConfig::default()).unwrap();
        let mut delivered = Delivered::default();
        loop {
            match receiver.recv().await {
                Some(Delivery::Event(event)) if delivered.is_complete(&event) => break,
                Some(_) => {}
                None => panic!("the stream ended: {delivered:?}"),
            }
        }
        drop(receiver);
        H::join(reading).await;
    });
}

/// A queue also works for a merged stream.
pub fn queue_of_a_merged_stream<H: Host>() {
    let (_simulator, config) = flood();
    H::block_on(async {
        let stream = open_merged::<H>(&Connections::copies(2, &config));
        let (mut receiver, reading) = stream.queued(QueueConfig::default()).unwrap();
        for _ in 0..500 {
            assert!(matches!(receiver.recv().await, Some(Delivery::Event(_))));
        }
        drop(receiver);
        let stream = H::join(reading).await;
        let wins: u64 = stream.merge().connections().iter().map(|record| record.first_arrivals()).sum();
        assert!(wins > 400, "{wins}");
    });
}

const ADDED: Answer = Answer::Bytes(
    "HTTP/1.1 201 Created\r\ncontent-length: 50\r\n\r\n{\"data\":{\"rules\":[{\"id\":\"7\",\"value\":\"gull\"}]}}    ",
);
const LISTED: Answer = Answer::Bytes(
    "HTTP/1.1 200 OK\r\ncontent-length: 48\r\n\r\n{\"data\":{\"rules\":[{\"id\":\"7\",\"value\":\"gull\"}]}}  ",
);

/// A task adds and lists rules.
pub fn rules_are_added_and_listed_by_a_task<H: Host>() {
    let (url, requests) = rules::serve(vec![ADDED, LISTED]);
    let mut rules = rules::open::<H::Runtime>(&url);
    H::block_on(H::spawn(async move {
        let added = rules.add(&[NewRule::new("gull")]).await.unwrap();
        assert!(matches!(&added.fates[..], [AddFate::Created(rule)] if rule.id.as_deref() == Some("7")));
        let listed = rules.list().await.unwrap();
        assert_eq!((listed.len(), listed[0].value.as_str()), (1, "gull"));
    }));
    assert!(requests.recv().unwrap().ends_with("\r\n\r\n{\"rules\":[{\"value\":\"gull\"}]}"));
    assert!(requests.recv().unwrap().starts_with("GET /2/powerstream/rules HTTP/1.1\r\n"));
}

/// A call that is dropped does not disturb the next one.
pub fn a_dropped_rule_call_does_not_disturb_the_next<H: Host>() {
    let (url, requests) = rules::serve(vec![Answer::Silence, LISTED]);
    let mut rules = rules::open::<H::Runtime>(&url);
    H::block_on(async {
        let mut limit = Box::pin(sleep::<H::Runtime>(Duration::from_millis(50)));
        assert!(before(&mut limit, rules.list()).await.is_none());
        // The next call closes the first connection. Until then the server does not accept another.
        assert_eq!(rules.list().await.unwrap().len(), 1);
        assert_eq!(requests.iter().count(), 2);
    });
}

/// Only Powerstream and Filtered Stream have rules.
pub fn only_two_streams_have_rules<H: Host>() {
    rules::check_no_rules::<H::Runtime>();
}

/// Makes a module with one program for the async runtime's crate `$runtime`. Only the `use` names
/// the runtime, so that the tests of two runtimes prove that a program moves between them by
/// changing it.
#[macro_export]
macro_rules! portable_program {
    ($runtime:ident) => {
        mod portable_program {
            use $runtime::{
                Client, Config, Connections, Delivery, MergedEvent, MergedStream, OpenError, Overflow,
                OwnedEvent, QueueConfig, Receiver, RuleClient, SessionEvent, ShutdownHandle, Stream, Token,
            };

            fn open(base_url: &str) -> Result<(Client, Config), Box<dyn std::error::Error>> {
                let config = Config::builder().base_url(base_url).token(Token::new("any")?).build()?;
                Ok((Client::new(config.clone()), config))
            }

            async fn read(stream: &mut Stream, posts: usize) -> usize {
                let mut count = 0;
                while count < posts {
                    match stream.next().await {
                        Some(SessionEvent::Message(message)) => count += usize::from(message.id().is_some()),
                        Some(_) => {}
                        None => break,
                    }
                }
                count
            }

            async fn read_merged(stream: &mut MergedStream, posts: usize) -> usize {
                let mut count = 0;
                while count < posts {
                    match stream.next().await {
                        Some(MergedEvent::Session { event: SessionEvent::Message(message), .. }) => {
                            count += usize::from(message.id().is_some());
                        }
                        Some(_) => {}
                        None => break,
                    }
                }
                count
            }

            async fn receive(receiver: &mut Receiver<OwnedEvent>, posts: usize) -> usize {
                let mut count = 0;
                while count < posts {
                    match receiver.recv().await {
                        Some(Delivery::Event(OwnedEvent::Message(message))) => {
                            count += usize::from(message.id().is_some());
                        }
                        Some(_) => {}
                        None => break,
                    }
                }
                count
            }

            /// Reads a stream, a merged stream and a queue, and lists rules: all with the same
            /// names on each runtime.
            pub(crate) async fn run(base_url: &str) -> Result<[usize; 4], Box<dyn std::error::Error>> {
                let (client, config) = open(base_url)?;
                let mut stream = client.stream()?;
                let shutdown: ShutdownHandle = stream.shutdown_handle();
                let one = read(&mut stream, 20).await;
                shutdown.shutdown();
                let merged = read_merged(&mut client.merged(&Connections::copies(2, &config))?, 20).await;
                let mut bounds = QueueConfig::default();
                bounds.overflow = Overflow::DropOldest;
                let (mut receiver, _reading) = client.stream()?.queued(bounds)?;
                let queued = receive(&mut receiver, 20).await;
                let rules: Result<RuleClient, OpenError> = client.rules();
                Ok([one, merged, queued, rules?.list().await?.len()])
            }
        }
    };
}

/// Checks the result of a [`portable_program!`](crate::portable_program), run by `run` with a
/// server's URL.
///
/// # Panics
/// If it did not read what it should.
pub fn check_portable_program(run: impl FnOnce(&str) -> Result<[usize; 4], Box<dyn std::error::Error>>) {
    let simulator = Simulator::start(powerstream_simulator::Config::default()).unwrap();
    assert_eq!(run(&simulator.base_url()).unwrap(), [20, 20, 20, 0]);
}

/// A stream that is continued by another process, with backfill and recovery.
pub fn recovers_what_was_missed_between_processes<H: Host>() {
    recovery::check(&|connections, record| {
        let mut stream = open_merged::<H>(connections);
        H::block_on(read_owned(&mut stream, record));
        stream.position()
    });
}
