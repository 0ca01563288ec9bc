//! An event loop over `std` sockets that performs each step of a session itself, without an
//! adapter. It ends after 1,000 Posts.
//!
//! Run `powerstream simulate --listen 127.0.0.1:8080` in one terminal, and in another `cargo run -p
//! powerstream-core --features std --example own_loop -- 127.0.0.1:8080`.

use std::io::{Error, ErrorKind, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::{Duration, SystemTime};

use powerstream_core::http::{BearerToken, Origin};
use powerstream_core::read_buffer::READ_BYTES;
use powerstream_core::session::{Session, SessionConfig, SessionEvent, Step};
use powerstream_core::time::Instant;
use powerstream_core::transport_error::{TransportError, TransportErrorKind};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let authority = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8080".into());
    let base_url = format!("http://{authority}");
    let origin = Origin::parse(&base_url)?;
    let token = std::env::var("X_BEARER_TOKEN").unwrap_or_else(|_| "any".into());
    let mut config = SessionConfig::new(origin);
    config.token = Some(BearerToken::new(&token)?);

    // The caller chooses the epoch of the clock. The seed of the jitter should differ per client.
    let base = std::time::Instant::now();
    let now = || Instant::from_std(std::time::Instant::now(), base);
    let seed = u64::from(std::process::id());
    let storage = vec![0; config.storage_bytes()];
    let mut session = Session::new(storage, &config, seed, now(), SystemTime::now().into())?;
    let mut buffer = vec![0; READ_BYTES];
    let mut socket: Option<TcpStream> = None;
    let mut posts = 0;
    // Sockets reject a timeout of zero.
    let wait = |until: Instant| Some(until.saturating_since(now()).max(Duration::from_millis(1)));
    let is_late = |error: &Error| matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut);

    while posts < 1_000 {
        match (session.poll(), &mut socket) {
            (Step::Done, _) => break,
            (Step::Sleep { until }, _) => {
                std::thread::sleep(until.saturating_since(now()));
                session.handle_timeout(now());
            }
            (Step::Connect { until }, _) => match connect(&origin, wait(until).unwrap_or_default()) {
                Ok(connected) => {
                    socket = Some(connected);
                    // Clocks drift apart over months, so report the wall-clock time at each
                    // connection.
                    session.set_wall_clock(now(), SystemTime::now().into());
                    session.handle_connected(now());
                }
                Err(fault) => session.handle_transport_error(fault, now()),
            },
            (Step::Write { until }, Some(socket)) => {
                match socket.set_write_timeout(wait(until)).and_then(|()| socket.write(session.transmit())) {
                    Ok(count) => session.handle_written(count, now()),
                    Err(error) if is_late(&error) => session.handle_timeout(now()),
                    Err(error) => session.handle_transport_error(fault(&error), now()),
                }
            }
            (Step::Read { until }, Some(socket)) => {
                // The time spent on the events of the last read does not count as idle time.
                session.handle_resume(now());
                match socket.set_read_timeout(wait(until)).and_then(|()| socket.read(&mut buffer)) {
                    Ok(0) => session.handle_eof(now()),
                    Ok(count) => {
                        let read_at = now();
                        if count == buffer.len() {
                            session.handle_backlog(read_at);
                        }
                        let mut input = &buffer[..count];
                        while let (consumed, Some(event)) = session.decode(input, read_at) {
                            posts += show(event);
                            input = &input[consumed..];
                        }
                    }
                    Err(error) if is_late(&error) => session.handle_timeout(now()),
                    Err(error) => session.handle_transport_error(fault(&error), now()),
                }
            }
            (Step::Event, _) => {
                if let (_, Some(event)) = session.decode(&[], now()) {
                    posts += show(event);
                }
            }
            (Step::Close, _) => {
                socket = None;
                session.handle_closed(now());
            }
            (Step::Write { .. } | Step::Read { .. }, None) => {
                unreachable!("a session writes and reads only on an open connection")
            }
        }
    }
    println!("{posts} Posts");
    Ok(())
}

/// Resolves the host again at each connection, and uses only addresses that the origin allows.
fn connect(origin: &Origin<'_>, timeout: Duration) -> Result<TcpStream, TransportError> {
    let addresses = (origin.host(), origin.port())
        .to_socket_addrs()
        .map_err(|_| TransportError::new(TransportErrorKind::Resolve))?;
    let mut last = TransportError::new(TransportErrorKind::NoAddress);
    for address in addresses.filter(|address| origin.allows(address.ip())) {
        match TcpStream::connect_timeout(&address, timeout) {
            Ok(socket) => {
                socket.set_nodelay(true).map_err(|error| fault(&error))?;
                return Ok(socket);
            }
            Err(error) => last = fault(&error),
        }
    }
    Err(last)
}

/// Converts a socket error to a transport error.
fn fault(error: &Error) -> TransportError {
    let kind = match error.kind() {
        ErrorKind::ConnectionRefused => TransportErrorKind::Refused,
        ErrorKind::ConnectionReset | ErrorKind::BrokenPipe => TransportErrorKind::Reset,
        _ => TransportErrorKind::Other,
    };
    TransportError::with_os_code(kind, error.raw_os_error())
}

/// Prints an event. Returns the number of Posts in it.
fn show(event: SessionEvent<'_>) -> usize {
    match event {
        SessionEvent::Message(message) => return message.posts().count(),
        SessionEvent::KeepAlive => {}
        SessionEvent::Disconnected(why) => eprintln!("{}; again in {:?}", why.reason, why.delay),
        SessionEvent::GaveUp(why) => eprintln!("{}", why.reason),
        event => eprintln!("{event:?}"),
    }
    0
}
