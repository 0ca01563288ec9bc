//! Which connections a stream is merged from.

use std::boxed::Box;
use std::string::ToString;
use std::vec::Vec;

use powerstream_core::dedup::WindowConfig;
use powerstream_core::merge::{ReplicaGroup, Topology};

use super::Config;

/// Several connections to be read as one stream, each with a name and a configuration of its own: base URL, proxy, local
/// and target address may differ. See [`merge`](powerstream_core::merge) for what belongs together how.
///
/// ```
/// use powerstream_client::config::{Config, Connections, InvalidConfig, Token};
/// use powerstream_core::merge::Topology;
///
/// let config = Config::new(Token::new("AAAA")?);
/// // The same twice, by two ways out of this machine.
/// let mut redundant = Connections::new(Topology::Redundant);
/// for address in ["192.0.2.1", "192.0.2.2"] {
///     let config = config.to_builder().local_address(address.parse()?).build()?;
///     redundant = redundant.with(address, config);
/// }
/// assert_eq!(redundant.names().collect::<Vec<_>>(), ["192.0.2.1", "192.0.2.2"]);
/// // Or just twice.
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

/// One of [`Connections`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct NamedConnection {
    /// Its name, for people. It need not be the only one of that name.
    pub name: Box<str>,
    /// Which Posts it carries.
    pub group: ReplicaGroup,
    /// Where, as whom, how.
    pub config: Config,
}

impl Connections {
    /// None yet. `topology` says what those will carry that [`Self::with`] adds.
    #[must_use]
    pub fn new(topology: Topology) -> Self {
        Self { topology, list: Vec::new(), window: WindowConfig::default(), keep_duplicates: false }
    }

    /// So many connections of one configuration, which carry the same; named by their numbers, from 1.
    #[must_use]
    pub fn copies(count: usize, config: &Config) -> Self {
        (1..=count).fold(Self::new(Topology::Redundant), |connections, number| {
            connections.with(number.to_string(), config.clone())
        })
    }

    /// One more, which carries what the topology says.
    #[must_use]
    pub fn with(self, name: impl Into<Box<str>>, config: Config) -> Self {
        let group = self.topology.group(u16::try_from(self.list.len()).unwrap_or(u16::MAX));
        self.with_group(name, group, config)
    }

    /// One more, which carries the Posts of `group`: for mixtures.
    #[must_use]
    pub fn with_group(mut self, name: impl Into<Box<str>>, group: ReplicaGroup, config: Config) -> Self {
        self.list.push(NamedConnection { name: name.into(), group, config });
        self
    }

    /// How far back duplicates are known. Default [`WindowConfig::default`], its hash keyed from the system's randomness.
    #[must_use]
    pub fn with_window(mut self, window: WindowConfig) -> Self {
        self.window = window;
        self
    }

    /// Delivers each Post from every connection that brings it. The connections' records count first arrivals, later
    /// ones and duplicates all the same. Default off.
    #[must_use]
    pub fn keep_duplicates(mut self, keep_duplicates: bool) -> Self {
        self.keep_duplicates = keep_duplicates;
        self
    }

    /// The connections, in their order.
    #[must_use]
    pub fn list(&self) -> &[NamedConnection] {
        &self.list
    }

    /// Their names, in their order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.list.iter().map(|connection| &*connection.name)
    }

    /// How far back duplicates are known.
    #[must_use]
    pub const fn window(&self) -> &WindowConfig {
        &self.window
    }

    /// Returns whether duplicates are delivered.
    #[must_use]
    pub const fn keeps_duplicates(&self) -> bool {
        self.keep_duplicates
    }
}
