//! From a message to its kind, id and time, or to all of its fields: every parser, in one run.
//!
//! `cargo bench --bench understanding -- [--quick]`

#[path = "../core/tests/counting/mod.rs"]
mod counting;

use powerstream_benches::options::Options;

fn main() {
    println!("{}", powerstream_benches::understanding::run(&Options::parse(counting::allocations)));
}
