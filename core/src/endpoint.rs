//! The stream endpoints, as data: paths and parameters.
//!
//! Powerstream spells its parameters in camelCase, like PowerTrack; the v2 streams use snake_case.
//! X ignores a parameter in the wrong spelling or responds with 400 (X docs: Powerstream
//! introduction, recovery and redundancy; OpenAPI).

/// The spelling of an endpoint's parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums, reason = "there are only these two families")]
pub enum QueryDialect {
    /// `backfillMinutes`
    CamelCase,
    /// `backfill_minutes`
    SnakeCase,
}

impl QueryDialect {
    /// Returns the name of the backfill parameter.
    #[must_use]
    pub const fn backfill(self) -> &'static str {
        match self {
            Self::CamelCase => "backfillMinutes",
            Self::SnakeCase => "backfill_minutes",
        }
    }

    /// Returns the names of the parameters of a recovery: its start and its end.
    #[must_use]
    pub const fn recovery(self) -> [&'static str; 2] {
        match self {
            Self::CamelCase => ["startTime", "endTime"],
            Self::SnakeCase => ["start_time", "end_time"],
        }
    }
}

/// A stream endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Endpoint<'a> {
    /// The short name, as the command line accepts it.
    pub name: &'a str,
    /// The path on the origin.
    pub path: &'a str,
    /// The spelling of the backfill parameter (1 to 5 minutes), if the endpoint has one.
    pub backfill: Option<QueryDialect>,
    /// The spelling of the parameters of a recovery, if the endpoint supports one: a request for a
    /// time range of the last 24 hours.
    pub recovery: Option<QueryDialect>,
    /// True if the endpoint supports `localDcOnly`.
    pub local_dc_only: bool,
    /// The number of partitions. If it is not 0, the parameter `partition` must select one, from 1
    /// on.
    pub partitions: u8,
}

/// Powerstream: legacy Posts with the lowest latency.
pub const POWERSTREAM: Endpoint<'static> = Endpoint {
    name: "powerstream",
    path: "/2/powerstream",
    backfill: Some(QueryDialect::CamelCase),
    recovery: Some(QueryDialect::CamelCase),
    local_dc_only: true,
    partitions: 0,
};

/// Filtered Stream.
pub const FILTERED_STREAM: Endpoint<'static> = v2("filtered-stream", "/2/tweets/search/stream", 0);
/// The 1 % sample, the only one without recovery.
pub const SAMPLE: Endpoint<'static> =
    Endpoint { recovery: None, ..v2("sample", "/2/tweets/sample/stream", 0) };
/// The 10 % sample, in 2 partitions.
pub const SAMPLE10: Endpoint<'static> = v2("sample10", "/2/tweets/sample10/stream", 2);
/// All Posts, in 20 partitions.
pub const FIREHOSE: Endpoint<'static> = v2("firehose", "/2/tweets/firehose/stream", 20);
/// All English Posts, in 8 partitions.
pub const FIREHOSE_EN: Endpoint<'static> = v2("firehose-en", "/2/tweets/firehose/stream/lang/en", 8);
/// All Japanese Posts, in 2 partitions.
pub const FIREHOSE_JA: Endpoint<'static> = v2("firehose-ja", "/2/tweets/firehose/stream/lang/ja", 2);
/// All Korean Posts, in 2 partitions.
pub const FIREHOSE_KO: Endpoint<'static> = v2("firehose-ko", "/2/tweets/firehose/stream/lang/ko", 2);
/// All Portuguese Posts, in 2 partitions.
pub const FIREHOSE_PT: Endpoint<'static> = v2("firehose-pt", "/2/tweets/firehose/stream/lang/pt", 2);

/// All predefined endpoints.
pub const ALL: [Endpoint<'static>; 9] = [
    POWERSTREAM,
    FILTERED_STREAM,
    SAMPLE,
    SAMPLE10,
    FIREHOSE,
    FIREHOSE_EN,
    FIREHOSE_JA,
    FIREHOSE_KO,
    FIREHOSE_PT,
];

const fn v2(name: &'static str, path: &'static str, partitions: u8) -> Endpoint<'static> {
    Endpoint {
        name,
        path,
        backfill: Some(QueryDialect::SnakeCase),
        recovery: Some(QueryDialect::SnakeCase),
        local_dc_only: false,
        partitions,
    }
}

impl<'a> Endpoint<'a> {
    /// Creates a custom endpoint without parameters.
    #[must_use]
    pub const fn custom(path: &'a str) -> Self {
        Self { name: "custom", path, backfill: None, recovery: None, local_dc_only: false, partitions: 0 }
    }

    /// Returns the endpoint of this name in [`ALL`].
    #[must_use]
    pub fn named(name: &str) -> Option<Endpoint<'static>> {
        ALL.into_iter().find(|endpoint| endpoint.name == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_finds_its_endpoint() {
        for endpoint in ALL {
            assert_eq!(Endpoint::named(endpoint.name), Some(endpoint));
        }
        assert_eq!(Endpoint::named("custom"), None);
        assert_eq!(POWERSTREAM.backfill.map(QueryDialect::backfill), Some("backfillMinutes"));
        assert_eq!(SAMPLE.backfill.map(QueryDialect::backfill), Some("backfill_minutes"));
        assert_eq!(POWERSTREAM.recovery.map(QueryDialect::recovery), Some(["startTime", "endTime"]));
        assert_eq!(SAMPLE10.recovery.map(QueryDialect::recovery), Some(["start_time", "end_time"]));
        assert_eq!(SAMPLE.recovery, None);
    }
}
