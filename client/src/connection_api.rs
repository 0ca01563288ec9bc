//! The connections API: which connections of the app the service counts, and how to end them.
//!
//! After a connection is lost without being closed, the service may count it for minutes. It then
//! refuses the next one as one too many. This API ends the lost one.
//!
//! It serves the v2 streams, and not Powerstream (X docs, OpenAPI 2.167): see
//! [`connections_name`].
//!
//! ```
//! use powerstream_client::connection_api::{connections_name, closed, listed};
//! use powerstream_client::rule_api::Reply;
//! use powerstream_core::endpoint::{FIREHOSE_JA, POWERSTREAM};
//!
//! assert_eq!(connections_name(&FIREHOSE_JA), Some("firehose_stream_lang_ja"));
//! assert_eq!(connections_name(&POWERSTREAM), None);
//!
//! let body = br#"{"data":[{"id":"7d7d8d1a","endpoint_name":"sample_stream",
//!     "connected_at":"2026-01-05T10:00:00.000Z","client_ip":"192.0.2.1"}],
//!     "meta":{"result_count":1}}"#;
//! let page = listed(&Reply::new(200, body))?;
//! assert_eq!((page.connections[0].id.as_str(), page.next_page), ("7d7d8d1a", None));
//!
//! let body = br#"{"data":{"results":[{"uuid":"7d7d8d1a","success":true}]}}"#;
//! assert_eq!(closed(&Reply::new(200, body))?, ["7d7d8d1a"]);
//! # Ok::<(), powerstream_client::rule_api::ApiError>(())
//! ```

use std::string::String;
use std::vec::Vec;

use powerstream_core::endpoint::{
    Endpoint, FILTERED_STREAM, FIREHOSE, FIREHOSE_EN, FIREHOSE_JA, FIREHOSE_KO, FIREHOSE_PT, SAMPLE, SAMPLE10,
};
use powerstream_core::time::UnixTime;

use crate::rule_api::read::{document, list, text_in};
use crate::rule_api::{ApiError, Reply};

/// The path on the origin.
pub const PATH: &str = "/2/connections";

/// The most connections of one request (X docs, OpenAPI 2.167).
pub const CONNECTIONS_PER_REQUEST_MAX: usize = 100;

/// Returns the endpoint's name in the connections API; `None` if the API does not list its
/// connections.
#[must_use]
pub fn connections_name(endpoint: &Endpoint<'_>) -> Option<&'static str> {
    let names = [
        (FILTERED_STREAM, "filtered_stream"),
        (SAMPLE, "sample_stream"),
        (SAMPLE10, "sample10_stream"),
        (FIREHOSE, "firehose_stream"),
        (FIREHOSE_EN, "firehose_stream_lang_en"),
        (FIREHOSE_JA, "firehose_stream_lang_ja"),
        (FIREHOSE_KO, "firehose_stream_lang_ko"),
        (FIREHOSE_PT, "firehose_stream_lang_pt"),
    ];
    names.into_iter().find(|(known, _)| known.path == endpoint.path).map(|(_, name)| name)
}

/// A connection that the service counts.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CountedConnection {
    /// Its id, a UUID.
    pub id: String,
    /// When it connected, by the server's clock; `None` if that is not readable.
    pub connected_at: Option<UnixTime>,
    /// The address that it came from, as the server writes it.
    pub client_ip: Option<String>,
}

/// A page of the list.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CountedPage {
    /// The connections.
    pub connections: Vec<CountedConnection>,
    /// The token of the next page, if there is one.
    pub next_page: Option<String>,
}

/// Reads the answer to a request that lists connections.
///
/// # Errors
/// Returns an [`ApiError`] if the service refused, or the answer is not a list of connections.
pub fn listed(reply: &Reply<'_>) -> Result<CountedPage, ApiError> {
    let refused = || ApiError::read(reply);
    let value = document(reply.body).filter(|_| (200..300).contains(&reply.status)).ok_or_else(refused)?;
    if value.get("data").is_none() && value.get("meta").is_none() {
        return Err(refused());
    }
    let connections = list(value, "data").map(|entry| {
        Some(CountedConnection {
            id: text_in(entry, "id")?,
            connected_at: text_in(entry, "connected_at").and_then(|text| UnixTime::from_iso_8601(&text)),
            client_ip: text_in(entry, "client_ip"),
        })
    });
    let connections = connections.collect::<Option<_>>().ok_or_else(refused)?;
    let next_page = value.get("meta").and_then(|meta| text_in(meta, "next_token"));
    Ok(CountedPage { connections, next_page: next_page.filter(|page| !page.is_empty()) })
}

/// Reads the answer to a request that ends connections. Returns the ids of those that the service
/// has ended.
///
/// # Errors
/// Returns an [`ApiError`] if the service refused, or the answer is in another form.
pub fn closed(reply: &Reply<'_>) -> Result<Vec<String>, ApiError> {
    let refused = || ApiError::read(reply);
    let value = document(reply.body).filter(|_| (200..300).contains(&reply.status)).ok_or_else(refused)?;
    let data = value.get("data").ok_or_else(refused)?;
    let ended = list(data, "results")
        .filter(|result| result.get("success").and_then(|success| success.as_bool()) == Some(true));
    Ok(ended.filter_map(|result| text_in(result, "uuid")).collect())
}
