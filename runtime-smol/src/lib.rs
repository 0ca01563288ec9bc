#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod runtime;

pub use powerstream_client as client;
pub use powerstream_client::prelude::*;
pub use runtime::Smol;

/// Opens streams of one configuration, on smol: [`stream`](client::Client::stream),
/// [`merged`](client::Client::merged) and [`rules`](client::Client::rules).
///
/// It can be created, and can open streams, outside of a runtime.
///
/// ```
/// use powerstream_smol::{Client, Config, Token};
///
/// let token = Token::new("AAAA")?;
/// let config = Config::builder().token(token).base_url("http://127.0.0.1:8080").build()?;
/// let client = Client::new(config);
/// let (one, other) = (client.stream()?, client.stream()?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub type Client = client::Client<Smol>;

/// A stream that reconnects by itself, on smol.
///
/// [`next`](client::Stream::next) waits for an event and lends it.
/// [`find_next`](client::Stream::find_next) returns false if `next` would wait:
///
/// ```
/// use powerstream_smol::Stream;
/// use std::io::Write;
///
/// async fn copy(stream: &mut Stream, output: &mut impl Write) -> std::io::Result<()> {
///     loop {
///         if !stream.find_next() {
///             output.flush()?;
///         }
///         let Some(event) = stream.next().await else { return Ok(()) };
///         writeln!(output, "{event:?}")?;
///     }
/// }
/// ```
pub type Stream = client::Stream<Smol>;

/// Several connections as one stream, on smol: each Post once, from the connection that delivers it
/// first.
///
/// ```
/// use powerstream_smol::{Client, Config, Connections, Token};
///
/// let token = Token::new("AAAA")?;
/// let config = Config::builder().token(token).base_url("http://127.0.0.1:8080").build()?;
/// let mut stream = Client::new(config.clone()).merged(&Connections::copies(2, &config))?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub type MergedStream = client::MergedStream<Smol>;

/// Lists, adds and deletes the rules of a stream, on smol.
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
pub type RuleClient = client::RuleClient<Smol>;
