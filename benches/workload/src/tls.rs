//! The path from TLS records to plaintext and messages, without a network.

use std::io::Write;
use std::sync::Arc;

use powerstream_core::http::Origin;
use powerstream_core::session::SessionEvent;
use powerstream_core::time::Instant;
use powerstream_tls::rustls::crypto::ring;
use powerstream_tls::rustls::pki_types::PrivatePkcs8KeyDer;
use powerstream_tls::rustls::{ServerConfig, ServerConnection};
use powerstream_tls::{Machine, TlsConfig};

use crate::framing::{HEAD, session};

/// The receiving end of a connection.
pub trait Client {
    /// Returns the bytes to send in the handshake.
    fn output(&mut self) -> Vec<u8>;
    /// Processes the bytes of a read, and returns the number of messages that they ended.
    fn receive(&mut self, bytes: &[u8]) -> usize;
    /// Returns true until the handshake is complete.
    fn is_handshaking(&self) -> bool;
}

/// A server for `localhost` with a certificate of its own.
pub struct Server {
    /// The server's configuration.
    pub config: Arc<ServerConfig>,
    /// The certificate, which clients must trust.
    pub pem: String,
}

impl Server {
    /// Creates a certificate and the configuration.
    ///
    /// # Panics
    /// If the operating system provides no randomness.
    #[must_use]
    pub fn new() -> Self {
        let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
        let made = rcgen::generate_simple_self_signed(names).expect("a certificate");
        let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .and_then(|builder| {
                builder.with_no_client_auth().with_single_cert(vec![made.cert.der().clone()], key.into())
            })
            .expect("a configuration");
        Self { config: Arc::new(config), pem: made.cert.pem() }
    }

    /// Performs the handshake, and sends the client a response head. Returns the ciphertext of each
    /// of `messages`, one message a chunk and one chunk a record.
    ///
    /// # Panics
    /// If the handshake fails.
    pub fn records(&self, client: &mut dyn Client, messages: &[Vec<u8>]) -> Vec<Vec<u8>> {
        let mut server = ServerConnection::new(self.config.clone()).expect("a server");
        server.set_buffer_limit(None);
        while client.is_handshaking() || server.is_handshaking() {
            let mut sent = client.output();
            server.read_tls(&mut sent.as_slice()).expect("room");
            server.process_new_packets().expect("TLS");
            sent.clear();
            while server.wants_write() {
                server.write_tls(&mut sent).expect("a vector takes all");
            }
            client.receive(&sent);
        }
        let mut record = |plaintext: &[u8]| {
            let mut record = Vec::new();
            server.writer().write_all(plaintext).expect("no limit");
            while server.wants_write() {
                server.write_tls(&mut record).expect("a vector takes all");
            }
            record
        };
        client.receive(&record(HEAD));
        let chunk = |message: &Vec<u8>| {
            [format!("{:x}\r\n", message.len() + 2).as_bytes(), message, b"\r\n\r\n"].concat()
        };
        messages.iter().map(|message| record(&chunk(message))).collect()
    }

    /// Returns our client. `take` is called until it returns `None`, and returns the number of
    /// messages that its plaintext ends.
    ///
    /// # Panics
    /// If the operating system provides no randomness.
    pub fn client<F: FnMut(&mut Machine) -> Option<usize>>(&self, take: F) -> Ours<F> {
        let origin = Origin::parse("https://localhost").expect("an origin");
        let config = TlsConfig::only_ca_pem(self.pem.as_bytes()).expect("PEM");
        let machine = config.connector(&origin).expect("a name").connect().expect("randomness");
        Ours { machine, take }
    }
}

impl Default for Server {
    fn default() -> Self {
        Self::new()
    }
}

/// Our TLS, and what takes its plaintext.
pub struct Ours<F> {
    machine: Machine,
    take: F,
}

impl<F: FnMut(&mut Machine) -> Option<usize>> Client for Ours<F> {
    fn output(&mut self) -> Vec<u8> {
        let output = self.machine.transmit().to_vec();
        self.machine.handle_transmitted(output.len());
        output
    }

    fn receive(&mut self, mut bytes: &[u8]) -> usize {
        let mut messages = 0;
        while !bytes.is_empty() {
            let room = self.machine.read_buf();
            let count = room.len().min(bytes.len());
            room[..count].copy_from_slice(&bytes[..count]);
            self.machine.handle_read(count);
            bytes = &bytes[count..];
            while let Some(ended) = (self.take)(&mut self.machine) {
                messages += ended;
            }
        }
        messages
    }

    fn is_handshaking(&self) -> bool {
        self.machine.is_handshaking()
    }
}

/// Returns a session to take the plaintext from our TLS, lent.
pub fn into_session() -> impl FnMut(&mut Machine) -> Option<usize> {
    let mut session = session();
    let now = Instant::ZERO;
    move |machine| {
        let decode = |mut input: &[u8]| {
            let mut messages = 0;
            while let (consumed, Some(event)) = session.decode(input, now) {
                if let SessionEvent::Message(message) = event {
                    messages += usize::from(message.id().is_some());
                }
                input = &input[consumed..];
            }
            messages
        };
        machine.read_with(decode).expect("TLS")
    }
}
