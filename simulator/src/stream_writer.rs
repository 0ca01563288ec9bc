//! The body of a running stream: counts, the format of the Posts, and the effects of events on
//! later Posts.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::exchange::Exchange;
use crate::feed::Item;
use crate::rule_store::StoredRule;
use crate::script::{KeepAlives, Stream};
use crate::source::SourcePost;
use crate::{splice, v2};

pub(crate) struct StreamWriter<'a, 'b> {
    pub(crate) exchange: &'b mut Exchange<'a>,
    style: Stream,
    messages: u64,
    posts: u64,
    keep_alives: u64,
    /// The requested fields of v2 Posts. `None` sends Posts unchanged.
    fields: Option<Vec<(String, String)>>,
    /// The shortest time between two Posts, and when the next one may be sent.
    cap: Option<(Duration, Instant)>,
    pub(crate) effects: Effects,
}

/// The effects of events on later Posts.
#[derive(Default)]
pub(crate) struct Effects {
    /// The last Post sent.
    pub(crate) last: Option<(Arc<[u8]>, Option<u64>)>,
    pub(crate) quiet_until: Option<Instant>,
    pub(crate) burst: Option<(Instant, u64)>,
    /// The number of Posts by which the next Post is delayed.
    pub(crate) reorder: Option<u64>,
    /// Delayed Posts, and how many Posts come before each.
    pub(crate) late: Vec<(u64, Item)>,
}

impl<'a, 'b> StreamWriter<'a, 'b> {
    pub(crate) fn new(exchange: &'b mut Exchange<'a>) -> Self {
        let style = *exchange.shared.stream_style();
        Self {
            exchange,
            style,
            messages: 0,
            posts: 0,
            keep_alives: 0,
            fields: None,
            cap: None,
            effects: Effects::default(),
        }
    }

    /// Sends Posts in the v2 format with these fields.
    pub(crate) fn write_v2(&mut self, fields: Vec<(String, String)>) {
        self.fields = Some(fields);
    }

    /// Limits the Posts per second.
    pub(crate) fn limit(&mut self, posts_a_second: f64) {
        self.cap = Some((Duration::from_secs_f64(1.0 / posts_a_second), self.exchange.out.now()));
    }

    /// Returns when the next Post may be sent, if there is a limit.
    pub(crate) fn next_allowed(&self) -> Option<Instant> {
        self.cap.map(|(_, next)| next)
    }

    /// Returns the number of Posts sent, without those that events generated.
    pub(crate) fn posts(&self) -> u64 {
        self.posts
    }

    pub(crate) fn keep_alives(&self) -> u64 {
        self.keep_alives
    }

    /// Adds a Post of the feed, and the additional Posts of a burst.
    pub(crate) fn post(&mut self, item: Item, now: Instant) {
        let Item { post: SourcePost { id, bytes }, rules } = item;
        let bytes = self.shaped(bytes, rules.as_deref());
        self.effects.last = Some((bytes.clone(), id));
        self.message(bytes, id, true);
        self.posts += 1;
        if let Some((interval, next)) = &mut self.cap {
            *next = (*next).max(now) + *interval;
        }
        if let Some((_, factor)) = self.effects.burst.filter(|(until, _)| now < *until) {
            for _ in 1..factor {
                let (id, bytes) =
                    self.exchange.shared.extra_posts.current(self.exchange.shared.clock.unix_ms());
                let bytes = self.shaped(bytes.into(), None);
                self.message(bytes, Some(id), false);
            }
        }
    }

    /// Generates a Post of the given size in bytes. Returns its id and its bytes.
    pub(crate) fn padded_post(&self, bytes: usize) -> (u64, Vec<u8>) {
        let shared = self.exchange.shared;
        shared.extra_posts.padded(shared.clock.unix_ms(), bytes)
    }

    /// Returns a Post in the format of the endpoint.
    pub(crate) fn shaped(&self, bytes: Arc<[u8]>, rules: Option<&[Arc<StoredRule>]>) -> Arc<[u8]> {
        let says = self.exchange.shared.config.matching_rules;
        let rules = rules.filter(|_| says);
        if !says && self.fields.is_none() && self.exchange.shared.feed.is_generated() {
            // The generator's own matching rules are invented.
            if let Some(without) = splice::without_root(&bytes, "matching_rules") {
                return without.into();
            }
        }
        match self.fields.as_ref().and_then(|fields| v2::envelope(&bytes, fields, rules)) {
            Some(envelope) => envelope.into(),
            None => bytes,
        }
    }

    /// Adds a message, and before it the keep-alive of the scenario.
    pub(crate) fn message(&mut self, bytes: Arc<[u8]>, id: Option<u64>, is_post: bool) {
        let keep_alive = match self.style.keep_alives {
            KeepAlives::WhenIdle => false,
            KeepAlives::Between => self.messages > 0,
            KeepAlives::NowAndThen => self.exchange.rng.below(8) == 0,
        };
        if keep_alive {
            self.keep_alive();
        }
        self.messages += 1;
        let bytes = if self.style.arrays { [b"[", &bytes[..], b"]"].concat().into() } else { bytes };
        self.exchange.out.message(bytes, id, is_post);
    }

    /// Adds a keep-alive.
    pub(crate) fn keep_alive(&mut self) {
        self.exchange.out.keep_alive();
        self.keep_alives += 1;
    }

    /// Adds a keep-alive whose CR and LF are in separate chunks.
    pub(crate) fn keep_alive_split(&mut self) {
        self.exchange.out.keep_alive_split();
        self.keep_alives += 1;
    }
}
