//! TLS: what can be chosen about it, and what can be wrong with it.
//!
//! It lies below everything else: the scenarios, and the writes they cut a stream into, are those
//! of the plaintext, each write a record or more of its own.

mod acceptor;
mod layer;
mod options;

pub(crate) use self::acceptor::Acceptor;
pub(crate) use self::layer::Layer;
pub use self::options::{Tls, TlsFault, UnknownTlsFault};
