//! What bytes go through: TCP, through a proxy where there is one.

use powerstream_core::client::Config;
use powerstream_core::driver::stop::Shutdown;
use powerstream_core::driver::tcp::Tcp;
use powerstream_core::driver::tunnel::Tunnel;
use powerstream_core::http::origin::Scheme;

use crate::reactor::Smol;
use crate::stream::OpenError;

pub(crate) type Transport = Tunnel<Tcp<Smol>, Vec<u8>>;

/// A transport that has not connected yet.
pub(crate) fn connect(config: &Config, shutdown: &Shutdown) -> Result<Transport, OpenError> {
    if config.origin().scheme() == Scheme::Https {
        return Err(OpenError::NoTls);
    }
    Ok(config.tunnel(Tcp::new(Smol, config.route(), shutdown.listen())))
}

/// What ends it.
pub(crate) fn shutdown(transport: &Transport) -> Shutdown {
    transport.inner().stop().handle()
}
