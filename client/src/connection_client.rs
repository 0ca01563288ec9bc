//! The client of the connections API, for any runtime.

use std::collections::BTreeSet;
use std::fmt;
use std::future::Future;
use std::string::String;
use std::vec::Vec;

use powerstream_core::driver::Io;
use powerstream_core::http::{ExchangeError, Method, RequestError};
use serde::Serialize;

use crate::config::Config;
use crate::connection_api::{
    CONNECTIONS_PER_REQUEST_MAX, CountedConnection, CountedPage, PATH, closed, connections_name, listed,
};
use crate::exchange::{ApiRequest, Exchanges, SendError};
use crate::rule_api::ApiError;
use crate::runtime::Runtime;
use crate::shutdown::ShutdownHandle;
use crate::transport::Transport;

/// The most pages of a list that are read.
const PAGES_MAX: usize = 100;

/// Lists and ends the connections of one app to the configured stream. Created by
/// [`Client::connections`](crate::client::Client::connections).
///
/// Each call uses a separate connection, which is closed after the answer. The client never
/// retries.
pub struct ConnectionClient<R: Runtime> {
    exchanges: Exchanges<Transport<R::Reactor>>,
    endpoint: &'static str,
    shutdown: ShutdownHandle,
    executor: R::Executor,
}

impl<R: Runtime> ConnectionClient<R> {
    /// Returns `None` if the API does not list the connections of the configured stream.
    pub(crate) fn new(
        config: Config,
        transport: Transport<R::Reactor>,
        shutdown: ShutdownHandle,
        executor: R::Executor,
    ) -> Option<Self> {
        let endpoint = connections_name(&config.endpoint())?;
        Some(Self { exchanges: Exchanges::new(config, transport), endpoint, shutdown, executor })
    }

    /// Lists the connections that the service counts now: all of the app's to this stream, also
    /// those of other processes.
    ///
    /// # Errors
    /// Returns a [`ConnectionsError`] if the list is not complete.
    pub fn list(
        &mut self,
    ) -> R::Waited<impl Future<Output = Result<Vec<CountedConnection>, ConnectionsError>>> {
        R::wait(&mut self.executor, list(&mut self.exchanges, self.endpoint))
    }

    /// Ends connections by their ids. Returns the ids of those that were ended; the others are
    /// unknown to the service.
    ///
    /// # Errors
    /// Returns a [`ConnectionsError`] if a request fails. Earlier requests may have ended some.
    pub fn close(
        &mut self,
        ids: &[&str],
    ) -> R::Waited<impl Future<Output = Result<Vec<String>, ConnectionsError>>> {
        R::wait(&mut self.executor, close(&mut self.exchanges, ids))
    }

    /// Returns a handle that ends the current call and all later ones, from another task or thread.
    #[must_use]
    pub fn shutdown_handle(&self) -> ShutdownHandle {
        self.shutdown.clone()
    }
}

impl<R: Runtime> fmt::Debug for ConnectionClient<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectionClient").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}

async fn list<I: Io>(
    exchanges: &mut Exchanges<I>,
    endpoint: &str,
) -> Result<Vec<CountedConnection>, ConnectionsError> {
    let (mut connections, mut page, mut seen) = (Vec::new(), None::<String>, BTreeSet::new());
    loop {
        let fields = ("connection.fields", "id,endpoint_name,connected_at,client_ip");
        let mut query = Vec::from([("endpoints", endpoint), ("max_results", "100"), fields]);
        query.extend(page.as_deref().map(|page| ("pagination_token", page)));
        let request = ApiRequest { method: Method::Get, path: PATH, query: &query, body: None };
        let reply = exchanges.send(&request).await?;
        let CountedPage { connections: more, next_page } =
            listed(&reply.lend()).map_err(ConnectionsError::Refused)?;
        connections.extend(more);
        match next_page {
            None => return Ok(connections),
            Some(next) if seen.len() < PAGES_MAX && seen.insert(next.clone()) => page = Some(next),
            Some(_) => return Err(ConnectionsError::Endless),
        }
    }
}

async fn close<I: Io>(exchanges: &mut Exchanges<I>, ids: &[&str]) -> Result<Vec<String>, ConnectionsError> {
    #[derive(Serialize)]
    struct Body<'a> {
        uuids: &'a [&'a str],
    }
    let mut ended = Vec::new();
    for uuids in ids.chunks(CONNECTIONS_PER_REQUEST_MAX) {
        // Serializing a list of texts cannot fail.
        let body = serde_json::to_vec(&Body { uuids }).unwrap_or_default();
        let request = ApiRequest { method: Method::Delete, path: PATH, query: &[], body: Some(&body) };
        let reply = exchanges.send(&request).await?;
        ended.extend(closed(&reply.lend()).map_err(ConnectionsError::Refused)?);
    }
    Ok(ended)
}

/// Why a request about connections has no usable answer.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConnectionsError {
    /// The request would be malformed. Nothing was sent.
    Request(RequestError),
    /// No answer arrived.
    Exchange(ExchangeError),
    /// The service refused the request, or its answer is not in a known form.
    Refused(ApiError),
    /// The list has too many pages, or a page token repeats.
    Endless,
}

impl From<SendError> for ConnectionsError {
    fn from(error: SendError) -> Self {
        match error {
            SendError::Request(error) => Self::Request(error),
            SendError::Exchange(error) => Self::Exchange(error),
        }
    }
}

impl fmt::Display for ConnectionsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Request(error) => error.fmt(f),
            Self::Exchange(error) => error.fmt(f),
            Self::Refused(error) => error.fmt(f),
            Self::Endless => f.write_str("expected the pages of the list to end"),
        }
    }
}

impl std::error::Error for ConnectionsError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Request(error) => Some(error),
            Self::Exchange(error) => Some(error),
            Self::Refused(error) => Some(error),
            Self::Endless => None,
        }
    }
}
