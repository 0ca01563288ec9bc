//! What a program makes once, and opens streams from.

use powerstream_client::config::{Config, Connections};
use powerstream_client::transport::Trust;
use powerstream_tls::TlsConfig;

use crate::merged::MergedStream;
use crate::reactor::Reading;
use crate::rules::Rules;
use crate::stream::{OpenError, Stream};

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
    trust: Trust,
    busy_poll: bool,
}

impl Client {
    /// A client of this configuration.
    ///
    /// An `https` origin is trusted as the operating system does, whose CAs are read once, when the first stream is opened.
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self { config, trust: Trust::default(), busy_poll: false }
    }

    /// Trusts whom `tls` says instead.
    #[must_use]
    pub fn with_tls(self, tls: TlsConfig) -> Self {
        Self { trust: tls.into(), ..self }
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
        Stream::of_client(&self.config, &self.trust, reading)
    }

    /// Several connections as one stream, read by one thread: each Post once, from whoever brings it first. They have
    /// configurations of their own, and this client's trust and way of reading.
    ///
    /// ```
    /// # use powerstream_blocking::{Client, Config, Connections, Token};
    /// let config = Config::builder().token(Token::new("AAAA")?).base_url("http://127.0.0.1:8080").build()?;
    /// let mut stream = Client::new(config.clone()).merged(&Connections::copies(2, &config))?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`OpenError`] where there are no connections or too many, TLS cannot be set up, or the system has no more
    /// resources.
    pub fn merged(&self, connections: &Connections) -> Result<MergedStream, OpenError> {
        let reading = if self.busy_poll { Reading::Spinning } else { Reading::Polling };
        MergedStream::of_client(connections, &self.trust, reading)
    }

    /// The rules of that stream. Nothing is connected to yet.
    ///
    /// # Errors
    /// [`OpenError`] where that stream has no rules, TLS cannot be set up, or the system has no more resources.
    pub fn rules(&self) -> Result<Rules, OpenError> {
        Rules::open_over(&self.config, &self.trust)
    }
}
