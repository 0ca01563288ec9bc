//! A TCP proxy between client and simulator that is late: it stalls, holds bytes back, dribbles,
//! and resets with what it holds.
//!
//! Each connection gets a plan from the seed and its number. Nothing is changed or reordered.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use socket2::SockRef;

/// The longest stall.
const STALL_MAX: u64 = 3_000;

/// SplitMix64.
#[derive(Clone, Debug)]
pub(crate) struct Rng(pub(crate) u64);

impl Rng {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// From `from` to `to` milliseconds.
    pub(crate) fn millis(&mut self, from: u64, to: u64) -> Duration {
        Duration::from_millis(from + self.next() % (to - from))
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.next() as usize % from.len()]
    }
}

/// A proxy that runs until it is dropped.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    base_url: String,
    state: Arc<State>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct State {
    is_over: AtomicBool,
    connections: AtomicU64,
}

/// What happens to one connection.
#[derive(Clone, Copy, Debug)]
struct Plan {
    /// Nothing passes in this time from the connection's start.
    stall: (Duration, Duration),
    /// What is late passes so many bytes at a time, a millisecond apart.
    dribble: usize,
    /// Bytes pass at multiples of this.
    flush: Duration,
    /// Everything is so much later.
    delay: Duration,
    /// Resets, or closes, with what it holds; at this time from the start.
    ends: (Duration, bool),
}

impl Plan {
    fn new(rng: &mut Rng) -> Self {
        let life = rng.millis(1_500, 6_000);
        let mut plan = Self {
            stall: (Duration::MAX, Duration::MAX),
            dribble: usize::MAX,
            flush: Duration::ZERO,
            delay: Duration::ZERO,
            ends: (life, rng.next() % 3 > 0),
        };
        match rng.next() % 4 {
            0 | 1 => {
                // Ends shortly before the connection does, or some time before.
                let to = life.saturating_sub(Duration::from_millis(rng.pick(&[2, 10, 300, 2_000])));
                plan.stall = (to.saturating_sub(rng.millis(500, STALL_MAX)), to);
                plan.dribble = rng.pick(&[100, 1_000, 20_000, usize::MAX]);
            }
            2 => plan.flush = rng.millis(50, 2_000),
            _ => plan.delay = rng.millis(100, 2_500),
        }
        plan
    }

    /// When bytes pass that come at `at` from the connection's start.
    fn passes_at(&self, at: Duration) -> Duration {
        let at = at + self.delay;
        let (from, to) = self.stall;
        let at = if from <= at && at < to { to } else { at };
        let flush = self.flush.as_nanos().max(1);
        Duration::from_nanos((at.as_nanos().div_ceil(flush) * flush) as u64)
    }
}

impl Proxy {
    /// Starts a proxy in front of this origin. TLS passes through.
    #[must_use]
    pub fn start(origin: &str, seed: u64) -> Self {
        let (scheme, upstream) = origin.split_once("://").unwrap();
        let upstream: SocketAddr = upstream.parse().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State::default());
        let accepting = Arc::clone(&state);
        let thread = std::thread::spawn(move || {
            std::thread::scope(|scope| {
                for client in listener.incoming() {
                    if accepting.is_over.load(Ordering::Relaxed) {
                        break;
                    }
                    let number = accepting.connections.fetch_add(1, Ordering::Relaxed);
                    let plan = Plan::new(&mut Rng(seed << 32 | number));
                    let is_over = &accepting.is_over;
                    scope.spawn(move || pass(client.unwrap(), upstream, plan, is_over));
                }
            });
        });
        let base_url = format!("{scheme}://{address}");
        Self { address, base_url, state, thread: Some(thread) }
    }

    /// Returns the origin that a client connects to.
    #[must_use]
    pub fn base_url(&self) -> &str {
        &self.base_url
    }

    /// Returns how many connections were made.
    #[must_use]
    pub fn connections(&self) -> u64 {
        self.state.connections.load(Ordering::Relaxed)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.state.is_over.store(true, Ordering::Relaxed);
        // Wakes the thread that accepts.
        let _ = TcpStream::connect(self.address);
        let _ = self.thread.take().unwrap().join();
    }
}

/// Passes bytes in both directions until the plan or either peer ends it.
fn pass(mut client: TcpStream, upstream: SocketAddr, plan: Plan, is_over: &AtomicBool) {
    let Ok(mut server) = TcpStream::connect(upstream) else { return };
    let tick = Some(Duration::from_millis(1));
    for socket in [&client, &server] {
        socket.set_nodelay(true).unwrap();
        socket.set_read_timeout(tick).unwrap();
    }
    client.set_write_timeout(tick).unwrap();
    let began = Instant::now();
    let (mut held, mut buffer) = (VecDeque::<(Duration, Vec<u8>)>::new(), [0; 16_384]);
    let (mut is_closed, mut is_late) = (false, false);
    while began.elapsed() < plan.ends.0 && !is_over.load(Ordering::Relaxed) {
        match client.read(&mut buffer) {
            Ok(count) if count > 0 => server.write_all(&buffer[..count]).unwrap_or_default(),
            Err(error) if is_later(&error) => {}
            _ => return,
        }
        match server.read(&mut buffer) {
            Ok(0) => is_closed = true,
            Ok(count) => held.push_back((plan.passes_at(began.elapsed()), buffer[..count].to_vec())),
            Err(error) if is_later(&error) => {}
            Err(_) => is_closed = true,
        }
        let mut left = if is_late { plan.dribble } else { usize::MAX };
        while let Some((at, bytes)) = held.front_mut().filter(|(at, _)| *at <= began.elapsed()) {
            is_late = began.elapsed() > *at + Duration::from_millis(20);
            let count = bytes.len().min(left);
            match client.write(&bytes[..count]) {
                Ok(count) => drop(bytes.drain(..count)),
                Err(error) if is_later(&error) => break,
                Err(_) => return,
            }
            left -= count.min(left);
            if bytes.is_empty() {
                held.pop_front();
            }
            if left == 0 {
                break;
            }
        }
        if is_closed && held.is_empty() {
            let _ = client.shutdown(Shutdown::Both);
            return;
        }
    }
    if plan.ends.1 {
        // Closing resets then, and takes what the client has not read with it.
        SockRef::from(&client).set_linger(Some(Duration::ZERO)).unwrap();
    }
}

fn is_later(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}
