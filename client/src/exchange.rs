//! Runs one [`Exchange`] over an [`Io`].

use std::task::{Context, Poll, ready};

use powerstream_core::driver::Io;
use powerstream_core::http::{Exchange, ExchangeStep};

/// Runs the exchange to its end. [`Exchange::outcome`] then has the result.
///
/// `buffer` receives what is read: [`READ_BYTES`](powerstream_core::buffered::READ_BYTES) is a good
/// length. A future that polls this may be dropped without loss: the next call continues where the
/// last one stopped.
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
