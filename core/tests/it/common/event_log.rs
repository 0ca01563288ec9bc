//! Drives a connection, logs its events and checks the invariants at each step.
//!
//! The fuzz targets include this file by its path.

use powerstream_core::http::BodyFraming;
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
        assert!(consumed <= piece.len(), "{consumed} of {} bytes consumed", piece.len());
        let event = event.map(|event| event.map(OwnedEvent::from_event));
        *received += consumed as u64;
        check_byte_counts(connection, *received);
        match event {
            Ok(Some(event)) => {
                let silent = matches!(log.last(), Some(OwnedEvent::Failed { .. } | OwnedEvent::End { .. }));
                assert!(!silent, "{event:?} after {:?}", log.last());
                log.push(event);
                piece = &piece[consumed..];
            }
            Ok(None) => {
                assert_eq!(consumed, piece.len(), "no further event, but bytes left");
                return;
            }
            Err(error) => {
                assert_eq!(consumed, piece.len(), "an error, but bytes left");
                let failed = OwnedEvent::from_error(error);
                if let Some(OwnedEvent::Failed { .. }) = log.last() {
                    assert_eq!(log.last(), Some(&failed), "the error changed");
                } else {
                    log.push(failed);
                }
                return;
            }
        }
    }
    panic!("more events than bytes");
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
    let closed = connection.handle_eof();
    // A last message completed by the close, and the end of the body.
    feed(connection, &[], Instant::ZERO, &mut received, &mut log);
    log.push(OwnedEvent::Closed(closed));
    check_byte_counts(connection, received);
    assert_eq!(connection.buffered(), 0, "nothing is buffered after the close");
    assert_eq!(connection.poll_timeout(), None, "no deadline runs after the close");
    log
}
