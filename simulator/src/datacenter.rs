//! One of the places that serve the stream: what is its own.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use crate::rng::Rng;

/// A datacenter of the simulated service. All of them carry the same Posts under the same rules;
/// each has its own address, its own delays, and can be killed and restarted.
///
/// Each Post is at home in one of them. A client that asks with `localDcOnly=true` gets the Posts
/// that are at home where it connects, and no others; without it, all.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Datacenter {
    /// Its name in heads and connection metadata, such as `atla`.
    pub name: String,
    /// Where it listens. Port 0, the default, takes a free one, on loopback. After a kill it comes
    /// back at the same port.
    pub listen: SocketAddr,
    /// From a Post's time to its delivery.
    pub delay: Delay,
    /// On top, for Posts that are at home elsewhere.
    pub transit: Delay,
    /// How many Posts of a hundred come twice.
    pub duplicates_percent: u8,
}

impl Datacenter {
    /// One of this name on a free port, without delays and duplicates.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            listen: (Ipv4Addr::LOCALHOST, 0).into(),
            delay: Delay::None,
            transit: Delay::None,
            duplicates_percent: 0,
        }
    }
}

/// A distribution of delays. Which Post gets which is decided by the seed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Delay {
    /// None at all.
    #[default]
    None,
    /// The same for all.
    Fixed(Duration),
    /// Anything between the two, equally likely.
    Uniform(Duration, Duration),
    /// At least `least`, and then exponentially distributed: mostly short, now and then long, at
    /// most ten times the mean.
    Exponential {
        /// The shortest.
        least: Duration,
        /// The mean of what is added to it.
        mean: Duration,
    },
}

impl Delay {
    pub(crate) fn of(self, rng: &mut Rng) -> Duration {
        let unit = (rng.next() >> 11) as f64 / (1_u64 << 53) as f64;
        match self {
            Self::None => Duration::ZERO,
            Self::Fixed(delay) => delay,
            Self::Uniform(low, high) => low + high.saturating_sub(low).mul_f64(unit),
            Self::Exponential { least, mean } => least + mean.mul_f64((-(1.0 - unit).ln()).min(10.0)),
        }
    }

    /// The longest it gives.
    pub(crate) fn most(self) -> Duration {
        match self {
            Self::None => Duration::ZERO,
            Self::Fixed(delay) => delay,
            Self::Uniform(low, high) => low.max(high),
            Self::Exponential { least, mean } => least + mean * 10,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_follow_their_distribution() {
        let ms = Duration::from_millis;
        let mut rng = Rng::new(1);
        let mut run = |delay: Delay| -> Vec<Duration> { (0..4_000).map(|_| delay.of(&mut rng)).collect() };
        assert!(run(Delay::None).iter().all(Duration::is_zero));
        assert!(run(Delay::Fixed(ms(3))).iter().all(|delay| *delay == ms(3)));
        let uniform = run(Delay::Uniform(ms(10), ms(20)));
        assert!(uniform.iter().all(|delay| (ms(10)..=ms(20)).contains(delay)));
        let exponential = run(Delay::Exponential { least: ms(5), mean: ms(10) });
        let mean = exponential.iter().sum::<Duration>() / 4_000;
        assert!((ms(14)..ms(16)).contains(&mean), "{mean:?}");
        let most = exponential.iter().max().copied().unwrap();
        assert!(most > ms(50) && most <= Delay::Exponential { least: ms(5), mean: ms(10) }.most());
    }
}
