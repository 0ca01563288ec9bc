//! TLS configuration: trust roots, cryptography and protocol. One configuration serves all
//! connections.

use std::path::PathBuf;
use std::sync::Arc;
use std::{fmt, io};

use powerstream_core::http::{Origin, Scheme};
use powerstream_core::transport_error::TransportError;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};

use crate::machine::Machine;

/// The only protocol offered over TLS (ALPN, RFC 7301).
pub(crate) const ALPN: &[u8] = b"http/1.1";

/// The trust roots and the cryptography of TLS connections.
///
/// Creating one reads certificates and takes milliseconds. A clone copies one pointer.
///
/// Certificates are always verified; no option turns this off. TLS 1.2 and 1.3 are supported, with
/// the cryptography of ring. The ring provider is passed explicitly and never installed for the
/// whole process, so it does not conflict with another provider in the program.
#[derive(Clone)]
pub struct TlsConfig(Arc<ClientConfig>);

impl TlsConfig {
    /// Trusts the CAs of the operating system: through its own verifier on Windows, macOS and
    /// Android, through its list of CAs on other systems.
    ///
    /// # Errors
    /// [`TlsConfigError::Roots`] if the system has no CA, as in minimal containers, and
    /// [`TlsConfigError::UnreadableRoots`] if its CAs cannot be read.
    #[cfg(feature = "platform-roots")]
    pub fn platform() -> Result<Self, TlsConfigError> {
        let provider = provider();
        let verifier =
            rustls_platform_verifier::Verifier::new(Arc::clone(&provider)).map_err(no_platform_roots)?;
        Self::with_verifier(provider, Arc::new(verifier))
    }

    /// Trusts the CAs of the operating system and the CAs in `pem`, for example of a proxy that
    /// decrypts TLS or of the simulator. If the system has no CA, the ones in `pem` are used alone.
    ///
    /// # Errors
    /// [`TlsConfigError::Pem`] or [`TlsConfigError::Certificate`] if a certificate is missing or
    /// invalid.
    #[cfg(all(feature = "platform-roots", not(target_os = "android")))]
    pub fn with_ca_pem(pem: &[u8]) -> Result<Self, TlsConfigError> {
        let provider = provider();
        let certificates = certificates(pem)?;
        // The platform's verifier does not say which certificate is invalid, so each is checked
        // first.
        roots(&certificates)?;
        let verifier =
            rustls_platform_verifier::Verifier::new_with_extra_roots(certificates, Arc::clone(&provider))
                .map_err(no_platform_roots)?;
        Self::with_verifier(provider, Arc::new(verifier))
    }

    /// Trusts only the CAs in `pem`.
    ///
    /// # Errors
    /// [`TlsConfigError::Pem`] or [`TlsConfigError::Certificate`] if a certificate is missing or
    /// invalid.
    pub fn only_ca_pem(pem: &[u8]) -> Result<Self, TlsConfigError> {
        Self::with_roots(roots(&certificates(pem)?)?)
    }

    /// Trusts the CAs of Mozilla's list, as of the compiled version of `webpki-roots`. The list is
    /// the same on every machine and is updated only by a new build.
    ///
    /// # Errors
    /// None in practice. [`TlsConfigError::Roots`] if rustls rejects the compiled list.
    #[cfg(feature = "webpki-roots")]
    pub fn webpki() -> Result<Self, TlsConfigError> {
        let mut roots = RootCertStore::empty();
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
        Self::with_roots(roots)
    }

    fn with_roots(roots: RootCertStore) -> Result<Self, TlsConfigError> {
        let provider = provider();
        let verifier =
            WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider)).build();
        let verifier =
            verifier.map_err(|error| TlsConfigError::Roots(rustls::Error::General(error.to_string())))?;
        Self::with_verifier(provider, verifier)
    }

    /// Creates a configuration with one of the verifiers of rustls or of the platform. rustls marks
    /// every custom verifier as dangerous, including these.
    fn with_verifier(
        provider: Arc<CryptoProvider>,
        verifier: Arc<dyn ServerCertVerifier>,
    ) -> Result<Self, TlsConfigError> {
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(TlsConfigError::Roots)?
            .dangerous()
            .with_custom_certificate_verifier(verifier)
            .with_no_client_auth();
        Ok(Self::from(config))
    }

    /// Returns a connector for an `https` origin, and `None` for an `http` origin.
    ///
    /// # Errors
    /// The errors of [`Self::connector`].
    pub fn for_origin(&self, origin: &Origin<'_>) -> Result<Option<Connector>, TlsConfigError> {
        match origin.scheme() {
            Scheme::Http => Ok(None),
            Scheme::Https => self.connector(origin).map(Some),
        }
    }

    /// Returns a connector for the host of `origin`.
    ///
    /// # Errors
    /// [`TlsConfigError::Name`] if the host is neither an IP address nor a valid DNS name.
    pub fn connector(&self, origin: &Origin<'_>) -> Result<Connector, TlsConfigError> {
        let name = ServerName::try_from(origin.host()).map_err(|_| TlsConfigError::Name)?.to_owned();
        Ok(Connector { config: Arc::clone(&self.0), name })
    }
}

impl From<ClientConfig> for TlsConfig {
    /// Uses a rustls configuration, for example with client certificates, another provider or other
    /// CAs.
    ///
    /// Two settings are overwritten. HTTP/1.1 is the only protocol offered (ALPN). Early data
    /// (0-RTT) is off, because an attacker could replay a request with its bearer token.
    fn from(mut config: ClientConfig) -> Self {
        config.alpn_protocols = vec![ALPN.to_vec()];
        config.enable_early_data = false;
        Self(Arc::new(config))
    }
}

impl From<&Arc<ClientConfig>> for TlsConfig {
    /// Copies a shared configuration, and overwrites two settings of the copy as for
    /// `ClientConfig`.
    fn from(config: &Arc<ClientConfig>) -> Self {
        Self::from(ClientConfig::clone(config))
    }
}

impl fmt::Debug for TlsConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsConfig").finish_non_exhaustive()
    }
}

/// Creates the TLS machines for connections to one host. Connections of one connector resume
/// sessions if the server supports it.
#[derive(Clone)]
pub struct Connector {
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
}

impl Connector {
    /// Creates the machine for a new connection. Its first message is ready in
    /// [`Machine::transmit`].
    ///
    /// # Errors
    /// [`TransportError`] if rustls cannot start, for example without a source of random numbers.
    pub fn connect(&self) -> Result<Machine, TransportError> {
        Machine::new(Arc::clone(&self.config), self.name.clone())
    }
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connector").field("name", &self.name).finish_non_exhaustive()
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

/// Returns all certificates of a PEM text. Keys and other content are ignored.
fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsConfigError> {
    let certificates: Result<Vec<_>, pem::Error> = CertificateDer::pem_slice_iter(pem).collect();
    certificates.ok().filter(|found| !found.is_empty()).ok_or(TlsConfigError::Pem)
}

fn roots(certificates: &[CertificateDer<'static>]) -> Result<RootCertStore, TlsConfigError> {
    let mut roots = RootCertStore::empty();
    for (index, certificate) in certificates.iter().enumerate() {
        roots.add(certificate.clone()).map_err(|_| TlsConfigError::Certificate { number: index + 1 })?;
    }
    Ok(roots)
}

/// Returns why the platform's roots are missing: a file that cannot be read, or no CA at all.
#[cfg(feature = "platform-roots")]
fn no_platform_roots(error: rustls::Error) -> TlsConfigError {
    #[cfg(all(unix, not(target_vendor = "apple"), not(target_os = "android")))]
    for error in rustls_native_certs::load_native_certs().errors {
        if let rustls_native_certs::ErrorKind::Io { inner, path } = error.kind {
            return TlsConfigError::UnreadableRoots { path, error: Arc::new(inner) };
        }
    }
    TlsConfigError::Roots(error)
}

/// Errors of the TLS configuration.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum TlsConfigError {
    /// The PEM text contains no complete certificate.
    Pem,
    /// A certificate of the PEM text is invalid.
    Certificate {
        /// Its position in the text, counted from 1.
        number: usize,
    },
    /// The trust roots could not be loaded.
    Roots(rustls::Error),
    /// The system's CAs cannot be read.
    UnreadableRoots {
        /// The file or directory, which `SSL_CERT_FILE` and `SSL_CERT_DIR` may have named.
        path: PathBuf,
        /// The error of the operating system.
        error: Arc<io::Error>,
    },
    /// The origin's host is neither an IP address nor a valid DNS name.
    Name,
}

impl fmt::Display for TlsConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pem => f.write_str(
                "the PEM contains no complete certificate; \
                 put each one between -----BEGIN CERTIFICATE----- and -----END CERTIFICATE-----",
            ),
            Self::Certificate { number } => {
                write!(f, "certificate {number} of the PEM is not valid X.509; export it again, or remove it")
            }
            Self::Roots(error) => write!(
                f,
                "no CA certificates of the system could be loaded ({error}); \
                 install the package ca-certificates, or pass the CA with `TlsConfig::with_ca_pem`"
            ),
            Self::UnreadableRoots { path, error } => {
                let path = path.display();
                write!(
                    f,
                    "the system's CAs (or those of SSL_CERT_FILE, SSL_CERT_DIR) cannot be read: {path}: {error}"
                )
            }
            Self::Name => f.write_str(
                "the host of the base URL is neither an IP address nor a DNS name; correct the base URL",
            ),
        }
    }
}

impl std::error::Error for TlsConfigError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Roots(error) => Some(error),
            Self::UnreadableRoots { error, .. } => Some(&**error),
            _ => None,
        }
    }
}

#[cfg(all(test, feature = "webpki-roots"))]
mod tests {
    use std::sync::Arc;

    use rustls::client::ClientConfig;

    use super::TlsConfig;

    #[test]
    fn sends_no_early_data_and_logs_no_keys() {
        let TlsConfig(ours) = TlsConfig::webpki().expect("CAs");
        assert!(!ours.enable_early_data);
        assert!(!ours.key_log.will_log("CLIENT_TRAFFIC_SECRET_0"));
        let mut theirs = ClientConfig::clone(&ours);
        theirs.enable_early_data = true;
        assert!(!TlsConfig::from(&Arc::new(theirs.clone())).0.enable_early_data);
        assert!(!TlsConfig::from(theirs).0.enable_early_data);
    }
}
