//! Compares the window of ids with a map and a queue, for sizes small enough to reach every case.
#![allow(clippy::unwrap_used)]

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use powerstream_core::dedup::{Insert, POSTS_MAX, Window, WindowConfig, WindowError};
use powerstream_core::stream::PostId;
use powerstream_core::time::Instant;

use crate::random::Rng;

fn config(posts: usize, age_max: Option<u64>, seed: u64) -> WindowConfig {
    let mut config = WindowConfig::default();
    config.posts = posts;
    config.age_max = age_max.map(Duration::from_nanos);
    config.seed = seed;
    config
}

/// The same window, implemented without regard to memory.
struct Model {
    known: HashMap<u64, (u64, u64)>,
    order: VecDeque<u64>,
    posts: usize,
    age_max: Option<u64>,
    now: u64,
}

impl Model {
    fn new(posts: usize, age_max: Option<u64>) -> Self {
        Self { known: HashMap::new(), order: VecDeque::new(), posts, age_max, now: 0 }
    }

    /// Returns the time of the first insertion and its note; `None` for a new id.
    fn insert(&mut self, id: u64, now: u64, note: u64) -> Option<(u64, &mut u64)> {
        self.now = self.now.max(now);
        while let (Some(age_max), Some(oldest)) = (self.age_max, self.order.front()) {
            if self.now - self.known[oldest].0 <= age_max {
                break;
            }
            self.known.remove(oldest);
            self.order.pop_front();
        }
        if !self.known.contains_key(&id) {
            if self.order.len() == self.posts {
                self.known.remove(&self.order.pop_front().unwrap());
            }
            self.order.push_back(id);
            self.known.insert(id, (self.now, note));
            return None;
        }
        self.known.get_mut(&id).map(|(at, note)| (*at, note))
    }
}

/// Returns ids that are close together, far apart, or distributed like the service's.
fn id(random: &mut Rng, kind: u64, range: usize) -> u64 {
    let number = random.index(range) as u64;
    match kind {
        0 => number,
        1 => u64::MAX - number * 7,
        2 => ((1_500_000_000_000 + number) << 22) + (5 << 17),
        _ => number << 40,
    }
}

#[test]
fn remembers_and_forgets_exactly_like_a_map_and_a_queue() {
    let mut random = Rng(1);
    for round in 0..600 {
        let posts = 1 + random.index(if round % 4 == 0 { 300 } else { 9 });
        let age_max = random.one_in(3).then(|| random.below(200));
        let config = config(posts, age_max, random.next());
        // The storage contains old data and is longer than necessary.
        let storage = vec![u64::MAX; config.storage_words() + random.index(3)];
        let mut window = Window::new(storage, &config).unwrap();
        let mut model = Model::new(posts, age_max);
        let range = 1 + random.index(3 * posts + 3);
        let (kind, mut now) = (random.below(4), 0_u64);
        for note in 0..1_500 {
            now = match random.index(20) {
                0 => now.saturating_sub(random.below(50)),
                1 => now + random.below(150),
                _ => now + random.below(2),
            };
            let id = id(&mut random, kind, range);
            let contains = window.contains(PostId::new(id), Instant::from_nanos(now));
            let found = match window.insert(PostId::new(id), Instant::from_nanos(now), note) {
                Insert::New => None,
                Insert::Duplicate(known) => Some((known.at.as_nanos(), known.note)),
                Insert::Broken(_) => unreachable!("no copy was checked"),
            };
            assert_eq!(contains, found.is_some(), "round {round}, {note}");
            let wanted = model.insert(id, now, note);
            assert_eq!(found, wanted, "round {round}, {note}: {posts} Posts, {age_max:?}");
            if let (Some((_, one)), Some((_, other)), 0) = (found, wanted, random.index(4)) {
                *one += 1;
                *other += 1;
            }
        }
    }
}

/// Returns the id of the n-th Post, as the service assigns ids.
fn post_id(number: u64) -> u64 {
    (1_500_000_000_000 + number) << 22
}

/// The n-th id to insert into a window of this many Posts.
type Order = fn(&mut Rng, u64, u64) -> u64;

const ORDERS: [(&str, Order); 13] = [
    ("in order", |_, number, _| post_id(number)),
    ("consecutive", |_, number, _| number),
    ("a little out of order", |random, number, _| post_id(number + random.below(8))),
    ("a second copy half a window later", |_, number, posts| {
        post_id(if number % 2 == 0 { number } else { number.saturating_sub(posts / 2 * 2 + 1) })
    }),
    ("random", |random, _, _| random.next()),
    ("random of a few more than the window holds", |random, _, posts| random.below(posts + posts / 4 + 2)),
    ("descending", |_, number, _| u64::MAX - number),
    ("all equal", |_, _, _| 7),
    ("repeated after one Post less than the window holds", |_, number, posts| number % (posts - 1).max(1)),
    ("repeated after as many Posts as the window holds", |_, number, posts| post_id(number % posts)),
    ("repeated after one Post more than the window holds", |_, number, posts| post_id(number % (posts + 1))),
    (
        "older Posts between newer ones",
        |_, number, _| {
            if number % 3 == 0 { number << 22 } else { post_id(number) }
        },
    ),
    ("the largest and the smallest ids between others", |random, number, _| match random.below(6) {
        0 => u64::MAX - random.below(2),
        1 => random.below(2),
        _ => post_id(number),
    }),
];

/// Inserts ids in this order, one each nanosecond, and compares window and model. Compares all
/// their ids now and then.
fn compare(posts: usize, age_max: Option<u64>, (name, order): (&str, Order), steps: u64) {
    let mut random = Rng(posts as u64);
    let config = config(posts, age_max, random.next());
    let mut window = Window::new(vec![u64::MAX; config.storage_words()], &config).unwrap();
    let mut model = Model::new(posts, age_max);
    for number in 0..steps {
        let id = order(&mut random, number, posts as u64);
        let now = Instant::from_nanos(number);
        let contains = window.contains(PostId::new(id), now);
        let found = match window.insert(PostId::new(id), now, number) {
            Insert::New => None,
            Insert::Duplicate(known) => Some((known.at.as_nanos(), known.note)),
            Insert::Broken(_) => unreachable!("no copy was checked"),
        };
        assert_eq!(contains, found.is_some(), "{posts} Posts, {age_max:?}, {name}: {number}");
        let wanted = model.insert(id, number, number);
        assert_eq!(found, wanted, "{posts} Posts, {age_max:?}, {name}: {number}");
        if let (Some((_, one)), Some((_, other))) = (found, wanted) {
            *one += 1;
            *other += 1;
        }
        if number % (steps / 16) == 0 || number == steps - 1 {
            assert!(window.newest().map(|id| id.as_u64()).eq(model.order.iter().rev().copied()));
            assert!(model.order.iter().all(|id| window.contains(PostId::new(*id), now)));
        }
    }
}

#[test]
fn small_windows_agree_with_the_model_in_every_order_of_ids() {
    for posts in 1..=70 {
        for order in ORDERS {
            compare(posts, None, order, 4 * posts as u64 + 40);
        }
    }
}

#[test]
fn ids_are_forgotten_by_age_within_and_across_generations() {
    for posts in [1, 2, 7, 8, 9, 31, 64, 70] {
        for age_max in [0, 1, 2, 5, posts as u64 / 2, posts as u64 - 1, posts as u64, 3 * posts as u64] {
            for order in ORDERS {
                compare(posts, Some(age_max), order, 5 * posts as u64 + 40);
            }
        }
    }
}

#[test]
fn large_window_agrees_with_the_model_in_every_order_of_ids() {
    for order in ORDERS {
        compare(70_001, None, order, 170_000);
    }
    for order in [ORDERS[2], ORDERS[5], ORDERS[7]] {
        compare(70_001, Some(20_000), order, 170_000);
    }
}

#[test]
fn an_id_is_forgotten_exactly_when_the_window_is_full_of_newer_ones() {
    for posts in 1..=70 {
        for in_order in [true, false] {
            let id = |number: u64| {
                PostId::new(if in_order {
                    post_id(number)
                } else {
                    number.wrapping_mul(0x9E37_79B9_7F4A_7C15)
                })
            };
            let config = config(posts, None, 5);
            let mut window = Window::new(vec![u64::MAX; config.storage_words()], &config).unwrap();
            for number in 0..5 * posts as u64 {
                assert_eq!(window.insert(id(number), Instant::ZERO, 0), Insert::New);
                for older in 0..=number {
                    let is_held = number - older < posts as u64;
                    assert_eq!(
                        window.contains(id(older), Instant::ZERO),
                        is_held,
                        "{posts}: {older}, {number}"
                    );
                }
            }
        }
    }
}

#[test]
fn storage_stays_untouched_until_ids_reach_it() {
    let config = config(100_000, None, 5);
    let mut storage = vec![u64::MAX; config.storage_words()];
    let mut window = Window::new(&mut storage[..], &config).unwrap();
    for number in 0..1_000 {
        window.insert(PostId::new(post_id(number)), Instant::ZERO, 0);
    }
    let touched = storage.iter().filter(|word| **word != u64::MAX).count();
    // One table of 16,384 buckets, 2 buckets of the next and 3 words of the ring for each id, and
    // some ranges.
    assert!((21_384..21_500).contains(&touched), "{touched}");
}

/// Forgotten ids leave no trace: a million ids leave the table as it was.
#[test]
fn million_ids_pass_through_a_small_window() {
    let id_of = |number: u64| PostId::new(((1_700_000_000_000 + number / 3) << 22) + number % 3);
    let config = config(100, None, 7);
    let mut window = Window::new(vec![0; config.storage_words()], &config).unwrap();
    for number in 0..1_000_000_u64 {
        assert_eq!(window.insert(id_of(number), Instant::ZERO, number), Insert::New);
        let oldest = number.saturating_sub(99);
        let Insert::Duplicate(known) = window.insert(id_of(oldest), Instant::ZERO, 0) else {
            panic!("{oldest} is forgotten at {number}");
        };
        assert_eq!(*known.note, oldest);
    }
}

#[test]
fn rejects_invalid_sizes_and_short_storage() {
    for posts in [0, POSTS_MAX + 1, usize::MAX] {
        assert_eq!(Window::new([], &config(posts, None, 0)).err(), Some(WindowError::Posts));
    }
    for (posts, words) in [(1, 15), (2, 24), (3, 33), (4, 42), (70, 462), (1 << 20, 5_276_168)] {
        let config = config(posts, None, 0);
        assert_eq!(config.storage_words(), words);
        let short = Window::new(vec![0; words - 1], &config);
        assert_eq!(short.err(), Some(WindowError::Storage { needed: words }));
        assert!(Window::new(vec![0; words], &config).is_ok());
    }
}

#[cfg(feature = "alloc")]
#[test]
fn allocates_the_storage_it_needs_and_reports_its_capacity() {
    let mut window = Window::allocate(&WindowConfig::default()).unwrap();
    assert_eq!(window.posts(), 1 << 20);
    assert_eq!(window.insert(PostId::new(0), Instant::ZERO, 0), Insert::New);
    assert!(window.contains(PostId::new(0), Instant::ZERO));
    assert!(!window.contains(PostId::new(1), Instant::ZERO));
    assert!(Window::allocate(&config(0, None, 0)).is_err());
}

#[test]
fn newest_returns_ids_from_the_newest_to_the_oldest_that_is_held() {
    let mut config = WindowConfig::default();
    config.posts = 4;
    config.age_max = Some(Duration::from_secs(10));
    let mut window = Window::new(vec![0; config.storage_words()], &config).unwrap();
    let newest = |window: &Window<Vec<u64>>| window.newest().map(|id| id.as_u64()).collect::<Vec<_>>();
    assert_eq!(newest(&window), [] as [u64; 0]);
    for (id, seconds) in [(1, 0), (2, 1), (2, 2), (3, 3), (4, 4), (5, 5), (6, 12)] {
        window.insert(PostId::new(id), Instant::from_nanos(seconds * 1_000_000_000), 0);
    }
    // 1 and 2 were overwritten; at 12 s all others are young enough.
    assert_eq!(newest(&window), [6, 5, 4, 3]);
    window.insert(PostId::new(7), Instant::from_nanos(15_000_000_000), 0);
    assert_eq!(newest(&window), [7, 6, 5]);
}

#[test]
fn only_a_well_formed_first_copy_enters_the_window() {
    let deep = format!("{{\"id\":1,\"text\":{}{}}}", "[".repeat(200), "]".repeat(200));
    let copies: [(&[u8], bool); 9] = [
        (b"{\"id\":1,\"text\":\"a\"}", true),
        (b" {\"id\":1,\"text\":\"\\ud83d\"} \r", true),
        // Deeper than is read: it may be JSON.
        (deep.as_bytes(), true),
        (b"{\"id\":1,\"text\":\"a\"", false),
        (b"{\"id\":1,\"text\":\"a", false),
        (b"{\"id\":1,\"text\":\"a\"}}", false),
        (b"{\"id\":1,\"text\":\"a\nb\"}", false),
        // Not UTF-8: the service may send it in every copy.
        (b"{\"id\":1,\"text\":\"\xFF\"}", true),
        (b"", false),
    ];
    for (copy, enters) in copies {
        let id = PostId::new(1);
        let config = config(4, Some(2), 0);
        let mut window = Window::new(vec![0; config.storage_words()], &config).unwrap();
        for _ in 0..2 {
            let inserted = window.insert_copy(id, copy, Instant::from_nanos(1), 7);
            let is_broken = matches!(inserted, Insert::Broken(_));
            assert_eq!(is_broken, !enters, "{}", copy.escape_ascii());
        }
        assert_eq!(window.contains(id, Instant::from_nanos(1)), enters);
        assert_eq!(window.insert_copy(id, b"{}", Instant::from_nanos(1), 7) == Insert::New, !enters);
        // Known by now: a broken copy is a duplicate like any other, until its id is forgotten.
        let broken = |window: &mut Window<_>, at| {
            matches!(window.insert_copy(id, b"{", Instant::from_nanos(at), 7), Insert::Broken(_))
        };
        assert!(!broken(&mut window, 3) && broken(&mut window, 4));
    }
}
