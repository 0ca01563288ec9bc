//! What the tests have in common.

#![allow(dead_code, unreachable_pub)]

use powerstream_tokio::{Client, Config, Stream, TlsConfig};
use tokio::runtime::{Builder, Runtime};

pub fn open(config: &Config, ca_pem: Option<&str>) -> Stream {
    let client = Client::new(config.clone());
    let client = match ca_pem {
        Some(pem) => client.with_tls(TlsConfig::only_ca_pem(pem.as_bytes()).unwrap()),
        None => client,
    };
    client.stream().unwrap()
}

/// A runtime that has one thread.
pub fn current_thread() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

/// A runtime that has several.
pub fn multi_thread() -> Runtime {
    Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}
