#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod interrupt;
#[cfg(test)]
mod losses;
mod merged;
mod opening;
mod pin;
mod reactor;
mod reader;
mod resolve;
mod rules;
mod stream;
mod waiter;

pub use merged::{MergedEvents, MergedStream};
pub use opening::Client;
pub use pin::{PinError, pin_thread};
pub use powerstream_client as client;
pub use powerstream_core as core;
// What every program needs of it.
pub use powerstream_client::config::{Config, Connections, Token};
pub use powerstream_client::merged::MergedEvent;
pub use powerstream_client::shutdown::Shutdown;
pub use powerstream_core::session::SessionEvent;
pub use powerstream_tls as tls;
pub use powerstream_tls::TlsConfig;
pub use reader::{Reader, ReaderConfig, Source};
pub use rules::Rules;
pub use stream::{Events, OpenError, Stream};

/// Compiles the program in the project's README.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
