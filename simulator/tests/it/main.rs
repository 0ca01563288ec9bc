//! The simulator over real sockets, compared with its ground truth log.

#![allow(clippy::unwrap_used)]

mod client;
mod connections;
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
