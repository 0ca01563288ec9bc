//! The rule endpoints: parsing of requests, and X's responses.
//!
//! The endpoints of Powerstream and of the Filtered Stream share only the rules. If Powerstream's
//! page does not describe a case, mainly errors, the response is that of the Filtered Stream. If
//! the page contradicts itself, both readings are accepted.

mod answer;
mod body;
mod filtered;
mod options;
mod powerstream;

use self::answer::Answer;
pub use self::options::NotDeleted;
pub(crate) use self::options::Options;
use crate::endpoint::RulesResource;
use crate::rule_store::RuleStore;

/// Answers a request with a method that the resource allows.
pub(crate) fn answer(
    store: &RuleStore,
    resource: RulesResource,
    options: &Options,
    method: &str,
    query: &str,
    body: &[u8],
    unix_ms: u64,
) -> Answer {
    let result = match resource {
        RulesResource::Powerstream => powerstream::answer(store, options, method, query, body, unix_ms),
        RulesResource::Filtered => filtered::answer(store, method, query, body, unix_ms),
        RulesResource::FilteredCounts => filtered::counts(store, query),
    };
    result.unwrap_or_else(|refused| refused)
}

#[cfg(test)]
mod tests;
