//! What the pump reads: one stream or several merged ones, on any runtime.

use std::task::{Context, Poll, Waker};

use powerstream_core::session::SessionEvent;

/// Events, each with the number of the connection that it is about.
pub(super) trait Source {
    /// Whether the next event is at hand, so that [`Self::next`] will not wait.
    fn has_event(&mut self) -> bool;

    /// Waits for the next event; `None` once there will be none.
    async fn next(&mut self) -> Option<(usize, SessionEvent<'_>)>;

    /// Octets that a connection has received since it last connected.
    fn received(&self, connection: usize) -> u64;
}

impl Source for powerstream_blocking::Stream {
    fn has_event(&mut self) -> bool {
        self.has_event()
    }

    async fn next(&mut self) -> Option<(usize, SessionEvent<'_>)> {
        self.next().map(|event| (0, event))
    }

    fn received(&self, _: usize) -> u64 {
        self.session().octets().received
    }
}

impl Source for powerstream_tokio::Stream {
    fn has_event(&mut self) -> bool {
        self.has_event()
    }

    async fn next(&mut self) -> Option<(usize, SessionEvent<'_>)> {
        self.next().await.map(|event| (0, event))
    }

    fn received(&self, _: usize) -> u64 {
        self.session().octets().received
    }
}

impl Source for powerstream_smol::Stream {
    fn has_event(&mut self) -> bool {
        self.has_event()
    }

    async fn next(&mut self) -> Option<(usize, SessionEvent<'_>)> {
        self.next().await.map(|event| (0, event))
    }

    fn received(&self, _: usize) -> u64 {
        self.session().octets().received
    }
}

/// Runs a future of blocking parts only: they wait in the system's own calls, so that it never pends.
pub(super) fn block_on<T>(future: impl Future<Output = T>) -> T {
    match std::pin::pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => unreachable!("a blocking transport never pends"),
    }
}
