//! Resolves names without blocking. The system's resolver cannot be interrupted, so each lookup
//! runs on its own thread. The thread is left to finish alone if its answer is no longer needed.

use std::future::poll_fn;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, ToSocketAddrs, UdpSocket};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

use super::limit;

type Answer = io::Result<Vec<SocketAddr>>;

/// State shared by the two threads: the answer, and the task to wake with it.
#[derive(Debug, Default)]
struct Waiting {
    answer: Option<Answer>,
    waker: Option<Waker>,
}

/// Returns the addresses of `host`.
pub(crate) async fn resolve(host: String, port: u16) -> Answer {
    let waiting = Arc::new(Mutex::new(Waiting::default()));
    let slot = Arc::clone(&waiting);
    std::thread::Builder::new().name("powerstream-resolve".to_owned()).spawn(move || {
        let found = (host.as_str(), port).to_socket_addrs().map(Iterator::collect);
        let found = found.map_err(|error| socket_limit().unwrap_or(error));
        let mut waiting = lock(&slot);
        waiting.answer = Some(found);
        if let Some(waker) = waiting.waker.take() {
            waker.wake();
        }
    })?;
    poll_fn(|cx| {
        let mut waiting = lock(&waiting);
        match waiting.answer.take() {
            Some(answer) => Poll::Ready(answer),
            None => {
                waiting.waker = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    })
    .await
}

/// Returns the limit that prevents this process from opening another socket, if any. The resolver
/// would report it as a name that does not resolve.
fn socket_limit() -> Option<io::Error> {
    UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).err().filter(|error| limit(error).is_some())
}

fn lock(waiting: &Mutex<Waiting>) -> MutexGuard<'_, Waiting> {
    // No panic can leave the state inconsistent under this lock.
    waiting.lock().unwrap_or_else(PoisonError::into_inner)
}
