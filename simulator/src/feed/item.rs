//! What a connection takes from the feed.

use std::sync::Arc;
use std::time::Instant;

use crate::rule_store::StoredRule;
use crate::source::SourcePost;

/// A Post for a connection.
#[derive(Debug, Clone)]
pub(crate) struct Item {
    pub(crate) post: SourcePost,
    /// The rules that the Post matches, if rules were evaluated.
    pub(crate) rules: Option<Arc<[Arc<StoredRule>]>>,
}

/// What a connection does next with its Posts.
#[derive(Debug)]
pub(crate) enum Polled {
    /// This Post is due.
    Post(Item),
    /// Posts were skipped; poll again.
    Skipped,
    /// No Post before this time, unless another thread wakes this one.
    Wait(Option<Instant>),
    /// No further Post, but the stream stays open.
    Exhausted,
    /// The requested time window is complete.
    Ended,
    /// The queue no longer contains the next Post.
    FellBehind,
}

/// The most Posts skipped in one poll.
pub(super) const SKIPS_MAX: usize = 256;
