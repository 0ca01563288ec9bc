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
/// For configurations of one's own: [`TlsConfig`] is made from a `ClientConfig` of this version.
pub use rustls;
pub use shell::{GOODBYE_MAX, Tls};
