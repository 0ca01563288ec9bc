//! Selection of the Posts for a connection.

use std::fmt;
use std::sync::Arc;

use powerstream_rules::matcher::Scratch;

use super::item::Item;
use crate::rng::Rng;
use crate::rule_store::{Passed, RuleStore};
use crate::source::SourcePost;
use crate::splice;

/// The conditions of a request, and of the datacenter that it connects to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Filter {
    /// Only Posts of this datacenter: its index, and the number of datacenters.
    pub(crate) home: Option<(u64, u64)>,
    /// Only Posts of this partition: its index, and the number of partitions.
    pub(crate) partition: Option<(u64, u64)>,
    /// Only Posts in this language.
    pub(crate) lang: Option<&'static str>,
}

const HOME: u64 = 0x6174_6c61;
const PARTITION: u64 = 0x7061_7274;

/// Returns the datacenter, of `of`, that Post `n` belongs to.
pub(crate) fn home(n: i64, of: u64) -> u64 {
    Rng::nth(HOME, n as u64).below(of)
}

/// A filter, and the rules of the product.
pub(crate) struct Selector {
    filter: Filter,
    store: Option<Arc<RuleStore>>,
    scratch: Scratch,
}

impl Selector {
    pub(crate) fn new(filter: Filter, store: Option<&Arc<RuleStore>>) -> Self {
        Self { filter, store: store.cloned(), scratch: Scratch::new() }
    }

    /// Returns the Post, the `n`-th of its source, with the rules it matches, or `None` if the
    /// connection does not receive it.
    pub(crate) fn pass(&mut self, n: i64, post: SourcePost) -> Option<Item> {
        if !self.filter.passes(n, &post) {
            return None;
        }
        match &self.store {
            None => Some(Item { post, rules: None }),
            Some(store) => match store.pass(post, &mut self.scratch) {
                Passed::Unfiltered(post) => Some(Item { post, rules: None }),
                Passed::Matched(post, rules) => Some(Item { post, rules: Some(rules) }),
                Passed::No => None,
            },
        }
    }
}

impl fmt::Debug for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Selector").field(&self.filter).finish()
    }
}

impl Filter {
    fn passes(&self, n: i64, post: &SourcePost) -> bool {
        if self.home.is_some_and(|(index, of)| home(n, of) != index) {
            return false;
        }
        if self.partition.is_some_and(|(index, of)| Rng::nth(PARTITION, n as u64).below(of) != index) {
            return false;
        }
        if let Some(lang) = self.lang {
            let value = splice::root_value(&post.bytes, b"lang").map(|range| &post.bytes[range]);
            let code = value.and_then(|value| value.strip_prefix(b"\"")?.strip_suffix(b"\""));
            return code == Some(lang.as_bytes());
        }
        true
    }
}
