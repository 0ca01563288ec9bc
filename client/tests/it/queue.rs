//! The queue between reader and consumer: limits, overflow policies, exact counts and positions of
//! losses, wake-ups, the pump.
#![allow(clippy::unwrap_used)]

use std::future::Future;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::Duration;

use futures_core::Stream as _;
use powerstream_client::merged::{MergedEvent, OwnedMergedEvent};
use powerstream_client::owned::OwnedEvent;
use powerstream_client::queue::{
    Cost, Delivery, EventSource, Loss, Overflow, QueueConfig, QueueCost, Receiver, SendOutcome, Sender,
    TimedOut, block_on, pump, queue,
};
use powerstream_client::recovery::RecoveryEvent;
use powerstream_client::shutdown::ShutdownHandle;
use powerstream_core::merge::ConnectionId;
use powerstream_core::session::SessionEvent;

use crate::support::random::Random;
use crate::support::{Act, Attempt, HEAD, Wire, World, advance, driven, line, merged, post, stream};

const POLICIES: [Overflow; 4] = [Overflow::Wait, Overflow::DropOldest, Overflow::DropNewest, Overflow::End];

/// The event that tests queue: a number, and its cost.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Item(u64, Cost);

impl QueueCost for Item {
    fn weight(&self) -> Cost {
        self.1
    }
}

fn message(number: u64, bytes: usize) -> Item {
    Item(number, Cost::Message(bytes))
}

fn event(number: u64) -> Item {
    Item(number, Cost::Event)
}

fn config(messages: usize, bytes: usize, events: usize, overflow: Overflow) -> QueueConfig {
    let mut config = QueueConfig::default();
    config.messages_max = messages;
    config.bytes_max = bytes;
    config.events_max = events;
    config.overflow = overflow;
    config
}

/// Sends without waiting.
fn send(sender: &mut Sender<Item>, item: Item) -> Poll<SendOutcome> {
    sender.poll_send(&mut Context::from_waker(Waker::noop()), item.1, || item)
}

/// A received item: the messages dropped and their bytes, or the number of an event.
#[derive(Debug, PartialEq)]
enum Got {
    Item(u64),
    Dropped(u64, u64),
    End,
    Nothing,
}

fn receive(receiver: &mut Receiver<Item>) -> Got {
    match receiver.try_recv() {
        Poll::Ready(Some(Delivery::Event(item))) => Got::Item(item.0),
        Poll::Ready(Some(Delivery::Dropped(loss))) => Got::Dropped(loss.messages, loss.bytes),
        Poll::Ready(None) => Got::End,
        Poll::Pending => Got::Nothing,
    }
}

fn drain(receiver: &mut Receiver<Item>) -> Vec<Got> {
    let mut all = Vec::new();
    loop {
        let got = receive(receiver);
        let is_last = matches!(got, Got::Nothing | Got::End);
        all.push(got);
        if is_last {
            return all;
        }
    }
}

#[test]
fn each_overflow_policy_keeps_and_drops_the_right_messages() {
    use Got::{Dropped, End, Item, Nothing};
    // Room for three messages. A connection event comes first and another between.
    let script =
        [event(0), message(1, 10), message(2, 20), event(3), message(4, 30), message(5, 40), message(6, 50)];
    let rows = [
        (Overflow::Wait, vec![Item(0), Item(1), Item(2), Item(3), Item(4), Nothing]),
        (Overflow::DropOldest, vec![Item(0), Dropped(2, 30), Item(3), Item(4), Item(5), Item(6), Nothing]),
        (Overflow::DropNewest, vec![Item(0), Item(1), Item(2), Item(3), Item(4), Dropped(2, 90), Nothing]),
        // The loss at the end is reported once, when it is final.
        (Overflow::End, vec![Item(0), Item(1), Item(2), Item(3), Item(4), Nothing]),
    ];
    for (overflow, wanted) in rows {
        let (mut sender, mut receiver) = queue(config(3, 1_000, 8, overflow));
        let sent: Vec<_> = script.iter().map(|item| send(&mut sender, *item)).collect();
        assert!(sent[..5].iter().all(|sent| *sent == Poll::Ready(SendOutcome::Queued)));
        let last = match overflow {
            Overflow::Wait => Poll::Pending,
            Overflow::DropOldest => Poll::Ready(SendOutcome::Queued),
            Overflow::DropNewest => Poll::Ready(SendOutcome::Dropped),
            _ => Poll::Ready(SendOutcome::Ended),
        };
        assert_eq!(sent[5..], [last, last], "{overflow:?}");
        assert_eq!(drain(&mut receiver), wanted, "{overflow:?}");
        let stats = receiver.stats();
        assert_eq!((stats, stats), (sender.stats(), sender.monitor().stats()));
        let sent = if overflow == Overflow::Wait { 3 } else { 5 };
        assert_eq!((stats.sent, stats.delivered, stats.messages_high), (sent, 3, 3), "{overflow:?}");
        assert_eq!(stats.delivered + stats.dropped.messages, stats.sent);
        drop(sender);
        let end = if overflow == Overflow::End { vec![Dropped(2, 90), End] } else { vec![End] };
        assert_eq!(drain(&mut receiver), end);
        assert_eq!(receive(&mut receiver), End, "and it stays so");
    }
}

#[test]
fn limits_bytes_and_passes_a_larger_message_alone() {
    let (mut sender, mut receiver) = queue(config(100, 100, 8, Overflow::Wait));
    // A message that exactly reaches the limit fits.
    for (item, sent) in [
        (message(1, 60), Poll::Ready(SendOutcome::Queued)),
        (message(2, 40), Poll::Ready(SendOutcome::Queued)),
        (message(3, 1), Poll::Pending),
        (message(4, 0), Poll::Ready(SendOutcome::Queued)),
        (message(5, 5_000), Poll::Pending),
    ] {
        assert_eq!(send(&mut sender, item), sent, "{item:?}");
    }
    assert_eq!((sender.stats().bytes, sender.stats().bytes_high), (100, 100));
    assert_eq!(drain(&mut receiver), [Got::Item(1), Got::Item(2), Got::Item(4), Got::Nothing]);
    assert_eq!(send(&mut sender, message(5, 5_000)), Poll::Ready(SendOutcome::Queued));
    assert_eq!(send(&mut sender, message(6, 1)), Poll::Pending);

    for (overflow, wanted) in [
        (Overflow::DropOldest, [Got::Dropped(2, 80), Got::Item(3), Got::Nothing]),
        (Overflow::DropNewest, [Got::Item(1), Got::Item(2), Got::Dropped(1, 5_000)]),
    ] {
        let (mut sender, mut receiver) = queue(config(100, 100, 8, overflow));
        for item in [message(1, 60), message(2, 20), message(3, 5_000)] {
            let _ = send(&mut sender, item);
        }
        assert_eq!(drain(&mut receiver)[..3], wanted, "{overflow:?}");
    }
}

#[test]
fn never_drops_connection_events_and_waits_for_room() {
    for overflow in POLICIES {
        let (mut sender, mut receiver) = queue(config(1, 100, 2, overflow));
        assert_eq!(send(&mut sender, message(0, 1)), Poll::Ready(SendOutcome::Queued));
        assert_eq!(send(&mut sender, event(1)), Poll::Ready(SendOutcome::Queued));
        assert_eq!(send(&mut sender, event(2)), Poll::Ready(SendOutcome::Queued));
        assert_eq!(send(&mut sender, event(3)), Poll::Pending);
        assert_eq!(receive(&mut receiver), Got::Item(0));
        assert_eq!(send(&mut sender, event(3)), Poll::Pending);
        assert_eq!(receive(&mut receiver), Got::Item(1));
        assert_eq!(send(&mut sender, event(3)), Poll::Ready(SendOutcome::Queued));
        assert_eq!(drain(&mut receiver), [Got::Item(2), Got::Item(3), Got::Nothing]);
    }
}

#[test]
fn queues_a_keep_alive_only_while_empty() {
    let keep_alive = |number| Item(number, Cost::KeepAlive);
    let (mut sender, mut receiver) = queue(config(1, 100, 2, Overflow::DropNewest));
    let sent = [keep_alive(0), keep_alive(1), event(2), keep_alive(3)].map(|item| send(&mut sender, item));
    let [queued, dropped] = [SendOutcome::Queued, SendOutcome::Dropped].map(Poll::Ready);
    assert_eq!(sent, [queued, dropped, queued, dropped]);
    assert_eq!(drain(&mut receiver), [Got::Item(0), Got::Item(2), Got::Nothing]);
    assert_eq!(receiver.stats().dropped, Loss::default());
}

#[test]
fn an_event_has_the_same_cost_in_every_form() {
    let world = Rc::new(World::default());
    let wire = Wire::new(&world, [stream([(5, post(1)), (6, String::new()), (7, post(2))]).reset(8)]);
    let mut driver = driven(wire, 1);
    let mut costs = Vec::new();
    while costs.len() < 5 {
        match driver.poll_next(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Some(event)) => {
                let merged = MergedEvent::Session { connection: ConnectionId::FIRST, event };
                let forms = [
                    event.weight(),
                    OwnedEvent::from(event).weight(),
                    merged.weight(),
                    OwnedMergedEvent::from(merged).weight(),
                ];
                assert_eq!(forms, [forms[0]; 4], "{event:?}");
                if let SessionEvent::Message(message) = event {
                    let recovered = MergedEvent::Recovery(RecoveryEvent::Message(message));
                    let forms = [recovered.weight(), OwnedMergedEvent::from(recovered).weight()];
                    assert_eq!(forms, [event.weight(); 2]);
                }
                costs.push(event.weight());
            }
            Poll::Ready(None) => panic!("it reconnects"),
            Poll::Pending => assert!(advance(&world, 1_000)),
        }
    }
    let message = Cost::Message(post(1).len());
    assert_eq!(costs, [Cost::Event, message, Cost::KeepAlive, message, Cost::Event]);
}

/// For any script and limits: events come out in order, and each loss is reported in its place.
#[test]
fn reports_losses_in_their_exact_place() {
    for seed in 0..3_000 {
        let mut random = Random(seed);
        let overflow = POLICIES[random.below(4)];
        let bounds = [1 + random.below(6), random.below(60), 1 + random.below(4)];
        let (mut sender, mut receiver) = queue(config(bounds[0], bounds[1], bounds[2], overflow));
        // The events that were queued or dropped by the sender, in order, and those received.
        let (mut sent, mut got) = (Vec::new(), Vec::new());
        let eager = 1 + random.below(5);
        for number in 0..120 {
            let item = match random.below(6) {
                0 => event(number),
                1 => Item(number, Cost::KeepAlive),
                _ => message(number, random.below(30)),
            };
            match send(&mut sender, item) {
                Poll::Ready(SendOutcome::Queued) => sent.push(item),
                Poll::Ready(_) if matches!(item.1, Cost::Message(_)) => sent.push(item),
                Poll::Ready(_) => {}
                Poll::Pending => assert!(overflow == Overflow::Wait || item.1 == Cost::Event),
            }
            let stats = sender.stats();
            assert!(stats.messages <= bounds[0] && stats.events <= bounds[2] + 1, "seed {seed}: {stats:?}");
            assert!(stats.bytes <= bounds[1] || stats.messages == 1, "seed {seed}: {stats:?}");
            assert_eq!(stats.sent, stats.delivered + stats.dropped.messages + stats.messages as u64);
            for _ in 0..random.below(eager) {
                got.push(receive(&mut receiver));
            }
        }
        drop(sender);
        got.extend(drain(&mut receiver));
        assert_eq!(got.pop(), Some(Got::End));

        let mut rest = sent.iter();
        let (mut total, mut loss) = ((0, 0), (0, 0));
        let lost_before = |until: Option<u64>, rest: &mut std::slice::Iter<'_, Item>| {
            let mut lost = (0, 0);
            for item in rest.by_ref() {
                match item.1 {
                    _ if Some(item.0) == until => break,
                    Cost::Message(bytes) => lost = (lost.0 + 1, lost.1 + bytes as u64),
                    _ => panic!("seed {seed}: {item:?} is lost"),
                }
            }
            lost
        };
        for got in &got {
            match got {
                Got::Item(number) => {
                    assert_eq!(lost_before(Some(*number), &mut rest), loss, "seed {seed}, before {number}");
                    loss = (0, 0);
                }
                Got::Dropped(messages, bytes) => {
                    loss = (loss.0 + messages, loss.1 + bytes);
                    total = (total.0 + messages, total.1 + bytes);
                }
                Got::Nothing => {}
                Got::End => panic!("seed {seed}: it goes on behind its end"),
            }
        }
        assert_eq!(lost_before(None, &mut rest), loss, "seed {seed}, at the end");
        let dropped = receiver.stats().dropped;
        assert_eq!((dropped.messages, dropped.bytes), total, "seed {seed}");
        if overflow == Overflow::Wait {
            assert_eq!(total, (0, 0));
        }
    }
}

#[derive(Default)]
struct Woken(AtomicUsize);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

fn task() -> (Arc<Woken>, Waker) {
    let woken = Arc::new(Woken::default());
    (Arc::clone(&woken), Waker::from(woken))
}

fn count(woken: &Woken) -> usize {
    woken.0.swap(0, Ordering::SeqCst)
}

#[test]
fn wakes_the_side_that_waits() {
    let (mut sender, mut receiver) = queue(config(4, 100, 2, Overflow::Wait));
    let ((woken, waker), (woken_sender, waker_sender)) = (task(), task());
    let mut cx = Context::from_waker(&waker);
    let mut cx_sender = Context::from_waker(&waker_sender);
    let mut offer = |sender: &mut Sender<Item>, item: Item| sender.poll_send(&mut cx_sender, item.1, || item);

    assert!(receiver.poll_recv(&mut cx).is_pending());
    for number in 0..4 {
        assert!(offer(&mut sender, message(number, 1)).is_ready());
    }
    // Only once, by the first event.
    assert_eq!(count(&woken), 1);
    assert!(offer(&mut sender, message(4, 1)).is_pending());
    // Not by each event taken, but once half of them are taken.
    let taken: Vec<_> = (0..4)
        .map(|_| {
            assert!(receiver.poll_recv(&mut cx).is_ready());
            count(&woken_sender)
        })
        .collect();
    assert_eq!(taken, [0, 1, 0, 0]);
    assert!(receiver.poll_recv(&mut cx).is_pending());
    drop(sender);
    assert_eq!(count(&woken), 1);
    assert_eq!(receiver.poll_recv(&mut cx), Poll::Ready(None));

    // In a long queue, after 64 events instead of half of them.
    let (mut sender, mut receiver) = queue(config(1_000, 1_000, 2, Overflow::Wait));
    for number in 0..1_000 {
        assert!(send(&mut sender, message(number, 1)).is_ready());
    }
    assert!(sender.poll_send(&mut cx_sender, Cost::Message(1), || message(1_000, 1)).is_pending());
    let woken_after = (1..=1_000).find(|_| {
        assert!(receiver.poll_recv(&mut cx).is_ready());
        count(&woken_sender) > 0
    });
    assert_eq!(woken_after, Some(64));

    // When either side is dropped, the other wakes from any wait.
    let (mut sender, mut receiver) = queue::<Item>(config(1, 100, 2, Overflow::Wait));
    let mut cx_sender = Context::from_waker(&waker_sender);
    assert!(sender.poll_ended(&mut cx_sender).is_pending());
    receiver.close();
    assert_eq!(count(&woken_sender), 1);
    assert!(sender.poll_ended(&mut cx_sender).is_ready());
    let (mut sender, receiver) = queue(config(1, 100, 2, Overflow::Wait));
    assert!(send(&mut sender, message(0, 1)).is_ready());
    assert!(sender.poll_send(&mut cx_sender, Cost::Message(1), || message(1, 1)).is_pending());
    drop(receiver);
    assert_eq!(count(&woken_sender), 1);

    // The receiver is woken once the event is there, not before.
    let (mut sender, mut receiver) = queue(config(4, 100, 2, Overflow::Wait));
    assert!(receiver.poll_recv(&mut cx).is_pending());
    let make = || {
        assert_eq!(count(&woken), 0);
        message(0, 1)
    };
    assert!(sender.poll_send(&mut cx_sender, Cost::Message(1), make).is_ready());
    assert_eq!(count(&woken), 1);

    // A closed receiver is woken by a loss.
    assert_eq!(receive(&mut receiver), Got::Item(0));
    receiver.close();
    assert!(receiver.poll_recv(&mut cx).is_pending());
    assert_eq!(send(&mut sender, message(1, 2)), Poll::Ready(SendOutcome::Ended));
    assert_eq!((count(&woken), receive(&mut receiver)), (1, Got::Dropped(1, 2)));

    // A loss at the end of an empty queue also wakes the receiver.
    let (mut sender, mut receiver) = queue(config(1, 10, 2, Overflow::DropNewest));
    assert!(send(&mut sender, message(0, 1)).is_ready());
    assert!(send(&mut sender, message(1, 1)).is_ready());
    assert_eq!(receive(&mut receiver), Got::Item(0));
    assert_eq!(receive(&mut receiver), Got::Dropped(1, 1));
    assert_eq!(receive(&mut receiver), Got::Nothing);
}

#[test]
fn ended_waits_drop_messages_and_still_take_events() {
    let (mut sender, mut receiver) = queue(config(1, 100, 1, Overflow::Wait));
    let monitor = sender.monitor();
    assert!(send(&mut sender, message(0, 1)).is_ready() && send(&mut sender, event(1)).is_ready());
    assert!(send(&mut sender, message(2, 1)).is_pending() && send(&mut sender, event(3)).is_pending());
    sender.end_waits();
    assert_eq!(send(&mut sender, message(2, 1)), Poll::Ready(SendOutcome::Dropped));
    assert_eq!(send(&mut sender, event(3)), Poll::Ready(SendOutcome::Queued));
    drop(sender);
    let got = [Got::Item(0), Got::Item(1), Got::Dropped(1, 1), Got::Item(3), Got::End];
    assert_eq!([(); 5].map(|()| receive(&mut receiver)), got);
    drop(receiver);
    assert_eq!(
        (monitor.stats().sent, monitor.stats().delivered, monitor.stats().dropped.messages),
        (2, 1, 1)
    );
}

#[test]
fn counts_the_messages_that_a_dropped_receiver_leaves() {
    for close in [false, true] {
        let (mut sender, mut receiver) = queue(config(10, 100, 8, Overflow::Wait));
        for item in [event(0), message(1, 10), message(2, 20), message(3, 30)] {
            assert_eq!(send(&mut sender, item), Poll::Ready(SendOutcome::Queued));
        }
        assert_eq!([receive(&mut receiver), receive(&mut receiver)], [Got::Item(0), Got::Item(1)]);
        if close {
            receiver.close();
            assert_eq!(send(&mut sender, message(4, 40)), Poll::Ready(SendOutcome::Ended));
            assert_eq!(send(&mut sender, event(5)), Poll::Ready(SendOutcome::Ended));
            let left = [Got::Item(2), Got::Item(3), Got::Dropped(1, 40), Got::Nothing];
            assert_eq!(drain(&mut receiver), left);
        }
        drop(receiver);
        assert_eq!(send(&mut sender, message(6, 5)), Poll::Ready(SendOutcome::Ended));
        let stats = sender.stats();
        assert_eq!((stats.messages, stats.bytes, stats.events), (0, 0, 0));
        assert_eq!(stats.sent, stats.delivered + stats.dropped.messages);
        let (messages, bytes) = if close { (2, 45) } else { (3, 55) };
        assert_eq!((stats.dropped.messages, stats.dropped.bytes), (messages, bytes));
    }
}

/// Runs threads and tasks on either end, with little room. Everything arrives in order.
#[test]
fn blocking_and_async_ends_work_with_each_other() {
    const MESSAGES: u64 = 20_000;
    for (blocking_sender, receiver_kind) in (0..8).map(|kind| (kind % 2 == 0, kind / 2)) {
        let (mut sender, mut receiver) = queue(config(3, 1_000, 2, Overflow::Wait));
        let reader = thread::spawn(move || {
            if blocking_sender {
                for number in 0..MESSAGES {
                    assert_eq!(sender.send_blocking(message(number, 1)), SendOutcome::Queued);
                }
            } else {
                block_on(async {
                    for number in 0..MESSAGES {
                        assert_eq!(sender.send(message(number, 1)).await, SendOutcome::Queued);
                    }
                });
            }
        });
        for number in 0..=MESSAGES {
            let got = match receiver_kind {
                0 => receiver.recv_blocking(),
                1 => block_on(receiver.recv()),
                2 => receiver.recv_timeout(Duration::MAX).unwrap(),
                _ => block_on(std::future::poll_fn(|cx| Pin::new(&mut receiver).poll_next(cx))),
            };
            assert_eq!(got, (number < MESSAGES).then_some(Delivery::Event(message(number, 1))));
        }
        reader.join().unwrap();
    }
}

#[test]
fn recv_timeout_ends_at_its_timeout() {
    let (mut sender, mut receiver) = queue(config(3, 1_000, 2, Overflow::Wait));
    assert_eq!(receiver.recv_timeout(Duration::ZERO), Err(TimedOut));
    assert_eq!(receiver.recv_timeout(Duration::from_micros(10)), Err(TimedOut));
    assert!(send(&mut sender, event(1)).is_ready());
    assert_eq!(receiver.recv_timeout(Duration::ZERO), Ok(Some(Delivery::Event(event(1)))));
    drop(sender);
    assert_eq!(receiver.recv_timeout(Duration::ZERO), Ok(None));
}

/// Polls a future by hand. The clock advances when the future waits.
fn run<F: Future>(mut future: Pin<&mut F>, world: &World, limit: u64) -> Option<F::Output> {
    loop {
        match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(output) => return Some(output),
            Poll::Pending if advance(world, limit) => {}
            Poll::Pending => return None,
        }
    }
}

fn posts(receiver: &mut Receiver<OwnedEvent>) -> (Vec<u64>, Vec<Loss>) {
    let (mut posts, mut losses) = (Vec::new(), Vec::new());
    while let Poll::Ready(Some(delivery)) = receiver.try_recv() {
        match delivery {
            Delivery::Event(OwnedEvent::Message(message)) => {
                assert_eq!(message.bytes, post(message.id().unwrap().as_u64()).as_bytes());
                posts.push(message.id().unwrap().as_u64());
            }
            Delivery::Event(_) => {}
            Delivery::Dropped(loss) => losses.push(loss),
        }
    }
    (posts, losses)
}

fn sends(ids: impl IntoIterator<Item = u64>) -> Attempt {
    stream(ids.into_iter().map(|id| (10 * id, post(id))))
}

#[test]
fn reads_up_to_the_limit_while_the_consumer_sleeps() {
    for overflow in POLICIES {
        let world = Rc::new(World::default());
        let wire = Wire::new(&world, [sends(1..=1_000)]);
        let fed = Rc::clone(&wire.fed);
        let (sender, mut receiver) = queue(config(100, 1_000_000, 16, overflow));
        let mut pump = pin!(pump(driven(wire, 1), sender, ShutdownHandle::new().listen()));
        assert_eq!(run(pump.as_mut(), &world, 10_100).is_some(), overflow == Overflow::End);
        let stats = receiver.stats();
        assert_eq!((stats.messages, stats.messages_high), (100, 100));
        let (seen, losses) = posts(&mut receiver);
        let bytes = |from: u64, to: u64| (from..=to).map(|id| post(id).len() as u64).sum::<u64>();
        let reported = losses.iter().map(|loss| (loss.messages, loss.bytes)).collect::<Vec<_>>();
        match overflow {
            Overflow::Wait => {
                assert_eq!((seen, reported), ((1..=100).collect(), vec![]));
                // It reads one more message, and then stops.
                assert!(fed.get() < HEAD.len() + 102 * line(&post(1_000)).len());
                // The rest of the server's bytes is read once there is room, in two steps.
                let mut all = Vec::new();
                while all.len() < 900 {
                    assert!(run(pump.as_mut(), &world, 10_100).is_none());
                    all.extend(posts(&mut receiver).0);
                }
                assert_eq!(all, (101..=1_000).collect::<Vec<_>>());
                assert_eq!(receiver.stats().dropped, Loss::default());
            }
            Overflow::DropOldest => {
                assert_eq!((seen, reported), ((901..=1_000).collect(), vec![(900, bytes(1, 900))]));
            }
            Overflow::DropNewest => {
                assert_eq!((seen, reported), ((1..=100).collect(), vec![(900, bytes(101, 1_000))]));
            }
            _ => {
                assert_eq!((seen, reported), ((1..=100).collect(), vec![(1, bytes(101, 101))]));
                assert!(matches!(receiver.try_recv(), Poll::Ready(None)));
            }
        }
        let stats = receiver.stats();
        assert_eq!(stats.sent, stats.delivered + stats.dropped.messages);
    }
}

#[test]
fn shutdown_ends_a_pump_in_every_state() {
    // While the pump reads, and while it waits for room with messages in the read buffer.
    for (messages, receiver_gone) in [(100, false), (2, false), (2, true)] {
        let world = Rc::new(World::default());
        let wire = Wire::new(&world, [stream((1..=5).map(|id| (10, post(id))))]);
        let shutdown = ShutdownHandle::new();
        let (sender, receiver) = queue(config(messages, 1_000_000, 16, Overflow::Wait));
        let mut receiver = Some(receiver);
        let (woken, waker) = task();
        let mut pump = pin!(pump(driven(wire, 1), sender, shutdown.listen()));
        assert!(run(pump.as_mut(), &world, 20).is_none());
        assert!(pump.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        count(&woken);
        if receiver_gone {
            receiver = None;
            assert_eq!(count(&woken), 1);
        } else {
            shutdown.shutdown();
            // While the pump reads, the transport is woken. The script does so here.
            world.stopped.set(true);
            assert!(messages == 100 || count(&woken) == 1);
        }
        assert!(run(pump.as_mut(), &world, 20).is_some());
        if let Some(mut receiver) = receiver {
            let (seen, losses) = posts(&mut receiver);
            let lost = losses.iter().map(|loss| loss.messages).sum::<u64>();
            assert_eq!((seen.len(), lost), if messages == 2 { (2, 3) } else { (5, 0) });
            assert!(matches!(receiver.try_recv(), Poll::Ready(None)));
        }
    }
}

#[test]
fn a_closed_receiver_ends_a_reading_pump() {
    let world = Rc::new(World::default());
    let wire = Wire::new(&world, [stream([(10, post(1))])]);
    let (sender, mut receiver) = queue(config(10, 1_000_000, 16, Overflow::DropOldest));
    let mut pump = pin!(pump(driven(wire, 1), sender, ShutdownHandle::new().listen()));
    let (woken, waker) = task();
    assert!(run(pump.as_mut(), &world, 20).is_none());
    assert!(pump.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    receiver.close();
    assert_eq!(count(&woken), 1);
    assert!(run(pump.as_mut(), &world, 20).is_some());
    assert_eq!(posts(&mut receiver).0, [1]);
    assert!(matches!(receiver.try_recv(), Poll::Ready(None)));
}

#[test]
fn pumps_a_merged_stream_and_returns_it() {
    let world = Rc::new(World::default());
    let refused = b"HTTP/1.1 401 x\r\ncontent-length: 0\r\n\r\n".to_vec();
    let over = || Attempt::Open([(0, Act::Bytes(refused.clone()))].into());
    let lines = [(0, vec![sends(1..=20).reset(300), over()]), (0, vec![sends(1..=20).reset(400), over()])];
    let (sender, mut receiver) = queue(QueueConfig::default());
    let pumped = pin!(pump(merged(&world, lines), sender, ShutdownHandle::new().listen()));
    let merged = run(pumped, &world, 100_000).unwrap();
    let mut counts = [0; 3];
    while let Some(delivery) = receiver.recv_blocking() {
        let Delivery::Event(event) = delivery else { panic!("{delivery:?}") };
        let kind = match event {
            OwnedMergedEvent::Session { event: OwnedEvent::Message(_), .. } => 0,
            OwnedMergedEvent::Session { .. } => 1,
            _ => 2,
        };
        counts[kind] += 1;
    }
    // Two starts, two ends and two refusals, each twice; the interruption of the group, and the two
    // milliseconds in which a connection started.
    assert_eq!(counts, [20, 8, 2]);
    assert_eq!(merged.merge().connections().iter().map(|record| record.first_arrivals()).sum::<u64>(), 20);
}

/// A pump lets other tasks run, however much it can read.
#[test]
fn yields_to_the_executor_during_a_flood() {
    let world = Rc::new(World::default());
    let wire = Wire::new(&world, [stream((1..=10_000).map(|id| (0, post(id))))]);
    let (sender, receiver) = queue(config(10, 1_000_000, 16, Overflow::DropOldest));
    let mut pump = pin!(pump(driven(wire, 1), sender, ShutdownHandle::new().listen()));
    let (woken, waker) = task();
    let mut polls = 0;
    while receiver.stats().sent < 10_000 {
        assert!(pump.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        assert!(count(&woken) > 0 || receiver.stats().sent == 10_000, "it pends without a wake-up");
        polls += 1;
    }
    assert!(polls > 10, "{polls}");
}

/// Compiles only if a pump can be spawned on a multi-threaded executor.
#[allow(dead_code)]
fn a_pump_is_as_movable_as_its_source<P>(source: P, sender: Sender<P::Owned>, shutdown: &ShutdownHandle)
where
    P: EventSource + Send + 'static,
    P::Owned: Send + 'static,
{
    fn is_spawned(_: impl Future + Send + 'static) {}
    is_spawned(pump(source, sender, shutdown.listen()));
}
