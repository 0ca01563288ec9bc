//! Tests changes that must not affect the value of a rule. These are the order of operands, implied
//! parentheses, negation of a group or of its parts, letter case, Unicode composition, and
//! formatting. Runs on generated rules and Posts, and reports the smallest failing case it finds.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "test helpers, which clippy.toml's exemption for tests does not cover"
)]

use powerstream_rules::{FormatOptions, NodeId, NodeKind, Profile, Rule, check};
use serde_json::Value as Json;
use unicode_normalization::UnicodeNormalization as _;

use crate::oracle::choices::{Choices, for_all};
use crate::oracle::generate::{Family, a_message, a_post, a_rule};
use crate::oracle::post::Post;
use crate::oracle::{Options, Truth, value};

const PROFILES: [(Family, Profile); 2] =
    [(Family::Powertrack, Profile::Powerstream), (Family::FilteredStream, Profile::FilteredStreamEmbedding)];

/// Generates a rule of either family as text and tree. The rule may be invalid as a whole, for
/// example if all terms are negated, but it has a value.
fn a_tree(choices: &mut Choices<'_>) -> (String, Rule, Profile) {
    let (family, profile) = choices.pick(&PROFILES);
    let text = a_rule(choices, family, 3);
    let tree =
        check(&text, profile).rule.unwrap_or_else(|| panic!("{text}: {:?}", check(&text, profile).errors));
    (text, tree, profile)
}

fn tree(text: &str, profile: Profile) -> Result<Rule, String> {
    check(text, profile).rule.ok_or_else(|| format!("{text}: {:?}", check(text, profile).errors))
}

fn truth(rule: &Rule, message: &Json) -> Truth {
    value(rule, message, Options::default())
}

fn the_same(rule: &str, other: &str, profile: Profile, message: &Json) -> Result<(), String> {
    let (want, found) = (truth(&tree(rule, profile)?, message), truth(&tree(other, profile)?, message));
    if want == found {
        Ok(())
    } else {
        Err(format!("{rule} is {want:?}, and {other} is {found:?}, on {message:#}"))
    }
}

/// Writes a tree in a different form with the same value.
struct Writer<'a> {
    text: &'a str,
    tree: &'a Rule,
    /// Shuffle the operands.
    reorder: bool,
    /// Put parentheses around everything.
    groups: bool,
    /// Negate the parts of a group instead of the group.
    distribute: bool,
}

impl Writer<'_> {
    fn write(&self, choices: &mut Choices<'_>) -> String {
        self.node(self.tree.root(), false, choices).1
    }

    /// Returns the precedence (1: OR, 2: AND, 3: a term), and the text.
    fn node(&self, id: NodeId, negated: bool, choices: &mut Choices<'_>) -> (u8, String) {
        let node = self.tree.node(id);
        let (binds, text) = match &node.kind {
            NodeKind::Term(_) => {
                let dash = if negated { "-" } else { "" };
                (3, format!("{dash}{}", node.span.of(self.text)))
            }
            NodeKind::Not(child) if self.distribute => self.node(*child, !negated, choices),
            NodeKind::Not(child) => {
                let (binds, text) = self.node(*child, false, choices);
                (3, if binds < 3 { format!("-({text})") } else { format!("-{text}") })
            }
            NodeKind::And(children) | NodeKind::Or(children) => {
                let or = matches!(node.kind, NodeKind::Or(_)) != negated;
                let binds = if or { 1 } else { 2 };
                let mut parts: Vec<String> = Vec::new();
                for child in children {
                    let (tight, text) = self.node(*child, negated, choices);
                    let part = if tight <= binds { format!("({text})") } else { text };
                    let at = if self.reorder { choices.below(parts.len() + 1) } else { parts.len() };
                    parts.insert(at, part);
                }
                (binds, parts.join(if or { " OR " } else { " " }))
            }
        };
        if self.groups && !text.starts_with('-') { (3, format!("({text})")) } else { (binds, text) }
    }
}

#[test]
fn order_grouping_and_pushed_down_negation_do_not_change_the_value() {
    for_all(0x0005_1eed_1e50_fa11, 120, 700, |mut choices| {
        let mut deciding = choices.clone();
        let (text, tree, profile) = a_tree(&mut choices);
        let post = a_post(&mut choices, 2);
        let message = a_message(&mut choices, &post);
        for (reorder, groups, distribute) in
            [(true, false, false), (false, true, false), (false, false, true), (true, true, true)]
        {
            let writer = Writer { text: &text, tree: &tree, reorder, groups, distribute };
            the_same(&text, &writer.write(&mut deciding), profile, &message)?;
        }
        Ok(())
    });
}

#[test]
fn canonical_forms_keep_the_value() {
    for_all(0xca_0a11_c0de, 120, 700, |mut choices| {
        let (text, tree, profile) = a_tree(&mut choices);
        let post = a_post(&mut choices, 2);
        let message = a_message(&mut choices, &post);
        for (explicit, sort) in [(false, false), (true, false), (false, true), (true, true)] {
            let options = FormatOptions { explicit, sort };
            let formatted = tree.format_with(profile, options);
            the_same(&text, &formatted, profile, &message)?;
            let again = check(&formatted, profile).rule.ok_or("it cannot be read again")?;
            if again.format_with(profile, options) != formatted {
                return Err(format!("{text} became {formatted}, and that something else"));
            }
            if !sort && again != tree {
                return Err(format!("{text} became {formatted}, another tree"));
            }
        }
        Ok(())
    });
}

/// Swaps the case of each letter that has exactly one other case and returns from it.
fn turned(text: &str) -> String {
    let one = |mut letters: std::iter::Peekable<std::char::ToUppercase>| {
        let first = letters.next();
        first.filter(|_| letters.peek().is_none())
    };
    let turn = |c: char| {
        let upper = one(c.to_uppercase().peekable()).unwrap_or(c);
        let back: Vec<char> = upper.to_lowercase().collect();
        if back == [c] && upper != c { upper } else { c }
    };
    text.chars().map(turn).collect()
}

/// Applies a change to every text of a Post.
fn map_texts(post: &mut Post, change: &dyn Fn(&str) -> String) {
    let map = |text: &mut String| *text = change(text);
    let optional = |text: &mut Option<String>| text.iter_mut().for_each(map);
    let user = |user: &mut crate::oracle::post::User| {
        [&mut user.username, &mut user.name].into_iter().for_each(map);
        [&mut user.description, &mut user.location].into_iter().for_each(optional);
        for place in &mut user.locations {
            [&mut place.country_code, &mut place.region, &mut place.locality, &mut place.subregion]
                .into_iter()
                .for_each(map);
        }
    };
    let link = |link: &mut crate::oracle::post::Link| {
        [&mut link.url, &mut link.expanded, &mut link.display].into_iter().for_each(map);
        link.unwound.iter_mut().flatten().for_each(map);
    };
    map(&mut post.text);
    optional(&mut post.lang);
    map(&mut post.source.0);
    user(&mut post.author);
    post.hashtags.iter_mut().chain(&mut post.cashtags).for_each(map);
    post.mentions.iter_mut().for_each(|(_, name)| map(name));
    post.links.iter_mut().for_each(link);
    post.media.iter_mut().for_each(|(_, medium)| link(medium));
    if let Some(reply) = &mut post.reply {
        user(&mut reply.user);
    }
    if let Some(place) = &mut post.place {
        [&mut place.id, &mut place.name, &mut place.full_name, &mut place.country, &mut place.country_code]
            .into_iter()
            .for_each(map);
    }
    post.annotations.iter_mut().for_each(|(_, _, name)| map(name));
    for inner in [&mut post.retweeted, &mut post.quoted].into_iter().flatten() {
        map_texts(inner, change);
    }
}

#[test]
fn letter_case_and_composition_do_not_change_the_value() {
    let decomposed = |text: &str| text.nfd().collect::<String>();
    let composed = |text: &str| text.nfc().collect::<String>();
    let both = |text: &str| turned(&text.nfd().collect::<String>());
    let changes: [&dyn Fn(&str) -> String; 4] = [&turned, &decomposed, &composed, &both];
    for_all(0xca5e_1e55, 120, 700, |mut choices| {
        let (text, _, profile) = a_tree(&mut choices);
        let post = a_post(&mut choices, 2);
        let message = post.legacy();
        for change in changes {
            the_same(&text, &change(&text), profile, &message)?;
            let mut other = post.clone();
            map_texts(&mut other, change);
            let rule = tree(&text, profile)?;
            for (message, other) in [(post.legacy(), other.legacy()), (post.v2(), other.v2())] {
                if truth(&rule, &message) != truth(&rule, &other) {
                    return Err(format!("{text} differs on {message:#} and {other:#}"));
                }
            }
        }
        Ok(())
    });
}

#[test]
fn legacy_and_v2_posts_give_the_same_value() {
    for_all(0x00f0_aa75, 120, 700, |mut choices| {
        let (text, rule, _) = a_tree(&mut choices);
        let post = a_post(&mut choices, 2);
        let values = [post.legacy(), post.v2(), post.v2_new()].map(|message| truth(&rule, &message));
        if values[1] != values[2] {
            return Err(format!("{text} is {values:?} on {:#} and {:#}", post.v2(), post.v2_new()));
        }
        // v2 has only the name of the application, and lists the links of media among the other
        // links.
        let is_known = |value: &Truth| value.is_some();
        if text.contains("source:")
            || text.contains("url")
            || !values.iter().all(is_known)
            || values[0] == values[1]
        {
            return Ok(());
        }
        Err(format!("{text} is {values:?} on {:#} and {:#}", post.legacy(), post.v2()))
    });
}

#[test]
fn generated_leaves_take_both_values() {
    // A generator whose rules never match would test nothing.
    let mut seen = [0; 3];
    for_all(0x5eed_5eed, 300, 700, |mut choices| {
        let (_, rule, _) = a_tree(&mut choices);
        let post = a_post(&mut choices, 2);
        let message = a_message(&mut choices, &post);
        let at = match truth(&rule, &message) {
            Some(true) => 0,
            Some(false) => 1,
            None => 2,
        };
        seen[at] += 1;
        Ok(())
    });
    assert!(seen[0] > 60 && seen[1] > 60 && seen[2] > 3, "{seen:?}");
}
