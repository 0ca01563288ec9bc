//! A faulty network: a TCP proxy that is late, stalls, holds bytes back, dribbles, and ends
//! connections in every way.
//!
//! ```
//! use powerstream_simulator::{Config, Proxy, Simulator};
//!
//! let simulator = Simulator::start(Config::default())?;
//! let proxy = Proxy::start(simulator.local_addr(), 1)?;
//! // A client that connects here has a bad network, which is the same for the same seed.
//! let url = format!("http://{}", proxy.local_addr());
//! # Ok::<(), std::io::Error>(())
//! ```

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use socket2::SockRef;

use crate::rng::Rng;

/// The longest stall, in milliseconds.
const STALL_MAX: u64 = 3_000;

/// The time without content after which clients of this proxy are expected to reconnect: a
/// connection that is silent to its end lives this much longer.
const SILENCE: Duration = Duration::from_secs(30);

/// A TCP proxy with faults, until it is dropped. TLS passes through. Bytes are neither changed nor
/// reordered.
///
/// Each connection lives for 1.5 to 6 seconds, and has one fault before. The seed and the number of
/// the connection decide which.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
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
    /// When the connection ends, from its start.
    ends_at: Duration,
    end: End,
}

/// How a connection ends, with what the proxy holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Reset,
    Close,
    /// The client sees the end, and may still send.
    HalfClose,
    /// Nothing passes any more, and the connection stays open.
    Blackhole,
}

impl Plan {
    fn new(rng: &mut Rng) -> Self {
        let life = rng.between(1_500, 6_000);
        let millis = Duration::from_millis;
        let mut plan = Self {
            stall: (Duration::MAX, Duration::MAX),
            dribble: usize::MAX,
            flush: Duration::ZERO,
            delay: Duration::ZERO,
            ends_at: millis(life),
            end: rng.pick(&[
                End::Reset,
                End::Reset,
                End::Reset,
                End::Close,
                End::Close,
                End::HalfClose,
                End::Blackhole,
            ]),
        };
        match rng.below(4) {
            0 | 1 => {
                // Ends shortly before the connection does, or some time before.
                let to = life.saturating_sub(rng.pick(&[2, 10, 300, 2_000]));
                plan.stall = (millis(to.saturating_sub(rng.between(500, STALL_MAX))), millis(to));
                plan.dribble = rng.pick(&[100, 1_000, 20_000, usize::MAX]);
            }
            2 => plan.flush = millis(rng.between(50, 2_000)),
            _ => plan.delay = millis(rng.between(100, 2_500)),
        }
        plan
    }

    /// Returns when bytes pass that come at `at` from the connection's start.
    fn passes_at(&self, at: Duration) -> Duration {
        let at = at + self.delay;
        let (from, to) = self.stall;
        let at = if from <= at && at < to { to } else { at };
        let flush = self.flush.as_nanos().max(1);
        Duration::from_nanos((at.as_nanos().div_ceil(flush) * flush) as u64)
    }
}

impl Proxy {
    /// Starts a proxy on a free port of this machine, in front of this server.
    ///
    /// # Errors
    ///
    /// The error of binding an address or of starting a thread.
    pub fn start(upstream: SocketAddr, seed: u64) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let state = Arc::new(State::default());
        let accepting = Arc::clone(&state);
        let accept = move || {
            thread::scope(|scope| {
                for client in listener.incoming() {
                    if accepting.is_over.load(Ordering::Relaxed) {
                        break;
                    }
                    let Ok(client) = client else { continue };
                    let number = accepting.connections.fetch_add(1, Ordering::Relaxed);
                    let plan = Plan::new(&mut Rng::nth(seed, number));
                    let is_over = &accepting.is_over;
                    // An error ends the connection, which is what the proxy is for.
                    scope.spawn(move || drop(pass(client, upstream, plan, is_over)));
                }
            });
        };
        let thread = thread::Builder::new().name("simulator-proxy".to_owned()).spawn(accept)?;
        Ok(Self { address, state, thread: Some(thread) })
    }

    /// Returns the address that a client connects to.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.address
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
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Passes bytes in both directions until the plan or either peer ends it.
fn pass(mut client: TcpStream, upstream: SocketAddr, plan: Plan, is_over: &AtomicBool) -> io::Result<()> {
    let mut server = TcpStream::connect(upstream)?;
    let tick = Some(Duration::from_millis(1));
    for socket in [&client, &server] {
        socket.set_nodelay(true)?;
        socket.set_read_timeout(tick)?;
    }
    client.set_write_timeout(tick)?;
    let began = Instant::now();
    let (mut held, mut buffer) = (VecDeque::<(Duration, Vec<u8>)>::new(), [0; 16_384]);
    let (mut is_closed, mut is_late) = (false, false);
    while began.elapsed() < plan.ends_at && !is_over.load(Ordering::Relaxed) {
        match client.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(count) => server.write_all(&buffer[..count])?,
            Err(error) if is_later(&error) => {}
            Err(error) => return Err(error),
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
                Err(error) => return Err(error),
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
            return client.shutdown(Shutdown::Both);
        }
    }
    match plan.end {
        // Closing resets then, and takes what the client has not read with it.
        End::Reset => SockRef::from(&client).set_linger(Some(Duration::ZERO)),
        End::Close => Ok(()),
        End::HalfClose => {
            client.shutdown(Shutdown::Write)?;
            wait_for_close(&mut client, is_over)
        }
        End::Blackhole => wait_for_close(&mut client, is_over),
    }
}

/// Waits until the client closes a connection on which nothing happens any more.
fn wait_for_close(client: &mut TcpStream, is_over: &AtomicBool) -> io::Result<()> {
    client.set_read_timeout(Some(Duration::from_millis(20)))?;
    let (began, mut buffer) = (Instant::now(), [0; 1_024]);
    while began.elapsed() < SILENCE && !is_over.load(Ordering::Relaxed) {
        match client.read(&mut buffer) {
            Ok(0) => break,
            Ok(_) => {}
            Err(error) if is_later(&error) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn is_later(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}
