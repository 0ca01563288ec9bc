//! Latency and saturated throughput over loopback: every client, in one run.
//!
//! `cargo bench --bench loopback -- [--quick] [plain] [tls] [latency] [throughput]`

#[path = "../core/tests/counting/mod.rs"]
mod counting;

use powerstream_benches::options::Options;

fn main() {
    powerstream_benches::server::serve_if_child();
    println!("{}", powerstream_benches::loopback::run(&Options::parse(counting::allocations)));
}
