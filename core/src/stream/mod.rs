//! From content octets to messages, and what the messages are.

pub mod connection;
pub mod framing;
mod spill;
