//! The blocking runtime over real sockets.

#![allow(clippy::unwrap_used)]

#[macro_use]
mod support;

mod conformance;
mod datacenters;
mod late;
mod merged;
mod no_silent_loss;
mod queued;
mod routes;
mod rules;
mod sockets;
mod tls;
