//! Tests the exact documented schedules, the bounds of jitter, and the saturation of counters.

use std::time::Duration;

use powerstream_core::backoff::FailureClass::{self, *};
use powerstream_core::backoff::{Backoff, BackoffConfig, Schedule};

fn config(jitter_percent: u8) -> BackoffConfig {
    let mut config = BackoffConfig::default();
    config.jitter_percent = jitter_percent;
    config
}

/// Returns the waits of `count` failures of one class, in milliseconds.
fn delays(backoff: &mut Backoff, class: FailureClass, count: usize) -> Vec<u64> {
    (0..count).map(|_| backoff.next(class).length.as_millis() as u64).collect()
}

#[test]
fn network_backoff_grows_by_250_ms_up_to_16_s() {
    let mut backoff = Backoff::new(config(0), 1);
    for step in 1..=200 {
        let delay = backoff.next(Network);
        assert_eq!(delay.length, Duration::from_millis(250 * step.min(64)), "step {step}");
        assert_eq!(delay.at_ceiling, step >= 64, "step {step}: the 64th is the first of 16 s");
    }
    assert_eq!(backoff.failures(Network), 200);
}

#[test]
fn http_and_rate_limit_backoffs_double_up_to_their_maximum() {
    let mut backoff = Backoff::new(config(0), 1);
    let http = [5, 10, 20, 40, 80, 160, 320, 320, 320].map(|seconds| seconds * 1_000);
    assert_eq!(delays(&mut backoff, Http, 9), http);
    let rate_limit = [60, 120, 240, 480, 900, 900, 900].map(|seconds| seconds * 1_000);
    assert_eq!(delays(&mut backoff, RateLimit, 7), rate_limit);
    let mut backoff = Backoff::new(config(0), 1);
    let at_ceiling = |class| (1..).find(|_| backoff.next(class).at_ceiling);
    assert_eq!([Network, Http, RateLimit].map(at_ceiling), [Some(64), Some(7), Some(5)]);
}

/// The number of attempts that the schedules allow, including the immediate first one.
#[test]
fn attempts_per_day_stay_within_the_schedules_bound() {
    let attempts = |class, length: u64| {
        let mut backoff = Backoff::new(config(0), 1);
        let mut at = 0;
        let mut attempts = 1;
        loop {
            at += backoff.next(class).length.as_millis() as u64;
            if at > length * 1_000 {
                return attempts;
            }
            attempts += 1;
        }
    };
    assert!(attempts(Network, 60) <= 22, "{} in a minute", attempts(Network, 60));
    assert!(attempts(Network, 540) <= 66, "{} in nine minutes", attempts(Network, 540));
    assert!(attempts(Http, 3_600) <= 17, "{} in an hour", attempts(Http, 3_600));
    assert!(attempts(RateLimit, 3_600) <= 8, "{} in an hour", attempts(RateLimit, 3_600));
}

#[test]
fn failure_classes_count_separately_and_reset_together() {
    let mut backoff = Backoff::new(config(0), 1);
    assert_eq!(delays(&mut backoff, Network, 2), [250, 500]);
    assert_eq!(delays(&mut backoff, Http, 2), [5_000, 10_000]);
    assert_eq!(delays(&mut backoff, Network, 1), [750]);
    assert_eq!(delays(&mut backoff, RateLimit, 1), [60_000]);
    assert_eq!(delays(&mut backoff, Http, 1), [20_000]);
    assert_eq!([Network, Http, RateLimit].map(|class| backoff.failures(class)), [3, 3, 1]);
    backoff.reset();
    assert_eq!([Network, Http, RateLimit].map(|class| backoff.failures(class)), [0, 0, 0]);
    assert_eq!(delays(&mut backoff, Http, 1), [5_000]);
    assert_eq!(delays(&mut backoff, Network, 1), [250]);
    assert_eq!(delays(&mut backoff, RateLimit, 1), [60_000]);
}

#[test]
fn jitter_only_lengthens_the_delay_and_stays_within_its_percentage() {
    for percent in [0, 1, 25, 100, 101, 255] {
        let share = u32::from(percent.min(100));
        for seed in 0..200 {
            let mut exact = Backoff::new(config(0), seed);
            let mut backoff = Backoff::new(config(percent), seed);
            for class in [Network, Http, RateLimit].repeat(80) {
                let floor = exact.next(class);
                let delay = backoff.next(class);
                assert!(delay.length >= floor.length, "{percent} %, seed {seed}: {delay:?}");
                assert!(delay.length <= floor.length + floor.length * share / 100, "{percent} %: {delay:?}");
                assert_eq!(delay.at_ceiling, floor.at_ceiling);
            }
        }
    }
}

#[test]
fn jitter_covers_its_whole_range() {
    let mut buckets = [0_u32; 10];
    for seed in 0..2_000 {
        let jitter = Backoff::new(config(25), seed).next(RateLimit).length - Duration::from_secs(60);
        buckets[(jitter.as_nanos() * 10 / 15_000_000_001) as usize] += 1;
    }
    assert!(buckets.iter().all(|count| (130..270).contains(count)), "uneven: {buckets:?}");
}

#[test]
fn same_seed_gives_the_same_delays_and_another_seed_gives_others() {
    let run = |seed| {
        let mut backoff = Backoff::new(config(25), seed);
        [Network, Http, Network, RateLimit]
            .repeat(20)
            .iter()
            .map(|&class| backoff.next(class).length)
            .collect::<Vec<_>>()
    };
    for seed in [0, 1, 42, u64::MAX] {
        assert_eq!(run(seed), run(seed));
        assert_ne!(run(seed), run(seed.wrapping_add(1)));
    }
    // The first waits with jitter for one seed, identical on every platform.
    let mut backoff = Backoff::new(config(25), 7);
    let nanos = [Network, Http, RateLimit].map(|class| backoff.next(class).length.as_nanos());
    assert_eq!(nanos, SEED_7);
}

/// Recorded values: a change of the generator or of the jitter's arithmetic would change every
/// replay.
const SEED_7: [u128; 3] = [274_364_359, 5_020_985_368, 73_511_410_210];

/// The behavior stays the same long after each class has reached its ceiling.
#[test]
fn many_failures_in_a_row_stay_at_the_maximum_delay() {
    let mut backoff = Backoff::new(config(25), 3);
    for _ in 0..100_000 {
        backoff.next(Network);
        backoff.next(Http);
        backoff.next(RateLimit);
    }
    for (class, ceiling) in [(Network, 16), (Http, 320), (RateLimit, 900)] {
        let delay = backoff.next(class);
        let ceiling = Duration::from_secs(ceiling);
        assert!(
            delay.at_ceiling && delay.length >= ceiling && delay.length <= ceiling + ceiling / 4,
            "{delay:?}"
        );
    }
}

#[test]
fn extreme_schedules_saturate() {
    let extremes = [Duration::ZERO, Duration::from_nanos(1), Duration::from_secs(u64::MAX), Duration::MAX];
    for first in extremes {
        for ceiling in extremes {
            let mut config = config(100);
            let schedule = Schedule { first, ceiling };
            (config.network, config.http, config.rate_limit) = (schedule, schedule, schedule);
            let mut backoff = Backoff::new(config, 9);
            for class in [Network, Http, RateLimit].repeat(70) {
                let delay = backoff.next(class);
                assert!(delay.length >= first.min(ceiling), "{first:?} to {ceiling:?}: {delay:?}");
                assert!(delay.length <= ceiling.saturating_mul(2), "{first:?} to {ceiling:?}: {delay:?}");
            }
        }
    }
}
