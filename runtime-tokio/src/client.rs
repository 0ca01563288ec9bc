//! What a program makes once, and opens streams from.

use powerstream_core::client::Config;
use powerstream_core::driver::stop::Shutdown;
use powerstream_tls::TlsConfig;
use powerstream_tls::transport::{OpenError, Trust, open, open_rules};

use crate::reactor::Tokio;
use crate::rules::Rules;
use crate::stream::Stream;

/// Opens streams by one configuration. It may be made, and streams opened, outside of a runtime.
///
/// ```
/// use powerstream_tokio::{Client, Config, Token};
///
/// let config = Config::builder().token(Token::new("AAAA")?).base_url("http://127.0.0.1:8080").build()?;
/// let client = Client::new(config);
/// let (one, other) = (client.stream()?, client.stream()?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Client {
    config: Config,
    trust: Trust,
}

impl Client {
    /// A client of this configuration.
    ///
    /// An `https` origin is trusted as the operating system does, whose CAs are read once, when the first stream is opened.
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self { config, trust: Trust::default() }
    }

    /// Trusts whom `tls` says instead.
    #[must_use]
    pub fn with_tls(self, tls: TlsConfig) -> Self {
        Self { trust: tls.into(), ..self }
    }

    /// The configuration.
    #[must_use]
    pub const fn config(&self) -> &Config {
        &self.config
    }

    /// A stream that connects at the first [`Stream::next`].
    ///
    /// # Errors
    /// [`OpenError`] where TLS cannot be set up.
    pub fn stream(&self) -> Result<Stream, OpenError> {
        open(&self.config, &self.trust, Tokio, &Shutdown::new()).map(Stream::new)
    }

    /// The rules of the stream, managed on connections of their own. Nothing is connected to yet.
    ///
    /// # Errors
    /// [`OpenError`] where the stream has no rules, or TLS cannot be set up.
    pub fn rules(&self) -> Result<Rules, OpenError> {
        open_rules(&self.config, &self.trust, Tokio, &Shutdown::new()).map(Rules::new)
    }
}
