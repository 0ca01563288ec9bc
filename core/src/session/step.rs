//! What a session asks its driver to do.

use crate::time::Instant;

/// What the driver must do next. Exhaustive on purpose: a driver must carry out each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums, reason = "a driver must carry out each")]
pub enum Step {
    /// Resolve the origin's host anew and connect to an address that
    /// [`Origin::allows`](crate::http::origin::Origin::allows). Then call
    /// [`Session::set_wall_clock`](super::Session::set_wall_clock) and
    /// [`Session::handle_connected`](super::Session::handle_connected). Where that fails, call
    /// [`Session::handle_transport_error`](super::Session::handle_transport_error), or, once `until` has passed,
    /// [`Session::handle_timeout`](super::Session::handle_timeout).
    Connect {
        /// When to give up.
        until: Instant,
    },
    /// Send [`Session::transmit`](super::Session::transmit), and call
    /// [`Session::handle_written`](super::Session::handle_written) with the number of bytes that
    /// were sent.
    Write {
        /// When to give up.
        until: Instant,
    },
    /// Read, and call [`Session::decode`](super::Session::decode) with the bytes until it returns
    /// `None`. Call [`Session::handle_backlog`](super::Session::handle_backlog) if the read filled
    /// its buffer.
    ///
    /// Try to read first and look at the clock after. If there is no input and `until` has passed,
    /// call [`Session::handle_timeout`](super::Session::handle_timeout). Otherwise call
    /// [`Session::handle_resume`](super::Session::handle_resume), and wait.
    Read {
        /// When to call [`Session::handle_timeout`](super::Session::handle_timeout).
        until: Instant,
    },
    /// Wait, then call [`Session::handle_timeout`](super::Session::handle_timeout).
    Sleep {
        /// When to stop waiting.
        until: Instant,
    },
    /// Close what is open or under way, and call
    /// [`Session::handle_closed`](super::Session::handle_closed).
    Close,
    /// An event is waiting: [`Session::decode`](super::Session::decode) lends it, with an empty
    /// input if there is none. It returns `None` if only the end of the stream was waiting.
    Event,
    /// The session is over.
    Done,
}
