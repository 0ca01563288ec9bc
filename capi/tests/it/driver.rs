//! The driver in C: its settings, its output and its commands.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use powerstream_capi::{ps_event_kind, ps_kind, ps_refusal, ps_transport_error};
use powerstream_client::config::Config;
use powerstream_client::owned::OwnedEvent;
use powerstream_conformance::log::{ForeignDisconnect, ForeignEvent};
use powerstream_core::backoff::Schedule;
use powerstream_core::http::{BodyFraming, Scheme};
use powerstream_core::session::{Message, SessionEvent};
use powerstream_core::stream::{Kind, classify};
use powerstream_core::time::{TimeRange, UnixTime};
use powerstream_core::transport_error::TransportErrorKind;

/// What the driver printed.
#[derive(Debug)]
pub(crate) enum Printed {
    /// A message, a keep-alive, or a skipped message.
    Event(OwnedEvent),
    Connected(Connected),
    Refused(Refused),
    Disconnected(Disconnected),
    GaveUp(Disconnected),
    Resumed(TimeRange),
    Late,
    /// A new connection, from this local address.
    Connection(SocketAddr),
    /// The bytes of a read.
    Read(Vec<u8>),
    /// The session has ended, with the time up to which it covers the stream.
    End(Option<UnixTime>),
}

#[derive(Debug)]
pub(crate) struct Connected {
    pub(crate) status: u16,
    framing: BodyFraming,
    datacenter: String,
    backfill_minutes: u8,
    pub(crate) gap: Option<TimeRange>,
}

#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) status: u16,
    text: String,
    pub(crate) document: Vec<u8>,
}

#[derive(Debug)]
pub(crate) struct Disconnected {
    pub(crate) code: String,
    text: String,
    refusal: u64,
    announced: Option<&'static str>,
    pub(crate) delay: Duration,
    at_ceiling: bool,
    reset_ignored: bool,
    has_gap: bool,
    pub(crate) undelivered: u64,
    transport_error: u64,
    has_os_error: bool,
}

impl Disconnected {
    /// Returns the transport error, and whether it has an error number.
    pub(crate) fn transport(&self) -> Option<(TransportErrorKind, bool)> {
        let kind = match self.transport_error {
            number if number == ps_transport_error::Refused as u64 => TransportErrorKind::Refused,
            number if number == ps_transport_error::Reset as u64 => TransportErrorKind::Reset,
            _ => TransportErrorKind::Other,
        };
        (self.code == "fault").then_some((kind, self.has_os_error))
    }
}

impl Printed {
    /// Returns an event that cannot be made from its bytes.
    pub(crate) fn foreign(&self) -> Option<ForeignEvent<'_>> {
        Some(match self {
            Self::Connected(connected) => ForeignEvent::Connected {
                status: connected.status,
                framing: connected.framing,
                datacenter: (!connected.datacenter.is_empty()).then_some(&*connected.datacenter),
                gap: connected.gap,
                backfill_minutes: connected.backfill_minutes,
            },
            Self::Refused(refused) => {
                ForeignEvent::Refused { text: &refused.text, document: &refused.document }
            }
            Self::Disconnected(end) => ForeignEvent::Disconnected(ForeignDisconnect {
                code: &end.code,
                reason: &end.text,
                is_window_limit: end.refusal == ps_refusal::WindowLimit as u64,
                announced: end.announced,
                delay: end.delay,
                at_ceiling: end.at_ceiling,
                reset_ignored: end.reset_ignored,
                gap: end.has_gap,
                undelivered: end.undelivered,
            }),
            Self::GaveUp(end) => ForeignEvent::GaveUp { reason: &end.text },
            Self::Resumed(gap) => ForeignEvent::Resumed(*gap),
            _ => return None,
        })
    }
}

/// A running driver, which is ended when this value is dropped.
pub(crate) struct Driver {
    child: Child,
    output: BufReader<ChildStdout>,
}

impl Drop for Driver {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Driver {
    /// Starts the program in a mode, with further settings.
    pub(crate) fn start(
        program: &Path,
        mode: &str,
        config: &Config,
        ca_pem: Option<&str>,
        more: &[&str],
    ) -> Self {
        let mut command = Command::new(program);
        command.arg(mode).args(settings(config, ca_pem)).args(more);
        // Servers without a token of their own take any.
        command.env("TOKEN", powerstream_conformance::scripts::TOKEN);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        Self { child, output }
    }

    /// Returns where commands go. Without it, the driver gets none.
    pub(crate) fn commands(&mut self) -> Commands {
        Commands(self.child.stdin.take())
    }

    /// Returns the next event. `None` after the end of the output.
    pub(crate) fn next(&mut self) -> Option<Printed> {
        let kind = self.number()?;
        let is = |other: ps_event_kind| kind == other as u64;
        Some(if kind == 0 {
            let (has_covered, covered) = (self.flag(), self.number().unwrap());
            Printed::End(has_covered.then_some(UnixTime::from_millis(covered)))
        } else if kind == 100 {
            Printed::Connection(self.text().parse().unwrap())
        } else if kind == 101 {
            Printed::Read(self.bytes())
        } else if is(ps_event_kind::Message) {
            Printed::Event(self.message())
        } else if is(ps_event_kind::KeepAlive) {
            Printed::Event(OwnedEvent::KeepAlive)
        } else if is(ps_event_kind::Skipped) {
            Printed::Event(OwnedEvent::Skipped { bytes: self.number().unwrap() })
        } else if is(ps_event_kind::Connected) {
            Printed::Connected(Connected {
                status: self.number().unwrap() as u16,
                framing: if self.flag() { BodyFraming::Chunked } else { BodyFraming::UntilClose },
                datacenter: self.text(),
                backfill_minutes: self.number().unwrap() as u8,
                gap: if self.flag() { Some(self.range()) } else { None },
            })
        } else if is(ps_event_kind::Resumed) {
            Printed::Resumed(self.range())
        } else if is(ps_event_kind::Refused) {
            let status = self.number().unwrap() as u16;
            Printed::Refused(Refused { status, text: self.text(), document: self.bytes() })
        } else if is(ps_event_kind::Disconnected) {
            Printed::Disconnected(self.disconnected())
        } else if is(ps_event_kind::GaveUp) {
            Printed::GaveUp(self.disconnected())
        } else {
            assert!(is(ps_event_kind::Late), "an event of kind {kind}");
            Printed::Late
        })
    }

    /// Waits for the end of the program. Returns true if it succeeded.
    pub(crate) fn succeeds(mut self) -> bool {
        self.child.wait().unwrap().success()
    }

    fn disconnected(&mut self) -> Disconnected {
        let (code, text, refusal) = (self.text(), self.text(), self.number().unwrap());
        let (was_announced, announced) = (self.flag(), self.number().unwrap());
        Disconnected {
            code,
            text,
            refusal,
            announced: was_announced.then(|| kind_name(announced)),
            delay: Duration::from_nanos(self.number().unwrap()),
            at_ceiling: self.flag(),
            reset_ignored: self.flag(),
            has_gap: self.flag(),
            undelivered: self.number().unwrap(),
            transport_error: self.number().unwrap(),
            has_os_error: self.flag(),
        }
    }

    /// Checks what the driver says of a message, and returns its event.
    fn message(&mut self) -> OwnedEvent {
        let [kind, format, has_id, id] = [(); 4].map(|()| self.number().unwrap());
        let bytes = self.bytes();
        let class = classify(&bytes);
        assert_eq!(kind, ps_kind::from(&class.kind) as u64);
        assert_eq!(format > 0, matches!(class.kind, Kind::Post { .. }));
        assert_eq!((has_id == 1).then_some(id), class.post_id.map(|id| id.as_u64()));
        SessionEvent::Message(Message::new(&bytes, class)).into()
    }

    fn byte(&mut self) -> Option<u8> {
        let byte = *self.output.fill_buf().unwrap().first()?;
        self.output.consume(1);
        Some(byte)
    }

    /// Reads a number, and the blank or line feed behind it. `None` at the end.
    fn number(&mut self) -> Option<u64> {
        let mut number = 0;
        loop {
            match self.byte()? {
                byte @ b'0'..=b'9' => number = number * 10 + u64::from(byte - b'0'),
                _ => return Some(number),
            }
        }
    }

    fn flag(&mut self) -> bool {
        self.number().unwrap() == 1
    }

    fn range(&mut self) -> TimeRange {
        let [from, to] = [(); 2].map(|()| UnixTime::from_millis(self.number().unwrap()));
        TimeRange { from, to }
    }

    fn bytes(&mut self) -> Vec<u8> {
        let mut bytes = vec![0; self.number().unwrap() as usize];
        self.output.read_exact(&mut bytes).unwrap();
        self.byte();
        bytes
    }

    fn text(&mut self) -> String {
        String::from_utf8(self.bytes()).unwrap()
    }
}

/// Where the commands of a driver go.
pub(crate) struct Commands(Option<ChildStdin>);

impl Commands {
    /// Lets a driver that holds its event go on.
    pub(crate) fn go_on(&mut self) {
        self.send(b'n');
    }

    /// Shuts the stream down.
    pub(crate) fn shut_down(&mut self) {
        self.send(b's');
    }

    /// A driver that has ended takes no commands.
    fn send(&mut self, command: u8) {
        if let Some(stdin) = &mut self.0 {
            let _ = stdin.write_all(&[command]);
        }
    }
}

/// The kinds that the suite names, by the numbers of the header.
fn kind_name(number: u64) -> &'static str {
    const NAMES: [(ps_kind, &str); 4] = [
        (ps_kind::StreamError, "StreamError"),
        (ps_kind::Problem, "Problem"),
        (ps_kind::Disconnect, "Disconnect"),
        (ps_kind::System, "System"),
    ];
    NAMES.iter().find(|(kind, _)| *kind as u64 == number).unwrap().1
}

/// Returns the arguments of the driver for a configuration.
fn settings(config: &Config, ca_pem: Option<&str>) -> Vec<String> {
    let session = config.session();
    let scheme = if session.origin.scheme() == Scheme::Https { "https" } else { "http" };
    let schedule =
        |schedule: Schedule| format!("{},{}", schedule.first.as_nanos(), schedule.ceiling.as_nanos());
    let mut settings = vec![
        format!("base_url={scheme}://{}", session.origin.authority()),
        format!("message_bytes_max={}", session.message_bytes_max),
        format!("connect={}", session.timeouts.connect.as_nanos()),
        format!("head={}", session.timeouts.head.as_nanos()),
        format!("idle={}", session.timeouts.idle.as_nanos()),
        format!("message={}", session.timeouts.message.as_nanos()),
        format!("network={}", schedule(session.backoff.network)),
        format!("http={}", schedule(session.backoff.http)),
        format!("rate_limit={}", schedule(session.backoff.rate_limit)),
        format!("seed={}", config.seed().unwrap()),
        format!("local_dc_only={}", u8::from(session.local_dc_only)),
        format!("keep_duplicates={}", u8::from(config.dedup_window().is_none())),
    ];
    if let Some(pem) = ca_pem {
        static FILES: AtomicU64 = AtomicU64::new(0);
        let name = format!("capi-{}.pem", FILES.fetch_add(1, Ordering::Relaxed));
        let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        std::fs::write(&file, pem).unwrap();
        settings.push(format!("ca={}", file.display()));
    }
    settings.extend(config.proxy().map(|proxy| format!("proxy=http://{}:{}", proxy.host(), proxy.port())));
    settings.extend(config.route().local().map(|local| format!("local_address={}", local.ip())));
    settings
}
