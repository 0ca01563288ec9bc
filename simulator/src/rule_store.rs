//! The rules of one product, and the filtering of Posts by them.
//!
//! Requests are answered immediately from the stored rules. A change affects streams after a
//! configurable delay. Until then it waits in a queue; the first thread that filters a Post after
//! the delay applies it.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, Instant};

use powerstream_rules::matcher::{RuleKey, RuleSet, Scratch};
use powerstream_rules::{Profile, Rule, Verdict, check};

use crate::clock::Clock;
use crate::generator::json::{Style, Writer};
use crate::source::SourcePost;
use crate::splice;
use crate::time::Snowflakes;

/// A stored rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StoredRule {
    pub(crate) id: u64,
    pub(crate) value: String,
    pub(crate) tag: Option<String>,
}

/// The result of adding a rule.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum AddOutcome {
    Created(Arc<StoredRule>),
    /// A rule with this value exists. It keeps its tag.
    Duplicate(Arc<StoredRule>),
    /// The rule is invalid, with the messages of the service.
    Invalid(Vec<String>),
    /// The limit of rules is reached.
    Full,
}

/// A rule to delete.
#[derive(Debug)]
pub(crate) enum RuleRef {
    Id(u64),
    Value(String),
}

/// The result of filtering a Post.
#[derive(Debug)]
pub(crate) enum Passed {
    /// No rule was added yet, so every Post passes.
    Unfiltered(SourcePost),
    Matched(SourcePost, Arc<[Arc<StoredRule>]>),
    No,
}

/// What a stream without rules sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum NoRules {
    /// Every Post, until the first rule is added; then only matching Posts. X does not do this, but
    /// it is convenient for trying out a client. For Powerstream only: the Filtered Stream always
    /// refuses.
    #[default]
    Everything,
    /// Only keep-alives.
    Nothing,
    /// Nothing: a request for the stream is refused with 409, as on the Filtered Stream.
    Conflict,
}

pub(crate) struct RuleStore {
    pub(crate) profile: Profile,
    clock: Clock,
    delay: Duration,
    rules_max: usize,
    no_rules: NoRules,
    /// Posts list the rules that they match.
    matching_rules: bool,
    stored: Mutex<Stored>,
    effective: RwLock<Effective>,
}

struct Stored {
    /// Ordered by id, which is the order of creation.
    rules: BTreeMap<u64, Arc<StoredRule>>,
    by_value: HashMap<String, u64>,
    ids: Snowflakes,
}

/// The rules that filter streams now.
struct Effective {
    set: RuleSet,
    names: HashMap<RuleKey, Arc<StoredRule>>,
    keys: HashMap<u64, RuleKey>,
    /// A rule is or was in effect.
    begun: bool,
    coming: VecDeque<(Instant, Change)>,
}

enum Change {
    Add(Arc<StoredRule>, Box<Rule>),
    Delete(u64),
}

impl RuleStore {
    pub(crate) fn new(
        profile: Profile,
        rules_max: usize,
        no_rules: NoRules,
        delay: Duration,
        matching_rules: bool,
        clock: &Clock,
    ) -> Self {
        let machine = profile.name().len() as u64;
        let ids = Snowflakes::new(machine);
        Self {
            profile,
            clock: clock.clone(),
            delay,
            rules_max,
            no_rules,
            matching_rules,
            stored: Mutex::new(Stored { rules: BTreeMap::new(), by_value: HashMap::new(), ids }),
            effective: RwLock::new(Effective {
                set: RuleSet::new(),
                names: HashMap::new(),
                keys: HashMap::new(),
                begun: false,
                coming: VecDeque::new(),
            }),
        }
    }

    fn stored(&self) -> MutexGuard<'_, Stored> {
        self.stored.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn len(&self) -> usize {
        self.stored().rules.len()
    }

    pub(crate) fn list(&self) -> Vec<Arc<StoredRule>> {
        self.stored().rules.values().cloned().collect()
    }

    pub(crate) fn rules_max(&self) -> usize {
        self.rules_max
    }

    /// Adds rules, or with `dry_run` only returns what would happen. With `atomic`, none is stored
    /// if one is invalid or there is no room for all. Returns one result per rule.
    pub(crate) fn add(
        &self,
        rules: &[(String, Option<String>)],
        atomic: bool,
        dry_run: bool,
    ) -> Vec<AddOutcome> {
        let now = self.clock.now();
        // Outside the lock, because checking a hundred long rules takes a while.
        let verdicts: Vec<Verdict> = rules.iter().map(|(value, _)| check(value, self.profile)).collect();
        let is_wrong = |verdict: &Verdict| !verdict.is_valid() || verdict.rule.is_none();
        let mut stored = self.stored();
        let mut seen = HashMap::new();
        let mut new = 0;
        for (value, _) in rules {
            if !stored.by_value.contains_key(value) && seen.insert(value.as_str(), ()).is_none() {
                new += 1;
            }
        }
        let no_room = stored.rules.len() + new > self.rules_max;
        let refuse_all = atomic && (no_room || verdicts.iter().any(is_wrong));
        let mut answers = Vec::new();
        let mut changes = Vec::new();
        let mut dry: HashMap<&str, Arc<StoredRule>> = HashMap::new();
        for ((value, tag), verdict) in rules.iter().zip(verdicts) {
            let known = stored.by_value.get(value).and_then(|id| stored.rules.get(id)).cloned();
            let known = known.or_else(|| dry.get(value.as_str()).cloned());
            let rule = match verdict.rule {
                Some(rule) if verdict.errors.is_empty() => rule,
                _ => {
                    let said = verdict.errors.iter().flat_map(|error| match &error.api {
                        Some(api) => api.messages.clone(),
                        None => vec![error.message.to_string()],
                    });
                    answers.push(AddOutcome::Invalid(said.collect()));
                    continue;
                }
            };
            if let Some(known) = known {
                answers.push(AddOutcome::Duplicate(known));
                continue;
            }
            if (atomic && no_room) || stored.rules.len() + dry.len() >= self.rules_max {
                answers.push(AddOutcome::Full);
                continue;
            }
            let id = stored.ids.next(self.clock.unix_ms());
            let named = Arc::new(StoredRule { id, value: value.clone(), tag: tag.clone() });
            if dry_run || refuse_all {
                dry.insert(value, named.clone());
            } else {
                stored.by_value.insert(value.clone(), id);
                stored.rules.insert(id, named.clone());
                changes.push((now + self.delay, Change::Add(named.clone(), Box::new(rule))));
            }
            answers.push(AddOutcome::Created(named));
        }
        // Still locked, so that changes take effect in the order of the requests.
        self.write().coming.extend(changes);
        drop(stored);
        answers
    }

    /// Deletes rules. Returns for each whether it existed.
    pub(crate) fn delete(&self, which: &[RuleRef]) -> Vec<bool> {
        let at = self.clock.now() + self.delay;
        let mut stored = self.stored();
        let mut changes = Vec::new();
        let mut answers = Vec::new();
        for which in which {
            let id = match which {
                RuleRef::Id(id) => Some(*id),
                RuleRef::Value(value) => stored.by_value.get(value).copied(),
            };
            let gone = id.and_then(|id| stored.rules.remove(&id));
            if let Some(gone) = &gone {
                stored.by_value.remove(&gone.value);
                changes.push((at, Change::Delete(gone.id)));
            }
            answers.push(gone.is_some());
        }
        self.write().coming.extend(changes);
        drop(stored);
        answers
    }

    fn write(&self) -> std::sync::RwLockWriteGuard<'_, Effective> {
        self.effective.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Filters a Post by the rules in effect.
    pub(crate) fn pass(&self, post: SourcePost, scratch: &mut Scratch) -> Passed {
        let read = || self.effective.read().unwrap_or_else(PoisonError::into_inner);
        let mut effective = read();
        if effective.coming.front().is_some_and(|(at, _)| *at <= self.clock.now()) {
            drop(effective);
            self.write().catch_up(self.clock.now());
            effective = read();
        }
        if !effective.begun && self.no_rules == NoRules::Everything {
            return Passed::Unfiltered(post);
        }
        if post.id.is_none() {
            // Rules apply only to Posts.
            return Passed::Unfiltered(post);
        }
        let keys = effective.set.matches(&post.bytes, scratch);
        if keys.is_empty() {
            return Passed::No;
        }
        let rules: Arc<[Arc<StoredRule>]> =
            keys.iter().filter_map(|key| effective.names.get(key).cloned()).collect();
        drop(effective);
        let bytes = if self.matching_rules {
            let is_v2 = splice::root_value(&post.bytes, b"data").is_some();
            splice::with_root(&post.bytes, "matching_rules", &matching_rules(&rules, is_v2))
        } else {
            splice::without_root(&post.bytes, "matching_rules")
        };
        Passed::Matched(SourcePost { id: post.id, bytes: bytes.map_or(post.bytes, Into::into) }, rules)
    }
}

/// Returns the value of `matching_rules`, in the v2 or the legacy format.
pub(crate) fn matching_rules(rules: &[Arc<StoredRule>], is_v2: bool) -> Vec<u8> {
    let mut out = Vec::new();
    let mut json = Writer::new(&mut out, Style::default());
    json.raw("[");
    for (n, rule) in rules.iter().enumerate() {
        json.raw(if n > 0 { "," } else { "" });
        if is_v2 {
            json.raw("{\"id\":\"").number(rule.id).raw("\"");
            if let Some(tag) = &rule.tag {
                json.raw(",\"tag\":").string(tag);
            }
        } else {
            json.raw("{\"tag\":");
            match &rule.tag {
                Some(tag) => json.string(tag),
                None => json.raw("null"),
            };
            json.raw(",").id("", rule.id);
        }
        json.raw("}");
    }
    json.raw("]");
    out
}

impl Effective {
    fn catch_up(&mut self, now: Instant) {
        while self.coming.front().is_some_and(|(at, _)| *at <= now) {
            let Some((_, change)) = self.coming.pop_front() else { break };
            match change {
                Change::Add(named, rule) => {
                    let key = self.set.insert(&rule, None);
                    self.keys.insert(named.id, key);
                    self.names.insert(key, named);
                    self.begun = true;
                }
                Change::Delete(id) => {
                    if let Some(key) = self.keys.remove(&id) {
                        self.set.remove(key);
                        self.names.remove(&key);
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Time;

    fn store(max: usize, delay: Duration) -> (RuleStore, Clock) {
        let clock = Clock::new(Time::Virtual { unix_ms: 1_790_000_000_000 });
        (RuleStore::new(Profile::Powerstream, max, NoRules::Everything, delay, true, &clock), clock)
    }

    fn rules(values: &[&str]) -> Vec<(String, Option<String>)> {
        values.iter().map(|value| ((*value).to_owned(), None)).collect()
    }

    fn post(text: &str) -> SourcePost {
        let bytes = format!(r#"{{"id":7,"id_str":"7","text":"{text}","user":{{}}}}"#);
        SourcePost { id: Some(7), bytes: bytes.into_bytes().into() }
    }

    #[test]
    fn applies_a_change_after_its_delay() {
        let (store, clock) = store(10, Duration::from_secs(20));
        let mut scratch = Scratch::new();
        let mut pass = |text| store.pass(post(text), &mut scratch);
        let added = store.add(&rules(&["gull"]), true, false);
        let AddOutcome::Created(gull) = &added[0] else { panic!("{added:?}") };
        assert_eq!(store.len(), 1);
        // Until then every Post passes, as before the first rule.
        assert!(matches!(pass("a tern"), Passed::Unfiltered(_)));
        clock.advance(Duration::from_secs(20));
        assert!(matches!(pass("a tern"), Passed::No));
        let Passed::Matched(post, names) = pass("a gull") else { panic!() };
        assert_eq!(names[0], *gull);
        let json: serde_json::Value = serde_json::from_slice(&post.bytes).unwrap();
        assert_eq!(json["matching_rules"][0]["id_str"], gull.id.to_string());
        assert!(json["matching_rules"][0]["tag"].is_null());

        assert_eq!(store.delete(&[RuleRef::Id(gull.id), RuleRef::Value("gull".to_owned())]), [true, false]);
        assert!(matches!(pass("a gull"), Passed::Matched(..)));
        clock.advance(Duration::from_secs(20));
        // Deleting the last rule does not bring back the state before the first.
        assert!(matches!(pass("a gull"), Passed::No));
    }

    #[test]
    fn adds_a_batch_whole_or_rule_by_rule() {
        for atomic in [true, false] {
            let (store, _) = store(3, Duration::ZERO);
            let wanted = rules(&["gull", "tern OR", "gull", "-gull"]);
            let answers = store.add(&wanted, atomic, false);
            assert!(matches!(
                answers[..],
                [
                    AddOutcome::Created(_),
                    AddOutcome::Invalid(_),
                    AddOutcome::Duplicate(_),
                    AddOutcome::Invalid(_)
                ]
            ));
            assert_eq!(store.len(), if atomic { 0 } else { 1 });
            let AddOutcome::Invalid(said) = &answers[3] else { panic!() };
            assert!(said[0].contains("non-negation"), "{said:?}");

            // More than the limit.
            let answers = store.add(&rules(&["a1", "a2", "a3", "a4"]), atomic, false);
            let created = answers.iter().filter(|answer| matches!(answer, AddOutcome::Created(_))).count();
            assert_eq!((created, store.len()), if atomic { (0, 0) } else { (2, 3) });
            assert_eq!(answers[3], AddOutcome::Full);
        }
    }

    #[test]
    fn a_dry_run_stores_nothing() {
        let (store, _) = store(2, Duration::ZERO);
        let answers = store.add(&rules(&["gull", "tern", "skua"]), false, true);
        assert!(matches!(answers[..], [AddOutcome::Created(_), AddOutcome::Created(_), AddOutcome::Full]));
        assert_eq!(store.len(), 0);
    }
}
