//! Which connection attempts a fault affects.

/// Which connection attempts a fault affects. Attempts count from 1 over the whole simulator. Only
/// stream requests with a valid token count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum FaultScope {
    /// The first attempts, this many. The ones after them have no fault.
    First(u64),
    /// Every attempt.
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
