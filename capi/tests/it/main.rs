//! The C interface, used from C.

#![cfg(unix)]
#![allow(clippy::unwrap_used)]

mod conformance;
mod support;
