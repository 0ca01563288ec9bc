//! Repetitions, medians and ratios.

use std::time::{Duration, Instant};

use powerstream_workload::posts::Random;

use crate::options::Options;

/// Returns the median.
#[must_use]
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[(values.len() - 1) / 2].midpoint(values[values.len() / 2])
}

/// Returns the median of the ratios within a repetition.
#[must_use]
pub fn ratio(values: &[f64], to: &[f64]) -> f64 {
    median(values.iter().zip(to).map(|(value, to)| value / to).collect())
}

/// Returns the 95 % confidence interval of the median of the ratios within a repetition. `None` for
/// fewer than six repetitions, which do not have one.
#[must_use]
pub fn ratio_interval(values: &[f64], to: &[f64]) -> Option<[f64; 2]> {
    let mut ratios: Vec<_> = values.iter().zip(to).map(|(value, to)| value / to).collect();
    ratios.sort_by(f64::total_cmp);
    let below = values_below(ratios.len())?;
    Some([ratios[below], ratios[ratios.len() - 1 - below]])
}

/// Returns how many of `count` sorted values are outside the confidence interval at each end. Each
/// value is below the median with a probability of one half.
fn values_below(count: usize) -> Option<usize> {
    let mut ways = 0.5_f64.powi(i32::try_from(count).ok()?);
    let (mut sum, mut below) = (ways, 0);
    while sum <= 0.025 {
        ways *= (count - below) as f64 / (below + 1) as f64;
        sum += ways;
        below += 1;
    }
    below.checked_sub(1)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_are_between_the_middle_values() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(vec![4.0, 1.0, 2.0, 3.0]), 2.5);
    }

    /// From tables of the sign test.
    #[test]
    fn confidence_intervals_leave_out_at_most_a_fortieth_at_each_end() {
        for (count, below) in
            [(1, None), (5, None), (6, Some(0)), (9, Some(1)), (30, Some(9)), (100, Some(39))]
        {
            assert_eq!(values_below(count), below, "{count} values");
        }
        let values: Vec<_> = (0..30).map(f64::from).collect();
        assert_eq!(ratio_interval(&values, &[1.0; 30]), Some([9.0, 20.0]));
    }
}
