//! What the tests have in common.

#![allow(dead_code, unreachable_pub)]

use powerstream_smol::{Client, Config, Stream, TlsConfig};

pub fn open(config: &Config, ca_pem: Option<&str>) -> Stream {
    let client = Client::new(config.clone());
    let client = match ca_pem {
        Some(pem) => client.with_tls(TlsConfig::only_ca_pem(pem.as_bytes()).unwrap()),
        None => client,
    };
    client.stream().unwrap()
}
