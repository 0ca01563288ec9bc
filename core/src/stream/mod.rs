//! From content octets to messages, and what the messages are.

pub mod connection;
pub mod framing;
pub(crate) mod json;
pub mod message;
mod spill;
