//! Which rules a Post matches, by several engines.
//!
//! `cargo bench --bench rules -- [--quick] [keywords] [posts] [variations] [growth]`.
//! `POWERSTREAM_POSTS` names a file of real Posts.

use powerstream_benches::options::Options;

fn main() {
    println!("{}", powerstream_benches::matching::run(&Options::parse(|| 0)));
}
