//! What the benchmarks share: [`posts`] to send, [`wire`] shapes to send them in, [`engines`] to read them.
//!
//! A measurement is a row of data: a shape, a read size, an engine. A new engine (say, framing and classifying) is one
//! more row in [`engines::ALL`] and is then checked, measured and compared in every shape.

pub mod engines;
pub mod filters;
pub mod posts;
pub mod texts;
pub mod wire;
