#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod executor;
mod interrupt;
mod pin;
mod runtime;
mod sockets;
mod timestamps;

pub use pin::{PinError, pin_thread};
pub use powerstream_client as client;
pub use powerstream_client::prelude::*;
pub use runtime::{Blocking, Task};

/// Opens streams of one configuration, each read by the thread that calls it:
/// [`stream`](client::Client::stream), [`merged`](client::Client::merged) and
/// [`rules`](client::Client::rules).
///
/// ```
/// use powerstream_blocking::{Blocking, Client, Config, Token};
///
/// let token = Token::new("AAAA")?;
/// let config = Config::builder().token(token).base_url("http://127.0.0.1:8080").build()?;
/// let client = Client::new(config);
/// let mut one = client.stream()?;
/// // Polls its socket in a loop. Needs a processor that nothing else uses.
/// let mut other = client.with_runtime(Blocking::default().with_busy_poll(true)).stream()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub type Client = client::Client<Blocking>;

/// A stream that reconnects by itself. Each call blocks the calling thread.
///
/// [`next`](client::Stream::next) waits for an event and lends it.
/// [`find_next`](client::Stream::find_next) returns false if `next` would wait:
///
/// ```
/// use powerstream_blocking::Stream;
/// use std::io::Write;
///
/// fn copy(stream: &mut Stream, output: &mut impl Write) -> std::io::Result<()> {
///     loop {
///         if !stream.find_next() {
///             output.flush()?;
///         }
///         let Some(event) = stream.next() else { return Ok(()) };
///         writeln!(output, "{event:?}")?;
///     }
/// }
/// ```
///
/// [`queued`](client::Stream::queued) starts a thread that reads independently of the consumer:
///
/// ```
/// use powerstream_blocking::{Client, Config, Delivery, Overflow, QueueConfig, Token};
///
/// let token = Token::new("AAAA")?;
/// let config = Config::builder().token(token).base_url("http://127.0.0.1:8080").build()?;
/// let mut bounds = QueueConfig::default();
/// bounds.overflow = Overflow::DropOldest;
/// let stream = Client::new(config).stream()?;
/// let shutdown = stream.shutdown_handle();
/// let (mut receiver, reader) = stream.queued(bounds)?;
/// # shutdown.shutdown();
/// while let Some(delivery) = receiver.recv_blocking() {
///     match delivery {
///         Delivery::Event(event) => println!("{event:?}"),
///         Delivery::Dropped(loss) => eprintln!("too slow: {} messages dropped", loss.messages),
///     }
/// }
/// let stream = reader.join();
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub type Stream = client::Stream<Blocking>;

/// Several connections as one stream, read by one thread: each Post once, from the connection that
/// delivers it first.
///
/// ```
/// use powerstream_blocking::{Client, Config, Connections, Token};
///
/// let token = Token::new("AAAA")?;
/// let config = Config::builder().token(token).base_url("http://127.0.0.1:8080").build()?;
/// let mut stream = Client::new(config.clone()).merged(&Connections::copies(2, &config))?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub type MergedStream = client::MergedStream<Blocking>;

/// Lists, adds and deletes the rules of a stream. Each call blocks the calling thread.
///
/// ```no_run
/// use powerstream_blocking::client::rule_api::NewRule;
/// use powerstream_blocking::{Client, Config, Token};
///
/// let client = Client::new(Config::new(Token::new(std::env::var("X_BEARER_TOKEN")?)?));
/// let mut rules = client.rules()?;
/// let added = rules.add(&[NewRule::tagged("(gull OR tern) lang:en", "birds")])?;
/// println!("{:?}; now there are {}", added.fates, rules.list()?.len());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub type RuleClient = client::RuleClient<Blocking>;
