//! The executor: it runs one future on the calling thread, and sleeps in mio's poll while the
//! future is pending. One poll waits for sockets, timers and other threads at once.
//!
//! ```text
//!   block_on: clear woken -> poll the future -- ready --> return
//!                  ^                |
//!                  |             pending --> woken meanwhile? -- yes --> poll again (busy polling)
//!                  |                                          -- no --> mio's poll
//!                  '---------------- wake the sockets with events and the timers that are due
//! ```
//!
//! Each connection has a [`Registration`]: the wakers of its socket and its timer. One thread uses
//! them at a time, but a stream may move to another thread between two events, and any thread may
//! call a waker.

use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};
use std::{fmt, io};

use mio::{Events, Registry, Token};

/// The token of wake-ups by other threads. The tokens of registrations count from zero.
const WOKEN: Token = Token(usize::MAX);

/// Events taken from the kernel per poll. The next poll takes the rest.
const EVENTS: usize = 64;

/// The longest sleep after a failed poll, so that a poll which always fails does not become a busy
/// loop.
const AFTER_ERROR: Duration = Duration::from_millis(10);

/// Runs the futures of one stream on the thread that waits for it.
pub(crate) struct Executor {
    poll: mio::Poll,
    events: Events,
    registry: Arc<Registry>,
    thread_waker: Arc<ThreadWaker>,
    waker: Waker,
    registrations: Registrations,
}

impl Executor {
    pub(crate) fn new() -> io::Result<Self> {
        let poll = mio::Poll::new()?;
        let registry = Arc::new(poll.registry().try_clone()?);
        let thread_waker = Arc::new(ThreadWaker {
            woken: AtomicBool::new(false),
            asleep: AtomicBool::new(false),
            poll: mio::Waker::new(&registry, WOKEN)?,
        });
        let waker = Waker::from(Arc::clone(&thread_waker));
        let events = Events::with_capacity(EVENTS);
        Ok(Self { poll, events, registry, thread_waker, waker, registrations: Registrations::default() })
    }

    /// Adds a registration for one more connection.
    pub(crate) fn register(&self) -> Registration {
        let mut registrations = self.registrations.lock();
        registrations.push(Wakers::default());
        let token = Token(registrations.len() - 1);
        drop(registrations);
        Registration {
            registry: Arc::clone(&self.registry),
            registrations: self.registrations.clone(),
            token,
        }
    }

    /// Runs a future to completion on the calling thread.
    pub(crate) fn block_on<F: Future>(&mut self, future: F) -> F::Output {
        let mut future = pin!(future);
        loop {
            self.thread_waker.woken.store(false, Ordering::SeqCst);
            if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&self.waker)) {
                return output;
            }
            self.wait();
        }
    }

    fn wait(&mut self) {
        if self.thread_waker.woken.load(Ordering::SeqCst) {
            std::hint::spin_loop();
            return;
        }
        let timeout = self.registrations.first_timer().map(|at| at.saturating_duration_since(Instant::now()));
        self.thread_waker.asleep.store(true, Ordering::SeqCst);
        // A wake-up from now on finds `asleep` set and wakes the poll; an earlier one is seen here.
        let result = if self.thread_waker.woken.load(Ordering::SeqCst) {
            Ok(())
        } else {
            self.poll.poll(&mut self.events, timeout)
        };
        self.thread_waker.asleep.store(false, Ordering::SeqCst);
        match result {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => std::thread::sleep(timeout.unwrap_or(AFTER_ERROR).min(AFTER_ERROR)),
        }
        self.registrations.wake(&self.events);
        self.events.clear();
    }
}

impl fmt::Debug for Executor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Executor")
            .field("registrations", &self.registrations.lock().len())
            .finish_non_exhaustive()
    }
}

/// The waker of the executor's thread. Any thread may call it.
struct ThreadWaker {
    woken: AtomicBool,
    asleep: AtomicBool,
    poll: mio::Waker,
}

impl Wake for ThreadWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // The system call is needed only while the thread sleeps.
        if !self.woken.swap(true, Ordering::SeqCst) && self.asleep.load(Ordering::SeqCst) {
            // On an error the poll is gone, so that no thread sleeps in it.
            let _ = self.poll.wake();
        }
    }
}

/// What one connection waits for.
#[derive(Debug, Default)]
struct Wakers {
    socket: Option<Waker>,
    timer: Option<(Instant, Waker)>,
}

#[derive(Clone, Debug, Default)]
struct Registrations(Arc<Mutex<Vec<Wakers>>>);

impl Registrations {
    fn lock(&self) -> MutexGuard<'_, Vec<Wakers>> {
        // No change under this lock can be left incomplete by a panic.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn first_timer(&self) -> Option<Instant> {
        self.lock().iter().filter_map(|registration| registration.timer.as_ref()).map(|(at, _)| *at).min()
    }

    /// Wakes the connections with a socket event or a due timer.
    fn wake(&self, events: &Events) {
        let mut registrations = self.lock();
        for event in events {
            if let Some(waker) =
                registrations.get_mut(event.token().0).and_then(|registration| registration.socket.take())
            {
                waker.wake();
            }
        }
        let now = Instant::now();
        for registration in registrations.iter_mut() {
            if let Some((_, waker)) = registration.timer.take_if(|(at, _)| *at <= now) {
                waker.wake();
            }
        }
    }
}

/// One connection's wakers in an [`Executor`].
#[derive(Debug)]
pub(crate) struct Registration {
    registry: Arc<Registry>,
    registrations: Registrations,
    token: Token,
}

impl Registration {
    /// Registers the socket with mio's poll. [`Self::wake_on_socket`] sets the waker.
    pub(crate) fn register(&self, socket: &mut mio::net::TcpStream) -> io::Result<()> {
        self.registry.register(socket, self.token, mio::Interest::READABLE | mio::Interest::WRITABLE)
    }

    pub(crate) fn deregister(&self, socket: &mut mio::net::TcpStream) -> io::Result<()> {
        self.registry.deregister(socket)
    }

    /// Sets the waker of the socket's next event. Call this after an operation that would block.
    pub(crate) fn wake_on_socket(&self, waker: &Waker) {
        self.change(|registration| match &mut registration.socket {
            Some(old) => old.clone_from(waker),
            empty => *empty = Some(waker.clone()),
        });
    }

    /// Sets the waker of the timer.
    pub(crate) fn wake_at(&self, at: Instant, waker: &Waker) {
        self.change(|registration| match &mut registration.timer {
            Some((old_at, old)) => {
                *old_at = at;
                old.clone_from(waker);
            }
            empty => *empty = Some((at, waker.clone())),
        });
    }

    fn change(&self, change: impl FnOnce(&mut Wakers)) {
        if let Some(registration) = self.registrations.lock().get_mut(self.token.0) {
            change(registration);
        }
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.change(|registration| *registration = Wakers::default());
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::io::{Read, Write};
    use std::sync::mpsc::channel;

    use super::*;

    #[test]
    fn no_wake_up_from_another_thread_is_lost() {
        let mut executor = Executor::new().unwrap();
        for round in 0..500_u32 {
            let done = Arc::new(AtomicBool::new(false));
            let (sender, receiver) = channel::<Waker>();
            let there = Arc::clone(&done);
            let thread = std::thread::spawn(move || {
                let waker = receiver.recv().unwrap();
                // Before, while, and after the thread goes to sleep.
                (0..round * 20).for_each(|_| std::hint::spin_loop());
                there.store(true, Ordering::SeqCst);
                waker.wake();
            });
            let mut sender = Some(sender);
            executor.block_on(poll_fn(|cx| {
                if let Some(sender) = sender.take() {
                    sender.send(cx.waker().clone()).unwrap();
                }
                if done.load(Ordering::SeqCst) { Poll::Ready(()) } else { Poll::Pending }
            }));
            thread.join().unwrap();
        }
    }

    #[test]
    fn the_first_timer_ends_the_wait() {
        let mut executor = Executor::new().unwrap();
        let (one, two) = (executor.register(), executor.register());
        let start = Instant::now();
        let (soon, late) = (start + Duration::from_millis(20), start + Duration::from_secs(60));
        let polls = executor.block_on(async {
            let mut polls = 0;
            poll_fn(|cx| {
                polls += 1;
                if Instant::now() >= soon {
                    return Poll::Ready(());
                }
                one.wake_at(late, cx.waker());
                one.wake_at(soon, cx.waker());
                two.wake_at(late, cx.waker());
                Poll::Pending
            })
            .await;
            polls
        });
        assert!(Instant::now() >= soon && polls <= 3, "{polls}");
        drop(two);
        assert_eq!(executor.registrations.first_timer(), None, "a dropped registration has no timer");
    }

    #[test]
    fn a_socket_with_input_ends_the_wait() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let mut peer = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (socket, _) = listener.accept().unwrap();
        socket.set_nonblocking(true).unwrap();
        let mut socket = mio::net::TcpStream::from_std(socket);
        let mut executor = Executor::new().unwrap();
        let registration = executor.register();
        registration.register(&mut socket).unwrap();
        let thread = std::thread::spawn(move || {
            for byte in 0..100 {
                peer.write_all(&[byte]).unwrap();
                std::thread::yield_now();
            }
        });
        let mut read = Vec::new();
        executor.block_on(poll_fn(|cx| {
            loop {
                let mut buffer = [0; 7];
                match socket.read(&mut buffer) {
                    Ok(0) => return Poll::Ready(()),
                    Ok(count) => read.extend_from_slice(&buffer[..count]),
                    Err(_) => {
                        registration.wake_on_socket(cx.waker());
                        return Poll::Pending;
                    }
                }
            }
        }));
        thread.join().unwrap();
        assert_eq!(read, (0..100).collect::<Vec<u8>>());
    }
}
