//! A bounded window of Post ids that recognizes duplicates exactly.
//!
//! Backfill repeats delivered Posts, and redundant connections carry every Post twice. The service
//! removes no duplicates (X docs, recovery and redundancy). A filter with false positives, such as
//! a Bloom filter, would drop Posts that were never delivered. Therefore the window is exact:
//!
//! - It has no false positives.
//! - It forgets an id when the id exceeds the maximum age, or when newer ids have filled the
//!   window.
//! - A duplicate does not extend the age of an id.
//!
//! ```text
//!   generation   8,192 ids, fewer in a small window, more in one of over 1,048,576 ids
//!       ranges   two ranges that contain its ids, the second for ids far from the others
//!       table    2 buckets for each id, open addressing, linear probing
//!                bucket = 32 bits of the id's hash, and the id's position in the ring; 0: empty
//!                  |
//!                  v
//!   ring         id | time of arrival | the caller's note   oldest ... newest, overwritten in turn
//! ```
//!
//! Post ids increase over time. So a new id is usually outside of the ranges of all older
//! generations, and a lookup reads the newest generation's table only. Its 128 KiB stay in a cache,
//! regardless of the window's size. Other ids are also searched in the older generations whose
//! ranges contain them, the newest first. Duplicates from a second connection or from backfill take
//! one or two searches. Posts of a recovery that arrive between newer ones take one.
//!
//! The worst case is one search in each generation that has ids: at most 129. Ids in random
//! order cost that, 3.4 to 5 µs each. Ids in order cost 0.02 to 0.13 µs, depending on what else
//! fills the cache.
//!
//! The hash bits in a bucket avoid nearly every ring access for a different id. The hash is keyed
//! by the caller's seed, so an attacker cannot choose ids that collide. Forgotten ids keep their
//! buckets until the table is cleared, but the ring then has another id at that position. Each
//! insertion clears two buckets of the table that is needed next, so none takes long.
//!
//! One slice of `u64` words holds ranges, tables and ring. Any memory can serve as storage. Tables
//! and ring are written only as ids reach them, so zeroed pages stay untouched until then.
//!
//! ```
//! use powerstream_core::dedup::{Insert, Window, WindowConfig};
//! use powerstream_core::stream::PostId;
//! use powerstream_core::time::Instant;
//!
//! let mut config = WindowConfig::default();
//! config.posts = 2;
//! let mut window = Window::new([0; 24], &config)?;
//! let mut is_new = |id| matches!(window.insert(PostId::new(id), Instant::ZERO, 0), Insert::New);
//! assert_eq!([1, 2, 1, 3, 1].map(&mut is_new), [true, true, false, true, true]);
//! # Ok::<(), powerstream_core::dedup::WindowError>(())
//! ```

use core::fmt;
use core::time::Duration;

use crate::stream::json::{Malformed, MalformedReason};
use crate::stream::message::{PostId, check_grammar};
use crate::time::Instant;

/// The most ids that a window can hold: a bucket has 32 bits for a position.
pub const POSTS_MAX: usize = 1 << 30;

/// The number of words per id in the ring.
const ENTRY: usize = 3;

/// The number of ids in a generation, a power of two. A window of more than [`GENERATIONS`] times
/// as many ids has larger ones.
///
/// A table must fit into a second-level cache together with the caller's data. Smaller generations
/// are more numerous, which makes ids in random order more expensive.
const GENERATION: usize = 8_192;

/// A larger window has larger generations instead of more, so that ids in random order, which are
/// searched in each, stay affordable.
const GENERATIONS: usize = 128;

/// A generation has this part of the window's ids, rounded up to a power of two, if that is less
/// than [`GENERATION`]. Thus a small window has no large spare table.
const PART: usize = 8;

/// The number of buckets per id in a table. At least half of the buckets are empty, so a search
/// ends soon.
const BUCKETS: usize = 2;

/// The number of words of a generation's two ranges.
const RANGES: usize = 4;

/// The smallest and the largest id of one range, then of the other one.
///
/// Posts of a recovery arrive between newer ones. In one range, they would make it contain nearly
/// every id.
type Ranges = [u64; RANGES];

/// The ranges of a generation without ids: they contain no id.
const EMPTY: Ranges = [u64::MAX, 0, u64::MAX, 0];

/// The distance from all other ids at which an id begins the second range: a minute, as ids have
/// the millisecond above 22 other bits.
const FAR: u64 = 60_000 << 22;

/// The size and maximum age of a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct WindowConfig {
    /// The capacity in Posts, 1 to [`POSTS_MAX`]. Default: 1,048,576, which takes 40.3 MiB.
    ///
    /// Backfill repeats up to five minutes. Meanwhile new Posts arrive, so the window must hold ten
    /// minutes of Posts to recognize every duplicate. The default is enough for 1,747 Posts a
    /// second over all connections, and for 3,495 if the backfill takes no time. Use 600 times your
    /// peak rate.
    ///
    /// `Window::allocate` requests zeroed memory. The operating system provides it when ids reach
    /// it: about 40 bytes for each Post until the window is full.
    pub posts: usize,
    /// The age from which a Post is forgotten as well. Default: `None`; only the capacity limits
    /// the window. With less than ten minutes, a duplicate from backfill may be delivered.
    pub age_max: Option<Duration>,
    /// The key of the hash: any number that an attacker does not know. Default: 0.
    pub seed: u64,
}

impl Default for WindowConfig {
    fn default() -> Self {
        Self { posts: 1 << 20, age_max: None, seed: 0 }
    }
}

impl WindowConfig {
    /// Checks the configuration.
    ///
    /// # Errors
    /// [`WindowError::Posts`].
    pub fn check(&self) -> Result<(), WindowError> {
        if (1..=POSTS_MAX).contains(&self.posts) { Ok(()) } else { Err(WindowError::Posts) }
    }

    /// Returns the words of storage that the window needs: 5.03 for each Post by default. Smaller
    /// windows need up to 7.2 for each Post, and windows of less than 33 Posts up to 15.
    #[must_use]
    pub const fn storage_words(&self) -> usize {
        let Layout { generations, buckets } = Layout::new(self.posts);
        let ring = self.posts.saturating_mul(ENTRY);
        ring.saturating_add(generations.saturating_mul(RANGES + buckets))
    }
}

/// The division of the storage: ranges, tables, ring.
#[derive(Clone, Copy)]
struct Layout {
    generations: usize,
    /// Buckets of one table, a power of two.
    buckets: usize,
}

impl Layout {
    const fn new(posts: usize) -> Self {
        let part = posts.div_ceil(PART);
        let share = posts.div_ceil(GENERATIONS).next_power_of_two();
        let length = if part < GENERATION {
            part.next_power_of_two()
        } else if share < GENERATION {
            GENERATION
        } else {
            share
        };
        // With one id in the newest generation, the others reach this many older ones.
        let older = posts.saturating_sub(1).div_ceil(length);
        // One more is spare: its table is cleared while the newest generation fills.
        let generations = 1 + older + 1;
        Self { generations, buckets: length * BUCKETS }
    }

    /// Returns where the table of this generation starts.
    const fn table(&self, generation: usize) -> usize {
        self.generations * RANGES + generation * self.buckets
    }

    /// Returns where the ring starts.
    const fn ring(&self) -> usize {
        self.table(self.generations)
    }
}

/// Why a window could not be created.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WindowError {
    /// [`WindowConfig::posts`] is 0 or more than [`POSTS_MAX`].
    Posts,
    /// The storage is shorter than [`WindowConfig::storage_words`].
    Storage {
        /// Words needed.
        needed: usize,
    },
}

impl fmt::Display for WindowError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Posts => write!(f, "a window holds 1 to {POSTS_MAX} Posts"),
            Self::Storage { needed } => write!(f, "the window needs {needed} words of storage"),
        }
    }
}

impl core::error::Error for WindowError {}

/// The result of [`Window::insert`].
#[derive(Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums, reason = "an id is known or it is not, and a new copy whole or broken")]
pub enum Insert<'a> {
    /// The id was not in the window and has been inserted.
    New,
    /// The id was in the window.
    Duplicate(Known<'a>),
    /// The id was not in the window and has not been inserted, because the copy is not well-formed
    /// JSON ([`Window::insert_copy`]).
    Broken(Malformed),
}

/// An id that arrived before.
#[derive(Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Known<'a> {
    /// When it first arrived.
    pub at: Instant,
    /// The caller's note, as inserted or changed since.
    pub note: &'a mut u64,
}

/// A bounded window of Post ids. `S` is the storage: `Vec<u64>`, `Box<[u64]>`, `[u64; N]`, `&mut
/// [u64]`.
#[derive(Clone)]
pub struct Window<S> {
    storage: S,
    layout: Layout,
    posts: usize,
    /// The number of ids in the ring, including those that are too old.
    length: usize,
    /// Position in the ring of the next id, and of the oldest id once the ring is full.
    next: usize,
    /// The newest generation.
    newest: usize,
    /// The number of ids inserted into the newest generation.
    filled: usize,
    /// The smallest ranges that contain those of the older generations.
    older: Ranges,
    latest: Instant,
    age_max: Option<Duration>,
    seed: u64,
}

#[cfg(feature = "alloc")]
impl Window<alloc::vec::Vec<u64>> {
    /// Creates a window in newly allocated memory.
    ///
    /// # Errors
    /// [`WindowError::Posts`].
    pub fn allocate(config: &WindowConfig) -> Result<Self, WindowError> {
        config.check()?;
        // Zeroed, so that the operating system provides only the pages that ids reach.
        Self::new(alloc::vec![0; config.storage_words()], config)
    }
}

impl<S: AsRef<[u64]> + AsMut<[u64]>> Window<S> {
    /// Creates an empty window in `storage`, whose content does not matter.
    ///
    /// # Errors
    /// [`WindowError`] if the storage is shorter than [`WindowConfig::storage_words`], or the
    /// number of Posts is out of bounds.
    pub fn new(mut storage: S, config: &WindowConfig) -> Result<Self, WindowError> {
        config.check()?;
        let needed = config.storage_words();
        let Some(words) = storage.as_mut().get_mut(..needed) else {
            return Err(WindowError::Storage { needed });
        };
        let layout = Layout::new(config.posts);
        let (ranges, tables) = words.split_at_mut(layout.table(0));
        ranges.chunks_exact_mut(RANGES).for_each(|ranges| ranges.copy_from_slice(&EMPTY));
        // Insertions clear each further table before it is needed.
        tables[..layout.buckets].fill(0);
        Ok(Self {
            storage,
            layout,
            posts: config.posts,
            length: 0,
            next: 0,
            newest: 0,
            filled: 0,
            older: EMPTY,
            latest: Instant::ZERO,
            age_max: config.age_max,
            seed: config.seed,
        })
    }

    /// Returns the capacity in Posts.
    #[must_use]
    pub const fn posts(&self) -> usize {
        self.posts
    }

    /// Inserts `id` with `note` if it is not in the window. A known id is left unchanged; the
    /// caller can change its note.
    ///
    /// A `now` before an earlier one counts as the earlier one.
    pub fn insert(&mut self, id: PostId, now: Instant, note: u64) -> Insert<'_> {
        self.latest = self.latest.max(now);
        let id = id.as_u64();
        let tag = self.tag(id);
        let (mut bucket, found) = self.find_in(self.newest, tag, id);
        if let Some(place) = found.or_else(|| self.find_older(tag, id)) {
            let entry = self.layout.ring() + place * ENTRY;
            let at = Instant::from_nanos(self.storage.as_ref()[entry + 1]);
            if !self.is_too_old(at) {
                let note = &mut self.storage.as_mut()[entry + 2];
                return Insert::Duplicate(Known { at, note });
            }
            // The old entry stays in the ring until overwritten: all older entries are too old as
            // well.
        }
        if self.filled * BUCKETS == self.layout.buckets {
            self.begin_generation();
            bucket = self.home(tag);
        }
        let (next, newest) = (self.following(self.newest), self.newest);
        let (ring, table) = (self.layout.ring(), self.layout.table(newest));
        let words = self.storage.as_mut();
        // This replaces a bucket of the same id that is too old. Searches thus find its newest
        // entry first.
        words[table + bucket] = (u64::from(tag) << 32) | (self.next as u64 + 1);
        let entry = [id, self.latest.as_nanos(), note];
        words[ring + self.next * ENTRY..][..ENTRY].copy_from_slice(&entry);
        let ranges = &mut words[newest * RANGES..][..RANGES];
        let range = nearest(joined(self.older, ranges), id);
        (ranges[range], ranges[range + 1]) = (ranges[range].min(id), ranges[range + 1].max(id));
        words[self.layout.table(next) + self.filled * BUCKETS..][..BUCKETS].fill(0);
        self.filled += 1;
        self.length = self.posts.min(self.length + 1);
        self.next = if self.next + 1 == self.posts { 0 } else { self.next + 1 };
        Insert::New
    }

    /// Inserts the Post `id` like [`Self::insert`]. If `copy` is the first copy, checks it before.
    ///
    /// A first copy that is not well-formed JSON is not inserted, so that a later good copy counts
    /// as the first. Only first copies are checked, completely: 1.8 µs for a Post of 4 KB. Strings
    /// with invalid UTF-8 pass, because the service may send them in every copy.
    pub fn insert_copy(&mut self, id: PostId, copy: &[u8], now: Instant, note: u64) -> Insert<'_> {
        if !self.contains(id, now) {
            match check_grammar(copy) {
                // Nested deeper than the check reads, so it may be JSON.
                Err(malformed) if malformed.reason != MalformedReason::TooDeep => {
                    return Insert::Broken(malformed);
                }
                _ => {}
            }
        }
        self.insert(id, now, note)
    }

    /// Returns true if `id` is in the window at `now`.
    #[must_use]
    pub fn contains(&self, id: PostId, now: Instant) -> bool {
        let (id, tag) = (id.as_u64(), self.tag(id.as_u64()));
        let (_, found) = self.find_in(self.newest, tag, id);
        found.or_else(|| self.find_older(tag, id)).is_some_and(|place| {
            let at = Instant::from_nanos(self.ring()[place * ENTRY + 1]);
            self.age_max.is_none_or(|age_max| self.latest.max(now).saturating_since(at) <= age_max)
        })
    }

    /// Returns the ids in the window, the newest first.
    pub fn newest(&self) -> impl Iterator<Item = PostId> + '_ {
        (1..=self.length).map_while(|back| {
            let place = (self.next + self.posts - back) % self.posts;
            let entry = &self.ring()[place * ENTRY..][..ENTRY];
            (!self.is_too_old(Instant::from_nanos(entry[1]))).then(|| PostId::new(entry[0]))
        })
    }

    fn is_too_old(&self, at: Instant) -> bool {
        self.age_max.is_some_and(|age_max| self.latest.saturating_since(at) > age_max)
    }

    fn ring(&self) -> &[u64] {
        &self.storage.as_ref()[self.layout.ring()..]
    }

    /// Returns 32 bits of the id's hash: a folded product, so each bit depends on each bit of the
    /// id.
    fn tag(&self, id: u64) -> u32 {
        let product = u128::from(id ^ self.seed) * u128::from(MULTIPLIER);
        (((product >> 64) as u64 ^ product as u64) >> 32) as u32
    }

    /// Returns the preferred bucket of this tag.
    const fn home(&self, tag: u32) -> usize {
        (tag >> (u32::BITS - self.layout.buckets.trailing_zeros())) as usize
    }

    /// Returns the generation that follows.
    const fn following(&self, generation: usize) -> usize {
        if generation + 1 == self.layout.generations { 0 } else { generation + 1 }
    }

    /// Returns the bucket of `id` in the table of this generation, and the id's position in the
    /// ring. Otherwise returns the empty bucket at which the search ended.
    ///
    /// The search passes over buckets of forgotten ids, because the ring has another id there.
    fn find_in(&self, generation: usize, tag: u32, id: u64) -> (usize, Option<usize>) {
        let table = &self.storage.as_ref()[self.layout.table(generation)..][..self.layout.buckets];
        let mut bucket = self.home(tag);
        loop {
            let word = table[bucket];
            if word == 0 {
                return (bucket, None);
            }
            if (word >> 32) as u32 == tag {
                let place = (word as u32 - 1) as usize;
                if self.ring()[place * ENTRY] == id {
                    return (bucket, Some(place));
                }
            }
            bucket = (bucket + 1) & (table.len() - 1);
        }
    }

    /// Returns the newest position in the ring of `id` in the older generations.
    fn find_older(&self, tag: u32, id: u64) -> Option<usize> {
        if !may_contain(&self.older, id) {
            return None;
        }
        let ranges = &self.storage.as_ref()[..self.layout.table(0)];
        let newer = (0..self.newest).rev();
        newer.chain((self.newest + 1..self.layout.generations).rev()).find_map(|generation| {
            let ranges = &ranges[generation * RANGES..][..RANGES];
            if may_contain(ranges, id) { self.find_in(generation, tag, id).1 } else { None }
        })
    }

    /// Begins the next generation, whose table is cleared by now.
    fn begin_generation(&mut self) {
        self.newest = self.following(self.newest);
        self.filled = 0;
        // All ids of the generation after it are forgotten with the next insertion.
        let spare = self.following(self.newest);
        let ranges = &mut self.storage.as_mut()[..self.layout.table(0)];
        ranges[spare * RANGES..][..RANGES].copy_from_slice(&EMPTY);
        self.older = ranges.chunks_exact(RANGES).fold(EMPTY, joined);
    }
}

/// Odd, with its bits spread: 2^64 divided by the golden ratio.
const MULTIPLIER: u64 = 0x9E37_79B9_7F4A_7C15;

fn may_contain(ranges: &[u64], id: u64) -> bool {
    ranges.chunks_exact(2).any(|range| range[0] <= id && id <= range[1])
}

/// Returns the smallest ranges that contain both.
fn joined(one: Ranges, other: &[u64]) -> Ranges {
    [one[0].min(other[0]), one[1].max(other[1]), one[2].min(other[2]), one[3].max(other[3])]
}

/// Returns the index of the range that `id` extends the least.
fn nearest(ranges: Ranges, id: u64) -> usize {
    let distance = |range: usize| match (ranges[range], ranges[range + 1]) {
        (min, max) if min > max => FAR,
        (min, max) => min.saturating_sub(id).max(id.saturating_sub(max)),
    };
    if distance(0) <= distance(2) { 0 } else { 2 }
}

impl<S> fmt::Debug for Window<S> {
    /// Omits the ids.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Window")
            .field("posts", &self.posts)
            .field("held", &self.length)
            .field("age_max", &self.age_max)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::vec;
    use std::vec::Vec;

    use super::*;

    #[test]
    fn a_window_of_any_size_has_few_generations_that_hold_all_its_ids() {
        let around = |posts: usize| [posts - 1, posts, posts + 1];
        let powers = (1..30).map(|exponent| 1_usize << exponent).flat_map(around);
        for posts in powers.filter(|posts| *posts > 0).chain([POSTS_MAX]) {
            let Layout { generations, buckets } = Layout::new(posts);
            let length = buckets / BUCKETS;
            assert!(generations <= 130, "{posts}: {generations}");
            // One is being filled, and one is being cleared.
            assert!((generations - 2) * length >= posts - 1, "{posts}: {generations} of {length}");
        }
    }

    fn window(posts: usize) -> Window<Vec<u64>> {
        let config = WindowConfig { posts, age_max: None, seed: 0x0123_4567_89AB_CDEF };
        Window::new(vec![0; config.storage_words()], &config).unwrap()
    }

    #[test]
    fn each_hash_bit_is_balanced_and_depends_on_each_bit_of_the_id() {
        let window = window(70);
        let ids: Vec<u64> = (1..=1_000).map(|number: u64| number.pow(5).wrapping_mul(MULTIPLIER)).collect();
        for bit in 0..64 {
            let changed = |all, id: &u64| all | (window.tag(*id) ^ window.tag(id ^ (1 << bit)));
            assert_eq!(ids.iter().fold(0, changed), u32::MAX, "bit {bit} of the id");
        }
        for bit in 0..32 {
            let ones = ids.iter().filter(|id| window.tag(**id) >> bit & 1 == 1).count();
            assert!((400..=600).contains(&ones), "{ones} of 1,000 with bit {bit}");
        }
        let homes: BTreeSet<_> = ids.iter().map(|id| window.home(window.tag(*id))).collect();
        assert!(homes.into_iter().eq(0..window.layout.buckets));
    }

    /// Recovered Posts that alternate with new ones get a separate range of ids.
    #[test]
    fn older_posts_between_new_ones_cause_no_searches_in_older_generations() {
        let mut window = window(70);
        for number in 0..1_000_u64 {
            for minutes in [3, 0] {
                let id = (1_000_000 + minutes * 60_000 + number) << 22;
                assert!(!may_contain(&window.older, id), "{number}");
                assert_eq!(window.insert(PostId::new(id), Instant::ZERO, 0), Insert::New);
            }
        }
    }
}
