//! What can be chosen about the endpoints of rules.

/// What `not_deleted` is in Powerstream's answer to a deletion. Its page prints it without saying.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum NotDeleted {
    /// How many.
    #[default]
    Number,
    /// Which ones.
    List,
    /// It is left out.
    Absent,
}

/// What a set of rules may do beyond the rules themselves.
pub(crate) struct Options {
    pub(crate) not_deleted: NotDeleted,
    /// Powerstream stores the valid ones of a batch and reports the others; by default it stores
    /// all or none.
    pub(crate) partial: bool,
}
