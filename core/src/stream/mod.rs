//! From content octets to messages, and what the messages are.

pub mod connection;
pub mod framing;
mod json;
pub mod message;
mod spill;
