//! The text of a Post and its entities, whose indices count code points.

use super::languages::{EMOJI, Language};
use super::people::{Person, people_max};
use super::short_link::{LINK, key};
use crate::rng::Rng;

/// A hashtag, link, mention or picture, with its range in code points.
pub(super) struct Entity {
    pub(super) kind: Kind,
    pub(super) start: u64,
    pub(super) end: u64,
}

pub(super) enum Kind {
    Hashtag(&'static str),
    /// The ten characters of a t.co link.
    Url(String),
    Mention(Box<Person>),
    Media(String),
}

/// A text under construction.
#[derive(Default)]
pub(super) struct Text {
    pub(super) text: String,
    pub(super) entities: Vec<Entity>,
    chars: u64,
}

impl Text {
    fn push(&mut self, piece: &str) {
        self.text.push_str(piece);
        self.chars += piece.chars().count() as u64;
    }

    fn gap(&mut self) {
        if !self.text.is_empty() {
            self.push(" ");
        }
    }

    fn entity(&mut self, kind: Kind, shown: &str) {
        self.gap();
        let start = self.chars;
        self.push(shown);
        self.entities.push(Entity { kind, start, end: self.chars });
    }

    /// Composes a text of at least `chars_min` code points, and at most one sentence more, with
    /// entities.
    pub(super) fn compose(
        rng: &mut Rng,
        language: &Language,
        seed: u64,
        chars_min: u64,
        media: bool,
    ) -> Self {
        let mut text = Self::default();
        if rng.percent(30) {
            let person = Person::nth(seed, rng.below(people_max()));
            let shown = format!("@{}", person.screen_name);
            text.entity(Kind::Mention(Box::new(person)), &shown);
            text.push(" ");
        }
        loop {
            text.push(rng.pick(language.sentences));
            if text.chars >= chars_min {
                break;
            }
            text.push(match rng.below(20) {
                0..3 => "\n",
                3 => "\n\n",
                _ => language.space,
            });
        }
        match rng.below(100) {
            0..30 => {
                for _ in 0..rng.between(1, 3) {
                    text.gap();
                    text.push(rng.pick(EMOJI));
                }
            }
            30..38 => text.push(" \"!\""),
            38..42 => text.push(" &amp; &lt;3"),
            // Unicode line separators, which are plain data here, and backslashes.
            42..44 => text.push("\u{2028}—"),
            44 => text.push("\u{2029}\u{85}—"),
            45 => text.push(" C:\\temp\t\\o/"),
            _ => {}
        }
        if rng.percent(25) {
            for _ in 0..rng.between(1, 2) {
                let hashtag = rng.pick(language.hashtags);
                text.entity(Kind::Hashtag(hashtag), &format!("#{hashtag}"));
            }
        }
        if rng.percent(25) {
            let key = key(rng);
            let shown = format!("{LINK}{key}");
            text.entity(Kind::Url(key), &shown);
        }
        if media {
            let key = key(rng);
            let shown = format!("{LINK}{key}");
            text.entity(Kind::Media(key), &shown);
        }
        text
    }

    /// Returns the `text` of a Post whose full text is in `extended_tweet`: the first 116
    /// characters that readers see, an ellipsis and a link.
    pub(super) fn truncated(&self, rng: &mut Rng) -> Self {
        let mut short = Self::default();
        short.push(head(&self.text, 116));
        short.push("…");
        let key = key(rng);
        let shown = format!("{LINK}{key}");
        short.entity(Kind::Url(key), &shown);
        short
    }

    /// Returns `RT @name: ` and the original text, cut to 140 visible characters, as the service
    /// does.
    pub(super) fn retweet(original: &Self, author: &Person) -> Self {
        let mut text = Self::default();
        text.push("RT ");
        let start = text.chars;
        let shown = format!("@{}", author.screen_name);
        text.push(&shown);
        let end = text.chars;
        text.entities.push(Entity { kind: Kind::Mention(Box::new(author.clone())), start, end });
        text.push(": ");
        let left = 139 - text.chars as usize;
        if head(&original.text, left + 1).len() < original.text.len() {
            text.push(head(&original.text, left));
            text.push("…");
        } else {
            text.push(&original.text);
        }
        text
    }

    pub(super) fn len(&self) -> u64 {
        self.chars
    }

    pub(super) fn has_link(&self) -> bool {
        self.entities.iter().any(|entity| matches!(entity.kind, Kind::Url(_) | Kind::Media(_)))
    }
}

/// Returns the first characters of a text, as the service cuts it. An entity such as `&amp;` counts
/// as one character.
fn head(text: &str, characters: usize) -> &str {
    let mut in_entity = false;
    let begins = |(_, char): &(usize, char)| {
        let is_inside = in_entity;
        in_entity = *char == '&' || (in_entity && *char != ';');
        !is_inside
    };
    let end = text.char_indices().filter(begins).nth(characters);
    end.map_or(text, |(end, _)| &text[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cuts_between_the_characters_that_readers_see() {
        let text = "é &amp; &lt;3";
        for (characters, want) in
            [(0, ""), (2, "é "), (3, "é &amp;"), (4, "é &amp; "), (5, "é &amp; &lt;"), (6, text), (7, text)]
        {
            assert_eq!(head(text, characters), want);
        }
    }

    #[test]
    fn a_cut_text_has_the_length_that_the_service_allows() {
        let whole = Text { text: "&lt;3 ".repeat(60), ..Text::default() };
        let readable = |text: &str| text.replace("&lt;", "<").chars().count();
        let author = Person::nth(1, 2);
        let retweet = Text::retweet(&whole, &author);
        assert_eq!(readable(&retweet.text), 140);
        assert_eq!(retweet.len(), retweet.text.chars().count() as u64);
        assert_eq!(readable(&whole.truncated(&mut Rng::nth(1, 2)).text), 116 + 1 + 1 + 23);
    }
}
