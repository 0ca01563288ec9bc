//! Assembles a session and its transport layers. The runtime adapters use it.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::{Arc, OnceLock};

use powerstream_core::dedup::{Window, WindowConfig};
use powerstream_core::driver::{Driver, Io};
use powerstream_core::http::{Origin, Scheme};
use powerstream_tls::{Connector, MaybeTls, TlsConfig, TlsConfigError};

use crate::config::{Config, Connections};
use crate::dedup::Deduped;
use crate::error::OpenError;
use crate::merged::{self, Merged};
use crate::net::tcp::{Reactor, Tcp};
use crate::net::tunnel::Tunnel;
use crate::recovery::{OpenRange, RecoveryConnection};
use crate::shutdown::ShutdownHandle;

/// TCP on a runtime, through a proxy if configured, with TLS if the origin is `https`.
pub type Transport<R> = MaybeTls<Tunnel<Tcp<R>, Vec<u8>>>;

/// A session over a [`Transport`].
pub type SessionDriver<R> = Driver<Vec<u8>, Vec<u8>, Transport<R>>;

/// A single stream over a [`Transport`], which delivers each Post once.
pub type DedupedSession<R> = Deduped<Vec<u8>, Vec<u8>, Transport<R>>;

/// Several sessions as one stream, each over a [`Transport`].
pub type MergedSessions<R> = Merged<Vec<u8>, Vec<u8>, Transport<R>>;

/// The trust roots: the ones configured, or else the operating system's.
///
/// The operating system's are read when they are first needed. All clones share them.
#[derive(Clone, Debug, Default)]
pub struct TrustRoots(Arc<OnceLock<TlsConfig>>);

impl TrustRoots {
    /// Returns the TLS connector for `origin`, or `None` for plain HTTP.
    ///
    /// # Errors
    /// Returns a [`TlsConfigError`], as [`TlsConfig::for_origin`]. Without configured roots, also
    /// as `TlsConfig::platform`.
    pub fn for_origin(&self, origin: &Origin<'_>) -> Result<Option<Connector>, TlsConfigError> {
        if origin.scheme() == Scheme::Http {
            return Ok(None);
        }
        let config = match self.0.get() {
            Some(config) => config,
            None => {
                let config = default_config()?;
                self.0.get_or_init(|| config)
            }
        };
        config.connector(origin).map(Some)
    }
}

impl From<TlsConfig> for TrustRoots {
    fn from(config: TlsConfig) -> Self {
        Self(Arc::new(OnceLock::from(config)))
    }
}

/// Returns the default trust roots.
fn default_config() -> Result<TlsConfig, TlsConfigError> {
    #[cfg(feature = "platform-roots")]
    return TlsConfig::platform();
    #[cfg(all(not(feature = "platform-roots"), feature = "webpki-roots"))]
    return TlsConfig::webpki();
    #[cfg(not(any(feature = "platform-roots", feature = "webpki-roots")))]
    return Err(TlsConfigError::Roots(powerstream_tls::rustls::Error::General(
        "built without any".to_owned(),
    )));
}

/// Creates a transport to the origin of `config`, without connecting. It runs on the runtime of
/// `reactor`, until `shutdown` is called. Used for requests that are not streams, such as rules.
///
/// # Errors
/// Returns [`OpenError::Tls`] if TLS cannot be set up.
pub fn connect<R: Reactor>(
    config: &Config,
    trust: &TrustRoots,
    reactor: R,
    shutdown: &ShutdownHandle,
) -> Result<Transport<R>, OpenError> {
    secure(config, trust, Tcp::new(reactor, config.route(), shutdown.listen()))
}

fn secure<R: Reactor>(config: &Config, trust: &TrustRoots, tcp: Tcp<R>) -> Result<Transport<R>, OpenError> {
    let connector = trust.for_origin(&config.origin()).map_err(OpenError::Tls)?;
    Ok(MaybeTls::new(config.tunnel(tcp), connector))
}

/// Returns a function that creates the session of a recovery; `None` if the endpoint has none.
fn open_range(config: &Config) -> Option<OpenRange<Vec<u8>, Vec<u8>>> {
    config.endpoint().recovery?;
    let config = config.clone();
    Some(Box::new(move |range, now, unix| {
        let seed = config.seed().unwrap_or_else(system_seed);
        match config.open_range(range, seed, now, unix) {
            Some(Ok(buffered)) => buffered,
            other => unreachable!("the same request is valid without the parameters: {other:?}"),
        }
    }))
}

/// Creates a single stream of `config`, without connecting. It runs on the runtime of `reactor`,
/// until `shutdown` is called.
///
/// If the configuration has no seed, the jitter is seeded from the system's randomness.
///
/// # Errors
/// Returns an [`OpenError`] if TLS cannot be set up or the configuration is invalid.
pub fn open<R: Reactor>(
    config: &Config,
    trust: &TrustRoots,
    reactor: R,
    shutdown: &ShutdownHandle,
) -> Result<DedupedSession<R>, OpenError> {
    let transport = connect(config, trust, reactor, shutdown)?;
    let driver = drive(config, config.seed().unwrap_or_else(system_seed), transport)?;
    let window = config.dedup_window().map(|window| match Window::allocate(&keyed(window)) {
        Ok(window) => window,
        Err(error) => unreachable!("ConfigBuilder::build checked it: {error}"),
    });
    Ok(Deduped::new(driver, window).check_copies(config.asks_backfill()))
}

/// Returns the window configuration, with a random hash key if the caller set none.
fn keyed(window: &WindowConfig) -> WindowConfig {
    let mut window = *window;
    if window.seed == 0 {
        window.seed = system_seed();
    }
    window
}

fn drive<R: Reactor>(
    config: &Config,
    seed: u64,
    transport: Transport<R>,
) -> Result<SessionDriver<R>, OpenError> {
    let buffered = config.open(seed, transport.now(), transport.unix_now()).map_err(OpenError::Config)?;
    Ok(Driver::new(buffered, transport))
}

/// Returns a seed from the system's randomness.
fn system_seed() -> u64 {
    // The standard library seeds its hash maps from it, and offers no other access to it.
    RandomState::new().build_hasher().finish()
}

/// Creates a merged stream of `connections`, without connecting. Each connection has its own
/// reactor, all of one runtime. They run until `shutdown` is called.
///
/// All times count from the same moment, so that arrivals can be compared. Connections with the
/// same seed still have different jitter.
///
/// # Errors
/// Returns an [`OpenError`] if TLS cannot be set up or the connections cannot be merged.
pub fn open_merged<R: Reactor>(
    connections: &Connections,
    trust: &TrustRoots,
    mut reactor: impl FnMut() -> R,
    shutdown: &ShutdownHandle,
) -> Result<MergedSessions<R>, OpenError> {
    let mut base = None;
    let mut lines = Vec::with_capacity(connections.list().len());
    for (index, connection) in connections.list().iter().enumerate() {
        let config = &connection.config;
        let reactor = reactor();
        let base = *base.get_or_insert_with(|| reactor.now());
        let tcp = Tcp::new(reactor, config.route(), shutdown.listen()).with_base(base);
        let seed = config.seed().map_or_else(system_seed, |seed| seed.wrapping_add(index as u64));
        let line = drive(config, seed, secure(config, trust, tcp)?)?;
        lines.push(merged::Member::new(connection.name.clone(), connection.group, line));
    }
    let merged = Merged::new(lines, &keyed(connections.window())).map_err(OpenError::Merge)?;
    let mut merged = merged.keep_duplicates(connections.keeps_duplicates());
    if connections.recovers() {
        let mut recoveries = Vec::new();
        for connection in connections.groups() {
            let reactor = reactor();
            let base = *base.get_or_insert_with(|| reactor.now());
            let tcp = Tcp::new(reactor, connection.config.route(), shutdown.listen()).with_base(base);
            let transport = secure(&connection.config, trust, tcp)?;
            let open = open_range(&connection.config);
            recoveries.push(RecoveryConnection::new(connection.group, transport, open));
        }
        merged = merged.with_recoveries(recoveries);
    }
    if let Some((position, ids)) = connections.resume() {
        merged.resume_from(position, ids.iter().copied());
    }
    Ok(merged)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_of_a_window_is_random_unless_it_is_set() {
        let mut window = WindowConfig::default();
        window.posts = 7;
        let [first, second] = [keyed(&window), keyed(&window)];
        assert_ne!(first.seed, second.seed);
        window.seed = 5;
        assert_eq!(keyed(&window), window);
    }
}
