//! A harness for sessions: a virtual clock, a scripted network, and a recorder that checks
//! invariants.
//!
//! Every script runs twice: once through `Session` and a loop of the tests, once through `Buffered`
//! and the shared driver. Both runs must leave the same transcript. Time jumps to the next event,
//! and no thread sleeps. The recorder checks these invariants at every step of every script:
//!
//! - polling twice changes nothing;
//! - every wait has an end, and no loop spins while the clock stands still;
//! - the events follow their grammar;
//! - byte counts add up;
//! - at most one connection is open;
//! - no text contains the token.

#![allow(unreachable_pub, clippy::unwrap_used, clippy::exhaustive_structs, clippy::exhaustive_enums)]

mod network;
mod recorder;

use std::task::{Context, Waker};

pub use network::{Attempt, Connect, Network, ServerAction, ms, secs};
use powerstream_core::buffered::Buffered;
use powerstream_core::driver::poll_event;
use powerstream_core::http::{BearerToken, Origin};
use powerstream_core::session::{Session, SessionConfig, Step};
use powerstream_core::time::Instant;
pub use recorder::{Recorder, Run};

pub const TOKEN: &str = "AAAAtoken-never-to-be-printed-5Zx%3D";

/// Powerstream on this machine, without jitter.
pub fn config() -> SessionConfig<'static> {
    let mut config = SessionConfig::new(Origin::parse("http://127.0.0.1:8080").unwrap());
    config.token = Some(BearerToken::new(TOKEN).unwrap());
    config.user_agent = "test/1";
    config.backoff.jitter_percent = 0;
    config.message_bytes_max = 90_000;
    config
}

/// Returns a session that has sent its request at 0 ms.
pub fn requesting() -> Session<Vec<u8>> {
    let config = config();
    let storage = vec![0; config.storage_bytes()];
    let mut session = Session::new(storage, &config, 1, at(0), Network::new([]).unix()).unwrap();
    session.handle_timeout(at(0));
    session.handle_connected(at(0));
    session.handle_written(usize::MAX, at(0));
    session
}

pub const HEAD: &str = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
pub const LAST: &[u8] = b"0\r\n\r\n";
pub const METADATA: &str = r#"{"type":"connection_metadata","datacenter":"atla","timestamp":1700000000000}"#;
pub const OPERATIONAL: &str = r#"{"errors":[{"title":"operational-disconnect","disconnect_type":"OperationalDisconnect","detail":"This stream has been disconnected for operational reasons.","type":"https://api.x.com/2/problems/operational-disconnect"}]}"#;

pub fn post(id: u64) -> String {
    format!(r#"{{"created_at":"Sat Oct 10 20:19:24 +0000 2020","id":{id},"id_str":"{id}","text":"a"}}"#)
}

pub fn chunk(data: &str) -> Vec<u8> {
    format!("{:x}\r\n{data}\r\n", data.len()).into_bytes()
}

/// Returns a message in its own chunk.
pub fn line(message: &str) -> Vec<u8> {
    chunk(&format!("{message}\r\n"))
}

/// Returns an error response with a `Content-Length`.
pub fn refusal(status: &str, fields: &str, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status}\r\n{fields}content-length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

/// Runs the script with both drivers, until the session is done or the time reaches `limit`.
pub fn run(config: &SessionConfig<'_>, net: Network, limit: u64) -> Run {
    run_seeded(config, net, limit, 7)
}

pub fn run_seeded(config: &SessionConfig<'_>, net: Network, limit: u64, seed: u64) -> Run {
    let own = through_own_loop(config, net.clone(), limit, seed);
    let driven = through_driver(config, net, limit, seed);
    assert_eq!(own.lines, driven.lines, "the two ways to drive a session differ");
    driven
}

pub fn new_session<S: AsRef<[u8]> + AsMut<[u8]>>(
    storage: S,
    config: &SessionConfig<'_>,
    net: &Network,
    seed: u64,
) -> Session<S> {
    Session::new(storage, config, seed, net.now(), net.unix()).unwrap()
}

fn through_own_loop(config: &SessionConfig<'_>, net: Network, limit: u64, seed: u64) -> Run {
    let mut session = new_session(vec![0xAA; config.storage_bytes()], config, &net, seed);
    let mut recorder = Recorder::new(net);
    let mut buffer = vec![0; recorder.net.buffer_bytes];
    recorder.limit = limit;
    while recorder.goes_on() {
        if recorder.net.is_stopped() {
            recorder.stopping = true;
            session.shutdown();
        }
        let step = session.poll();
        recorder.step(&session, step);
        match step {
            Step::Event => decode(&mut session, &[], &mut recorder),
            Step::Done => {
                recorder.over = true;
                break;
            }
            Step::Read { .. } if session.is_paused() => session.handle_resume(recorder.net.now()),
            Step::Read { until } => match recorder.net.read(&mut buffer, until) {
                Ok(Some(0)) => session.handle_eof(recorder.net.now()),
                Ok(Some(count)) => {
                    // Called before the bytes are decoded; `Buffered` calls it after.
                    if count == buffer.len() {
                        session.handle_backlog(recorder.net.now());
                    }
                    decode(&mut session, &buffer[..count], &mut recorder);
                }
                Ok(None) => session.handle_timeout(recorder.net.now()),
                Err(fault) => session.handle_transport_error(fault, recorder.net.now()),
            },
            Step::Write { until } => match recorder.net.write(session.transmit(), until) {
                Ok(Some(count)) => session.handle_written(count, recorder.net.now()),
                Ok(None) => session.handle_timeout(recorder.net.now()),
                Err(fault) => session.handle_transport_error(fault, recorder.net.now()),
            },
            Step::Connect { until } => match recorder.connect(until) {
                Ok(Some(())) => {
                    session.set_wall_clock(recorder.net.now(), recorder.net.unix());
                    session.handle_connected(recorder.net.now());
                }
                Ok(None) => session.handle_timeout(recorder.net.now()),
                Err(fault) => session.handle_transport_error(fault, recorder.net.now()),
            },
            Step::Sleep { until } => {
                recorder.net.sleep(until);
                session.handle_timeout(recorder.net.now());
            }
            Step::Close => {
                recorder.close();
                session.handle_closed(recorder.net.now());
            }
        }
    }
    recorder.finish()
}

/// Passes `input` to the session until it consumes no more.
fn decode(session: &mut Session<Vec<u8>>, mut input: &[u8], recorder: &mut Recorder) {
    let read_at = recorder.net.now();
    loop {
        let (consumed, event) = session.decode(input, read_at);
        match event {
            Some(event) => recorder.event(&event),
            None => {
                assert_eq!(consumed, input.len(), "all input is consumed");
                break;
            }
        }
        input = &input[consumed..];
    }
}

fn through_driver(config: &SessionConfig<'_>, net: Network, limit: u64, seed: u64) -> Run {
    let session = new_session(vec![0x55; config.storage_bytes()], config, &net, seed);
    let mut buffered = Buffered::new(session, vec![0; net.buffer_bytes]);
    let mut recorder = Recorder::new(net);
    let mut cx = Context::from_waker(Waker::noop());
    recorder.limit = limit;
    while recorder.goes_on() {
        let mut once = recorder::SingleStep { recorder: &mut recorder, halt: false };
        let more = poll_event(&mut buffered, &mut once, &mut cx);
        match more {
            std::task::Poll::Ready(true) => {
                let event = buffered.peek().unwrap();
                recorder.step(buffered.session(), Step::Event);
                recorder.event(&event);
                buffered.release();
            }
            std::task::Poll::Ready(false) => {
                recorder.over = true;
                break;
            }
            // Not a wait: the recorder checks the session between two steps.
            std::task::Poll::Pending => recorder.step(buffered.session(), buffered.poll()),
        }
    }
    recorder.finish()
}

pub fn at(millis: u64) -> Instant {
    Instant::from_nanos(millis * 1_000_000)
}
