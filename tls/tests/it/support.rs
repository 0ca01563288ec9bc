//! A server in memory, and certificates generated at run time.

#![allow(dead_code, unreachable_pub)]

use std::io::{Read, Write};
use std::sync::{Arc, OnceLock};

use powerstream_core::http::Origin;
use powerstream_tls::rustls::crypto::ring;
use powerstream_tls::rustls::pki_types::{
    CertificateDer, CertificateRevocationListDer, PrivateKeyDer, PrivatePkcs8KeyDer,
};
use powerstream_tls::rustls::sign::{CertifiedKey, SingleCertAndKey};
use powerstream_tls::rustls::version::{TLS12, TLS13};
use powerstream_tls::rustls::{
    Error, RootCertStore, ServerConfig, ServerConnection, SupportedProtocolVersion,
};
use powerstream_tls::{Machine, TlsConfig};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CertifiedIssuer, DnType, IsCa,
    KeyPair,
};

pub const VERSIONS: [&SupportedProtocolVersion; 2] = [&TLS12, &TLS13];

pub struct Ca {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

pub struct Leaf {
    pub chain: Vec<CertificateDer<'static>>,
    key: Vec<u8>,
}

impl Ca {
    pub fn new(name: &str) -> Ca {
        Ca::with_key(name, KeyPair::generate().unwrap())
    }

    pub fn with_key(name: &str, key: KeyPair) -> Ca {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Ca { issuer: CertifiedIssuer::self_signed(params, key).unwrap() }
    }

    /// Returns a store that trusts only this CA.
    pub fn roots(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        roots.add(self.issuer.der().clone()).unwrap();
        roots
    }

    pub fn sign_crl(&self, list: CertificateRevocationListParams) -> CertificateRevocationListDer<'static> {
        list.signed_by(&self.issuer).unwrap().der().clone()
    }

    /// Returns a certificate for localhost, with changes.
    pub fn leaf(&self, change: impl FnOnce(&mut CertificateParams)) -> Leaf {
        let mut params = CertificateParams::new(["localhost".to_owned()]).unwrap();
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Leaf { chain: vec![certificate.der().clone()], key: key.serialize_der() }
    }

    pub fn pem(&self) -> String {
        self.issuer.pem()
    }
}

impl Leaf {
    /// Returns a self-signed certificate for localhost, and its PEM.
    pub fn self_signed(is_ca: IsCa) -> (Leaf, String) {
        let mut params = CertificateParams::new(["localhost".to_owned()]).unwrap();
        params.is_ca = is_ca;
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        (Leaf { chain: vec![certificate.der().clone()], key: key.serialize_der() }, certificate.pem())
    }

    pub fn key(&self) -> PrivateKeyDer<'static> {
        PrivatePkcs8KeyDer::from(self.key.clone()).into()
    }

    /// Returns a server whose certificate rustls does not parse before it sends it.
    pub fn server_unchecked(&self, version: &'static SupportedProtocolVersion) -> ServerConfig {
        server_config(version, self.resolver())
    }

    fn resolver(&self) -> Arc<SingleCertAndKey> {
        let key = ring::default_provider().key_provider.load_private_key(self.key()).unwrap();
        Arc::new(SingleCertAndKey::from(CertifiedKey::new(self.chain.clone(), key)))
    }

    pub fn server(&self, versions: &[&'static SupportedProtocolVersion]) -> ServerConfig {
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(versions)
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(self.chain.clone(), self.key())
            .unwrap();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        config
    }
}

fn server_config(
    version: &'static SupportedProtocolVersion,
    resolver: Arc<SingleCertAndKey>,
) -> ServerConfig {
    ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[version])
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(resolver)
}

/// Returns the CA that the tests' clients trust.
pub fn ca() -> &'static Ca {
    static CA: OnceLock<Ca> = OnceLock::new();
    CA.get_or_init(|| Ca::new("the tests' CA"))
}

pub fn client() -> TlsConfig {
    static PEM: OnceLock<String> = OnceLock::new();
    TlsConfig::only_ca_pem(PEM.get_or_init(|| ca().pem()).as_bytes()).unwrap()
}

pub fn machine(config: &TlsConfig) -> Machine {
    config.connector(&Origin::parse("https://localhost").unwrap()).unwrap().connect().unwrap()
}

/// A server without a socket.
#[derive(Debug)]
pub struct Server {
    pub connection: ServerConnection,
    /// The decrypted input.
    pub received: Vec<u8>,
    /// The client sent `close_notify`.
    pub closed: bool,
    pub error: Option<Error>,
}

impl Server {
    pub fn new(config: ServerConfig) -> Server {
        let mut connection = ServerConnection::new(Arc::new(config)).unwrap();
        connection.set_buffer_limit(None);
        Server { connection, received: Vec::new(), closed: false, error: None }
    }

    /// Returns a server without faults.
    pub fn healthy(version: &'static SupportedProtocolVersion) -> Server {
        // The fuzzer creates thousands of servers a second, so the key is parsed once. The rest is
        // not shared: a resumed session would depend on earlier servers.
        static RESOLVER: OnceLock<Arc<SingleCertAndKey>> = OnceLock::new();
        let resolver = RESOLVER.get_or_init(|| ca().leaf(|_| {}).resolver());
        let mut config = server_config(version, Arc::clone(resolver));
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Server::new(config)
    }

    /// Processes bytes from the client.
    pub fn receive(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() && self.error.is_none() {
            self.connection.read_tls(&mut bytes).unwrap();
            match self.connection.process_new_packets() {
                Ok(state) => self.closed |= state.peer_has_closed(),
                Err(error) => self.error = Some(error),
            }
            let mut buffer = [0; 4_096];
            while let Ok(count @ 1..) = self.connection.reader().read(&mut buffer) {
                self.received.extend_from_slice(&buffer[..count]);
            }
        }
    }

    /// Encrypts plaintext, in at least one record per call.
    pub fn send(&mut self, plaintext: &[u8]) {
        self.connection.writer().write_all(plaintext).unwrap();
    }

    /// Returns the bytes to send to the client.
    pub fn output(&mut self) -> Vec<u8> {
        let mut output = Vec::new();
        while self.connection.wants_write() {
            self.connection.write_tls(&mut output).unwrap();
        }
        output
    }
}

/// SplitMix64.
pub struct Rng(pub u64);

impl Rng {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// Returns a number from 1 to `most`.
    pub fn up_to(&mut self, most: usize) -> usize {
        1 + (self.next() % most as u64) as usize
    }
}
