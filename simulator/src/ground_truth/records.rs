//! What the log says: of a message, of a connection, of all of them.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use crate::scenario::Scenario;
use crate::tls::TlsFault;

/// One message as it was written.
#[derive(Clone)]
#[non_exhaustive]
pub struct MessageRecord {
    /// Its place on the connection, from 0.
    pub index: u64,
    /// The id of the Post, for a Post that has one.
    pub post_id: Option<u64>,
    /// How long it is, without its CR LF.
    pub len: usize,
    /// The message without its CR LF; `None` once the log has let go of it.
    pub bytes: Option<Arc<[u8]>>,
    /// Just before the `write()` whose bytes complete its CR LF.
    pub written_at: Instant,
}

impl fmt::Debug for MessageRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { index, post_id, len, .. } = self;
        write!(f, "message {index}: {len} bytes, Post {post_id:?}")
    }
}

/// One connection as it went.
#[derive(Clone)]
#[non_exhaustive]
pub struct ConnectionRecord {
    /// Its number, from 1, in the order of acceptance.
    pub number: u64,
    /// The client's address.
    pub peer: SocketAddr,
    /// The datacenter it came to.
    pub datacenter: Arc<str>,
    /// When it was accepted.
    pub accepted_at: Instant,
    /// The request target, query included; `None` until there is a request that can be read. Not in
    /// the `Debug` text.
    pub target: Option<String>,
    /// The status that was answered.
    pub status: Option<u16>,
    /// Messages written completely, connection metadata and junk included.
    pub messages: u64,
    /// Those of them that are Posts of the source.
    pub posts: u64,
    /// Keep-alives written.
    pub keep_alives: u64,
    /// Bytes of the decoded body: messages and keep-alives, with their line ends, that were written
    /// completely.
    pub payload_bytes: u64,
    /// Bytes given to the socket: head, framing and body.
    pub wire_bytes: u64,
    /// When the scenario's fault began.
    pub fault_at: Option<Instant>,
    /// How it ended; `None` while it is open.
    pub end: Option<End>,
}

impl fmt::Debug for ConnectionRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectionRecord")
            .field("number", &self.number)
            .field("peer", &self.peer)
            .field("datacenter", &self.datacenter)
            .field("status", &self.status)
            .field("messages", &self.messages)
            .field("posts", &self.posts)
            .field("keep_alives", &self.keep_alives)
            .field("payload_bytes", &self.payload_bytes)
            .field("wire_bytes", &self.wire_bytes)
            .field("end", &self.end)
            .finish_non_exhaustive()
    }
}

/// How a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum End {
    /// The client closed or reset it, or its network did.
    ClientLeft,
    /// No whole request head came in time.
    NoRequest,
    /// The TLS handshake failed: the client speaks no TLS, or took no liking to the certificate.
    NoHandshake,
    /// The request was refused, and the reason was not a scenario.
    Refused,
    /// The scenario ended it, or had it hang until the client left.
    Fault(Scenario),
    /// The TLS fault ended it, or had it hang until the client left.
    TlsFault(TlsFault),
    /// An event of a script ended it, or one by hand.
    Scripted,
    /// All that was asked for is sent: an answer, or a span of the past.
    Complete,
    /// The client fell further behind than the simulator remembers.
    SlowReader,
    /// Its datacenter was switched off.
    Killed,
    /// The simulator was shut down.
    Shutdown,
}

/// Sums since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Totals {
    /// Connections accepted.
    pub connections: u64,
    /// Connections open now.
    pub open: u64,
    /// Connections that were answered with a stream.
    pub streams: u64,
    /// Messages written completely.
    pub messages: u64,
    /// Those of them that are Posts of the source.
    pub posts: u64,
    /// Keep-alives written.
    pub keep_alives: u64,
    /// Bytes of messages and keep-alives with their line ends.
    pub payload_bytes: u64,
    /// Bytes given to the sockets.
    pub wire_bytes: u64,
    /// Messages the log has forgotten.
    pub forgotten: u64,
}
