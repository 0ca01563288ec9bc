#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod config;
mod error;
mod machine;
mod maybe_tls;
mod shell;

pub use config::{Connector, TlsConfig, TlsConfigError};
pub use machine::{End, Machine};
pub use maybe_tls::MaybeTls;
/// The version of rustls whose `ClientConfig` a [`TlsConfig`] can be made from.
pub use rustls;
pub use shell::{GOODBYE_MAX, Tls};
