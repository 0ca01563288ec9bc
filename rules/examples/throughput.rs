//! Measures how long checking 10,000 rules takes.
//!
//! `cargo run --release -p powerstream-rules --example throughput`

use std::time::Instant;

use powerstream_rules::{Profile, check};

const RULES: usize = 10_000;

fn main() {
    let usual = |number: usize| {
        format!(
            "(gull OR tern OR \"sea gull\" OR word{number}) lang:en -is:retweet (has:links OR from:user{number}) \
             place_country:GB url_contains:\"example.com\""
        )
    };
    let longest = |number: usize| {
        let words: Vec<String> = (0..170).map(|word| format!("w{:06}", word * RULES + number)).collect();
        format!("({}) lang:en -is:retweet", words.join(" OR "))
    };
    let kinds: [(&str, &dyn Fn(usize) -> String); 2] = [("usual", &usual), ("longest", &longest)];
    for (name, make) in kinds {
        let rules: Vec<String> = (0..RULES).map(make).collect();
        let characters: usize = rules.iter().map(String::len).sum();
        let start = Instant::now();
        let valid = rules.iter().filter(|rule| check(rule, Profile::Powerstream).is_valid()).count();
        let checked = start.elapsed();
        assert_eq!(valid, RULES, "{name}");
        println!("{name}: {RULES} rules of {} characters in {checked:?}", characters / RULES);
    }
}
