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
//!   table   2 to 4 times as many buckets as ids, open addressing, linear probing
//!           bucket = 32 bits of the id's hash, and the id's position in the ring; 0: empty
//!             |
//!             v
//!   ring    id | time of arrival | the caller's note    oldest ... newest, overwritten in turn
//! ```
//!
//! The hash bits in a bucket avoid nearly every ring access for a different id. They also give the
//! bucket's preferred position, so deletion closes the probe sequence without reading the ring.
//! There are no tombstones, so lookups do not slow down over time. A lookup reads two or three
//! cache lines, regardless of the window's size. The hash is keyed by the caller's seed, so an
//! attacker cannot choose ids that collide.
//!
//! One slice of `u64` words holds table and ring. Any memory can serve as storage, and zeroed pages
//! that no id reaches stay untouched.
//! ```
//! use powerstream_core::dedup::{Insert, Window, WindowConfig};
//! use powerstream_core::stream::PostId;
//! use powerstream_core::time::Instant;
//!
//! let mut config = WindowConfig::default();
//! config.posts = 2;
//! let mut window = Window::new([0; 16], &config)?;
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

/// With fewer buckets, a table could be full, and a search in it would not end.
const TABLE_MIN: usize = 4;

/// The size and maximum age of a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct WindowConfig {
    /// The capacity in Posts, 1 to [`POSTS_MAX`]. Default: 1,048,576, which takes 40 MiB.
    ///
    /// Backfill repeats up to five minutes. Meanwhile new Posts arrive, so the window must hold ten
    /// minutes of Posts to recognize every duplicate. The default is enough for 1,747 Posts a
    /// second over all connections, and for 3,495 if the backfill takes no time. Use 600 times your
    /// peak rate.
    ///
    /// `Window::allocate` requests zeroed memory. The operating system provides it when ids reach
    /// it: about 16 MiB soon, then 24 bytes for each Post until the window is full.
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

    /// Returns the words of storage that the window needs: 5 to 7 for each Post, 5 if their number
    /// is a power of two.
    #[must_use]
    pub const fn storage_words(&self) -> usize {
        let table = table_words(self.posts);
        self.posts.saturating_mul(ENTRY).saturating_add(table)
    }
}

const fn table_words(posts: usize) -> usize {
    match posts.saturating_mul(2).checked_next_power_of_two() {
        Some(words) if words < TABLE_MIN => TABLE_MIN,
        Some(words) => words,
        None => usize::MAX,
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
    /// Words of the table, a power of two. The ring follows it.
    table: usize,
    /// Shift from the 32 bits of a hash to a bucket.
    shift: u32,
    posts: usize,
    /// The number of ids in the ring, including those that are too old.
    length: usize,
    /// Position in the ring of the next id, and of the oldest id once the ring is full.
    next: usize,
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
        Ok(Self::over_zeroes(alloc::vec![0; config.storage_words()], config))
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
        if storage.as_ref().len() < needed {
            return Err(WindowError::Storage { needed });
        }
        storage.as_mut()[..table_words(config.posts)].fill(0);
        Ok(Self::over_zeroes(storage, config))
    }

    fn over_zeroes(storage: S, config: &WindowConfig) -> Self {
        let table = table_words(config.posts);
        Self {
            storage,
            table,
            shift: u32::BITS - table.trailing_zeros(),
            posts: config.posts,
            length: 0,
            next: 0,
            latest: Instant::ZERO,
            age_max: config.age_max,
            seed: config.seed,
        }
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
        let tag = self.tag(id.as_u64());
        let (mut bucket, found) = self.find(tag, |ring, place| ring[place * ENTRY] == id.as_u64());
        if let Some(place) = found {
            let at = Instant::from_nanos(self.ring()[place * ENTRY + 1]);
            if !self.is_too_old(at) {
                let note = &mut self.storage.as_mut()[self.table + place * ENTRY + 2];
                return Insert::Duplicate(Known { at, note });
            }
            // Its ring entry stays until overwritten: all older entries are too old as well.
            self.empty(bucket);
        }
        let place = self.next;
        if self.length == self.posts {
            let oldest = self.tag(self.ring()[place * ENTRY]);
            let (bucket, found) = self.find(oldest, |_, found| found == place);
            if found.is_some() {
                self.empty(bucket);
            }
        } else {
            self.length += 1;
        }
        self.next = if place + 1 == self.posts { 0 } else { place + 1 };
        // Deletion may have moved the bucket at which the search ended.
        let (table, ring) = self.storage.as_mut().split_at_mut(self.table);
        bucket = home(tag, self.shift);
        while table[bucket] != 0 {
            bucket = (bucket + 1) & (table.len() - 1);
        }
        table[bucket] = (u64::from(tag) << 32) | (place as u64 + 1);
        let entry = &mut ring[place * ENTRY..][..ENTRY];
        entry.copy_from_slice(&[id.as_u64(), self.latest.as_nanos(), note]);
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
        let (_, found) = self.find(self.tag(id.as_u64()), |ring, place| ring[place * ENTRY] == id.as_u64());
        found.is_some_and(|place| {
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
        &self.storage.as_ref()[self.table..]
    }

    /// Returns 32 bits of the id's hash: a folded product, so each bit depends on each bit of the
    /// id.
    fn tag(&self, id: u64) -> u32 {
        let product = u128::from(id ^ self.seed) * u128::from(MULTIPLIER);
        (((product >> 64) as u64 ^ product as u64) >> 32) as u32
    }

    /// Returns the bucket with this tag whose ring position satisfies `is_it`, and that position.
    /// Otherwise returns the empty bucket at which the search ended.
    fn find(&self, tag: u32, is_it: impl Fn(&[u64], usize) -> bool) -> (usize, Option<usize>) {
        let (table, ring) = self.storage.as_ref().split_at(self.table);
        let mut bucket = home(tag, self.shift);
        loop {
            let word = table[bucket];
            if word == 0 {
                return (bucket, None);
            }
            let place = (word as u32 - 1) as usize;
            if (word >> 32) as u32 == tag && is_it(ring, place) {
                return (bucket, Some(place));
            }
            bucket = (bucket + 1) & (table.len() - 1);
        }
    }

    /// Empties a bucket and closes the probe sequence: moves each later bucket that may take the
    /// empty place.
    fn empty(&mut self, mut hole: usize) {
        let table = &mut self.storage.as_mut()[..self.table];
        let mask = table.len() - 1;
        let mut bucket = hole;
        loop {
            bucket = (bucket + 1) & mask;
            let word = table[bucket];
            if word == 0 {
                break;
            }
            let home = home((word >> 32) as u32, self.shift);
            let from_home = bucket.wrapping_sub(home) & mask;
            let from_hole = bucket.wrapping_sub(hole) & mask;
            if from_home >= from_hole {
                table[hole] = word;
                hole = bucket;
            }
        }
        table[hole] = 0;
    }
}

/// Odd, with its bits spread: 2^64 divided by the golden ratio.
const MULTIPLIER: u64 = 0x9E37_79B9_7F4A_7C15;

/// Returns the preferred bucket of this tag.
const fn home(tag: u32, shift: u32) -> usize {
    (tag >> shift) as usize
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
