//! The integration tests of the core, in one binary. The test that counts allocations needs a
//! global allocator and is a binary by itself: `allocations.rs`.

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
mod session;
