//! Runs one hot path, for `.ci/instructions`. Prints the number of messages, or KiB, of the run.
//!
//! `instructions` prints the names of the paths, and `instructions NAME` runs one of them: first to
//! do all lazy set-up, then in [`measured`], where callgrind counts.

use std::hint::black_box;

use powerstream_core::dedup::{Insert, Window, WindowConfig};
use powerstream_core::stream::{PostId, classify};
use powerstream_core::time::Instant;
use powerstream_workload::driver::Driven;
use powerstream_workload::framing::{Found, Framing, Lent, Pass, Sessions, skim};
use powerstream_workload::posts::{self, Random};
use powerstream_workload::rules::{Compiled, of_all_kinds, parse, short};
use powerstream_workload::texts::Language;
use powerstream_workload::tls::{Client, Server, into_session};
use powerstream_workload::wire::{ReadSize, SHAPES, Shape, Wire};

const POSTS: usize = 96;

/// Ids of a run of the path `dedup`. Each is inserted twice.
const IDS: u64 = 4_096;

const PATHS: [&str; 27] = [
    "frame/one/16384",
    "frame/one/1460",
    "frame/one/1",
    "frame/one/chunk",
    "frame/sixteen/16384",
    "frame/sixteen/1460",
    "frame/split/16384",
    "frame/split/1460",
    "frame/tiny/16384",
    "frame/tiny/1460",
    // The same with a copy of each read to the buffer of the runtimes.
    "read/one/1460",
    "read/sixteen/16384",
    "read/split/1460",
    // ..per KiB of messages of this many KiB.
    "large/16",
    "large/1000",
    // ..that are left in the buffer until they are whole, in reads of 100 bytes.
    "left/4",
    "left/28",
    "classify",
    "classify/id_last",
    "session/one/chunk",
    "driver/one/chunk",
    "dedup",
    "rules/keywords/text",
    "rules/keywords/post",
    "rules/all_kinds/post",
    "tls/post",
    "tls/short",
];

/// Callgrind counts what happens in here.
#[inline(never)]
fn measured(run: &mut dyn FnMut()) {
    run();
    // Without this, the call could replace this function's frame, and callgrind would stop
    // counting.
    black_box(());
}

fn count(messages: usize, mut run: impl FnMut()) {
    run();
    measured(&mut run);
    println!("{messages}");
}

fn pass(engine: &mut dyn Pass, wire: &Wire) {
    let found = Found { lines: wire.messages + wire.keep_alives, bytes: wire.message_bytes };
    count(wire.messages, || assert_eq!(engine.pass(wire), found));
}

fn for_each<T>(items: &[T], mut run: impl FnMut(&T)) {
    count(items.len(), || items.iter().for_each(&mut run));
}

fn main() {
    let Some(path) = std::env::args().nth(1) else {
        PATHS.iter().for_each(|path| println!("{path}"));
        return;
    };
    let posts = posts::synthetic(POSTS);
    let wire = |shape: &str, read| {
        let shape = SHAPES.iter().find(|other| other.name == shape).expect("a shape");
        Wire::new(&posts, shape, read)
    };
    let live = || wire("one", ReadSize::Chunk);
    match path.split('/').collect::<Vec<_>>()[..] {
        ["read", shape, bytes] => {
            let read = ReadSize::Bytes(bytes.parse().expect("a number"));
            pass(&mut Framing::new(skim()), &wire(shape, read));
        }
        ["frame", "one", "chunk"] => pass(&mut Lent::new(skim()), &live()),
        ["frame", shape, bytes] => {
            let read = ReadSize::Bytes(bytes.parse().expect("a number"));
            pass(&mut Lent::new(skim()), &wire(shape, read));
        }
        ["large", kib] => {
            let kib: usize = kib.parse().expect("a number");
            let posts = vec![posts::sized(kib << 10); 2_000 / kib];
            let shape = Shape { content: 3 << 20, ..SHAPES[2] };
            let wire = Wire::new(&posts, &shape, ReadSize::Bytes(1_460));
            let mut engine = Lent::new(skim());
            let found = Found { lines: wire.messages + wire.keep_alives, bytes: wire.message_bytes };
            count(wire.messages * kib, || assert_eq!(engine.pass(&wire), found));
        }
        ["left", kib] => {
            let kib: usize = kib.parse().expect("a number");
            let wire = Wire::new(&vec![posts::sized(kib << 10); 112 / kib], &SHAPES[0], ReadSize::Bytes(100));
            let mut engine = Framing::new(skim());
            let found = Found { lines: wire.messages + wire.keep_alives, bytes: wire.message_bytes };
            count(wire.messages * kib, || assert_eq!(engine.pass(&wire), found));
        }
        ["session", ..] => pass(&mut Sessions::new(), &live()),
        ["driver", ..] => pass(&mut Driven::new(&live(), 2), &live()),
        ["classify"] => for_each(&posts, |post| {
            black_box(classify(post));
        }),
        // The order of keys for which classification reads the whole Post.
        ["classify", ..] => {
            let posts: Vec<_> = posts.iter().map(|post| posts::with_id_last(post)).collect();
            for_each(&posts, |post| {
                black_box(classify(post));
            });
        }
        ["dedup"] => {
            let mut config = WindowConfig::default();
            config.posts = 2_048;
            config.seed = 0x1234_5678_9ABC_DEF1;
            let mut window = Window::allocate(&config).expect("the sizes are within bounds");
            let mut ids = 0..;
            count(2 * IDS as usize, || {
                for number in ids.by_ref().take(IDS as usize) {
                    let id = PostId::new((1_700_000_000_000 + 3 * number) << 22);
                    let now = Instant::from_nanos(number);
                    assert_eq!(window.insert(id, now, 0), Insert::New);
                    assert_ne!(window.insert(id, now, 1), Insert::New);
                }
            });
        }
        ["rules", kind, input] => {
            let language = Language::new();
            let rules = match kind {
                "keywords" => parse(&short(&language, 1_000)),
                _ => of_all_kinds(&language, 1_000),
            };
            let mut rules = Compiled::new(&rules);
            if input == "post" {
                for_each(&posts, |post| {
                    black_box(rules.count_message(post));
                });
            } else {
                let mut random = Random::new(4);
                let texts: Vec<_> = (0..128).map(|_| language.text(&mut random)).collect();
                for_each(&texts, |text| {
                    black_box(rules.count_text(text));
                });
            }
        }
        ["tls", length] => {
            // Next to Posts, a message so short that decryption does not hide the costs per record.
            let short = |index| format!("{{\"id\":{},\"text\":\"\"}}", (1_u64 << 60) + index).into_bytes();
            let messages = if length == "post" { posts } else { (0..POSTS as u64).map(short).collect() };
            let server = Server::new();
            let mut client = server.client(into_session());
            let records = server.records(&mut client, &[&messages[..], &messages[..]].concat());
            let mut runs = records.chunks(messages.len());
            count(messages.len(), || {
                let records = runs.next().expect("records for two runs");
                let received: usize = records.iter().map(|record| client.receive(record)).sum();
                assert_eq!(received, messages.len());
            });
        }
        _ => panic!("{path} is not a path"),
    }
}
