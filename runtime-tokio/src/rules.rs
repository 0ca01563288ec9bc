//! Rules, managed by an async program while its streams run.

use std::fmt;

use powerstream_core::api::{Added, Call, Deleted, NewRule, Rule, RuleApi};
use powerstream_core::driver::rules::{OwnedReply, Rules as Driven, RulesError};
use powerstream_core::driver::stop::Shutdown;
use powerstream_core::http::head::RateLimit;
use powerstream_tls::transport::Transport;

use crate::reactor::Tokio;

/// The rules of one app at one service: each call on a connection of its own, carried out by the task that awaits it.
///
/// ```no_run
/// # async fn manage() -> Result<(), Box<dyn std::error::Error>> {
/// use powerstream_tokio::core::api::NewRule;
/// use powerstream_tokio::{Client, Config, Token};
///
/// let client = Client::new(Config::new(Token::new(std::env::var("X_BEARER_TOKEN")?)?));
/// let mut rules = client.rules()?;
/// let added = rules.add(&[NewRule::tagged("(gull OR tern) lang:en", "birds")]).await?;
/// println!("{:?}; now there are {}", added.fates, rules.list().await?.len());
/// # Ok(())
/// # }
/// ```
///
/// Requests are few: 50 in 24 hours on Powerstream, of all kinds together. Nothing is sent twice: where a failure says
/// that its outcome is unknown ([`RulesError::is_outcome_unknown`]), list before you ask again. Dropping a future gives its
/// call up, and leaves its outcome as unknown.
pub struct Rules {
    driven: Driven<Transport<Tokio>>,
}

impl Rules {
    pub(crate) const fn new(driven: Driven<Transport<Tokio>>) -> Self {
        Self { driven }
    }

    /// Whose rules.
    #[must_use]
    pub const fn api(&self) -> RuleApi {
        self.driven.api()
    }

    /// Lists all rules: one request, and one for each thousand more on Filtered Stream.
    ///
    /// # Errors
    /// [`RulesError`]; the list is whole or none.
    pub async fn list(&mut self) -> Result<Vec<Rule>, RulesError> {
        self.driven.list().await
    }

    /// Adds up to 100 rules: one request.
    ///
    /// # Errors
    /// [`RulesError`]. Rules that the service refuses one by one are no error: see [`Added::fates`].
    pub async fn add(&mut self, rules: &[NewRule<'_>]) -> Result<Added, RulesError> {
        self.driven.add(rules).await
    }

    /// Asks what adding the rules would do: one request. Powerstream has none for it.
    ///
    /// # Errors
    /// As [`Self::add`].
    pub async fn validate(&mut self, rules: &[NewRule<'_>]) -> Result<Added, RulesError> {
        self.driven.validate(rules).await
    }

    /// Deletes up to 100 rules by their ids: one request.
    ///
    /// # Errors
    /// [`RulesError`]. Rules that are not there are no error: see [`Deleted::fates`].
    pub async fn delete_ids(&mut self, ids: &[&str]) -> Result<Deleted, RulesError> {
        self.driven.delete_ids(ids).await
    }

    /// Deletes up to 100 rules by their values: one request.
    ///
    /// # Errors
    /// As [`Self::delete_ids`].
    pub async fn delete_values(&mut self, rules: &[NewRule<'_>]) -> Result<Deleted, RulesError> {
        self.driven.delete_values(rules).await
    }

    /// Sends one call. Any answer is one here, whatever its status; the call reads it.
    ///
    /// # Errors
    /// [`RulesError::Request`] and [`RulesError::Exchange`].
    pub async fn send(&mut self, call: &Call) -> Result<OwnedReply, RulesError> {
        self.driven.send(call).await
    }

    /// The rate-limit fields of the last answer.
    #[must_use]
    pub const fn rate_limit(&self) -> RateLimit {
        self.driven.rate_limit()
    }

    /// Ends the call under way from another task or thread, and all that are made later.
    #[must_use]
    pub fn shutdown_handle(&self) -> Shutdown {
        self.driven.io().inner().inner().stop().handle()
    }
}

impl fmt::Debug for Rules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.driven.fmt(f)
    }
}
