//! Which rules a Post matches, by several engines: the median of ns per Post over the repetitions,
//! and the ratio to ours in the same repetition.
//!
//! `cargo bench --bench rules -- [--quick] [--repetitions N] [SECTION]...`; the sections are the
//! headings below. `--quick` runs each once. `POWERSTREAM_POSTS` names a file of real Posts for the
//! section `messages`.

use std::hint::black_box;
use std::time::{Duration, Instant};

use powerstream_benches::filters::{Atree, Compiled, Filter, Hashed, Mokaccino, Naive, parse};
use powerstream_benches::posts::{self, Random};
use powerstream_benches::texts::{KeywordRule, Language};
use powerstream_core::post::Post;
use powerstream_rules::{Profile, Rule};

/// The shortest length of a turn. It is short, so that on a shared machine most turns are not
/// interrupted, and the median is one of them.
const TURN: Duration = Duration::from_micros(400);

struct Options {
    repetitions: usize,
    turn: Duration,
    filters: Vec<String>,
}

impl Options {
    fn parse() -> Self {
        let mut options = Self { repetitions: 41, turn: TURN, filters: Vec::new() };
        let mut arguments = std::env::args().skip(1);
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().unwrap_or_else(|| panic!("{argument} wants a value"));
            match argument.as_str() {
                // cargo adds this argument.
                "--bench" => {}
                "--quick" | "--test" => (options.repetitions, options.turn) = (1, Duration::ZERO),
                "--repetitions" => options.repetitions = value().parse().expect("a number"),
                unknown if unknown.starts_with('-') => panic!("{unknown} is unknown"),
                _ => options.filters.push(argument),
            }
        }
        options
    }

    fn wants(&self, section: &str) -> bool {
        let wants = self.filters.is_empty() || self.filters.iter().any(|filter| filter == section);
        if wants {
            println!("\n{section}");
        }
        wants
    }

    /// Returns the nanoseconds of a pass, averaged over a turn.
    fn time(&self, mut pass: impl FnMut()) -> f64 {
        let mut passes = 0;
        let begun = Instant::now();
        while passes == 0 || begun.elapsed() < self.turn {
            pass();
            passes += 1;
        }
        begun.elapsed().as_secs_f64() * 1e9 / f64::from(passes)
    }

    /// Returns the nanoseconds of a pass for each of these in every repetition. They take turns in
    /// random order, so that a slow phase of the machine affects all.
    fn turns<T>(&self, all: &mut [T], mut pass: impl FnMut(&mut T)) -> Vec<Vec<f64>> {
        let mut random = Random::new(3);
        let mut order: Vec<_> = (0..all.len()).collect();
        let mut nanos = vec![Vec::new(); all.len()];
        for _ in 0..self.repetitions {
            random.shuffle(&mut order);
            for &index in &order {
                // The previous engine left its own data in the caches.
                pass(&mut all[index]);
                nanos[index].push(self.time(|| pass(&mut all[index])));
            }
        }
        nanos
    }

    /// Returns the median over the repetitions.
    fn median(&self, mut pass: impl FnMut()) -> f64 {
        median((0..self.repetitions).map(|_| self.time(&mut pass)).collect())
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Returns the median of the ratios within a repetition.
fn ratio(times: &[f64], to: &[f64]) -> f64 {
    median(times.iter().zip(to).map(|(time, to)| time / to).collect())
}

/// Compares engines on texts, one line each.
fn compare(options: &Options, texts: &[String], engines: &mut [Box<dyn Filter>]) {
    // Slow engines process only some of the texts.
    let share = |engine: &dyn Filter| &texts[..if engine.name() == "naive" { 2 } else { texts.len() }];
    let counts: Vec<usize> = engines
        .iter_mut()
        .map(|engine| share(&**engine).iter().map(|text| engine.count(text)).sum())
        .collect();
    let few = texts[..2].iter().map(|text| engines[0].count(text)).sum();
    let nanos = options.turns(engines, |engine| {
        share(&**engine).iter().for_each(|text| {
            black_box(engine.count(text));
        });
    });
    // Per text.
    let nanos: Vec<Vec<f64>> = engines
        .iter()
        .zip(nanos)
        .map(|(engine, passes)| passes.iter().map(|pass| pass / share(&**engine).len() as f64).collect())
        .collect();
    for (index, engine) in engines.iter().enumerate() {
        // a-tree 0.6.1 loses a few of these rules.
        let expected = if engine.name() == "naive" { few } else { counts[0] };
        let disagrees = counts[index] != expected;
        assert!(
            !disagrees || engine.name() == "a-tree",
            "{} and {} disagree",
            engine.name(),
            engines[0].name()
        );
        println!(
            "  {:<12} {:>12.0} ns a Post, {:>8.1} x{}",
            engine.name(),
            median(nanos[index].clone()),
            ratio(&nanos[index], &nanos[0]),
            if disagrees {
                format!(", and {} matches of {}", counts[index], counts[0])
            } else {
                String::new()
            }
        );
    }
    println!("  {:.2} rules match a Post", counts[0] as f64 / texts.len() as f64);
}

fn engines(rules: &[KeywordRule]) -> Vec<Box<dyn Filter>> {
    let parsed = parse(rules);
    vec![
        Box::new(Compiled::new(&parsed)),
        Box::new(Hashed(rules.to_vec())),
        Box::new(Mokaccino::new(rules)),
        Box::new(Atree::new(rules)),
        Box::new(Naive(parsed)),
    ]
}

fn short(language: &Language, count: usize) -> Vec<KeywordRule> {
    let mut random = Random::new(5);
    (0..count).map(|_| KeywordRule::short(language, &mut random)).collect()
}

fn long(language: &Language, count: usize) -> Vec<KeywordRule> {
    let mut random = Random::new(6);
    (0..count).map(|_| KeywordRule::long(language, &mut random)).collect()
}

/// Returns a small Post in the legacy format with this text and a link.
fn message(text: &str, index: usize) -> Vec<u8> {
    format!(
        "{{\"id\":{id},\"id_str\":\"{id}\",\"text\":\"{text}\",\"truncated\":false,\"user\":{{\"id\":7,\"screen_name\":\"shore\"}},\
         \"entities\":{{\"hashtags\":[],\"urls\":[{{\"url\":\"https:\\/\\/t.co\\/a1B2c3D4e5\",\
         \"expanded_url\":\"https:\\/\\/www.example.com\\/birds\\/of-the-shore\\/{index}\",\"display_url\":\"example.com\\/birds\\/of-t\\u2026\"}}],\
         \"user_mentions\":[]}},\"lang\":\"en\"}}",
        id = 932_386_786_193_547_264 + index,
    )
    .into_bytes()
}

/// Returns the link of such a message: the short, the whole and the displayed form.
fn links(index: usize) -> String {
    format!(
        "https://t.co/a1B2c3D4e5 https://www.example.com/birds/of-the-shore/{index} example.com/birds/of-t\u{2026}"
    )
}

/// Returns the text with non-ASCII characters that are usual in English texts.
fn accented(text: &str) -> String {
    text.replacen("an", "\u{e1}n", 2).replacen(", ", " \u{2014} ", 1).replacen(
        ". ",
        "\u{2019}s \u{1f426} ",
        1,
    )
}

fn main() {
    let options = Options::parse();
    let language = Language::new();
    let mut random = Random::new(4);
    let texts: Vec<String> = (0..512).map(|_| language.text(&mut random)).collect();
    let bytes: usize = texts.iter().map(String::len).sum();
    println!("{} texts, {} bytes each", texts.len(), bytes / texts.len());

    if options.wants("keywords") {
        let rules = short(&language, 1_000);
        println!("  1,000 rules as {}", rules[0].text());
        compare(&options, &texts, &mut engines(&rules));
    }
    if options.wants("unicode") {
        let mut compiled = Compiled::new(&parse(&short(&language, 1_000)));
        let messages: Vec<_> =
            texts.iter().map(|text| accented(text)).enumerate().map(|(i, text)| message(&text, i)).collect();
        let indices: Vec<_> = messages.iter().map(|message| Post::new(message).index()).collect();
        let texts: Vec<_> = texts.iter().map(|text| accented(text)).collect();
        let linked: Vec<_> =
            texts.iter().enumerate().map(|(i, text)| format!("{text} {}", links(i))).collect();
        for (texts, what) in [(&texts, "a text"), (&linked, "a text followed by its link's three strings")] {
            let nanos = options.median(|| {
                texts.iter().for_each(|text| {
                    black_box(compiled.count(text));
                })
            });
            println!("  {:>12.0} ns {what}", nanos / texts.len() as f64);
        }
        let nanos = options.median(|| {
            indices.iter().for_each(|index| {
                black_box(compiled.count_post(&index.post()));
            })
        });
        println!("  {:>12.0} ns a Post with a link, from its index", nanos / indices.len() as f64);
    }
    if options.wants("tailed") {
        let mut random = Random::new(8);
        let rules: Vec<_> = (0..1_000).map(|_| KeywordRule::tailed(&language, &mut random)).collect();
        println!("  1,000 rules as {}", rules[0].text());
        let mut compiled = Compiled::new(&parse(&rules));
        let messages: Vec<_> = texts.iter().enumerate().map(|(index, text)| message(text, index)).collect();
        let indices: Vec<_> = messages.iter().map(|message| Post::new(message).index()).collect();
        let nanos = options.median(|| {
            indices.iter().for_each(|index| {
                black_box(compiled.count_post(&index.post()));
            })
        });
        println!("  {:>12.0} ns a Post with a link, from its index", nanos / indices.len() as f64);
        let nanos = options.median(|| {
            messages.iter().for_each(|message| {
                black_box(compiled.count_message(message));
            })
        });
        println!(
            "  {:>12.0} ns a Post of {} bytes, from its message",
            nanos / messages.len() as f64,
            messages[0].len()
        );
    }
    if options.wants("long") {
        let rules = long(&language, 1_000);
        println!("  1,000 rules of {} characters", rules[0].text().len());
        let parsed = parse(&rules);
        // The other engines take minutes to index such rules.
        compare(&options, &texts, &mut [Box::new(Compiled::new(&parsed)), Box::new(Hashed(rules))]);
        let indexing = (0..options.repetitions).map(|_| {
            let begun = Instant::now();
            let compiled = black_box(Compiled::new(&parsed));
            let taken = begun.elapsed();
            drop(compiled);
            taken.as_secs_f64() * 1e3
        });
        println!("  {:>12.2} ms to index them", median(indexing.collect()));
        let mut compiled = Compiled::new(&parsed);
        let (mut adding, mut removing) = (Vec::new(), Vec::new());
        for (index, rule) in parsed.iter().enumerate() {
            let begun = Instant::now();
            assert!(compiled.set.remove(compiled.keys[index]));
            removing.push(begun.elapsed().as_secs_f64() * 1e6);
            let begun = Instant::now();
            compiled.keys[index] = compiled.set.insert(rule, None);
            adding.push(begun.elapsed().as_secs_f64() * 1e6);
        }
        println!("  {:>12.1} us to add one, {:.1} to take one out", median(adding), median(removing));
    }
    if options.wants("worst") {
        // Each rule is a candidate for each text, is evaluated completely, and does not match.
        let mut random = Random::new(9);
        let rules: Vec<_> = (0..1_000)
            .map(|index| {
                let words: Vec<_> = (0..180).map(|_| format!("{}q", language.any(&mut random))).collect();
                format!("shorebird ({} OR x{index})", words.join(" OR "))
            })
            .map(|text| Rule::parse(&text, Profile::Powerstream).expect("a rule"))
            .collect();
        let mut compiled = Compiled::new(&rules);
        let texts: Vec<_> = texts.iter().map(|text| format!("{text} shorebird")).collect();
        let nanos = options.median(|| {
            texts[..8].iter().for_each(|text| {
                black_box(compiled.count(text));
            })
        });
        println!("  {:>12.3} ms a Post: 1,000 rules of 182 words run to their end", nanos / 8e6);
        let rules: Vec<_> = texts
            .iter()
            .cycle()
            .take(1_000)
            .map(|_| {
                let words: Vec<_> = texts[0]
                    .split_whitespace()
                    .map(|word| word.trim_matches(|c: char| !c.is_alphanumeric()))
                    .collect();
                let more: Vec<_> = (0..150).map(|_| language.any(&mut random)).collect();
                format!("({} OR {}) -x1 -x2 -x3 -x4 -x5", words.join(" OR "), more.join(" OR "))
            })
            .map(|text| {
                Rule::parse(&text.to_lowercase().replace(" or ", " OR "), Profile::Powerstream)
                    .expect("a rule")
            })
            .collect();
        let mut compiled = Compiled::new(&rules);
        assert_eq!(compiled.count(&texts[0]), 1_000);
        let nanos = options.median(|| {
            black_box(compiled.count(&texts[0]));
        });
        println!("  {:>12.3} ms a Post: 1,000 rules match by every word of it", nanos / 1e6);
    }
    if options.wants("growth") {
        let none: Vec<String> = texts
            .iter()
            .map(|text| {
                text.split(' ')
                    .map(|word| {
                        // Words of the same lengths that no rule contains.
                        let mut word = word.to_owned();
                        word.replace_range(..1, "z");
                        word
                    })
                    .collect::<Vec<_>>()
                    .join(" ")
            })
            .collect();
        let counts = [10, 100, 1_000, 10_000, 100_000];
        let mut sets: Vec<_> =
            counts.iter().map(|&count| Compiled::new(&parse(&short(&language, count)))).collect();
        let mut times = |texts: &[String]| {
            options.turns(&mut sets, |set| {
                texts.iter().for_each(|text| {
                    black_box(set.count(text));
                });
            })
        };
        let (some, nothing) = (times(&texts), times(&none));
        let a_text = |passes: &[f64]| median(passes.to_vec()) / texts.len() as f64;
        for (index, set) in sets.iter_mut().enumerate() {
            let matched: usize = texts.iter().map(|text| set.count(text)).sum();
            assert!(none.iter().all(|text| set.count(text) == 0), "the words are in no rule");
            println!(
                "  {:>7} rules: {:>8.0} ns where {:.1} match; {:>6.0} ns where none does, {:.2} of that at 10",
                counts[index],
                a_text(&some[index]),
                matched as f64 / texts.len() as f64,
                a_text(&nothing[index]),
                ratio(&nothing[index], &nothing[0])
            );
        }
    }
    if options.wants("messages") {
        let messages = posts::load();
        let mut compiled = Compiled::new(&parse(&short(&language, 1_000)));
        let pass = |compiled: &mut Compiled| {
            messages.iter().map(|message| compiled.count_message(message)).sum::<usize>()
        };
        let nanos = options.median(|| {
            black_box(pass(&mut compiled));
        });
        let bytes: usize = messages.iter().map(Vec::len).sum();
        println!(
            "  {:>12.0} Posts a second of {} bytes, 1,000 keyword rules",
            1e9 * messages.len() as f64 / nanos,
            bytes / messages.len()
        );
        let mut random = Random::new(8);
        let rules: Vec<_> = (0..1_000)
            .map(|index| {
                let word = language.asked(&mut random);
                let text = match index % 8 {
                    0 => format!("{word} lang:en -is:retweet"),
                    1 => format!("#{word} has:links"),
                    2 => format!("\"{word} {}\" -has:media", language.asked(&mut random)),
                    3 => format!("from:{word} OR @{word}"),
                    4 => format!("contains:{word} place_country:no"),
                    5 => format!("bio:{word} followers_count:1000 lang:ja"),
                    6 => format!("url:{word} is:quote"),
                    _ => format!("({word} OR {}) is:verified -lang:und", language.asked(&mut random)),
                };
                Rule::parse(&text, Profile::Powerstream).expect("a rule")
            })
            .collect();
        let mut compiled = Compiled::new(&rules);
        let nanos = options.median(|| {
            black_box(pass(&mut compiled));
        });
        println!("  {:>12.0} Posts a second, 1,000 rules of all kinds", 1e9 * messages.len() as f64 / nanos);
    }
}
