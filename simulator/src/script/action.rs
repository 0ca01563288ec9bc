//! The parts of a parsed scenario.

use std::time::Duration;

use super::heads::BadHead;
use super::junk::Junk;
use super::names::names;
use super::refusal::Refusal;
use crate::rng::Rng;
use crate::scenario::Scenario;
use crate::wire::Cutting;

/// The settings of all streams.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stream {
    pub(crate) cutting: Cutting,
    /// Wraps each message in `[..]`.
    pub(crate) arrays: bool,
    pub(crate) keep_alives: KeepAlives,
    pub(crate) metadata: Metadata,
    /// The error of the dates in heads and metadata, in milliseconds.
    pub(crate) skew_ms: i64,
}

impl Default for Stream {
    fn default() -> Self {
        Self {
            cutting: Cutting::Whole,
            arrays: false,
            keep_alives: KeepAlives::WhenIdle,
            metadata: Metadata::First,
            skew_ms: 0,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KeepAlives {
    /// Only if nothing was sent for the interval, as the service does.
    WhenIdle,
    /// Also between every two messages.
    Between,
    /// Also before one message in eight.
    NowAndThen,
}

/// When `connection_metadata` is sent, to clients that receive it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Metadata {
    First,
    /// After ten Posts.
    Late,
    Twice,
    Never,
}

#[derive(Debug, Clone)]
pub(crate) struct Event {
    pub(crate) on: On,
    pub(crate) attempts: Attempts,
    pub(crate) endpoint: Option<String>,
    pub(crate) datacenter: Option<String>,
    pub(crate) request: Option<Requested>,
    pub(crate) times: Option<u64>,
    pub(crate) when: When,
    /// Billionths.
    pub(crate) probability: Option<u64>,
    pub(crate) action: Action,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum On {
    Stream,
    Rules,
}

names! {
    /// What a stream request asks for.
    Requested {
        Live "live",
        Backfill "backfill",
        Recovery "recovery",
    }
}

/// Ranges of attempts, including both ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Attempts(pub(crate) Vec<(u64, u64)>);

impl Attempts {
    pub(crate) fn has(&self, attempt: u64) -> bool {
        self.0.iter().any(|(first, last)| (*first..=*last).contains(&attempt))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum When {
    /// As early as possible.
    AtOnce,
    AfterPosts(u64),
    EveryPosts(u64),
    After(Duration),
    Every(Duration),
    AfterKeepAlives(u64),
    /// Since the simulator's start.
    At(Duration),
    /// On each Post, with the event's probability.
    EachPost,
}

#[derive(Debug, Clone)]
pub(crate) enum Action {
    Cut { how: How, place: Place, step: Duration },
    End,
    Refuse(Refusal),
    Interim { count: u64, status: u16 },
    SlowHead { step: Duration },
    BadHead(BadHead),
    Coding(String),
    Endless(Endless),
    BadChunk(BadChunk),
    WrongSize(WrongSize),
    Line { bytes: Vec<u8>, then: Then },
    Junk(Option<Junk>),
    Unknown,
    Oversize { bytes: Option<usize> },
    KeepAlives { count: u64, split: bool },
    Duplicate,
    Reorder { by: u64 },
    Skewed { shift_ms: i64 },
    Quiet { length: Duration },
    Burst { length: Duration, factor: u64 },
    Pause { length: Duration },
    Ghost { length: Duration },
    Failover { name: Option<String>, headers: bool },
    Kill { name: Option<String>, length: Option<Duration> },
}

impl Action {
    /// Returns true if the action happens before the stream starts.
    pub(crate) fn is_of_request(&self) -> bool {
        match self {
            Self::Cut { place, .. } => {
                matches!(place, Place::Accept | Place::Request | Place::Head | Place::InHead)
            }
            Self::Endless(what) => what.is_of_head(),
            Self::Refuse(_)
            | Self::Interim { .. }
            | Self::SlowHead { .. }
            | Self::BadHead(_)
            | Self::Coding(_)
            | Self::Ghost { .. }
            | Self::Failover { .. } => true,
            _ => false,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum How {
    Reset,
    Close,
    HalfClose,
    Stall,
    Trickle,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    Accept,
    Request,
    Head,
    InHead,
    Between,
    InSize,
    InMessage,
    InLineEnd,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Then {
    Nothing,
    End,
    Close,
    Reset,
}

names! {
    /// Parts of a response that never end.
    Endless {
        StatusLine "status-line",
        Field "field",
        Fields "fields",
        Interim "interim",
        ErrorBody "error-body",
        SizeLine "size-line",
        Extension "extension",
        Trailer "trailer",
        Trailers "trailers",
        Message "message",
        KeepAlives "keep-alives",
    }
}

impl Endless {
    fn is_of_head(self) -> bool {
        matches!(self, Self::StatusLine | Self::Field | Self::Fields | Self::Interim | Self::ErrorBody)
    }

    /// Returns the bytes that are sent once, and the ones that are repeated.
    pub(crate) fn bytes(self) -> (&'static str, &'static str) {
        match self {
            Self::StatusLine => ("HTTP/1.1 200 ", "OK"),
            Self::Field => ("HTTP/1.1 200 OK\r\nx-endless: ", "value"),
            Self::Fields => ("HTTP/1.1 200 OK\r\n", "x-endless: value\r\n"),
            Self::Interim => ("", "HTTP/1.1 102 Processing\r\n\r\n"),
            Self::ErrorBody => ("HTTP/1.1 503 Service Unavailable\r\ncontent-type: text/html\r\n\r\n", "<p>"),
            Self::SizeLine => ("", "0"),
            Self::Extension => ("5;name=", "value"),
            Self::Trailer => ("0\r\nx-endless: ", "value"),
            Self::Trailers => ("0\r\n", "x-endless: value\r\n"),
            Self::Message => ("", "10\r\nno line end here\r\n"),
            Self::KeepAlives => ("", "2\r\n\r\n\r\n"),
        }
    }
}

names! {
    /// Broken chunked framing. The message in such a chunk is `{"id":1}`.
    BadChunk {
        Any "any",
        Size "size",
        Word "word",
        Sign "sign",
        Empty "empty",
        HexPrefix "hex-prefix",
        Space "space",
        Tab "tab",
        Underscore "underscore",
        TooManyDigits "too-many-digits",
        Overflow "overflow",
        LfAlone "lf-alone",
        CrAlone "cr-alone",
        CrCrLf "cr-cr-lf",
        NoEnd "no-end",
        WrongEnd "wrong-end",
        LfEnd "lf-end",
        EmptyLine "empty-line",
        CrInExtension "cr-in-extension",
        LfInExtension "lf-in-extension",
        NulInExtension "nul-in-extension",
        BadTrailer "bad-trailer",
        FoldedTrailer "folded-trailer",
        Html "html",
    }
}

impl BadChunk {
    /// The message in such a chunk, and the start of a chunk that is valid up to the message's line
    /// end.
    pub(crate) const MESSAGE: &str = "{\"id\":1}";
    pub(crate) const WHOLE: &[u8] = b"a\r\n{\"id\":1}\r\n";

    pub(crate) fn bytes(self, rng: &mut Rng) -> Vec<u8> {
        const DATA: &str = "{\"id\":1}\r\n";
        let sized = |size: &str| format!("{size}\r\n{DATA}\r\n");
        let text = match self {
            Self::Any => {
                let (_, other) = rng.pick(&Self::NAMES[2..]);
                return other.bytes(rng);
            }
            // An invalid chunk size.
            Self::Size => {
                let sizes = [Self::Word, Self::Sign, Self::Empty, Self::Space, Self::Html];
                return rng.pick(&sizes).bytes(rng);
            }
            Self::Word => sized("xyz"),
            Self::Sign => sized(if rng.percent(50) { "+a" } else { "-5" }),
            Self::Empty => sized(""),
            Self::HexPrefix => sized("0xa"),
            Self::Space => sized(" a"),
            Self::Tab => sized("\ta"),
            Self::Underscore => sized("0_a"),
            Self::TooManyDigits => sized("0000000000000000000000000000a"),
            Self::Overflow => sized("ffffffffffffffffa"),
            Self::LfAlone => format!("a\n{DATA}\r\n"),
            Self::CrAlone => format!("a\r{DATA}\r\n"),
            Self::CrCrLf => format!("a\r\r\n{DATA}\r\n"),
            Self::NoEnd => format!("a\r\n{DATA}a\r\n{DATA}\r\n"),
            Self::WrongEnd => format!("a\r\n{DATA}xx"),
            Self::LfEnd => format!("a\r\n{DATA}\na\r\n{DATA}\r\n"),
            Self::EmptyLine => format!("\r\na\r\n{DATA}\r\n"),
            Self::CrInExtension => format!("a;x=\ry\r\n{DATA}\r\n"),
            Self::LfInExtension => format!("a;x=\ny\r\n{DATA}\r\n"),
            Self::NulInExtension => format!("a;x=\0y\r\n{DATA}\r\n"),
            Self::BadTrailer => "0\r\nno colon here\r\n\r\n".to_owned(),
            Self::FoldedTrailer => "0\r\nx-a: b\r\n c\r\n\r\n".to_owned(),
            Self::Html => "<html><body>502 Bad Gateway</body></html>\r\n".to_owned(),
        };
        text.into_bytes()
    }
}

names! {
    /// Wrong chunk sizes.
    WrongSize {
        Smaller "smaller",
        Larger "larger",
        Huge "huge",
        Zero "zero",
    }
}

/// A complete scenario.
pub(crate) struct Definition {
    pub(crate) description: String,
    /// The built-in scenario, if it is one.
    pub(crate) named: Option<Scenario>,
    pub(crate) stream: Stream,
    pub(crate) events: Vec<Event>,
}
