//! How a thread waits for sockets, timers and other threads at once: it runs one future, and sleeps in mio's poll while
//! that has nothing to do.
//!
//! ```text
//!   block_on: clear woken -> poll the future -- ready --> done
//!                  ^                |
//!                  |             pending --> woken meanwhile? -- yes --> a hint to the processor: somebody spins
//!                  |                                          -- no ---> mio's poll, until the earliest timer
//!                  '---------------- wake whoever has an event, whoever's timer is due
//! ```
//!
//! Each transport has a [`Slot`]: the waker of its socket and its timer. All of them are of one thread, but a stream may
//! move to another between two events, and a waker may be called from anywhere.

use std::fmt;
use std::future::Future;
use std::io;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use mio::{Events, Registry, Token};

use crate::runtime::Blocking;
use crate::sockets::Reading;

/// The token of wake-ups from other threads. Slots count up from zero.
const WOKEN: Token = Token(usize::MAX);

/// Readiness taken from the system at once. More comes at the next wait.
const EVENTS: usize = 64;

/// A poll that fails, which no system is known to do, must not become a busy loop.
const AFTER_ERROR: Duration = Duration::from_millis(10);

/// Runs the futures of one stream on the thread that waits for it.
pub struct Executor {
    pub(crate) options: Blocking,
    /// How the sockets of its stream wait.
    pub(crate) reading: Reading,
    poll: mio::Poll,
    events: Events,
    registry: Arc<Registry>,
    parker: Arc<Parker>,
    waker: Waker,
    slots: Slots,
}

impl Executor {
    pub(crate) fn new(options: Blocking, reading: Reading) -> io::Result<Self> {
        let poll = mio::Poll::new()?;
        let registry = Arc::new(poll.registry().try_clone()?);
        let parker = Arc::new(Parker {
            woken: AtomicBool::new(false),
            parked: AtomicBool::new(false),
            poll: mio::Waker::new(&registry, WOKEN)?,
        });
        let waker = Waker::from(Arc::clone(&parker));
        let events = Events::with_capacity(EVENTS);
        Ok(Self { options, reading, poll, events, registry, parker, waker, slots: Slots::default() })
    }

    /// A place for one more transport's wakers.
    pub(crate) fn slot(&self) -> Slot {
        let mut slots = self.slots.lock();
        slots.push(Waiting::default());
        let token = Token(slots.len() - 1);
        drop(slots);
        Slot { registry: Arc::clone(&self.registry), slots: self.slots.clone(), token }
    }

    /// Runs `future` to its end.
    pub(crate) fn block_on<F: Future>(&mut self, future: F) -> F::Output {
        let mut future = pin!(future);
        loop {
            self.parker.woken.store(false, Ordering::SeqCst);
            if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&self.waker)) {
                return output;
            }
            self.wait();
        }
    }

    fn wait(&mut self) {
        if self.parker.woken.load(Ordering::SeqCst) {
            std::hint::spin_loop();
            return;
        }
        let timeout = self.slots.first_timer().map(|at| at.saturating_duration_since(Instant::now()));
        self.parker.parked.store(true, Ordering::SeqCst);
        // Whoever wakes now sees that we are parked; whoever woke before is seen here.
        let result = if self.parker.woken.load(Ordering::SeqCst) {
            Ok(())
        } else {
            self.poll.poll(&mut self.events, timeout)
        };
        self.parker.parked.store(false, Ordering::SeqCst);
        match result {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => std::thread::sleep(timeout.unwrap_or(AFTER_ERROR).min(AFTER_ERROR)),
        }
        self.slots.wake(&self.events);
        self.events.clear();
    }
}

impl fmt::Debug for Executor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Executor").field("slots", &self.slots.lock().len()).finish_non_exhaustive()
    }
}

/// Ends a wait from anywhere.
struct Parker {
    woken: AtomicBool,
    parked: AtomicBool,
    poll: mio::Waker,
}

impl Wake for Parker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // The system is asked only by whoever finds the thread asleep.
        if !self.woken.swap(true, Ordering::SeqCst) && self.parked.load(Ordering::SeqCst) {
            // An error would mean that the poll is gone, and with it the wait.
            let _ = self.poll.wake();
        }
    }
}

/// What one transport waits for.
#[derive(Debug, Default)]
struct Waiting {
    socket: Option<Waker>,
    timer: Option<(Instant, Waker)>,
}

#[derive(Clone, Debug, Default)]
struct Slots(Arc<Mutex<Vec<Waiting>>>);

impl Slots {
    fn lock(&self) -> MutexGuard<'_, Vec<Waiting>> {
        // Nothing is left half-done under this lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn first_timer(&self) -> Option<Instant> {
        self.lock().iter().filter_map(|slot| slot.timer.as_ref()).map(|(at, _)| *at).min()
    }

    /// Wakes whoever has an event, and whoever's timer is due.
    fn wake(&self, events: &Events) {
        let mut slots = self.lock();
        for event in events {
            if let Some(waker) = slots.get_mut(event.token().0).and_then(|slot| slot.socket.take()) {
                waker.wake();
            }
        }
        let now = Instant::now();
        for slot in slots.iter_mut() {
            if let Some((_, waker)) = slot.timer.take_if(|(at, _)| *at <= now) {
                waker.wake();
            }
        }
    }
}

/// One transport's place in a [`Executor`].
#[derive(Debug)]
pub(crate) struct Slot {
    registry: Arc<Registry>,
    slots: Slots,
    token: Token,
}

impl Slot {
    /// Has the socket's readiness end waits. Wakers are asked for by [`Self::wait_for_socket`].
    pub(crate) fn register(&self, socket: &mut mio::net::TcpStream) -> io::Result<()> {
        self.registry.register(socket, self.token, mio::Interest::READABLE | mio::Interest::WRITABLE)
    }

    pub(crate) fn deregister(&self, socket: &mut mio::net::TcpStream) -> io::Result<()> {
        self.registry.deregister(socket)
    }

    /// Wakes by whatever happens to the socket next. It was found not to be ready before.
    pub(crate) fn wait_for_socket(&self, waker: &Waker) {
        self.change(|slot| match &mut slot.socket {
            Some(old) => old.clone_from(waker),
            empty => *empty = Some(waker.clone()),
        });
    }

    /// Wakes at `at`.
    pub(crate) fn wait_until(&self, at: Instant, waker: &Waker) {
        self.change(|slot| match &mut slot.timer {
            Some((old_at, old)) => {
                *old_at = at;
                old.clone_from(waker);
            }
            empty => *empty = Some((at, waker.clone())),
        });
    }

    fn change(&self, change: impl FnOnce(&mut Waiting)) {
        if let Some(slot) = self.slots.lock().get_mut(self.token.0) {
            change(slot);
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.change(|slot| *slot = Waiting::default());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::poll_fn;
    use std::io::{Read, Write};
    use std::sync::mpsc::channel;

    #[test]
    fn a_wake_up_from_another_thread_is_never_lost() {
        let mut executor = Executor::new(Blocking::default(), Reading::Polling).unwrap();
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
    fn the_earliest_timer_ends_the_wait_and_each_wakes_its_own() {
        let mut executor = Executor::new(Blocking::default(), Reading::Polling).unwrap();
        let (one, two) = (executor.slot(), executor.slot());
        let start = Instant::now();
        let (soon, late) = (start + Duration::from_millis(20), start + Duration::from_secs(60));
        let polls = executor.block_on(async {
            let mut polls = 0;
            poll_fn(|cx| {
                polls += 1;
                if Instant::now() >= soon {
                    return Poll::Ready(());
                }
                one.wait_until(late, cx.waker());
                one.wait_until(soon, cx.waker());
                two.wait_until(late, cx.waker());
                Poll::Pending
            })
            .await;
            polls
        });
        assert!(Instant::now() >= soon && polls <= 3, "{polls}");
        drop(two);
        assert_eq!(executor.slots.first_timer(), None, "what was dropped waits no more");
    }

    #[test]
    fn a_socket_wakes_when_there_is_something() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let mut peer = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (socket, _) = listener.accept().unwrap();
        socket.set_nonblocking(true).unwrap();
        let mut socket = mio::net::TcpStream::from_std(socket);
        let mut executor = Executor::new(Blocking::default(), Reading::Polling).unwrap();
        let slot = executor.slot();
        slot.register(&mut socket).unwrap();
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
                        slot.wait_for_socket(cx.waker());
                        return Poll::Pending;
                    }
                }
            }
        }));
        thread.join().unwrap();
        assert_eq!(read, (0..100).collect::<Vec<u8>>());
    }
}
