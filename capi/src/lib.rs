//! Powerstream for C and C++. `include/powerstream.h` is generated from this crate and committed.
//!
//! A program includes the header and links the static or the shared library; `README.md` shows how.
//! Rust programs use the other crates.
//!
//! # The contract of every function
//!
//! All unsafe blocks of this crate rely on it. The header repeats it for its readers.
//!
//! - A pointer is null, or points to a live value of its type. A handle came from its `_new`
//!   function and was not freed. Null is answered by [`ps_status::Null`], except where a function
//!   documents another answer.
//! - A pointer with a length points to at least so many readable (or writable) bytes. It may be
//!   null if the length is 0.
//! - Only one thread uses a handle at a time, except where a function allows more. A handle may
//!   move to another thread between two calls.
//! - A view is used only until the next call that may change its handle.
//! - No panic leaves the library. A function that hits a bug returns [`ps_status::Panic`]; then
//!   only the `_free` function of the handle may be called.
#![allow(non_camel_case_types, reason = "the names of the header")]
#![allow(clippy::missing_safety_doc, reason = "the crate's documentation has all contracts")]

mod backoff;
mod border;
mod checkpoint;
mod chunked;
mod class;
mod config;
mod dedup;
mod event;
mod link;
mod monitor;
mod post;
mod readiness;
mod rules;
mod ruleset;
mod session;
mod shutdown;
mod status;
mod stream;
mod timed;
mod tls;
mod version;

pub use backoff::*;
pub use border::{ps_buffer, ps_bytes};
pub use checkpoint::*;
pub use chunked::*;
pub use class::*;
pub use config::*;
pub use dedup::*;
pub use event::*;
pub use link::*;
pub use monitor::*;
pub use post::*;
pub use rules::*;
pub use ruleset::*;
pub use session::*;
pub use shutdown::*;
pub use status::*;
pub use stream::*;
pub use tls::*;
pub use version::*;
