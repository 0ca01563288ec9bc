//! Several connections as one stream: what the runtimes' adapters put together of them.

use core::fmt;
use std::hash::{BuildHasher, Hasher, RandomState};

use powerstream_core::client::Config;
use powerstream_core::dedup::WindowConfig;
use powerstream_core::driver::merged;
use powerstream_core::driver::stop::Shutdown;
use powerstream_core::driver::tcp::{Reactor, Tcp};
use powerstream_core::driver::{Driven, Io};
use powerstream_core::merge::{Feed, Group};

use crate::secured::Secured;
use crate::transport::{OpenError, Transport, Trust};

/// Several sessions over [`Transport`]s, each Post once.
pub type Merged<R> = merged::Merged<Vec<u8>, Vec<u8>, Transport<R>>;

/// The connections of a merged stream, and how far back it looks for Posts that came already.
///
/// Each has a configuration of its own: another base URL, local address, proxy or target address.
///
/// ```
/// use powerstream_core::client::{Config, Token};
/// use powerstream_core::merge::Group;
/// use powerstream_tls::merged::MergedConfig;
///
/// // One connection to each datacenter, which carries that datacenter's Posts only.
/// let config = Config::builder().token(Token::new("AAAA")?).local_dc_only(true);
/// let merged = MergedConfig::new(Group::Partitioned)
///     .connection("atlanta", config.clone().base_url("https://atlanta.example").build()?)
///     .connection("portland", config.base_url("https://portland.example").build()?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
#[must_use = "a configuration does nothing until a stream is opened with it"]
pub struct MergedConfig {
    group: Group,
    connections: Vec<(Box<str>, Feed, Config)>,
    window: WindowConfig,
}

impl MergedConfig {
    /// No connection yet. `group` says whether one of them is enough, or all are needed.
    pub fn new(group: Group) -> Self {
        Self { group, connections: Vec::new(), window: WindowConfig::default() }
    }

    /// So many connections that are all alike, each of which carries everything. They are called by their numbers, from 1.
    pub fn redundant(count: usize, config: &Config) -> Self {
        let names = (1..=count).map(|number| number.to_string());
        names.fold(Self::new(Group::Redundant), |merged, name| merged.connection(name, config.clone()))
    }

    /// One more, under a name.
    pub fn connection(self, name: impl Into<Box<str>>, config: Config) -> Self {
        let index = u16::try_from(self.connections.len()).unwrap_or(u16::MAX);
        let feed = self.group.feed(index);
        self.connection_of(feed, name, config)
    }

    /// One more, which carries the Posts of `feed`: for mixtures, such as two connections to each datacenter.
    pub fn connection_of(mut self, feed: Feed, name: impl Into<Box<str>>, config: Config) -> Self {
        self.connections.push((name.into(), feed, config));
        self
    }

    /// How far back to look. Where it has no seed, the system's randomness gives one.
    pub fn window(mut self, window: WindowConfig) -> Self {
        self.window = window;
        self
    }
}

impl fmt::Debug for MergedConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MergedConfig")
            .field("connections", &self.connections)
            .field("window", &self.window)
            .finish()
    }
}

/// Sessions that have not connected yet, each on a reactor that `reactor` makes, until `shutdown` says so.
///
/// Those whose configuration has a seed for the jitter wait differently all the same: each adds its number to it.
///
/// # Errors
/// [`OpenError`].
pub fn open_merged<R: Reactor>(
    config: &MergedConfig,
    trust: &Trust,
    mut reactor: impl FnMut() -> R,
    shutdown: &Shutdown,
) -> Result<Merged<R>, OpenError> {
    // One clock for all: arrivals are compared by it.
    let base = reactor().now();
    let mut lines = Vec::with_capacity(config.connections.len());
    for (index, (name, feed, config)) in config.connections.iter().enumerate() {
        let connector = trust.for_origin(&config.origin()).map_err(OpenError::Tls)?;
        let tcp = Tcp::new(reactor(), config.route(), shutdown.listen()).since(base);
        let transport = Secured::new(config.tunnel(tcp), connector);
        let seed = config.seed().map_or_else(system_seed, |seed| seed.wrapping_add(index as u64));
        let buffered = config.open(seed, transport.now(), transport.unix_now()).map_err(OpenError::Config)?;
        lines.push(merged::Line::new(name.clone(), *feed, Driven::new(buffered, transport)));
    }
    let mut window = config.window;
    if window.seed == 0 {
        window.seed = system_seed();
    }
    merged::Merged::new(lines, &window).map_err(OpenError::Merge)
}

/// The standard library keys its hash maps from the system's randomness: the one source it offers.
pub(crate) fn system_seed() -> u64 {
    RandomState::new().build_hasher().finish()
}
