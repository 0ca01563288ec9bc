//! The latency from the simulator's write to the delivery, over loopback: every runtime compared
//! with a plain blocking read loop, in plaintext and over TLS. Over TLS, the floor is rustls'
//! buffered API in such a loop.
//!
//! The simulator runs on the first core and writes a Post every 200 µs. Each client runs on the
//! second core and records when a Post was delivered. The simulator's log contains the start of the
//! `write()` that completed it. In each round, every client has one turn, in random order. A ratio
//! is the median over the rounds of the ratios to the plain loop in the same round, so other load
//! on the machine matters little.
//!
//! `cargo bench --bench latency -- [--quick] [--rounds N] [--posts N] [CLIENT]..`

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Instant;

use powerstream_benches::posts::Random;
use powerstream_blocking::{Blocking, Config, SessionEvent, TlsConfig, Token};
use powerstream_simulator::{Simulator, Source, Tls};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};

/// Posts per second.
const RATE: f64 = 5_000.0;

/// Delivers this many Posts, and returns their ids and when each was delivered.
type Client = fn(&Simulator, usize) -> Vec<(u64, Instant)>;

/// Name, whether over TLS, and function. The first of each kind is the floor.
const CLIENTS: [(&str, bool, Client); 10] = [
    ("bare read loop", false, bare),
    ("blocking", false, blocking),
    ("busy-poll", false, busy_poll),
    ("tokio", false, on_tokio),
    ("smol", false, on_smol),
    ("TLS: bare rustls loop", true, bare_tls),
    ("TLS: blocking", true, blocking),
    ("TLS: busy-poll", true, busy_poll),
    ("TLS: tokio", true, on_tokio),
    ("TLS: smol", true, on_smol),
];

fn main() {
    let (mut rounds, mut posts, mut filters) = (15, 2_000, Vec::new());
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().and_then(|value| value.parse().ok()).expect("a number behind it");
        match argument.as_str() {
            // cargo adds this argument.
            "--bench" => {}
            "--quick" | "--test" => (rounds, posts) = (1, 50),
            "--rounds" => rounds = value(),
            "--posts" => posts = value(),
            unknown if unknown.starts_with('-') => panic!("{unknown} is unknown"),
            _ => filters.push(argument),
        }
    }
    let wanted = |name: &str| {
        name.contains("bare") || filters.is_empty() || filters.iter().any(|part| name.contains(part))
    };
    let clients: Vec<_> = CLIENTS.into_iter().filter(|(name, ..)| wanted(name)).collect();

    let cores = core_affinity::get_core_ids().unwrap_or_default();
    // New threads inherit this, including the simulator's.
    cores.first().map(|&core| core_affinity::set_for_current(core));
    let mut random = Random::new(7);
    let mut order: Vec<_> = (0..clients.len()).collect();
    let mut figures = vec![Vec::new(); clients.len()];
    for _ in 0..rounds {
        random.shuffle(&mut order);
        for &index in &order {
            let (_, tls, client) = clients[index];
            figures[index].push(turn(client, tls, posts, cores.get(1).copied()));
        }
    }

    println!("| client | p50, µs | p99 | p99.9 | p50 to the bare loop's | p99 |");
    println!("| --- | --- | --- | --- | --- | --- |");
    for ((name, tls, _), own) in clients.iter().zip(&figures) {
        let floor =
            clients.iter().position(|(_, other, _)| other == tls).expect("the bare one is always there");
        let value = |at: usize| median(own.iter().map(|quantiles| quantiles[at]).collect());
        let ratio = |at: usize| {
            median(own.iter().zip(&figures[floor]).map(|(own, floor)| own[at] / floor[at]).collect())
        };
        println!(
            "| {name} | {:.1} | {:.1} | {:.1} | {:.2} | {:.2} |",
            value(0),
            value(1),
            value(2),
            ratio(0),
            ratio(1)
        );
    }
}

/// Runs one client, and returns p50, p99 and p99.9 in µs.
fn turn(client: Client, tls: bool, posts: usize, core: Option<core_affinity::CoreId>) -> [f64; 3] {
    let mut config = powerstream_simulator::Config::default();
    config.tls = tls.then(Tls::default);
    config.rate = Some(RATE);
    config.source = Source::Generated { seed: 1 };
    let simulator = Simulator::start(config).expect("a simulator");
    let delivered = std::thread::scope(|scope| {
        let turn = || {
            core.map(core_affinity::set_for_current);
            client(&simulator, posts)
        };
        scope.spawn(turn).join().expect("the client's thread")
    });
    assert_eq!(delivered.len(), posts);
    let truth = simulator.ground_truth();
    let mut micros: Vec<_> = delivered
        .into_iter()
        .map(|(id, at)| {
            let written_at = truth.written_at(id).expect("the simulator wrote it");
            at.saturating_duration_since(written_at).as_secs_f64() * 1e6
        })
        .collect();
    micros.sort_by(f64::total_cmp);
    [0.5, 0.99, 0.999].map(|quantile| micros[((micros.len() - 1) as f64 * quantile) as usize])
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// The floor: read, search LF, read the clock. It ignores chunks; a line that begins with `{` is a
/// Post.
fn bare(simulator: &Simulator, count: usize) -> Vec<(u64, Instant)> {
    let mut socket = TcpStream::connect(simulator.local_addr()).expect("a connection");
    socket.set_nodelay(true).expect("an option");
    socket.write_all(REQUEST).expect("a request");
    lines(count, |buffer| socket.read(buffer).expect("more to read"))
}

const REQUEST: &[u8] = b"GET /2/powerstream HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer any\r\n\r\n";

fn lines(count: usize, mut read: impl FnMut(&mut [u8]) -> usize) -> Vec<(u64, Instant)> {
    let mut delivered = Vec::with_capacity(count);
    let mut buffer = vec![0; 1 << 20];
    let mut filled = 0;
    loop {
        let count_read = read(&mut buffer[filled..]);
        assert!(count_read > 0, "the simulator closed");
        let mut start = 0;
        let mut seen = filled;
        filled += count_read;
        while let Some(length) = memchr::memchr(b'\n', &buffer[seen..filled]) {
            let line = &buffer[start..seen + length];
            if line.starts_with(b"{") {
                let at = Instant::now();
                delivered.push((id(line), at));
                if delivered.len() == count {
                    return delivered;
                }
            }
            seen += length + 1;
            start = seen;
        }
        buffer.copy_within(start..filled, 0);
        filled -= start;
    }
}

fn id(post: &[u8]) -> u64 {
    const KEY: &[u8] = b"\"id\":";
    let at = post.windows(KEY.len()).position(|window| window == KEY).expect("an id") + KEY.len();
    post[at..]
        .iter()
        .take_while(|byte| byte.is_ascii_digit())
        .fold(0, |id, byte| id * 10 + u64::from(byte - b'0'))
}

/// The floor over TLS: rustls as in its own examples, and the same search.
fn bare_tls(simulator: &Simulator, count: usize) -> Vec<(u64, Instant)> {
    let ca =
        CertificateDer::from_pem_slice(simulator.ca_pem().expect("TLS").as_bytes()).expect("a certificate");
    let mut roots = rustls::RootCertStore::empty();
    roots.add(ca).expect("a CA");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("127.0.0.1").expect("an address");
    let connection = rustls::ClientConnection::new(Arc::new(config), name).expect("a connection");
    let socket = TcpStream::connect(simulator.local_addr()).expect("a connection");
    socket.set_nodelay(true).expect("an option");
    let mut stream = rustls::StreamOwned::new(connection, socket);
    stream.write_all(REQUEST).expect("a request");
    lines(count, |buffer| stream.read(buffer).expect("more to read"))
}

fn config(simulator: &Simulator) -> Config {
    let builder = Config::builder().token(Token::new("any").expect("a token")).base_url(simulator.base_url());
    builder.build().expect("a configuration")
}

fn tls(simulator: &Simulator) -> TlsConfig {
    match simulator.ca_pem() {
        Some(pem) => TlsConfig::only_ca_pem(pem.as_bytes()).expect("a CA"),
        // Not used.
        None => TlsConfig::webpki().expect("CAs"),
    }
}

fn blocking(simulator: &Simulator, count: usize) -> Vec<(u64, Instant)> {
    read_blocking(simulator, count, false)
}

fn busy_poll(simulator: &Simulator, count: usize) -> Vec<(u64, Instant)> {
    read_blocking(simulator, count, true)
}

fn read_blocking(simulator: &Simulator, count: usize, busy_poll: bool) -> Vec<(u64, Instant)> {
    let client = powerstream_blocking::Client::new(config(simulator)).with_tls(tls(simulator));
    let mut stream =
        client.with_runtime(Blocking::default().with_busy_poll(busy_poll)).stream().expect("a stream");
    let mut delivered = Vec::with_capacity(count);
    while delivered.len() < count {
        note(&stream.next().expect("an event"), &mut delivered);
    }
    delivered
}

fn on_tokio(simulator: &Simulator, count: usize) -> Vec<(u64, Instant)> {
    let client = powerstream_tokio::Client::new(config(simulator)).with_tls(tls(simulator));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let mut stream = client.stream().expect("a stream");
        let mut delivered = Vec::with_capacity(count);
        while delivered.len() < count {
            note(&stream.next().await.expect("an event"), &mut delivered);
        }
        delivered
    })
}

fn on_smol(simulator: &Simulator, count: usize) -> Vec<(u64, Instant)> {
    let client = powerstream_smol::Client::new(config(simulator)).with_tls(tls(simulator));
    smol::block_on(async {
        let mut stream = client.stream().expect("a stream");
        let mut delivered = Vec::with_capacity(count);
        while delivered.len() < count {
            note(&stream.next().await.expect("an event"), &mut delivered);
        }
        delivered
    })
}

fn note(event: &SessionEvent<'_>, delivered: &mut Vec<(u64, Instant)>) {
    if let SessionEvent::Message(message) = event {
        let at = Instant::now();
        delivered.push((message.id().expect("a Post").as_u64(), at));
    }
}
