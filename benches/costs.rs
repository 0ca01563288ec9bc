//! Costs that must not exist, asserted: allocations, copies, system calls, growth.
//!
//! `cargo bench --bench costs -- [--quick]`

#[path = "../core/tests/counting/mod.rs"]
mod counting;

use powerstream_benches::options::Options;

fn main() {
    powerstream_benches::server::serve_if_child();
    powerstream_benches::loopback::receive_if_child();
    println!("{}", powerstream_benches::costs::run(&Options::parse(counting::allocations)));
}
