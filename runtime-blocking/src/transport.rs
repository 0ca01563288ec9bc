//! What bytes go through: TCP on this thread, through a proxy where there is one, over TLS where the origin says so.

use powerstream_core::client::Config;
use powerstream_core::driver::dial::Route;
use powerstream_core::driver::stop::Shutdown;
use powerstream_core::driver::tcp::Tcp;
use powerstream_core::driver::tunnel::Tunnel;
use powerstream_core::http::origin::{Origin, Scheme};
use powerstream_core::http::tunnel::Opening;
use powerstream_tls::{Connector, Secured, TlsConfig};

use crate::reactor::{Reading, Sockets};
use crate::stream::OpenError;
use crate::waiter::Waiter;

pub(crate) type Transport = Secured<Tunnel<Tcp<Sockets>, Vec<u8>>>;

/// How to get to a server, and how to wait for what it sends.
#[derive(Debug)]
pub(crate) struct Way {
    route: Route,
    opening: Option<Opening<Vec<u8>>>,
    connector: Option<Connector>,
    reading: Reading,
}

impl Way {
    /// As `config` has it.
    pub(crate) fn of(config: &Config, connector: Option<Connector>, reading: Reading) -> Self {
        Self { route: config.route(), opening: config.opening(), connector, reading }
    }

    /// Straight to `origin`, one stream a thread.
    pub(crate) fn straight(origin: &Origin<'_>, connector: Option<Connector>) -> Self {
        Self { route: Route::to_origin(origin), opening: None, connector, reading: Reading::Blocking }
    }

    /// A transport that has not connected yet.
    pub(crate) fn transport(self, waiter: &Waiter, shutdown: &Shutdown) -> Transport {
        let sockets = Sockets::new(waiter, self.reading, shutdown);
        let tcp = Tcp::new(sockets, self.route, shutdown.listen());
        Secured::new(Tunnel::new(tcp, self.opening), self.connector)
    }
}

/// The TLS that connections to `origin` need; where nothing says whom to trust, those whom the system trusts.
pub(crate) fn trust(origin: &Origin<'_>, tls: Option<&TlsConfig>) -> Result<Option<Connector>, OpenError> {
    let connector = match (origin.scheme(), tls) {
        (Scheme::Http, _) => Ok(None),
        (Scheme::Https, Some(tls)) => tls.for_origin(origin),
        (Scheme::Https, None) => TlsConfig::platform().and_then(|tls| tls.for_origin(origin)),
    };
    connector.map_err(OpenError::Tls)
}
