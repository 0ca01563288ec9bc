//! Which Posts a connection gets.

use crate::rng::Rng;
use crate::source::SourcePost;
use crate::splice;

/// A Post on its way to a connection.
#[derive(Debug, Clone)]
pub(crate) struct Item {
    pub(crate) post: SourcePost,
}

/// The conditions that a request and the place it goes to set.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Sieve {
    /// Only the Posts that are at home in this datacentre: its index, and how many there are.
    pub(crate) home: Option<(u64, u64)>,
    /// Only this partition, from 0, of so many.
    pub(crate) partition: Option<(u64, u64)>,
    /// Only this language.
    pub(crate) lang: Option<&'static str>,
}

const HOME: u64 = 0x6174_6c61;
const PARTITION: u64 = 0x7061_7274;

/// In which of `of` datacentres Post `n` is at home.
pub(crate) fn home(n: i64, of: u64) -> u64 {
    Rng::nth(HOME, n as u64).below(of)
}

impl Sieve {
    /// What of a Post, the `n`-th of its source, comes through.
    pub(crate) fn pass(&self, n: i64, post: SourcePost) -> Option<Item> {
        if self.home.is_some_and(|(index, of)| home(n, of) != index) {
            return None;
        }
        if self.partition.is_some_and(|(index, of)| Rng::nth(PARTITION, n as u64).below(of) != index) {
            return None;
        }
        if let Some(lang) = self.lang {
            let value = splice::root_value(&post.bytes, b"lang").map(|range| &post.bytes[range]);
            if value.is_none_or(|value| value.get(1..value.len() - 1) != Some(lang.as_bytes())) {
                return None;
            }
        }
        Some(Item { post })
    }
}
