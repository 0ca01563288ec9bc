//! What matching reads of a set of rules.

use core::fmt;

use super::program::Instruction;
use super::terms::Terms;

/// The name of a rule in its [`RuleSet`](super::RuleSet). Keys ascend in the order in which they are given, and none is given twice
/// before 2^32 others were.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RuleKey(u64);

impl fmt::Display for RuleKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl RuleKey {
    /// By age first, so that keys ascend in the order in which they were given; a slot is used again.
    pub(crate) const fn new(age: u32, slot: u32) -> Self {
        Self((age as u64) << 32 | slot as u64)
    }

    #[allow(clippy::cast_possible_truncation, reason = "the lower half")]
    pub(crate) const fn slot(self) -> u32 {
        self.0 as u32
    }
}

/// The index: terms with their postings, and the programs of the rules.
#[derive(Clone, Debug, Default)]
pub(crate) struct Index {
    pub(crate) terms: Terms,
    /// By slot.
    pub(crate) programs: Vec<Program>,
    /// The slots of the rules without an anchor term: these are evaluated for every Post.
    pub(crate) unanchored: Vec<u32>,
}

/// A rule, compiled. No posting refers to an empty slot.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    pub(crate) key: RuleKey,
    pub(crate) code: Box<[Instruction]>,
}
