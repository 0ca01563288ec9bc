//! The records of the log: messages, connections and totals.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use crate::scenario::Scenario;
use crate::tls::TlsFault;

/// The record of one message.
#[derive(Clone)]
#[non_exhaustive]
pub struct MessageRecord {
    /// Its index on the connection, from 0.
    pub index: u64,
    /// The id of the Post, if it is a Post with an id.
    pub post_id: Option<u64>,
    /// The length without CR LF, in bytes.
    pub len: usize,
    /// The message without CR LF. `None` if the log dropped the bytes to bound its memory.
    pub bytes: Option<Arc<[u8]>>,
    /// The instant just before the `write()` that completes its CR LF.
    pub written_at: Instant,
}

impl fmt::Debug for MessageRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { index, post_id, len, .. } = self;
        write!(f, "message {index}: {len} bytes, Post {post_id:?}")
    }
}

/// The record of one connection.
#[derive(Clone)]
#[non_exhaustive]
pub struct ConnectionRecord {
    /// Its number, from 1, in the order of acceptance.
    pub number: u64,
    /// The client's address.
    pub peer: SocketAddr,
    /// The name of the datacenter.
    pub datacenter: Arc<str>,
    /// The instant of the accept.
    pub accepted_at: Instant,
    /// The request target with its query. `None` before a valid request. Not in the `Debug` text.
    pub target: Option<String>,
    /// The status of the response.
    pub status: Option<u16>,
    /// Messages written completely, including connection metadata and junk.
    pub messages: u64,
    /// The number of those messages that are Posts of the source.
    pub posts: u64,
    /// Keep-alives written.
    pub keep_alives: u64,
    /// Bytes of complete messages and keep-alives in the decoded body, including their line ends.
    pub payload_bytes: u64,
    /// Bytes passed to the socket: head, framing and body.
    pub wire_bytes: u64,
    /// The instant when the scenario's fault began.
    pub fault_at: Option<Instant>,
    /// How the connection ended. `None` while it is open.
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
    /// The client or its network closed or reset the connection.
    ClientLeft,
    /// No complete request head arrived before the timeout.
    NoRequest,
    /// The TLS handshake failed: the client does not speak TLS, or rejected the certificate.
    NoHandshake,
    /// The request was refused, but not by a scenario.
    Refused,
    /// The scenario ended the connection, or stalled it until the client left.
    Fault(Scenario),
    /// The TLS fault ended the connection, or stalled it until the client left.
    TlsFault(TlsFault),
    /// An event of a script or a trigger ended the connection.
    Scripted,
    /// The response or the requested time window was sent completely.
    Complete,
    /// The client fell further behind than the queue allows.
    SlowReader,
    /// The datacenter was killed.
    Killed,
    /// The simulator was shut down.
    Shutdown,
}

/// Totals since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Totals {
    /// Connections accepted.
    pub connections: u64,
    /// Connections open now.
    pub open: u64,
    /// Connections with a stream as the response.
    pub streams: u64,
    /// Messages written completely.
    pub messages: u64,
    /// The number of those messages that are Posts of the source.
    pub posts: u64,
    /// Keep-alives written.
    pub keep_alives: u64,
    /// Bytes of messages and keep-alives, including their line ends.
    pub payload_bytes: u64,
    /// Bytes passed to the sockets.
    pub wire_bytes: u64,
    /// Messages that the log dropped to bound its memory.
    pub forgotten: u64,
}
