//! Sans-IO protocol core for X's Powerstream.
#![no_std]
#![forbid(unsafe_code)]

#[cfg(any(feature = "std", test))]
extern crate std;

pub mod stream;
pub mod time;
