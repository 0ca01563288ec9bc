//! The endpoints that manage rules: what a request says, and X's answer.
//!
//! Powerstream's and the Filtered Stream's differ in everything but the rules. Where Powerstream's
//! page says nothing (errors, above all) the answer is that of the Filtered Stream; where it
//! contradicts itself both readings are taken.

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

/// Answers a request whose method the resource allows.
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
