//! What a program makes once, and opens streams from.

use powerstream_core::client::Config;

use crate::stream::{OpenError, Stream};

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
}

impl Client {
    /// A client of this configuration.
    #[must_use]
    pub const fn new(config: Config) -> Self {
        Self { config }
    }

    /// The configuration.
    #[must_use]
    pub const fn config(&self) -> &Config {
        &self.config
    }

    /// A stream that connects at the first [`Stream::next`].
    ///
    /// # Errors
    /// [`OpenError`] where the configuration makes no stream.
    pub fn stream(&self) -> Result<Stream, OpenError> {
        Stream::open(&self.config)
    }
}
