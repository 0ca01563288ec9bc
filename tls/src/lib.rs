#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod config;
mod fault;
mod machine;
mod secured;
mod shell;

pub use config::{Connector, TlsConfig, TlsConfigError};
pub use machine::{End, Machine};
/// For configurations of one's own: [`TlsConfig`] is made from a `ClientConfig` of this version.
pub use rustls;
pub use secured::MaybeTls;
pub use shell::{GOODBYE_MAX, Tls};
