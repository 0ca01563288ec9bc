//! Measurements of the product beside its peers and beside what the machine allows.
//!
//! Each of [`costs`], [`decoding`], [`understanding`], [`matching`], [`loopback`] and [`scale`] has
//! a function `run`, which returns a [`Section`](report::Section) of tables and charts. The bench
//! of that name prints it; the program `report` runs all of them and writes `docs/src/figures.md`.
//!
//! All engines of a measurement take turns in random order. A ratio is the median over the
//! repetitions of the ratios to the floor in the same repetition, so other load on the machine
//! matters little. Before an engine is measured, the messages that it delivers are counted, hashed
//! and compared with those sent.
#![forbid(unsafe_code)]

pub mod charts;
pub mod costs;
pub mod decoding;
pub mod engines;
pub mod filters;
pub mod loopback;
pub mod matching;
pub mod measure;
pub mod memory_peers;
pub mod options;
pub mod report;
pub mod scale;
pub mod server;
pub mod understanding;
