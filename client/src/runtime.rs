//! What a runtime is asked for.
//!
//! A [`Runtime`] says how a stream is driven: its executor, how a caller waits, how a task is
//! started. Its [`Reactor`] has the sockets, the timer, the clock and the
//! resolver. Everything else is written once, in this crate, for all runtimes.

use std::future::Future;
use std::{fmt, io};

use crate::net::tcp::Reactor;
use crate::shutdown::ShutdownHandle;

/// A runtime, as a program chooses it. Implementations are cheap to clone.
pub trait Runtime: Clone + Default + fmt::Debug {
    /// The sockets, timer, clock and resolver of one connection.
    type Reactor: Reactor;

    /// What drives one stream: `()` where that is the program's own executor.
    type Executor: fmt::Debug + Send + 'static;

    /// A task that was started.
    type Task<T: Send + 'static>;

    /// What a method answers that has to wait: on an async runtime the future itself, on a blocking
    /// one its output.
    type Waited<F: Future>;

    /// Sets up what one stream of so many connections is driven by.
    ///
    /// # Errors
    /// Whatever the operating system reports.
    fn executor(&self, connections: usize) -> io::Result<Self::Executor>;

    /// Returns a reactor for one connection, which `shutdown` interrupts.
    fn reactor(executor: &Self::Executor, shutdown: &ShutdownHandle) -> Self::Reactor;

    /// Waits for a future in the runtime's way.
    fn wait<F: Future>(executor: &mut Self::Executor, future: F) -> Self::Waited<F>;

    /// Runs a future in a task or thread of its own, and then `finish`, whose result is the task's.
    ///
    /// # Errors
    /// Whatever the operating system reports where a thread cannot be started.
    fn spawn<F, T>(
        executor: Self::Executor,
        future: F,
        finish: impl FnOnce(F::Output, Self::Executor) -> T + Send + 'static,
    ) -> io::Result<Self::Task<T>>
    where
        F: Future<Output: Send> + Send + 'static,
        T: Send + 'static;
}

/// A runtime whose tasks are polled by an executor that the program has, such as tokio.
pub trait AsyncRuntime: Reactor + Clone + Default + fmt::Debug {
    /// A task that was started.
    type Task<T: Send + 'static>;

    /// Runs a future in a task of its own.
    fn spawn<F>(future: F) -> Self::Task<F::Output>
    where
        F: Future<Output: Send> + Send + 'static;
}

impl<R: AsyncRuntime> Runtime for R {
    type Reactor = R;
    type Executor = ();
    type Task<T: Send + 'static> = R::Task<T>;
    type Waited<F: Future> = F;

    fn executor(&self, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn reactor((): &(), _: &ShutdownHandle) -> R {
        R::default()
    }

    fn wait<F: Future>((): &mut (), future: F) -> F {
        future
    }

    fn spawn<F, T>(
        (): (),
        future: F,
        finish: impl FnOnce(F::Output, ()) -> T + Send + 'static,
    ) -> io::Result<Self::Task<T>>
    where
        F: Future<Output: Send> + Send + 'static,
        T: Send + 'static,
    {
        Ok(<R as AsyncRuntime>::spawn(async { finish(future.await, ()) }))
    }
}

/// A runtime whose methods block the calling thread.
pub trait BlockingRuntime: Runtime {
    /// Runs a future to its end on the calling thread.
    fn block_on<F: Future>(executor: &mut Self::Executor, future: F) -> F::Output;
}
