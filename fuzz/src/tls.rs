//! The TLS machine against a server in memory, with records that are cut, repeated, left out,
//! damaged or made up. Whatever arrives, the plaintext read is a beginning of the plaintext sent.

use arbitrary::Arbitrary;
use powerstream_tls::Machine;

use crate::shared::arbitrary;
use crate::tls_support::{self, Server, VERSIONS};

#[derive(Arbitrary, Debug)]
struct Input<'a> {
    is_1_3: bool,
    /// The server answers. Without one, only the bytes of the input arrive.
    has_server: bool,
    /// The handshake is completed first.
    is_connected: bool,
    ops: Vec<Op<'a>>,
}

#[derive(Arbitrary, Debug)]
enum Op<'a> {
    /// Delivers so many bytes that are on their way.
    Deliver(u16),
    DeliverAll,
    /// Bytes that the server did not send.
    Garbage(&'a [u8]),
    /// Delivers the last delivered bytes again.
    Repeat(u8),
    /// Loses bytes that are on their way.
    Lose(u8),
    /// Changes a byte that is on its way.
    Flip {
        at: u16,
        bit: u8,
    },
    /// The server sends so many bytes.
    Send(u16),
    ServerCloses,
    Read(u8),
    Write(&'a [u8]),
    Transmit(u8),
    Close,
    Eof,
}

/// The most bytes that the read buffer may have: the longest certificate chain and one record.
const INCOMING_BYTES_MAX: usize = 83 << 10;

/// Checks one input.
pub fn run(input: &[u8]) {
    if let Some(input) = arbitrary(input) {
        check(&input);
    }
}

struct Run {
    client: Machine,
    server: Option<Server>,
    /// From the server, not delivered.
    pipe: Vec<u8>,
    delivered: Vec<u8>,
    /// The number of plaintext bytes that the server sent and that the client read.
    sent: usize,
    read: usize,
    /// The bytes that arrive are not the ones that the server sent.
    is_damaged: bool,
    has_server_closed: bool,
    has_closed: bool,
}

/// The plaintext: the byte at each offset.
fn plaintext(at: usize) -> u8 {
    (at.wrapping_mul(167) >> 3) as u8
}

fn check(input: &Input<'_>) {
    let version = VERSIONS[usize::from(input.is_1_3)];
    let mut run = Run {
        client: tls_support::machine(&tls_support::client()),
        server: input.has_server.then(|| Server::healthy(version)),
        pipe: Vec::new(),
        delivered: Vec::new(),
        sent: 0,
        read: 0,
        is_damaged: false,
        has_server_closed: false,
        has_closed: false,
    };
    if input.is_connected && input.has_server {
        run.settle();
        assert!(!run.client.is_handshaking() && run.client.fault().is_none());
    }
    let mut is_eof = false;
    for op in input.ops.iter().take(64) {
        run.perform(op);
        is_eof |= matches!(op, Op::Eof);
        run.check_state();
    }
    if is_eof || run.client.fault().is_some() || run.client.ended().is_some() {
        run.client.handle_eof();
        run.read_all();
        let is_over = run.client.read(&mut [0]);
        assert!(matches!(is_over, Ok(Some(0)) | Err(_)), "the end is not reported: {is_over:?}");
    } else if !run.is_damaged && run.server.is_some() {
        // Everything that was sent arrives.
        run.settle();
        assert_eq!((run.client.fault(), run.read), (None, run.sent));
    }
}

impl Run {
    fn perform(&mut self, op: &Op<'_>) {
        match *op {
            Op::Deliver(count) => self.deliver(usize::from(count)),
            Op::DeliverAll => self.deliver(usize::MAX),
            Op::Garbage(bytes) => {
                self.is_damaged |= !bytes.is_empty();
                self.feed(bytes);
            }
            Op::Repeat(count) => {
                let from = self.delivered.len().saturating_sub(usize::from(count));
                let again = self.delivered[from..].to_vec();
                self.is_damaged |= !again.is_empty();
                self.feed(&again);
            }
            Op::Lose(count) => {
                let count = usize::from(count).min(self.pipe.len());
                self.is_damaged |= count > 0;
                self.pipe.drain(..count);
            }
            Op::Flip { at, bit } => {
                if !self.pipe.is_empty() {
                    let at = usize::from(at) % self.pipe.len();
                    self.pipe[at] ^= 1 << (bit % 8);
                    self.is_damaged = true;
                }
            }
            Op::Send(count) => {
                let Some(server) = &mut self.server else { return };
                if server.error.is_none() && !server.connection.is_handshaking() && !self.has_server_closed {
                    let bytes: Vec<u8> = (self.sent..self.sent + usize::from(count)).map(plaintext).collect();
                    server.send(&bytes);
                    self.sent += bytes.len();
                }
            }
            Op::ServerCloses => {
                if let Some(server) = &mut self.server {
                    self.has_server_closed = true;
                    server.connection.send_close_notify();
                }
            }
            Op::Read(room) => {
                self.read(usize::from(room));
            }
            Op::Write(bytes) => {
                if let Ok(count) = self.client.write(bytes) {
                    assert!(count <= bytes.len());
                }
            }
            Op::Transmit(count) => self.transmit(usize::from(count)),
            Op::Close => {
                self.client.close();
                self.has_closed = true;
            }
            Op::Eof => self.client.handle_eof(),
        }
    }

    /// Sends bytes of the client.
    fn transmit(&mut self, count: usize) {
        let count = count.min(self.client.transmit().len());
        // The server of rustls has the same assertion as the client, see `feed`.
        let is_refused = self.has_server_closed && self.is_damaged;
        if let Some(server) = self.server.as_mut().filter(|_| !is_refused) {
            server.receive(&self.client.transmit()[..count]);
        }
        self.client.handle_transmitted(count);
    }

    fn deliver(&mut self, count: usize) {
        if let Some(server) = &mut self.server {
            self.pipe.extend(server.output());
        }
        let bytes: Vec<u8> = self.pipe.drain(..count.min(self.pipe.len())).collect();
        self.feed(&bytes);
        self.delivered = bytes;
    }

    fn feed(&mut self, mut bytes: &[u8]) {
        // In debug builds, rustls 0.23 panics if an error follows its `close_notify`: it asserts
        // that it sends no second alert. The shell reads nothing after it closes.
        if self.has_closed && self.is_damaged {
            return;
        }
        while !bytes.is_empty() {
            // The buffer has room once everything is read.
            self.read_all();
            let room = self.client.read_buf();
            if room.is_empty() {
                assert!(self.client.fault().is_some() || self.client.ended().is_some(), "no room");
                return;
            }
            assert!(room.len() <= INCOMING_BYTES_MAX);
            let count = room.len().min(bytes.len());
            room[..count].copy_from_slice(&bytes[..count]);
            self.client.handle_read(count);
            bytes = &bytes[count..];
        }
    }

    fn read_all(&mut self) {
        while self.read(16_384) {}
    }

    /// Reads once. Returns true if plaintext was read.
    fn read(&mut self, room: usize) -> bool {
        let mut buffer = vec![0; room];
        let Ok(Some(count @ 1..)) = self.client.read(&mut buffer) else { return false };
        for byte in &buffer[..count] {
            assert_eq!(*byte, plaintext(self.read), "plaintext that was not sent");
            self.read += 1;
        }
        assert!(self.read <= self.sent, "more plaintext than was sent");
        true
    }

    fn check_state(&self) {
        assert!(self.client.fault().is_none() || self.client.ended().is_none());
        assert!(!format!("{:?}", self.client).is_empty());
        if let (false, Some(server)) = (self.is_damaged, &self.server) {
            assert!(server.error.is_none(), "the server refuses the client: {:?}", server.error);
        }
    }

    /// Lets both sides talk until nothing is on its way.
    fn settle(&mut self) {
        loop {
            self.transmit(usize::MAX);
            self.deliver(usize::MAX);
            self.read_all();
            let is_silent = self.server.as_ref().is_none_or(|server| !server.connection.wants_write());
            if self.client.transmit().is_empty() && self.pipe.is_empty() && is_silent {
                return;
            }
        }
    }
}
