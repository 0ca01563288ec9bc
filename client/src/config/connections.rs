//! The connections that a merged stream reads.

use std::boxed::Box;
use std::string::ToString;
use std::vec::Vec;

use powerstream_core::dedup::WindowConfig;
use powerstream_core::merge::{ReplicaGroup, Topology};
use powerstream_core::stream::PostId;

use super::Config;
use crate::merged::Position;

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
    recovery: bool,
    resume: Option<Resume>,
}

/// Where a stream continues that of an earlier process.
#[derive(Clone, Debug)]
struct Resume {
    position: Position,
    ids: Vec<PostId>,
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
        Self {
            topology,
            list: Vec::new(),
            window: WindowConfig::default(),
            keep_duplicates: false,
            recovery: false,
            resume: None,
        }
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

    /// Recovers gaps that backfill cannot close: requests up to the last 24 hours again, on another
    /// connection for each group, beside the live ones. The app must be entitled to it; without the
    /// entitlement the gaps are reported as lost. Default off.
    ///
    /// The [window](Self::with_window) holds recovered Posts too. It must have room for the live
    /// Posts of ten minutes beside them.
    #[must_use]
    pub const fn recovery(mut self, recovery: bool) -> Self {
        self.recovery = recovery;
        self
    }

    /// Continues the stream of an earlier process at its
    /// [position](crate::merged::Merged::position). What was missed since is reported as a gap, and
    /// requested by backfill or [recovery](Self::recovery) if they are on. `ids` are the Posts that
    /// the earlier process delivered last, the oldest first: copies of them are dropped. Pass those
    /// of at least the last minute of each group.
    #[must_use]
    pub fn resume_from(mut self, position: Position, ids: impl IntoIterator<Item = PostId>) -> Self {
        self.resume = Some(Resume { position, ids: ids.into_iter().collect() });
        self
    }

    /// Returns true if gaps are recovered.
    #[must_use]
    pub const fn recovers(&self) -> bool {
        self.recovery
    }

    /// Returns the number of sockets that may be open at once.
    pub(crate) fn sockets(&self) -> usize {
        self.list.len() + if self.recovery { self.groups().count() } else { 0 }
    }

    /// Returns where the stream continues, if it does.
    pub(crate) fn resume(&self) -> Option<(&Position, &[PostId])> {
        self.resume.as_ref().map(|resume| (&resume.position, resume.ids.as_slice()))
    }

    /// Returns the first connection of each group.
    pub(crate) fn groups(&self) -> impl Iterator<Item = &NamedConnection> {
        let is_first = |index: usize, group| self.list[..index].iter().all(|other| other.group != group);
        let list = self.list.iter().enumerate();
        list.filter(move |(index, one)| is_first(*index, one.group)).map(|(_, one)| one)
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
