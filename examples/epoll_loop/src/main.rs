//! An event loop without a runtime crate: two sessions on one thread, over `mio` (epoll, kqueue,
//! IOCP).
//!
//! Run `powerstream simulate --listen 127.0.0.1:8080` in one terminal, and `cargo run -p
//! powerstream-epoll-loop -- http://127.0.0.1:8080` in another. With `simulate --tls --ca-out
//! ca.pem`, run `.. -- https://127.0.0.1:8080 ca.pem`. The program ends after 1,000 Posts of each
//! session.
//!
//! The example consists of the loop and of [`Tcp`], an `Io` whose `Pending` means that the call
//! would block. The core's driver performs the session's steps, and `powerstream-tls` adds TLS. The
//! conformance suite checks the loop (`tests/it`).

#![forbid(unsafe_code)]

mod tcp;

use std::cell::Cell;
use std::io;
use std::net::ToSocketAddrs;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use mio::{Events, Token};
use powerstream_core::buffered::Buffered;
use powerstream_core::driver::{Driver, Io};
use powerstream_core::http::{BearerToken, Origin};
use powerstream_core::read_buffer::READ_BYTES;
use powerstream_core::session::{Session, SessionConfig, SessionEvent};
use powerstream_core::transport_error::{TransportError, TransportErrorKind};
use powerstream_tls::{MaybeTls, TlsConfig};
use tcp::Tcp;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let base_url = std::env::args().nth(1).unwrap_or_else(|| "http://127.0.0.1:8080".into());
    let origin = Origin::parse(&base_url)?;
    let token = std::env::var("X_BEARER_TOKEN").unwrap_or_else(|_| "any".into());
    let tls = match std::env::args().nth(2) {
        Some(file) => TlsConfig::with_ca_pem(&std::fs::read(file)?)?,
        None => TlsConfig::platform()?,
    };
    let connector = tls.for_origin(&origin)?;
    let mut config = SessionConfig::new(origin);
    config.token = Some(BearerToken::new(&token)?);
    // Resolved once, to keep the example short. A real client resolves at every connect.
    let address = (origin.host(), origin.port()).to_socket_addrs()?.next().ok_or("no address")?;
    if !origin.allows(address.ip()) {
        return Err(Box::from(TransportError::new(TransportErrorKind::NotLoopback).to_string()));
    }

    let mut poll = mio::Poll::new()?;
    let mut events = Events::with_capacity(16);
    let mut streams = Vec::new();
    for index in 0..2 {
        let base = std::time::Instant::now();
        let registry = poll.registry().try_clone()?;
        let until = Rc::new(Cell::new(None));
        let tcp =
            Tcp { address, registry, token: Token(index), socket: None, until: Rc::clone(&until), base };
        let seed = u64::from(std::process::id()) + index as u64;
        let session =
            Session::new(vec![0; config.storage_bytes()], &config, seed, tcp.now(), tcp.unix_now())?;
        let buffered = Buffered::new(session, vec![0; READ_BYTES]);
        streams.push((Driver::new(buffered, MaybeTls::new(tcp, connector.clone())), until, 0));
    }

    let mut cx = Context::from_waker(Waker::noop());
    while streams.iter().any(|(.., posts)| *posts < 1_000) {
        let (mut is_busy, mut wait) = (false, None);
        for (index, (stream, until, posts)) in streams.iter_mut().enumerate() {
            // One event per turn, so that a busy stream does not delay the other.
            match stream.poll_next(&mut cx) {
                Poll::Pending => {
                    let left = until.get().map(|until| until.saturating_since(stream.io().now()));
                    wait = left.into_iter().chain(wait).min();
                    continue;
                }
                Poll::Ready(Some(SessionEvent::Message(message))) => *posts += message.posts().count(),
                Poll::Ready(Some(SessionEvent::KeepAlive)) => {}
                Poll::Ready(Some(event)) => eprintln!("{index}: {event:?}"),
                Poll::Ready(None) => return Err("a session gave up".into()),
            }
            is_busy = true;
        }
        if !is_busy {
            match poll.poll(&mut events, wait) {
                Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error.into()),
                _ => {}
            }
        }
    }
    for (index, (stream, _, posts)) in streams.iter().enumerate() {
        println!("{index}: {posts} Posts, {} bytes", stream.buffered().session().byte_counts().received);
    }
    Ok(())
}
