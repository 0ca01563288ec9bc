//! Decides whether each Post was delivered or reported as missing, and which copies are duplicates.

use std::collections::{HashMap, VecDeque};

use crate::connection::{JITTER_MAX, LAG_MAX};
use crate::service::{MS, Post, Service};

/// Checks that each Post created before the covered time was delivered, or is in a reported gap.
#[derive(Debug)]
pub(crate) struct Judge {
    /// The first Post that is not checked yet.
    pub(crate) cursor: u64,
    /// Posts created before this time were never promised.
    promised_from: Option<u64>,
    /// Reported gaps, by the server's time.
    gaps: Vec<(u64, u64)>,
    /// The connections whose deliveries count.
    mask: u8,
    /// The latest time that all connections that streamed had confirmed.
    pub(crate) confirmed: u64,
}

impl Judge {
    pub(crate) const fn new(mask: u8) -> Self {
        Self { cursor: 0, promised_from: None, gaps: Vec::new(), mask, confirmed: 0 }
    }

    /// Reports the first stream, whose head was sent at `unix`. Earlier Posts are not promised.
    pub(crate) fn handle_first_stream(&mut self, unix: u64) {
        self.promised_from.get_or_insert(unix);
    }

    /// Starts over: a process without a checkpoint promises nothing about the time before.
    pub(crate) fn forget(&mut self) {
        (self.promised_from, self.confirmed) = (None, 0);
    }

    /// Continues an earlier process, which was responsible for all Posts created before `unix`.
    pub(crate) fn resume_from(&mut self, unix: u64, service: &Service) {
        (self.promised_from, self.confirmed) = (Some(0), unix);
        self.cursor = self.cursor.max(service.first_from(unix));
    }

    pub(crate) fn handle_gap(&mut self, from: u64, to: u64, service: &Service) {
        if let Some(post) = service.get(self.cursor) {
            self.gaps.retain(|(_, to)| *to > post.created);
        }
        self.gaps.push((from, to));
    }

    /// Returns true if no Post waits for its check.
    pub(crate) fn is_idle(&self, service: &Service) -> bool {
        self.cursor >= service.end()
    }

    /// Checks all Posts created before `covered`. Returns the number of lost ones. `is_excused`
    /// decides whether gaps promise nothing about a Post.
    pub(crate) fn check(
        &mut self,
        covered: u64,
        service: &Service,
        now: u64,
        is_excused: impl Fn(&Post) -> bool,
    ) -> u64 {
        let mut lost = 0;
        while let Some(post) = service.get(self.cursor).filter(|post| post.created < covered) {
            self.cursor += 1;
            if post.delivered & self.mask != 0 || self.promised_from.is_none_or(|from| post.created <= from) {
                continue;
            }
            lost += 1;
            let is_reported = self.gaps.iter().any(|(from, to)| (*from..*to).contains(&post.created));
            assert!(
                is_reported || is_excused(post),
                "I6: Post {} created at {} is missing on {:#b} and in no gap of {:?}; covered until {covered} at {}",
                post.id,
                post.created,
                self.mask,
                self.gaps,
                service.unix(now),
            );
        }
        lost
    }
}

/// A confirmed time goes back by at most this, in milliseconds: by a wider margin, or by a repeated
/// Post, at most ten minutes old, if it is the first one of its stream.
pub(crate) const BACK_MAX: u64 = MARGIN + 2 * DELAY_MAX + 601_000;

/// The smallest margin of gaps, and the largest delay that widens it, in milliseconds.
const MARGIN: u64 = 1_000;
const DELAY_MAX: u64 = 10_000;

/// The margin of one connection's gaps by the documented contract: a second plus twice the largest
/// delay seen in an out-of-order Post.
#[derive(Debug)]
pub(crate) struct Margin {
    /// The largest delay seen in the process, in milliseconds.
    delay: u64,
    /// The newest Post of the stream.
    newest: Option<u64>,
    /// When the stream began by the server's clock, and the margin when the one before ended.
    began: u64,
    before: u64,
    /// The Posts of the stream may be backfill, which is older.
    has_backfill: bool,
}

impl Margin {
    pub(crate) const fn new() -> Self {
        Self { delay: 0, newest: None, began: 0, before: MARGIN, has_backfill: false }
    }

    const fn millis(&self) -> u64 {
        MARGIN + 2 * self.delay
    }

    /// Reports the head of a stream.
    pub(crate) fn handle_stream(&mut self, unix: u64, has_backfill: bool) {
        (self.began, self.newest, self.has_backfill) = (unix, None, has_backfill);
    }

    /// Reports a delivered Post.
    pub(crate) fn handle_post(&mut self, created: u64) {
        if self.has_backfill || created + 240_000 < self.began {
            return;
        }
        let newest = *self.newest.get_or_insert(created);
        if newest.saturating_sub(created) <= DELAY_MAX {
            self.delay = self.delay.max(newest.saturating_sub(created));
        }
        self.newest = Some(newest.max(created));
    }

    /// Reports the end of a stream: its gap has the margin of this moment.
    pub(crate) fn handle_end(&mut self) {
        self.before = self.millis();
    }

    /// Returns true if the connection `line` sends a Post later than its gaps promise to cover.
    pub(crate) fn excuses(&self, post: &Post, line: usize) -> bool {
        let margin = if post.created < self.began { self.before } else { self.millis() };
        // Without a Post to compare with, the whole age of a Post counts.
        let age = JITTER_MAX + MS + if self.newest.is_some() { 0 } else { LAG_MAX };
        post.straggles && post.straggle(line) + age > margin * MS
    }
}

/// A window of ids that is slow and obvious.
#[derive(Debug)]
pub(crate) struct NaiveWindow {
    entries: VecDeque<(u64, u64)>,
    /// Each id with the number of its newest entry.
    ids: HashMap<u64, u64>,
    count: u64,
    capacity: usize,
    age_max: Option<u64>,
}

impl NaiveWindow {
    pub(crate) fn new(capacity: usize, age_max: Option<u64>) -> Self {
        Self { entries: VecDeque::new(), ids: HashMap::new(), count: 0, capacity, age_max }
    }

    /// Inserts an id at `now`. Returns true if it was not in the window.
    pub(crate) fn insert(&mut self, id: u64, now: u64) -> bool {
        let first = self.count - self.entries.len() as u64;
        if let Some(at) = self.ids.get(&id).map(|number| self.entries[(number - first) as usize].1) {
            if self.age_max.is_none_or(|age_max| now - at <= age_max) {
                return false;
            }
        }
        if self.entries.len() == self.capacity {
            if let Some((oldest, _)) = self.entries.pop_front() {
                if self.ids.get(&oldest) == Some(&first) {
                    self.ids.remove(&oldest);
                }
            }
        }
        self.entries.push_back((id, now));
        self.ids.insert(id, self.count);
        self.count += 1;
        true
    }
}
