//! Temporary.
mod generator;
mod rng;
mod time;
pub use generator::Generator;
