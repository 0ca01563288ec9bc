//! The simulator as clients meet it: over real sockets, against what the ground truth log says.

#![allow(clippy::unwrap_used)]

mod client;
mod control;
mod datacenters;
mod generator;
mod history;
mod limits;
mod rules;
mod scenarios;
mod scripts;
mod server;
mod tls;
mod transcripts;
