//! The cost of checking whether a Post is a duplicate.
//!
//! Windows of several sizes in steady state, where each new id replaces the oldest. Either every
//! Post arrives once (one connection), or twice, the second time some Posts later (two
//! connections).

#![allow(missing_docs, reason = "criterion's macro makes a public function")]

use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use powerstream_core::dedup::{Insert, Window, WindowConfig};
use powerstream_core::stream::PostId;
use powerstream_core::time::Instant;

/// Ids per iteration.
const POSTS: u64 = 10_000;

/// How many Posts one connection is behind the other.
const BEHIND: u64 = 20;

/// Returns the id of the n-th Post, as the service assigns ids: milliseconds apart, from several
/// machines.
fn id(number: u64) -> PostId {
    PostId::new(((1_700_000_000_000 + 3 * number) << 22) + ((number * 7 % 100) << 12))
}

fn dedup(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("dedup");
    group.throughput(Throughput::Elements(POSTS));
    for posts in [1_024, 65_536, 262_144, 1_048_576] {
        let mut config = WindowConfig::default();
        config.posts = posts;
        config.seed = 0x1234_5678_9ABC_DEF1;
        let Ok(mut window) = Window::allocate(&config) else { unreachable!("the sizes are within bounds") };
        let mut number = BEHIND;
        let mut is_new = |number| window.insert(id(number), Instant::from_nanos(number), 0) == Insert::New;
        while number < BEHIND + posts as u64 {
            assert!(is_new(number));
            number += 1;
        }
        group.bench_function(format!("once/{posts}"), |bencher| {
            bencher.iter(|| {
                for _ in 0..POSTS {
                    assert!(is_new(number));
                    number += 1;
                }
            });
        });
        group.bench_function(format!("twice/{posts}"), |bencher| {
            bencher.iter(|| {
                for _ in 0..POSTS / 2 {
                    assert!(is_new(number) && !is_new(number - BEHIND));
                    number += 1;
                }
            });
        });
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(100))
        .measurement_time(Duration::from_millis(500));
    targets = dedup
}
criterion_main!(benches);
