//! The model of the service: the Posts of one group of connections, and the ground truth about
//! them.

use std::collections::VecDeque;

use crate::random::Rng;

pub(crate) const MS: u64 = 1_000_000;
pub(crate) const SEC: u64 = 1_000_000_000;
pub(crate) const MINUTE: u64 = 60 * SEC;
pub(crate) const HOUR: u64 = 3_600 * SEC;

/// Posts are kept this long: backfill repeats them, and a suspended machine reads them late.
const ARCHIVE: u64 = 12 * HOUR;

/// The epoch of ids, in Unix milliseconds.
const ID_EPOCH: u64 = 1_288_834_974_657;

/// A Post and its fate. Connections are bits of masks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Post {
    /// When it was created, in Unix milliseconds of the server's clock.
    pub(crate) created: u64,
    pub(crate) id: u64,
    /// It is sent later than the Posts around it.
    pub(crate) straggles: bool,
    /// The connections that delivered it.
    pub(crate) delivered: u8,
    /// The bytes of its text.
    text: u16,
}

impl Post {
    /// Returns how much later than the Posts around it a connection sends this one, in nanoseconds.
    pub(crate) fn straggle(&self, line: usize) -> u64 {
        if !self.straggles {
            return 0;
        }
        // Within the smallest margin, within one that earlier stragglers widened, and beyond.
        let mut rng = Rng(self.id ^ (line as u64) << 60);
        rng.pick(&[100, 500, 1_500, 4_000, 9_000, 18_000]) * MS + rng.below(100 * MS)
    }

    /// Returns the Post as it is sent.
    pub(crate) fn json(&self) -> String {
        let Self { id, text, .. } = self;
        let text = "a\u{e9}\\\"".repeat(usize::from(*text));
        format!(
            r#"{{"created_at":"Sat Oct 10 20:19:24 +0000 2020","id":{id},"id_str":"{id}","text":"{text}"}}"#
        )
    }
}

/// The Posts of a group, in order of their creation, and the server's clock.
#[derive(Debug)]
pub(crate) struct Service {
    /// The server's clock, in Unix nanoseconds, when the virtual clock is 0.
    pub(crate) offset: i128,
    posts: VecDeque<Post>,
    /// The number of Posts that were forgotten.
    base: u64,
    /// When the next Post is created, on the virtual clock.
    next_at: u64,
    /// The mean time between two Posts; `None`: there are none.
    every: Option<u64>,
    /// More Posts until this time.
    burst_until: u64,
    /// The latest time up to which a connection has sent what it sends.
    sent_until: u64,
}

impl Service {
    pub(crate) fn new(offset: i128, every: Option<u64>, now: u64) -> Self {
        let next_at = if every.is_some() { now } else { u64::MAX };
        Self { offset, posts: VecDeque::new(), base: 0, next_at, every, burst_until: 0, sent_until: now }
    }

    /// Returns true if it never creates Posts.
    pub(crate) const fn is_silent(&self) -> bool {
        self.every.is_none()
    }

    /// Returns the server's clock in Unix milliseconds.
    pub(crate) fn unix(&self, at: u64) -> u64 {
        ((self.offset + i128::from(at)) / 1_000_000) as u64
    }

    /// Returns the virtual time of a moment on the server's clock.
    pub(crate) fn at(&self, unix: u64) -> u64 {
        (i128::from(unix) * 1_000_000 - self.offset).max(0) as u64
    }

    /// Creates all Posts up to `until`.
    pub(crate) fn create(&mut self, until: u64, rng: &mut Rng, mut straggles: impl FnMut() -> bool) {
        self.handle_sent(until);
        while let (true, Some(every)) = (self.next_at <= until, self.every) {
            let created = self.unix(self.next_at);
            let id = (created - ID_EPOCH) << 22 | (self.end() & 0x3F_FFFF);
            let text = rng.pick(&[0, 1, 5, 40]) as u16;
            self.posts.push_back(Post { created, id, straggles: straggles(), delivered: 0, text });
            let every = if self.next_at < self.burst_until { every / 10 } else { every };
            self.next_at += rng.about(every).max(1);
        }
    }

    pub(crate) const fn next_at(&self) -> u64 {
        self.next_at
    }

    /// Reports that a connection has sent what it sends up to `at`.
    pub(crate) fn handle_sent(&mut self, at: u64) {
        self.sent_until = self.sent_until.max(at);
    }

    /// Creates the next Post at `at` at the latest, but not before what connections have sent.
    pub(crate) fn hurry(&mut self, at: u64) {
        if self.every.is_some() {
            self.next_at = self.next_at.min(at.max(self.sent_until + MS));
        }
    }

    /// Creates ten times as many Posts from the next one until this time.
    pub(crate) const fn burst(&mut self, until: u64) {
        self.burst_until = until;
    }

    /// Creates no Posts until this time.
    pub(crate) fn pause(&mut self, until: u64) {
        if self.every.is_some() {
            self.next_at = self.next_at.max(until);
        }
    }

    /// Returns the index after the newest Post.
    pub(crate) fn end(&self) -> u64 {
        self.base + self.posts.len() as u64
    }

    pub(crate) fn get(&self, index: u64) -> Option<&Post> {
        self.posts.get(index.checked_sub(self.base)? as usize)
    }

    /// Returns the Post with this id, if it is in the archive.
    pub(crate) fn find(&mut self, id: u64) -> Option<&mut Post> {
        let at = self.posts.binary_search_by_key(&id, |post| post.id).ok()?;
        self.posts.get_mut(at)
    }

    /// Returns the index of the first Post created at or after this time.
    pub(crate) fn first_from(&self, unix: u64) -> u64 {
        self.base + self.posts.partition_point(|post| post.created < unix) as u64
    }

    /// Forgets Posts before `checked` that are too old to arrive.
    pub(crate) fn forget(&mut self, checked: u64, now: u64) {
        let oldest = self.unix(now.saturating_sub(ARCHIVE));
        while self.base < checked && self.posts.front().is_some_and(|post| post.created < oldest) {
            self.posts.pop_front();
            self.base += 1;
        }
    }
}
