//! From raw chunked bytes to framed messages: each engine with each shape, measured by criterion.
//!
//! `cargo bench --bench framing -- one/65536` measures some, and `-- --test` runs each once.
//! Engines are measured one after the other. On a noisy machine, use the bench `ratios`.

#![allow(missing_docs, reason = "criterion's macro makes a public function")]

use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use powerstream_benches::wire::{READ_SIZES, SHAPES, Wire};
use powerstream_benches::{engines, posts};

fn framing(criterion: &mut Criterion) {
    let posts = posts::load();
    for shape in &SHAPES {
        for reads in READ_SIZES {
            let wire = Wire::new(&posts, shape, reads);
            let mut group = criterion.benchmark_group(format!("{}/{reads}", shape.name));
            group.throughput(Throughput::Bytes(wire.message_bytes as u64));
            for engine in &engines::ALL {
                let mut state = (engine.start)();
                let expected = (engine.expected)(&wire);
                group.bench_function(engine.name, |bencher| {
                    bencher.iter(|| assert_eq!(state.pass(&wire), expected));
                });
            }
            group.finish();
        }
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(100))
        .measurement_time(Duration::from_millis(500));
    targets = framing
}
criterion_main!(benches);
