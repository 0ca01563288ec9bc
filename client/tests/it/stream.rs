//! The streams of a runtime, whose sockets receive a head and nothing else.

use std::future::{Future, pending, ready};
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use powerstream_client::config::{Config, Connections, Token};
use powerstream_client::merged::MergedEvent;
use powerstream_client::net::tcp::{BoxFuture, Reactor};
use powerstream_client::{AsyncRuntime, Client};
use powerstream_core::merge::Topology;
use powerstream_core::session::SessionEvent;

use crate::support::HEAD;

static STARTED_AT: LazyLock<std::time::Instant> = LazyLock::new(std::time::Instant::now);
/// The milliseconds since the start.
static NOW: AtomicU64 = AtomicU64::new(0);

#[derive(Clone, Debug, Default)]
struct OneHead;

impl Reactor for OneHead {
    type Socket = &'static [u8];
    type Timer = ();

    fn now(&self) -> std::time::Instant {
        *STARTED_AT + Duration::from_millis(NOW.load(Ordering::Relaxed))
    }

    fn resolve(&self, _: &str, port: u16) -> BoxFuture<Vec<SocketAddr>> {
        Box::pin(ready(Ok(vec![SocketAddr::from(([127, 0, 0, 1], port))])))
    }

    fn connect(&self, _: SocketAddr, _: Option<SocketAddr>) -> BoxFuture<&'static [u8]> {
        Box::pin(ready(Ok(HEAD.as_bytes())))
    }

    fn local_addr(&self, _: &&'static [u8]) -> io::Result<SocketAddr> {
        Ok(SocketAddr::from(([127, 0, 0, 1], 1)))
    }

    fn poll_read(
        &self,
        socket: &mut &'static [u8],
        _: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        self.read_now(socket, buffer).map_or(Poll::Pending, |count| Poll::Ready(Ok(count)))
    }

    fn read_now(&self, socket: &mut &'static [u8], buffer: &mut [u8]) -> io::Result<usize> {
        match io::Read::read(socket, buffer)? {
            0 => Err(io::ErrorKind::WouldBlock.into()),
            count => Ok(count),
        }
    }

    fn poll_write(
        &self,
        _: &mut &'static [u8],
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(bytes.len()))
    }

    fn set_timer(&self, timer: &mut Option<()>, _: std::time::Instant) {
        *timer = Some(());
    }

    fn poll_timer(&self, (): &mut (), _: &mut Context<'_>) -> Poll<()> {
        Poll::Pending
    }
}

impl AsyncRuntime for OneHead {
    type Task<T: Send + 'static> = BoxFuture<T>;

    fn spawn<F>(_: F) -> BoxFuture<F::Output>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        Box::pin(pending())
    }
}

#[test]
fn a_merged_stream_has_a_position_once_it_streams_and_gap_counters_for_each_group() {
    let token = Token::new("any").unwrap();
    let config = Config::builder().token(token).base_url("http://127.0.0.1:8080").build().unwrap();
    let connections = Connections::new(Topology::Partitioned).with("a", config.clone());
    let connections = connections.with("b", config.clone());
    let mut stream = Client::<OneHead>::new(config).merged(&connections).unwrap();
    let groups: Vec<_> = stream.gap_monitors().iter().map(|(group, _)| group.number()).collect();
    assert_eq!(groups, [0, 1]);

    assert_eq!(stream.position(), None);
    let mut cx = Context::from_waker(Waker::noop());
    let is_connected = (0..10).any(|_| {
        let event = pin!(stream.next()).poll(&mut cx);
        let Poll::Ready(Some(MergedEvent::Session { event, .. })) = event else { return false };
        matches!(event, SessionEvent::Connected(_))
    });
    assert!(is_connected && stream.position().is_some());

    let before = stream.now();
    NOW.store(7, Ordering::Relaxed);
    assert_eq!(stream.now().saturating_since(before), Duration::from_millis(7));
}
