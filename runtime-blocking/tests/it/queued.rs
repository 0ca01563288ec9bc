//! A thread that reads into a queue: order, limits, losses and the end.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::task::Poll;
use std::time::{Duration, Instant};

use powerstream_blocking::client::merged::OwnedMergedEvent;
use powerstream_blocking::client::owned::OwnedEvent;
use powerstream_blocking::client::queue::{Delivery, Overflow, QueueConfig, QueueStats, Receiver};
use powerstream_blocking::{
    Blocking, Client, Connections, OpenError, PinError, ShutdownHandle, Stream, Task,
};

use crate::support::*;

in_each_read_mode! {
    delivers_in_order_and_after_a_shutdown_what_was_queued,
    loses_nothing_while_it_waits_for_room,
    reports_and_counts_losses_in_their_place,
    ends_when_full_and_reports_what_it_dropped,
    shutdown_ends_the_reader_in_every_state,
    a_dropped_receiver_closes_the_connection,
}

fn bounded(messages: usize, overflow: Overflow) -> QueueConfig {
    let mut config = QueueConfig::default();
    config.messages_max = messages;
    config.overflow = overflow;
    config
}

/// A stream that a thread reads, and the queue of its events.
struct Queued {
    receiver: Receiver<OwnedEvent>,
    shutdown: ShutdownHandle,
    task: Task<Stream>,
}

impl Queued {
    fn new(stream: Stream, config: QueueConfig) -> Self {
        let shutdown = stream.shutdown_handle();
        let (receiver, task) = stream.queued(config).unwrap();
        Self { receiver, shutdown, task }
    }

    fn recv(&mut self) -> Option<Delivery<OwnedEvent>> {
        self.receiver.recv_blocking()
    }

    fn deliveries(&mut self) -> impl Iterator<Item = Delivery<OwnedEvent>> {
        std::iter::from_fn(|| self.recv())
    }

    /// Ends the reading and waits for the thread.
    fn finish(self) -> (Stream, QueueStats) {
        self.shutdown.shutdown();
        (self.task.join(), self.receiver.stats())
    }
}

fn start(mode: ReadMode, serving: fn(TcpStream), bounds: QueueConfig) -> Queued {
    let url = format!("http://{}", serve(vec![serving]));
    Queued::new(mode.stream(&config(&url)), bounds)
}

/// Sends a thousand Posts and keeps the connection open.
fn thousand(socket: TcpStream) {
    send(&socket, HEAD);
    (0..1_000).for_each(|id| send(&socket, chunk(&post(id))));
    hang(socket);
}

fn id(event: &OwnedEvent) -> Option<u64> {
    match event {
        OwnedEvent::Message(message) => message.id().map(|id| id.as_u64()),
        _ => None,
    }
}

/// Waits until this many messages were put into the queue.
fn wait_for(queued: &Queued, sent: u64) {
    let start = Instant::now();
    while queued.receiver.stats().sent < sent {
        assert!(start.elapsed() < Duration::from_secs(10), "{:?}", queued.receiver.stats());
        std::thread::sleep(millis(1));
    }
}

fn delivers_in_order_and_after_a_shutdown_what_was_queued(mode: ReadMode) {
    let mut queued = start(mode, thousand, QueueConfig::default());
    wait_for(&queued, 1_000);
    queued.shutdown.shutdown();
    assert!(
        matches!(queued.recv(), Some(Delivery::Event(OwnedEvent::Connected(connected))) if connected.head.status == 200)
    );
    let ids = queued.deliveries().map(|delivery| match delivery {
        Delivery::Event(event) => id(&event).unwrap(),
        dropped => panic!("{dropped:?}"),
    });
    assert!(ids.eq(0..1_000));
    assert!(queued.recv().is_none() && matches!(queued.receiver.try_recv(), Poll::Ready(None)));
    let (stream, stats) = queued.finish();
    assert_eq!((stats.sent, stats.delivered, stats.dropped.messages, stats.messages), (1_000, 1_000, 0, 0));
    assert!(!stream.session().is_streaming());
}

fn loses_nothing_while_it_waits_for_room(mode: ReadMode) {
    let mut queued = start(
        mode,
        |socket| {
            send(&socket, HEAD);
            // More than the sockets' buffers hold.
            (0..20_000).for_each(|id| send(&socket, chunk(&post(id))));
            hang(socket);
        },
        bounded(10, Overflow::Wait),
    );
    std::thread::sleep(millis(200));
    let stats = queued.receiver.stats();
    assert_eq!((stats.messages, stats.sent), (10, 10), "it has stopped reading");
    let mut next = 0;
    while next < 20_000 {
        match queued.receiver.recv_timeout(Duration::from_secs(10)).unwrap().unwrap() {
            Delivery::Event(event) => {
                if let Some(id) = id(&event) {
                    assert_eq!(id, next);
                    next += 1;
                }
            }
            dropped => panic!("{dropped:?}"),
        }
    }
    assert_eq!((queued.receiver.stats().messages_high, queued.receiver.stats().dropped.messages), (10, 0));
}

fn reports_and_counts_losses_in_their_place(mode: ReadMode) {
    for (overflow, kept) in [(Overflow::DropOldest, 980..1_000), (Overflow::DropNewest, 0..20)] {
        let mut queued = start(mode, thousand, bounded(20, overflow));
        wait_for(&queued, 1_000);
        queued.shutdown.shutdown();
        let mut losses = Vec::new();
        let mut ids = Vec::new();
        for delivery in queued.deliveries() {
            match delivery {
                Delivery::Event(event) => ids.extend(id(&event)),
                Delivery::Dropped(loss) => losses.push((ids.len(), loss.messages)),
            }
        }
        assert!(ids.into_iter().eq(kept), "{overflow:?}");
        let place = if overflow == Overflow::DropOldest { 0 } else { 20 };
        assert_eq!(losses, [(place, 980)], "{overflow:?}");
        let (_, stats) = queued.finish();
        assert_eq!((stats.sent, stats.delivered, stats.dropped.messages), (1_000, 20, 980));
    }
}

fn ends_when_full_and_reports_what_it_dropped(mode: ReadMode) {
    let mut queued = start(mode, thousand, bounded(20, Overflow::End));
    let (mut ids, mut dropped) = (Vec::new(), 0);
    // It ends without a shutdown.
    std::thread::sleep(millis(100));
    for delivery in queued.deliveries() {
        match delivery {
            Delivery::Event(event) => ids.extend(id(&event)),
            Delivery::Dropped(loss) => dropped += loss.messages,
        }
    }
    assert!(ids.into_iter().eq(0..20) && dropped > 0, "{dropped}");
}

fn shutdown_ends_the_reader_in_every_state(mode: ReadMode) {
    // While streaming, waiting for room, and waiting for a head.
    let flood: fn(TcpStream) = |socket| {
        send(&socket, HEAD);
        let lines = chunk(&post(1)).repeat(100);
        while (&socket).write_all(&lines).is_ok() {}
    };
    for (serving, bounds) in [
        (flood, bounded(1_000, Overflow::DropOldest)),
        (flood, bounded(10, Overflow::Wait)),
        (hang, QueueConfig::default()),
    ] {
        let queued = start(mode, serving, bounds);
        std::thread::sleep(millis(100));
        let start = Instant::now();
        let (_, stats) = queued.finish();
        assert!(start.elapsed() < SOON, "{:?}", start.elapsed());
        assert_eq!(stats.sent, stats.delivered + stats.dropped.messages + stats.messages as u64, "{stats:?}");
    }
    // While backing off.
    let config = config(&format!("http://{}", unused_address()))
        .backoff(|backoff| backoff.network.first = Duration::from_secs(10));
    let mut queued = Queued::new(mode.stream(&config), QueueConfig::default());
    assert!(matches!(queued.recv(), Some(Delivery::Event(OwnedEvent::Disconnected(_)))));
    let start = Instant::now();
    let Queued { receiver, task, .. } = queued;
    drop(receiver);
    assert!(!task.join().session().is_streaming());
    assert!(start.elapsed() < SOON, "{:?}", start.elapsed());
}

fn a_dropped_receiver_closes_the_connection(mode: ReadMode) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let config = config(&format!("http://{}", listener.local_addr().unwrap()));
    let mut queued = Queued::new(mode.stream(&config), QueueConfig::default());
    let (mut socket, _) = listener.accept().unwrap();
    let _ = socket.read(&mut [0; 4_096]).unwrap();
    socket.write_all(HEAD.as_bytes()).unwrap();
    assert!(matches!(queued.recv(), Some(Delivery::Event(OwnedEvent::Connected(_)))));
    let handle = queued.shutdown.clone();
    drop(queued);
    socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    // The end of the connection. A timeout would be an error.
    assert_eq!(socket.read(&mut [0; 1]).unwrap(), 0);
    handle.shutdown();
}

#[test]
fn one_thread_reads_several_connections() {
    let base_url = format!("http://{}", serve_each(vec![thousand, thousand]));
    let config = config(&base_url).build().unwrap();
    let stream = Client::new(config.clone()).merged(&Connections::copies(2, &config)).unwrap();
    let (mut receiver, task) = stream.queued(QueueConfig::default()).unwrap();
    let mut ids = Vec::new();
    while ids.len() < 1_000 {
        if let Some(Delivery::Event(OwnedMergedEvent::Session { event, .. })) = receiver.recv_blocking() {
            ids.extend(id(&event));
        }
    }
    assert!(ids.into_iter().eq(0..1_000));
    drop(receiver);
    let stream = task.join();
    assert_eq!(stream.merge().connections().iter().map(|record| record.first_arrivals()).sum::<u64>(), 1_000);
}

#[test]
fn reports_a_missing_processor_before_it_reads() {
    let config = config("http://127.0.0.1:1").build().unwrap();
    let client = Client::new(config).with_runtime(Blocking::default().with_processor(1 << 20));
    let Err(OpenError::Io(error)) = client.stream().unwrap().queued(QueueConfig::default()) else {
        panic!("it was started")
    };
    let error = error.get_ref().unwrap().downcast_ref::<PinError>().unwrap();
    assert_eq!(error.processor, 1 << 20);
}
