//! The C interface, used from C.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used)]

mod conformance;
mod driver;
mod functions;
mod merged;
mod support;
mod wrapper;
