#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod client;
mod merged;
mod reactor;
mod stream;

pub use client::{Client, Rules};
pub use merged::MergedStream;
pub use powerstream_core as core;
// What every program needs of it.
pub use powerstream_core::client::{Config, Connections, Token};
pub use powerstream_core::driver::merged::{MergedEvent, OwnedMergedEvent};
pub use powerstream_core::driver::stop::Shutdown;
pub use powerstream_core::merge::Group;
pub use powerstream_core::owned::OwnedEvent;
pub use powerstream_core::queue::{Delivery, Overflow, QueueConfig, Receiver};
pub use powerstream_core::session::SessionEvent;
pub use powerstream_tls as tls;
pub use powerstream_tls::TlsConfig;
pub use powerstream_tls::transport::OpenError;
pub use reactor::Smol;
pub use stream::Stream;
