//! The rule client, for any runtime.

use std::collections::BTreeSet;
use std::fmt;
use std::future::Future;
use std::string::String;
use std::vec::Vec;

use powerstream_core::driver::Io;
use powerstream_core::http::{ExchangeError, RateLimit, RequestError, RequestSent};

use crate::config::Config;
use crate::exchange::{ApiRequest, Exchanges, OwnedReply, SendError};
use crate::rule_api::{Added, ApiError, Call, CallError, Deleted, Listing, NewRule, Rule, RuleApi};
use crate::runtime::Runtime;
use crate::shutdown::ShutdownHandle;
use crate::transport::Transport;

/// The most pages of a list that are read. A page has a thousand rules, so this is ample.
const PAGES_MAX: usize = 1_000;

/// Manages the rules of one app at one service. Created by
/// [`Client::rules`](crate::client::Client::rules). Each call uses a separate connection, which is
/// closed after the answer.
///
/// The budget is small: 50 requests of all kinds in 24 hours on Powerstream. The client never
/// retries. An error reports whether the service may have acted
/// ([`RulesError::is_outcome_unknown`]). If so, list the rules before you repeat the request.
///
/// On an async runtime the calls are futures. Dropping one cancels the call, and then it is unknown
/// whether the service acted. The next call closes the connection that was left open.
pub struct RuleClient<R: Runtime> {
    rules: Rules<Transport<R::Reactor>>,
    shutdown: ShutdownHandle,
    executor: R::Executor,
}

impl<R: Runtime> RuleClient<R> {
    /// Returns `None` if the configured stream has no rules.
    pub(crate) fn new(
        config: Config,
        transport: Transport<R::Reactor>,
        shutdown: ShutdownHandle,
        executor: R::Executor,
    ) -> Option<Self> {
        Rules::new(config, transport).map(|rules| Self { rules, shutdown, executor })
    }

    /// Returns which of the service's two rule APIs is used.
    #[must_use]
    pub const fn api(&self) -> RuleApi {
        self.rules.api
    }

    /// Returns the rate-limit fields of the last answer.
    #[must_use]
    pub const fn rate_limit(&self) -> RateLimit {
        self.rules.rate_limit
    }

    /// Lists all rules. Takes one request; on Filtered Stream, another for each further thousand
    /// rules.
    ///
    /// # Errors
    /// Returns a [`RulesError`] if the list is not complete. It never returns a part of the list.
    pub fn list(&mut self) -> R::Waited<impl Future<Output = Result<Vec<Rule>, RulesError>>> {
        R::wait(&mut self.executor, self.rules.list())
    }

    /// Adds up to [`RULES_PER_REQUEST_MAX`](crate::rule_api::RULES_PER_REQUEST_MAX) rules in one
    /// request.
    ///
    /// # Errors
    /// Returns a [`RulesError`] if the whole request fails. The refusal of single rules is not an
    /// error: see [`Added::fates`].
    pub fn add(
        &mut self,
        rules: &[NewRule<'_>],
    ) -> R::Waited<impl Future<Output = Result<Added, RulesError>>> {
        R::wait(&mut self.executor, self.rules.added(Call::add(self.rules.api, rules)))
    }

    /// Validates rules without adding them, in one request. Powerstream has no such request.
    ///
    /// # Errors
    /// Returns a [`RulesError`] as [`Self::add`], or if the service cannot validate.
    pub fn validate(
        &mut self,
        rules: &[NewRule<'_>],
    ) -> R::Waited<impl Future<Output = Result<Added, RulesError>>> {
        R::wait(&mut self.executor, self.rules.added(Call::validate(self.rules.api, rules)))
    }

    /// Deletes up to [`RULES_PER_REQUEST_MAX`](crate::rule_api::RULES_PER_REQUEST_MAX) rules by
    /// their ids, in one request.
    ///
    /// # Errors
    /// Returns a [`RulesError`] if the whole request fails. Rules that do not exist are not an
    /// error: see [`Deleted::fates`].
    pub fn delete_ids(
        &mut self,
        ids: &[&str],
    ) -> R::Waited<impl Future<Output = Result<Deleted, RulesError>>> {
        R::wait(&mut self.executor, self.rules.deleted(Call::delete_ids(self.rules.api, ids)))
    }

    /// Deletes rules by their values. Otherwise as [`Self::delete_ids`].
    ///
    /// # Errors
    /// Returns a [`RulesError`] as [`Self::delete_ids`].
    pub fn delete_values(
        &mut self,
        rules: &[NewRule<'_>],
    ) -> R::Waited<impl Future<Output = Result<Deleted, RulesError>>> {
        R::wait(&mut self.executor, self.rules.deleted(Call::delete_values(self.rules.api, rules)))
    }

    /// Sends one call and returns the answer, whatever its status. The [`Call`] can read the
    /// answer.
    ///
    /// # Errors
    /// Returns [`RulesError::Request`] if the request is malformed, or [`RulesError::Exchange`] if
    /// no answer arrived.
    pub fn send(&mut self, call: &Call) -> R::Waited<impl Future<Output = Result<OwnedReply, RulesError>>> {
        R::wait(&mut self.executor, self.rules.send(call))
    }

    /// Returns a handle that ends the current call and all later ones, from another task or thread.
    #[must_use]
    pub fn shutdown_handle(&self) -> ShutdownHandle {
        self.shutdown.clone()
    }
}

impl<R: Runtime> fmt::Debug for RuleClient<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Rules { api, exchanges, .. } = &self.rules;
        f.debug_struct("RuleClient")
            .field("api", api)
            .field("config", exchanges.config())
            .finish_non_exhaustive()
    }
}

/// The calls, on any transport.
struct Rules<I> {
    exchanges: Exchanges<I>,
    api: RuleApi,
    rate_limit: RateLimit,
}

impl<I: Io> Rules<I> {
    fn new(config: Config, io: I) -> Option<Self> {
        let api = RuleApi::of(&config.endpoint())?;
        Some(Self { exchanges: Exchanges::new(config, io), api, rate_limit: RateLimit::default() })
    }

    async fn send(&mut self, call: &Call) -> Result<OwnedReply, RulesError> {
        let query = call.query();
        let (method, path) = (call.method(), call.path());
        let request = ApiRequest { method, path, query: query.as_slice(), body: call.body() };
        let reply = self.exchanges.send(&request).await?;
        self.rate_limit = reply.rate_limit;
        Ok(reply)
    }

    async fn list(&mut self) -> Result<Vec<Rule>, RulesError> {
        let mut call = Call::list(self.api);
        let mut rules = Vec::new();
        let mut seen = BTreeSet::<String>::new();
        loop {
            let Listing { rules: page, next_page, .. } =
                call.listed(&self.send(&call).await?.lend()).map_err(RulesError::Refused)?;
            rules.extend(page);
            match next_page {
                None => return Ok(rules),
                Some(next) if seen.len() < PAGES_MAX && seen.insert(next.clone()) => {
                    call = Call::list_page(self.api, &next);
                }
                Some(_) => return Err(RulesError::Endless),
            }
        }
    }

    async fn added(&mut self, call: Result<Call, CallError>) -> Result<Added, RulesError> {
        let call = call.map_err(RulesError::Call)?;
        call.added(&self.send(&call).await?.lend()).map_err(RulesError::Refused)
    }

    async fn deleted(&mut self, call: Result<Call, CallError>) -> Result<Deleted, RulesError> {
        let call = call.map_err(RulesError::Call)?;
        call.deleted(&self.send(&call).await?.lend()).map_err(RulesError::Refused)
    }
}

/// Why a rule request has no usable answer.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RulesError {
    /// The call has no rules, too many, or is not supported by the service. Nothing was sent.
    Call(CallError),
    /// The request would be malformed. Nothing was sent.
    Request(RequestError),
    /// No answer arrived.
    Exchange(ExchangeError),
    /// The service refused the request, or its answer is not in a known form.
    Refused(ApiError),
    /// The list has too many pages, or a page token repeats.
    Endless,
}

impl From<SendError> for RulesError {
    fn from(error: SendError) -> Self {
        match error {
            SendError::Request(error) => Self::Request(error),
            SendError::Exchange(error) => Self::Exchange(error),
        }
    }
}

impl RulesError {
    /// Returns true if the service may have acted. Then list the rules before you repeat the
    /// request.
    #[must_use]
    pub const fn is_outcome_unknown(&self) -> bool {
        match self {
            Self::Call(_) | Self::Request(_) | Self::Endless => false,
            Self::Exchange(error) => error.is_outcome_unknown(),
            Self::Refused(error) => error.is_outcome_unknown(),
        }
    }

    /// Returns true if the service may have counted the request.
    #[must_use]
    pub const fn is_counted(&self) -> bool {
        match self {
            Self::Call(_) | Self::Request(_) => false,
            Self::Exchange(error) => !matches!(error.sent, RequestSent::Nothing),
            Self::Refused(_) | Self::Endless => true,
        }
    }
}

impl fmt::Display for RulesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Call(error) => error.fmt(f),
            Self::Request(error) => error.fmt(f),
            Self::Exchange(error) => error.fmt(f),
            Self::Refused(error) => error.fmt(f),
            Self::Endless => f.write_str("expected the pages of the list to end"),
        }
    }
}

impl std::error::Error for RulesError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Call(error) => Some(error),
            Self::Request(error) => Some(error),
            Self::Exchange(error) => Some(error),
            Self::Refused(error) => Some(error),
            Self::Endless => None,
        }
    }
}
