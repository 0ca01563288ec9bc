//! What a program makes once, and opens streams from.

use powerstream_tls::TlsConfig;

use crate::config::{Config, Connections};
use crate::error::OpenError;
use crate::rule_client::RuleClient;
use crate::runtime::Runtime;
use crate::shutdown::ShutdownHandle;
use crate::stream::{MergedStream, Stream};
use crate::transport::{TrustRoots, connect, open, open_merged};

/// Opens streams by one configuration.
///
/// Each runtime's crate has an alias of it, such as `powerstream_tokio::Client`. It may be made, and
/// streams opened, outside of a runtime.
#[derive(Clone, Debug)]
pub struct Client<R> {
    config: Config,
    trust: TrustRoots,
    runtime: R,
}

impl<R: Runtime> Client<R> {
    /// Returns a client of this configuration.
    ///
    /// The certificate of an `https` origin is checked against the CAs of the operating system, which
    /// are read once, when the first stream is opened.
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self { config, trust: TrustRoots::default(), runtime: R::default() }
    }

    /// Replaces the CAs that are trusted.
    #[must_use]
    pub fn with_tls(self, tls: TlsConfig) -> Self {
        Self { trust: tls.into(), ..self }
    }

    /// Replaces the runtime: for one that has options.
    #[must_use]
    pub fn with_runtime(self, runtime: R) -> Self {
        Self { runtime, ..self }
    }

    /// Returns the configuration.
    #[must_use]
    pub const fn config(&self) -> &Config {
        &self.config
    }

    /// Opens a stream, which connects at the first [`Stream::next`].
    ///
    /// # Errors
    /// [`OpenError`] where TLS cannot be set up, or the operating system has no more resources.
    pub fn stream(&self) -> Result<Stream<R>, OpenError> {
        let (executor, shutdown) = (self.runtime.executor(1).map_err(OpenError::Io)?, ShutdownHandle::new());
        let line = open(&self.config, &self.trust, R::reactor(&executor, &shutdown), &shutdown)?;
        Ok(Stream::new(line, shutdown, executor))
    }

    /// Opens several connections as one stream, which connect at the first [`Stream::next`]. They have
    /// configurations of their own, and this client's trust and runtime.
    ///
    /// # Errors
    /// [`OpenError`] where there are no connections or too many, TLS cannot be set up, or the operating
    /// system has no more resources.
    pub fn merged(&self, connections: &Connections) -> Result<MergedStream<R>, OpenError> {
        let executor = self.runtime.executor(connections.list().len()).map_err(OpenError::Io)?;
        let shutdown = ShutdownHandle::new();
        let reactor = || R::reactor(&executor, &shutdown);
        let merged = open_merged(connections, &self.trust, reactor, &shutdown)?;
        Ok(Stream::new(merged, shutdown, executor))
    }

    /// Returns a client for the rules of the configured stream. Nothing is connected to yet.
    ///
    /// # Errors
    /// [`OpenError`] where that stream has no rules, TLS cannot be set up, or the operating system has
    /// no more resources.
    pub fn rules(&self) -> Result<RuleClient<R>, OpenError> {
        let (executor, shutdown) = (self.runtime.executor(1).map_err(OpenError::Io)?, ShutdownHandle::new());
        let transport = connect(&self.config, &self.trust, R::reactor(&executor, &shutdown), &shutdown)?;
        RuleClient::new(self.config.clone(), transport, shutdown, executor).ok_or(OpenError::NoRules)
    }
}
