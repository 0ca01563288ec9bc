//! The streams, as data: where they live, how their parameters are spelled.
//!
//! Powerstream spells its parameters in camelCase, as PowerTrack did, and its v2 relatives in snake_case; the wrong
//! one is silently ignored or answered with 400 (X docs: Powerstream introduction, recovery and redundancy; OpenAPI).

/// How an endpoint spells its parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums, reason = "the two families of endpoints")]
pub enum QueryDialect {
    /// `backfillMinutes`
    CamelCase,
    /// `backfill_minutes`
    SnakeCase,
}

impl QueryDialect {
    /// The backfill parameter.
    #[must_use]
    pub const fn backfill(self) -> &'static str {
        match self {
            Self::CamelCase => "backfillMinutes",
            Self::SnakeCase => "backfill_minutes",
        }
    }
}

/// A stream endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Endpoint<'a> {
    /// Short name, as the command line takes it.
    pub name: &'a str,
    /// Path on the origin.
    pub path: &'a str,
    /// How the parameter is spelled that asks for the last 1 to 5 minutes again, if the endpoint has one.
    pub backfill: Option<QueryDialect>,
    /// Whether `localDcOnly` is known there.
    pub local_dc_only: bool,
    /// How many partitions the stream has; `partition` (from 1) must name one where there are any.
    pub partitions: u8,
}

/// Powerstream: the lowest latency, legacy Posts.
pub const POWERSTREAM: Endpoint<'static> = Endpoint {
    name: "powerstream",
    path: "/2/powerstream",
    backfill: Some(QueryDialect::CamelCase),
    local_dc_only: true,
    partitions: 0,
};

/// Filtered Stream.
pub const FILTERED_STREAM: Endpoint<'static> = v2("filtered-stream", "/2/tweets/search/stream", 0);
/// The 1 % sample.
pub const SAMPLE: Endpoint<'static> = v2("sample", "/2/tweets/sample/stream", 0);
/// The 10 % sample, in 2 partitions.
pub const SAMPLE10: Endpoint<'static> = v2("sample10", "/2/tweets/sample10/stream", 2);
/// Every Post, in 20 partitions.
pub const FIREHOSE: Endpoint<'static> = v2("firehose", "/2/tweets/firehose/stream", 20);
/// Every English Post, in 8 partitions.
pub const FIREHOSE_EN: Endpoint<'static> = v2("firehose-en", "/2/tweets/firehose/stream/lang/en", 8);
/// Every Japanese Post, in 2 partitions.
pub const FIREHOSE_JA: Endpoint<'static> = v2("firehose-ja", "/2/tweets/firehose/stream/lang/ja", 2);
/// Every Korean Post, in 2 partitions.
pub const FIREHOSE_KO: Endpoint<'static> = v2("firehose-ko", "/2/tweets/firehose/stream/lang/ko", 2);
/// Every Portuguese Post, in 2 partitions.
pub const FIREHOSE_PT: Endpoint<'static> = v2("firehose-pt", "/2/tweets/firehose/stream/lang/pt", 2);

/// All endpoints that have a name.
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
    Endpoint { name, path, backfill: Some(QueryDialect::SnakeCase), local_dc_only: false, partitions }
}

impl<'a> Endpoint<'a> {
    /// An endpoint of one's own: no parameter is known.
    #[must_use]
    pub const fn custom(path: &'a str) -> Self {
        Self { name: "custom", path, backfill: None, local_dc_only: false, partitions: 0 }
    }

    /// The endpoint of that name among [`ALL`].
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
    }
}
