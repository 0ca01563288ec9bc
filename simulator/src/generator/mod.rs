//! Posts generated from a seed.
//!
//! They have the legacy format that Powerstream sends, with the proportions of the real feed:
//!
//! - 2 to about 15 KB, median 3.4 KB;
//! - a quarter of them Retweets with the nested original;
//! - long texts in `extended_tweet`, quotes, pictures, places, two dozen languages;
//! - every valid way to escape a JSON string.
//!
//! A wrong assumption of a client about any of this should fail here first.

pub(crate) mod json;
mod languages;
mod people;
mod post;
mod short_link;
mod text;

use json::{Style, Writer};
use people::{Person, people_max};
use post::{Outer, Post};

use crate::rng::Rng;
use crate::time::{self, Snowflakes};

/// An endless source of Posts. The same seed gives the same Posts, except for ids and dates, which
/// depend on the time.
///
/// ```
/// let mut generator = powerstream_simulator::Generator::new(7);
/// let mut post = Vec::new();
/// let id = generator.post(1_762_557_499_594, &mut post);
/// assert_eq!((id >> 22) + 1_288_834_974_657, 1_762_557_499_594);
/// assert!(post.starts_with(b"{\"created_at\":\"Fri Nov 07 23:18:19 +0000 2025\",\"id\":"));
/// ```
#[derive(Debug, Clone)]
pub struct Generator {
    seed: u64,
    rng: Rng,
    ids: Snowflakes,
}

impl Generator {
    /// Creates the generator of this seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { seed, rng: Rng::nth(seed, 0), ids: Snowflakes::new(Rng::nth(seed, 1).next()) }
    }

    /// Appends one Post, a compact JSON object without a line end, dated `now_unix_ms` (Unix
    /// milliseconds). Returns its id.
    ///
    /// Ids are snowflakes of that time, unique and strictly increasing. If the clock stops or goes
    /// back, the generator continues from the highest time. `created_at` and `timestamp_ms` always
    /// agree with the id.
    pub fn post(&mut self, now_unix_ms: u64, out: &mut Vec<u8>) -> u64 {
        let id = self.ids.next(now_unix_ms);
        // One random number determines the whole Post. How many values a Post uses does not affect
        // the next Post.
        let draw = self.rng.next();
        self.write(draw, id, out);
        id
    }

    /// Appends the Post that comes after `n` others, with the given id. A negative `n` selects a
    /// Post before the first. Any Post can be generated at any time, so the past needs no memory.
    pub(crate) fn nth(&self, n: i64, id: u64, out: &mut Vec<u8>) {
        self.write(self.rng.ahead(n), id, out);
    }

    /// Returns the machine bits of its ids, below the time.
    pub(crate) fn machine(&self) -> u64 {
        self.ids.machine()
    }

    fn write(&self, draw: u64, id: u64, out: &mut Vec<u8>) {
        let mut rng = Rng::new(draw);
        let style = match rng.below(100) {
            0..6 => Style { ascii: true, slash: true, angle: true },
            6..10 => Style { ascii: true, slash: false, angle: false },
            10..45 => Style { ascii: false, slash: true, angle: true },
            _ => Style::default(),
        };
        let mut composer = Composer { rng, seed: self.seed };
        let post = composer.outer(id);
        let outer = composer.outer_fields();
        post.write(&mut Writer::new(out, style), Some(&outer));
    }

    /// Appends a small Post whose text is padded until the Post is `bytes` long. It has at least
    /// about 400 bytes.
    pub(crate) fn padded_post(&mut self, now_unix_ms: u64, bytes: usize, out: &mut Vec<u8>) -> u64 {
        let id = self.ids.next(now_unix_ms);
        let start = out.len();
        let mut json = Writer::new(out, Style::default());
        json.raw("{\"created_at\":\"").raw(&time::legacy(time::snowflake_ms(id))).raw("\",").id("", id);
        json.raw(",\"truncated\":false,\"user\":{\"id\":1,\"id_str\":\"1\",\"screen_name\":\"padded\"},\"lang\":\"und\",\"text\":\"");
        let padding = bytes.saturating_sub(out.len() - start + 2);
        out.resize(out.len() + padding, b'o');
        out.extend_from_slice(b"\"}");
        id
    }
}

/// Chooses the parts of a Post.
struct Composer {
    rng: Rng,
    seed: u64,
}

impl Composer {
    /// Composes a Post of the feed: a Retweet, a quote or a plain Post.
    fn outer(&mut self, id: u64) -> Post {
        match self.rng.below(100) {
            0..24 => {
                let original_id = self.earlier(id);
                let quoting = self.rng.percent(22);
                let mut original = self.plain(original_id, 65);
                if quoting {
                    original = self.quoting(original_id);
                }
                let mut post = self.plain(id, 0);
                post.text = text::Text::retweet(&original.text, &original.author);
                post.source = self.rng.index(post::SOURCES.len());
                post.media = None;
                post.reply_to = None;
                post.retweeted = Some(Box::new(original));
                post
            }
            24..30 => self.quoting(id),
            _ => self.plain(id, 26),
        }
    }

    fn quoting(&mut self, id: u64) -> Post {
        let quoted_id = self.earlier(id);
        let quoted = self.plain(quoted_id, 45);
        let mut post = self.plain(id, 26);
        post.quoted = Some(Box::new(quoted));
        post
    }

    /// Composes a plain Post. A share of `long_percent` has `extended_tweet`.
    fn plain(&mut self, id: u64, long_percent: u64) -> Post {
        let rng = &mut self.rng;
        let author = Person::nth(self.seed, rng.below(people_max()));
        let language = author.language();
        let long = rng.percent(long_percent);
        let with_media = rng.percent(14);
        let chars = if long { rng.between(141, 230) } else { rng.between(1, 80) };
        let text = text::Text::compose(rng, language, self.seed, chars, with_media);
        let short = long.then(|| text.truncated(rng));
        let reply_to = rng.percent(22).then(|| Person::nth(self.seed, rng.below(people_max())));
        let coordinates = rng.percent(6);
        Post {
            id,
            author,
            media: with_media.then(|| rng.next() >> 1),
            editable: rng.percent(25),
            text,
            short,
            source: rng.index(post::SOURCES.len()),
            reply_to: reply_to
                .map(|person| (person, time::snowflake(time::snowflake_ms(id) - 90_000, rng.next()))),
            place: coordinates || rng.percent(17),
            coordinates,
            offset: rng.below(2_000) as i64 - 1_000,
            counts: [0; 4],
            retweeted: None,
            quoted: None,
        }
        .with_counts(rng)
    }

    /// Returns an id that is one second to three days older than this one.
    fn earlier(&mut self, id: u64) -> u64 {
        let magnitude = self.rng.between(4, 28);
        let age_ms = 1_000 + self.rng.below(1 << magnitude);
        time::snowflake(time::snowflake_ms(id).saturating_sub(age_ms), self.rng.next())
    }

    fn outer_fields(&mut self) -> Outer {
        const TAGS: [Option<&str>; 6] = [
            Some("breakfast"),
            Some("pets & weather"),
            None,
            Some("zug/train"),
            Some("ねこ"),
            Some("rule \"12\""),
        ];
        let count = if self.rng.percent(85) { 1 } else { self.rng.between(2, 3) };
        let first = self.rng.below(40);
        let rules = (0..count).map(|n| (first + n, TAGS[((first + n) % 6) as usize])).collect();
        Outer { rules }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_seeds_give_equal_posts_except_for_ids_and_dates() {
        let make = |seed, now| {
            let mut generator = Generator::new(seed);
            let mut out = Vec::new();
            for _ in 0..50 {
                generator.post(now, &mut out);
                out.push(b'\n');
            }
            out
        };
        assert_eq!(make(1, 1_762_557_499_594), make(1, 1_762_557_499_594));
        assert_ne!(make(1, 1_762_557_499_594), make(2, 1_762_557_499_594));
    }

    #[test]
    fn pads_a_post_to_the_requested_size() {
        let mut out = b"before".to_vec();
        let id = Generator::new(1).padded_post(1_762_557_499_594, 100_000, &mut out);
        assert_eq!(out.len(), 100_006);
        let json: serde_json::Value = serde_json::from_slice(&out[6..]).unwrap();
        assert_eq!(json["id"], id);
    }
}
