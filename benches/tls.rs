//! The cost of TLS per message: rustls in its usual form, and `powerstream-tls`, with and
//! without the core behind it.
//!
//! Each message is one record, TLS 1.3 with AES-256-GCM. In each repetition, every candidate has
//! one turn, in random order, with its own connection and ciphertext. The kernel's copy is
//! simulated by a memcpy of each read. Only receiving is measured. A ratio is the median over the
//! repetitions of the ratios to rustls in the same repetition.
//!
//! `cargo bench --bench tls -- [--quick] [--repetitions N]`

use std::io::{Read, Write};
use std::sync::Arc;
use std::time::Instant as Watch;

use memchr::memchr_iter;
use powerstream_benches::posts::{self, Random};
use powerstream_core::http::Origin;
use powerstream_core::session::{Session, SessionConfig, SessionEvent};
use powerstream_core::time::{Instant, UnixTime};
use powerstream_tls::rustls::crypto::ring;
use powerstream_tls::rustls::pki_types::pem::PemObject;
use powerstream_tls::rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer, ServerName};
use powerstream_tls::rustls::{
    ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection,
};
use powerstream_tls::{Machine, TlsConfig};

const HEAD: &[u8] = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";

/// On a live stream a read returns one record; on a stream that is behind, it fills the buffer.
const READS: [(&str, usize); 2] = [("a record", 0), ("16 KiB", 16 << 10)];

fn main() {
    let mut repetitions = 25;
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--quick" | "--test" => repetitions = 1,
            "--repetitions" => repetitions = arguments.next().and_then(|n| n.parse().ok()).expect("a number"),
            _ => {}
        }
    }
    let posts: Vec<Vec<u8>> = posts::load().iter().map(|post| [post, b"\r\n".as_slice()].concat()).collect();
    let world = World::new();
    let contestants: [(&str, Contestant); 5] = [
        ("memcpy of the ciphertext", |world| Box::new(Floor(world.bare()))),
        ("rustls, buffered, memchr", |world| Box::new(world.bare())),
        ("machine, into a buffer, memchr", |world| world.ours(copied())),
        ("machine, lent, memchr", |world| world.ours(lent())),
        ("machine, lent, session", |world| world.ours(session())),
    ];
    let mut random = Random::new(5);
    println!("| ns a message (ratio to rustls) | {} |", READS.map(|(name, _)| name).join(" | "));
    println!("|{}", " --- |".repeat(READS.len() + 1));
    let mut table = vec![Vec::new(); contestants.len()];
    for (_, most) in READS {
        let mut order: Vec<_> = (0..contestants.len()).collect();
        let mut nanos = vec![Vec::new(); contestants.len()];
        for _ in 0..repetitions {
            random.shuffle(&mut order);
            for &index in &order {
                nanos[index].push(turn(&world, (contestants[index].1)(&world), &posts, most));
            }
        }
        for (row, times) in table.iter_mut().zip(&nanos) {
            let ratios = times.iter().zip(&nanos[1]).map(|(time, bare)| time / bare).collect();
            row.push(format!("{:.0} ({:.2})", median(times.clone()), median(ratios)));
        }
    }
    for ((name, _), row) in contestants.iter().zip(table) {
        println!("| {name} | {} |", row.join(" | "));
    }
}

type Contestant = fn(&World) -> Box<dyn Client>;

/// The receiving end of a connection.
trait Client {
    /// Returns the bytes to send in the handshake.
    fn output(&mut self) -> Vec<u8>;
    /// Processes the bytes of a read, and returns the number of lines that they ended.
    fn receive(&mut self, bytes: &[u8]) -> usize;
    fn is_handshaking(&self) -> bool;
}

/// Returns the time per message.
fn turn(world: &World, mut client: Box<dyn Client>, posts: &[Vec<u8>], most: usize) -> f64 {
    let mut server = ServerConnection::new(world.server.clone()).expect("a server");
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
    let mut reads: Vec<Vec<u8>> = Vec::new();
    let mut send = |plaintext: &[&[u8]]| {
        let mut record = Vec::new();
        server.writer().write_all(&plaintext.concat()).expect("no limit");
        while server.wants_write() {
            server.write_tls(&mut record).expect("a vector takes all");
        }
        reads.push(record);
    };
    // This is not measured, and neither are the session tickets.
    send(&[HEAD]);
    for post in posts {
        send(&[format!("{:x}\r\n", post.len()).as_bytes(), post, b"\r\n"]);
    }
    let head = reads.remove(0);
    client.receive(&head);
    if most > 0 {
        reads = reads.concat().chunks(most).map(<[u8]>::to_vec).collect();
    }
    let mut buffer = vec![0; 32 << 10];
    let begun = Watch::now();
    let mut messages = 0;
    for read in &reads {
        buffer[..read.len()].copy_from_slice(read);
        messages += client.receive(&buffer[..read.len()]);
    }
    let took = begun.elapsed();
    assert!(messages == 0 || messages == posts.len(), "{messages}");
    took.as_secs_f64() * 1e9 / posts.len() as f64
}

/// Returns the number of line ends, of messages and of the chunks around them: three per message.
fn lines(plaintext: &[u8]) -> usize {
    memchr_iter(b'\n', plaintext).count()
}

struct World {
    server: Arc<ServerConfig>,
    ours: TlsConfig,
    bare: Arc<ClientConfig>,
}

impl World {
    fn new() -> Self {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
        let certificate = made.cert.der().clone();
        let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
        let provider = Arc::new(ring::default_provider());
        let server = ServerConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .and_then(|builder| builder.with_no_client_auth().with_single_cert(vec![certificate], key.into()))
            .expect("a configuration");
        let pem = made.cert.pem();
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(pem.as_bytes()).expect("PEM")).expect("a root");
        let bare = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        let ours = TlsConfig::only_ca_pem(pem.as_bytes()).expect("PEM");
        Self { server: Arc::new(server), ours, bare: Arc::new(bare) }
    }

    fn ours(&self, take: impl FnMut(&mut Machine) -> Option<usize> + 'static) -> Box<dyn Client> {
        let origin = Origin::parse("https://localhost").expect("an origin");
        let machine = self.ours.connector(&origin).expect("a name").connect().expect("randomness");
        Box::new(Ours { machine, take })
    }

    fn bare(&self) -> Bare {
        let name = ServerName::try_from("localhost").expect("a name");
        Bare(ClientConnection::new(self.bare.clone(), name).expect("a client"), vec![0; 16 << 10], 0)
    }
}

/// The floor: only the kernel's copy. After the handshake it does nothing else.
struct Floor(Bare);

impl Client for Floor {
    fn output(&mut self) -> Vec<u8> {
        self.0.output()
    }

    fn receive(&mut self, bytes: &[u8]) -> usize {
        if self.is_handshaking() {
            return self.0.receive(bytes);
        }
        std::hint::black_box(bytes);
        0
    }

    fn is_handshaking(&self) -> bool {
        self.0.is_handshaking()
    }
}

/// The connection, the reader's buffer, and the number of lines.
struct Bare(ClientConnection, Vec<u8>, usize);

impl Client for Bare {
    fn output(&mut self) -> Vec<u8> {
        let mut output = Vec::new();
        while self.0.wants_write() {
            self.0.write_tls(&mut output).expect("a vector takes all");
        }
        output
    }

    fn receive(&mut self, mut bytes: &[u8]) -> usize {
        let before = self.2 / 3;
        while !bytes.is_empty() {
            self.0.read_tls(&mut bytes).expect("room");
            self.0.process_new_packets().expect("TLS");
            while let Ok(count @ 1..) = self.0.reader().read(&mut self.1) {
                self.2 += lines(&self.1[..count]);
            }
        }
        self.2 / 3 - before
    }

    fn is_handshaking(&self) -> bool {
        self.0.is_handshaking()
    }
}

/// `take` returns the number of messages that its plaintext ends, and `None` without plaintext.
struct Ours<F> {
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

fn copied() -> impl FnMut(&mut Machine) -> Option<usize> {
    let (mut buffer, mut total) = (vec![0; 16 << 10], 0);
    move |machine| {
        let count = machine.read(&mut buffer).expect("TLS")?;
        let before = total / 3;
        total += lines(&buffer[..count]);
        Some(total / 3 - before)
    }
}

fn lent() -> impl FnMut(&mut Machine) -> Option<usize> {
    let mut total = 0;
    move |machine| {
        let before = total / 3;
        total += machine.read_with(lines).expect("TLS")?;
        Some(total / 3 - before)
    }
}

fn session() -> impl FnMut(&mut Machine) -> Option<usize> {
    let config = SessionConfig::new(Origin::parse("https://localhost").expect("an origin"));
    let now = Instant::ZERO;
    let storage = vec![0; config.storage_bytes()];
    let mut session = Session::new(storage, &config, 1, now, UnixTime::default()).expect("a session");
    session.handle_timeout(now);
    session.handle_connected(now);
    session.handle_written(session.transmit().len(), now);
    move |machine| {
        let decode = |mut input: &[u8]| {
            let mut messages = 0;
            loop {
                let (consumed, event) = session.decode(input, now);
                match event {
                    None => return messages,
                    Some(SessionEvent::Message(message)) => messages += usize::from(message.id().is_some()),
                    Some(_) => {}
                }
                input = &input[consumed..];
            }
        };
        machine.read_with(decode).expect("TLS")
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
