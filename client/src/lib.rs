#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

pub mod config;
pub mod exchange;
pub mod merged;
pub mod net;
pub mod owned;
pub mod proxy;
pub mod queue;
pub mod rule_api;
pub mod rules;
pub mod shutdown;
pub mod transport;
