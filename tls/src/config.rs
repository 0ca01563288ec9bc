//! Whom to trust: made once, shared by all connections.

use std::fmt;
use std::sync::Arc;

use powerstream_core::http::{Origin, Scheme};
use powerstream_core::transport_error::TransportError;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};

use crate::machine::Machine;

/// The one protocol that is asked for above TLS (ALPN, RFC 7301).
pub(crate) const ALPN: &[u8] = b"http/1.1";

/// Whom to trust, and with what cryptography. Making one reads certificates and takes milliseconds; a clone is a pointer.
///
/// Verification cannot be turned off. TLS 1.2 and 1.3 are spoken, with the cryptography of ring, which is named here and
/// never installed for the whole process, so it does not meet whatever provider the program has.
#[derive(Clone)]
pub struct TlsConfig(Arc<ClientConfig>);

impl TlsConfig {
    /// Trusts whom the operating system trusts, by its own verifier on Windows, macOS and Android, by its list of CAs
    /// elsewhere.
    ///
    /// # Errors
    /// [`TlsConfigError::Roots`] where the system has no CA at all, as in bare containers.
    #[cfg(feature = "platform-roots")]
    pub fn platform() -> Result<Self, TlsConfigError> {
        let provider = provider();
        let verifier =
            rustls_platform_verifier::Verifier::new(Arc::clone(&provider)).map_err(TlsConfigError::Roots)?;
        Self::with_verifier(provider, Arc::new(verifier))
    }

    /// Trusts whom the operating system trusts, and the CAs in this PEM besides: those of a company's proxy, or the
    /// simulator's. Where the system has no CA, these are enough.
    ///
    /// # Errors
    /// [`TlsConfigError::Pem`] or [`TlsConfigError::Certificate`] where the PEM holds no certificates that can be read.
    #[cfg(all(feature = "platform-roots", not(target_os = "android")))]
    pub fn with_ca_pem(pem: &[u8]) -> Result<Self, TlsConfigError> {
        let provider = provider();
        let certificates = certificates(pem)?;
        // Each on its own first: the verifier does not say which one it is that cannot be read.
        roots(&certificates)?;
        let verifier =
            rustls_platform_verifier::Verifier::new_with_extra_roots(certificates, Arc::clone(&provider))
                .map_err(TlsConfigError::Roots)?;
        Self::with_verifier(provider, Arc::new(verifier))
    }

    /// Trusts the CAs in this PEM and nobody else.
    ///
    /// # Errors
    /// [`TlsConfigError::Pem`] or [`TlsConfigError::Certificate`] where the PEM holds no certificates that can be read.
    pub fn only_ca_pem(pem: &[u8]) -> Result<Self, TlsConfigError> {
        Self::with_roots(roots(&certificates(pem)?)?)
    }

    /// Trusts the CAs that Mozilla trusted when this was compiled: the same on every machine, and as old as the program.
    ///
    /// # Errors
    /// [`TlsConfigError::Roots`] does not come about.
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

    /// What rustls calls dangerous is a verifier of one's own; these are rustls' and the platform's.
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

    /// As [`Self::connector`] where the origin's scheme is `https`; `None` for `http`, which is in the clear.
    ///
    /// # Errors
    /// As [`Self::connector`].
    pub fn for_origin(&self, origin: &Origin<'_>) -> Result<Option<Connector>, TlsConfigError> {
        match origin.scheme() {
            Scheme::Http => Ok(None),
            Scheme::Https => self.connector(origin).map(Some),
        }
    }

    /// What a connection to `origin` starts from: that its host is a name which a certificate can be for is found out here.
    ///
    /// # Errors
    /// [`TlsConfigError::Name`] where it is not.
    pub fn connector(&self, origin: &Origin<'_>) -> Result<Connector, TlsConfigError> {
        let name = ServerName::try_from(origin.host()).map_err(|_| TlsConfigError::Name)?.to_owned();
        Ok(Connector { config: Arc::clone(&self.0), name })
    }
}

impl From<ClientConfig> for TlsConfig {
    /// A configuration of one's own: client certificates, another provider, CAs from elsewhere. It is taken as it is, but for
    /// two things that are not left to choice: HTTP/1.1 is the one protocol asked for (ALPN), and nothing is ever sent
    /// early (0-RTT), since a request that can be replayed has no place beside a bearer token.
    fn from(mut config: ClientConfig) -> Self {
        config.alpn_protocols = vec![ALPN.to_vec()];
        config.enable_early_data = false;
        Self(Arc::new(config))
    }
}

impl From<&Arc<ClientConfig>> for TlsConfig {
    /// As for a configuration that is not shared; this one stays as it is.
    fn from(config: &Arc<ClientConfig>) -> Self {
        Self::from(ClientConfig::clone(config))
    }
}

impl fmt::Debug for TlsConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsConfig").finish_non_exhaustive()
    }
}

/// Makes the TLS of each connection to one host. Sessions are resumed where the server offers it.
#[derive(Clone)]
pub struct Connector {
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
}

impl Connector {
    /// The TLS of a new connection.
    ///
    /// # Errors
    /// [`TransportError`] where there is no randomness to be had.
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

/// All certificates of a PEM text; keys and whatever else there is are passed over.
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

/// Why TLS could not be set up.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum TlsConfigError {
    /// No certificate was found in what should be a PEM.
    Pem,
    /// A certificate of the PEM cannot be read.
    Certificate {
        /// Which one, counted from 1.
        number: usize,
    },
    /// The CAs to trust could not be had.
    Roots(rustls::Error),
    /// The origin's host is neither an address nor a name that a certificate can be for.
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
            _ => None,
        }
    }
}
