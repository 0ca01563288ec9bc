//! Fault injection: what the events of a scenario do to a connection, ordered by when they happen.

mod accept;
mod handshake;
mod request;
mod stream;

pub(crate) use self::accept::at_accept;
pub(crate) use self::handshake::at_handshake;
pub(crate) use self::request::{at_head, before_answer};
pub(crate) use self::stream::in_stream;
