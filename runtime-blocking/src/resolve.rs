//! Resolving a name without being stuck in it: the system's resolver cannot be interrupted, so it runs on a thread of
//! its own, which is left behind when the deadline passes or the stream ends.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::{Arc, Mutex, PoisonError};

use powerstream_core::driver::dial::Route;

use crate::shutdown::Signal;

type Answer = io::Result<Vec<SocketAddr>>;

/// A name on its way to addresses.
#[derive(Debug)]
pub(crate) struct Resolving {
    answer: Arc<Mutex<Option<Answer>>>,
}

impl Resolving {
    /// Starts to resolve. An address that is known needs no thread.
    pub(crate) fn start(route: &Route, signal: &Arc<Signal>) -> io::Result<Self> {
        let known = route.address().map(|address| Ok(vec![address]));
        let is_known = known.is_some();
        let answer = Arc::new(Mutex::new(known));
        if !is_known {
            let (host, port) = (route.host().to_owned(), route.port());
            let (slot, signal) = (Arc::clone(&answer), Arc::clone(signal));
            std::thread::Builder::new().name("powerstream-resolve".to_owned()).spawn(move || {
                let found = (host.as_str(), port).to_socket_addrs().map(Iterator::collect);
                *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(found);
                signal.wake();
            })?;
        }
        Ok(Self { answer })
    }

    /// Whether there is an answer.
    pub(crate) fn is_done(&self) -> bool {
        self.answer.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    /// The answer, once there is one.
    pub(crate) fn take(&self) -> Option<Answer> {
        self.answer.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}
