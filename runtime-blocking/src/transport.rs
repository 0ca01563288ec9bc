//! What bytes go through: TCP on this thread, through a proxy where there is one.

use powerstream_core::client::Config;
use powerstream_core::driver::stop::Shutdown;
use powerstream_core::driver::tcp::Tcp;
use powerstream_core::driver::tunnel::Tunnel;
use powerstream_core::http::origin::Scheme;

use crate::reactor::{Reading, Sockets};
use crate::stream::OpenError;
use crate::waiter::Waiter;

pub(crate) type Transport = Tunnel<Tcp<Sockets>, Vec<u8>>;

/// A transport that has not connected yet.
pub(crate) fn connect(
    config: &Config,
    waiter: &Waiter,
    reading: Reading,
    shutdown: &Shutdown,
) -> Result<Transport, OpenError> {
    if config.origin().scheme() == Scheme::Https {
        return Err(OpenError::NoTls);
    }
    let sockets = Sockets::new(waiter, reading, shutdown);
    Ok(config.tunnel(Tcp::new(sockets, config.route(), shutdown.listen())))
}
