//! Generates unusual Posts: mutated trees, written in all forms that JSON allows.

use serde_json::Value as Tree;

use super::*;

/// xorshift64*, so that every run is the same.
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) as usize % limit
    }
}

/// Returns every value inside a tree, by its JSON pointer.
pub(super) fn pointers(tree: &Tree, at: &str, found: &mut Vec<String>) {
    let mut descend = |key: &str, inner: &Tree| {
        let at = format!("{at}/{key}");
        pointers(inner, &at, found);
        found.push(at);
    };
    match tree {
        Tree::Object(members) => members.iter().for_each(|(key, inner)| descend(key, inner)),
        Tree::Array(elements) => {
            elements.iter().enumerate().for_each(|(index, inner)| descend(&index.to_string(), inner));
        }
        _ => {}
    }
}

/// Replacement values, many of them nearly valid.
pub(super) const MISFITS: [&str; 12] = [
    "null",
    "true",
    "false",
    "0",
    "-1",
    "7.5",
    "\"\"",
    "\"77\"",
    "[]",
    "[[1,2],\"3\",{}]",
    "{}",
    r#"{"id":"77","text":"d"}"#,
];

/// Removes a value, replaces it by an invalid one, or copies another value under a name that is
/// used elsewhere.
pub(super) fn mutate(tree: &mut Tree, random: &mut Random) {
    let mut all = Vec::new();
    pointers(tree, "", &mut all);
    if all.is_empty() {
        return;
    }
    let at = all[random.below(all.len())].as_str();
    let other = tree.pointer(&all[random.below(all.len())]).cloned();
    let (parent, key) = at.rsplit_once('/').unwrap();
    match random.below(3) {
        0 => match tree.pointer_mut(parent).unwrap() {
            Tree::Object(members) => drop(members.remove(key)),
            Tree::Array(elements) => drop(elements.remove(key.parse().unwrap())),
            _ => {}
        },
        1 => {
            *tree.pointer_mut(at).unwrap() =
                serde_json::from_str(MISFITS[random.below(MISFITS.len())]).unwrap()
        }
        _ => {
            let names =
                ["id", "text", "note_post", "referenced_posts", "posts", "full_text", "post_count", key];
            let name = names[random.below(names.len())];
            if let (Tree::Object(members), Some(other)) = (tree.pointer_mut(parent).unwrap(), other) {
                members.insert(name.to_string(), other);
            }
        }
    }
}

/// Writes a tree in one of its possible spellings.
struct Writer<'r> {
    random: &'r mut Random,
    /// How often optional parts are written: 0 means never, `n` means once in `n` times.
    noise: usize,
    json: String,
}

impl Writer<'_> {
    fn now_and_then(&mut self) -> bool {
        self.noise > 0 && self.random.below(self.noise) == 0
    }

    fn space(&mut self) {
        while self.now_and_then() {
            self.json.push([' ', '\t', '\n', '\r'][self.random.below(4)]);
        }
    }

    fn string(&mut self, text: &str) {
        self.json.push('"');
        for char in text.chars() {
            let must = matches!(char, '"' | '\\' | '\0'..='\x1F');
            if must || self.now_and_then() {
                match char {
                    '"' | '\\' | '/' if self.random.below(2) == 0 => self.json.extend(['\\', char]),
                    '\n' if self.random.below(2) == 0 => self.json.push_str("\\n"),
                    _ => {
                        for unit in char.encode_utf16(&mut [0; 2]) {
                            self.json.push_str(&format!("\\u{unit:04X}"));
                        }
                    }
                }
            } else {
                self.json.push(char);
            }
        }
        self.json.push('"');
    }

    fn value(&mut self, tree: &Tree) {
        self.space();
        match tree {
            Tree::String(text) => self.string(text),
            Tree::Array(elements) => {
                self.json.push('[');
                for (index, element) in elements.iter().enumerate() {
                    self.json.push_str(if index == 0 { "" } else { "," });
                    self.value(element);
                }
                self.space();
                self.json.push(']');
            }
            Tree::Object(members) => {
                let decoy = serde_json::from_str(MISFITS[self.random.below(MISFITS.len())]).unwrap();
                self.object(members.iter().collect(), &decoy);
            }
            plain => self.json.push_str(&plain.to_string()),
        }
        self.space();
    }

    fn object<'t>(&mut self, mut members: Vec<(&'t String, &'t Tree)>, decoy: &'t Tree) {
        for index in (1..members.len()).rev() {
            members.swap(index, self.random.below(index + 1));
        }
        // Duplicates, after all first occurrences.
        for index in 0..members.len() {
            if self.now_and_then() {
                members.push((members[index].0, decoy));
            }
        }
        self.json.push('{');
        for (index, (key, value)) in members.into_iter().enumerate() {
            self.json.push_str(if index == 0 { "" } else { "," });
            self.space();
            self.string(key);
            self.space();
            self.json.push(':');
            self.value(value);
        }
        self.space();
        self.json.push('}');
    }
}

/// Returns the tree as JSON, with members in any order. With noise, also with duplicate keys, white
/// space and escapes.
pub(super) fn written(tree: &Tree, noise: usize, random: &mut Random) -> String {
    let mut writer = Writer { random, noise, json: String::new() };
    writer.value(tree);
    writer.json
}
