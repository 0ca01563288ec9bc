//! 1 to 1,000 connections on one thread: CPU per message and memory per connection.
//!
//! `cargo bench --bench scale -- [--quick]`

#[path = "../core/tests/counting/mod.rs"]
mod counting;

use powerstream_benches::options::Options;

fn main() {
    powerstream_benches::server::serve_if_child();
    powerstream_benches::scale::measure_if_child();
    println!("{}", powerstream_benches::scale::run(&Options::parse(counting::allocations)));
}
