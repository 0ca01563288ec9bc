//! What a program makes once, and opens streams from.

use powerstream_core::client::Config;
use powerstream_tls::TlsConfig;

use crate::reactor::Reading;
use crate::rules::Rules;
use crate::stream::{OpenError, Stream};
use crate::transport::{Way, trust};

/// Opens streams by one configuration.
///
/// ```
/// use powerstream_blocking::{Client, Config, Token};
///
/// let config = Config::builder().token(Token::new("AAAA")?).base_url("http://127.0.0.1:8080").build()?;
/// let client = Client::new(config);
/// let mut one = client.stream()?;
/// // For those who own a core: it does nothing but read.
/// let mut other = client.with_busy_poll(true).stream()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Client {
    config: Config,
    tls: Option<TlsConfig>,
    busy_poll: bool,
}

impl Client {
    /// A client of this configuration.
    #[must_use]
    pub const fn new(config: Config) -> Self {
        Self { config, tls: None, busy_poll: false }
    }

    /// Whom to trust where the base URL is `https`. Default: whom the operating system trusts, whose CAs are read anew for
    /// each stream.
    #[must_use]
    pub fn with_tls(mut self, tls: TlsConfig) -> Self {
        self.tls = Some(tls);
        self
    }

    /// Whether a stream that waits for input asks the system for it again and again, rather than sleeping until it
    /// comes. That saves the time which waking a thread takes, and costs all of a processor: give it one that nobody else
    /// uses, see [`pin_thread`](crate::pin_thread). While it connects or backs off it sleeps. Default off.
    #[must_use]
    pub fn with_busy_poll(mut self, busy_poll: bool) -> Self {
        self.busy_poll = busy_poll;
        self
    }

    /// The configuration.
    #[must_use]
    pub const fn config(&self) -> &Config {
        &self.config
    }

    /// A stream that connects at the first [`Stream::next`].
    ///
    /// # Errors
    /// [`OpenError`] where TLS cannot be set up, or the system has no more resources.
    pub fn stream(&self) -> Result<Stream, OpenError> {
        let reading = if self.busy_poll { Reading::Spinning } else { Reading::Blocking };
        let connector = trust(&self.config.origin(), self.tls.as_ref())?;
        Stream::of_client(&self.config, Way::of(&self.config, connector, reading))
    }

    /// The rules of the stream, managed on connections of their own. Nothing is connected to yet.
    ///
    /// # Errors
    /// [`OpenError`] where the stream has no rules, TLS cannot be set up, or the system has no more resources.
    pub fn rules(&self) -> Result<Rules, OpenError> {
        let connector = trust(&self.config.origin(), self.tls.as_ref())?;
        Rules::of_client(&self.config, Way::of(&self.config, connector, Reading::Blocking))
    }
}
