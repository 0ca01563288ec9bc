//! The authors: a population that is computed, not stored. The same person looks the same in every
//! Post.

use super::languages::{LANGUAGES, Language};
use super::short_link;
use crate::rng::Rng;
use crate::time;

/// An author.
#[derive(Debug, Clone)]
pub(super) struct Person {
    pub(super) id: u64,
    pub(super) name: &'static str,
    pub(super) screen_name: String,
    pub(super) language: usize,
    pub(super) location: &'static str,
    pub(super) description: Option<&'static str>,
    pub(super) link: Option<String>,
    pub(super) joined_ms: u64,
    pub(super) followers: u64,
    pub(super) friends: u64,
    pub(super) listed: u64,
    pub(super) favourites: u64,
    pub(super) statuses: u64,
    pub(super) verified: bool,
    pub(super) background: bool,
    pub(super) banner: Option<u64>,
    pub(super) geo_enabled: bool,
    pub(super) color: u64,
    pub(super) image: String,
    pub(super) default_profile: bool,
}

/// Returns the number of people.
pub(super) fn people_max() -> u64 {
    50_000
}

const SYLLABLES: &[&str] = &[
    "ka", "lo", "mi", "ren", "tas", "vu", "bel", "or", "shi", "nim", "dra", "pe", "quo", "zan", "fy", "hul",
];

impl Person {
    /// Returns person `n` of the population of this seed.
    pub(super) fn nth(seed: u64, n: u64) -> Self {
        let mut rng = Rng::nth(seed ^ 0x7065_6f70_6c65, n);
        let language = language(&mut rng);
        let spoken = &LANGUAGES[language];
        let mut screen_name = String::with_capacity(16);
        for _ in 0..rng.between(2, 4) {
            screen_name.push_str(rng.pick(SYLLABLES));
        }
        if rng.percent(40) {
            screen_name.push('_');
        }
        screen_name.push_str(&n.to_string());
        let joined_ms = rng.between(1_180_000_000_000, 1_735_000_000_000);
        // Ids were small numbers until 2015, and are snowflakes since.
        let id = if joined_ms < 1_440_000_000_000 {
            rng.between(1_000_000, 3_300_000_000)
        } else {
            time::snowflake(joined_ms, rng.next())
        };
        // The product of three small ranges, so that few people have many followers.
        let followers = rng.below(60) * rng.below(60) * rng.below(120) / 40;
        let mut image = String::with_capacity(8);
        for _ in 0..8 {
            image.push(char::from(rng.pick(b"abcdefghjkmnpqrstuvwxyzABCDEFGHJKMNPQRSTUVWXYZ23456789")));
        }
        Self {
            id,
            name: rng.pick(spoken.names),
            screen_name,
            language,
            location: if rng.percent(60) { spoken.place.full_name } else { "" },
            description: if rng.percent(70) { Some(rng.pick(spoken.sentences)) } else { None },
            link: if rng.percent(30) { Some(short_link::key(&mut rng)) } else { None },
            joined_ms,
            followers,
            friends: rng.below(2_000),
            listed: followers / 90,
            favourites: rng.below(60_000),
            statuses: rng.between(1, 90_000),
            verified: rng.percent(3),
            background: rng.percent(70),
            banner: if rng.percent(60) { Some(joined_ms / 1_000) } else { None },
            geo_enabled: rng.percent(40),
            color: rng.below(1 << 24),
            image,
            default_profile: rng.percent(55),
        }
    }

    pub(super) fn language(&self) -> &'static Language {
        &LANGUAGES[self.language]
    }
}

/// Returns the index of a language, chosen by weight.
fn language(rng: &mut Rng) -> usize {
    let sum: u64 = LANGUAGES.iter().map(|language| language.weight).sum();
    let mut at = rng.below(sum);
    for (index, language) in LANGUAGES.iter().enumerate() {
        if at < language.weight {
            return index;
        }
        at -= language.weight;
    }
    0
}
