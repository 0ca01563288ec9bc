//! The fewest requests from the rules in force to the rules wanted, without a gap where none is needed.
//!
//! ```text
//!   in force --.                    .--> add, add ..   wanted and not there
//!              |--> by value --> plan--> wait          until the new rules act
//!   wanted   --'                    '--> delete ..     there and not wanted
//! ```
//!
//! Pure: it looks at two lists and says what to send; whoever sends it lists again after a lost answer or a kill, and
//! plans anew. A plan that was cut anywhere is finished by the plan made after it, in no more requests than were left.
//!
//! The order is decided by these, each before the next:
//!
//! 1. There are never more rules than [`Limits::rules_max`]. Where the new ones find no room, as many as must go are
//!    deleted first ([`Plan::deleted_first`]), each batch just before the adds that need its room.
//! 2. Every new rule is added before an old one is deleted: an old rule may be another spelling of a new one. New rules
//!    take some seconds to act, so the first delete behind them says that it should wait ([`Request::Delete`]).
//! 3. A rule whose tag changes has to be deleted and added again: a value is unique in an app, and a tag cannot be changed
//!    (X docs, OpenAPI of Filtered Stream; PowerTrack keeps the old tag). Until the new one acts it matches nothing, and
//!    no order helps; a stand-in of another spelling would cost two more requests, room for it, and Posts marked with a
//!    rule that nobody wrote. So each batch is added right behind its delete, and [`Plan::retagged`] says how many.
//! 4. The requests are as few as these allow.
//!
//! ```
//! use powerstream_rules::sync::{Limits, Request, Rule, plan};
//!
//! let in_force = [Rule::new("gull"), Rule::new("crow")];
//! let wanted = [Rule::new("crow"), Rule::new("gull OR tern")];
//! let plan = plan(&in_force, &wanted, Limits::default())?;
//! assert_eq!(plan.requests, [Request::Add(vec![1]), Request::Delete { rules: vec![0], waits: true }]);
//! # Ok::<(), powerstream_rules::sync::PlanError>(())
//! ```

use core::fmt;
use std::collections::{HashMap, HashSet};

/// A rule as it is in force or wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Rule<'a> {
    /// The rule. Rules are the same if this is, to the letter.
    pub value: &'a str,
    /// Its tag. An empty one is none.
    pub tag: Option<&'a str>,
}

impl<'a> Rule<'a> {
    /// A rule without a tag.
    #[must_use]
    pub const fn new(value: &'a str) -> Self {
        Self { value, tag: None }
    }

    /// A rule with a tag.
    #[must_use]
    pub const fn tagged(value: &'a str, tag: &'a str) -> Self {
        Self { value, tag: Some(tag) }
    }

    fn tag(&self) -> Option<&'a str> {
        self.tag.filter(|tag| !tag.is_empty())
    }
}

/// What the service takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Most rules of one request, at least 1. Default 100 (X docs, Powerstream introduction).
    pub rules_per_request: usize,
    /// Most rules in force; `None`: no limit is known. Default 1,000 (X docs, Powerstream introduction).
    pub rules_max: Option<usize>,
}

impl Default for Limits {
    fn default() -> Self {
        Self { rules_per_request: 100, rules_max: Some(1_000) }
    }
}

/// One request of a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums, reason = "whoever carries out a plan must know each")]
pub enum Request {
    /// To add the wanted rules of these indices.
    Add(Vec<usize>),
    /// To delete the rules in force of these indices.
    Delete {
        /// Which.
        rules: Vec<usize>,
        /// Whether what was added before should act by now, since it may take the place of what is deleted.
        waits: bool,
    },
}

impl Request {
    /// How many rules it names.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Add(rules) | Self::Delete { rules, .. } => rules.len(),
        }
    }

    /// Whether it names none. No request of a plan does.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// What to send, in this order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Plan {
    /// The requests.
    pub requests: Vec<Request>,
    /// Rules that are in force as they are wanted.
    pub unchanged: usize,
    /// Rules that are new.
    pub added: usize,
    /// Rules that go for good.
    pub deleted: usize,
    /// Rules whose tag changes: each matches nothing from its delete until its new self acts.
    pub retagged: usize,
    /// Of those that go for good, how many have to go before all new ones are there, for want of room.
    pub deleted_first: usize,
    /// Wanted rules that repeat one before them, value and tag: they are left out.
    pub repeated: Vec<usize>,
}

/// Why there is no plan. Indices are those of the wanted rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PlanError {
    /// Two wanted rules have one value and different tags, and the service keeps one.
    Conflict {
        /// The first of them,
        first: usize,
        /// and the other.
        second: usize,
    },
    /// More rules are wanted than the service takes.
    TooMany {
        /// How many are wanted, repeated ones not counted.
        wanted: usize,
        /// How many it takes.
        max: usize,
    },
}

impl fmt::Display for PlanError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Conflict { first, second } => write!(
                f,
                "rules {} and {} have the same value and different tags, and the service keeps one of them: join \
                 their tags or drop one",
                first + 1,
                second + 1
            ),
            Self::TooMany { wanted, max } => {
                write!(f, "these are {wanted} rules, and the service takes {max}: join or drop some")
            }
        }
    }
}

impl core::error::Error for PlanError {}

/// Plans the way from the rules `in_force` to those `wanted`.
///
/// # Errors
/// [`PlanError`] where the service could not have the wanted rules.
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

/// What is to be done with each rule. Wanted ones and those in force by their indices.
struct Split {
    unchanged: usize,
    /// Wanted and not there.
    new: Vec<usize>,
    /// There and not wanted.
    old: Vec<usize>,
    /// There with another tag: (in force, wanted).
    retagged: Vec<(usize, usize)>,
}

impl Split {
    fn new(in_force: &[Rule<'_>], wanted: &[Rule<'_>], by_value: &HashMap<&str, usize>) -> Self {
        let mut split = Self { unchanged: 0, new: Vec::new(), old: Vec::new(), retagged: Vec::new() };
        let mut there = HashSet::with_capacity(in_force.len());
        // A service that had one value twice would keep the one of the right tag.
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

    /// How many of the retagged rules are changed along with the new ones, the others along with the old ones: what
    /// fills the last requests of both best. From a whole request on the costs repeat.
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

        // The new ones, with what they need to be gone.
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

        // The old ones, with what comes again in their place.
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
