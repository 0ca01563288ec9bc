//! From raw chunked bytes to framed messages: a table of ns per message, and of ratios to the floor
//! F.
//!
//! In each repetition, every engine has one turn, in random order. A ratio is the median over the
//! repetitions of the ratios to F in the same repetition, so other load on the machine matters
//! little.
//!
//! `cargo bench --bench ratios -- [--quick] [--repetitions N] [--engine TEXT] [SHAPE[/READS]]...`,
//! for example `-- one tiny/65536`. `--quick` runs each once.

use std::time::{Duration, Instant};

use powerstream_benches::engines::{self, Engine, FLOOR};
use powerstream_benches::posts::{self, Random};
use powerstream_benches::wire::{READ_SIZES, SHAPES, Wire};

/// The length of a turn. Passes are repeated until then.
const TURN: Duration = Duration::from_millis(8);

struct Options {
    repetitions: usize,
    turn: Duration,
    engine: String,
    filters: Vec<String>,
}

impl Options {
    fn parse() -> Self {
        let mut options = Self { repetitions: 9, turn: TURN, engine: String::new(), filters: Vec::new() };
        let mut arguments = std::env::args().skip(1);
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().unwrap_or_else(|| panic!("{argument} wants a value"));
            match argument.as_str() {
                // cargo adds this argument.
                "--bench" => {}
                "--quick" | "--test" => (options.repetitions, options.turn) = (1, Duration::ZERO),
                "--repetitions" => options.repetitions = value().parse().expect("a number"),
                "--engine" => options.engine = value(),
                unknown if unknown.starts_with('-') => panic!("{unknown} is unknown"),
                _ => options.filters.push(argument),
            }
        }
        options
    }

    fn wants(&self, name: &str) -> bool {
        let wants = |filter: &String| *name == **filter || name.split('/').next() == Some(filter);
        self.filters.is_empty() || self.filters.iter().any(wants)
    }
}

fn main() {
    let options = Options::parse();
    let posts = posts::load();
    let engines: Vec<&Engine> = engines::ALL
        .iter()
        .filter(|engine| engine.name == FLOOR || engine.name.contains(&options.engine))
        .collect();
    let mut random = Random::new(3);
    print!("| ns a message (ratio to F) | F, ns a chunk |");
    engines.iter().for_each(|engine| print!(" {} |", engine.name));
    println!("\n|{}", " --- |".repeat(engines.len() + 2));
    for shape in &SHAPES {
        for reads in READ_SIZES {
            let name = format!("{}/{reads}", shape.name);
            if options.wants(&name) {
                let wire = Wire::new(&posts, shape, reads);
                report(&name, &wire, &engines, &options, &mut random);
            }
        }
    }
}

fn report(name: &str, wire: &Wire, engines: &[&Engine], options: &Options, random: &mut Random) {
    let mut states: Vec<_> = engines.iter().map(|engine| (engine.start)()).collect();
    let expected: Vec<_> = engines.iter().map(|engine| (engine.expected)(wire)).collect();
    let floor = engines.iter().position(|engine| engine.name == FLOOR).expect("F is an engine");
    let mut order: Vec<_> = (0..engines.len()).collect();
    let mut nanos = vec![Vec::new(); engines.len()];
    for _ in 0..options.repetitions {
        random.shuffle(&mut order);
        for &index in &order {
            let mut passes = 0;
            let begun = Instant::now();
            while passes == 0 || begun.elapsed() < options.turn {
                assert_eq!(states[index].pass(wire), expected[index], "{} in {name}", engines[index].name);
                passes += 1;
            }
            nanos[index].push(begun.elapsed().as_secs_f64() * 1e9 / f64::from(passes));
        }
    }
    print!("| {name} | {:.1} |", median(nanos[floor].clone()) / wire.chunks as f64);
    for times in &nanos {
        let ratios = times.iter().zip(&nanos[floor]).map(|(time, floor)| time / floor).collect();
        print!(" {:.0} ({:.2}) |", median(times.clone()) / wire.messages as f64, median(ratios));
    }
    println!();
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
