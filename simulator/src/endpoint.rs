//! The known paths: streams with their parameters, rule resources, connections, and the
//! simulator's own.

/// A product of X. Each has its own rules and its own limit of connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Product {
    Powerstream,
    Filtered,
    Sample,
    Sample10,
    Firehose,
}

impl Product {
    /// Returns true for products with the headers, parameters and payload of the v2 API.
    pub(crate) fn is_v2(self) -> bool {
        self != Self::Powerstream
    }
}

/// A stream and its properties.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Endpoint {
    pub(crate) path: &'static str,
    pub(crate) product: Product,
    /// The stream supports recovery of a time window.
    pub(crate) window: bool,
    /// The number of partitions, one of which a request must name. 0 if there are none.
    pub(crate) partitions: u64,
    pub(crate) lang: Option<&'static str>,
    /// The most connection attempts in 15 minutes. `None` means no limit.
    pub(crate) requests_max: Option<u32>,
}

macro_rules! endpoints {
    ($($path:literal $product:ident window $window:literal partitions $partitions:literal lang $lang:expr, requests $max:expr;)*) => {
        /// All streams. Paths, parameters and limits are those of X's pages and of its API
        /// description (2.167). Where X publishes no limit of requests, the one of the Filtered
        /// Stream is used.
        pub(crate) const ALL: &[Endpoint] = &[$(Endpoint {
            path: $path,
            product: Product::$product,
            window: $window,
            partitions: $partitions,
            lang: $lang,
            requests_max: $max,
        }),*];
    };
}

endpoints! {
    "/2/powerstream" Powerstream window true partitions 0 lang None, requests None;
    // X's page has this path in its heading, and the path above in its code.
    "/2/powerstream/stream" Powerstream window true partitions 0 lang None, requests None;
    "/2/tweets/search/stream" Filtered window true partitions 0 lang None, requests Some(50);
    "/2/tweets/sample/stream" Sample window false partitions 0 lang None, requests Some(50);
    "/2/tweets/sample10/stream" Sample10 window true partitions 2 lang None, requests Some(100);
    "/2/tweets/firehose/stream" Firehose window true partitions 20 lang None, requests Some(50);
    "/2/tweets/firehose/stream/lang/en" Firehose window true partitions 8 lang Some("en"), requests Some(50);
    "/2/tweets/firehose/stream/lang/ja" Firehose window true partitions 2 lang Some("ja"), requests Some(50);
    "/2/tweets/firehose/stream/lang/ko" Firehose window true partitions 2 lang Some("ko"), requests Some(50);
    "/2/tweets/firehose/stream/lang/pt" Firehose window true partitions 2 lang Some("pt"), requests Some(50);
}

/// Returns the stream with this path.
pub(crate) fn stream(path: &str) -> Option<&'static Endpoint> {
    ALL.iter().find(|endpoint| endpoint.path == path)
}

/// A resource of the rule endpoints.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RulesResource {
    Powerstream,
    Filtered,
    FilteredCounts,
}

/// Returns the rule resource with this path.
pub(crate) fn rules(path: &str) -> Option<RulesResource> {
    match path {
        "/2/powerstream/rules" => Some(RulesResource::Powerstream),
        "/2/tweets/search/stream/rules" => Some(RulesResource::Filtered),
        "/2/tweets/search/stream/rules/counts" => Some(RulesResource::FilteredCounts),
        _ => None,
    }
}

impl RulesResource {
    pub(crate) fn allows(self, method: &str) -> bool {
        match self {
            Self::Powerstream => matches!(method, "GET" | "POST" | "DELETE"),
            Self::Filtered => matches!(method, "GET" | "POST"),
            Self::FilteredCounts => method == "GET",
        }
    }

    pub(crate) fn allowed(self) -> &'static str {
        match self {
            Self::Powerstream => "allow: GET, POST, DELETE\r\n",
            Self::Filtered => "allow: GET, POST\r\n",
            Self::FilteredCounts => "allow: GET\r\n",
        }
    }
}

/// A resource of the connections API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ConnectionsResource {
    List,
    All,
    /// The connections to the endpoint of this name.
    Endpoint(&'static str),
}

/// The names in the connections API of the streams that are simulated.
const CONNECTIONS_NAMES: [(&str, &str); 8] = [
    ("/2/tweets/search/stream", "filtered_stream"),
    ("/2/tweets/sample/stream", "sample_stream"),
    ("/2/tweets/sample10/stream", "sample10_stream"),
    ("/2/tweets/firehose/stream", "firehose_stream"),
    ("/2/tweets/firehose/stream/lang/en", "firehose_stream_lang_en"),
    ("/2/tweets/firehose/stream/lang/ja", "firehose_stream_lang_ja"),
    ("/2/tweets/firehose/stream/lang/ko", "firehose_stream_lang_ko"),
    ("/2/tweets/firehose/stream/lang/pt", "firehose_stream_lang_pt"),
];

/// Names in the connections API of streams that are not simulated.
const OTHER_CONNECTIONS_NAMES: [&str; 6] = [
    "tweets_compliance_stream",
    "users_compliance_stream",
    "tweet_label_stream",
    "likes_firehose_stream",
    "likes_sample10_stream",
    "likes_compliance_stream",
];

/// Returns the name of a stream in the connections API; `None` if it has none.
pub(crate) fn connections_name(path: &str) -> Option<&'static str> {
    CONNECTIONS_NAMES.iter().find(|(known, _)| *known == path).map(|(_, name)| *name)
}

/// Returns true for every name that X documents.
pub(crate) fn is_connections_name(name: &str) -> bool {
    connections_names().any(|known| known == name)
}

fn connections_names() -> impl Iterator<Item = &'static str> {
    CONNECTIONS_NAMES.iter().map(|(_, name)| *name).chain(OTHER_CONNECTIONS_NAMES)
}

/// Returns the resource of the connections API with this path.
pub(crate) fn connections(path: &str) -> Option<ConnectionsResource> {
    match path.strip_prefix("/2/connections")? {
        "" => Some(ConnectionsResource::List),
        "/all" => Some(ConnectionsResource::All),
        rest => {
            let name = rest.strip_prefix('/')?;
            connections_names().find(|known| *known == name).map(ConnectionsResource::Endpoint)
        }
    }
}

impl ConnectionsResource {
    pub(crate) fn allows(&self, method: &str) -> bool {
        method == "DELETE" || *self == Self::List && method == "GET"
    }

    pub(crate) fn allowed(&self) -> &'static str {
        match self {
            Self::List => "allow: GET, DELETE\r\n",
            Self::All | Self::Endpoint(_) => "allow: DELETE\r\n",
        }
    }
}

/// Returns the part after the prefix of the simulator's own paths.
pub(crate) fn control(path: &str) -> Option<&str> {
    path.strip_prefix("/simulator/")
}
