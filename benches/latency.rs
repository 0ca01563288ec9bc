//! From the simulator's write to delivery, over loopback: every adapter against a bare blocking read loop, plain and TLS.
//!
//! The simulator (on the first core) writes a Post every 200 µs. Each client (on the second core) notes when a Post was
//! delivered; the simulator's log knows when the `write()` that completed it began. In each round every client has its
//! turn, in shuffled order; a ratio is the median over the rounds of the ratio to the bare loop's figure in the same
//! round, so that a machine shared with other work still gives it.
//!
//! `cargo bench --bench latency -- [--quick] [--rounds N] [--posts N] [CLIENT]..`

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Instant;

use powerstream_benches::posts::Random;
use powerstream_blocking::{Client as Blocking, Config as ClientConfig, SessionEvent, Token};
use powerstream_simulator::{Config, Simulator, Source};

/// Posts a second.
const RATE: f64 = 5_000.0;

/// The client that the others are compared with.
const FLOOR: &str = "bare read loop";

/// Delivers so many Posts: their ids, and when.
type Client = fn(&Simulator, usize) -> Vec<(u64, Instant)>;

const CLIENTS: [(&str, Client); 3] = [(FLOOR, bare), ("blocking", blocking), ("busy-poll", busy_poll)];

fn main() {
    let (mut rounds, mut posts, mut filters) = (15, 2_000, Vec::new());
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().and_then(|value| value.parse().ok()).expect("a number behind it");
        match argument.as_str() {
            // What cargo adds.
            "--bench" => {}
            "--quick" | "--test" => (rounds, posts) = (1, 50),
            "--rounds" => rounds = value(),
            "--posts" => posts = value(),
            unknown if unknown.starts_with('-') => panic!("{unknown} is unknown"),
            _ => filters.push(argument),
        }
    }
    let wanted =
        |name: &str| name == FLOOR || filters.is_empty() || filters.iter().any(|filter| filter == name);
    let clients: Vec<_> = CLIENTS.into_iter().filter(|(name, _)| wanted(name)).collect();

    let cores = core_affinity::get_core_ids().unwrap_or_default();
    // Threads inherit it: the simulator's too.
    cores.first().map(|&core| core_affinity::set_for_current(core));
    let mut random = Random::new(7);
    let mut order: Vec<_> = (0..clients.len()).collect();
    let mut figures = vec![Vec::new(); clients.len()];
    for _ in 0..rounds {
        random.shuffle(&mut order);
        for &index in &order {
            let client = clients[index].1;
            figures[index].push(turn(client, posts, cores.get(1).copied()));
        }
    }

    println!("| client | p50, µs | p99 | p99.9 | p50 to the bare loop's | p99 |");
    println!("| --- | --- | --- | --- | --- | --- |");
    for ((name, _), own) in clients.iter().zip(&figures) {
        let value = |at: usize| median(own.iter().map(|quantiles| quantiles[at]).collect());
        let ratio =
            |at: usize| median(own.iter().zip(&figures[0]).map(|(own, floor)| own[at] / floor[at]).collect());
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

/// One client's turn: p50, p99 and p99.9 in µs.
fn turn(client: Client, posts: usize, core: Option<core_affinity::CoreId>) -> [f64; 3] {
    let mut config = Config::default();
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
    let truth = simulator.truth();
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

/// The floor: read, find LF, look at the clock. It knows nothing of chunks: a line that begins with `{` is a Post.
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

fn blocking(simulator: &Simulator, count: usize) -> Vec<(u64, Instant)> {
    read(&client(simulator), count)
}

/// A core of its own, which it does nothing else on.
fn busy_poll(simulator: &Simulator, count: usize) -> Vec<(u64, Instant)> {
    read(&client(simulator).with_busy_poll(true), count)
}

fn client(simulator: &Simulator) -> Blocking {
    let config = ClientConfig::builder().base_url(simulator.base_url());
    let config = config.token(Token::new("any").expect("a token"));
    Blocking::new(config.build().expect("a configuration"))
}

fn read(client: &Blocking, count: usize) -> Vec<(u64, Instant)> {
    let mut stream = client.stream().expect("a stream");
    let mut delivered = Vec::with_capacity(count);
    while delivered.len() < count {
        note(&stream.next().expect("an event"), &mut delivered);
    }
    delivered
}

fn note(event: &SessionEvent<'_>, delivered: &mut Vec<(u64, Instant)>) {
    if let SessionEvent::Message(message) = event {
        let at = Instant::now();
        delivered.push((message.id().expect("a Post").as_u64(), at));
    }
}
