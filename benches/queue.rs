//! The cost of the queue per message, compared with the standard library's bounded channel.
//!
//! - `alone`: sent and received by one thread, which never waits.
//! - `copied`: likewise, with a copy of a Post of 3.4 KB, as a reader makes it.
//! - `threads`: from one thread to another at full speed, in time per message. The ends wait as
//!   threads or as tasks.

#![allow(missing_docs, reason = "criterion's macro makes a public function")]

use std::sync::mpsc::sync_channel;
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use powerstream_client::queue::{Cost, Overflow, QueueConfig, QueueCost, SendOutcome, block_on, queue};

/// The median length of a Post, in bytes.
const BYTES: usize = 3_400;

/// A message without its bytes.
struct Item(u64);

impl QueueCost for Item {
    fn weight(&self) -> Cost {
        Cost::Message(BYTES)
    }
}

fn config(overflow: Overflow) -> QueueConfig {
    let mut config = QueueConfig::default();
    config.overflow = overflow;
    config
}

fn alone(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("queue");
    group.throughput(Throughput::Elements(1));
    let mut cx = Context::from_waker(Waker::noop());
    let post = vec![b'x'; BYTES];
    group.bench_function("alone", |bencher| {
        let (mut sender, mut receiver) = queue(config(Overflow::Wait));
        bencher.iter(|| {
            let sent = sender.poll_send(&mut cx, Cost::Message(BYTES), || Item(7));
            assert_eq!(sent, Poll::Ready(SendOutcome::Queued));
            assert!(matches!(receiver.try_recv(), Poll::Ready(Some(_))));
        });
    });
    group.bench_function("alone/copied", |bencher| {
        let (mut sender, mut receiver) = queue(config(Overflow::Wait));
        bencher.iter(|| {
            let sent = sender.poll_send(&mut cx, Cost::Message(BYTES), || post.clone());
            assert_eq!(sent, Poll::Ready(SendOutcome::Queued));
            assert!(matches!(receiver.try_recv(), Poll::Ready(Some(_))));
        });
    });
    // The consumer does not read, so each message drops one.
    group.bench_function("alone/drop_oldest", |bencher| {
        let (mut sender, receiver) = queue(config(Overflow::DropOldest));
        bencher.iter(|| {
            let sent = sender.poll_send(&mut cx, Cost::Message(BYTES), || Item(7));
            assert_eq!(sent, Poll::Ready(SendOutcome::Queued));
        });
        drop(receiver);
    });
    group.bench_function("alone/std_channel", |bencher| {
        let (sender, receiver) = sync_channel(8_192);
        bencher.iter(|| {
            assert!(sender.try_send(Item(7)).is_ok());
            assert!(receiver.try_recv().is_ok());
        });
    });
    group.finish();
}

fn threads(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("queue/threads");
    group.throughput(Throughput::Elements(1));
    for is_async in [false, true] {
        let name = if is_async { "async" } else { "blocking" };
        group.bench_function(name, |bencher| {
            bencher.iter_custom(|messages| {
                let (mut sender, mut receiver) = queue(config(Overflow::Wait));
                let start = Instant::now();
                let reader = thread::spawn(move || {
                    for number in 0..messages {
                        let sent = if is_async {
                            block_on(sender.send(Item(number)))
                        } else {
                            sender.send_blocking(Item(number))
                        };
                        assert_eq!(sent, SendOutcome::Queued);
                    }
                });
                let mut taken = 0;
                if is_async {
                    block_on(async {
                        while receiver.recv().await.is_some() {
                            taken += 1;
                        }
                    });
                } else {
                    while receiver.recv_blocking().is_some() {
                        taken += 1;
                    }
                }
                let time = start.elapsed();
                assert_eq!(taken, messages);
                assert!(reader.join().is_ok());
                time
            });
        });
    }
    group.bench_function("std_channel", |bencher| {
        bencher.iter_custom(|messages| {
            let (sender, receiver) = sync_channel(8_192);
            let start = Instant::now();
            let reader = thread::spawn(move || (0..messages).all(|number| sender.send(Item(number)).is_ok()));
            let taken = receiver.iter().filter(|item| item.0 < messages).count() as u64;
            let time = start.elapsed();
            assert_eq!(taken, messages);
            assert!(matches!(reader.join(), Ok(true)));
            time
        });
    });
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_millis(1_000));
    targets = alone, threads
}
criterion_main!(benches);
