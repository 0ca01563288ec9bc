//! The reference: a loop over blocking std sockets that carries out each step of a session itself.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::ops::ControlFlow;
use std::time::{Duration, SystemTime};

use powerstream_client::config::Config;
use powerstream_client::net::transport_error;
use powerstream_core::session::{Session, SessionEvent, Step};
use powerstream_core::time::{Instant, UnixTime};

use crate::read_recorder::ReadRecorder;

/// Reads a stream without TLS until `each` breaks or the session ends.
pub fn read(config: &Config, mut each: impl FnMut(SessionEvent<'_>) -> ControlFlow<()>) {
    let mut is_enough = false;
    drive(config, &ReadRecorder::default(), |event| {
        is_enough = is_enough || each(event).is_break();
        if is_enough { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
}

/// Reads a stream without TLS until `each` breaks or the session ends, and records its reads.
///
/// After a break it still hands out the events of bytes already read. Returns the moment up to
/// which the session has delivered everything.
pub fn drive(
    config: &Config,
    reads: &ReadRecorder,
    mut each: impl FnMut(SessionEvent<'_>) -> ControlFlow<()>,
) -> Option<UnixTime> {
    let base = std::time::Instant::now();
    let now = || Instant::from_std(std::time::Instant::now(), base);
    let address = config.route().address().unwrap();
    let session_config = config.session();
    let storage = vec![0; session_config.storage_bytes()];
    let seed = config.seed().unwrap_or_default();
    let mut session = Session::new(storage, &session_config, seed, now(), SystemTime::now().into()).unwrap();
    let (mut socket, mut connection): (Option<TcpStream>, _) = (None, 0);
    let mut buffer = [0; 1_000];
    loop {
        let mut read = 0;
        match session.poll() {
            Step::Sleep { until } => {
                std::thread::sleep(until.saturating_since(now()));
                session.handle_timeout(now());
            }
            Step::Connect { until } => {
                let left = until.saturating_since(now()).max(Duration::from_millis(1));
                session.set_wall_clock(now(), SystemTime::now().into());
                match TcpStream::connect_timeout(&address, left) {
                    Ok(connected) => {
                        connection = reads.add_connection();
                        reads.set_local_addr(connection, connected.local_addr().unwrap());
                        socket = Some(connected);
                        session.handle_connected(now());
                    }
                    Err(error) => session.handle_transport_error(transport_error(&error), now()),
                }
            }
            Step::Write { .. } => match socket.as_mut().unwrap().write(session.transmit()) {
                Ok(count) => session.handle_written(count, now()),
                Err(error) => session.handle_transport_error(transport_error(&error), now()),
            },
            Step::Read { until } => {
                session.handle_resume(now());
                let socket = socket.as_mut().unwrap();
                let left = until.saturating_since(now()).max(Duration::from_millis(1));
                socket.set_read_timeout(Some(left)).unwrap();
                match socket.read(&mut buffer) {
                    Ok(0) => session.handle_eof(now()),
                    Ok(count) => {
                        reads.record(connection, &buffer[..count]);
                        read = count;
                    }
                    Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                        session.handle_timeout(now());
                    }
                    Err(error) => session.handle_transport_error(transport_error(&error), now()),
                }
            }
            Step::Close => {
                socket = None;
                session.handle_closed(now());
            }
            Step::Event => {}
            Step::Done => return session.covered_until(),
        }
        let mut input = &buffer[..read];
        let at = now();
        loop {
            let (consumed, event) = session.decode(input, at);
            match event.map(&mut each) {
                Some(control) => {
                    input = &input[consumed..];
                    if control.is_break() {
                        session.shutdown();
                    }
                }
                None => break,
            }
        }
    }
}
