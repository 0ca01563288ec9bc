//! The `powerstream` command-line tool.
fn main() {}
