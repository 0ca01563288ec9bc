//! Three-valued logic.

use core::ops::Not;

/// The value of a rule or a leaf. The values are ordered so that AND is the minimum of its operands
/// and OR the maximum.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(clippy::exhaustive_enums, reason = "there are exactly three values")]
pub enum Truth {
    /// False.
    False,
    /// The message lacks the field that decides.
    Unknown,
    /// True.
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
