//! Requests with an answer that ends, over an [`Io`].

use std::future::poll_fn;
use std::string::{String, ToString};
use std::task::{Context, Poll, ready};
use std::vec::Vec;
use std::{fmt, vec};

use powerstream_core::driver::Io;
use powerstream_core::http::{
    Answer, Exchange, ExchangeConfig, ExchangeError, ExchangeStep, Method, RateLimit, Request, RequestError,
    RetryAfter,
};
use powerstream_core::read_buffer::READ_BYTES;
use powerstream_core::time::UnixTime;

use crate::config::Config;
use crate::rule_api::Reply;

/// Runs the exchange to its end. [`Exchange::outcome`] then has the result.
///
/// `buffer` receives what is read: [`READ_BYTES`] is a good length. A future that polls this may be
/// dropped without loss: the next call continues where the last one stopped.
///
/// # Panics
/// Panics if `buffer` is empty: a read of zero bytes would look like the end of the stream.
pub fn poll_exchange<S, I>(
    exchange: &mut Exchange<S>,
    io: &mut I,
    buffer: &mut [u8],
    cx: &mut Context<'_>,
) -> Poll<()>
where
    S: AsRef<[u8]> + AsMut<[u8]>,
    I: Io + ?Sized,
{
    assert!(!buffer.is_empty(), "a read needs a buffer of at least one byte");
    loop {
        if io.is_stopped() {
            exchange.shutdown();
        }
        match exchange.poll() {
            ExchangeStep::Connect { until } => match ready!(io.poll_connect(cx, until)) {
                Ok(Some(())) => exchange.handle_connected(io.now()),
                Ok(None) => exchange.handle_timeout(io.now()),
                Err(fault) => exchange.handle_transport_error(fault, io.now()),
            },
            ExchangeStep::Write { until } => match ready!(io.poll_write(cx, exchange.transmit(), until)) {
                Ok(Some(count)) => exchange.handle_written(count, io.now()),
                Ok(None) => exchange.handle_timeout(io.now()),
                Err(fault) => exchange.handle_transport_error(fault, io.now()),
            },
            ExchangeStep::Read { until } => match ready!(io.poll_read(cx, buffer, until)) {
                Ok(Some(0)) => exchange.handle_eof(io.now()),
                Ok(Some(count)) => exchange.handle_input(&buffer[..count], io.now()),
                Ok(None) => exchange.handle_timeout(io.now()),
                Err(fault) => exchange.handle_transport_error(fault, io.now()),
            },
            ExchangeStep::Close => {
                ready!(io.poll_close(cx));
                exchange.set_peer_addr(io.peer_addr());
                exchange.handle_closed();
            }
            ExchangeStep::Done => return Poll::Ready(()),
        }
    }
}

/// A request to an API of the service.
pub(crate) struct ApiRequest<'a> {
    pub(crate) method: Method,
    pub(crate) path: &'a str,
    pub(crate) query: &'a [(&'a str, &'a str)],
    pub(crate) body: Option<&'a [u8]>,
}

/// Why a request has no answer.
pub(crate) enum SendError {
    Request(RequestError),
    Exchange(ExchangeError),
}

/// Sends requests, each on a connection that is closed after the answer.
pub(crate) struct Exchanges<I> {
    config: Config,
    io: I,
    buffer: Vec<u8>,
}

impl<I: Io> Exchanges<I> {
    pub(crate) fn new(config: Config, io: I) -> Self {
        Self { config, io, buffer: vec![0; READ_BYTES] }
    }

    /// Sends a request and returns the answer, whatever its status.
    pub(crate) async fn send(&mut self, request: &ApiRequest<'_>) -> Result<OwnedReply, SendError> {
        let Self { config, io, buffer } = self;
        // Close the connection of a canceled call, if there is one.
        poll_fn(|cx| io.poll_close(cx)).await;
        let session = config.session();
        let host = session.host.unwrap_or(session.origin.authority());
        let mut head = Request::new(request.method, host, request.path);
        head.query = request.query;
        head.token = session.token;
        head.user_agent = session.user_agent;
        let mut bounds = ExchangeConfig::default();
        bounds.connect = session.timeouts.connect;
        bounds.head_limits = session.head;
        bounds.chunk_limits = session.chunk;
        // Zeroed memory: the kernel allocates a page only once a byte reaches it.
        let storage = vec![0; bounds.body_bytes_max + bounds.head_limits.bytes_max];
        // No configuration built by `ConfigBuilder::build` is known to cause a malformed request.
        let exchange = Exchange::new(storage, &head, request.body, bounds, io.now());
        let mut exchange = exchange.map_err(SendError::Request)?;
        poll_fn(|cx| poll_exchange(&mut exchange, io, buffer, cx)).await;
        match exchange.outcome() {
            Some(Ok(answer)) => Ok(OwnedReply::from(answer)),
            Some(Err(error)) => Err(SendError::Exchange(error)),
            None => unreachable!("an exchange that is over has an outcome"),
        }
    }
}

impl<I> Exchanges<I> {
    pub(crate) const fn config(&self) -> &Config {
        &self.config
    }
}

/// An answer that owns its body.
#[derive(Clone)]
#[non_exhaustive]
pub struct OwnedReply {
    /// The status code.
    pub status: u16,
    /// The body.
    pub body: Vec<u8>,
    /// X's rate-limit fields.
    pub rate_limit: RateLimit,
    /// The `Retry-After` field.
    pub retry_after: Option<RetryAfter>,
    /// The `Date` field: the server's clock, to which the times above refer.
    pub date: Option<UnixTime>,
    /// Why the body was not read, escaped; `None` if it was.
    pub unread_body: Option<String>,
    /// The `Location` field: where a redirect leads to.
    pub location: Option<Vec<u8>>,
}

impl From<Answer<'_>> for OwnedReply {
    fn from(answer: Answer<'_>) -> Self {
        let head = answer.head.parsed();
        Self {
            status: head.status,
            body: answer.body.to_vec(),
            rate_limit: head.rate_limit,
            retry_after: head.retry_after,
            date: head.date,
            unread_body: answer.head.unread_body().map(|unread| unread.to_string()),
            location: answer.head.field("location").map(<[u8]>::to_vec),
        }
    }
}

impl OwnedReply {
    /// Returns the answer in the form that [`Call`](crate::rule_api::Call) reads.
    #[must_use]
    pub fn lend(&self) -> Reply<'_> {
        let mut reply = Reply::new(self.status, &self.body);
        reply.rate_limit = self.rate_limit;
        reply.retry_after = self.retry_after;
        reply.date = self.date;
        reply.unread_body = self.unread_body.as_deref();
        reply.location = self.location.as_deref();
        reply
    }
}

impl fmt::Debug for OwnedReply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.lend().fmt(f)
    }
}
