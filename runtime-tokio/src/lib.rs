#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod merged;
mod opening;
mod reactor;
mod stream;

pub use merged::MergedStream;
pub use opening::{Client, Rules};
pub use powerstream_client as client;
pub use powerstream_core as core;
// What every program needs of it.
pub use powerstream_client::config::{Config, Connections, Token};
pub use powerstream_client::merged::{MergedEvent, OwnedMergedEvent};
pub use powerstream_client::owned::OwnedEvent;
pub use powerstream_client::queue::{Delivery, Overflow, QueueConfig, Receiver};
pub use powerstream_client::shutdown::Shutdown;
pub use powerstream_client::transport::OpenError;
pub use powerstream_core::merge::Group;
pub use powerstream_core::session::SessionEvent;
pub use powerstream_tls as tls;
pub use powerstream_tls::TlsConfig;
pub use reactor::Tokio;
pub use stream::Stream;
