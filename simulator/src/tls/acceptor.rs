//! Certificates, created at the start, and the TLS configurations of connections.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};

use super::layer::Layer;
use super::options::{Tls, TlsFault};
use crate::time;

/// The names by which a client may connect to a simulator.
const NAMES: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Longer than any simulator runs, and below 825 days, the limit of Apple's systems.
const LIFE: Duration = Duration::from_secs(800 * 24 * 60 * 60);

/// Creates the TLS state of accepted connections.
pub(crate) struct Acceptor {
    options: Tls,
    ca_pem: String,
    healthy: Arc<ServerConfig>,
    /// For connections with the fault.
    faulty: Arc<ServerConfig>,
}

impl Acceptor {
    pub(crate) fn new(options: &Tls) -> io::Result<Self> {
        let ca = Ca::new("powerstream-simulator CA")?;
        let healthy = ca.server(&Leaf::healthy(), b"http/1.1")?;
        let faulty = match options.fault {
            None => healthy.clone(),
            Some(TlsFault::OnlyH2) => ca.server(&Leaf::healthy(), b"h2")?,
            Some(TlsFault::UnknownCa) => Ca::new("unknown CA")?.server(&Leaf::healthy(), b"http/1.1")?,
            Some(fault) => ca.server(&Leaf::healthy().spoilt(fault), b"http/1.1")?,
        };
        Ok(Self { options: options.clone(), ca_pem: ca.pem, healthy, faulty })
    }

    /// Returns the certificate of the CA, as PEM.
    pub(crate) fn ca_pem(&self) -> &str {
        &self.ca_pem
    }

    /// Returns the fault of the connection with this number.
    pub(crate) fn fault(&self, number: u64) -> Option<TlsFault> {
        self.options.fault.filter(|_| self.options.fault_on.covers(number))
    }

    /// Returns the TLS state for the connection with this number, or `None` if its fault replaces
    /// the handshake.
    pub(crate) fn layer(&self, number: u64) -> io::Result<Option<Layer>> {
        let config = match self.fault(number) {
            None => &self.healthy,
            Some(fault) if fault.replaces_handshake() => return Ok(None),
            Some(_) => &self.faulty,
        };
        Layer::new(config.clone(), self.options.close_notify).map(Some)
    }
}

struct Ca {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl Ca {
    fn new(name: &str) -> io::Result<Self> {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let now = Duration::from_millis(time::unix_ms());
        set_life(&mut params, now.saturating_sub(2 * DAY), now + LIFE);
        let key = KeyPair::generate().map_err(io::Error::other)?;
        let pem = params.self_signed(&key).map_err(io::Error::other)?.pem();
        Ok(Self { issuer: Issuer::new(params, key), pem })
    }

    fn server(&self, leaf: &Leaf, protocol: &[u8]) -> io::Result<Arc<ServerConfig>> {
        let mut params = CertificateParams::new(leaf.names.clone()).map_err(io::Error::other)?;
        params.distinguished_name.push(DnType::CommonName, "powerstream-simulator");
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        // Strict verifiers require it, including Python's default.
        params.use_authority_key_identifier_extension = true;
        set_life(&mut params, leaf.from, leaf.to);
        let key = KeyPair::generate().map_err(io::Error::other)?;
        let certificate =
            if leaf.is_self_signed { params.self_signed(&key) } else { params.signed_by(&key, &self.issuer) };
        let certificate = CertificateDer::from(certificate.map_err(io::Error::other)?);
        let key = PrivatePkcs8KeyDer::from(key.serialize_der());
        // Passed explicitly, because the program may have installed another provider for the
        // process.
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(io::Error::other)?
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key.into())
            .map_err(io::Error::other)?;
        config.alpn_protocols = vec![protocol.to_vec()];
        Ok(Arc::new(config))
    }
}

/// The contents of a server's certificate.
struct Leaf {
    names: Vec<String>,
    is_self_signed: bool,
    /// Since 1970.
    from: Duration,
    to: Duration,
}

impl Leaf {
    fn healthy() -> Self {
        let now = Duration::from_millis(time::unix_ms());
        Self {
            names: NAMES.map(str::to_owned).into(),
            is_self_signed: false,
            // The clock of a client may be slow.
            from: now.saturating_sub(DAY),
            to: now + LIFE,
        }
    }

    fn spoilt(mut self, fault: TlsFault) -> Self {
        let now = Duration::from_millis(time::unix_ms());
        match fault {
            TlsFault::Expired => {
                (self.from, self.to) = (now.saturating_sub(2 * DAY), now.saturating_sub(DAY))
            }
            TlsFault::NotYetValid => self.from = now + DAY,
            TlsFault::WrongName => self.names = vec!["another-host.test".to_owned()],
            TlsFault::SelfSigned => self.is_self_signed = true,
            TlsFault::UnknownCa | TlsFault::OnlyH2 => {
                unreachable!("this fault needs no other certificate")
            }
            // These faults end the connection before the certificate is sent.
            TlsFault::Stall | TlsFault::Garbage | TlsFault::Reset | TlsFault::Close => {}
        }
        self
    }
}

fn set_life(params: &mut CertificateParams, from: Duration, to: Duration) {
    let epoch = rcgen::date_time_ymd(1970, 1, 1);
    (params.not_before, params.not_after) = (epoch + from, epoch + to);
}
