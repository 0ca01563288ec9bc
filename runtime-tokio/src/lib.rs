//! Powerstream on tokio.
#![forbid(unsafe_code)]

mod client;
mod reactor;
mod rules;
mod stream;

pub use client::Client;
pub use powerstream_core as core;
// What every program needs of it.
pub use powerstream_core::client::{Config, Token};
pub use powerstream_core::driver::stop::Shutdown;
pub use powerstream_core::owned::OwnedEvent;
pub use powerstream_core::session::SessionEvent;
pub use powerstream_tls as tls;
pub use powerstream_tls::TlsConfig;
pub use powerstream_tls::transport::OpenError;
pub use rules::Rules;
pub use stream::Stream;
