//! What a connection takes from the feed.

use std::sync::Arc;
use std::time::Instant;

use crate::rule_store::StoredRule;
use crate::source::SourcePost;

/// A Post on its way to a connection.
#[derive(Debug, Clone)]
pub(crate) struct Item {
    pub(crate) post: SourcePost,
    /// The rules it matches, where it was matched with any.
    pub(crate) rules: Option<Arc<[Arc<StoredRule>]>>,
}

/// The next thing a connection has to do with its Posts.
#[derive(Debug)]
pub(crate) enum Polled {
    /// This one is due.
    Post(Item),
    /// There were some that it does not get: look again.
    Skipped,
    /// Nothing until then, or until another thread wakes this one.
    Wait(Option<Instant>),
    /// Nothing ever again, but the stream goes on.
    Exhausted,
    /// The end of what was asked for.
    Ended,
    /// The queue has moved on.
    FellBehind,
}

/// Posts that are passed over before the connection looks around.
pub(super) const SKIPS_MAX: usize = 256;
