//! The machine against a server in memory, with every split of its bytes.

use std::sync::Arc;

use powerstream_core::transport_error::{CertificateNames, TlsError, TransportError, TransportErrorKind};
use powerstream_tls::rustls::client::WebPkiServerVerifier;
use powerstream_tls::rustls::crypto::{WebPkiSupportedAlgorithms, ring};
use powerstream_tls::rustls::server::WebPkiClientVerifier;
use powerstream_tls::rustls::version::{TLS12, TLS13};
use powerstream_tls::rustls::{
    AlertDescription, ClientConfig, Error, RootCertStore, ServerConfig, SignatureScheme,
};
use powerstream_tls::{End, Machine, TlsConfig};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, ExtendedKeyUsagePurpose, IsCa,
    KeyIdMethod, KeyPair, PKCS_ED25519, RevokedCertParams, SerialNumber, date_time_ymd,
};

use crate::support::*;

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nAuthorization: Bearer s3cr3t\r\n\r\n";

/// How bytes are split in transit.
enum Cuts {
    Every(usize),
    Random(Rng),
}

impl Cuts {
    fn next(&mut self, left: usize) -> usize {
        match self {
            Cuts::Every(length) => left.min(*length),
            Cuts::Random(rng) => rng.up_to(left.min(3_000)),
        }
    }
}

fn tls(fault: TlsError) -> TransportError {
    TransportError::new(TransportErrorKind::Tls(fault))
}

/// Sends everything that the client has to send.
fn send(client: &mut Machine, server: &mut Server, cuts: &mut Cuts) {
    while !client.transmit().is_empty() {
        let count = cuts.next(client.transmit().len());
        server.receive(&client.transmit()[..count]);
        client.handle_transmitted(count);
    }
}

/// Passes bytes to the client and returns the plaintext, read with a buffer of this length.
fn receive(client: &mut Machine, mut bytes: &[u8], cuts: &mut Cuts, buffer: usize) -> Vec<u8> {
    let mut plaintext = Vec::new();
    let mut buffer = vec![0; buffer];
    while !bytes.is_empty() && client.fault().is_none() && client.ended().is_none() {
        let room = client.read_buf();
        let count = cuts.next(bytes.len()).min(room.len());
        assert!(count > 0, "no room");
        room[..count].copy_from_slice(&bytes[..count]);
        client.handle_read(count);
        bytes = &bytes[count..];
        while let Ok(Some(count @ 1..)) = client.read(&mut buffer) {
            plaintext.extend_from_slice(&buffer[..count]);
        }
    }
    plaintext
}

/// Runs the handshake until it succeeds or fails.
fn handshake(client: &mut Machine, server: &mut Server, cuts: &mut Cuts) {
    loop {
        send(client, server, cuts);
        let output = server.output();
        if output.is_empty() {
            return;
        }
        assert_eq!(receive(client, &output, cuts, 1), b"");
    }
}

fn connected(config: &TlsConfig, mut server: Server) -> (Machine, Server) {
    let mut client = machine(config);
    handshake(&mut client, &mut server, &mut Cuts::Every(usize::MAX));
    assert_eq!((client.is_handshaking(), client.fault()), (false, None));
    (client, server)
}

/// Returns the error of a handshake, and the alert that the server received.
fn failed(config: &TlsConfig, server: ServerConfig) -> (Option<TransportError>, Option<Error>) {
    let (mut client, mut server) = (machine(config), Server::new(server));
    handshake(&mut client, &mut server, &mut Cuts::Every(usize::MAX));
    // With TLS 1.3 the server's verdict on the client comes after the handshake.
    (client.read(&mut [0; 1]).err(), server.error)
}

#[test]
fn any_split_gives_the_same_plaintext() {
    let pieces = |lengths: [usize; 6]| {
        lengths.map(|length| (0..length).map(|index| (index * length) as u8).collect::<Vec<u8>>())
    };
    let small = pieces([1, 700, 2_000, 1, 100, 7]);
    let large = pieces([1, 2_000, 16_384, 1, 40_000, 7]);
    let config = client();
    for version in VERSIONS {
        let cuts = [1, 2, 5, 1_460, 16_384, usize::MAX].map(Cuts::Every).into_iter();
        for (index, mut cuts) in cuts.chain((0..20).map(|seed| Cuts::Random(Rng(seed)))).enumerate() {
            let buffer = [1, 100, 16_384][index % 3];
            let pieces = if index < 3 { &small } else { &large };
            let (mut client, mut server) = (machine(&config), Server::healthy(version));
            assert_eq!(client.write(REQUEST), Ok(0));
            handshake(&mut client, &mut server, &mut cuts);
            assert!(!client.is_handshaking());
            assert_eq!(client.write(REQUEST), Ok(REQUEST.len()));
            send(&mut client, &mut server, &mut cuts);
            assert_eq!(server.received, REQUEST);
            for piece in pieces {
                server.send(piece);
            }
            server.connection.send_close_notify();
            // Bytes after the end are ignored.
            let stream = [server.output(), b"junk".to_vec()].concat();
            assert!(receive(&mut client, &stream, &mut cuts, buffer) == pieces.concat());
            assert_eq!(client.ended(), Some(End::CloseNotify));
            assert_eq!(client.read(&mut [0; 1]), Ok(Some(0)));
            client.handle_eof();
            assert_eq!(client.ended(), Some(End::CloseNotify));
        }
    }
}

#[test]
fn lends_each_record_as_soon_as_it_is_complete() {
    for version in VERSIONS {
        let (mut client, mut server) = connected(&client(), Server::healthy(version));
        for piece in [b"one".as_slice(), b"two", b"three"] {
            server.send(piece);
        }
        let stream = server.output();
        let room = client.read_buf();
        room[..stream.len() - 1].copy_from_slice(&stream[..stream.len() - 1]);
        client.handle_read(stream.len() - 1);
        assert!(client.has_backlog());
        assert_eq!(client.read_with(<[u8]>::to_vec), Ok(Some(b"one".to_vec())));
        assert!(client.has_backlog());
        // A write in between discards nothing.
        assert_eq!(client.write(REQUEST), Ok(REQUEST.len()));
        let mut buffer = [0; 2];
        assert_eq!((client.read(&mut buffer), buffer), (Ok(Some(2)), *b"tw"));
        assert_eq!(client.read_with(<[u8]>::to_vec), Ok(Some(b"o".to_vec())));
        assert_eq!(client.read_with(<[u8]>::to_vec), Ok(None));
        // A part of the third record is buffered.
        assert!(client.has_backlog());
        client.read_buf()[0] = stream[stream.len() - 1];
        client.handle_read(1);
        assert_eq!(client.read(&mut []), Ok(None));
        assert_eq!(client.read_with(<[u8]>::to_vec), Ok(Some(b"three".to_vec())));
        assert!(!client.has_backlog());
        // A record without another one behind it counts until all of it is read.
        server.send(b"four");
        let stream = server.output();
        client.read_buf()[..stream.len()].copy_from_slice(&stream);
        client.handle_read(stream.len());
        for part in [b"fo", b"ur"] {
            assert!(client.has_backlog());
            assert_eq!((client.read(&mut buffer), buffer), (Ok(Some(2)), *part));
        }
        assert!(!client.has_backlog());
    }
}

#[test]
fn delivers_complete_records_before_a_bare_end() {
    for version in VERSIONS {
        let (_, mut server) = connected(&client(), Server::healthy(version));
        let mut boundaries = vec![(server.output().len(), 0)];
        for piece in [b"one".as_slice(), b"two", b"three"] {
            server.send(piece);
            let (at, plaintext) = *boundaries.last().unwrap();
            boundaries.push((at + server.output().len(), plaintext + piece.len()));
        }
        for at in 0..=boundaries.last().unwrap().0 {
            let (mut client, mut server) = connected(&client(), Server::healthy(version));
            for piece in [b"one".as_slice(), b"two", b"three"] {
                server.send(piece);
            }
            let stream = server.output();
            let plaintext = receive(&mut client, &stream[..at], &mut Cuts::Every(usize::MAX), 100);
            client.handle_eof();
            let whole = boundaries.iter().rfind(|boundary| boundary.0 <= at).unwrap().1;
            assert_eq!(plaintext, b"onetwothree"[..whole], "{at}");
            assert_eq!((client.ended(), client.fault()), (Some(End::BareFin), None), "{at}");
        }
    }
}

#[test]
fn reads_records_before_the_end_with_and_without_close_notify() {
    for version in VERSIONS {
        for goodbye in [false, true] {
            let (mut client, mut server) = connected(&client(), Server::healthy(version));
            server.send(b"one");
            server.send(b"two");
            if goodbye {
                server.connection.send_close_notify();
            }
            let stream = server.output();
            client.read_buf()[..stream.len()].copy_from_slice(&stream);
            client.handle_read(stream.len());
            client.handle_eof();
            let mut plaintext = Vec::new();
            while let Some(1) = client
                .read_with(|bytes| {
                    plaintext.extend_from_slice(bytes);
                    usize::from(!bytes.is_empty())
                })
                .unwrap()
            {}
            assert_eq!(plaintext, b"onetwo");
            let end = if goodbye { End::CloseNotify } else { End::BareFin };
            assert_eq!(client.ended(), Some(end));
        }
    }
}

#[test]
fn delivers_complete_records_before_a_corrupt_byte() {
    for version in VERSIONS {
        let length = {
            let (_, mut server) = connected(&client(), Server::healthy(version));
            server.send(b"one");
            server.output().len()
        };
        for at in 0..length {
            let (mut client, mut server) = connected(&client(), Server::healthy(version));
            server.send(b"zero");
            let before = server.output();
            server.send(b"one");
            let mut broken = server.output();
            broken[at] ^= 0x20;
            // Enough bytes for a corrupt length that became longer.
            let stream = [before, broken, vec![0; 20_000]].concat();
            let plaintext = receive(&mut client, &stream, &mut Cuts::Every(usize::MAX), 100);
            if plaintext == b"zeroone" && matches!(at, 1 | 2) {
                // A record's version is ignored (RFC 8446, section 5.1).
                continue;
            }
            assert_eq!(plaintext, b"zero", "{at}");
            assert_eq!(client.read(&mut [0; 9]), Err(tls(TlsError::Broken)), "{at}");
            assert_eq!(client.write(b"x"), Err(tls(TlsError::Broken)));
            // The server gets an alert, and closing adds nothing.
            client.close();
            send(&mut client, &mut server, &mut Cuts::Every(usize::MAX));
            assert!(matches!(server.error, Some(Error::AlertReceived(_))), "{at}: {:?}", server.error);
        }
    }
}

#[test]
fn reports_an_end_anywhere_in_the_handshake() {
    for version in VERSIONS {
        let answer = {
            let (client, mut server) = (machine(&client()), Server::healthy(version));
            server.receive(client.transmit());
            server.output().len()
        };
        for at in 0..answer.min(300) {
            let (mut client, mut server) = (machine(&client()), Server::healthy(version));
            send(&mut client, &mut server, &mut Cuts::Every(usize::MAX));
            let answer = server.output();
            receive(&mut client, &answer[..at], &mut Cuts::Every(usize::MAX), 1);
            client.handle_eof();
            assert_eq!(client.fault(), Some(tls(TlsError::HandshakeClosed)), "{at}");
        }
    }
    // A `close_notify` does not change the result, because it is not authenticated. The bytes:
    // alert, TLS 1.2, 2 bytes, warning or fatal, close_notify.
    let closed = Some(tls(TlsError::HandshakeClosed));
    for (level, fault) in [(1, None), (2, closed)] {
        let mut client = machine(&client());
        receive(&mut client, &[21, 3, 3, 0, 2, level, 0], &mut Cuts::Every(1), 1);
        assert_eq!((client.fault(), client.ended()), (fault, None));
        client.handle_eof();
        assert_eq!(client.fault(), closed);
    }
}

#[test]
fn reports_a_peer_that_does_not_speak_tls() {
    for junk in [
        "HTTP/1.1 400 Bad Request\r\n\r\n",
        "<html>",
        "SSH-2.0-x\r\n",
        "220 mail ESMTP\r\n",
        "\0\0\0\0\0\0",
        "\r\n\r\n\r\n",
    ] {
        for mut cuts in [Cuts::Every(1), Cuts::Every(usize::MAX)] {
            let mut client = machine(&client());
            receive(&mut client, junk.as_bytes(), &mut cuts, 1);
            assert_eq!(client.fault(), Some(tls(TlsError::NotTls)), "{junk:?}");
            // What follows is ignored.
            client.read_buf()[0] = b'x';
            client.handle_read(1);
            client.handle_eof();
            assert_eq!((client.fault(), client.has_backlog()), (Some(tls(TlsError::NotTls)), false));
        }
    }
    // After the start of TLS, the same bytes violate the TLS protocol.
    let hello = [server_hello([3, 3], &[0, 23, 0, 0]), b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec()].concat();
    for mut cuts in [Cuts::Every(1), Cuts::Every(usize::MAX)] {
        let mut client = machine(&client());
        receive(&mut client, &hello, &mut cuts, 1);
        assert_eq!(client.fault(), Some(tls(TlsError::Broken)));
    }
    let (mut client, mut server) = (machine(&client()), Server::healthy(&TLS13));
    send(&mut client, &mut server, &mut Cuts::Every(usize::MAX));
    let answer = [&server.output()[..127], b"HTTP/1.1 400 Bad Request\r\n\r\n"].concat();
    receive(&mut client, &answer, &mut Cuts::Every(1), 1);
    assert_eq!(client.fault(), Some(tls(TlsError::Broken)));
}

#[test]
fn each_certificate_fault_has_its_own_kind() {
    use TlsError as T;
    type Change = fn(&mut CertificateParams);
    let name = T::CertificateName(CertificateNames::new(["another.test", "127.0.0.9"]));
    let cases: [(Change, T); 4] = [
        (|params| params.not_after = date_time_ymd(2020, 1, 1), T::CertificateExpired),
        (|params| params.not_before = date_time_ymd(3000, 1, 1), T::CertificateNotYetValid),
        (
            |params| {
                *params = CertificateParams::new(["another.test", "127.0.0.9"].map(str::to_owned)).unwrap()
            },
            name,
        ),
        (
            |params| params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth],
            T::CertificateUsage,
        ),
    ];
    for version in VERSIONS {
        for (change, fault) in cases {
            let (found, alert) = failed(&client(), ca().leaf(change).server(&[version]));
            assert_eq!(found, Some(tls(fault)));
            assert!(matches!(alert, Some(Error::AlertReceived(_))), "{alert:?}");
        }
        let (found, alert) = failed(&client(), Ca::new("unknown").leaf(|_| {}).server(&[version]));
        assert_eq!(found, Some(tls(T::CertificateIssuer)));
        assert_eq!(alert, Some(Error::AlertReceived(AlertDescription::UnknownCA)));
        // A CA of the trusted name with another key.
        let (found, _) = failed(&client(), Ca::new("the tests' CA").leaf(|_| {}).server(&[version]));
        assert_eq!(found, Some(tls(T::CertificateSignature)));
        // A version that is not X.509 v3: the version field is the first INTEGER 2 in the DER.
        let mut old = ca().leaf(|_| {});
        let mut der = old.chain[0].to_vec();
        let field = der.windows(5).position(|bytes| bytes == [0xA0, 3, 2, 1, 2]).unwrap();
        der[field + 4] = 0;
        old.chain[0] = der.into();
        assert_eq!(failed(&client(), old.server_unchecked(version)).0, Some(tls(T::CertificateUnsupported)));
    }
    assert!(name.to_string().contains("another.test, 127.0.0.9"), "{name}");
}

#[test]
fn a_self_signed_certificate_as_ca_works_only_without_ca_true() {
    for version in VERSIONS {
        for (is_ca, fault) in [
            (IsCa::Ca(BasicConstraints::Unconstrained), Some(tls(TlsError::CertificateIsCa))),
            (IsCa::ExplicitNoCa, None),
            (IsCa::NoCa, None),
        ] {
            let (leaf, pem) = Leaf::self_signed(is_ca);
            let trusting = TlsConfig::only_ca_pem(pem.as_bytes()).unwrap();
            assert_eq!(failed(&trusting, leaf.server(&[version])).0, fault);
            let not_trusting = failed(&client(), leaf.server(&[version])).0;
            assert_eq!(not_trusting, fault.or(Some(tls(TlsError::CertificateIssuer))));
        }
    }
}

#[test]
fn reports_a_revoked_certificate() {
    let revoked = RevokedCertParams {
        serial_number: SerialNumber::from(7),
        revocation_time: date_time_ymd(2020, 1, 1),
        reason_code: None,
        invalidity_date: None,
    };
    let list = CertificateRevocationListParams {
        this_update: date_time_ymd(2020, 1, 1),
        next_update: date_time_ymd(3000, 1, 1),
        crl_number: SerialNumber::from(1),
        issuing_distribution_point: None,
        revoked_certs: vec![revoked],
        key_identifier_method: KeyIdMethod::Sha256,
    };
    let verifier = WebPkiServerVerifier::builder_with_provider(
        Arc::new(ca().roots()),
        Arc::new(ring::default_provider()),
    )
    .with_crls([ca().sign_crl(list)])
    .build()
    .unwrap();
    for version in VERSIONS {
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(&[version])
            .unwrap()
            .with_webpki_verifier(Arc::clone(&verifier))
            .with_no_client_auth();
        let config = TlsConfig::from(config);
        for (serial, fault) in [(7, Some(tls(TlsError::CertificateRevoked))), (8, None)] {
            let leaf = ca().leaf(|params| params.serial_number = Some(SerialNumber::from(serial)));
            assert_eq!(failed(&config, leaf.server(&[version])).0, fault);
        }
    }
}

#[test]
fn reports_a_signature_algorithm_that_the_client_does_not_support() {
    // The CA signs with Ed25519, and the client's provider verifies only ECDSA P-256.
    let ca = Ca::with_key("Ed25519", KeyPair::generate_for(&PKCS_ED25519).unwrap());
    let leaf = ca.leaf(|_| {});
    let mut provider = ring::default_provider();
    let mapping = provider.signature_verification_algorithms.mapping;
    let at =
        mapping.iter().position(|(scheme, _)| *scheme == SignatureScheme::ECDSA_NISTP256_SHA256).unwrap();
    provider.signature_verification_algorithms =
        WebPkiSupportedAlgorithms { all: mapping[at].1, mapping: &mapping[at..=at] };
    let config = ClientConfig::builder_with_provider(Arc::new(provider))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(ca.roots())
        .with_no_client_auth();
    for version in VERSIONS {
        let found = failed(&TlsConfig::from(config.clone()), leaf.server(&[version])).0;
        assert_eq!(found, Some(tls(TlsError::CertificateUnsupported)));
    }
}

/// The platform's verifier wraps some errors. On Linux it accepts a CA even without a system store.
#[cfg(all(feature = "platform-roots", target_os = "linux"))]
#[test]
fn the_platform_verifier_reports_the_same_kinds() {
    let config = TlsConfig::with_ca_pem(ca().pem().as_bytes()).unwrap();
    let client_only =
        ca().leaf(|params| params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth]);
    let (ca_leaf, _) = Leaf::self_signed(IsCa::Ca(BasicConstraints::Unconstrained));
    let unknown = Ca::new("unknown").leaf(|_| {});
    for (leaf, fault) in [
        (client_only, TlsError::CertificateUsage),
        (ca_leaf, TlsError::CertificateIsCa),
        (unknown, TlsError::CertificateIssuer),
    ] {
        assert_eq!(failed(&config, leaf.server(&[&TLS13])).0, Some(tls(fault)));
    }
}

#[test]
fn accepts_only_http_1_1_or_no_protocol() {
    for version in VERSIONS {
        let server = |protocols: &[&str]| {
            let mut server = ca().leaf(|_| {}).server(&[version]);
            server.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
            server
        };
        for good in [["h2", "http/1.1"].as_slice(), &["http/1.1"], &[]] {
            assert_eq!(failed(&client(), server(good)), (None, None));
        }
        let (found, _) = failed(&client(), server(&["h2"]));
        assert_eq!(found, Some(tls(TlsError::NoHttp1)));
        // A custom configuration cannot change this.
        let config = own(&[version]);
        assert_eq!(failed(&TlsConfig::from(&config), server(&["http/1.1"])), (None, None));
        assert_eq!(failed(&TlsConfig::from(&config), server(&["h2"])).0, Some(tls(TlsError::NoHttp1)));
        assert_eq!(config.alpn_protocols, [b"h2"]);
    }
}

/// A custom configuration that offers only HTTP/2 and enables early data.
fn own(versions: &[&'static powerstream_tls::rustls::SupportedProtocolVersion]) -> Arc<ClientConfig> {
    let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(ca().roots())
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    config.enable_early_data = true;
    Arc::new(config)
}

/// Returns a ServerHello of TLS 1.2 or below (RFC 5246, section 7.4.1.3) with this version and
/// these extensions.
fn server_hello(version: [u8; 2], extensions: &[u8]) -> Vec<u8> {
    let mut hello = version.to_vec();
    hello.extend([7; 32]);
    // No session; TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256; no compression.
    hello.extend([0, 0xC0, 0x2B, 0]);
    hello.extend(u16::try_from(extensions.len()).unwrap().to_be_bytes());
    hello.extend(extensions);
    let length = u16::try_from(hello.len()).unwrap();
    let mut record = vec![22, 3, 3];
    record.extend((length + 4).to_be_bytes());
    record.extend([2, 0]);
    record.extend(length.to_be_bytes());
    record.extend(hello);
    record
}

#[test]
fn refuses_a_server_that_selects_what_was_not_offered() {
    // The extensions: ALPN with h2, and extended_master_secret, which the client requires.
    let h2 = [0, 16, 0, 5, 0, 3, 2, b'h', b'2', 0, 23, 0, 0];
    for (hello, fault) in [
        (server_hello([3, 3], &h2), TlsError::NoHttp1),
        (server_hello([3, 2], &[]), TlsError::NothingInCommon),
    ] {
        let mut client = machine(&client());
        receive(&mut client, &hello, &mut Cuts::Every(1), 1);
        assert_eq!(client.fault(), Some(tls(fault)));
    }
}

#[test]
fn reports_the_servers_alert() {
    // The server supports only TLS 1.2, and the client only TLS 1.3.
    let (found, _) = failed(&TlsConfig::from(&own(&[&TLS13])), ca().leaf(|_| {}).server(&[&TLS12]));
    assert_eq!(found, Some(tls(TlsError::Alert(70))));
    // A server that requires a client certificate: with TLS 1.3 its alert comes after the
    // handshake.
    for version in VERSIONS {
        let provider = Arc::new(ring::default_provider());
        let mut roots = RootCertStore::empty();
        let leaf = ca().leaf(|_| {});
        roots.add(Ca::new("clients").leaf(|_| {}).chain[0].clone()).unwrap();
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
        let server = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[version])
            .unwrap()
            .with_client_cert_verifier(verifier.build().unwrap())
            .with_single_cert(leaf.chain.clone(), leaf.key())
            .unwrap();
        let (found, _) = failed(&client(), server);
        assert_eq!(found, Some(tls(TlsError::Alert(116))));
    }
}

#[test]
fn accepts_a_long_chain_and_refuses_an_endless_one() {
    let filler = |bytes: usize| {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.subject_alt_names = (0..bytes / 62)
            .map(|n| rcgen::SanType::DnsName(format!("{n:0>56}.test").try_into().unwrap()))
            .collect();
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().clone()
    };
    for version in VERSIONS {
        for (bytes, is_good) in [(15_000, true), (50_000, true), (70_000, false)] {
            for mut cuts in [Cuts::Every(usize::MAX), Cuts::Every(1_000)] {
                let mut leaf = ca().leaf(|_| {});
                leaf.chain.extend((0..bytes / 10_000).map(|_| filler(10_000)));
                let (mut client, mut server) = (machine(&client()), Server::new(leaf.server(&[version])));
                handshake(&mut client, &mut server, &mut cuts);
                if is_good {
                    assert_eq!((client.fault(), client.is_handshaking()), (None, false), "{bytes}");
                } else {
                    assert_eq!(client.fault(), Some(tls(TlsError::Broken)));
                }
                assert!(client.read_buf().len() <= 90_000);
            }
        }
    }
}

#[test]
fn a_handshake_message_may_not_fill_the_whole_buffer() {
    // A long ServerHello in records of one byte each, so their headers take most of the room.
    let stream: Vec<u8> =
        [2, 0, 0xF0, 0].iter().chain(&[0; 20_000]).flat_map(|byte| [22, 3, 3, 0, 1, *byte]).collect();
    let mut client = machine(&client());
    // The longest record fits (RFC 5246, section 6.2.3).
    assert!(client.read_buf().len() >= 5 + 16_384 + 2_048);
    let mut at = 0;
    while client.fault().is_none() {
        let room = client.read_buf().len();
        receive(&mut client, &stream[at..at + room], &mut Cuts::Every(usize::MAX), 1);
        at += room;
    }
    assert_eq!(client.fault(), Some(tls(TlsError::Broken)));
    assert!((65_536..=131_072).contains(&at), "{at}");
}

#[test]
fn processed_input_does_not_count_against_the_limit() {
    // A Certificate of 40,000 bytes with its record headers, and 3,973 bytes of the next record.
    // Together with the position of that record, this is the limit.
    let mut message = vec![11, 0, 0x9C, 0x2D, 0, 0x9C, 0x2A, 0, 0x9C, 0x27];
    message.resize(39_985, 0);
    let mut stream = Vec::new();
    for part in message.chunks(16_384) {
        stream.extend([22, 3, 3]);
        stream.extend(u16::try_from(part.len()).unwrap().to_be_bytes());
        stream.extend(part);
    }
    assert_eq!(stream.len(), 40_000);
    stream.extend([22, 3, 3, 0x40, 0]);
    stream.resize(43_973, 0);
    let mut client = machine(&client());
    for bytes in [&server_hello([3, 3], &[0, 23, 0, 0]), &stream] {
        receive(&mut client, bytes, &mut Cuts::Every(usize::MAX), 1);
    }
    assert_eq!((client.fault(), client.has_backlog()), (None, true));
}

#[test]
#[should_panic(expected = "exceeds the length of the read buffer")]
fn refuses_a_count_beyond_the_rest_of_the_read_buffer() {
    let mut client = machine(&client());
    client.read_buf()[0] = 22;
    client.handle_read(1);
    let room = client.read_buf().len();
    client.handle_read(room + 1);
}

#[test]
fn accepts_and_answers_key_updates() {
    let (mut client, mut server) = connected(&client(), Server::healthy(&TLS13));
    for round in 0..100_u8 {
        server.connection.refresh_traffic_keys().unwrap();
        server.send(&[round; 3]);
        let stream = server.output();
        assert_eq!(receive(&mut client, &stream, &mut Cuts::Every(1), 10), [round; 3]);
    }
    assert_eq!(client.write(b"still here"), Ok(10));
    send(&mut client, &mut server, &mut Cuts::Every(1));
    assert_eq!(server.received, b"still here");
}

#[test]
fn bounds_its_output_and_ends_it_with_close_notify() {
    for version in VERSIONS {
        let (mut client, mut server) = connected(&client(), Server::healthy(version));
        let long = vec![b'x'; 100_000];
        let mut at = 0;
        while at < long.len() {
            let count = client.write(&long[at..]).unwrap();
            assert!(count > 0 && client.transmit().len() < 17_000);
            assert_eq!(client.write(b"more"), Ok(0));
            at += count;
            send(&mut client, &mut server, &mut Cuts::Every(1_000));
        }
        assert!(server.received == long && !server.closed);
        client.close();
        client.close();
        assert_eq!(client.write(b"more"), Ok(0));
        send(&mut client, &mut server, &mut Cuts::Every(1));
        assert!(server.closed && server.error.is_none());
        assert_eq!(client.write(b"more"), Ok(0));
        // The other direction stays open.
        server.send(b"still here");
        let stream = server.output();
        assert_eq!(receive(&mut client, &stream, &mut Cuts::Every(1), 10), b"still here");
    }
    // During the handshake a close does nothing.
    let (mut client, mut server) = (machine(&client()), Server::healthy(&TLS13));
    let hello = client.transmit().len();
    client.close();
    assert_eq!(client.transmit().len(), hello);
    handshake(&mut client, &mut server, &mut Cuts::Every(usize::MAX));
    assert_eq!(client.write(b"more"), Ok(4));
}

#[test]
fn resumes_sessions() {
    let config = client();
    for version in VERSIONS {
        let server = Arc::new(ca().leaf(|_| {}).server(&[version]));
        let lengths = [(); 2].map(|()| {
            let (mut client, mut server) = (machine(&config), Server::new(ServerConfig::clone(&server)));
            send(&mut client, &mut server, &mut Cuts::Every(usize::MAX));
            let answer = server.output();
            receive(&mut client, &answer, &mut Cuts::Every(usize::MAX), 1);
            handshake(&mut client, &mut server, &mut Cuts::Every(usize::MAX));
            assert!(!client.is_handshaking());
            answer.len()
        });
        // The second handshake sends no certificate.
        assert!(lengths[1] < lengths[0] / 2, "{lengths:?}");
    }
}

#[test]
fn debug_text_contains_no_traffic() {
    let config = client();
    let (mut client, mut server) = connected(&config, Server::healthy(&TLS13));
    client.write(REQUEST).unwrap();
    let mut texts = format!("{client:?}");
    send(&mut client, &mut server, &mut Cuts::Every(usize::MAX));
    server.send(b"s3cr3t");
    let stream = server.output();
    client.read_buf()[..stream.len()].copy_from_slice(&stream);
    client.handle_read(stream.len());
    texts += &format!("{client:?} {config:?}");
    client.read(&mut [0; 2]).unwrap();
    texts += &format!("{client:?}");
    assert!(!texts.contains("s3cr3t") && !texts.contains("115, 51") && texts.len() < 1_000, "{texts}");
}
