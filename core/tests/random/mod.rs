//! The random numbers of the tests.

#![allow(dead_code, unreachable_pub, reason = "each test program uses a part of it")]

/// SplitMix64. Every seed is valid.
#[derive(Clone, Debug)]
pub struct Rng(pub u64);

impl Rng {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// Returns a number from 0 to `bound` - 1; 0 if `bound` is 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound.max(1)
    }

    /// Returns an index below `length`.
    pub fn index(&mut self, length: usize) -> usize {
        self.below(length as u64) as usize
    }

    /// Returns a number from `from` to `to` - 1.
    pub fn range(&mut self, from: u64, to: u64) -> u64 {
        from + self.below(to - from)
    }

    pub fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    pub fn one_in(&mut self, chances: u64) -> bool {
        self.below(chances) == 0
    }

    pub fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.index(from.len())]
    }

    /// Returns a wait whose mean is `mean`, from a twentieth of it to about twice as long.
    pub fn about(&mut self, mean: u64) -> u64 {
        mean / 20 + self.below(2 * mean.max(1))
    }

    /// Returns a time just before, at, just after or far after `limit`, in nanoseconds.
    pub fn around(&mut self, limit: u64) -> u64 {
        let ms = 1_000_000;
        self.pick(&[limit - ms, limit - 1, limit, limit + 1, limit + ms, limit * 2, limit * 10])
    }
}
