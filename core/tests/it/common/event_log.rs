//! Drives a connection, logs its events and checks the invariants at each step.
//!
//! The fuzz targets include this file by its path.

use powerstream_core::http::BodyFraming;
use powerstream_core::read_buffer::ReadBuffer;
use powerstream_core::stream::{Closed, Connection, ConnectionError, ConnectionErrorKind, ConnectionEvent};
use powerstream_core::time::Instant;

/// An event that outlives the input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum OwnedEvent {
    Head { status: u16, framing: BodyFraming, fields: Vec<(String, Vec<u8>)> },
    Message(Vec<u8>),
    KeepAlive,
    Skipped(u64),
    End { undelivered: u64 },
    Failed { kind: ConnectionErrorKind, offset: u64 },
    Closed(Closed),
}

impl OwnedEvent {
    pub(crate) fn from_event(event: ConnectionEvent<'_>) -> Self {
        match event {
            ConnectionEvent::Head(head) => Self::Head {
                status: head.status(),
                framing: head.parsed().framing,
                fields: head.fields().map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
            },
            ConnectionEvent::Message(message) => Self::Message(message.to_owned()),
            ConnectionEvent::KeepAlive => Self::KeepAlive,
            ConnectionEvent::Skipped { bytes } => Self::Skipped(bytes),
            ConnectionEvent::End { undelivered } => Self::End { undelivered },
            other => unreachable!("unknown event: {other:?}"),
        }
    }

    fn from_error(error: ConnectionError) -> Self {
        Self::Failed { kind: error.kind, offset: error.offset }
    }
}

/// Checks that every received byte is counted in exactly one category.
pub(crate) fn check_byte_counts<S: AsRef<[u8]> + AsMut<[u8]>>(connection: &Connection<S>, received: u64) {
    let counts = connection.byte_counts();
    let accounted = counts.head
        + counts.framing
        + counts.delivered
        + counts.separators
        + counts.skipped
        + counts.discarded
        + connection.buffered();
    assert_eq!(counts.received, received, "bytes received");
    assert_eq!(accounted, received, "bytes accounted for: {counts:?}, {} buffered", connection.buffered());
}

/// Feeds one piece until it is consumed and appends its events to `log`. `received` counts the
/// bytes since the start.
pub(crate) fn feed<S: AsRef<[u8]> + AsMut<[u8]>>(
    connection: &mut Connection<S>,
    mut piece: &[u8],
    now: Instant,
    received: &mut u64,
    log: &mut Vec<OwnedEvent>,
) {
    // Each event takes at least one byte, except the end of the body. The last call returns no
    // event.
    for _ in 0..piece.len() + 3 {
        let (consumed, event) = connection.decode(piece, now);
        let event = event.map(|event| event.map(OwnedEvent::from_event));
        *received += consumed as u64;
        check_byte_counts(connection, *received);
        piece = &piece[consumed..];
        if !push(event, log) {
            assert!(piece.is_empty(), "no further event, but bytes left");
            return;
        }
    }
    panic!("more events than bytes");
}

/// Feeds one piece like [`feed`], but by `scan_partial` and reads into `buffer`.
pub(crate) fn feed_partial<S: AsRef<[u8]> + AsMut<[u8]>>(
    connection: &mut Connection<S>,
    buffer: &mut ReadBuffer<Vec<u8>>,
    mut piece: &[u8],
    now: Instant,
    received: &mut u64,
    log: &mut Vec<OwnedEvent>,
) {
    while !piece.is_empty() {
        let room = buffer.room();
        let length = room.len().min(piece.len());
        let (read, behind) = piece.split_at(length);
        room[..length].copy_from_slice(read);
        buffer.handle_read(length);
        let unread = buffer.unread();
        piece = behind;
        for calls in 0.. {
            assert!(calls <= unread + 3, "more events than bytes");
            let (consumed, event) = connection.scan_partial(buffer.input(), now);
            buffer.consume(consumed);
            *received += consumed as u64;
            check_byte_counts(connection, *received);
            let lend = |event| OwnedEvent::from_event(connection.lend(event, buffer.scanned()));
            if !push(event.map(|event| event.map(lend)), log) {
                break;
            }
        }
        if !buffer.leave() {
            take_left(connection, buffer, received);
        }
    }
}

fn take_left<S: AsRef<[u8]> + AsMut<[u8]>>(
    connection: &mut Connection<S>,
    buffer: &mut ReadBuffer<Vec<u8>>,
    received: &mut u64,
) {
    *received += buffer.unread() as u64;
    connection.take_left(buffer.take_left());
    check_byte_counts(connection, *received);
}

/// Appends what a call returned. Returns false if no event follows.
fn push(event: Result<Option<OwnedEvent>, ConnectionError>, log: &mut Vec<OwnedEvent>) -> bool {
    match event {
        Ok(Some(event)) => {
            let silent = matches!(log.last(), Some(OwnedEvent::Failed { .. } | OwnedEvent::End { .. }));
            assert!(!silent, "{event:?} after {:?}", log.last());
            log.push(event);
            return true;
        }
        Ok(None) => {}
        Err(error) => {
            let failed = OwnedEvent::from_error(error);
            if let Some(OwnedEvent::Failed { .. }) = log.last() {
                assert_eq!(log.last(), Some(&failed), "the error changed");
            } else {
                log.push(failed);
            }
        }
    }
    false
}

/// Runs one connection from connect to close. All pieces arrive at the same instant.
pub(crate) fn run<'a, S: AsRef<[u8]> + AsMut<[u8]>>(
    connection: &mut Connection<S>,
    pieces: impl IntoIterator<Item = &'a [u8]>,
) -> Vec<OwnedEvent> {
    let mut log = Vec::new();
    let mut received = 0;
    connection.handle_connected(Instant::ZERO);
    for piece in pieces {
        feed(connection, piece, Instant::ZERO, &mut received, &mut log);
    }
    close(connection, received, log)
}

/// Runs one connection like [`run`], by `scan_partial` and with a read buffer of `buffer_bytes`.
pub(crate) fn run_partial<'a, S: AsRef<[u8]> + AsMut<[u8]>>(
    connection: &mut Connection<S>,
    buffer_bytes: usize,
    pieces: impl IntoIterator<Item = &'a [u8]>,
) -> Vec<OwnedEvent> {
    let (mut buffer, mut log, mut received) = (ReadBuffer::new(vec![0; buffer_bytes]), Vec::new(), 0);
    connection.handle_connected(Instant::ZERO);
    for piece in pieces {
        feed_partial(connection, &mut buffer, piece, Instant::ZERO, &mut received, &mut log);
    }
    take_left(connection, &mut buffer, &mut received);
    close(connection, received, log)
}

/// Runs one connection by `decode`, and by `scan_partial` with a read buffer of one of four sizes.
/// Asserts that both logs are equal.
#[allow(dead_code, reason = "the fuzz targets do not use it")]
pub(crate) fn run_all_ways<'a, S: AsRef<[u8]> + AsMut<[u8]>>(
    connection: &mut Connection<S>,
    pieces: impl IntoIterator<Item = &'a [u8]>,
) -> Vec<OwnedEvent> {
    let pieces: Vec<_> = pieces.into_iter().collect();
    let partial = run_partial(connection, [20, 50, 4_096, 40_000][pieces.len() % 4], pieces.iter().copied());
    let log = run(connection, pieces);
    assert_eq!(partial, log, "by `scan_partial`");
    log
}

fn close<S: AsRef<[u8]> + AsMut<[u8]>>(
    connection: &mut Connection<S>,
    mut received: u64,
    mut log: Vec<OwnedEvent>,
) -> Vec<OwnedEvent> {
    let closed = connection.handle_eof();
    // A last message completed by the close, and the end of the body.
    feed(connection, &[], Instant::ZERO, &mut received, &mut log);
    log.push(OwnedEvent::Closed(closed));
    check_byte_counts(connection, received);
    assert_eq!(connection.buffered(), 0, "nothing is buffered after the close");
    assert_eq!(connection.poll_timeout(), None, "no deadline runs after the close");
    log
}
