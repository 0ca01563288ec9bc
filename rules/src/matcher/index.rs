//! The index that matching reads.

use core::fmt;

use super::program::Instruction;
use super::terms::Terms;

/// Identifies a rule in its [`RuleSet`](super::RuleSet). Keys ascend in the order of insertion. A
/// key is reused only after 2^32 other insertions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RuleKey(u64);

impl fmt::Display for RuleKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl RuleKey {
    /// Combines the insertion number and the slot. The insertion number is more significant, so
    /// that keys ascend in the order of insertion although slots are reused.
    pub(crate) const fn new(age: u32, slot: u32) -> Self {
        Self((age as u64) << 32 | slot as u64)
    }

    /// Returns the key as a number, for programs that keep keys outside of Rust.
    #[must_use]
    pub const fn as_u64(self) -> u64 {
        self.0
    }

    /// Creates the key of a number from [`Self::as_u64`]. For any other number, the set has no
    /// rule.
    #[must_use]
    pub const fn from_u64(number: u64) -> Self {
        Self(number)
    }

    #[allow(clippy::cast_possible_truncation, reason = "the lower half")]
    pub(crate) const fn slot(self) -> u32 {
        self.0 as u32
    }
}

/// The index: terms with their postings, and the compiled rules.
#[derive(Clone, Debug, Default)]
pub(crate) struct Index {
    pub(crate) terms: Terms,
    /// Indexed by slot.
    pub(crate) programs: Vec<Program>,
    /// The slots of the rules without an anchor term. These are evaluated for every Post.
    pub(crate) unanchored: Vec<u32>,
}

/// A compiled rule. No posting refers to an empty slot.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    pub(crate) key: RuleKey,
    pub(crate) code: Box<[Instruction]>,
}
