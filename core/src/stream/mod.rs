//! Decodes the bytes of a response into messages, and classifies the messages.
//!
//! | to | use |
//! |---|---|
//! | read one transport's response: head, body, messages, deadlines | [`Connection`] |
//! | find the ends of messages in a decoded body | [`Framer`] |
//! | find out what a message is, and a Post's id | [`classify`] |
//! | take an array message apart | [`elements`] |
//! | check that a message is well-formed JSON | [`validate`] |

pub(crate) mod connection;
pub(crate) mod framing;
pub(crate) mod json;
pub(crate) mod message;
mod nesting;
mod spill;

pub use connection::{
    ByteCounts, Closed, Connection, ConnectionConfig, ConnectionError, ConnectionErrorKind, ConnectionEvent,
    ScannedConnectionEvent,
};
pub use framing::{Frame, Framer, MessagePlace};
pub use json::{DEPTH_MAX, Malformed, MalformedReason};
pub use message::{
    ArrayElements, Classification, Compliance, ConnectionIssue, ConnectionMetadata, DisconnectType, Format,
    Kind, PostId, Problem, ProblemType, System, classify, elements, validate,
};
