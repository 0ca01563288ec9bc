//! Errors in the configuration of trust roots.

use std::error::Error as _;
use std::io;
use std::sync::Arc;

use powerstream_core::http::Origin;
use powerstream_tls::rustls::Error;
use powerstream_tls::{TlsConfig, TlsConfigError};

use crate::support::*;

#[test]
fn explains_what_is_wrong_with_a_pem() {
    let good = ca().pem();
    let key = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
    let bad = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    for pem in ["", "junk", key, "-----BEGIN CERTIFICATE-----\n", &good[..good.len() / 2]] {
        let error = TlsConfig::only_ca_pem(pem.as_bytes()).unwrap_err();
        assert!(matches!(error, TlsConfigError::Pem), "{pem}: {error:?}");
        assert!(error.to_string().contains("-----BEGIN CERTIFICATE-----"));
    }
    let error = TlsConfig::only_ca_pem(format!("{good}{bad}").as_bytes()).unwrap_err();
    assert!(matches!(error, TlsConfigError::Certificate { number: 2 }), "{error:?}");
    assert!(error.to_string().starts_with("certificate 2 of the PEM"));
    #[cfg(feature = "platform-roots")]
    assert!(matches!(TlsConfig::with_ca_pem(bad.as_bytes()), Err(TlsConfigError::Certificate { number: 1 })));
    // Other content between the certificates, and CR LF, are accepted.
    let all = format!("text\n{key}{}{}", good.replace('\n', "\r\n"), Ca::new("second").pem());
    assert!(TlsConfig::only_ca_pem(all.as_bytes()).is_ok());
}

#[test]
fn the_error_of_the_system_is_the_source() {
    let denied = Arc::new(io::Error::other("denied"));
    for (error, source) in [
        (TlsConfigError::Roots(Error::FailedToGetRandomBytes), Some("failed to get random bytes")),
        (TlsConfigError::UnreadableRoots { path: "/etc/ssl".into(), error: denied }, Some("denied")),
        (TlsConfigError::Pem, None),
    ] {
        assert_eq!(error.source().map(ToString::to_string).as_deref(), source);
    }
}

#[test]
fn uses_tls_by_scheme_and_checks_the_host_name() {
    let config = client();
    let origin = |url| Origin::parse(url).unwrap();
    assert!(config.for_origin(&origin("http://localhost")).unwrap().is_none());
    for url in ["https://localhost", "https://api.x.com", "https://127.0.0.1:8443", "https://[::1]"] {
        assert!(config.for_origin(&origin(url)).unwrap().is_some(), "{url}");
    }
    for url in ["https://a..b", "https://-a.b", "https://.", &format!("https://{}.test", "n".repeat(64))] {
        let error = config.for_origin(&origin(url)).unwrap_err();
        assert!(matches!(error, TlsConfigError::Name), "{url}");
    }
}
