//! Texts and rules to match, synthetic and the same in every run.

use std::collections::HashSet;
use std::fmt::Write as _;

use crate::posts::Random;

/// The words of an artificial language, with the lengths and frequencies of English words.
#[derive(Debug)]
pub struct Language {
    words: Vec<String>,
    /// The sum of the frequencies up to each rank.
    sums: Vec<f64>,
}

const WORDS: usize = 50_000;
/// The most frequent words, up to this rank, do not occur in rules.
const RARE: usize = 120;

impl Default for Language {
    fn default() -> Self {
        Self::new()
    }
}

impl Language {
    /// Creates the language.
    #[must_use]
    pub fn new() -> Self {
        const STARTS: [&str; 20] = [
            "b", "c", "d", "f", "g", "h", "l", "m", "n", "p", "r", "s", "t", "w", "st", "tr", "ch", "sh",
            "gr", "",
        ];
        const ENDS: [&str; 24] = [
            "a", "e", "i", "o", "an", "en", "in", "er", "or", "ed", "es", "al", "ing", "ow", "at", "et",
            "it", "un", "is", "as", "us", "om", "ea", "y",
        ];
        let mut random = Random::new(11);
        let (mut words, mut seen) = (Vec::new(), HashSet::new());
        while words.len() < WORDS {
            // Frequent words are short.
            let syllables =
                1 + random.below(2) as usize + usize::from(words.len() > 200) * random.below(2) as usize;
            let mut word = String::new();
            for _ in 0..syllables {
                word += STARTS[random.below(STARTS.len() as u64) as usize];
                word += ENDS[random.below(ENDS.len() as u64) as usize];
            }
            // Words that the rule language treats specially are excluded.
            if !matches!(&*word, "" | "and" | "or" | "not") && seen.insert(word.clone()) {
                words.push(word);
            }
        }
        let mut sum = 0.0;
        let sums = (0..WORDS).map(|rank| {
            sum += 1.0 / (rank as f64 + 2.7);
            sum
        });
        let sums = sums.collect();
        Self { words, sums }
    }

    fn rank(&self, random: &mut Random) -> usize {
        let total = self.sums[WORDS - 1];
        let at = random.below(1 << 53) as f64 / (1_u64 << 53) as f64 * total;
        self.sums.partition_point(|sum| *sum < at).min(WORDS - 1)
    }

    /// Returns a text of about 150 bytes, with capitals and punctuation.
    pub fn text(&self, random: &mut Random) -> String {
        let length = 100 + random.below(100) as usize;
        let mut text = String::new();
        let mut starts = true;
        while text.len() < length {
            let word = &self.words[self.rank(random)];
            let (first, rest) = word.split_at(1);
            text += &if starts { first.to_uppercase() } else { first.to_owned() };
            text += rest;
            starts = random.below(9) == 0;
            text += if starts {
                ". "
            } else if random.below(12) == 0 {
                ", "
            } else {
                " "
            };
        }
        text.truncate(text.trim_end().len());
        text
    }

    /// Returns a word for a rule, with the frequency of its use, but none of the most frequent
    /// words.
    pub fn asked(&self, random: &mut Random) -> &str {
        loop {
            let rank = self.rank(random);
            if rank >= RARE {
                return &self.words[rank];
            }
        }
    }

    /// Returns any word of at most six letters, all equally likely. A rule has room for 200 of
    /// them.
    pub fn any(&self, random: &mut Random) -> &str {
        loop {
            let word = &self.words[random.below(WORDS as u64) as usize];
            if word.len() <= 6 {
                return word;
            }
        }
    }
}

/// A rule in a form that every engine supports: one of the branches, all of `all`, and none of
/// `none`.
#[derive(Clone, Debug)]
pub struct KeywordRule {
    /// The branches.
    pub branches: Vec<Vec<String>>,
    /// Words that must also occur.
    pub all: Vec<String>,
    /// Words that must not occur.
    pub none: Vec<String>,
    /// More operators, such as ` lang:en -is:retweet`.
    pub tail: &'static str,
}

impl KeywordRule {
    /// Creates a rule such as `(a OR b c) -d`.
    pub fn short(language: &Language, random: &mut Random) -> Self {
        let mut word = || language.asked(random).to_owned();
        Self {
            branches: vec![vec![word()], vec![word(), word()]],
            all: Vec::new(),
            none: vec![word()],
            tail: "",
        }
    }

    /// Creates a rule such as `(a OR b OR c) d lang:en -is:retweet`.
    pub fn tailed(language: &Language, random: &mut Random) -> Self {
        let mut word = || language.asked(random).to_owned();
        Self {
            branches: (0..3).map(|_| vec![word()]).collect(),
            all: vec![word()],
            none: Vec::new(),
            tail: " lang:en -is:retweet",
        }
    }

    /// Creates a rule of about 2,000 characters: 200 words, and 5 excluded ones.
    pub fn long(language: &Language, random: &mut Random) -> Self {
        Self {
            branches: (0..200).map(|_| vec![language.any(random).to_owned()]).collect(),
            all: Vec::new(),
            none: (0..5).map(|_| language.asked(random).to_owned()).collect(),
            tail: "",
        }
    }

    /// Returns the rule as text.
    #[must_use]
    pub fn text(&self) -> String {
        let branches: Vec<_> = self.branches.iter().map(|branch| branch.join(" ")).collect();
        let mut text = format!("({})", branches.join(" OR "));
        self.all.iter().for_each(|word| {
            let _ = write!(text, " {word}");
        });
        self.none.iter().for_each(|word| {
            let _ = write!(text, " -{word}");
        });
        text + self.tail
    }
}
