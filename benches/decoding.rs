//! From raw chunked bytes to framed messages: every engine, in one run.
//!
//! `cargo bench --bench decoding -- [--quick] [SHAPE[/READ]]..`, for example `-- one/16384`;
//! `sizes` is the dependence on the size of a message.

#[path = "../core/tests/counting/mod.rs"]
mod counting;

use powerstream_benches::options::Options;

fn main() {
    println!("{}", powerstream_benches::decoding::run(&Options::parse(counting::allocations)));
}
