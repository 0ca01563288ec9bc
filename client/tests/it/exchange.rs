//! Runs an exchange over a transport that pends.

use std::task::{Context, Poll, Waker};

use powerstream_client::poll_exchange;
use powerstream_core::driver::Io;
use powerstream_core::http::{BearerToken, Exchange, ExchangeConfig, Method, Request};
use powerstream_core::time::{Instant, UnixTime};
use powerstream_core::transport_error::TransportError;

/// A transport that pends before each operation, and answers by a script.
struct Script {
    pend: bool,
    written: Vec<u8>,
    reads: Vec<&'static [u8]>,
    closed: bool,
}

impl Script {
    fn pends(&mut self) -> bool {
        self.pend = !self.pend;
        self.pend
    }
}

impl Io for Script {
    fn now(&self) -> Instant {
        Instant::ZERO
    }

    fn unix_now(&self) -> UnixTime {
        UnixTime::default()
    }

    fn poll_connect(&mut self, _: &mut Context<'_>, _: Instant) -> Poll<Result<Option<()>, TransportError>> {
        if self.pends() { Poll::Pending } else { Poll::Ready(Ok(Some(()))) }
    }

    fn poll_write(
        &mut self,
        _: &mut Context<'_>,
        bytes: &[u8],
        _: Instant,
    ) -> Poll<Result<Option<usize>, TransportError>> {
        if self.pends() {
            return Poll::Pending;
        }
        let count = bytes.len().min(50);
        self.written.extend_from_slice(&bytes[..count]);
        Poll::Ready(Ok(Some(count)))
    }

    fn poll_read(
        &mut self,
        _: &mut Context<'_>,
        buffer: &mut [u8],
        _: Instant,
    ) -> Poll<Result<Option<usize>, TransportError>> {
        if self.pends() {
            return Poll::Pending;
        }
        if self.reads.is_empty() {
            return Poll::Ready(Ok(Some(0)));
        }
        let read = self.reads.remove(0);
        buffer[..read.len()].copy_from_slice(read);
        Poll::Ready(Ok(Some(read.len())))
    }

    fn poll_sleep(&mut self, _: &mut Context<'_>, _: Instant) -> Poll<()> {
        unreachable!("an exchange never sleeps")
    }

    fn poll_close(&mut self, _: &mut Context<'_>) -> Poll<()> {
        if self.pends() {
            return Poll::Pending;
        }
        self.closed = true;
        Poll::Ready(())
    }
}

const BODY: &[u8] = b"{\"add\":[]}";

#[test]
fn completes_an_exchange_over_a_transport_that_pends() {
    let mut request = Request::new(Method::Post, "api.x.com", "/2/powerstream/rules");
    request.token = Some(BearerToken::new("s3cr3t").unwrap());
    let storage = vec![0; 2_048];
    let mut exchange =
        Exchange::new(storage, &request, Some(BODY), ExchangeConfig::default(), Instant::ZERO).unwrap();
    let mut io = Script {
        pend: false,
        written: Vec::new(),
        reads: vec![b"HTTP/1.1 201 Created\r\n", b"\r\n{\"data\":", b"{}}"],
        closed: false,
    };
    let mut cx = Context::from_waker(Waker::noop());
    let mut polls = 1;
    while poll_exchange(&mut exchange, &mut io, &mut [0; 64], &mut cx).is_pending() {
        polls += 1;
    }
    assert!(polls > 5 && io.closed && io.written.ends_with(BODY));
    let answer = exchange.outcome().unwrap().unwrap();
    assert_eq!((answer.head.status(), answer.body, answer.is_complete), (201, &b"{\"data\":{}}"[..], true));
}
