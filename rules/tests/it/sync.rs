//! Executes plans against a model of the service, from any rules to any others, interrupted after
//! any request. Checks that the number of rules never exceeds the limit, that gaps occur only where
//! unavoidable, and that the number of requests is minimal.

#![allow(
    clippy::unwrap_used,
    reason = "test helpers, which clippy.toml's exemption for tests does not cover"
)]

use std::collections::BTreeMap;

use powerstream_rules::sync::{Limits, Plan, PlanError, Request, Rule, plan};

use crate::random::Random;

type Rules = Vec<(String, Option<String>)>;

fn lent(rules: &Rules) -> Vec<Rule<'_>> {
    rules
        .iter()
        .map(|(value, tag)| tag.as_deref().map_or(Rule::new(value), |tag| Rule::tagged(value, tag)))
        .collect()
}

/// A model of the service: values are unique, tags do not change, and requests beyond a limit are
/// rejected.
struct Service {
    rules: BTreeMap<String, Option<String>>,
    limits: Limits,
}

impl Service {
    fn new(rules: &Rules, limits: Limits) -> Self {
        Self { rules: rules.iter().cloned().collect(), limits }
    }

    fn list(&self) -> Rules {
        self.rules.iter().map(|(value, tag)| (value.clone(), tag.clone())).collect()
    }

    /// Executes a request of a plan from `listed` to `wanted`. Panics if the service would reject
    /// it.
    fn take(&mut self, request: &Request, listed: &Rules, wanted: &Rules) {
        assert!((1..=self.limits.rules_per_request).contains(&request.len()));
        match request {
            Request::Add(rules) => {
                for &index in rules {
                    let (value, tag) = wanted[index].clone();
                    let before = self.rules.insert(value, tag);
                    assert_eq!(before, None, "a duplicate");
                }
                assert!(self.limits.rules_max.is_none_or(|max| self.rules.len() <= max), "over the limit");
            }
            Request::Delete { rules, .. } => {
                for &index in rules {
                    assert!(self.rules.remove(&listed[index].0).is_some(), "not there");
                }
            }
        }
    }
}

/// Generates rules with few values and fewer tags; each value occurs once.
fn some_rules(random: &mut Random, values: usize, max: usize) -> Rules {
    let mut rules = BTreeMap::new();
    for _ in 0..random.below(max + 1) {
        let tag = [None, Some("t"), Some("u")][random.below(3)];
        rules.insert(format!("v{}", random.below(values)), tag.map(String::from));
    }
    rules.into_iter().collect()
}

/// Returns the minimal number of requests, by trying every split of the retagged rules.
fn fewest(new: usize, old: usize, retagged: usize, forced: usize, each: usize) -> usize {
    (0..=retagged)
        .map(|early| {
            let late = retagged - early;
            (early + forced).div_ceil(each)
                + (new + early).div_ceil(each)
                + (old - forced + late).div_ceil(each)
                + late.div_ceil(each)
        })
        .min()
        .unwrap()
}

#[test]
fn any_sync_takes_the_fewest_requests_and_resumes_after_any_cut() {
    let mut random = Random(0x9E37_79B9_7F4A_7C15);
    for round in 0..3_000 {
        let mut limits = Limits::default();
        limits.rules_per_request = 1 + random.below(6);
        let values = 1 + random.below(40);
        let max = 1 + random.below(40);
        limits.rules_max = if random.below(4) == 0 { None } else { Some(max) };
        let in_force = some_rules(&mut random, values, max);
        let wanted = some_rules(&mut random, values, max);
        let whole = plan(&lent(&in_force), &lent(&wanted), limits).unwrap();

        assert_eq!(whole.unchanged + whole.retagged + whole.added, wanted.len(), "round {round}");
        assert_eq!(whole.unchanged + whole.retagged + whole.deleted, in_force.len(), "round {round}");
        let Plan { added, deleted, retagged, deleted_first, .. } = whole;
        let each = limits.rules_per_request;
        assert_eq!(
            whole.requests.len(),
            fewest(added, deleted, retagged, deleted_first, each),
            "round {round}: {whole:?}"
        );
        judge_coverage(&whole, &in_force, &wanted);

        for cut in 0..=whole.requests.len() {
            let mut service = Service::new(&in_force, limits);
            for request in &whole.requests[..cut] {
                service.take(request, &in_force, &wanted);
            }
            // The client crashes and starts again.
            let listed = service.list();
            let rest = plan(&lent(&listed), &lent(&wanted), limits).unwrap();
            assert!(rest.requests.len() <= whole.requests.len() - cut, "round {round} cut {cut}: {rest:?}");
            for request in &rest.requests {
                service.take(request, &listed, &wanted);
            }
            assert_eq!(service.list(), wanted, "round {round}, cut {cut}");
            let none = plan(&lent(&service.list()), &lent(&wanted), limits).unwrap();
            assert_eq!((none.requests.len(), none.unchanged), (0, wanted.len()));
        }
    }
}

/// Checks three properties. Unchanged rules are never deleted. Old rules are deleted after all new
/// ones are added, unless room is needed. Retagged rules are in the add directly after their
/// delete.
fn judge_coverage(plan: &Plan, in_force: &Rules, wanted: &Rules) {
    let value_of = |index: &usize| &in_force[*index].0;
    let comes_again = |index: &usize| wanted.iter().any(|(value, _)| value == value_of(index));
    let is_new = |index: &usize| !in_force.iter().any(|(value, _)| *value == wanted[*index].0);
    let last_new = plan.requests.iter().rposition(|request| match request {
        Request::Add(rules) => rules.iter().any(is_new),
        Request::Delete { .. } => false,
    });
    let mut gone_first = 0;
    let mut waited = false;
    for (at, request) in plan.requests.iter().enumerate() {
        let Request::Delete { rules, waits } = request else { continue };
        for index in rules {
            assert!(!wanted.contains(&in_force[*index]), "{index} was to stay");
            if !comes_again(index) {
                gone_first += usize::from(last_new.is_some_and(|last| at < last));
            }
        }
        assert!(!(*waits && waited), "one wait is enough");
        waited |= waits;
        let replaces = last_new.is_some_and(|last| at > last);
        assert!(!replaces || waited, "a deleted rule may be replaced by a rule that does not act yet");
    }
    assert_eq!(gone_first, plan.deleted_first);
}

#[test]
fn adding_1000_rules_takes_10_requests_and_an_unchanged_set_none() {
    let wanted: Rules = (0..1_000).map(|index| (format!("gull{index}"), None)).collect();
    let cost = |in_force: &Rules, wanted: &Rules| {
        plan(&lent(in_force), &lent(wanted), Limits::default()).unwrap().requests.len()
    };
    assert_eq!(cost(&Vec::new(), &wanted), 10);
    assert_eq!(cost(&wanted, &wanted), 0);
    assert_eq!(cost(&wanted, &Vec::new()), 10);
    // One rule changed, at the limit: the old one must be deleted first.
    let mut changed = wanted.clone();
    changed[7].0 = String::from("tern");
    assert_eq!(cost(&wanted, &changed), 2);
    // All rules changed, or all tags.
    let others: Rules = (0..1_000).map(|index| (format!("tern{index}"), None)).collect();
    assert_eq!(cost(&wanted, &others), 20);
    let tagged: Rules = wanted.iter().map(|(value, _)| (value.clone(), Some(String::from("t")))).collect();
    assert_eq!(cost(&wanted, &tagged), 20);
}

#[test]
fn rules_without_room_are_added_after_the_delete_that_frees_it() {
    let named = |name: &str, count: usize| -> Rules {
        (0..count).map(|index| (format!("{name}{index:03}"), None)).collect()
    };
    let (in_force, wanted) = (named("a", 900), named("b", 300));
    let plan = plan(&lent(&in_force), &lent(&wanted), Limits::default()).unwrap();
    assert_eq!((plan.added, plan.deleted, plan.deleted_first), (300, 900, 200));
    let kinds: String = plan
        .requests
        .iter()
        .map(|request| match request {
            Request::Add(_) => 'a',
            Request::Delete { waits: true, .. } => 'w',
            Request::Delete { .. } => 'd',
        })
        .collect();
    // The first hundred has room; each of the others follows the delete that makes room for it.
    assert_eq!(kinds, "adadawdddddd");
}

#[test]
fn a_retagged_rule_does_not_move_later_deletes_forward() {
    let in_force = [Rule::tagged("a", "t"), Rule::new("b"), Rule::new("c"), Rule::new("d")];
    let wanted = [Rule::tagged("a", "u"), Rule::new("e"), Rule::new("f"), Rule::new("g")];
    let mut limits = Limits::default();
    (limits.rules_per_request, limits.rules_max) = (2, Some(4));
    let delete = |rules: [usize; 2]| Request::Delete { rules: rules.to_vec(), waits: false };
    assert_eq!(
        plan(&in_force, &wanted, limits).unwrap().requests,
        [delete([0, 1]), Request::Add(vec![0, 1]), delete([2, 3]), Request::Add(vec![2, 3])]
    );
}

#[test]
fn a_request_without_rules_is_empty() {
    assert!(Request::Add(Vec::new()).is_empty());
    assert!(!Request::Delete { rules: vec![0], waits: false }.is_empty());
}

#[test]
fn a_retagged_rule_is_added_right_after_its_delete() {
    let tagged = |tag: &str| -> Rules {
        (0..250).map(|index| (format!("v{index}"), Some(String::from(tag)))).collect()
    };
    let (in_force, wanted) = (tagged("t"), tagged("u"));
    let plan = plan(&lent(&in_force), &lent(&wanted), Limits::default()).unwrap();
    assert_eq!(plan.retagged, 250);
    assert_eq!(plan.requests.len(), 6);
    for pair in plan.requests.chunks(2) {
        let [Request::Delete { rules, waits: false }, Request::Add(again)] = pair else { panic!("{pair:?}") };
        assert_eq!(rules, again);
    }
}

#[test]
fn repeated_rules_are_skipped_and_conflicting_tags_refused() {
    let wanted = [Rule::new("a"), Rule::tagged("a", ""), Rule::tagged("b", "t"), Rule::tagged("b", "t")];
    let made = plan(&[Rule::tagged("a", "")], &wanted, Limits::default()).unwrap();
    assert_eq!((made.repeated.as_slice(), made.unchanged, made.added), ([1, 3].as_slice(), 1, 1));
    assert_eq!(made.requests, [Request::Add(vec![2])]);

    let wanted = [Rule::new("a"), Rule::tagged("b", "t"), Rule::new("b")];
    let error = plan(&[], &wanted, Limits::default()).unwrap_err();
    assert_eq!(error, PlanError::Conflict { first: 1, second: 2 });
    assert!(error.to_string().starts_with("rules 2 and 3 "));

    let mut limits = Limits::default();
    limits.rules_max = Some(1);
    let wanted = [Rule::new("a"), Rule::new("a"), Rule::new("b")];
    assert_eq!(plan(&[], &wanted, limits).unwrap_err(), PlanError::TooMany { wanted: 2, max: 1 });
    assert!(plan(&[], &wanted[..2], limits).is_ok());
}

#[test]
fn duplicate_and_excess_rules_are_deleted() {
    // No service should have such rules; the plan must still end with the wanted ones.
    let in_force = [Rule::tagged("a", "x"), Rule::new("a"), Rule::new("a")];
    let made = plan(&in_force, &[Rule::new("a")], Limits::default()).unwrap();
    assert_eq!(made.requests, [Request::Delete { rules: vec![0, 2], waits: false }]);
    let mut limits = Limits::default();
    limits.rules_max = Some(2);
    let in_force = ["a", "b", "c", "d"].map(Rule::new);
    let made = plan(&in_force, &["a", "e"].map(Rule::new), limits).unwrap();
    assert_eq!(
        made.requests,
        [Request::Delete { rules: vec![1, 2, 3], waits: false }, Request::Add(vec![1])]
    );
}
