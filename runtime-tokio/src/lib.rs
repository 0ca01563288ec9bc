//! Powerstream on tokio.
#![forbid(unsafe_code)]

mod reactor;
mod stream;

pub use powerstream_core as core;
// What every program needs of it.
pub use powerstream_core::driver::stop::Shutdown;
pub use powerstream_core::http::origin::Origin;
pub use powerstream_core::http::request::BearerToken;
pub use powerstream_core::session::{SessionConfig, SessionEvent};
pub use stream::{OpenError, Stream};
