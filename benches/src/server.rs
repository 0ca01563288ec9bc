//! The server that clients are measured against. It is a process of its own, so that the CPU time
//! and allocations of a client do not contain those of the server.
//!
//! It replaces the id of each Post by the time at which the Post is due, in nanoseconds of the
//! machine's monotonic clock. Every client reads the id, and knows the latency. Posts are due at
//! random times that do not depend on the client. If a client is late, Posts wait in its socket,
//! and this counts (there is no coordinated omission).

use std::io::{BufRead, BufReader, Lines, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use powerstream_workload::framing::HEAD;
use powerstream_workload::posts::{self, Random};
use powerstream_workload::tls;
use rustix::time::{ClockId, clock_gettime};
use rustls::{ServerConnection, StreamOwned};

const CHILD: &str = "--serve";

/// Added to a time, so that every id has 19 digits.
const EPOCH: u64 = 1_000_000_000_000_000_000;

/// Returns the nanoseconds of the machine's monotonic clock, as ids contain them.
#[must_use]
pub fn now() -> u64 {
    let time = clock_gettime(ClockId::Monotonic);
    EPOCH + time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// What to send.
#[derive(Clone, Copy, Debug)]
pub struct Order {
    /// True for TLS.
    pub is_tls: bool,
    /// The number of connections, which are served in turn.
    pub connections: usize,
    /// The mean number of Posts per second on all connections; 0 for as many as possible.
    pub rate: u64,
    /// The number of Posts on all connections.
    pub posts: usize,
}

/// The server process.
pub struct Server {
    child: Child,
    stdin: ChildStdin,
    /// Kept open, so that the process can always write.
    _stdout: Lines<BufReader<ChildStdout>>,
    /// The address that it listens on.
    pub addr: SocketAddr,
    /// The certificate that clients must trust.
    pub pem: String,
}

impl Server {
    /// Starts this program again as the server, on the first core. Its `main` must begin with
    /// [`serve_if_child`].
    ///
    /// # Panics
    /// If the program cannot be started.
    #[must_use]
    pub fn start() -> Self {
        let program = std::env::current_exe().expect("the path of this program");
        let mut child = Command::new(program)
            .arg(CHILD)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a process");
        let stdin = child.stdin.take().expect("a pipe");
        let mut stdout = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        let mut line = || stdout.next().expect("a line").expect("UTF-8");
        let addr = line().parse().expect("an address");
        let mut pem = String::new();
        loop {
            let line = line();
            pem += &line;
            pem.push('\n');
            if line.starts_with("-----END") {
                break;
            }
        }
        Self { child, stdin, _stdout: stdout, addr, pem }
    }

    /// Makes the server accept connections and serve them as ordered.
    ///
    /// # Panics
    /// If the process ended.
    pub fn order(&mut self, order: Order) {
        let Order { is_tls, connections, rate, posts } = order;
        writeln!(self.stdin, "{} {connections} {rate} {posts}", u8::from(is_tls)).expect("a running server");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Becomes the server, and does not return, if [`Server::start`] started this process.
///
/// # Panics
/// If an order is malformed.
pub fn serve_if_child() {
    if !std::env::args().any(|argument| argument == CHILD) {
        return;
    }
    if let Some(core) = core_affinity::get_core_ids().and_then(|cores| cores.first().copied()) {
        core_affinity::set_for_current(core);
    }
    allow_many_files();
    let tls = tls::Server::new();
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    print!("{}\n{}", listener.local_addr().expect("an address"), tls.pem);
    let chunks: Vec<_> = posts::load().iter().filter_map(|post| Template::new(post)).collect();
    assert!(!chunks.is_empty(), "no Post has an id");
    for line in std::io::stdin().lines() {
        let line = line.expect("UTF-8");
        let words: Vec<u64> = line.split(' ').map(|word| word.parse().expect("a number")).collect();
        let [is_tls, connections, rate, posts] = words[..] else { panic!("not an order: {line}") };
        let config = (is_tls == 1).then(|| tls.config.clone());
        let mut sockets: Vec<Box<dyn Socket>> = (0..connections)
            .map(|_| {
                let (socket, _) = listener.accept().expect("a connection");
                socket.set_nodelay(true).expect("an option");
                let mut socket: Box<dyn Socket> = match &config {
                    Some(config) => {
                        let connection = ServerConnection::new(config.clone()).expect("a server");
                        Box::new(StreamOwned::new(connection, socket))
                    }
                    None => Box::new(socket),
                };
                accept(&mut *socket);
                socket
            })
            .collect();
        // A client that has enough closes, which ends the order.
        let _ = serve(&mut sockets, &chunks, rate, posts as usize);
        for socket in &mut sockets {
            while matches!(socket.read(&mut [0; 64]), Ok(1..)) {}
        }
    }
    std::process::exit(0);
}

/// Raises the limit of open files as far as the system admits, for 1,000 connections.
pub(crate) fn allow_many_files() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
}

trait Socket: Read + Write {}
impl Socket for TcpStream {}
impl Socket for StreamOwned<ServerConnection, TcpStream> {}

/// Reads a request and sends the response head.
fn accept(socket: &mut dyn Socket) {
    let mut request = Vec::new();
    let mut buffer = [0; 4_096];
    while !request.ends_with(b"\r\n\r\n") {
        let count = socket.read(&mut buffer).expect("a request");
        assert!(count > 0, "a client closed before its request");
        request.extend_from_slice(&buffer[..count]);
    }
    socket.write_all(HEAD).expect("an open connection");
    socket.flush().expect("an open connection");
}

/// A chunk with a Post, and where its id is.
struct Template {
    chunk: Vec<u8>,
    ids: Vec<usize>,
}

const DIGITS: usize = 19;

impl Template {
    /// Returns `None` if the Post has no id.
    fn new(post: &[u8]) -> Option<Self> {
        let mut post = post.to_vec();
        let mut ids = Vec::new();
        for key in [&b"\"id\":"[..], b"\"id_str\":\""] {
            let at = post.windows(key.len()).position(|window| window == key)? + key.len();
            let digits = post[at..].iter().take_while(|byte| byte.is_ascii_digit()).count();
            post.splice(at..at + digits, [b'1'; DIGITS]);
            ids.push(at);
        }
        let head = format!("{:x}\r\n", post.len() + 2);
        ids.iter_mut().for_each(|at| *at += head.len());
        Some(Self { chunk: [head.as_bytes(), &post, b"\r\n\r\n"].concat(), ids })
    }

    fn with_id(&mut self, mut id: u64) -> &[u8] {
        let mut digits = [0; DIGITS];
        for digit in digits.iter_mut().rev() {
            *digit = b'0' + (id % 10) as u8;
            id /= 10;
        }
        self.ids.iter().for_each(|&at| self.chunk[at..at + DIGITS].copy_from_slice(&digits));
        &self.chunk
    }
}

fn serve(
    sockets: &mut [Box<dyn Socket>],
    chunks: &[Template],
    rate: u64,
    posts: usize,
) -> std::io::Result<()> {
    let mut chunks: Vec<_> = chunks
        .iter()
        .map(|Template { chunk, ids }| Template { chunk: chunk.clone(), ids: ids.clone() })
        .collect();
    let mut random = Random::new(6);
    let count = (sockets.len(), chunks.len());
    // Time for the client to wait for input.
    std::thread::sleep(Duration::from_millis(5));
    let mut due = now();
    let mut batch = Vec::new();
    for index in 0..posts {
        let chunk = &mut chunks[index % count.1];
        let socket = &mut sockets[index % count.0];
        if rate == 0 {
            // Large writes, so that the client is the slower end. Over TLS, a record is a chunk.
            batch.extend_from_slice(chunk.with_id(EPOCH + index as u64));
            if batch.len() > 128 << 10 || index + 1 == posts {
                socket.write_all(&batch)?;
                batch.clear();
            }
            continue;
        }
        // Exponential gaps: arrivals that do not depend on each other.
        let uniform = (random.below(1 << 53) as f64 + 1.0) / (1_u64 << 53) as f64;
        due += (-uniform.ln() * 1e9 / rate as f64) as u64;
        let bytes = chunk.with_id(due);
        loop {
            let left = due.saturating_sub(now());
            match left {
                0 => break,
                // A sleep may take 60 µs longer.
                200_000.. => std::thread::sleep(Duration::from_nanos(left - 150_000)),
                _ => std::hint::spin_loop(),
            }
        }
        socket.write_all(bytes)?;
    }
    Ok(())
}
