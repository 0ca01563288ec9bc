//! Repetitions, medians and ratios.

use std::time::{Duration, Instant};

use powerstream_workload::posts::Random;

use crate::options::Options;

/// Returns the median.
#[must_use]
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Returns the median of the ratios within a repetition.
#[must_use]
pub fn ratio(values: &[f64], to: &[f64]) -> f64 {
    median(values.iter().zip(to).map(|(value, to)| value / to).collect())
}

/// Returns the median of the ratios within a repetition, and the bounds between which the true
/// median is with a probability of 95 %.
#[must_use]
pub fn ratio_between(values: &[f64], to: &[f64]) -> [f64; 3] {
    let mut ratios: Vec<_> = values.iter().zip(to).map(|(value, to)| value / to).collect();
    ratios.sort_by(f64::total_cmp);
    let half = ratios.len() as f64 / 2.0;
    // The number of values below the median has a binomial distribution.
    let off = 0.98 * (ratios.len() as f64).sqrt();
    let last = ratios.len() - 1;
    let bounds = [half, half - off, half + off];
    bounds.map(|at| ratios[(at.max(0.0) as usize).min(last)])
}

/// Returns the nanoseconds of a pass, averaged over a turn of at least this length.
pub fn time(turn: Duration, mut pass: impl FnMut()) -> f64 {
    let mut passes = 0;
    let begun = Instant::now();
    while passes == 0 || begun.elapsed() < turn {
        pass();
        passes += 1;
    }
    begun.elapsed().as_secs_f64() * 1e9 / f64::from(passes)
}

/// Returns the nanoseconds of a pass of each of `all` in every repetition. They take turns in
/// random order, so that a slow phase of the machine affects all.
///
/// A turn is as long as `turn` and short on purpose: on a shared machine most turns are then not
/// interrupted, and the median is one of them.
pub fn turns<T>(
    options: &Options,
    turn: Duration,
    all: &mut [T],
    mut pass: impl FnMut(&mut T),
) -> Vec<Vec<f64>> {
    let turn = options.pick(Duration::ZERO, turn, turn);
    let mut random = Random::new(3);
    let mut order: Vec<_> = (0..all.len()).collect();
    let mut nanos = vec![Vec::new(); all.len()];
    for _ in 0..options.pick(1, 7, 25) {
        random.shuffle(&mut order);
        for &index in &order {
            // The previous engine left its own data in the caches.
            pass(&mut all[index]);
            nanos[index].push(time(turn, || pass(&mut all[index])));
        }
    }
    nanos
}
