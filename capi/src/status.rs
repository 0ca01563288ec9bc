//! The status codes.

use crate::border::ps_bytes;

/// The result of a call. 0 to 15 are no errors.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ps_status {
    /// Done.
    Ok = 0,
    /// There is nothing now: more input is needed.
    Again = 1,
    /// The stream, the connection or the body has ended. There will be nothing more.
    End = 2,
    /// The timeout passed first.
    TimedOut = 3,
    /// The value is absent.
    Absent = 4,
    /// A pointer is null.
    Null = 16,
    /// An argument is out of range.
    Argument = 17,
    /// A text is not UTF-8.
    Utf8 = 18,
    /// The configuration is invalid.
    Config = 19,
    /// The handle is in a state that does not allow the call.
    State = 20,
    /// The caller's buffer is too short.
    Space = 21,
    /// TLS failed.
    Tls = 22,
    /// The peer violated the protocol.
    Protocol = 23,
    /// The bytes are no checkpoint, or that of another stream.
    Checkpoint = 24,
    /// The rule is invalid.
    Rule = 25,
    /// The service refused the request, or sent no usable answer.
    Service = 26,
    /// The operating system refused a resource.
    System = 27,
    /// A bug of this library. Only the handle's `_free` function may be called.
    Panic = 31,
}

impl ps_status {
    const ALL: [Self; 18] = [
        Self::Ok,
        Self::Again,
        Self::End,
        Self::TimedOut,
        Self::Absent,
        Self::Null,
        Self::Argument,
        Self::Utf8,
        Self::Config,
        Self::State,
        Self::Space,
        Self::Tls,
        Self::Protocol,
        Self::Checkpoint,
        Self::Rule,
        Self::Service,
        Self::System,
        Self::Panic,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Again => "again",
            Self::End => "end",
            Self::TimedOut => "timed_out",
            Self::Absent => "absent",
            Self::Null => "null",
            Self::Argument => "argument",
            Self::Utf8 => "utf8",
            Self::Config => "config",
            Self::State => "state",
            Self::Space => "space",
            Self::Tls => "tls",
            Self::Protocol => "protocol",
            Self::Checkpoint => "checkpoint",
            Self::Rule => "rule",
            Self::Service => "service",
            Self::System => "system",
            Self::Panic => "panic",
        }
    }

    pub(crate) const fn text(self) -> &'static str {
        match self {
            Self::Ok => "done",
            Self::Again => "more input is needed",
            Self::End => "the end is reached",
            Self::TimedOut => "the timeout passed first",
            Self::Absent => "the value is absent",
            Self::Null => "a pointer is null",
            Self::Argument => "an argument is out of range",
            Self::Utf8 => "a text is not UTF-8",
            Self::Config => "the configuration is invalid",
            Self::State => "the handle is in a state that does not allow the call",
            Self::Space => "the buffer is too short",
            Self::Tls => "TLS failed",
            Self::Protocol => "the peer violated the protocol",
            Self::Checkpoint => "the bytes are no checkpoint of this stream",
            Self::Rule => "the rule is invalid",
            Self::Service => "the service refused the request, or sent no usable answer",
            Self::System => "the operating system refused a resource",
            Self::Panic => "a bug of the library; free the handle",
        }
    }
}

fn find(status: i32) -> Option<ps_status> {
    ps_status::ALL.into_iter().find(|known| *known as i32 == status)
}

/// Returns the name of a status, such as `timed_out`; empty for a number that is no status. Valid
/// forever. Any thread.
#[unsafe(no_mangle)]
pub extern "C" fn ps_status_name(status: i32) -> ps_bytes {
    ps_bytes::optional(find(status).map(|status| status.name().as_bytes()))
}

/// Returns a sentence about a status; empty for a number that is no status. Valid forever. Any
/// thread. The `_last_error` function of the handle says more.
#[unsafe(no_mangle)]
pub extern "C" fn ps_status_text(status: i32) -> ps_bytes {
    ps_bytes::optional(find(status).map(|status| status.text().as_bytes()))
}
