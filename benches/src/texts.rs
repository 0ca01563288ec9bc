//! Texts and rules to match, synthetic and the same in every run.

use std::collections::HashSet;
use std::fmt::Write as _;

use crate::posts::Random;

/// Words of a made-up language with the lengths and the frequencies of English ones.
#[derive(Debug)]
pub struct Language {
    words: Vec<String>,
    /// By rank, the sum of the frequencies up to it.
    sums: Vec<f64>,
}

const WORDS: usize = 50_000;
/// The ranks of the words that rules are made of: nobody asks for the commonest.
const RARE: usize = 120;

impl Default for Language {
    fn default() -> Self {
        Self::new()
    }
}

impl Language {
    /// The language.
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
            // Common words are short.
            let syllables =
                1 + random.below(2) as usize + usize::from(words.len() > 200) * random.below(2) as usize;
            let mut word = String::new();
            for _ in 0..syllables {
                word += STARTS[random.below(STARTS.len() as u64) as usize];
                word += ENDS[random.below(ENDS.len() as u64) as usize];
            }
            // What the rule language would not take for a word.
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

    /// A text of some 150 bytes, with capitals and punctuation.
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

    /// A word that rules ask for: as often one as it is used, but for the commonest.
    pub fn asked(&self, random: &mut Random) -> &str {
        loop {
            let rank = self.rank(random);
            if rank >= RARE {
                return &self.words[rank];
            }
        }
    }

    /// Any word of six letters at most, the rare as often as the common ones: 200 of them go into a rule.
    pub fn any(&self, random: &mut Random) -> &str {
        loop {
            let word = &self.words[random.below(WORDS as u64) as usize];
            if word.len() <= 6 {
                return word;
            }
        }
    }
}

/// A rule in a form that every engine can be given: one of the branches, all words of it, and none of the others.
#[derive(Clone, Debug)]
pub struct KeywordRule {
    /// The branches.
    pub branches: Vec<Vec<String>>,
    /// What must be there besides.
    pub all: Vec<String>,
    /// What must not.
    pub none: Vec<String>,
    /// ` lang:en -is:retweet` and the like.
    pub tail: &'static str,
}

impl KeywordRule {
    /// `(a OR b c) -d`.
    pub fn short(language: &Language, random: &mut Random) -> Self {
        let mut word = || language.asked(random).to_owned();
        Self {
            branches: vec![vec![word()], vec![word(), word()]],
            all: Vec::new(),
            none: vec![word()],
            tail: "",
        }
    }

    /// `(a OR b OR c) d lang:en -is:retweet`.
    pub fn tailed(language: &Language, random: &mut Random) -> Self {
        let mut word = || language.asked(random).to_owned();
        Self {
            branches: (0..3).map(|_| vec![word()]).collect(),
            all: vec![word()],
            none: Vec::new(),
            tail: " lang:en -is:retweet",
        }
    }

    /// Some 2,000 characters: 200 words, 5 of them not.
    pub fn long(language: &Language, random: &mut Random) -> Self {
        Self {
            branches: (0..200).map(|_| vec![language.any(random).to_owned()]).collect(),
            all: Vec::new(),
            none: (0..5).map(|_| language.asked(random).to_owned()).collect(),
            tail: "",
        }
    }

    /// As it is written.
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
