//! Rules, managed by a blocking program while its streams run.

use std::fmt;

use powerstream_client::config::Config;
use powerstream_client::rule_api::{Added, Call, Deleted, NewRule, Rule, RuleApi};
use powerstream_client::rules::{OwnedReply, Rules as Driven, RulesError};
use powerstream_client::shutdown::Shutdown;
use powerstream_client::transport::{Transport, Trust, connect};
use powerstream_core::http::head::RateLimit;
use powerstream_tls::TlsConfig;

use crate::reactor::{Reading, Sockets};
use crate::stream::OpenError;
use crate::waiter::Waiter;

/// The rules of one app at one service: each call on a connection of its own, carried out by the thread that makes it.
///
/// ```no_run
/// use powerstream_blocking::Rules;
/// use powerstream_blocking::client::rule_api::NewRule;
/// use powerstream_blocking::client::config::{Config, Token};
///
/// let mut rules = Rules::open(&Config::new(Token::new(std::env::var("X_BEARER_TOKEN")?)?))?;
/// let added = rules.add(&[NewRule::tagged("(gull OR tern) lang:en", "birds")])?;
/// println!("{:?}; now there are {}", added.fates, rules.list()?.len());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Requests are few: 50 in 24 hours on Powerstream, of all kinds together. Nothing is sent twice: where a failure says
/// that its outcome is unknown ([`RulesError::is_outcome_unknown`]), list before you ask again.
pub struct Rules {
    driven: Driven<Transport<Sockets>>,
    shutdown: Shutdown,
    waiter: Waiter,
}

impl Rules {
    /// The rules of the stream that `config` names. Nothing is connected to yet.
    ///
    /// # Errors
    /// [`OpenError`] where that stream has no rules, or the system has no CAs or no more resources.
    pub fn open(config: &Config) -> Result<Self, OpenError> {
        Self::open_over(config, &Trust::default())
    }

    /// As [`Self::open`], with what is to be trusted where the origin is `https`.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_with_tls(config: &Config, tls: &TlsConfig) -> Result<Self, OpenError> {
        Self::open_over(config, &Trust::from(tls.clone()))
    }

    pub(crate) fn open_over(config: &Config, trust: &Trust) -> Result<Self, OpenError> {
        let waiter = Waiter::new().map_err(OpenError::Io)?;
        let shutdown = Shutdown::new();
        let sockets = Sockets::new(&waiter, Reading::Blocking, &shutdown);
        let transport = connect(config, trust, sockets, &shutdown)?;
        let driven = Driven::new(config.clone(), transport).ok_or(OpenError::NoRules)?;
        Ok(Self { driven, shutdown, waiter })
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
    pub fn list(&mut self) -> Result<Vec<Rule>, RulesError> {
        self.waiter.block_on(self.driven.list())
    }

    /// Adds up to 100 rules: one request.
    ///
    /// # Errors
    /// [`RulesError`]. Rules that the service refuses one by one are no error: see [`Added::fates`].
    pub fn add(&mut self, rules: &[NewRule<'_>]) -> Result<Added, RulesError> {
        self.waiter.block_on(self.driven.add(rules))
    }

    /// Asks what adding the rules would do: one request. Powerstream has none for it.
    ///
    /// # Errors
    /// As [`Self::add`].
    pub fn validate(&mut self, rules: &[NewRule<'_>]) -> Result<Added, RulesError> {
        self.waiter.block_on(self.driven.validate(rules))
    }

    /// Deletes up to 100 rules by their ids: one request.
    ///
    /// # Errors
    /// [`RulesError`]. Rules that are not there are no error: see [`Deleted::fates`].
    pub fn delete_ids(&mut self, ids: &[&str]) -> Result<Deleted, RulesError> {
        self.waiter.block_on(self.driven.delete_ids(ids))
    }

    /// Deletes up to 100 rules by their values: one request.
    ///
    /// # Errors
    /// As [`Self::delete_ids`].
    pub fn delete_values(&mut self, rules: &[NewRule<'_>]) -> Result<Deleted, RulesError> {
        self.waiter.block_on(self.driven.delete_values(rules))
    }

    /// Sends one call. Any answer is one here, whatever its status; the call reads it.
    ///
    /// # Errors
    /// [`RulesError::Request`] and [`RulesError::Exchange`].
    pub fn send(&mut self, call: &Call) -> Result<OwnedReply, RulesError> {
        self.waiter.block_on(self.driven.send(call))
    }

    /// The rate-limit fields of the last answer.
    #[must_use]
    pub const fn rate_limit(&self) -> RateLimit {
        self.driven.rate_limit()
    }

    /// Ends the call under way from another thread, and all that are made later.
    #[must_use]
    pub fn shutdown_handle(&self) -> Shutdown {
        self.shutdown.clone()
    }
}

impl fmt::Debug for Rules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.driven.fmt(f)
    }
}
