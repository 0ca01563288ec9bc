//! A set of rules: insertion, removal and matching.

use std::sync::Arc;

use powerstream_core::post::Post;

use super::index::{Index, Program, RuleKey};
use super::options::MatchOptions;
use super::program::{compile, forget};
use super::scan::{Scan, Scratch};
use super::view::{Posts, View, post_of};
use crate::ast::Rule;

/// A rule of a set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Entry<'a> {
    /// The rule as written.
    pub value: &'a str,
    /// The rule's tag.
    pub tag: Option<&'a str>,
}

/// Rules that are matched together. See the [module](crate::matcher) for how it works.
#[derive(Clone, Debug, Default)]
pub struct RuleSet {
    options: MatchOptions,
    index: Index,
    /// Indexed by slot.
    rules: Vec<Option<Stored>>,
    free: Vec<u32>,
    /// The number of insertions so far.
    inserted: u32,
}

/// A rule in its slot.
#[derive(Clone, Debug)]
struct Stored {
    key: RuleKey,
    text: Arc<str>,
    tag: Option<Box<str>>,
    is_anchored: bool,
}

impl Stored {
    fn entry(&self) -> Entry<'_> {
        Entry { value: &self.text, tag: self.tag.as_deref() }
    }
}

impl RuleSet {
    /// Creates an empty set with the default options.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Creates an empty set with these options.
    #[must_use]
    pub fn with_options(options: MatchOptions) -> Self {
        Self { options, ..Self::default() }
    }

    /// Returns the options of the set.
    #[must_use]
    pub const fn options(&self) -> MatchOptions {
        self.options
    }

    /// Adds a rule and returns its key. Two rules may have the same value here, although the
    /// service rejects that. The profile that the rule was parsed with does not matter.
    ///
    /// # Panics
    ///
    /// Panics if the set would have more than 2^28 different terms, which would take over 17 GB.
    pub fn insert(&mut self, rule: &Rule, tag: Option<&str>) -> RuleKey {
        #[allow(clippy::cast_possible_truncation, reason = "there are fewer rules than terms")]
        let slot = self.free.pop().unwrap_or(self.rules.len() as u32);
        let key = RuleKey::new(self.inserted, slot);
        self.inserted = self.inserted.wrapping_add(1);
        let (code, is_anchored) = compile(rule, slot, self.options, &mut self.index.terms);
        if !is_anchored {
            self.index.unanchored.push(slot);
        }
        let program = Program { key, code };
        let stored = Some(Stored { key, text: rule.text.clone(), tag: tag.map(Into::into), is_anchored });
        match self.rules.get_mut(slot as usize) {
            Some(place) => (*place, self.index.programs[slot as usize]) = (stored, program),
            None => {
                self.rules.push(stored);
                self.index.programs.push(program);
            }
        }
        key
    }

    /// Removes a rule. Returns false if the set has no rule with this key.
    pub fn remove(&mut self, key: RuleKey) -> bool {
        let slot = key.slot();
        let Some(place) = self.rules.get_mut(slot as usize) else { return false };
        let Some(stored) = place.take_if(|stored| stored.key == key) else { return false };
        let code = core::mem::take(&mut self.index.programs[slot as usize].code);
        forget(&code, slot, &mut self.index.terms);
        if !stored.is_anchored {
            self.index.unanchored.retain(|other| *other != slot);
        }
        self.free.push(slot);
        true
    }

    /// Returns the rule with this key, if the set has one.
    #[must_use]
    pub fn get(&self, key: RuleKey) -> Option<Entry<'_>> {
        let stored = self.rules.get(key.slot() as usize)?.as_ref()?;
        (stored.key == key).then(|| stored.entry())
    }

    /// Returns the rules with their keys, in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = (RuleKey, Entry<'_>)> {
        self.rules.iter().flatten().map(|stored| (stored.key, stored.entry()))
    }

    /// Returns the number of rules.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rules.len() - self.free.len()
    }

    /// Returns true if the set is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the keys of the rules that a message matches, ascending.
    ///
    /// The message is the JSON of a Post, in the legacy or the v2 format. If it is an array, only
    /// the first element is matched; [`elements`](powerstream_core::stream::elements) splits
    /// arrays. A message that is not a Post, or not JSON, matches nothing.
    pub fn matches<'s>(&self, message: &[u8], scratch: &'s mut Scratch) -> &'s [RuleKey] {
        match post_of(message) {
            Some(post) => self.matches_post(&post.index().post(), scratch),
            None => &[],
        }
    }

    /// Returns the keys of the rules that a Post matches, ascending. If the Post comes from an
    /// [`Index`](powerstream_core::post::Index), its fields are not searched again.
    pub fn matches_post<'s>(&self, post: &Post<'_>, scratch: &'s mut Scratch) -> &'s [RuleKey] {
        let posts = Posts::new(*post);
        Scan::new(&self.index, &View::new(&posts), scratch).run();
        scratch.matched()
    }

    /// Returns the keys of the rules that a text matches, ascending. The text is treated as a
    /// legacy Post without other fields: `&amp;`, `&lt;` and `&gt;` in it are decoded.
    pub fn matches_text<'s>(&self, text: &str, scratch: &'s mut Scratch) -> &'s [RuleKey] {
        let posts = Posts::of_text(text);
        Scan::new(&self.index, &View::new(&posts), scratch).run();
        scratch.matched()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check;
    use crate::profile::Profile;

    #[test]
    fn a_rule_is_found_by_the_number_of_its_key_until_it_is_removed() {
        let mut set = RuleSet::new();
        assert!(set.is_empty());
        let keys = ["-gull", "tern"].map(|text| {
            let rule = check(text, Profile::Powerstream).rule.unwrap();
            (set.insert(&rule, None).as_u64(), text)
        });
        for (number, text) in keys {
            assert_eq!(set.get(RuleKey::from_u64(number)).unwrap().value, text);
        }
        for (number, text) in keys {
            assert!(!set.is_empty(), "before {text} is removed");
            assert!(set.remove(RuleKey::from_u64(number)), "{text}");
            assert!(set.get(RuleKey::from_u64(number)).is_none(), "{text}");
        }
        assert!(set.is_empty());
        // Otherwise every Post would be compared with the empty slots.
        assert_eq!(set.index.unanchored, []);
    }
}
