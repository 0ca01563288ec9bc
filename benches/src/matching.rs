//! Which rules a Post matches.

use std::hint::black_box;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use powerstream_core::post::Post;
use powerstream_rules::{Profile, Rule};
use powerstream_workload::framing::{Framing, Pass};
use powerstream_workload::posts::{self, Random};
use powerstream_workload::rules::{Compiled, of_all_kinds, parse, short};
use powerstream_workload::texts::{KeywordRule, Language};
use powerstream_workload::wire::{ReadSize, SHAPES, Wire};

use crate::charts::{Chart, Scale};
use crate::filters::{Atree, Filter, Hashed, Mokaccino, Naive};
use crate::measure::{median, ratio, turns};
use crate::options::Options;
use crate::report::{Section, Table, figure, nanos};

const TURN: Duration = Duration::from_micros(400);

/// Returns the nanoseconds of a pass, the median over the repetitions.
fn median_time(options: &Options, mut pass: impl FnMut()) -> f64 {
    median(turns(options, TURN, &mut [()], |()| pass()).swap_remove(0))
}

/// Measures the matcher, its peers, and its growth.
///
/// # Panics
/// If engines disagree.
#[must_use]
pub fn run(options: &Options) -> Section {
    let language = Language::new();
    let mut random = Random::new(4);
    let texts: Vec<String> = (0..512).map(|_| language.text(&mut random)).collect();
    let (mut tables, mut charts) = (Vec::new(), Vec::new());
    if options.wants("keywords") {
        tables.push(keywords(options, &language, &texts));
    }
    if options.wants("posts") {
        tables.push(posts(options, &language));
    }
    if options.wants("variations") {
        tables.push(variations(options, &language, &texts));
    }
    if options.wants("growth") {
        let (table, chart) = growth(options, &language, &texts);
        tables.push(table);
        charts.push(chart);
    }
    Section {
        heading: "Matching",
        command: "cargo bench --manifest-path benches/Cargo.toml --bench rules",
        about: "Rules of the form `(a OR b c) -d` against texts of 150 bytes, unless noted. Tokenizing and the\n\
                answer are included, on one thread.",
        tables,
        charts,
    }
}

/// Every engine with 1,000 short rules.
fn keywords(options: &Options, language: &Language, texts: &[String]) -> Table {
    let rules = short(language, 1_000);
    let parsed = parse(&rules);
    let mut engines: Vec<Box<dyn Filter>> = vec![
        Box::new(Compiled::new(&parsed)),
        Box::new(Mokaccino::new(&rules)),
        Box::new(Hashed(rules.clone())),
        Box::new(Atree::new(&rules)),
        Box::new(Naive(parsed)),
    ];
    // Slow engines process only some of the texts.
    let share =
        |engine: &dyn Filter| &texts[..if engine.name() == "each rule separately" { 2 } else { texts.len() }];
    let count = |engine: &mut dyn Filter, texts: &[String]| {
        texts.iter().map(|text| engine.count(text)).sum::<usize>()
    };
    let matches = count(&mut *engines[0], texts);
    let few = count(&mut *engines[0], &texts[..2]);
    let mut table = Table::new(
        format!("1,000 rules, of which {:.1} match a text.", matches as f64 / texts.len() as f64),
        &["matcher", "a text", "ratio", "matches found"],
    );
    let times = turns(options, TURN, &mut engines, |engine| {
        let texts = share(&**engine);
        black_box(count(&mut **engine, texts));
    });
    // Per text.
    let times: Vec<Vec<f64>> = engines
        .iter()
        .zip(times)
        .map(|(engine, passes)| passes.iter().map(|pass| pass / share(&**engine).len() as f64).collect())
        .collect();
    for (engine, passes) in engines.iter_mut().zip(&times) {
        let texts = share(&**engine);
        let expected = if texts.len() == 2 { few } else { matches };
        let found = count(&mut **engine, texts);
        // a-tree 0.6.1 loses a few of these rules.
        assert!(found == expected || engine.name() == "a-tree", "{} disagrees", engine.name());
        table.rows.push(vec![
            engine.name().to_owned(),
            nanos(median(passes.clone())),
            figure(ratio(passes, &times[0])),
            format!("{:.1} %", 100.0 * found as f64 / expected as f64),
        ]);
    }
    table
}

/// From messages, and from the bytes of a response, to the rules that match. The loopback benchmark
/// measures latency and cost from a socket.
fn posts(options: &Options, language: &Language) -> Table {
    let messages = posts::load();
    let bytes: usize = messages.iter().map(Vec::len).sum();
    let mut table = Table::new(
        format!("Posts of {} bytes on average, and 1,000 rules.", figure((bytes / messages.len()) as f64)),
        &["from", "rules", "a Post", "Posts a second"],
    );
    let wire = Wire::new(&messages, &SHAPES[0], ReadSize::Bytes(16 << 10));
    for (kind, rules) in
        [("keywords", parse(&short(language, 1_000))), ("of all kinds", of_all_kinds(language, 1_000))]
    {
        let mut row = |from: &str, nanos_a_post: f64| {
            table.rows.push(vec![
                from.to_owned(),
                kind.to_owned(),
                nanos(nanos_a_post),
                figure((1e9 / nanos_a_post).round()),
            ]);
        };
        let mut compiled = Compiled::new(&rules);
        let expected: usize = wire.contents().map(|message| compiled.count_message(message)).sum();
        let pass = median_time(options, || {
            messages.iter().for_each(|message| {
                black_box(compiled.count_message(message));
            });
        });
        row("JSON", pass / messages.len() as f64);
        // The connection copies each read, frames messages, and hands them to the matcher.
        let matches = Arc::new(Mutex::new(0));
        let (counter, mut compiled) = (matches.clone(), Compiled::new(&rules));
        let mut engine = Framing::new(Box::new(move |message| {
            *counter.lock().expect("one thread") += compiled.count_message(message);
        }));
        engine.pass(&wire);
        assert_eq!(*matches.lock().expect("one thread"), expected, "other matches than from JSON");
        let pass = median_time(options, || {
            engine.pass(&wire);
        });
        row("the bytes of a chunked response, in reads of 16 KiB", pass / wire.messages as f64);
    }
    table
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

/// Returns the text with non-ASCII characters that are usual in English texts, and with the three
/// forms of a link.
fn accented(text: &str, index: usize) -> String {
    let text = text.replacen("an", "\u{e1}n", 2).replacen(", ", " \u{2014} ", 1);
    let text = text.replacen(". ", "\u{2019}s \u{1f426} ", 1);
    format!(
        "{text} https://t.co/a1B2c3D4e5 https://www.example.com/birds/of-the-shore/{index} \
         example.com/birds/of-t\u{2026}"
    )
}

/// Other texts and other rules.
fn variations(options: &Options, language: &Language, texts: &[String]) -> Table {
    let mut table = Table::new("Variations, with 1,000 rules.", &["variation", "time"]);
    let mut row = |what: &str, time: f64| table.rows.push(vec![what.to_owned(), nanos(time)]);

    let mut compiled = Compiled::new(&parse(&short(language, 1_000)));
    let accented: Vec<_> = texts.iter().enumerate().map(|(index, text)| accented(text, index)).collect();
    let of_texts = |compiled: &mut Compiled, texts: &[String]| {
        median_time(options, || {
            texts.iter().for_each(|text| {
                black_box(compiled.count_text(text));
            });
        }) / texts.len() as f64
    };
    row("a text with accents, dashes and emoji, and a link", of_texts(&mut compiled, &accented));

    let mut random = Random::new(8);
    let rules: Vec<_> = (0..1_000).map(|_| KeywordRule::tailed(language, &mut random)).collect();
    let mut compiled = Compiled::new(&parse(&rules));
    let messages: Vec<_> = texts.iter().enumerate().map(|(index, text)| message(text, index)).collect();
    let indices: Vec<_> = messages.iter().map(|message| Post::new(message).index()).collect();
    let time = median_time(options, || {
        indices.iter().for_each(|index| {
            black_box(compiled.count_post(&index.post()));
        });
    });
    row(
        "rules as `(a OR b OR c) d lang:en -is:retweet`, a Post with a link whose fields are indexed",
        time / texts.len() as f64,
    );
    let time = median_time(options, || {
        messages.iter().for_each(|message| {
            black_box(compiled.count_message(message));
        });
    });
    row("the same, from the JSON of 519 bytes", time / texts.len() as f64);

    let mut random = Random::new(6);
    let rules: Vec<_> = (0..1_000).map(|_| KeywordRule::long(language, &mut random)).collect();
    let parsed = parse(&rules);
    let mut compiled = Compiled::new(&parsed);
    let matches: usize = texts.iter().map(|text| compiled.count_text(text)).sum();
    row(
        &format!("rules of 200 words, of which {} match", matches / texts.len()),
        of_texts(&mut compiled, texts),
    );
    let indexing = (0..options.pick(1, 5, 15)).map(|_| {
        let begun = Instant::now();
        let compiled = black_box(Compiled::new(&parsed));
        let taken = begun.elapsed();
        drop(compiled);
        taken.as_secs_f64() * 1e9
    });
    row("indexing these rules", median(indexing.collect()));
    let (mut adding, mut removing) = (Vec::new(), Vec::new());
    for (index, rule) in parsed.iter().enumerate() {
        let begun = Instant::now();
        assert!(compiled.set.remove(compiled.keys[index]));
        removing.push(begun.elapsed().as_secs_f64() * 1e9);
        let begun = Instant::now();
        compiled.keys[index] = compiled.set.insert(rule, None);
        adding.push(begun.elapsed().as_secs_f64() * 1e9);
    }
    row("adding one of these rules", median(adding));
    row("removing one", median(removing));

    // Each rule is a candidate for each text, is evaluated completely, and does not match.
    let mut random = Random::new(9);
    let rules: Vec<_> = (0..1_000)
        .map(|index| {
            let words: Vec<_> = (0..180).map(|_| format!("{}q", language.any(&mut random))).collect();
            Rule::parse(&format!("shorebird ({} OR x{index})", words.join(" OR ")), Profile::Powerstream)
                .expect("a rule")
        })
        .collect();
    let shorebirds: Vec<_> = texts[..8].iter().map(|text| format!("{text} shorebird")).collect();
    let time = of_texts(&mut Compiled::new(&rules), &shorebirds);
    row("worst case: all rules, of 182 words, are evaluated to their end and do not match", time);
    let words: Vec<_> = texts[0]
        .split_whitespace()
        .map(|word| word.trim_matches(|character: char| !character.is_alphanumeric()).to_lowercase())
        .collect();
    let rules: Vec<_> = (0..1_000)
        .map(|_| {
            let more: Vec<_> = (0..150).map(|_| language.any(&mut random)).collect();
            let text = format!("({} OR {}) -x1 -x2 -x3 -x4 -x5", words.join(" OR "), more.join(" OR "));
            Rule::parse(&text, Profile::Powerstream).expect("a rule")
        })
        .collect();
    let mut compiled = Compiled::new(&rules);
    assert_eq!(compiled.count_text(&texts[0]), 1_000);
    row("worst case: all rules match by every word of a text", of_texts(&mut compiled, &texts[..1]));
    table
}

/// 10 to 100,000 rules.
fn growth(options: &Options, language: &Language, texts: &[String]) -> (Table, Chart) {
    // Words of the same lengths that no rule contains.
    let foreign = |text: &String| {
        let words = text.split(' ').map(|word| {
            let mut word = word.to_owned();
            word.replace_range(..1, "z");
            word
        });
        words.collect::<Vec<_>>().join(" ")
    };
    let none: Vec<String> = texts.iter().map(foreign).collect();
    let counts = options.pick(
        &[10, 1_000][..],
        &[10, 100, 1_000, 10_000, 100_000],
        &[10, 100, 1_000, 10_000, 100_000],
    );
    let mut sets: Vec<_> =
        counts.iter().map(|&count| Compiled::new(&parse(&short(language, count)))).collect();
    let mut times = |texts: &[String]| {
        let times = turns(options, TURN, &mut sets, |set| {
            texts.iter().for_each(|text| {
                black_box(set.count_text(text));
            });
        });
        times
            .into_iter()
            .map(|passes| passes.into_iter().map(|pass| pass / texts.len() as f64).collect())
            .collect()
    };
    let (some, nothing): (Vec<Vec<f64>>, Vec<Vec<f64>>) = (times(texts), times(&none));
    let mut table = Table::new(
        "Number of rules, and time a text.",
        &["rules", "that match", "a text that matches", "a text that matches none", "ratio to 10 rules"],
    );
    let mut series =
        ["texts that match", "texts that match no rule"].map(|name| (name.to_owned(), Vec::new()));
    for (index, set) in sets.iter_mut().enumerate() {
        let matched: usize = texts.iter().map(|text| set.count_text(text)).sum();
        assert!(none.iter().all(|text| set.count_text(text) == 0), "the words are in no rule");
        let [with, without] = [&some, &nothing].map(|times| median(times[index].clone()));
        let count = counts[index] as f64;
        series[0].1.push((count, with));
        series[1].1.push((count, without));
        table.rows.push(vec![
            figure(count).split('.').next().unwrap_or_default().to_owned(),
            figure(matched as f64 / texts.len() as f64),
            nanos(with),
            nanos(without),
            format!("{:.2}", ratio(&nothing[index], &nothing[0])),
        ]);
    }
    let chart = Chart {
        file: "rules",
        title: "Matching: time a text against the number of rules".to_owned(),
        x: "rules",
        y: "ns a text",
        scale: Scale::Log,
        log_y: true,
        series: series.to_vec(),
    };
    (table, chart)
}
