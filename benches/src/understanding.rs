//! From a message to its id, or to all of its fields.

use std::borrow::Cow;
use std::hint::black_box;
use std::time::Duration;

use powerstream_core::stream::classify;
use powerstream_workload::posts;
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::measure::{median, ratio, turns};
use crate::options::Options;
use crate::report::{Section, Table, figure, nanos};

const TURN: Duration = Duration::from_millis(3);

/// Returns the id of a Post.
type Parser = fn(&[u8], &mut Scratch) -> u64;

/// What parsers keep between messages.
#[derive(Default)]
struct Scratch {
    bytes: Vec<u8>,
    buffers: simd_json::Buffers,
}

/// The fields that a program usually reads.
#[derive(Deserialize)]
struct Typed<'a> {
    id: u64,
    #[serde(borrow)]
    created_at: Cow<'a, str>,
    #[serde(borrow)]
    text: Cow<'a, str>,
    #[serde(borrow)]
    lang: Cow<'a, str>,
    retweet_count: u64,
    favorite_count: u64,
    #[serde(borrow)]
    user: User<'a>,
    #[serde(borrow)]
    entities: Entities<'a>,
}

#[derive(Deserialize)]
struct User<'a> {
    id: u64,
    #[serde(borrow)]
    screen_name: Cow<'a, str>,
    #[serde(borrow)]
    name: Cow<'a, str>,
    followers_count: u64,
}

#[derive(Deserialize)]
struct Entities<'a> {
    #[serde(borrow)]
    user_mentions: Vec<Mention<'a>>,
}

#[derive(Deserialize)]
struct Mention<'a> {
    id: u64,
    #[serde(borrow)]
    screen_name: Cow<'a, str>,
}

#[derive(Deserialize)]
struct IdOnly {
    id: u64,
}

fn use_all(post: &Typed<'_>) -> u64 {
    black_box((&post.created_at, &post.text, &post.lang, post.retweet_count, post.favorite_count));
    black_box((post.user.id, &post.user.screen_name, &post.user.name, post.user.followers_count));
    post.entities.user_mentions.iter().for_each(|mention| {
        black_box((mention.id, &mention.screen_name));
    });
    post.id
}

const PARSERS: [(&str, &str, Parser); 10] = [
    ("memchr for LF (floor)", "nothing", |bytes, _| {
        black_box(memchr::memchr(b'\n', bytes));
        0
    }),
    ("powerstream `classify`", "kind, id and time", |bytes, _| {
        let class = black_box(classify(bytes));
        class.post_id.expect("a Post").as_u64()
    }),
    ("sonic-rs lazy `get`", "id; time is part of it", |bytes, _| {
        let id = sonic_rs::get(bytes, ["id"]).expect("an id");
        id.as_raw_str().parse().expect("a number")
    }),
    ("serde_json `IgnoredAny`", "validates only", |bytes, _| {
        serde_json::from_slice::<IgnoredAny>(bytes).expect("JSON");
        0
    }),
    ("serde_json, struct of the id", "id", |bytes, _| {
        serde_json::from_slice::<IdOnly>(bytes).expect("a Post").id
    }),
    ("serde_json, typed struct", "12 fields, mentions", |bytes, _| {
        use_all(&serde_json::from_slice(bytes).expect("a Post"))
    }),
    ("sonic-rs, typed struct", "12 fields, mentions", |bytes, _| {
        use_all(&sonic_rs::from_slice(bytes).expect("a Post"))
    }),
    ("simd-json, typed struct", "12 fields, mentions", |bytes, scratch| {
        scratch.bytes.clear();
        scratch.bytes.extend_from_slice(bytes);
        use_all(
            &simd_json::serde::from_slice_with_buffers(&mut scratch.bytes, &mut scratch.buffers)
                .expect("a Post"),
        )
    }),
    ("simd-json, borrowed value", "everything", |bytes, scratch| {
        use simd_json::prelude::{ValueAsScalar, ValueObjectAccess};
        scratch.bytes.clear();
        scratch.bytes.extend_from_slice(bytes);
        let value = simd_json::to_borrowed_value(&mut scratch.bytes).expect("JSON");
        value.get("id").as_u64().expect("an id")
    }),
    ("serde_json, `Value`", "everything", |bytes, _| {
        let value: serde_json::Value = serde_json::from_slice(bytes).expect("JSON");
        value["id"].as_u64().expect("an id")
    }),
];

/// Measures every parser with ids in the usual place and at the end.
///
/// # Panics
/// If a parser returns another id.
#[must_use]
pub fn run(options: &Options) -> Section {
    let posts = posts::load();
    let mut orders = vec![("usual order of keys", posts.clone())];
    // Only synthetic Posts have a known order of keys.
    if std::env::var_os("POWERSTREAM_POSTS").is_none() {
        orders.push(("ids at the end", posts.iter().map(|post| posts::with_id_last(post)).collect()));
    }
    let ids: u64 =
        posts.iter().fold(0, |sum, post| sum.wrapping_add(PARSERS[9].2(post, &mut Scratch::default())));
    let mut table = Table::new(
        "Time a Post, and in brackets the ratio to the floor.",
        &["parser", "what it reads", "allocations a Post"],
    );
    table.rows = PARSERS.map(|(name, reads, _)| vec![name.to_owned(), reads.to_owned()]).to_vec();
    for (order, posts) in &orders {
        table.head.push((*order).to_owned());
        let mut states = PARSERS.map(|(.., parser)| (parser, Scratch::default()));
        let pass = |(parser, scratch): &mut (Parser, Scratch)| {
            posts.iter().fold(0, |sum: u64, post| sum.wrapping_add(parser(post, scratch)))
        };
        for (state, (name, reads, _)) in states.iter_mut().zip(&PARSERS) {
            let sum = pass(state);
            let expected = if matches!(*reads, "nothing" | "validates only") { 0 } else { ids };
            assert_eq!(sum, expected, "{name} reads other ids");
        }
        let times = turns(options, TURN, &mut states, |state| {
            black_box(pass(state));
        });
        for (index, state) in states.iter_mut().enumerate() {
            if table.rows[index].len() == 2 {
                let before = (options.allocations)();
                pass(state);
                let allocations = ((options.allocations)() - before) as f64 / posts.len() as f64;
                table.rows[index].push(figure(allocations));
            }
            table.rows[index].push(format!(
                "{} ({:.1})",
                nanos(median(times[index].clone()) / posts.len() as f64),
                ratio(&times[index], &times[0])
            ));
        }
    }
    Section {
        heading: "Understanding",
        command: "cargo bench --manifest-path benches/Cargo.toml --bench understanding",
        about: "From a message in memory to what it contains. simd-json overwrites its input, so its rows contain\n\
                a copy.",
        tables: vec![table],
        charts: Vec::new(),
    }
}
