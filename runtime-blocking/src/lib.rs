#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod client;
mod interrupt;
#[cfg(test)]
mod losses;
mod merged;
mod pin;
mod reactor;
mod reader;
mod resolve;
mod rules;
mod stream;
mod waiter;

pub use client::Client;
pub use merged::{MergedEvents, MergedStream};
pub use pin::{PinError, pin_thread};
pub use powerstream_core as core;
// What every program needs of it.
pub use powerstream_core::client::{Config, Connections, Token};
pub use powerstream_core::driver::merged::MergedEvent;
pub use powerstream_core::driver::stop::Shutdown;
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
