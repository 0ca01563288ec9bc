//! A seeded random number generator, SplitMix64, for all random choices.
//!
//! Its sequence is part of the simulator's contract: a seed of a failing test must give the same
//! run after every update. Crates for random numbers may change their sequences, so this crate has
//! its own generator.

/// A seeded pseudo-random sequence. Not for secrets.
#[derive(Debug, Clone)]
pub(crate) struct Rng(u64);

impl Rng {
    /// Creates the sequence of this seed.
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Creates the `n`-th sequence of a family. Sequences of adjacent numbers are unrelated.
    pub(crate) fn nth(seed: u64, n: u64) -> Self {
        let mut outer = Self::new(n ^ 0x5851_f42d_4c95_7f2d);
        Self::new(seed ^ outer.next())
    }

    /// Returns what [`Rng::next`] would return after `n` other calls. A negative `n` selects values
    /// before the first.
    pub(crate) fn ahead(&self, n: i64) -> u64 {
        Self(self.0.wrapping_add(0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(n as u64))).next()
    }

    /// Returns the next 64 bits (Steele, Lea, Flood: "Fast splittable pseudorandom number
    /// generators", 2014).
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Returns a number below `bound`, and 0 if `bound` is 0. The bias of the multiply-shift is
    /// below 2^-40 for the bounds in use.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(bound)) >> 64) as u64
    }

    /// Returns a number from `low` to `high`, inclusive.
    pub(crate) fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high.saturating_sub(low).saturating_add(1))
    }

    /// Returns an index below `len`.
    pub(crate) fn index(&mut self, len: usize) -> usize {
        self.below(len as u64) as usize
    }

    /// Returns true with a probability of `percent` percent.
    pub(crate) fn percent(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// Returns one of `items`, which is never empty, because all lists are constants of this crate.
    pub(crate) fn pick<T: Copy>(&mut self, items: &[T]) -> T {
        items[self.index(items.len())]
    }
}

#[cfg(test)]
mod tests {
    use super::Rng;

    #[test]
    fn matches_the_published_splitmix64_sequence() {
        // The first outputs of SplitMix64 for seed 1234567, as printed by Vigna's reference
        // program.
        let mut rng = Rng::new(1_234_567);
        let first: Vec<u64> = (0..3).map(|_| rng.next()).collect();
        assert_eq!(first, [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]);
    }

    #[test]
    fn jumps_ahead_to_any_number_of_the_sequence() {
        let mut rng = Rng::new(5);
        let start = rng.clone();
        for n in 0..10 {
            assert_eq!(start.ahead(n), rng.next());
        }
        assert_eq!(rng.ahead(-10), start.ahead(0));
    }

    #[test]
    fn stays_within_the_bounds() {
        let mut rng = Rng::new(1);
        assert!((0..10_000).all(|_| rng.below(7) < 7));
        assert!((0..10_000).all(|_| (3..=5).contains(&rng.between(3, 5))));
        assert_eq!(rng.below(0), 0);
    }
}
