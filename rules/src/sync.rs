//! Plans the requests that change the rules in force to the wanted rules. A plan has as few
//! requests as possible, and avoids gaps in matching if possible.
//!
//! ```text
//!   in force --.                     .--> add, add ..   wanted and not in force
//!              |--> by value --> plan--> wait           until the new rules act
//!   wanted   --'                     '--> delete ..     in force and not wanted
//! ```
//!
//! The plan is computed from the two lists alone. After a lost response or a crash, the caller
//! lists the rules again and makes a new plan. The new plan finishes the old one, in no more
//! requests than were left.
//!
//! The order of the requests follows these rules, most important first:
//!
//! 1. The number of rules never exceeds [`Limits::rules_max`]. If the new rules do not fit, as many
//!    old rules as necessary are deleted first ([`Plan::deleted_first`]). Each of these batches is
//!    directly before the adds that need its room.
//! 2. All new rules are added before an old one is deleted, because an old rule may be another
//!    spelling of a new one. New rules need some seconds to act, so the first delete after them is
//!    marked to wait ([`Request::Delete`]).
//! 3. A rule whose tag changes is deleted and added again. A value is unique in an app, and a tag
//!    cannot be changed (X docs, OpenAPI of Filtered Stream; PowerTrack keeps the old tag). The
//!    rule matches nothing until the new one acts. A temporary rule in another spelling could avoid
//!    that. But it costs two more requests and room, and Posts would be labeled with a rule that
//!    the user did not write. Instead, each batch is added directly after its delete, and
//!    [`Plan::retagged`] reports the number.
//! 4. Within these constraints, the number of requests is minimal.
//!
//! ```
//! use powerstream_rules::sync::{Limits, Request, Rule, plan};
//!
//! let in_force = [Rule::new("gull"), Rule::new("crow")];
//! let wanted = [Rule::new("crow"), Rule::new("gull OR tern")];
//! let plan = plan(&in_force, &wanted, Limits::default())?;
//! let delete = Request::Delete { rules: vec![0], waits: true };
//! assert_eq!(plan.requests, [Request::Add(vec![1]), delete]);
//! # Ok::<(), powerstream_rules::sync::PlanError>(())
//! ```

use core::fmt;
use std::collections::{HashMap, HashSet};

/// A rule that is in force or wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Rule<'a> {
    /// The rule's text. Two rules are the same if their values are equal byte for byte.
    pub value: &'a str,
    /// The rule's tag. An empty tag is the same as none.
    pub tag: Option<&'a str>,
}

impl<'a> Rule<'a> {
    /// Creates a rule without a tag.
    #[must_use]
    pub const fn new(value: &'a str) -> Self {
        Self { value, tag: None }
    }

    /// Creates a rule with a tag.
    #[must_use]
    pub const fn tagged(value: &'a str, tag: &'a str) -> Self {
        Self { value, tag: Some(tag) }
    }

    fn tag(&self) -> Option<&'a str> {
        self.tag.filter(|tag| !tag.is_empty())
    }
}

/// The service's limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// The maximum number of rules in one request; at least 1. Default: 100 (X docs, Powerstream
    /// introduction).
    pub rules_per_request: usize,
    /// The maximum number of rules in force; `None` if unknown. Default: 1,000 (X docs, Powerstream
    /// introduction).
    pub rules_max: Option<usize>,
}

impl Default for Limits {
    fn default() -> Self {
        Self { rules_per_request: 100, rules_max: Some(1_000) }
    }
}

/// One request of a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums, reason = "executing a plan requires handling each kind")]
pub enum Request {
    /// Add the wanted rules with these indices.
    Add(Vec<usize>),
    /// Delete the rules in force with these indices.
    Delete {
        /// The indices in `in_force`.
        rules: Vec<usize>,
        /// True if the caller should first wait until the rules added before are acting, because
        /// they may replace these.
        waits: bool,
    },
}

impl Request {
    /// Returns the number of rules in the request.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Add(rules) | Self::Delete { rules, .. } => rules.len(),
        }
    }

    /// Returns true if the request contains no rules. A plan never contains such a request.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A plan: requests to send in this order, and counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Plan {
    /// The requests.
    pub requests: Vec<Request>,
    /// The number of rules that are in force and wanted with the same tag.
    pub unchanged: usize,
    /// The number of new rules.
    pub added: usize,
    /// The number of rules deleted and not added again.
    pub deleted: usize,
    /// The number of rules whose tag changes. Each matches nothing from its delete until the new
    /// rule acts.
    pub retagged: usize,
    /// The number of rules that are deleted before all new rules are added, because there is not
    /// enough room.
    pub deleted_first: usize,
    /// The indices of wanted rules that repeat an earlier one, value and tag. They are ignored.
    pub repeated: Vec<usize>,
}

/// The reason why there is no plan. Indices refer to the wanted rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PlanError {
    /// Two wanted rules have the same value and different tags. The service keeps only one rule per
    /// value.
    Conflict {
        /// The index of the first rule.
        first: usize,
        /// The index of the second rule.
        second: usize,
    },
    /// More rules are wanted than the service allows.
    TooMany {
        /// The number of wanted rules, without repeated ones.
        wanted: usize,
        /// The service's limit.
        max: usize,
    },
}

impl fmt::Display for PlanError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Conflict { first, second } => write!(
                f,
                "rules {} and {} have the same value and different tags, but the service keeps only one rule \
                 per value: combine the tags or remove one rule",
                first + 1,
                second + 1
            ),
            Self::TooMany { wanted, max } => {
                write!(f, "there are {wanted} rules, but the service allows {max}: combine or remove some")
            }
        }
    }
}

impl core::error::Error for PlanError {}

/// Plans the requests that change the rules `in_force` to those `wanted`.
///
/// # Errors
///
/// Returns [`PlanError`] if the service cannot hold the wanted rules.
pub fn plan(in_force: &[Rule<'_>], wanted: &[Rule<'_>], limits: Limits) -> Result<Plan, PlanError> {
    let mut plan = Plan::default();
    let mut by_value: HashMap<&str, usize> = HashMap::with_capacity(wanted.len());
    for (index, rule) in wanted.iter().enumerate() {
        match by_value.get(rule.value) {
            None => drop(by_value.insert(rule.value, index)),
            Some(&first) if wanted[first].tag() == rule.tag() => plan.repeated.push(index),
            Some(&first) => return Err(PlanError::Conflict { first, second: index }),
        }
    }
    if let Some(max) = limits.rules_max.filter(|max| by_value.len() > *max) {
        return Err(PlanError::TooMany { wanted: by_value.len(), max });
    }

    let split = Split::new(in_force, wanted, &by_value);
    plan.unchanged = split.unchanged;
    plan.added = split.new.len();
    plan.deleted = split.old.len();
    plan.retagged = split.retagged.len();
    let after = in_force.len() + split.new.len();
    if let Some(max) = limits.rules_max.filter(|_| !split.new.is_empty()) {
        plan.deleted_first = after.saturating_sub(max).min(split.old.len());
    }
    plan.requests = split.order(in_force.len(), plan.deleted_first, limits);
    Ok(plan)
}

/// How each rule is handled. Wanted rules and rules in force are given by index.
struct Split {
    unchanged: usize,
    /// Wanted and not in force.
    new: Vec<usize>,
    /// In force and not wanted.
    old: Vec<usize>,
    /// In force with another tag: (in force, wanted).
    retagged: Vec<(usize, usize)>,
}

impl Split {
    fn new(in_force: &[Rule<'_>], wanted: &[Rule<'_>], by_value: &HashMap<&str, usize>) -> Self {
        let mut split = Self { unchanged: 0, new: Vec::new(), old: Vec::new(), retagged: Vec::new() };
        let mut there = HashSet::with_capacity(in_force.len());
        // If the service had a value twice, the rule with the right tag would stay.
        for (index, rule) in in_force.iter().enumerate() {
            if let Some(&want) = by_value.get(rule.value) {
                if wanted[want].tag() == rule.tag() && there.insert(want) {
                    split.unchanged += 1;
                    continue;
                }
            }
            split.old.push(index);
        }
        let mut old = Vec::with_capacity(split.old.len());
        for index in split.old {
            match by_value.get(in_force[index].value) {
                Some(&want) if there.insert(want) => split.retagged.push((index, want)),
                _ => old.push(index),
            }
        }
        split.old = old;
        let is_wanted = |index: &usize| by_value.get(wanted[*index].value) == Some(index);
        split.new = (0..wanted.len()).filter(is_wanted).filter(|index| !there.contains(index)).collect();
        split
    }

    /// Returns how many retagged rules to change together with the new rules; the others are
    /// changed with the old ones. Chooses the number that needs the fewest requests. Only numbers
    /// below one request's size are tried, because the cost repeats from there.
    fn early_retags(&self, deleted_first: usize, each: usize) -> usize {
        let (new, retagged) = (self.new.len(), self.retagged.len());
        let old = self.old.len() - deleted_first;
        let cost = |early: &usize| {
            let late = retagged - early;
            (early + deleted_first).div_ceil(each)
                + (new + early).div_ceil(each)
                + (old + late).div_ceil(each)
                + late.div_ceil(each)
        };
        (0..=retagged.min(each - 1)).min_by_key(cost).unwrap_or(0)
    }

    fn order(&self, in_force: usize, deleted_first: usize, limits: Limits) -> Vec<Request> {
        let each = limits.rules_per_request.max(1);
        let early = self.early_retags(deleted_first, each);
        let (early_retags, late_retags) = self.retagged.split_at(early);
        let (first_old, last_old) = self.old.split_at(deleted_first);
        let there = |retags: &[(usize, usize)]| retags.iter().map(|retag| retag.0).collect::<Vec<_>>();
        let again = |retags: &[(usize, usize)]| retags.iter().map(|retag| retag.1).collect::<Vec<_>>();
        let mut requests = Vec::new();
        let mut count = in_force;

        // The new rules, each batch after the deletes that make room for it.
        let early_deletes = [there(early_retags), first_old.to_vec()].concat();
        let mut deletes = early_deletes.chunks(each);
        let (mut gone, mut added) = (0, 0);
        for batch in [again(early_retags), self.new.clone()].concat().chunks(each) {
            added += batch.len();
            while gone < added.min(early) || limits.rules_max.is_some_and(|max| count + batch.len() > max) {
                let Some(rules) = deletes.next() else { break };
                gone += rules.len();
                count -= rules.len();
                requests.push(Request::Delete { rules: rules.to_vec(), waits: false });
            }
            count += batch.len();
            requests.push(Request::Add(batch.to_vec()));
        }

        // The old rules, and the second part of the retagged ones.
        let mut waits = !self.new.is_empty();
        let late_deletes = [last_old.to_vec(), there(late_retags)].concat();
        let mut deletes = late_deletes.chunks(each).map(|rules| {
            let request = Request::Delete { rules: rules.to_vec(), waits };
            waits = false;
            request
        });
        let (mut gone, mut added) = (0, last_old.len());
        for batch in again(late_retags).chunks(each) {
            added += batch.len();
            while gone < added {
                let Some(delete) = deletes.next() else { break };
                gone += delete.len();
                requests.push(delete);
            }
            requests.push(Request::Add(batch.to_vec()));
        }
        requests.extend(deletes);
        requests
    }
}
