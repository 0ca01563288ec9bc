//! The driver in C gives the same event logs as the reference, delivers the same bytes, keeps all
//! deadlines, and reports every loss.

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use powerstream_client::shutdown::ShutdownHandle;
use powerstream_conformance::log::Recorder;
use powerstream_conformance::scripts::{TestCase, check, check_some, check_tls_faults};
use powerstream_conformance::timeouts::{ReadDisconnect, ReadEvent, ReadHandle, ReadJob};
use powerstream_conformance::{Transport, no_silent_loss, timeouts};

use crate::driver::{Driver, Printed};
use crate::support::program;

fn read(driver: &Path, mode: &str, mut case: TestCase) -> Recorder {
    let mut driver = Driver::start(driver, mode, &case.config, case.ca_pem.as_deref(), &[]);
    let recorder = &mut case.recorder;
    loop {
        let printed = driver.next().expect("the driver ended before the script was complete");
        let flow = match printed {
            Printed::Event(event) => recorder.record(event),
            other => {
                other.foreign().map_or(ControlFlow::Continue(()), |event| recorder.record_foreign(event))
            }
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
        check(Transport::Tls, &|case| read(&driver, "session", case));
        check_tls_faults(&|case| read(&driver, "session", case));
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

fn read_event(printed: Printed) -> Option<ReadEvent> {
    Some(match printed {
        Printed::Event(event) => event.into(),
        Printed::Connected(connected) => {
            ReadEvent::Connected { status: connected.status, gap: connected.gap }
        }
        Printed::Refused(refused) => {
            ReadEvent::Refused { status: refused.status, document: refused.document }
        }
        Printed::Disconnected(end) => ReadEvent::Disconnected(ReadDisconnect {
            transport: end.transport(),
            code: end.code,
            delay: end.delay,
            undelivered: end.undelivered,
        }),
        Printed::GaveUp(end) => ReadEvent::GaveUp { code: end.code },
        Printed::Resumed(_) | Printed::Late => ReadEvent::Other,
        _ => return None,
    })
}

/// Starts a driver that holds each event until the test has taken it.
fn start(driver: &Path, mode: &str, job: ReadJob) -> ReadHandle {
    let mut driver = Driver::start(driver, mode, &job.config, job.ca_pem.as_deref(), &["hold=1"]);
    let commands = Arc::new(Mutex::new(driver.commands()));
    let (shutdown, is_over) = (ShutdownHandle::new(), Arc::new(AtomicBool::new(false)));
    let watch = (shutdown.clone(), Arc::clone(&is_over), Arc::clone(&commands));
    std::thread::spawn(move || {
        let (shutdown, is_over, commands) = watch;
        while !shutdown.is_shut_down() && !is_over.load(Ordering::Relaxed) {
            std::thread::sleep(Duration::from_millis(1));
        }
        commands.lock().unwrap().shut_down();
    });
    let handle = shutdown.clone();
    let thread = std::thread::spawn(move || {
        let mut is_taken = true;
        while let (true, Some(printed)) = (is_taken, driver.next()) {
            if let Some(event) = read_event(printed) {
                is_taken = job.events.send((Instant::now(), event)).is_ok();
                let mut commands = commands.lock().unwrap();
                // A shutdown before the event was taken comes before the permit to go on.
                if shutdown.is_shut_down() {
                    commands.shut_down();
                }
                commands.go_on();
            }
        }
        is_over.store(true, Ordering::Relaxed);
        assert!(!is_taken || driver.succeeds());
    });
    ReadHandle::new(handle, thread)
}

/// The checks with a proxy. Below the client level, the program connects, so it has to pass the
/// proxy itself.
const WITH_PROXY: [&str; 2] = ["a tunnel through a proxy", "shutdown while a proxy is silent"];

#[test]
fn a_session_in_c_keeps_all_deadlines() {
    if let Some(driver) = program("driver") {
        timeouts::check_except(&WITH_PROXY, &|job| start(&driver, "session", job));
    }
}

#[test]
fn a_link_in_c_keeps_all_deadlines() {
    if let Some(driver) = program("driver") {
        timeouts::check_except(&WITH_PROXY, &|job| start(&driver, "link", job));
    }
}

#[test]
fn a_stream_in_c_keeps_all_deadlines() {
    if let Some(driver) = program("driver") {
        timeouts::check(&|job| start(&driver, "stream", job));
    }
}

/// Reads until the scenario is complete, records the reads, and shuts down.
fn read_live(driver: &Path, mode: &str, case: no_silent_loss::TestCase) -> no_silent_loss::Recorder {
    let mut driver = Driver::start(driver, mode, &case.config, None, &["reads=1"]);
    let (mut commands, mut recorder, mut connection) = (driver.commands(), case.recorder, 0);
    loop {
        let printed = driver.next().expect("the end, before the program ends");
        let flow = match printed {
            Printed::Event(event) => recorder.record(event),
            Printed::Connection(local) => {
                connection = case.reads.add_connection();
                case.reads.set_local_addr(connection, local);
                continue;
            }
            Printed::Read(bytes) => {
                case.reads.record(connection, &bytes);
                continue;
            }
            Printed::End(covered) => return recorder.ended(covered),
            other => {
                other.foreign().map_or(ControlFlow::Continue(()), |event| recorder.record_foreign(event))
            }
        };
        if flow.is_break() {
            commands.shut_down();
        }
    }
}

#[test]
fn a_session_in_c_reports_every_loss() {
    if let Some(driver) = program("driver") {
        no_silent_loss::check(&|case| read_live(&driver, "session", case));
    }
}

#[test]
fn a_link_in_c_reports_every_loss() {
    if let Some(driver) = program("driver") {
        no_silent_loss::check(&|case| read_live(&driver, "link", case));
    }
}
