//! What really happened: every message the simulator wrote, byte for byte, and when.
//!
//! Tests compare what a client delivered with it; measurements take the instant just before the
//! `write()` that completed a message as the moment from which its latency counts. A record is made
//! *before* that write, since the client may have the message before the call returns; it is taken
//! back if the write fails.
//!
//! The log is bounded: beyond `truth_messages_max` records the oldest are forgotten, beyond
//! `truth_bytes_max` bytes the oldest lose their bytes and keep the rest, and of closed connections
//! the last thousand are kept. Totals count on for ever.

mod log;
mod recorder;
mod records;
mod store;

pub use self::log::GroundTruth;
pub(crate) use self::recorder::{InFlight, Recorder};
pub use self::records::{ConnectionRecord, End, MessageRecord, Totals};
