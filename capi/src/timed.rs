//! The blocking runtime with a limit on each wait.
//!
//! Every wait of a stream ends at its result or at the limit, whichever is first. The sockets wait
//! in a poll, not in a blocking read, so that one system call waits for the socket and for the
//! limit.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::time::Instant;

use powerstream_blocking::{Blocking, Task};
use powerstream_client::net::tcp::Reactor;
use powerstream_client::shutdown::ShutdownHandle;
use powerstream_client::{BlockingRuntime, Runtime};

/// With two connections or more, the blocking runtime waits in a poll.
const POLLED: usize = 2;

/// When the next wait ends at the latest.
#[derive(Debug, Default)]
pub(crate) struct Limit(Mutex<Option<Instant>>);

impl Limit {
    pub(crate) fn set(&self, limit: Option<Instant>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = limit;
    }

    fn get(&self) -> Option<Instant> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The runtime of the streams.
#[derive(Clone, Debug, Default)]
pub(crate) struct Timed {
    blocking: Blocking,
    limit: Arc<Limit>,
}

impl Timed {
    pub(crate) fn new(blocking: Blocking, limit: Arc<Limit>) -> Self {
        Self { blocking, limit }
    }
}

/// The driver of one stream, and the timer of its limit.
#[derive(Debug)]
pub(crate) struct TimedThread {
    thread: <Blocking as Runtime>::Executor,
    timer: <Blocking as Runtime>::Reactor,
    limit: Arc<Limit>,
}

impl Runtime for Timed {
    type Reactor = <Blocking as Runtime>::Reactor;
    type Executor = TimedThread;
    type Task<T: Send + 'static> = Task<T>;
    /// `None` at the limit.
    type Waited<F: Future> = Option<F::Output>;

    fn executor(&self, connections: usize) -> io::Result<TimedThread> {
        let thread = self.blocking.executor(connections.max(POLLED))?;
        let timer = Blocking::reactor(&thread, &ShutdownHandle::new());
        Ok(TimedThread { thread, timer, limit: Arc::clone(&self.limit) })
    }

    fn reactor(executor: &TimedThread, shutdown: &ShutdownHandle) -> Self::Reactor {
        Blocking::reactor(&executor.thread, shutdown)
    }

    fn wait<F: Future>(executor: &mut TimedThread, future: F) -> Option<F::Output> {
        let TimedThread { thread, timer, limit } = executor;
        let (mut future, mut limit) = (pin!(future), limit.get());
        Blocking::block_on(
            thread,
            poll_fn(|cx| match (future.as_mut().poll(cx), &mut limit) {
                (Poll::Ready(output), _) => Poll::Ready(Some(output)),
                (Poll::Pending, Some(limit)) => timer.poll_timer(limit, cx).map(|()| None),
                (Poll::Pending, None) => Poll::Pending,
            }),
        )
    }

    fn spawn<F, T>(
        executor: TimedThread,
        future: F,
        finish: impl FnOnce(F::Output, TimedThread) -> T + Send + 'static,
    ) -> io::Result<Task<T>>
    where
        F: Future<Output: Send> + Send + 'static,
        T: Send + 'static,
    {
        let TimedThread { thread, timer, limit } = executor;
        let finish = |output, thread| finish(output, TimedThread { thread, timer, limit });
        Blocking::spawn(thread, future, finish)
    }
}
