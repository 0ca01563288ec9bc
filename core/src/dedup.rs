//! Which Posts have come already: a bounded window of their ids, exact in what it knows and in what it forgets.
//!
//! Backfill sends again what was delivered, and redundant connections carry everything twice; the service removes no
//! duplicates (X docs, recovery and redundancy). A filter that is wrong now and then (Bloom's, say) would withhold a Post that
//! never came, so membership here is exact. And so is forgetting: an id is known until as many others as the window holds
//! have come behind it, or until it is older than the window's age, and not one Post longer. A second sight does not
//! renew it.
//!
//! ```text
//!   table   2 to 4 times as many buckets as ids, open addressing, linear probing
//!           bucket = 32 bits of the id's hash, and where in the ring the id lies; 0: empty
//!             |
//!             v
//!   ring    id | when it came | the caller's note      oldest ... newest, overwritten in turn
//! ```
//!
//! The bits of the hash in a bucket spare nearly every look into the ring at an id that is another, and say where the bucket would
//! best lie, so that forgetting closes the row behind it (no tombstones: the table is as good after a month as on
//! the first day) without looking into the ring either. An id thus costs two or three cache lines, whatever
//! the window's size. The hash is keyed by the caller's seed, so that nobody can choose ids that share a bucket.
//!
//! One slice of plain words holds both, so that any memory serves as storage, and zeroed pages that no id reaches stay
//! untouched.
//!
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

/// The most ids that a window can hold: a bucket has 32 bits for a place.
pub const POSTS_MAX: usize = 1 << 30;

/// Words that an id takes in the ring.
const ENTRY: usize = 3;

/// With fewer buckets than this a table could be full, and a search in it would not end.
const TABLE_MIN: usize = 4;

/// How far back a window looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct WindowConfig {
    /// How many Posts it holds, 1 to [`POSTS_MAX`]. Default 1,048,576, in 40 MiB.
    ///
    /// Backfill repeats up to five minutes. Meanwhile new Posts arrive, so the window must hold ten minutes
    /// of Posts to know every duplicate. The default does for 1,747 Posts a second, all connections
    /// together, and for 3,495 where the backfill takes no time. Take 600 times your peak rate.
    ///
    /// `Window::allocate` asks for zeroed memory, which the operating system provides when ids reach it: about 16 MiB soon,
    /// and then 24 bytes a Post until the window is full.
    pub posts: usize,
    /// A Post that first came longer ago than this is forgotten too. Default `None`: only the number counts. Below ten
    /// minutes, a duplicate of a backfill may be delivered.
    pub age_max: Option<Duration>,
    /// Keys the hash. Any number that a stranger does not know. Default 0.
    pub seed: u64,
}

impl Default for WindowConfig {
    fn default() -> Self {
        Self { posts: 1 << 20, age_max: None, seed: 0 }
    }
}

impl WindowConfig {
    /// Checks that there can be such a window.
    ///
    /// # Errors
    /// [`WindowError::Posts`].
    pub fn check(&self) -> Result<(), WindowError> {
        if (1..=POSTS_MAX).contains(&self.posts) { Ok(()) } else { Err(WindowError::Posts) }
    }

    /// Words of storage that such a window needs: 5 to 7 for each Post, 5 where their number is a power of two.
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

/// Why a window could not be made.
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

/// What [`Window::insert`] found.
#[derive(Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums, reason = "an id is known or it is not, and a new copy whole or broken")]
pub enum Insert<'a> {
    /// The id was not in the window. It is now.
    New,
    /// It was.
    Duplicate(Known<'a>),
    /// It was not, and is not: the copy is not well-formed JSON ([`Window::insert_copy`]).
    Broken(Malformed),
}

/// An id that came before.
#[derive(Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Known<'a> {
    /// When it first came.
    pub at: Instant,
    /// What the caller noted then, or since.
    pub note: &'a mut u64,
}

/// A bounded window of Post ids. `S` is the storage: `Vec<u64>`, `Box<[u64]>`, `[u64; N]`, `&mut [u64]`.
#[derive(Clone)]
pub struct Window<S> {
    storage: S,
    /// Words of the table, a power of two; the ring lies behind it.
    table: usize,
    /// From the 32 bits of a hash to a bucket.
    shift: u32,
    posts: usize,
    /// Ids in the ring, those that are too old among them.
    length: usize,
    /// Where in the ring the next id goes, and the oldest one lies once it is full.
    next: usize,
    latest: Instant,
    age_max: Option<Duration>,
    seed: u64,
}

#[cfg(feature = "alloc")]
impl Window<alloc::vec::Vec<u64>> {
    /// A window in memory of its own.
    ///
    /// # Errors
    /// [`WindowError::Posts`].
    pub fn allocate(config: &WindowConfig) -> Result<Self, WindowError> {
        config.check()?;
        // Zeroed, so that pages which no id ever reaches are never given out.
        Ok(Self::over_zeroes(alloc::vec![0; config.storage_words()], config))
    }
}

impl<S: AsRef<[u64]> + AsMut<[u64]>> Window<S> {
    /// An empty window. What `storage` holds does not matter; it is as long as [`WindowConfig::storage_words`] says at least.
    ///
    /// # Errors
    /// [`WindowError`] where it is shorter, or the number of Posts out of bounds.
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

    /// How many Posts it holds at most.
    #[must_use]
    pub const fn posts(&self) -> usize {
        self.posts
    }

    /// `id` has come, at `now`. Where it is new it is kept, with the `note`; where it is not, nothing changes but what the
    /// caller changes of its note. A `now` before an earlier one counts as that.
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
            // Its place in the ring stays until its turn: all that came before it is too old as well.
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
        // Emptying may have moved the bucket for which the search ended.
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

    /// Takes in a copy of the Post `id`, as [`Self::insert`] does. A first copy that is not well-formed
    /// JSON is not kept, so that it never takes the place of one that is.
    ///
    /// Only first copies are checked, from end to end: 1.8 µs for a Post of 4 KB. Strings that are not
    /// UTF-8 pass, because the service may send them in every copy.
    pub fn insert_copy(&mut self, id: PostId, copy: &[u8], now: Instant, note: u64) -> Insert<'_> {
        if !self.contains(id, now) {
            match check_grammar(copy) {
                // Deeper than is read: it may be JSON.
                Err(malformed) if malformed.reason != MalformedReason::TooDeep => {
                    return Insert::Broken(malformed);
                }
                _ => {}
            }
        }
        self.insert(id, now, note)
    }

    /// Whether `id` is in the window at `now`.
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

    /// 32 bits of the id's hash: a product folded, so that each bit of it depends on each bit of the id.
    fn tag(&self, id: u64) -> u32 {
        let product = u128::from(id ^ self.seed) * u128::from(MULTIPLIER);
        (((product >> 64) as u64 ^ product as u64) >> 32) as u32
    }

    /// The bucket of this tag for whose place in the ring `is_it` says so, and that place; or the empty bucket at which the
    /// search ended.
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

    /// Empties a bucket, and closes the row behind it: whatever may lie there instead of where it lies moves up.
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

/// Where a bucket of this tag best lies.
const fn home(tag: u32, shift: u32) -> usize {
    (tag >> shift) as usize
}

impl<S> fmt::Debug for Window<S> {
    /// Leaves the ids out.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Window")
            .field("posts", &self.posts)
            .field("held", &self.length)
            .field("age_max", &self.age_max)
            .finish_non_exhaustive()
    }
}
