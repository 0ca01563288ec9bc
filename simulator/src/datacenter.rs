//! Datacenters: their settings and their delays.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use crate::rng::Rng;

/// A datacenter of the simulated service. All datacenters carry the same Posts under the same
/// rules. Each has its own address and delays, and can be killed and restarted.
///
/// Each Post belongs to one datacenter, its home. A client that requests `localDcOnly=true`
/// receives only the Posts of the datacenter that it connects to. Other clients receive all Posts.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Datacenter {
    /// The name in response heads and connection metadata, such as `atla`.
    pub name: String,
    /// The address to listen on. The default is port 0 of the loopback address: any free port. A
    /// restart uses the same port again.
    pub listen: SocketAddr,
    /// The delay from a Post's time to its delivery.
    pub delay: Delay,
    /// The additional delay of Posts from another datacenter.
    pub transit: Delay,
    /// The percentage of Posts that are sent twice.
    pub duplicates_percent: u8,
}

impl Datacenter {
    /// Creates a datacenter on a free port, without delays and duplicates.
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

/// A distribution of delays. The seed decides the delay of each Post.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Delay {
    /// No delay.
    #[default]
    None,
    /// The same delay for all Posts.
    Fixed(Duration),
    /// A delay between the two, uniformly distributed.
    Uniform(Duration, Duration),
    /// `least` plus an exponentially distributed time, limited to ten times `mean`: usually short,
    /// occasionally long.
    Exponential {
        /// The shortest delay.
        least: Duration,
        /// The mean of the additional time.
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

    /// Returns the longest possible delay.
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
