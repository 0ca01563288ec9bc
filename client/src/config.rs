//! The configuration of a client: origin, token, endpoint, limits, timeouts, backoff, proxy.
//!
//! The runtime crates' clients take a [`Config`]. Its defaults are X's, so it needs only a token:
//!
//! ```
//! use powerstream_client::config::{Config, Token};
//!
//! let config = Config::new(Token::new("AAAA\n")?);
//! assert_eq!(config.origin().authority(), "api.x.com");
//! # Ok::<(), powerstream_client::config::TokenError>(())
//! ```
//!
//! A [`ConfigBuilder`] sets everything else, and [`ConfigBuilder::build`] checks it. A
//! configuration that was built makes a well-formed request to an origin that may receive the
//! token.
//!
//! ```
//! use std::time::Duration;
//! use powerstream_client::config::{Config, InvalidConfig, Token};
//! use powerstream_core::endpoint::SAMPLE10;
//!
//! let config = Config::builder()
//!     .token(Token::new("AAAA")?)
//!     .base_url("http://127.0.0.1:8080")
//!     .endpoint(SAMPLE10)
//!     .partition(2)
//!     .query("tweet.fields", "created_at,lang")
//!     .backfill(true)
//!     .timeouts(|timeouts| timeouts.idle = Duration::from_secs(40))
//!     .build()?;
//! let session = config.session();
//! let path = "/2/tweets/sample10/stream?partition=2&tweet.fields=created_at%2Clang";
//! assert_eq!(session.endpoint.path, path);
//! assert_eq!(session.timeouts.idle.as_secs(), 40);
//!
//! let other = config.to_builder().partition(3).build();
//! assert_eq!(other.unwrap_err(), InvalidConfig::Partition { partitions: 2 });
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod connections;
mod token;

use std::net::{IpAddr, SocketAddr};
use std::string::String;
use std::vec::Vec;
use std::{fmt, vec};

pub use connections::{Connections, NamedConnection};
use powerstream_core::backoff::BackoffConfig;
use powerstream_core::buffered::Buffered;
use powerstream_core::dedup::{WindowConfig, WindowError};
use powerstream_core::driver::Io;
use powerstream_core::endpoint::{Endpoint, POWERSTREAM, QueryDialect};
use powerstream_core::http::{
    ANSWER_BYTES, ChunkLimits, ConnectHandshake, DEFAULT_USER_AGENT, HeadLimits, Method, Origin, OriginError,
    OwnedOrigin, Request, RequestError, Scheme, X, percent_encoded,
};
use powerstream_core::liveness::{TimeoutKind, Timeouts};
use powerstream_core::read_buffer::BUFFER_BYTES;
use powerstream_core::session::{ConfigError, Session, SessionConfig};
use powerstream_core::stream::ConnectionConfig;
use powerstream_core::time::{Instant, TimeRange, UnixTime, UtcTime};
pub use token::{Token, TokenError};

use crate::net::dial::Route;
use crate::net::tunnel::Tunnel;
use crate::proxy::Proxy;

/// The largest value that [`ConfigBuilder::message_bytes_max`] accepts: 1 GiB.
///
/// A session allocates storage for the longest message when it opens.
pub const MESSAGE_BYTES_MOST: usize = 1 << 30;

/// A checked client configuration. Clones share only the secrets.
#[derive(Clone, Debug)]
pub struct Config {
    settings: ConfigBuilder,
    origin: OwnedOrigin,
    /// The path with all query parameters that are the same for every connection.
    target: String,
    /// The handshake with the proxy, if a proxy is used.
    opening: Option<ConnectHandshake<Vec<u8>>>,
}

impl Config {
    /// Creates a configuration for Powerstream at `https://api.x.com`, with every default.
    #[must_use]
    pub fn new(token: Token) -> Self {
        Self {
            settings: Self::builder().token(token),
            origin: X.into(),
            target: String::from(POWERSTREAM.path),
            opening: None,
        }
    }

    /// Returns a builder that sets everything. Without a [`ConfigBuilder::token`], none is sent.
    pub fn builder() -> ConfigBuilder {
        ConfigBuilder::default()
    }

    /// Returns a builder that starts from this configuration, for variants of it.
    pub fn to_builder(&self) -> ConfigBuilder {
        self.settings.clone()
    }

    /// Returns the scheme, host and port of the server.
    #[must_use]
    pub fn origin(&self) -> Origin<'_> {
        self.origin.lend()
    }

    /// Returns the stream's endpoint.
    #[must_use]
    pub fn endpoint(&self) -> Endpoint<'_> {
        self.settings.endpoint.lend()
    }

    /// Returns the bearer token, or `None` if no token is sent.
    #[must_use]
    pub const fn token(&self) -> Option<&Token> {
        self.settings.token.as_ref()
    }

    /// Returns the seed of the jitter, or `None` if it comes from the system's randomness.
    #[must_use]
    pub const fn seed(&self) -> Option<u64> {
        self.settings.seed
    }

    /// Returns the dedup window of a single stream, or `None` if duplicates are delivered.
    #[must_use]
    pub fn dedup_window(&self) -> Option<&WindowConfig> {
        let settings = &self.settings;
        (!settings.keep_duplicates).then_some(&settings.dedup_window)
    }

    /// Returns true if reconnects request backfill.
    pub(crate) const fn asks_backfill(&self) -> bool {
        self.settings.backfill
    }

    /// Returns the proxy that connections use.
    ///
    /// A plain HTTP origin is on this machine and never uses a proxy: then this returns `None`.
    #[must_use]
    pub fn proxy(&self) -> Option<&Proxy> {
        self.settings.proxy.as_ref().filter(|_| self.opening.is_some())
    }

    /// Returns the configuration of a session.
    #[must_use]
    pub fn session(&self) -> SessionConfig<'_> {
        let settings = &self.settings;
        let mut config = SessionConfig::new(self.origin());
        config.host = settings.host.as_deref();
        config.endpoint = self.endpoint();
        config.endpoint.path = &self.target;
        config.local_dc_only = settings.local_dc_only;
        config.token = settings.token.as_ref().map(Token::bearer);
        config.user_agent = &settings.user_agent;
        config.backfill = settings.backfill;
        config.message_bytes_max = settings.message_bytes_max;
        config.head = settings.head;
        config.chunk = settings.chunk;
        config.timeouts = settings.timeouts;
        config.backoff = settings.backoff;
        config
    }

    /// Creates a session that requests the Posts of a time range and nothing else, with storage and
    /// a read buffer. `None` if the endpoint has no recovery. Otherwise as [`Self::open`].
    ///
    /// # Errors
    /// Returns a [`ConfigError`], as [`Self::open`].
    pub fn open_range(
        &self,
        range: TimeRange,
        seed: u64,
        now: Instant,
        unix: UnixTime,
    ) -> Option<OpenedSession> {
        let [start, end] = self.endpoint().recovery?.recovery();
        // The service counts in seconds, and excludes the end.
        let to = UnixTime::from_seconds(range.to.as_millis().div_ceil(1_000));
        let [from, to] = [range.from, to].map(|time| UtcTime::from(time).to_string());
        let query = [(start, from.as_str()), (end, to.as_str())];
        let mut config = self.session();
        (config.query, config.backfill) = (&query, false);
        Some(open(&config, seed, now, unix))
    }

    /// Creates a session with storage and a read buffer.
    ///
    /// `seed` determines the jitter. `now` and `unix` are the same moment on the two clocks.
    ///
    /// # Errors
    /// Returns a [`ConfigError`], as [`Session::new`]. No configuration built by
    /// [`ConfigBuilder::build`] is known to cause one.
    pub fn open(&self, seed: u64, now: Instant, unix: UnixTime) -> OpenedSession {
        open(&self.session(), seed, now, unix)
    }

    /// Returns the address that sockets connect to, and the local address to connect from.
    #[must_use]
    pub fn route(&self) -> Route {
        let route = match self.proxy() {
            Some(proxy) => Route::to_host(String::from(proxy.host()), proxy.port()),
            None => Route::to_origin(&self.origin()).via_address(self.settings.target_address),
        };
        route.from_local(self.settings.local_address)
    }

    /// Wraps a transport that connects by [`Self::route`], so that it passes through the proxy, if
    /// any.
    #[must_use]
    pub fn tunnel<I: Io>(&self, io: I) -> Tunnel<I, Vec<u8>> {
        Tunnel::new(io, self.opening.clone())
    }
}

/// A session with storage and a read buffer, or why there is none.
pub type OpenedSession = Result<Buffered<Vec<u8>, Vec<u8>>, ConfigError>;

fn open(config: &SessionConfig<'_>, seed: u64, now: Instant, unix: UnixTime) -> OpenedSession {
    // Zeroed memory: the kernel allocates a page only once a message reaches it.
    let session = Session::new(vec![0; config.storage_bytes()], config, seed, now, unix)?;
    Ok(Buffered::new(session, vec![0; BUFFER_BYTES]))
}

/// Builds a [`Config`]. Values are checked only in [`Self::build`].
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until `build`"]
pub struct ConfigBuilder {
    token: Option<Token>,
    base_url: Option<String>,
    host: Option<String>,
    endpoint: OwnedEndpoint,
    partition: Option<u8>,
    local_dc_only: bool,
    query: Vec<(String, String)>,
    user_agent: String,
    backfill: bool,
    dedup_window: WindowConfig,
    keep_duplicates: bool,
    message_bytes_max: usize,
    head: HeadLimits,
    chunk: ChunkLimits,
    timeouts: Timeouts,
    backoff: BackoffConfig,
    seed: Option<u64>,
    proxy: Option<Proxy>,
    local_address: Option<IpAddr>,
    target_address: Option<SocketAddr>,
}

impl Default for ConfigBuilder {
    fn default() -> Self {
        let connection = ConnectionConfig::default();
        Self {
            token: None,
            base_url: None,
            host: None,
            endpoint: POWERSTREAM.into(),
            partition: None,
            local_dc_only: false,
            query: Vec::new(),
            user_agent: String::from(DEFAULT_USER_AGENT),
            backfill: false,
            dedup_window: WindowConfig::default(),
            keep_duplicates: false,
            message_bytes_max: connection.message_bytes_max,
            head: connection.head,
            chunk: connection.chunk,
            timeouts: connection.timeouts,
            backoff: BackoffConfig::default(),
            seed: None,
            proxy: None,
            local_address: None,
            target_address: None,
        }
    }
}

impl ConfigBuilder {
    /// Sets the bearer token. Default: none, and X refuses such a request.
    pub fn token(mut self, token: Token) -> Self {
        self.token = Some(token);
        self
    }

    /// Sets scheme, host and port of the server. Default `https://api.x.com`.
    ///
    /// Plain `http://` is allowed for this machine only.
    pub fn base_url(mut self, url: impl Into<String>) -> Self {
        self.base_url = Some(url.into());
        self
    }

    /// Sets the `Host` field, if it differs from the base URL's.
    ///
    /// Use this behind a tunnel on this machine that forwards the request unchanged.
    pub fn host(mut self, host: impl Into<String>) -> Self {
        self.host = Some(host.into());
        self
    }

    /// Sets the endpoint: a predefined one, or [`Endpoint::custom`]. Default [`POWERSTREAM`].
    pub fn endpoint(mut self, endpoint: Endpoint<'_>) -> Self {
        self.endpoint = endpoint.into();
        self
    }

    /// Sets the partition, counted from 1. Required if the endpoint has partitions.
    pub fn partition(mut self, partition: u8) -> Self {
        self.partition = Some(partition);
        self
    }

    /// Requests only the Posts of the connected datacenter, which arrive first (`localDcOnly`).
    ///
    /// Default off.
    pub fn local_dc_only(mut self, local_dc_only: bool) -> Self {
        self.local_dc_only = local_dc_only;
        self
    }

    /// Adds a query parameter, such as the fields of a v2 stream.
    ///
    /// Pass name and value unencoded: this method percent-encodes them.
    pub fn query(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.query.push((name.into(), value.into()));
        self
    }

    /// Sets name and version of the client, which X asks for. Default: this library's.
    pub fn user_agent(mut self, user_agent: impl Into<String>) -> Self {
        self.user_agent = user_agent.into();
        self
    }

    /// Requests backfill of the last minutes after a gap. Default off.
    ///
    /// X must have granted backfill to the app. Without it X answers 400, and the session continues
    /// without backfill.
    ///
    /// Backfill covers whole minutes, so it repeats Posts that were delivered. The duplicates are
    /// removed, except with [`Self::keep_duplicates`].
    pub fn backfill(mut self, backfill: bool) -> Self {
        self.backfill = backfill;
        self
    }

    /// Sets the dedup window of a single stream. A merged stream has [`Connections::with_window`].
    ///
    /// Default [`WindowConfig::default`], with a hash key from the system's randomness.
    pub fn dedup_window(mut self, window: WindowConfig) -> Self {
        self.dedup_window = window;
        self
    }

    /// Delivers a Post as often as the service sends it. Default off.
    ///
    /// A single stream then has no dedup window. This saves its memory and 0.02 to 0.13 µs a
    /// Post. A merged stream has [`Connections::keep_duplicates`].
    pub fn keep_duplicates(mut self, keep_duplicates: bool) -> Self {
        self.keep_duplicates = keep_duplicates;
        self
    }

    /// Sets the longest message in bytes, from 1 to [`MESSAGE_BYTES_MOST`]. Default 1 MiB.
    ///
    /// See [`ConnectionConfig::message_bytes_max`].
    pub fn message_bytes_max(mut self, bytes: usize) -> Self {
        self.message_bytes_max = bytes;
        self
    }

    /// Changes the limits on a response head.
    pub fn head_limits(mut self, change: impl FnOnce(&mut HeadLimits)) -> Self {
        change(&mut self.head);
        self
    }

    /// Changes the limits on the chunked transfer coding.
    pub fn chunk_limits(mut self, change: impl FnOnce(&mut ChunkLimits)) -> Self {
        change(&mut self.chunk);
        self
    }

    /// Changes the timeouts. None may be zero.
    pub fn timeouts(mut self, change: impl FnOnce(&mut Timeouts)) -> Self {
        change(&mut self.timeouts);
        self
    }

    /// Changes the backoff schedules. The defaults are the schedules that X asks for.
    pub fn backoff(mut self, change: impl FnOnce(&mut BackoffConfig)) -> Self {
        change(&mut self.backoff);
        self
    }

    /// Sets the seed of the jitter, to make a run repeatable. Default: the system's randomness.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// Sets the proxy, used by CONNECT. Default none; the environment is not read.
    ///
    /// A base URL of `http://` does not use the proxy. See [`Proxy::for_origin`].
    pub fn proxy(mut self, proxy: impl Into<Option<Proxy>>) -> Self {
        self.proxy = proxy.into();
        self
    }

    /// Sets the local address that connections are made from, to choose a network interface.
    pub fn local_address(mut self, address: IpAddr) -> Self {
        self.local_address = Some(address);
        self
    }

    /// Sets the server's address, so that its name is not resolved. TLS and `Host` keep the name.
    ///
    /// With a proxy, the proxy is asked to connect to this address.
    pub fn target_address(mut self, address: SocketAddr) -> Self {
        self.target_address = Some(address);
        self
    }

    /// Checks all settings and builds the configuration.
    ///
    /// # Errors
    /// Returns an [`InvalidConfig`]: the first invalid setting, and how to fix it.
    pub fn build(self) -> Result<Config, InvalidConfig> {
        let origin = match &self.base_url {
            Some(url) => OwnedOrigin::parse(url).map_err(InvalidConfig::BaseUrl)?,
            None => X.into(),
        };
        self.check_endpoint()?;
        self.check_addresses(&origin.lend())?;
        if !(1..=MESSAGE_BYTES_MOST).contains(&self.message_bytes_max) {
            return Err(InvalidConfig::MessageBytes);
        }
        self.dedup_window.check().map_err(InvalidConfig::DedupWindow)?;
        let timeouts = [
            (self.timeouts.connect, TimeoutKind::Connect),
            (self.timeouts.head, TimeoutKind::Head),
            (self.timeouts.idle, TimeoutKind::Idle),
            (self.timeouts.message, TimeoutKind::Message),
            (self.timeouts.disconnect, TimeoutKind::Disconnect),
        ];
        if let Some((_, reason)) = timeouts.into_iter().find(|(length, _)| length.is_zero()) {
            return Err(InvalidConfig::Timeout(reason));
        }
        let target = self.target();
        let host = self.host.as_deref().unwrap_or(origin.lend().authority());
        let mut request = Request::new(Method::Get, host, &target);
        request.user_agent = &self.user_agent;
        request.check().map_err(InvalidConfig::Request)?;
        let opening = self.opening(&origin.lend()).map_err(InvalidConfig::Request)?;
        Ok(Config { origin, target, opening, settings: self })
    }

    fn check_endpoint(&self) -> Result<(), InvalidConfig> {
        let endpoint = &self.endpoint;
        match (endpoint.partitions, self.partition) {
            (0, None) => {}
            (0, Some(_)) => return Err(InvalidConfig::NoPartitions),
            (partitions, Some(partition)) if (1..=partitions).contains(&partition) => {}
            (partitions, _) => return Err(InvalidConfig::Partition { partitions }),
        }
        if self.local_dc_only && !endpoint.local_dc_only {
            return Err(InvalidConfig::LocalDcOnly);
        }
        if self.backfill && endpoint.backfill.is_none() {
            return Err(InvalidConfig::Backfill);
        }
        // A parameter that has its own setting would be sent twice.
        let own = [
            (endpoint.partitions > 0).then_some("partition"),
            endpoint.local_dc_only.then_some("localDcOnly"),
            endpoint.backfill.map(QueryDialect::backfill),
        ];
        if self.query.iter().any(|(name, _)| name.is_empty() || own.contains(&Some(name.as_str()))) {
            return Err(InvalidConfig::Query);
        }
        Ok(())
    }

    fn check_addresses(&self, origin: &Origin<'_>) -> Result<(), InvalidConfig> {
        let Some(target) = self.target_address else { return Ok(()) };
        if !origin.allows(target.ip()) {
            return Err(InvalidConfig::TargetAddress);
        }
        let is_direct = self.proxy.is_none() || origin.scheme() == Scheme::Http;
        if is_direct && self.local_address.is_some_and(|local| local.is_ipv4() != target.is_ipv4()) {
            return Err(InvalidConfig::LocalAddress);
        }
        Ok(())
    }

    /// Returns the path, with the query parameters that are the same for every connection.
    fn target(&self) -> String {
        let mut target = self.endpoint.path.clone();
        let partition = self.partition.map(|partition| partition.to_string());
        let query = self.query.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let partition = partition.iter().map(|partition| ("partition", partition.as_str()));
        for (name, value) in partition.chain(query) {
            target.push(if target.contains('?') { '&' } else { '?' });
            push_percent_encoded(name, &mut target);
            target.push('=');
            push_percent_encoded(value, &mut target);
        }
        target
    }

    fn opening(&self, origin: &Origin<'_>) -> Result<Option<ConnectHandshake<Vec<u8>>>, RequestError> {
        let Some(proxy) = self.proxy.as_ref().filter(|_| origin.scheme() == Scheme::Https) else {
            return Ok(None);
        };
        let address = self.target_address.map(|target| std::format!("{}", target.ip()));
        let port = self.target_address.map_or(origin.port(), |target| target.port());
        let mut request = proxy.request(address.as_deref().unwrap_or(origin.host()), port);
        request.user_agent = &self.user_agent;
        ConnectHandshake::new(vec![0; request.bytes() + ANSWER_BYTES], &request).map(Some)
    }
}

fn push_percent_encoded(text: &str, out: &mut String) {
    let mut encoded = [0; 3];
    for byte in text.bytes() {
        out.extend(percent_encoded(byte, &mut encoded).iter().map(|&byte| char::from(byte)));
    }
}

/// An [`Endpoint`] that owns its texts.
#[derive(Clone, Debug)]
struct OwnedEndpoint {
    name: String,
    path: String,
    backfill: Option<QueryDialect>,
    recovery: Option<QueryDialect>,
    local_dc_only: bool,
    partitions: u8,
}

impl OwnedEndpoint {
    fn lend(&self) -> Endpoint<'_> {
        let mut endpoint = Endpoint::custom(&self.path);
        endpoint.name = &self.name;
        endpoint.backfill = self.backfill;
        endpoint.recovery = self.recovery;
        endpoint.local_dc_only = self.local_dc_only;
        endpoint.partitions = self.partitions;
        endpoint
    }
}

impl From<Endpoint<'_>> for OwnedEndpoint {
    fn from(endpoint: Endpoint<'_>) -> Self {
        Self {
            name: String::from(endpoint.name),
            path: String::from(endpoint.path),
            backfill: endpoint.backfill,
            recovery: endpoint.recovery,
            local_dc_only: endpoint.local_dc_only,
            partitions: endpoint.partitions,
        }
    }
}

/// Why a configuration is invalid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum InvalidConfig {
    /// The base URL is malformed or not allowed.
    BaseUrl(OriginError),
    /// The request would be malformed: the host, the endpoint's path or the User-Agent is invalid.
    Request(RequestError),
    /// The endpoint has partitions, and no valid partition is set.
    Partition {
        /// How many partitions the endpoint has.
        partitions: u8,
    },
    /// A partition is set, but the endpoint has no partitions.
    NoPartitions,
    /// `localDcOnly` is set, but the endpoint does not support it.
    LocalDcOnly,
    /// Backfill is set, but the endpoint has no backfill.
    Backfill,
    /// A query parameter has no name, or a name that has its own setting.
    Query,
    /// The message limit is zero or more than [`MESSAGE_BYTES_MOST`].
    MessageBytes,
    /// The dedup window is invalid.
    DedupWindow(WindowError),
    /// This timeout is zero.
    Timeout(TimeoutKind),
    /// The base URL is plain HTTP, and the target address is not an address of this machine.
    TargetAddress,
    /// The local and the target address are of different families.
    LocalAddress,
}

impl fmt::Display for InvalidConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::BaseUrl(error) => return error.fmt(f),
            Self::Request(error) => return error.fmt(f),
            Self::DedupWindow(error) => return error.fmt(f),
            Self::Partition { partitions } => {
                return write!(f, "this endpoint has partitions: name one from 1 to {partitions}");
            }
            Self::Timeout(reason) => {
                return write!(f, "a deadline must be longer than zero: {}", reason.expected());
            }
            Self::NoPartitions => "this endpoint has no partitions: leave the partition out",
            Self::LocalDcOnly => "this endpoint does not know localDcOnly: leave it out, or use Powerstream",
            Self::Backfill => "this endpoint has no backfill: leave it out",
            Self::Query => {
                "a query parameter needs a name, and partition, localDcOnly and backfill have settings of their own"
            }
            Self::MessageBytes => "the message limit must be from 1 byte to 1 GiB",
            Self::TargetAddress => {
                "plain http is for this machine only: use https, or a target address of this machine"
            }
            Self::LocalAddress => "the local and the target address must both be IPv4, or both IPv6",
        })
    }
}

impl std::error::Error for InvalidConfig {}
