//! What bytes go through: TCP on this thread, through a proxy where there is one.

use powerstream_core::driver::dial::Route;
use powerstream_core::driver::stop::Shutdown;
use powerstream_core::driver::tcp::Tcp;
use powerstream_core::driver::tunnel::Tunnel;
use powerstream_core::http::origin::{Origin, Scheme};
use powerstream_core::http::tunnel::Opening;

use crate::reactor::{Reading, Sockets};
use crate::stream::OpenError;
use crate::waiter::Waiter;

pub(crate) type Transport = Tunnel<Tcp<Sockets>, Vec<u8>>;

/// How to get to a server, and how to wait for what it sends.
#[derive(Debug)]
pub(crate) struct Way {
    pub(crate) route: Route,
    pub(crate) opening: Option<Opening<Vec<u8>>>,
    pub(crate) reading: Reading,
}

impl Way {
    /// A transport that has not connected yet.
    pub(crate) fn transport(
        self,
        origin: &Origin<'_>,
        waiter: &Waiter,
        shutdown: &Shutdown,
    ) -> Result<Transport, OpenError> {
        if origin.scheme() == Scheme::Https {
            return Err(OpenError::NoTls);
        }
        let sockets = Sockets::new(waiter, self.reading, shutdown);
        Ok(Tunnel::new(Tcp::new(sockets, self.route, shutdown.listen()), self.opening))
    }
}
