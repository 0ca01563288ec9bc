//! Properties of all rules and texts, tested on generated ones. The generator has a fixed seed, so
//! a failure is reproducible.

#![allow(
    clippy::unwrap_used,
    reason = "test helpers, which clippy.toml's exemption for tests does not cover"
)]

use powerstream_rules::{FormatOptions, NodeKind, Operator, Profile, Rule, check};

use crate::invariants::holds;
use crate::random::Random;

const ATOMS: [&str; 40] = [
    "gull",
    "tern",
    "acme's",
    "7up",
    "日本",
    "🍕",
    "👩\u{200d}💻",
    "the",
    "\"sea gull\"",
    r#""a \"b\" \\ \c""#,
    "\"and\"",
    "\"a b\"~3",
    "#gulls",
    "#2024",
    "@harbour_news",
    "@12",
    "$BRK.A",
    "from:jack",
    "FROM:12",
    "contains:-5",
    "contains:3.25",
    "contains:\"-5\"",
    "contains:gull",
    "url:\"example.com/a\"",
    "url:example.com",
    "bio:\"gull\"",
    "lang:EN",
    "lang:xx",
    "place_country:gb",
    "followers_count:0100..500",
    "has:cashtags",
    "has:symbols",
    "-is:nullcast",
    "is:reply",
    "source:\"X Web Client\"",
    "point_radius:[ -0.12  51.5 10MI ]",
    "bounding_box:[-0.2 51.4 -0.1 51.6]",
    "retweets_of_tweet_id:20",
    "context:66.*",
    "entity:\"gull\"",
];

/// Generates a grammatical rule with unusual but valid blanks and parentheses.
fn rule(random: &mut Random, depth: usize) -> String {
    let blank = |random: &mut Random| random.pick(&[" ", "  ", "\t", "\u{3000}", "\n"]).to_owned();
    let mut out = String::new();
    for branch in 0..=random.below(3) {
        if branch > 0 {
            out += &format!("{}OR{}", blank(random), blank(random));
        }
        for term in 0..=random.below(3) {
            if term > 0 {
                out += &blank(random);
            }
            if random.below(4) == 0 {
                out += random.pick(&["-", "-", "--"]);
            }
            if depth > 0 && random.below(3) == 0 {
                out += &format!("({}{})", rule(random, depth - 1), random.pick(&["", " "]));
            } else {
                out += random.pick(&ATOMS);
            }
        }
    }
    out
}

#[test]
fn generated_rules_survive_formatting() {
    let random = &mut Random(0x9e37_79b9_7f4a_7c15);
    let mut trees = 0;
    for round in 0..4_000 {
        let text = rule(random, round % 5);
        let profile = Profile::ALL[round % 2];
        trees += usize::from(holds(&text, profile));
    }
    // Some rules have annotations, which Powerstream does not support; all others are valid.
    assert!(trees > 1_500, "{trees}");
}

/// A Boolean expression over the words w0 to w5, built independently of the parser.
enum Expression {
    Word(usize),
    Not(Box<Self>),
    And(Vec<Self>),
    Or(Vec<Self>),
}

impl Expression {
    fn new(random: &mut Random, depth: usize) -> Self {
        let some = |random: &mut Random| {
            let count = 1 + random.below(3);
            (0..count).map(|_| Self::new(random, depth - 1)).collect()
        };
        match random.below(if depth == 0 { 1 } else { 4 }) {
            0 => Self::Word(random.below(6)),
            1 => Self::Not(Box::new(Self::new(random, depth - 1))),
            2 => Self::And(some(random)),
            _ => Self::Or(some(random)),
        }
    }

    /// Writes the expression as a rule, sometimes with unnecessary parentheses.
    fn write(&self, random: &mut Random, above: u8) -> String {
        let (binds, text) = match self {
            Self::Word(word) => (3, format!("w{word}")),
            Self::Not(inner) => (3, format!("-{}", inner.write(random, 3))),
            Self::And(all) => (2, all.iter().map(|one| one.write(random, 2)).collect::<Vec<_>>().join(" ")),
            Self::Or(any) => (1, any.iter().map(|one| one.write(random, 1)).collect::<Vec<_>>().join(" OR ")),
        };
        if binds < above || random.below(4) == 0 { format!("({text})") } else { text }
    }

    fn is_true(&self, words: usize) -> bool {
        match self {
            Self::Word(word) => words >> word & 1 == 1,
            Self::Not(inner) => !inner.is_true(words),
            Self::And(all) => all.iter().all(|one| one.is_true(words)),
            Self::Or(any) => any.iter().any(|one| one.is_true(words)),
        }
    }
}

/// Evaluates the flat tree in one pass.
fn is_true(rule: &Rule, words: usize) -> bool {
    let mut values: Vec<bool> = Vec::new();
    for node in rule.nodes() {
        values.push(match &node.kind {
            NodeKind::Term(term) => words >> term.text[1..].parse::<usize>().unwrap() & 1 == 1,
            NodeKind::Not(child) => !values[child.index()],
            NodeKind::And(children) => children.iter().all(|child| values[child.index()]),
            NodeKind::Or(children) => children.iter().any(|child| values[child.index()]),
        });
    }
    values.pop().unwrap()
}

#[test]
fn the_tree_evaluates_like_the_expression_it_was_written_from() {
    let random = &mut Random(0x0123_4567_89ab_cdef);
    for round in 0..3_000 {
        let expression = Expression::new(random, round % 6);
        let text = expression.write(random, 0);
        let rule = check(&text, Profile::Powertrack).rule.unwrap();
        let sorted = FormatOptions { explicit: true, sort: true };
        let again = check(&rule.format_with(Profile::Powertrack, sorted), Profile::Powertrack).rule.unwrap();
        for words in 0..64 {
            let want = expression.is_true(words);
            assert_eq!(is_true(&rule, words), want, "{text} at {words:b}: {rule:?}");
            assert_eq!(is_true(&again, words), want, "{text} at {words:b}, sorted");
        }
    }
}

#[test]
fn mutated_rules_do_not_panic_and_survive_formatting() {
    const SPLINTERS: [&str; 42] = [
        "(",
        ")",
        "\"",
        "\\",
        "-",
        ":",
        "~",
        "#",
        "@",
        "$",
        "[",
        "]",
        " ",
        "OR",
        "AND",
        "and",
        "*",
        "..",
        ".",
        ",",
        "_",
        "'",
        "\0",
        "\u{200f}",
        "\u{202e}",
        "\u{301}",
        "\u{fe0f}",
        "\u{200d}",
        "\u{feff}",
        "\u{1f600}",
        "\u{10ffff}",
        "\u{2028}",
        "\u{85}",
        "9999999999999999999999",
        "\r\n",
        "|",
        "has:",
        "is:",
        "from:",
        "x",
        "é",
        "\u{fffd}",
    ];
    let random = &mut Random(0x2545_f491_4f6c_dd1d);
    let mut trees = 0;
    for round in 0..6_000 {
        let mut text: Vec<char> = rule(random, round % 3).chars().collect();
        for _ in 0..=random.below(3) {
            let at = random.below(text.len() + 1);
            match random.below(3) {
                0 if at < text.len() => drop(text.remove(at)),
                1 => text.truncate(at),
                _ => drop(text.splice(at..at, random.pick(&SPLINTERS).chars())),
            }
        }
        let text: String = text.into_iter().collect();
        trees += usize::from(holds(&text, Profile::ALL[round % 5]));
    }
    assert!(trees > 500, "{trees}");
}

#[test]
fn random_bytes_do_not_panic() {
    let random = &mut Random(88_172_645_463_325_252);
    for round in 0..6_000 {
        let bytes: Vec<u8> = (0..random.below(200))
            .map(|_| match round % 3 {
                0 => random.next() as u8,
                1 => random.next() as u8 & 0x7f,
                _ => {
                    *random.pick(&[b"()\"-:~#@$[] \\aO R".as_slice()]).get(random.below(17)).unwrap_or(&b'R')
                }
            })
            .collect();
        holds(&String::from_utf8_lossy(&bytes), Profile::ALL[round % 5]);
    }
}

#[test]
fn control_characters_and_fragments_do_not_panic() {
    for text in [
        "\0",
        "a\0b",
        "\"\0\"",
        "\u{202e}gull",
        "gull\u{200f} tern",
        "\"\u{202e}gull\"",
        r"\ud83d",
        r#""\ud83d\udc66""#,
        "\u{feff}gull",
        "\u{10ffff}",
        "\u{e000}",
        "x:\u{0}",
        "[",
        "x:[",
        "x:]",
        "point_radius:[",
        "point_radius:[é",
        "bounding_box:[\u{3000}",
        "\"\\",
        "\"\\\"",
        "~3",
        "\"a\"~3~3",
        "-",
        "--",
        "-)",
        "(-",
        "OR",
        "AND",
        "-AND a",
        "a AND",
        "AND AND",
        "a OR AND b",
        "_",
        "_:",
        "_a:b",
        ":",
    ] {
        for profile in Profile::ALL {
            holds(text, profile);
        }
    }
    // A string cannot contain a lone surrogate; its escape is a backslash and five characters.
    assert!(check(r#""\ud83d""#, Profile::Powerstream).is_valid());
    // An AND is read as a blank, even at the ends of the rule.
    assert_eq!(
        check("AND a1 AND AND b1 AND", Profile::Powerstream).rule,
        check("a1 b1", Profile::Powerstream).rule
    );
}

#[test]
fn texts_of_100_kilobytes_get_a_verdict() {
    for piece in
        ["(", ")", "-", "\"", "a ", "a OR ", "'", "_", "[", "(a OR ", "-(", "#", "a:", "é", "\\", "\u{202e}"]
    {
        let text = piece.repeat(100_000 / piece.len());
        let verdict = check(&text, Profile::Powerstream);
        assert!(!verdict.is_valid());
        if let Some(tree) = verdict.rule {
            assert!(tree.format(Profile::Powerstream).len() <= text.len());
            assert!(tree.explain(Profile::Powerstream).words.len() < 100 * text.len());
        }
    }
    // Deep, balanced and alternating, so that nothing can be flattened.
    for (open, close) in [("(", ")"), ("(a OR (b ", "))"), ("-(a OR ", ")"), ("-(a ", ")")] {
        let deep = 10_000;
        let text = format!("gull {}x{}", open.repeat(deep), close.repeat(deep));
        let tree = check(&text, Profile::Powerstream).rule.unwrap();
        let formatted = tree.format(Profile::Powerstream);
        assert_eq!(check(&formatted, Profile::Powerstream).rule.as_ref(), Some(&tree));
        assert!(tree.explain(Profile::Powerstream).words.len() < 100 * text.len());
        drop(tree);
    }
    // The deepest valid rule.
    let text = format!("{}ab{}", "(".repeat(1_023), ")".repeat(1_023));
    assert_eq!(Rule::parse(&text, Profile::Powerstream).unwrap().format(Profile::Powerstream), "ab");
}

#[test]
fn every_operator_survives_formatting_inside_any_tree() {
    for operator in Operator::ALL {
        for text in [
            operator.info().example.to_owned(),
            format!("tern OR (skua ({}))", operator.info().example),
            format!("tern -({})", operator.info().example),
        ] {
            for profile in Profile::ALL {
                holds(&text, profile);
            }
        }
    }
}
