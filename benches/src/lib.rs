//! Shared parts of the benchmarks: [`posts`] to send, [`wire`] shapes to send them in, and
//! [`engines`] to read them.
//!
//! A measurement combines a shape, a read size and an engine. A new engine is one more row in
//! [`engines::ALL`]; it is then checked and measured with every shape.

pub mod engines;
pub mod filters;
pub mod posts;
pub mod texts;
pub mod wire;
