//! The connections that a merged stream reads.

use std::boxed::Box;
use std::string::ToString;
use std::vec::Vec;

use powerstream_core::dedup::WindowConfig;
use powerstream_core::merge::{ReplicaGroup, Topology};

use super::Config;

/// Several connections to read as one stream. Each has its own name and configuration.
///
/// Their base URLs, proxies, local and target addresses may differ. See
/// [`merge`](powerstream_core::merge) for how connections form groups.
///
/// ```
/// use powerstream_client::config::{Config, Connections, InvalidConfig, Token};
/// use powerstream_core::merge::Topology;
///
/// let config = Config::new(Token::new("AAAA")?);
// The same stream twice, from two local addresses of this machine.
/// let mut redundant = Connections::new(Topology::Redundant);
/// for address in ["192.0.2.1", "192.0.2.2"] {
///     let config = config.to_builder().local_address(address.parse()?).build()?;
///     redundant = redundant.with(address, config);
/// }
/// assert_eq!(redundant.names().collect::<Vec<_>>(), ["192.0.2.1", "192.0.2.2"]);
// The same stream twice, with the same configuration.
/// assert_eq!(Connections::copies(2, &config).names().collect::<Vec<_>>(), ["1", "2"]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Connections {
    topology: Topology,
    list: Vec<NamedConnection>,
    window: WindowConfig,
    keep_duplicates: bool,
}

/// One connection of [`Connections`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct NamedConnection {
    /// The name, for display. Several connections may have the same name.
    pub name: Box<str>,
    /// Which Posts it carries.
    pub group: ReplicaGroup,
    /// The connection's configuration.
    pub config: Config,
}

impl Connections {
    /// Creates an empty list. `topology` sets the groups of the connections added by
    /// [`Self::with`].
    #[must_use]
    pub fn new(topology: Topology) -> Self {
        Self { topology, list: Vec::new(), window: WindowConfig::default(), keep_duplicates: false }
    }

    /// Creates `count` redundant connections of one configuration. Their names are "1", "2", ..
    #[must_use]
    pub fn copies(count: usize, config: &Config) -> Self {
        (1..=count).fold(Self::new(Topology::Redundant), |connections, number| {
            connections.with(number.to_string(), config.clone())
        })
    }

    /// Adds a connection, in the group that the topology gives it.
    #[must_use]
    pub fn with(self, name: impl Into<Box<str>>, config: Config) -> Self {
        let group = self.topology.group(u16::try_from(self.list.len()).unwrap_or(u16::MAX));
        self.with_group(name, group, config)
    }

    /// Adds a connection that carries the Posts of `group`, for mixed topologies.
    #[must_use]
    pub fn with_group(mut self, name: impl Into<Box<str>>, group: ReplicaGroup, config: Config) -> Self {
        self.list.push(NamedConnection { name: name.into(), group, config });
        self
    }

    /// Sets the dedup window that the connections share.
    ///
    /// Default [`WindowConfig::default`], with a hash key from the system's randomness.
    #[must_use]
    pub fn with_window(mut self, window: WindowConfig) -> Self {
        self.window = window;
        self
    }

    /// Delivers each Post from every connection that receives it. Default off.
    ///
    /// The counters of each connection still count first arrivals, later arrivals and duplicates.
    #[must_use]
    pub fn keep_duplicates(mut self, keep_duplicates: bool) -> Self {
        self.keep_duplicates = keep_duplicates;
        self
    }

    /// Returns the connections, in the order they were added.
    #[must_use]
    pub fn list(&self) -> &[NamedConnection] {
        &self.list
    }

    /// Returns the connections' names, in the order they were added.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.list.iter().map(|connection| &*connection.name)
    }

    /// Returns the dedup window.
    #[must_use]
    pub const fn window(&self) -> &WindowConfig {
        &self.window
    }

    /// Returns true if duplicates are delivered.
    #[must_use]
    pub const fn keeps_duplicates(&self) -> bool {
        self.keep_duplicates
    }
}
