//! The ground truth log: every message that the simulator wrote, byte for byte, with its time.
//!
//! Tests compare it with what a client delivered. The latency of a message counts from the instant
//! just before the `write()` that completes it. The record is made *before* that write, because the
//! client may have the message before the call returns. If the write fails, the record is removed.
//!
//! Memory is bounded by `ground_truth_messages_max` records and `ground_truth_bytes_max` bytes.
//! Beyond the first limit, the oldest records are dropped. Beyond the second, the oldest records
//! lose their bytes. Of the closed connections, the last thousand are kept. Totals are never reset.

mod log;
mod recorder;
mod records;
mod store;

pub use self::log::GroundTruth;
pub(crate) use self::recorder::{InFlight, Recorder};
pub use self::records::{ConnectionRecord, End, MessageRecord, Totals};
