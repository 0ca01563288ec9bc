//! Posts by the rule that they match, as the service lists it in each Post.
//!
//! One thread reports messages, and any thread reads the counts. Reporting takes no lock and
//! allocates nothing. It searches the message for `matching_rules`, which costs more than the
//! counters of a [`Monitor`](crate::monitor::Monitor) do: count only if you read the counts.
//!
//! ```
//! use powerstream_core::rule_counts::RuleCounts;
//! use powerstream_core::session::Message;
//! use powerstream_core::stream::classify;
//!
//! let counts = RuleCounts::new();
//! let post = br#"{"id_str":"20","text":"gulls","matching_rules":[{"tag":"birds","id_str":"7"}]}"#;
//! counts.handle_message(&Message::new(post, classify(post)));
//! assert!(counts.posts().eq([(7, 1)]));
//! ```

use core::sync::atomic::AtomicU64;
use core::sync::atomic::Ordering::Relaxed;

use crate::session::Message;

/// The most rules that have a count of their own. An app has at most 1,000 (X docs, Powerstream
/// introduction), and replaces some over time.
pub const COUNTED_RULES_MAX: usize = 3_072;

/// Entries of the hash table: a quarter stays free, so that a search is short.
const ENTRIES: usize = 4_096;

/// Counts of Posts by rule; 64 KiB. See [the module](self).
#[derive(Debug)]
pub struct RuleCounts {
    /// The id of a rule, and its Posts. An id of 0 is a free entry.
    entries: [(AtomicU64, AtomicU64); ENTRIES],
    rules: AtomicU64,
    others: AtomicU64,
    unmatched: AtomicU64,
}

impl RuleCounts {
    /// Creates counts of zero.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            entries: [const { (AtomicU64::new(0), AtomicU64::new(0)) }; ENTRIES],
            rules: AtomicU64::new(0),
            others: AtomicU64::new(0),
            unmatched: AtomicU64::new(0),
        }
    }

    /// Counts the Posts of a message under each rule that they match. Only one thread may call it.
    pub fn handle_message(&self, message: &Message<'_>) {
        for post in message.posts() {
            let mut is_matched = false;
            for rule in post.matching_rules() {
                is_matched = true;
                match rule.id.filter(|id| *id != 0).and_then(|id| self.entry(id)) {
                    Some(posts) => add(posts),
                    None => add(&self.others),
                }
            }
            if !is_matched {
                add(&self.unmatched);
            }
        }
    }

    /// Returns the count of a rule; `None` if all entries are in use.
    fn entry(&self, id: u64) -> Option<&AtomicU64> {
        // Ids are snowflakes, whose low bits are mostly zero.
        let first = (id.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 52) as usize;
        for at in first..first + ENTRIES {
            let (key, posts) = &self.entries[at % ENTRIES];
            match key.load(Relaxed) {
                0 if self.rules.load(Relaxed) < COUNTED_RULES_MAX as u64 => {
                    add(&self.rules);
                    key.store(id, Relaxed);
                    return Some(posts);
                }
                0 => return None,
                known if known == id => return Some(posts),
                _ => {}
            }
        }
        None
    }

    /// Returns the id of each rule that matched a Post, and the number of its Posts; in no order.
    pub fn posts(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        let entries = self.entries.iter().map(|(id, posts)| (id.load(Relaxed), posts.load(Relaxed)));
        entries.filter(|(id, _)| *id != 0)
    }

    /// Returns the matches of rules without a count: without an id, or after
    /// [`COUNTED_RULES_MAX`] others.
    #[must_use]
    pub fn others(&self) -> u64 {
        self.others.load(Relaxed)
    }

    /// Returns the number of Posts that list no rule.
    #[must_use]
    pub fn unmatched(&self) -> u64 {
        self.unmatched.load(Relaxed)
    }
}

impl Default for RuleCounts {
    fn default() -> Self {
        Self::new()
    }
}

/// Adds one. Only one thread writes, so no atomic read-modify-write instruction is needed.
fn add(counter: &AtomicU64) {
    counter.store(counter.load(Relaxed).wrapping_add(1), Relaxed);
}

#[cfg(test)]
mod tests {
    use std::format;
    use std::string::String;
    use std::vec::Vec;

    use super::*;
    use crate::stream::classify;

    fn handle(counts: &RuleCounts, message: &str) {
        counts.handle_message(&Message::new(message.as_bytes(), classify(message.as_bytes())));
    }

    fn sorted(counts: &RuleCounts) -> Vec<(u64, u64)> {
        let mut posts: Vec<_> = counts.posts().collect();
        posts.sort_unstable();
        posts
    }

    fn post(rules: &str) -> String {
        format!(r#"{{"id_str":"20","text":"x"{rules}}}"#)
    }

    #[test]
    fn posts_are_counted_under_each_rule_in_both_formats_and_in_arrays() {
        let counts = RuleCounts::new();
        handle(&counts, &post(r#","matching_rules":[{"id_str":"5"},{"id":7,"tag":"t"}]"#));
        handle(&counts, r#"{"data":{"id":"20","text":"x"},"matching_rules":[{"id":"7"}]}"#);
        let array = [post(r#","matching_rules":[{"id":7}]"#), post("")].join(",");
        handle(&counts, &format!("[{array}]"));
        handle(&counts, &post(r#","matching_rules":[{"tag":"no id"},{"id":0}]"#));
        handle(&counts, r#"{"warning":{"matching_rules":[{"id":5}]}}"#);
        handle(&counts, &post(r#","matching_rules":[]"#));
        assert_eq!(sorted(&counts), [(5, 1), (7, 3)]);
        assert_eq!((counts.others(), counts.unmatched()), (2, 2));
    }

    #[test]
    fn rules_above_the_maximum_are_counted_together() {
        let counts = RuleCounts::default();
        for id in 1..=COUNTED_RULES_MAX as u64 + 10 {
            for _ in 0..2 {
                handle(&counts, &post(&format!(r#","matching_rules":[{{"id":{}}}]"#, id << 22)));
            }
        }
        let posts = sorted(&counts);
        assert_eq!((posts.len(), counts.others()), (COUNTED_RULES_MAX, 20));
        assert!(posts.iter().all(|(_, posts)| *posts == 2));
    }

    #[test]
    fn each_rule_up_to_the_maximum_has_a_count_that_a_short_search_finds() {
        // Numbers in sequence, and snowflakes.
        for shift in [0, 22] {
            let counts = RuleCounts::new();
            for number in 2_000..2_000 + COUNTED_RULES_MAX as u64 {
                let id = number << shift;
                handle(&counts, &post(&format!(r#","matching_rules":[{{"id":{id}}}]"#)));
            }
            assert_eq!((counts.posts().count(), counts.others()), (COUNTED_RULES_MAX, 0));
            // A search ends at the first free entry.
            let runs = counts.entries.split(|(id, _)| id.load(Relaxed) == 0);
            let longest = runs.map(<[_]>::len).max();
            assert!(longest < Some(100), "{longest:?}");
        }
    }
}
