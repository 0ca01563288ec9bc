//! Latency and saturated throughput over loopback: every runtime and every peer.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Instant;

use futures_util::StreamExt;
use http_body_util::{BodyExt, Empty};
use hyper::body::Bytes;
use powerstream_blocking::{Blocking, Config, SessionEvent, Token};
use powerstream_tls::TlsConfig;
use powerstream_workload::posts::Random;
use powerstream_workload::rules::{Compiled, parse, short};
use powerstream_workload::texts::Language;
use rustix::time::{ClockId, clock_gettime};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::charts::{Chart, Scale};
use crate::engines::{Lines, MessageHash};
use crate::measure::{median, ratio, ratio_interval};
use crate::options::Options;
use crate::report::{Section, Table, figure};
use crate::scale::Epoll;
use crate::server::{self, Order, Server};

/// Mean number of Posts per second of the latency measurement.
const RATE: u64 = 5_000;

/// Where to connect.
#[derive(Clone, Debug)]
pub struct Target {
    /// The server's address.
    pub addr: SocketAddr,
    /// The certificate to trust; `None` without TLS.
    pub pem: Option<String>,
}

impl Target {
    fn url(&self) -> String {
        format!("http{}://{}/", if self.pem.is_some() { "s" } else { "" }, self.addr)
    }

    fn config(&self) -> Config {
        let token = Token::new("any").expect("a token");
        Config::builder().token(token).base_url(self.url()).build().expect("a configuration")
    }

    /// Returns the configuration of our TLS.
    ///
    /// # Panics
    /// If the server's certificate is malformed.
    #[must_use]
    pub fn tls(&self) -> TlsConfig {
        match &self.pem {
            Some(pem) => TlsConfig::only_ca_pem(pem.as_bytes()).expect("a CA"),
            // Not used.
            None => TlsConfig::webpki().expect("CAs"),
        }
    }

    /// Returns the configuration of the TLS of all peers.
    fn rustls(&self) -> rustls::ClientConfig {
        let pem = self.pem.as_ref().expect("only over TLS");
        let mut roots = rustls::RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(pem.as_bytes()).expect("PEM")).expect("a CA");
        rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(roots)
            .with_no_client_auth()
    }

    fn connect(&self) -> TcpStream {
        let socket = TcpStream::connect(self.addr).expect("a connection");
        socket.set_nodelay(true).expect("an option");
        socket
    }
}

/// What a client does with Posts, and how many it waits for.
pub struct Receiver {
    left: usize,
    /// In nanoseconds, if they are recorded.
    latencies: Option<Vec<u32>>,
    hash: Option<MessageHash>,
    allocations: fn() -> u64,
    /// At a Post after the start, and at the last one.
    marks: Vec<Mark>,
    skip: usize,
}

/// What a Post cost a client, on average.
pub(crate) struct Cost {
    pub(crate) cpu_micros: f64,
    posts_a_second: f64,
    allocations: f64,
}

#[derive(Clone, Copy)]
struct Mark {
    left: usize,
    at: Instant,
    cpu: f64,
    allocations: u64,
}

impl Receiver {
    pub(crate) fn new(posts: usize, what: What, allocations: fn() -> u64) -> Self {
        Self {
            left: posts,
            latencies: (what == What::Latency).then(|| Vec::with_capacity(posts)),
            hash: (what == What::Check).then(MessageHash::default),
            allocations,
            marks: Vec::with_capacity(2),
            skip: posts / 10,
        }
    }

    /// Takes a message. Returns false if it was the last.
    #[inline]
    pub fn message(&mut self, message: &[u8], id: Option<u64>) -> bool {
        let id = id.unwrap_or_else(|| find_id(message));
        if let Some(latencies) = &mut self.latencies {
            latencies.push(u32::try_from(server::now().saturating_sub(id)).unwrap_or(u32::MAX));
        } else if let Some(hash) = &mut self.hash {
            hash.add(message);
        }
        std::hint::black_box(id);
        self.left -= 1;
        if self.skip > 0 {
            self.skip -= 1;
            if self.skip == 0 {
                self.mark();
            }
        } else if self.left == 0 {
            self.mark();
        }
        self.left > 0
    }

    /// Returns what a Post cost, without those of the start.
    pub(crate) fn cost(&self) -> Cost {
        let [from, to] = self.marks[..] else { unreachable!("a mark after the start, and one at the end") };
        let posts = (from.left - to.left) as f64;
        Cost {
            cpu_micros: (to.cpu - from.cpu) * 1e6 / posts,
            posts_a_second: posts / (to.at - from.at).as_secs_f64(),
            allocations: (to.allocations - from.allocations) as f64 / posts,
        }
    }

    #[cold]
    fn mark(&mut self) {
        let cpu = clock_gettime(ClockId::ProcessCPUTime);
        self.marks.push(Mark {
            left: self.left,
            at: Instant::now(),
            cpu: cpu.tv_sec as f64 + cpu.tv_nsec as f64 * 1e-9,
            allocations: (self.allocations)(),
        });
    }

    pub(crate) fn event(&mut self, event: &SessionEvent<'_>) -> bool {
        match event {
            SessionEvent::Message(message) => self.message(message.bytes, message.id().map(|id| id.as_u64())),
            SessionEvent::Disconnected(_) => panic!("disconnected: {event:?}"),
            _ => true,
        }
    }

    /// Takes the lines that `piece` ends, of which those that begin with `{` are messages. Returns
    /// false after the last one.
    fn piece(&mut self, lines: &mut Lines, piece: &[u8]) -> bool {
        let mut more = true;
        lines.push(piece, |line| {
            if more && line.starts_with(b"{") {
                more = self.message(line, None);
            }
        });
        more
    }
}

fn find_id(post: &[u8]) -> u64 {
    let at = memchr::memmem::find(post, b"\"id\":").expect("an id") + 5;
    post[at..]
        .iter()
        .take_while(|byte| byte.is_ascii_digit())
        .fold(0, |id, byte| id * 10 + u64::from(byte - b'0'))
}

/// What is recorded of Posts.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum What {
    Check,
    Latency,
    Throughput,
}

/// Receives all Posts.
type Client = fn(&Target, Receiver) -> Receiver;

/// A client, and whether it may use both cores.
struct Contestant {
    name: &'static str,
    is_pinned: bool,
    client: Client,
}

const fn pinned(name: &'static str, client: Client) -> Contestant {
    Contestant { name, is_pinned: true, client }
}

const fn free(name: &'static str, client: Client) -> Contestant {
    Contestant { name, is_pinned: false, client }
}

/// The first of those with the same number of cores is the floor of the others.
const CONTESTANTS: [Contestant; 19] = [
    pinned("bare blocking read", bare),
    pinned("blocking", |target, receiver| blocking(target, receiver, false)),
    pinned("blocking, and 1,000 keyword rules", deciding),
    pinned("busy polling", |target, receiver| blocking(target, receiver, true)),
    pinned("bare, TCP_QUICKACK", quick_ack),
    // The floor of a client on tokio.
    pinned("bare tokio read, 1 thread", |target, receiver| {
        one_thread().block_on(bare_on_tokio(target.clone(), receiver))
    }),
    pinned("tokio, 1 thread", |target, receiver| one_thread().block_on(on_tokio(target.clone(), receiver))),
    pinned("smol", on_smol),
    pinned("epoll example", epoll),
    pinned("hyper, 1 thread", |target, receiver| one_thread().block_on(on_hyper(target.clone(), receiver))),
    pinned("reqwest, 1 thread", |target, receiver| {
        one_thread().block_on(on_reqwest(target.clone(), receiver))
    }),
    pinned("ureq", on_ureq),
    free("bare blocking read, free", bare),
    free("blocking, free", |target, receiver| blocking(target, receiver, false)),
    free("bare tokio read, 2 threads", |target, receiver| {
        two_threads(bare_on_tokio(target.clone(), receiver))
    }),
    free("tokio, 2 threads", |target, receiver| two_threads(on_tokio(target.clone(), receiver))),
    free("hyper, 2 threads", |target, receiver| two_threads(on_hyper(target.clone(), receiver))),
    free("reqwest, 2 threads", |target, receiver| two_threads(on_reqwest(target.clone(), receiver))),
    free("busy polling, free", |target, receiver| blocking(target, receiver, true)),
];

/// The clients in the chart.
const DRAWN: [&str; 7] = [
    "bare blocking read",
    "blocking",
    "busy polling",
    "tokio, 1 thread",
    "hyper, 1 thread",
    "reqwest, 1 thread",
    "ureq",
];

/// Measures latency and throughput, plain and over TLS.
///
/// # Panics
/// If a client receives other Posts than were sent.
#[must_use]
pub fn run(options: &Options) -> Section {
    let mut server = Server::start();
    let (mut tables, mut charts) = (Vec::new(), Vec::new());
    for is_tls in [false, true] {
        let kind = if is_tls { "tls" } else { "plain" };
        if !options.wants(kind) && !options.wants("latency") && !options.wants("throughput") {
            continue;
        }
        check(&mut server, options, is_tls);
        let (table, chart) = latency(&mut server, options, is_tls);
        tables.push(table);
        charts.push(chart);
        tables.push(throughput(&mut server, options, is_tls));
    }
    Section {
        heading: "Latency and throughput over loopback",
        command: "cargo bench --manifest-path benches/Cargo.toml --bench loopback",
        about: "The server is a process on the first core. Clients run on the second core; those named `free` or\n\
                with 2 threads may use both, and compare with each other only. The latency of a Post is the time\n\
                from when it is due to when the client has its id. A client with rules must also know which match.\n\
                Posts are due at random times, on average 5,000 a second, regardless of the client (open loop).\n\
                Over TLS, the bare loop reads by rustls.",
        tables,
        charts,
    }
}

const CHILD: &str = "--receive";

/// Returns the arguments with which [`receive_if_child`] runs a client.
pub(crate) fn child_arguments(client: &str, target: &Target, posts: usize) -> [String; 4] {
    [CHILD.to_owned(), client.to_owned(), target.addr.to_string(), posts.to_string()]
}

/// Runs a client without TLS, and does not return, if the arguments say so.
///
/// # Panics
/// If the arguments are malformed.
pub fn receive_if_child() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [flag, name, addr, posts] = &arguments[..] else { return };
    if flag == CHILD {
        let target = Target { addr: addr.parse().expect("an address"), pem: None };
        let contestant = CONTESTANTS.iter().find(|contestant| contestant.name == name).expect("a client");
        let receiver = Receiver::new(posts.parse().expect("a number"), What::Throughput, || 0);
        (contestant.client)(&target, receiver);
        std::process::exit(0);
    }
}

fn turn(
    server: &mut Server,
    contestant: &Contestant,
    order: Order,
    what: What,
    options: &Options,
) -> Receiver {
    let target = Target { addr: server.addr, pem: order.is_tls.then(|| server.pem.clone()) };
    server.order(order);
    let receiver = Receiver::new(order.posts, what, options.allocations);
    let core = core_affinity::get_core_ids().and_then(|cores| cores.get(1).copied());
    let receiver = std::thread::scope(|scope| {
        let client = || {
            if contestant.is_pinned {
                core.map(core_affinity::set_for_current);
            }
            (contestant.client)(&target, receiver)
        };
        scope.spawn(client).join().expect("the client's thread")
    });
    assert_eq!(receiver.left, 0, "{} lost Posts", contestant.name);
    receiver
}

/// Compares what each client receives with what the first one does. In a flood, ids are numbers, so
/// that all receive the same.
fn check(server: &mut Server, options: &Options, is_tls: bool) {
    let order = Order { is_tls, connections: 1, rate: 0, posts: 500 };
    let mut expected = None;
    for contestant in &CONTESTANTS {
        let hash = turn(server, contestant, order, What::Check, options).hash.expect("it was asked for");
        assert!(hash == *expected.get_or_insert(hash.clone()), "{}: other Posts", contestant.name);
    }
}

fn floor_of(contestant: &Contestant) -> usize {
    CONTESTANTS.iter().position(|other| other.is_pinned == contestant.is_pinned).expect("itself at least")
}

/// Runs all contestants in random order in each round.
fn rounds<T>(rounds: usize, mut turn: impl FnMut(&Contestant) -> T) -> Vec<Vec<T>> {
    let mut random = Random::new(7);
    let mut order: Vec<_> = (0..CONTESTANTS.len()).collect();
    let mut results: Vec<Vec<T>> = CONTESTANTS.iter().map(|_| Vec::new()).collect();
    for _ in 0..rounds {
        random.shuffle(&mut order);
        for &index in &order {
            results[index].push(turn(&CONTESTANTS[index]));
        }
    }
    results
}

fn latency(server: &mut Server, options: &Options, is_tls: bool) -> (Table, Chart) {
    let order = Order { is_tls, connections: 1, rate: RATE, posts: options.pick(200, 2_000, 2_000) };
    // Many short rounds: the speed of a shared machine changes from one second to the next.
    let results = rounds(options.pick(1, 5, 30), |contestant| {
        let receiver = turn(server, contestant, order, What::Latency, options);
        let mut latencies = receiver.latencies.expect("they are recorded");
        // The connection's first Posts find cold caches and timers to be set.
        latencies.drain(..order.posts / 10);
        latencies.sort_unstable();
        latencies
    });
    let quantile = |sorted: &[u32], quantile: f64| {
        f64::from(sorted[((sorted.len() - 1) as f64 * quantile) as usize]) / 1e3
    };
    let over = if is_tls { "over TLS" } else { "plain" };
    let mut table = Table::new(
        format!(
            "Latency {over}, µs: medians over rounds. Ratios are to the bare read. For clients that may use both \
             cores, they are to the free bare read. In brackets: the 95 % confidence interval of the \
             median ratio. The maximum is over all rounds."
        ),
        &["client", "p50", "ratio", "p99", "ratio", "p99.9", "maximum"],
    );
    let mut series = Vec::new();
    for (index, contestant) in CONTESTANTS.iter().enumerate() {
        let of =
            |index: usize, at| results[index].iter().map(|sorted| quantile(sorted, at)).collect::<Vec<_>>();
        let floor = floor_of(contestant);
        let [p50, p99] = [0.5, 0.99].map(|at| (of(index, at), of(floor, at)));
        let interval = ratio_interval(&p50.0, &p50.1);
        let interval = interval.map_or(String::new(), |[from, to]| format!(" ({from:.2} to {to:.2})"));
        let most = results[index].iter().filter_map(|sorted| sorted.last()).max().expect("Posts");
        table.rows.push(vec![
            contestant.name.to_owned(),
            figure(median(p50.0.clone())),
            format!("{:.2}{interval}", ratio(&p50.0, &p50.1)),
            figure(median(p99.0.clone())),
            format!("{:.2}", ratio(&p99.0, &p99.1)),
            figure(median(of(index, 0.999))),
            figure(f64::from(*most) / 1e3),
        ]);
        if DRAWN.contains(&contestant.name) {
            let mut all: Vec<u32> = results[index].concat();
            all.sort_unstable();
            let points =
                (1..=995).map(|step| (quantile(&all, f64::from(step) / 1e3), f64::from(step) / 10.0));
            series.push((contestant.name.to_owned(), points.collect()));
        }
    }
    let chart = Chart {
        file: if is_tls { "latency-tls" } else { "latency" },
        title: format!("Latency over loopback, {over}"),
        x: "µs from when a Post is due to its delivery",
        y: "% of Posts",
        scale: Scale::Log,
        log_y: false,
        series,
    };
    (table, chart)
}

fn throughput(server: &mut Server, options: &Options, is_tls: bool) -> Table {
    let order = Order { is_tls, connections: 1, rate: 0, posts: options.pick(500, 20_000, 60_000) };
    let results = rounds(options.pick(1, 5, 11), |contestant| {
        let receiver = turn(server, contestant, order, What::Throughput, options);
        let cost = receiver.cost();
        [cost.cpu_micros, cost.posts_a_second, cost.allocations]
    });
    let mut table = Table::new(
        format!(
            "Throughput {}, saturated. Allocations are those of the thread that receives.",
            if is_tls { "over TLS" } else { "plain" }
        ),
        &["client", "CPU µs a Post", "ratio", "Posts a second", "allocations a Post"],
    );
    for (index, contestant) in CONTESTANTS.iter().enumerate() {
        let of =
            |index: usize, at: usize| results[index].iter().map(|figures| figures[at]).collect::<Vec<_>>();
        table.rows.push(vec![
            contestant.name.to_owned(),
            figure(median(of(index, 0))),
            format!("{:.2}", ratio(&of(index, 0), &of(floor_of(contestant), 0))),
            figure(median(of(index, 1)).round()),
            if contestant.is_pinned { figure(median(of(index, 2))) } else { "-".to_owned() },
        ]);
    }
    table
}

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";

/// The floor: read, and search LF. It ignores chunks; a line that begins with `{` is a Post.
fn bare(target: &Target, receiver: Receiver) -> Receiver {
    bare_on(target.connect(), target, receiver)
}

/// [`bare`], with a socket that acknowledges each packet immediately, until the kernel changes
/// that.
fn quick_ack(target: &Target, receiver: Receiver) -> Receiver {
    let socket = target.connect();
    rustix::net::sockopt::set_tcp_quickack(&socket, true).expect("an option");
    bare_on(socket, target, receiver)
}

fn bare_on(socket: TcpStream, target: &Target, mut receiver: Receiver) -> Receiver {
    let mut read: Box<dyn ReadWrite> = if target.pem.is_some() {
        let name = ServerName::try_from("127.0.0.1").expect("an address");
        let connection = rustls::ClientConnection::new(Arc::new(target.rustls()), name).expect("a client");
        Box::new(rustls::StreamOwned::new(connection, socket))
    } else {
        Box::new(socket)
    };
    read.write_all(REQUEST).expect("a request");
    let mut buffer = vec![0; 64 << 10];
    let mut lines = Lines::default();
    loop {
        let count = read.read(&mut buffer).expect("more");
        assert!(count > 0, "the server closed");
        if !receiver.piece(&mut lines, &buffer[..count]) {
            return receiver;
        }
    }
}

trait ReadWrite: Read + Write {}
impl<T: Read + Write> ReadWrite for T {}

fn blocking(target: &Target, mut receiver: Receiver, busy_poll: bool) -> Receiver {
    let client = powerstream_blocking::Client::new(target.config()).with_tls(target.tls());
    let runtime = Blocking::default().with_busy_poll(busy_poll);
    let mut stream = client.with_runtime(runtime).stream().expect("a stream");
    while receiver.event(&stream.next().expect("an event")) {}
    receiver
}

/// Receives like [`blocking`], and matches each Post against the rules before it is delivered.
fn deciding(target: &Target, mut receiver: Receiver) -> Receiver {
    let mut rules = Compiled::new(&parse(&short(&Language::new(), 1_000)));
    let client = powerstream_blocking::Client::new(target.config()).with_tls(target.tls());
    let mut stream = client.stream().expect("a stream");
    loop {
        let event = stream.next().expect("an event");
        if let SessionEvent::Message(message) = &event {
            std::hint::black_box(rules.count_message(message.bytes));
        }
        if !receiver.event(&event) {
            return receiver;
        }
    }
}

fn one_thread() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
}

fn two_threads(client: impl Future<Output = Receiver> + Send + 'static) -> Receiver {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async { tokio::spawn(client).await.expect("a task") })
}

async fn on_tokio(target: Target, mut receiver: Receiver) -> Receiver {
    let client = powerstream_tokio::Client::new(target.config()).with_tls(target.tls());
    let mut stream = client.stream().expect("a stream");
    while receiver.event(&stream.next().await.expect("an event")) {}
    receiver
}

fn on_smol(target: &Target, mut receiver: Receiver) -> Receiver {
    let client = powerstream_smol::Client::new(target.config()).with_tls(target.tls());
    smol::block_on(async {
        let mut stream = client.stream().expect("a stream");
        while receiver.event(&stream.next().await.expect("an event")) {}
        receiver
    })
}

fn epoll(target: &Target, mut receiver: Receiver) -> Receiver {
    Epoll::new(target, 1).run(|event| receiver.event(event));
    receiver
}

async fn bare_on_tokio(target: Target, receiver: Receiver) -> Receiver {
    let socket = tokio_socket(&target).await;
    match tokio_tls(&target) {
        Some((connector, name)) => {
            bare_async(connector.connect(name, socket).await.expect("TLS"), receiver).await
        }
        None => bare_async(socket, receiver).await,
    }
}

async fn bare_async<S>(mut socket: S, mut receiver: Receiver) -> Receiver
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    socket.write_all(REQUEST).await.expect("a request");
    let mut buffer = vec![0; 64 << 10];
    let mut lines = Lines::default();
    loop {
        let count = socket.read(&mut buffer).await.expect("more");
        assert!(count > 0, "the server closed");
        if !receiver.piece(&mut lines, &buffer[..count]) {
            return receiver;
        }
    }
}

async fn tokio_socket(target: &Target) -> tokio::net::TcpStream {
    let socket = tokio::net::TcpStream::connect(target.addr).await.expect("a connection");
    socket.set_nodelay(true).expect("an option");
    socket
}

fn tokio_tls(target: &Target) -> Option<(tokio_rustls::TlsConnector, ServerName<'static>)> {
    let name = ServerName::try_from("127.0.0.1").expect("an address");
    target.pem.as_ref().map(|_| (tokio_rustls::TlsConnector::from(Arc::new(target.rustls())), name))
}

async fn on_hyper(target: Target, receiver: Receiver) -> Receiver {
    let socket = tokio_socket(&target).await;
    match tokio_tls(&target) {
        Some((connector, name)) => {
            hyper_body(connector.connect(name, socket).await.expect("TLS"), receiver).await
        }
        None => hyper_body(socket, receiver).await,
    }
}

async fn hyper_body<S>(socket: S, mut receiver: Receiver) -> Receiver
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    let io = hyper_util::rt::TokioIo::new(socket);
    let (mut requests, connection) = hyper::client::conn::http1::handshake(io).await.expect("a client");
    tokio::spawn(connection);
    let request = hyper::Request::get("/").header("host", "localhost").body(Empty::<Bytes>::new());
    let response = requests.send_request(request.expect("a request")).await.expect("a response");
    // A spawned reader is faster than one in `block_on`.
    let reader = tokio::spawn(async move {
        let mut body = response.into_body();
        let mut lines = Lines::default();
        loop {
            let frame = body.frame().await.expect("more").expect("a frame");
            if !receiver.piece(&mut lines, frame.data_ref().expect("data")) {
                return receiver;
            }
        }
    });
    let receiver = reader.await.expect("a task");
    drop(requests);
    receiver
}

async fn on_reqwest(target: Target, mut receiver: Receiver) -> Receiver {
    let builder = reqwest::Client::builder().no_proxy().tcp_nodelay(true);
    let builder = match &target.pem {
        Some(_) => builder.tls_backend_preconfigured(target.rustls()),
        None => builder.tls_backend_preconfigured(
            rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
                .with_safe_default_protocol_versions()
                .expect("versions")
                .with_root_certificates(rustls::RootCertStore::empty())
                .with_no_client_auth(),
        ),
    };
    let client = builder.build().expect("a client");
    let response = client.get(target.url()).send().await.expect("a response");
    let reader = tokio::spawn(async move {
        let mut body = Box::pin(response.bytes_stream());
        let mut lines = Lines::default();
        loop {
            let bytes = body.next().await.expect("more").expect("bytes");
            if !receiver.piece(&mut lines, &bytes) {
                return receiver;
            }
        }
    });
    reader.await.expect("a task")
}

fn on_ureq(target: &Target, mut receiver: Receiver) -> Receiver {
    let mut config = ureq::config::Config::builder().proxy(None).no_delay(true);
    if let Some(pem) = &target.pem {
        let root = ureq::tls::Certificate::from_pem(pem.as_bytes()).expect("PEM");
        let tls = ureq::tls::TlsConfig::builder()
            .root_certs(ureq::tls::RootCerts::new_with_certs(&[root]))
            .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .build();
        config = config.tls_config(tls);
    }
    let agent: ureq::Agent = config.build().into();
    let response = agent.get(target.url()).call().expect("a response");
    let mut reader = BufReader::new(response.into_body().into_reader());
    let mut line = Vec::new();
    loop {
        line.clear();
        reader.read_until(b'\n', &mut line).expect("more");
        if line.starts_with(b"{") && !receiver.message(&line[..line.len() - 2], None) {
            return receiver;
        }
    }
}
