//! What a program makes once, and opens streams from.

use powerstream_client::config::{Config, Connections};
use powerstream_client::rules;
use powerstream_client::shutdown::Shutdown;
use powerstream_client::transport::{OpenError, Transport, Trust, connect, open, open_merged};
use powerstream_tls::TlsConfig;

use crate::merged::MergedStream;
use crate::reactor::Smol;
use crate::stream::Stream;

/// The rules of one app at one service: each call on a connection of its own. Its calls are futures; dropping one gives the call up, and
/// whether the service acted is then unknown.
///
/// ```no_run
/// # async fn manage() -> Result<(), Box<dyn std::error::Error>> {
/// use powerstream_smol::client::rule_api::NewRule;
/// use powerstream_smol::{Client, Config, Token};
///
/// let client = Client::new(Config::new(Token::new(std::env::var("X_BEARER_TOKEN")?)?));
/// let mut rules = client.rules()?;
/// let added = rules.add(&[NewRule::tagged("(gull OR tern) lang:en", "birds")]).await?;
/// println!("{:?}; now there are {}", added.fates, rules.list().await?.len());
/// # Ok(())
/// # }
/// ```
pub type Rules = rules::Rules<Transport<Smol>>;

/// Opens streams by one configuration. It may be made, and streams opened, outside of a runtime.
///
/// ```
/// use powerstream_smol::{Client, Config, Token};
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
        open(&self.config, &self.trust, Smol, &Shutdown::new()).map(Stream::new)
    }

    /// Several connections as one stream, which connect at the first [`MergedStream::next`]. They have configurations of
    /// their own, and this client's trust.
    ///
    /// ```
    /// # use powerstream_smol::{Client, Config, Connections, Token};
    /// let config = Config::builder().token(Token::new("AAAA")?).base_url("http://127.0.0.1:8080").build()?;
    /// let mut stream = Client::new(config.clone()).merged(&Connections::copies(2, &config))?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`OpenError`] where there are none or too many, or TLS cannot be set up.
    pub fn merged(&self, connections: &Connections) -> Result<MergedStream, OpenError> {
        let shutdown = Shutdown::new();
        let merged = open_merged(connections, &self.trust, || Smol, &shutdown)?;
        Ok(MergedStream::new(merged, shutdown))
    }

    /// The rules of the client's stream. Nothing is connected to yet.
    ///
    /// # Errors
    /// [`OpenError`] where that stream has no rules, or TLS cannot be set up.
    pub fn rules(&self) -> Result<Rules, OpenError> {
        let transport = connect(&self.config, &self.trust, Smol, &Shutdown::new())?;
        rules::Rules::new(self.config.clone(), transport).ok_or(OpenError::NoRules)
    }
}
