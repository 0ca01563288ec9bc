//! Runs all measurements, and writes the tables of `docs/src/figures.md` and the charts of
//! `docs/src/figures/`.
//!
//! `cargo run --release --manifest-path benches/Cargo.toml --bin report -- [--quick]` takes at most
//! twenty minutes, and four with `--quick`. It begins once the machine is idle, and fails if it is
//! not within five more minutes. With `--quick` it does not wait.

#[path = "../../../core/tests/counting/mod.rs"]
mod counting;

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use powerstream_benches::options::{Level, Options};
use powerstream_benches::report::{Section, wrapped};
use powerstream_benches::{costs, decoding, loopback, matching, scale, server, understanding};

const COMMAND: &str = "cargo run --release --manifest-path benches/Cargo.toml --bin report";

/// A section is replaced between these lines; the rest of the page is kept.
const BEGIN: &str = "<!-- written by the report -->";
const END: &str = "<!-- end of the report -->";

fn main() {
    server::serve_if_child();
    loopback::receive_if_child();
    scale::measure_if_child();
    let options = Options::parse(counting::allocations);
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/src");
    if options.level == Level::Full {
        wait_until_idle();
    }
    let machine = machine();
    let measurements: [fn(&Options) -> Section; 6] =
        [costs::run, decoding::run, understanding::run, loopback::run, scale::run, matching::run];
    let mut text = String::new();
    // A check draws too, but keeps nothing.
    let is_kept = options.level != Level::Check;
    let charts = if is_kept { docs.join("figures") } else { std::env::temp_dir() };
    for run in measurements {
        let begun = std::time::Instant::now();
        let section = run(&options);
        eprintln!("{}: {:.0} s", section.heading, begun.elapsed().as_secs_f64());
        for chart in &section.charts {
            chart.write(&charts).unwrap_or_else(|error| panic!("{}: {error}", chart.file));
        }
        text += &section.to_string();
    }
    if !is_kept {
        return;
    }
    let page = docs.join("figures.md");
    let old = std::fs::read_to_string(&page).expect("the page of figures");
    let (before, rest) = old.split_once(BEGIN).expect("the line where the report begins");
    let (_, after) = rest.split_once(END).expect("the line where the report ends");
    let options = if options.level == Level::Quick { " -- --quick" } else { "" };
    let text = format!(
        "{before}{BEGIN}\n\n{}\n\n```sh,no_run\n{COMMAND}{options}\n```\n\n{}\n{END}{after}",
        wrapped(&machine),
        text.trim_end()
    );
    std::fs::write(&page, text).expect("the page of figures");
}

/// Waits until the load of the last minute is low. A build before the measurements raises it.
fn wait_until_idle() {
    const LOAD_MAX: f64 = 0.3;
    for _ in 0..30 {
        match load().parse::<f64>() {
            Ok(load) if load > LOAD_MAX => eprintln!("waits for an idle machine; its load is {load}"),
            _ => return,
        }
        std::thread::sleep(Duration::from_secs(10));
    }
    eprintln!("the machine's load stays above {LOAD_MAX}: stop other programs");
    std::process::exit(1);
}

/// Returns the load of the last minute.
fn load() -> String {
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    load.split(' ').next().filter(|load| !load.is_empty()).unwrap_or("unknown").to_owned()
}

/// Returns a sentence about the machine, the date and the commit.
fn machine() -> String {
    let output = |program: &str, arguments: &[&str]| {
        let output = Command::new(program).args(arguments).output();
        let text = output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
        text.ok().filter(|text| !text.is_empty()).unwrap_or_else(|| "unknown".to_owned())
    };
    let cpus = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpus.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    format!(
        "Measured on {}, at commit {}, with {}, on {} cores of {}, {}. The load of the machine before the \
         run was {}.",
        output("date", &["+%Y-%m-%d"]),
        output("git", &["rev-parse", "--short", "HEAD"]),
        output("rustc", &["--version"]),
        std::thread::available_parallelism().map_or(0, usize::from),
        model.map_or("an unknown processor", |(_, model)| model),
        output("uname", &["-sr"]),
        load(),
    )
}
