//! The interface that a runtime implements.
//!
//! A [`Runtime`] defines how a stream is driven: its executor, how a caller waits, and how a task
//! is started. Its [`Reactor`] provides sockets, a timer, a clock and a resolver. This crate
//! implements everything else once for all runtimes.

use std::future::Future;
use std::{fmt, io};

use crate::net::tcp::Reactor;
use crate::shutdown::ShutdownHandle;

/// A runtime, as a program chooses it. Implementations are cheap to clone.
pub trait Runtime: Clone + Default + fmt::Debug {
    /// The sockets, timer, clock and resolver of one connection.
    type Reactor: Reactor;

    /// The state that drives one stream: `()` if the program has its own executor.
    type Executor: fmt::Debug + Send + 'static;

    /// A handle to a started task.
    type Task<T: Send + 'static>;

    /// The return type of methods that wait: a future on an async runtime, its output on a blocking
    /// one.
    type Waited<F: Future>;

    /// Creates the executor of one stream with this many connections.
    ///
    /// # Errors
    /// Returns the operating system's error.
    fn executor(&self, connections: usize) -> io::Result<Self::Executor>;

    /// Returns a reactor for one connection, which `shutdown` interrupts.
    fn reactor(executor: &Self::Executor, shutdown: &ShutdownHandle) -> Self::Reactor;

    /// Waits for a future in the runtime's way.
    fn wait<F: Future>(executor: &mut Self::Executor, future: F) -> Self::Waited<F>;

    /// Runs a future, then `finish`, on a separate task or thread. The task's result is that of
    /// `finish`.
    ///
    /// # Errors
    /// Returns the operating system's error if a thread cannot be started.
    fn spawn<F, T>(
        executor: Self::Executor,
        future: F,
        finish: impl FnOnce(F::Output, Self::Executor) -> T + Send + 'static,
    ) -> io::Result<Self::Task<T>>
    where
        F: Future<Output: Send> + Send + 'static,
        T: Send + 'static;
}

/// A runtime whose tasks are polled by the program's executor, such as tokio.
pub trait AsyncRuntime: Reactor + Clone + Default + fmt::Debug {
    /// A handle to a started task.
    type Task<T: Send + 'static>;

    /// Runs a future on a separate task.
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
