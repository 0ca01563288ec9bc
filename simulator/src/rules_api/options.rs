//! Settings of the rule endpoints.

/// The form of `not_deleted` in Powerstream's response to a deletion. X's page shows the key but
/// not its type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum NotDeleted {
    /// The number of rules that were not deleted.
    #[default]
    Number,
    /// The list of rules that were not deleted.
    List,
    /// The key is absent.
    Absent,
}

/// Options of the rule endpoints of one product.
pub(crate) struct Options {
    pub(crate) not_deleted: NotDeleted,
    /// Powerstream stores the valid rules of a batch and reports the others. Otherwise it stores
    /// all or none.
    pub(crate) partial: bool,
}
