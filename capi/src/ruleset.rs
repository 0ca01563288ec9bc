//! Rules offline: check, and match Posts.

use std::ffi::{c_char, c_void};

use powerstream_rules::matcher::{RuleKey, RuleSet, Scratch};
use powerstream_rules::{Diagnostic, Profile, Rule};

use crate::border::{
    Failure, Handle, LastError, Outcome, bytes, free, give, guard, last_error, ps_bytes, put, read, text,
    with,
};
use crate::status::ps_status;

/// Rules that are matched together.
pub struct ps_ruleset {
    rules: RuleSet,
    profile: Profile,
    scratch: Scratch,
    /// The keys of the last match.
    matched: Vec<u64>,
    error: LastError,
}

impl Handle for ps_ruleset {
    fn last_error(&mut self) -> &mut LastError {
        &mut self.error
    }
}

/// Creates an empty set of rules in the language of a profile: `powerstream` (also with length 0),
/// `powertrack`, `filtered_stream`, `filtered_stream_ppu` or `filtered_stream_embedding`. Free it
/// with `ps_ruleset_free`.
///
/// Returns `PS_STATUS_OK`, `PS_STATUS_NULL`, `PS_STATUS_UTF8`, or `PS_STATUS_ARGUMENT` for an
/// unknown profile.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ps_ruleset_new(
    profile: *const c_char,
    len: usize,
    ruleset: *mut *mut ps_ruleset,
) -> ps_status {
    // SAFETY: the caller passes `len` readable bytes and a place for the handle.
    guard(|| unsafe {
        give(ruleset, || {
            let profile = match text(profile, len)? {
                "" => Profile::default(),
                name => name.parse().map_err(|_| ps_status::Argument)?,
            };
            Ok(ps_ruleset {
                rules: RuleSet::new(),
                profile,
                scratch: Scratch::new(),
                matched: Vec::new(),
                error: LastError::default(),
            })
        })
    })
}

/// Frees a set. Null is allowed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ps_ruleset_free(ruleset: *mut ps_ruleset) {
    // SAFETY: the caller gives the handle back.
    unsafe { free(ruleset) }
}

/// Returns what the last failed call met; for an invalid rule, all its errors. Valid until the next
/// call.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ps_ruleset_last_error(ruleset: *mut ps_ruleset) -> ps_bytes {
    // SAFETY: the caller passes a live handle.
    unsafe { last_error(ruleset) }
}

fn parse(rule: &str, profile: Profile) -> Outcome<Rule> {
    Rule::parse(rule, profile).map_err(|errors| {
        let text =
            |error: &Diagnostic| format!("{} at byte {}: {error}", error.code.name(), error.span.start);
        let texts: Vec<String> = errors.iter().map(text).collect();
        Failure::new(ps_status::Rule, texts.join("\n"))
    })
}

/// Checks a rule without adding it.
///
/// Returns `PS_STATUS_OK`, `PS_STATUS_NULL`, `PS_STATUS_UTF8`, or `PS_STATUS_RULE`: then
/// `ps_ruleset_last_error` has one line for each error.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ps_ruleset_check(
    ruleset: *mut ps_ruleset,
    rule: *const c_char,
    len: usize,
) -> ps_status {
    // SAFETY: the caller passes a live handle and `len` readable bytes.
    unsafe { with(ruleset, |ruleset| parse(text(rule, len)?, ruleset.profile).map(|_| ps_status::Ok)) }
}

/// Adds a rule. `key` gets the number that names it in this set; keys ascend.
///
/// Returns as `ps_ruleset_check`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ps_ruleset_insert(
    ruleset: *mut ps_ruleset,
    rule: *const c_char,
    len: usize,
    key: *mut u64,
) -> ps_status {
    // SAFETY: the caller passes a live handle, `len` readable bytes, and a place for the result.
    unsafe {
        with(ruleset, |ruleset| {
            let rule = parse(text(rule, len)?, ruleset.profile)?;
            put(key, ruleset.rules.insert(&rule, None).as_u64());
            Ok(ps_status::Ok)
        })
    }
}

/// Removes a rule.
///
/// Returns `PS_STATUS_OK`, `PS_STATUS_NULL`, or `PS_STATUS_ABSENT` if there is no such rule.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ps_ruleset_remove(ruleset: *mut ps_ruleset, key: u64) -> ps_status {
    // SAFETY: the caller passes a live handle.
    unsafe {
        with(ruleset, |ruleset| {
            let is_removed = ruleset.rules.remove(RuleKey::from_u64(key));
            Ok(if is_removed { ps_status::Ok } else { ps_status::Absent })
        })
    }
}

/// Returns the text of a rule; empty if there is no such rule. Valid until the next call that
/// changes the set.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ps_ruleset_get(ruleset: *const ps_ruleset, key: u64) -> ps_bytes {
    // SAFETY: the caller passes a live handle.
    unsafe {
        read(ruleset, ps_bytes::EMPTY, |ruleset| {
            let entry = ruleset.rules.get(RuleKey::from_u64(key));
            ps_bytes::optional(entry.map(|entry| entry.value.as_bytes()))
        })
    }
}

/// Returns the number of rules. 0 for null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ps_ruleset_len(ruleset: *const ps_ruleset) -> usize {
    // SAFETY: the caller passes a live handle.
    unsafe { read(ruleset, 0, |ruleset| ruleset.rules.len()) }
}

/// Matches the Post of a message. `keys` gets the keys of the rules that it matches, ascending, and
/// `count` their number. The array is valid until the next call that changes the set. A message
/// that is no Post matches nothing; of an array, only the first element is matched. Memory is
/// allocated only until the set has seen Posts of the usual size.
///
/// Returns `PS_STATUS_OK`, or `PS_STATUS_NULL`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ps_ruleset_match(
    ruleset: *mut ps_ruleset,
    message: *const c_void,
    len: usize,
    keys: *mut *const u64,
    count: *mut usize,
) -> ps_status {
    // SAFETY: the caller passes a live handle, `len` readable bytes, and places for the results.
    unsafe {
        with(ruleset, |ruleset| {
            let message = bytes(message, len)?;
            if keys.is_null() || count.is_null() {
                return Err(ps_status::Null.into());
            }
            ruleset.matched.clear();
            let found = ruleset.rules.matches(message, &mut ruleset.scratch);
            ruleset.matched.extend(found.iter().map(|key| key.as_u64()));
            put(keys, ruleset.matched.as_ptr());
            put(count, ruleset.matched.len());
            Ok(ps_status::Ok)
        })
    }
}
