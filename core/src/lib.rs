//! Sans-IO protocol core for X's Powerstream.
#![no_std]
#![forbid(unsafe_code)]

#[cfg(feature = "alloc")]
extern crate alloc;
#[cfg(any(feature = "std", test))]
extern crate std;

pub mod backoff;
pub mod buffered;
pub mod driver;
pub mod endpoint;
pub mod http;
pub mod liveness;
#[cfg(feature = "alloc")]
pub mod owned;
pub mod session;
pub mod stream;
pub mod time;
