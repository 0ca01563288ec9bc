//! The cost of TLS per message: rustls in its usual form, and `powerstream-tls`, with and
//! without the core behind it.
//!
//! Each message is one record, TLS 1.3 with AES-256-GCM. In each repetition, every candidate has
//! one turn, in random order, with its own connection and ciphertext. The kernel's copy is
//! simulated by a memcpy of each read. Only receiving is measured. A ratio is the median over the
//! repetitions of the ratios to rustls in the same repetition.
//!
//! `cargo bench --bench tls -- [--quick]`

use std::io::Read;
use std::sync::Arc;
use std::time::Duration;

use memchr::memchr_iter;
use powerstream_benches::measure::{median, ratio, turns};
use powerstream_benches::options::Options;
use powerstream_benches::report::{Table, figure};
use powerstream_tls::Machine;
use powerstream_workload::posts;
use powerstream_workload::tls::{Client, Server, into_session};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore};

/// On a live stream a read returns one record; on a stream that is behind, it fills the buffer.
const READS: [(&str, usize); 2] = [("a record", 0), ("16 KiB", 16 << 10)];

type Contestant = fn(&Server) -> Box<dyn Client>;

const CONTESTANTS: [(&str, Contestant); 5] = [
    ("rustls, buffered, memchr", |server| Box::new(bare(server))),
    ("memcpy of the ciphertext", |server| Box::new(Floor(bare(server)))),
    ("machine, into a buffer, memchr", |server| Box::new(server.client(copied()))),
    ("machine, lent, memchr", |server| Box::new(server.client(lent()))),
    ("machine, lent, session", |server| Box::new(server.client(into_session()))),
];

fn main() {
    let options = Options::parse(|| 0);
    let posts = posts::load();
    let server = Server::new();
    let mut table = Table::new(
        "TLS in memory: ns a message, and the ratio to rustls.",
        &["way", "a record a read", "16 KiB a read"],
    );
    table.rows = CONTESTANTS.map(|(name, _)| vec![name.to_owned()]).to_vec();
    for (_, most) in READS {
        let mut contestants = CONTESTANTS;
        // A record cannot be decrypted twice, so each turn has a connection, and reports its own
        // time.
        let mut nanos = vec![Vec::new(); contestants.len()];
        turns(&options, Duration::ZERO, &mut contestants, |(name, start)| {
            let index = CONTESTANTS.iter().position(|(other, _)| other == name).expect("itself");
            nanos[index].push(turn(&server, &mut *start(&server), &posts, most));
        });
        for (row, times) in table.rows.iter_mut().zip(&nanos) {
            row.push(format!("{} ({:.2})", figure(median(times.clone())), ratio(times, &nanos[0])));
        }
    }
    println!("{table}");
}

/// Returns the time per message.
fn turn(server: &Server, client: &mut dyn Client, posts: &[Vec<u8>], most: usize) -> f64 {
    let mut reads = server.records(client, posts);
    if most > 0 {
        reads = reads.concat().chunks(most).map(<[u8]>::to_vec).collect();
    }
    let mut buffer = vec![0; 32 << 10];
    let begun = std::time::Instant::now();
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

fn bare(server: &Server) -> Bare {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(server.pem.as_bytes()).expect("PEM")).expect("a root");
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("localhost").expect("a name");
    Bare(ClientConnection::new(Arc::new(config), name).expect("a client"), vec![0; 16 << 10], 0)
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
