//! The crypto provider of this crate is independent of the process-wide default provider.
//!
//! This is a separate test program, because the default provider can be installed only once per
//! process.

#![allow(clippy::unwrap_used)]

#[path = "it/support.rs"]
mod support;

#[cfg(feature = "platform-roots")]
use powerstream_tls::TlsConfigError;
use powerstream_tls::rustls::CipherSuite;
use powerstream_tls::rustls::crypto::{CryptoProvider, GetRandomFailed, SecureRandom, ring};
use powerstream_tls::rustls::version::TLS13;
use powerstream_tls::{Machine, TlsConfig};
use support::*;

/// A source of random numbers that always fails.
#[derive(Debug)]
struct Empty;

impl SecureRandom for Empty {
    fn fill(&self, _: &mut [u8]) -> Result<(), GetRandomFailed> {
        Err(GetRandomFailed)
    }
}

/// Completes a handshake and returns the negotiated cipher suite.
fn suite(config: &TlsConfig) -> CipherSuite {
    let (mut client, mut server): (Machine, _) = (machine(config), Server::healthy(&TLS13));
    while client.is_handshaking() {
        let sent = client.transmit().to_vec();
        server.receive(&sent);
        client.handle_transmitted(sent.len());
        let answer = server.output();
        client.read_buf()[..answer.len()].copy_from_slice(&answer);
        client.handle_read(answer.len());
        assert_eq!((client.fault(), answer.is_empty()), (None, false));
    }
    server.connection.negotiated_cipher_suite().unwrap().suite()
}

/// Builds every kind of configuration, and returns the negotiated cipher suite. The machine may
/// have no system CAs.
fn everything() -> CipherSuite {
    #[cfg(feature = "platform-roots")]
    for system in [TlsConfig::platform(), TlsConfig::with_ca_pem(ca().pem().as_bytes())] {
        assert!(matches!(system, Ok(_) | Err(TlsConfigError::Roots(_))), "{system:?}");
    }
    #[cfg(feature = "webpki-roots")]
    TlsConfig::webpki().unwrap();
    suite(&client())
}

#[test]
fn neither_installs_a_provider_nor_uses_the_installed_one() {
    assert_eq!(everything(), CipherSuite::TLS13_AES_256_GCM_SHA384);
    assert!(CryptoProvider::get_default().is_none());

    let mut theirs = ring::default_provider();
    theirs.cipher_suites = vec![ring::cipher_suite::TLS13_CHACHA20_POLY1305_SHA256];
    theirs.secure_random = &Empty;
    theirs.install_default().unwrap();
    assert_eq!(everything(), CipherSuite::TLS13_AES_256_GCM_SHA384);
    assert_eq!(CryptoProvider::get_default().unwrap().cipher_suites.len(), 1);
}
