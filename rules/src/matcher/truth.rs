//! The logic of three values.

use core::ops::Not;

/// The value of a rule or a leaf. In this order, so that AND is the least of its operands and OR the greatest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(clippy::exhaustive_enums, reason = "logic is finished")]
pub enum Truth {
    /// It is not so.
    False,
    /// The message does not hold what decides.
    Unknown,
    /// It is so.
    True,
}

impl Not for Truth {
    type Output = Self;

    fn not(self) -> Self {
        match self {
            Self::False => Self::True,
            Self::Unknown => Self::Unknown,
            Self::True => Self::False,
        }
    }
}
