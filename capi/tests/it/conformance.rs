//! The driver in C gives the same event logs as the reference, and delivers the same bytes.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use powerstream_capi::{ps_event_kind, ps_kind, ps_refusal};
use powerstream_client::owned::OwnedEvent;
use powerstream_conformance::Transport;
use powerstream_conformance::log::{ForeignDisconnect, ForeignEvent, Recorder};
use powerstream_conformance::scripts::{TestCase, check, check_some, check_tls_faults};
use powerstream_core::http::BodyFraming;
use powerstream_core::session::{Message, SessionEvent};
use powerstream_core::stream::{Kind, classify};

use crate::support::program;

/// The lines of the driver.
struct Lines(BufReader<ChildStdout>);

impl Lines {
    fn byte(&mut self) -> Option<u8> {
        let byte = *self.0.fill_buf().unwrap().first()?;
        self.0.consume(1);
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

    fn bytes(&mut self) -> Vec<u8> {
        let mut bytes = vec![0; self.number().unwrap() as usize];
        self.0.read_exact(&mut bytes).unwrap();
        self.byte();
        bytes
    }

    fn text(&mut self) -> String {
        String::from_utf8(self.bytes()).unwrap()
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

/// Checks what the driver says of a message, and returns its event.
fn message(lines: &mut Lines) -> OwnedEvent {
    let [kind, format, has_id, id] = [(); 4].map(|()| lines.number().unwrap());
    let bytes = lines.bytes();
    let class = classify(&bytes);
    assert_eq!(kind, ps_kind::from(&class.kind) as u64);
    assert_eq!(format > 0, matches!(class.kind, Kind::Post { .. }));
    assert_eq!((has_id == 1).then_some(id), class.post_id.map(|id| id.as_u64()));
    SessionEvent::Message(Message::new(&bytes, class)).into()
}

/// Ends the driver, whatever it waits for.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn read(driver: &Path, mode: &str, mut case: TestCase) -> Recorder {
    let session = case.config.session();
    let ca = match &case.ca_pem {
        None => "-".to_owned(),
        Some(pem) => {
            let name = format!("capi-{}.pem", session.origin.port());
            let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
            std::fs::write(&file, pem).unwrap();
            file.to_str().unwrap().to_owned()
        }
    };
    let scheme = if case.ca_pem.is_some() { "https" } else { "http" };
    let mut child = Command::new(driver)
        .args([mode, &format!("{scheme}://{}", session.origin.authority()), &ca])
        .arg(session.message_bytes_max.to_string())
        .arg(session.timeouts.idle.as_nanos().to_string())
        .arg(session.timeouts.connect.as_nanos().to_string())
        .arg(session.backoff.network.first.as_nanos().to_string())
        .arg(session.backoff.http.first.as_nanos().to_string())
        .arg(case.config.seed().unwrap().to_string())
        .env("TOKEN", powerstream_conformance::scripts::TOKEN)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = Lines(BufReader::new(child.stdout.take().unwrap()));
    let _running = Running(child);
    let recorder = &mut case.recorder;
    loop {
        let kind = lines.number().expect("the driver ended before the script was complete");
        let is = |other: ps_event_kind| kind == other as u64;
        let flow = if is(ps_event_kind::Message) {
            recorder.record(message(&mut lines))
        } else if is(ps_event_kind::KeepAlive) {
            recorder.record(OwnedEvent::KeepAlive)
        } else if is(ps_event_kind::Skipped) {
            recorder.record(OwnedEvent::Skipped { bytes: lines.number().unwrap() })
        } else if is(ps_event_kind::Connected) {
            let status = lines.number().unwrap() as u16;
            let framing = if lines.flag() { BodyFraming::Chunked } else { BodyFraming::UntilClose };
            let datacenter = lines.text();
            recorder.record_foreign(ForeignEvent::Connected {
                status,
                framing,
                datacenter: (!datacenter.is_empty()).then_some(&*datacenter),
                gap: lines.flag(),
                backfill_minutes: lines.number().unwrap() as u8,
            })
        } else if is(ps_event_kind::Refused) {
            let (text, document) = (lines.text(), lines.bytes());
            recorder.record_foreign(ForeignEvent::Refused { text: &text, document: &document })
        } else if is(ps_event_kind::Disconnected) || is(ps_event_kind::GaveUp) {
            let (code, reason) = (lines.text(), lines.text());
            let refusal = lines.number().unwrap();
            let (was_announced, announced) = (lines.flag(), lines.number().unwrap());
            let disconnect = ForeignDisconnect {
                code: &code,
                reason: &reason,
                is_window_limit: refusal == ps_refusal::WindowLimit as u64,
                announced: was_announced.then(|| kind_name(announced)),
                delay: Duration::from_nanos(lines.number().unwrap()),
                at_ceiling: lines.flag(),
                reset_ignored: lines.flag(),
                gap: lines.flag(),
                undelivered: lines.number().unwrap(),
            };
            recorder.record_foreign(if is(ps_event_kind::Disconnected) {
                ForeignEvent::Disconnected(disconnect)
            } else {
                ForeignEvent::GaveUp { reason: &reason }
            })
        } else if is(ps_event_kind::Resumed) {
            recorder.record_foreign(ForeignEvent::Resumed)
        } else {
            assert!(is(ps_event_kind::Late), "an event of kind {kind}");
            continue;
        };
        if flow.is_break() {
            return case.recorder;
        }
    }
}

#[test]
fn a_session_in_c_gives_the_same_event_logs_as_the_reference() {
    if let Some(driver) = program("driver") {
        check(Transport::Plain, &|case| read(&driver, "session", case));
    }
}

#[test]
fn a_link_in_c_gives_the_same_event_logs_as_the_reference() {
    if let Some(driver) = program("driver") {
        check(Transport::Plain, &|case| read(&driver, "link", case));
        check(Transport::Tls, &|case| read(&driver, "link", case));
        check_tls_faults(&|case| read(&driver, "link", case));
    }
}

#[test]
fn a_stream_in_c_gives_the_same_event_logs_as_the_reference() {
    if let Some(driver) = program("driver") {
        check(Transport::Plain, &|case| read(&driver, "stream", case));
        check(Transport::Tls, &|case| read(&driver, "stream", case));
        check_tls_faults(&|case| read(&driver, "stream", case));
    }
}

/// Scripts without keep-alives between messages, which a queue leaves out.
const WITHOUT_KEEP_ALIVES: [&str; 9] = [
    "steady",
    "split",
    "arrays",
    "oversized",
    "reset",
    "close-mid-message",
    "clean-end",
    "rate-limited",
    "unavailable",
];

#[test]
fn a_stream_with_a_reader_in_c_gives_the_same_event_logs_as_the_reference() {
    if let Some(driver) = program("driver") {
        check_some(&WITHOUT_KEEP_ALIVES, Transport::Plain, &|case| read(&driver, "reader", case));
        check_some(&WITHOUT_KEEP_ALIVES, Transport::Tls, &|case| read(&driver, "reader", case));
    }
}
