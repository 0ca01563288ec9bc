//! The rules of an app at the service.

use powerstream_blocking::{Client, RuleClient};
use powerstream_client::RulesError;
use powerstream_client::rule_api::{AddFate, DeleteFate, NewRule, Rule};

use crate::border::{
    Failure, Handle, LastError, Outcome, free, give, last_error, ps_bytes, put, read, slice, text, with,
};
use crate::config::ps_config;
use crate::shutdown::ps_shutdown;
use crate::status::ps_status;
use crate::stream::opened;

/// Lists, adds and deletes the rules of an app. Each call blocks the calling thread, and takes one
/// request of the small budget: 50 in 24 hours on Powerstream. Nothing is retried.
pub struct ps_rules {
    client: RuleClient,
    /// The result of the last call.
    list: Vec<Line>,
    is_outcome_unknown: bool,
    error: LastError,
}

/// One rule of the last result.
struct Line {
    rule: Rule,
    fate: ps_rule_fate,
    text: String,
}

impl Handle for ps_rules {
    fn last_error(&mut self) -> &mut LastError {
        &mut self.error
    }
}

/// A rule to add or to delete.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct ps_new_rule {
    /// The text of the rule, UTF-8.
    pub value: ps_bytes,
    /// Its tag; empty for none.
    pub tag: ps_bytes,
}

/// What became of a rule of the request.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ps_rule_fate {
    /// The rule exists: the result of a list.
    Listed = 0,
    /// The rule was added.
    Created = 1,
    /// A rule of that value already existed. Its tag was not changed.
    Duplicate = 2,
    /// The service refused the rule: `text` has its messages.
    Invalid = 3,
    /// The rule was not added, because of another one or because there would be too many.
    NotCreated = 4,
    /// The rule was deleted.
    Deleted = 5,
    /// The rule was not deleted, usually because it does not exist.
    NotDeleted = 6,
    /// The answer does not mention the rule. List the rules to find out.
    Unknown = 7,
}

/// A rule of a result. The library fills the caller's structure.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct ps_rule {
    /// What became of it.
    pub fate: ps_rule_fate,
    /// The id; empty if the service does not give it, as on Powerstream.
    pub id: ps_bytes,
    /// The text of the rule.
    pub value: ps_bytes,
    /// The tag; empty for none.
    pub tag: ps_bytes,
    /// The service's messages about it.
    pub text: ps_bytes,
}

/// Creates a rule client for the stream of the configuration, without connecting. Free it with
/// `ps_rules_free`.
///
/// Returns `PS_STATUS_OK`, `PS_STATUS_NULL`, `PS_STATUS_CONFIG`, also if the stream has no rules,
/// `PS_STATUS_TLS`, or `PS_STATUS_SYSTEM`. `ps_config_last_error` has the text.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ps_rules_new(config: *mut ps_config, rules: *mut *mut ps_rules) -> ps_status {
    // SAFETY: the caller passes a live handle and a place for the new one.
    unsafe {
        with(config, |config| {
            give(rules, || {
                let client = Client::new(config.build()?.clone());
                let client = match config.explicit_trust() {
                    Some(tls) => client.with_tls(tls.clone()),
                    None => client,
                };
                let client = client.rules().map_err(|error| opened(&error))?;
                let list = Vec::new();
                Ok(ps_rules { client, list, is_outcome_unknown: false, error: LastError::default() })
            })
        })
    }
}

/// Frees a rule client. Null is allowed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ps_rules_free(rules: *mut ps_rules) {
    // SAFETY: the caller gives the handle back.
    unsafe { free(rules) }
}

/// Returns what the last failed call met. Valid until the next call.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ps_rules_last_error(rules: *mut ps_rules) -> ps_bytes {
    // SAFETY: the caller passes a live handle.
    unsafe { last_error(rules) }
}

impl ps_rules {
    fn refused(&mut self, error: &RulesError) -> Failure {
        self.is_outcome_unknown = error.is_outcome_unknown();
        Failure::new(ps_status::Service, error)
    }
}

/// Lists all rules. `ps_rules_result` returns them; `count` gets their number and may be null.
///
/// Returns `PS_STATUS_OK`, `PS_STATUS_NULL`, or `PS_STATUS_SERVICE`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ps_rules_list(rules: *mut ps_rules, count: *mut usize) -> ps_status {
    // SAFETY: the caller passes a live handle and a place for the result.
    unsafe {
        with(rules, |rules| {
            rules.list.clear();
            let found = rules.client.list().map_err(|error| rules.refused(&error))?;
            let line = |rule| Line { rule, fate: ps_rule_fate::Listed, text: String::new() };
            rules.list = found.into_iter().map(line).collect();
            put(count, rules.list.len());
            Ok(ps_status::Ok)
        })
    }
}

/// Borrows the caller's rules.
///
/// # Safety
/// As [`slice()`], also for the texts of the rules.
unsafe fn requested<'a>(list: *const ps_new_rule, count: usize) -> Outcome<Vec<NewRule<'a>>> {
    // SAFETY: as the caller promises.
    let list = unsafe { slice(list, count) }?;
    let rule = |rule: &ps_new_rule| {
        // SAFETY: as the caller promises.
        let (value, tag) =
            unsafe { (text(rule.value.data, rule.value.len)?, text(rule.tag.data, rule.tag.len)?) };
        Ok(if tag.is_empty() { NewRule::new(value) } else { NewRule::tagged(value, tag) })
    };
    list.iter().map(rule).collect()
}

fn line(rule: &NewRule<'_>, fate: ps_rule_fate, text: String) -> Line {
    Line { rule: Rule::new(None, rule.value.to_owned(), rule.tag.map(str::to_owned)), fate, text }
}

/// Adds 1 to 100 rules in one request. `ps_rules_result` returns the fate of each, in the order of
/// the request. The refusal of single rules is no error.
///
/// Returns `PS_STATUS_OK`, `PS_STATUS_NULL`, `PS_STATUS_UTF8`, or `PS_STATUS_SERVICE` if the whole
/// request failed: see `ps_rules_is_outcome_unknown`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ps_rules_add(
    rules: *mut ps_rules,
    list: *const ps_new_rule,
    count: usize,
) -> ps_status {
    // SAFETY: the caller passes a live handle and `count` rules.
    unsafe {
        with(rules, |rules| {
            let list = requested(list, count)?;
            rules.list.clear();
            let added = rules.client.add(&list).map_err(|error| rules.refused(&error))?;
            rules.list = list
                .iter()
                .zip(added.fates)
                .map(|(asked, fate)| match fate {
                    AddFate::Created(rule) => Line { rule, fate: ps_rule_fate::Created, text: String::new() },
                    AddFate::Duplicate { id } => {
                        let mut line = line(asked, ps_rule_fate::Duplicate, String::new());
                        line.rule.id = id;
                        line
                    }
                    AddFate::Invalid { messages } => line(asked, ps_rule_fate::Invalid, messages.join("\n")),
                    AddFate::NotCreated { message } => {
                        line(asked, ps_rule_fate::NotCreated, message.unwrap_or_default())
                    }
                    _ => line(asked, ps_rule_fate::Unknown, String::new()),
                })
                .collect();
            Ok(ps_status::Ok)
        })
    }
}

/// Deletes 1 to 100 rules by their values, in one request. `ps_rules_result` returns the fate of
/// each. Rules that do not exist are no error.
///
/// Returns as `ps_rules_add`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ps_rules_delete(
    rules: *mut ps_rules,
    list: *const ps_new_rule,
    count: usize,
) -> ps_status {
    // SAFETY: the caller passes a live handle and `count` rules.
    unsafe {
        with(rules, |rules| {
            let list = requested(list, count)?;
            rules.list.clear();
            let deleted = rules.client.delete_values(&list).map_err(|error| rules.refused(&error))?;
            rules.list = list
                .iter()
                .zip(deleted.fates)
                .map(|(asked, fate)| match fate {
                    DeleteFate::Deleted => line(asked, ps_rule_fate::Deleted, String::new()),
                    DeleteFate::NotDeleted { message } => {
                        line(asked, ps_rule_fate::NotDeleted, message.unwrap_or_default())
                    }
                    _ => line(asked, ps_rule_fate::Unknown, String::new()),
                })
                .collect();
            Ok(ps_status::Ok)
        })
    }
}

/// Returns a rule of the last result, counted from 0. Its views are valid until the next call that
/// changes the handle.
///
/// Returns `PS_STATUS_OK`, `PS_STATUS_NULL`, or `PS_STATUS_END` if there are no more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ps_rules_result(
    rules: *const ps_rules,
    index: usize,
    rule: *mut ps_rule,
) -> ps_status {
    // SAFETY: the caller passes a live handle and a place for the result.
    unsafe {
        read(rules, ps_status::Null, |rules| {
            if rule.is_null() {
                return ps_status::Null;
            }
            let Some(Line { rule: found, fate, text }) = rules.list.get(index) else {
                return ps_status::End;
            };
            let view = |text: &Option<String>| ps_bytes::optional(text.as_ref().map(String::as_bytes));
            put(
                rule,
                ps_rule {
                    fate: *fate,
                    id: view(&found.id),
                    value: ps_bytes::new(found.value.as_bytes()),
                    tag: view(&found.tag),
                    text: ps_bytes::new(text.as_bytes()),
                },
            );
            ps_status::Ok
        })
    }
}

/// Returns true if the service may have acted on the last request that failed. Then list the rules
/// before you repeat the request. False for null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ps_rules_is_outcome_unknown(rules: *const ps_rules) -> bool {
    // SAFETY: the caller passes a live handle.
    unsafe { read(rules, false, |rules| rules.is_outcome_unknown) }
}

/// Creates a handle that ends the current call and all later ones, from any thread. Free it with
/// `ps_shutdown_free`.
///
/// Returns `PS_STATUS_OK`, or `PS_STATUS_NULL`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ps_rules_shutdown_handle(
    rules: *mut ps_rules,
    shutdown: *mut *mut ps_shutdown,
) -> ps_status {
    // SAFETY: the caller passes a live handle and a place for the new one.
    unsafe { with(rules, |rules| give(shutdown, || Ok(ps_shutdown::new(rules.client.shutdown_handle())))) }
}
