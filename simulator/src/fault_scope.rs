//! Which connections or attempts a fault affects.

/// Which attempts to connect a fault affects. Attempts count from one, over the whole simulator,
/// and only those that ask for the stream with a right token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum FaultScope {
    /// The first so many; those after them are steady.
    First(u64),
    /// All of them.
    Every,
}

impl FaultScope {
    pub(crate) fn covers(self, attempt: u64) -> bool {
        match self {
            Self::First(count) => attempt <= count,
            Self::Every => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn covers_the_first_attempts_or_all() {
        assert!(
            FaultScope::First(2).covers(2)
                && !FaultScope::First(2).covers(3)
                && FaultScope::Every.covers(u64::MAX)
        );
    }
}
