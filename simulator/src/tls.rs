//! TLS: its settings and its faults.
//!
//! TLS is below the scenarios. They cut and write plaintext, and each write is at least one record.

mod acceptor;
mod layer;
mod options;

pub(crate) use self::acceptor::Acceptor;
pub(crate) use self::layer::Layer;
pub use self::options::{Tls, TlsFault, UnknownTlsFault};
