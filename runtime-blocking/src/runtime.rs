//! The blocking runtime: each call waits in the calling thread.

use std::future::Future;
use std::io;
use std::panic::resume_unwind;
use std::sync::mpsc::sync_channel;
use std::thread::JoinHandle;

use powerstream_client::shutdown::ShutdownHandle;
use powerstream_client::{BlockingRuntime, Runtime};

use crate::executor::Executor;
use crate::pin::pin_thread;
use crate::sockets::{ReadMode, Sockets};

/// A runtime whose streams block the calling thread.
///
/// ```
/// use powerstream_blocking::{Blocking, Client, Config, Token};
///
/// let token = Token::new("AAAA")?;
/// let config = Config::builder().token(token).base_url("http://127.0.0.1:8080").build()?;
/// let busy = Blocking::default().with_busy_poll(true).with_processor(1);
/// let mut stream = Client::new(config).with_runtime(busy).stream()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Blocking {
    busy_poll: bool,
    timestamps: bool,
    thread: String,
    processor: Option<usize>,
}

impl Default for Blocking {
    fn default() -> Self {
        Self { busy_poll: false, timestamps: false, thread: "powerstream".to_owned(), processor: None }
    }
}

impl Blocking {
    /// Sets whether a waiting stream polls its socket in a loop instead of sleeping. Default:
    /// false.
    ///
    /// Polling saves the time to wake a thread, but uses a whole processor. Reserve one for it, see
    /// [`pin_thread`]. While the stream connects or backs off, it sleeps.
    #[must_use]
    pub fn with_busy_poll(self, busy_poll: bool) -> Self {
        Self { busy_poll, ..self }
    }

    /// Sets whether messages carry the time at which the kernel received them:
    /// [`Message::received_at`](powerstream_core::session::Message::received_at). Default: false.
    ///
    /// The time is that of the last packet of a read. It is late for a message that another packet
    /// of the same read follows. The first packets may have none, because the kernel begins a
    /// moment after the first socket asks for it. Only on Linux. On other systems, connecting
    /// fails.
    #[must_use]
    pub fn with_kernel_timestamps(self, timestamps: bool) -> Self {
        Self { timestamps, ..self }
    }

    /// Sets the name of the threads that [`Stream::queued`](crate::Stream::queued) starts. Default:
    /// `powerstream`.
    #[must_use]
    pub fn with_thread_name(self, thread: impl Into<String>) -> Self {
        Self { thread: thread.into(), ..self }
    }

    /// Sets the processor for the threads that [`Stream::queued`](crate::Stream::queued) starts;
    /// see [`pin_thread`]. Default: any.
    #[must_use]
    pub fn with_processor(self, processor: usize) -> Self {
        Self { processor: Some(processor), ..self }
    }
}

/// The driver of one stream. The thread that waits for the stream runs its futures.
#[derive(Debug)]
pub struct StreamThread {
    executor: Executor,
    mode: ReadMode,
    runtime: Blocking,
}

impl Runtime for Blocking {
    type Reactor = Sockets;
    type Executor = StreamThread;
    type Task<T: Send + 'static> = Task<T>;
    type Waited<F: Future> = F::Output;

    fn executor(&self, connections: usize) -> io::Result<StreamThread> {
        let mode = match connections {
            _ if self.busy_poll => ReadMode::Spinning,
            ..=1 => ReadMode::Blocking,
            _ => ReadMode::Polling,
        };
        Ok(StreamThread { executor: Executor::new()?, mode, runtime: self.clone() })
    }

    fn reactor(thread: &StreamThread, shutdown: &ShutdownHandle) -> Sockets {
        Sockets::new(&thread.executor, thread.mode, thread.runtime.timestamps, shutdown)
    }

    fn wait<F: Future>(thread: &mut StreamThread, future: F) -> F::Output {
        Self::block_on(thread, future)
    }

    fn spawn<F, T>(
        mut thread: StreamThread,
        future: F,
        finish: impl FnOnce(F::Output, StreamThread) -> T + Send + 'static,
    ) -> io::Result<Task<T>>
    where
        F: Future<Output: Send> + Send + 'static,
        T: Send + 'static,
    {
        let Blocking { thread: name, processor, .. } = thread.runtime.clone();
        let (report, reported) = sync_channel(1);
        let run = move || {
            let pinned = processor.map_or(Ok(()), pin_thread);
            let is_pinned = pinned.is_ok();
            // The starting thread waits for this report.
            let _ = report.send(pinned);
            is_pinned.then(|| {
                let output = Self::block_on(&mut thread, future);
                finish(output, thread)
            })
        };
        let task = Task(std::thread::Builder::new().name(name).spawn(run)?);
        match reported.recv() {
            Ok(Err(error)) => Err(io::Error::other(error)),
            // Without a report the thread has panicked: `Task::join` resumes the panic.
            Ok(Ok(())) | Err(_) => Ok(task),
        }
    }
}

impl BlockingRuntime for Blocking {
    fn block_on<F: Future>(thread: &mut StreamThread, future: F) -> F::Output {
        thread.executor.block_on(future)
    }
}

/// A thread that reads a stream, started by [`Stream::queued`](crate::Stream::queued).
///
/// Dropping this value does not stop the thread: it ends with its stream or its receiver.
#[derive(Debug)]
pub struct Task<T>(JoinHandle<Option<T>>);

impl<T> Task<T> {
    /// Waits for the thread to end and returns its result: the stream. Resumes a panic of the
    /// thread.
    #[must_use]
    pub fn join(self) -> T {
        match self.0.join() {
            Ok(Some(result)) => result,
            Ok(None) => unreachable!("a thread that could not be pinned has no task"),
            Err(panic) => resume_unwind(panic),
        }
    }
}
