//! The integration tests of the core, in one binary. `allocations.rs` is a separate binary, because
//! it needs a global allocator.

mod alerts;
mod backoff;
mod chunked;
mod common;
mod connection;
mod connection_faults;
mod connection_time;
mod dedup;
mod exchange;
mod harness;
mod head;
mod liveness;
#[path = "../random/mod.rs"]
mod random;
mod session;
