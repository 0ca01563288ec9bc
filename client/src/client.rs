//! The client: a program creates one and opens streams from it.

use powerstream_tls::TlsConfig;

use crate::config::{Config, Connections};
use crate::connection_client::ConnectionClient;
use crate::error::OpenError;
use crate::rule_client::RuleClient;
use crate::runtime::Runtime;
use crate::shutdown::ShutdownHandle;
use crate::stream::{MergedStream, Stream};
use crate::transport::{TrustRoots, connect, open, open_merged};

/// Opens streams and rule clients with one configuration.
///
/// Each runtime crate exports an alias, such as `powerstream_tokio::Client`. A client can be
/// created, and streams opened, outside of a runtime.
#[derive(Clone, Debug)]
pub struct Client<R> {
    config: Config,
    trust: TrustRoots,
    runtime: R,
}

impl<R: Runtime> Client<R> {
    /// Creates a client with this configuration.
    ///
    /// For an `https` origin, the certificate is checked against the operating system's CAs. They
    /// are read once, when the first stream is opened.
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self { config, trust: TrustRoots::default(), runtime: R::default() }
    }

    /// Replaces the trusted CAs.
    #[must_use]
    pub fn with_tls(self, tls: TlsConfig) -> Self {
        Self { trust: tls.into(), ..self }
    }

    /// Replaces the runtime. Use this if the runtime has options.
    #[must_use]
    pub fn with_runtime(self, runtime: R) -> Self {
        Self { runtime, ..self }
    }

    /// Returns the configuration.
    #[must_use]
    pub const fn config(&self) -> &Config {
        &self.config
    }

    /// Opens a stream. The stream connects at the first call of [`Stream::next`].
    ///
    /// # Errors
    /// Returns an [`OpenError`] if TLS cannot be set up or the operating system is out of
    /// resources.
    pub fn stream(&self) -> Result<Stream<R>, OpenError> {
        let (executor, shutdown) = (self.runtime.executor(1).map_err(OpenError::Io)?, ShutdownHandle::new());
        let line = open(&self.config, &self.trust, R::reactor(&executor, &shutdown), &shutdown)?;
        Ok(Stream::new(line, shutdown, executor))
    }

    /// Opens several connections as one stream. They connect at the first call of [`Stream::next`].
    ///
    /// Each connection uses its own configuration. All use this client's trusted CAs and runtime.
    ///
    /// # Errors
    /// Returns an [`OpenError`] if there are no connections or too many, if TLS cannot be set up,
    /// or if the operating system is out of resources.
    pub fn merged(&self, connections: &Connections) -> Result<MergedStream<R>, OpenError> {
        let executor = self.runtime.executor(connections.sockets()).map_err(OpenError::Io)?;
        let shutdown = ShutdownHandle::new();
        let reactor = || R::reactor(&executor, &shutdown);
        let merged = open_merged(connections, &self.trust, reactor, &shutdown)?;
        Ok(Stream::new(merged, shutdown, executor))
    }

    /// Creates a client for the rules of the configured stream, without connecting.
    ///
    /// # Errors
    /// Returns an [`OpenError`] if the stream has no rules, if TLS cannot be set up, or if the
    /// operating system is out of resources.
    pub fn rules(&self) -> Result<RuleClient<R>, OpenError> {
        let (executor, shutdown) = (self.runtime.executor(1).map_err(OpenError::Io)?, ShutdownHandle::new());
        let transport = connect(&self.config, &self.trust, R::reactor(&executor, &shutdown), &shutdown)?;
        RuleClient::new(self.config.clone(), transport, shutdown, executor).ok_or(OpenError::NoRules)
    }

    /// Creates a client that lists and ends the app's connections to the configured stream, without
    /// connecting.
    ///
    /// # Errors
    /// Returns an [`OpenError`] if X's connections API does not list the connections of the stream,
    /// which is so for Powerstream, if TLS cannot be set up, or if the operating system is out of
    /// resources.
    pub fn connections(&self) -> Result<ConnectionClient<R>, OpenError> {
        let (executor, shutdown) = (self.runtime.executor(1).map_err(OpenError::Io)?, ShutdownHandle::new());
        let transport = connect(&self.config, &self.trust, R::reactor(&executor, &shutdown), &shutdown)?;
        ConnectionClient::new(self.config.clone(), transport, shutdown, executor).ok_or(OpenError::NotListed)
    }
}
