//! The steps that a session requests from its driver.

use crate::time::Instant;

/// The next step. The enum is exhaustive because a driver must handle every step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums, reason = "a driver must handle every step")]
pub enum Step {
    /// Resolve the origin's host again, and connect to an address that
    /// [`Origin::allows`](crate::http::origin::Origin::allows). Then call
    /// [`Session::set_wall_clock`](super::Session::set_wall_clock) and
    /// [`Session::handle_connected`](super::Session::handle_connected). If it fails, call
    /// [`Session::handle_transport_error`](super::Session::handle_transport_error). At `until`,
    /// call [`Session::handle_timeout`](super::Session::handle_timeout).
    Connect {
        /// The deadline.
        until: Instant,
    },
    /// Send [`Session::transmit`](super::Session::transmit), and call
    /// [`Session::handle_written`](super::Session::handle_written) with the number of bytes sent.
    Write {
        /// The deadline.
        until: Instant,
    },
    /// Read, and call [`Session::decode`](super::Session::decode) with the bytes until it returns
    /// `None`. Call [`Session::handle_backlog`](super::Session::handle_backlog) if the read filled
    /// its buffer.
    ///
    /// Read before checking the clock. If there is no input and `until` has passed, call
    /// [`Session::handle_timeout`](super::Session::handle_timeout). If there is no input before
    /// `until`, call [`Session::handle_resume`](super::Session::handle_resume), and wait.
    Read {
        /// The deadline.
        until: Instant,
    },
    /// Wait, then call [`Session::handle_timeout`](super::Session::handle_timeout).
    Sleep {
        /// The end of the wait.
        until: Instant,
    },
    /// Close the connection, open or in progress, and call
    /// [`Session::handle_closed`](super::Session::handle_closed).
    Close,
    /// An event is pending. Call [`Session::decode`](super::Session::decode) to get it, with an
    /// empty input if there is no input. It returns `None` if only the end of the stream was
    /// pending.
    Event,
    /// The session has ended.
    Done,
}
