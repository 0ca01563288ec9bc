//! `powerstream rules sync`: changes the active rules to those of a file, with the fewest requests.
//!
//! ```text
//!   file --> check offline --> list --> plan --> show, check budget, confirm --> add.. wait delete
//! ```
//!
//! A plan is not stored. A run that was killed is resumed by the next run, which lists again and
//! waits for the rules that were added last. Their time and the spent requests are stored beside
//! the ledger.

use std::path::PathBuf;
use std::time::Duration;

use powerstream_client::rule_api::{AddFate, Call, RULE_SETTLES_IN, Rule, RuleApi};
use powerstream_rules::Profile;
use powerstream_rules::sync::{self, Plan, Request};

use super::input::{self, Entry};
use super::manage::report::{self, Outcome};
use super::manage::{
    Manner, Service, Target, check_all, deletion, limits, new_rules, no_plan, notes, plural, span, wanted,
};
use super::render::{printable, shown};
use crate::duration;
use crate::exit::{Exit, Failure, complain};
use crate::json::Line;

/// Change the active rules to those of a file, with the fewest requests
///
/// Every rule is checked offline first; if one is invalid, nothing is sent. Then the rules are
/// listed, and the plan is shown with its cost. After confirmation, new rules are added before old
/// ones are deleted, so that no Post that both match is missed. An interrupted run is resumed by
/// the next one.
#[derive(Debug, clap::Args)]
#[command(after_long_help = notes())]
pub(super) struct Args {
    /// The file of rules; `-` is standard input. Same formats as for `rules check --file`
    #[arg(value_name = "FILE")]
    file: PathBuf,

    #[command(flatten)]
    target: Target,

    #[command(flatten)]
    manner: Manner,

    /// Time until new rules take effect; old rules are deleted after it [default: 20s]
    #[arg(long, value_name = "TIME", value_parser = duration::parse)]
    settle: Option<Duration>,

    /// Start from the rules that the last run stored, instead of listing them. Needs a run that
    /// finished less than a day ago, and no other client that changes these rules
    #[arg(long)]
    cached: bool,

    /// Allow a file without rules to delete all active rules
    #[arg(long)]
    allow_empty: bool,

    /// Delete by value: the format that X's page on Powerstream shows, although X recommends ids
    #[arg(long)]
    by_value: bool,

    /// The product whose limits apply [default: that of the endpoint]
    #[arg(long, value_name = "NAME")]
    profile: Option<Profile>,
}

pub(super) fn run(args: &Args) -> Result<Exit, Failure> {
    let profile = args.profile.unwrap_or(args.target.profile());
    let limits = limits(profile);
    let entries = check_all(input::read(&args.file)?, profile)?;
    if entries.is_empty() && !args.allow_empty {
        return Err(Failure::new(
            Exit::Failed,
            "the file contains no rules, so this sync would delete all active rules: \
             pass --allow-empty to allow that; nothing was sent",
        ));
    }
    // Errors that do not depend on the active rules are reported before any request.
    sync::plan(&[], &wanted(&entries), limits).map_err(|error| no_plan(error, &entries))?;

    let mut service = args.target.open(!args.manner.dry_run)?;
    let known = if args.cached { service.known() } else { None };
    let listed = if known.is_some() { 0 } else { 1 };
    let in_force = match known {
        Some(rules) => rules,
        None => service.list()?,
    };
    let plan =
        sync::plan(&there(&in_force), &wanted(&entries), limits).map_err(|error| no_plan(error, &entries))?;
    let run = Run { args, plan: &plan, entries: &entries, in_force: &in_force };
    let calls = run.calls()?;

    if args.manner.dry_run {
        run.tell_each()?;
    }
    run.show(&service, &calls, listed)?;
    let Some(budget) = calls.first().map(Call::budget) else { return run.end(0) };
    if args.manner.dry_run {
        return Ok(Exit::Done);
    }
    service.afford(budget, calls.len())?;
    args.manner.confirm(&service, &format!("Send {}?", plural(calls.len(), "request")), true)?;
    run.carry_out(&mut service, &calls)?;
    run.end(calls.len())
}

/// Returns the active rules for a plan.
fn there(rules: &[Rule]) -> Vec<sync::Rule<'_>> {
    rules
        .iter()
        .map(|rule| match &rule.tag {
            Some(tag) => sync::Rule::tagged(&rule.value, tag),
            None => sync::Rule::new(&rule.value),
        })
        .collect()
}

/// A plan in progress.
struct Run<'a> {
    args: &'a Args,
    plan: &'a Plan,
    entries: &'a [Entry],
    in_force: &'a [Rule],
}

impl Run<'_> {
    /// Returns the requests of the plan.
    fn calls(&self) -> Result<Vec<Call>, Failure> {
        let api: RuleApi = self.args.target.api();
        let call = |request: &Request| match request {
            Request::Add(rules) => {
                let rules = new_rules(rules.iter().map(|index| &self.entries[*index]));
                Call::add(api, &rules).map_err(|error| Failure::new(Exit::Failed, error.to_string()))
            }
            Request::Delete { rules, .. } => {
                let rules = rules.iter().map(|index| &self.in_force[*index]);
                deletion(api, rules, self.args.by_value)
            }
        };
        self.plan.requests.iter().map(call).collect()
    }

    /// Writes each rule that would be added or deleted, in the order of the plan.
    fn tell_each(&self) -> Result<(), Failure> {
        for request in &self.plan.requests {
            let (word, sign, indices) = match request {
                Request::Add(rules) => ("add", '+', rules),
                Request::Delete { rules, .. } => ("delete", '-', rules),
            };
            for index in indices {
                let (value, tag) = match request {
                    Request::Add(_) => (&self.entries[*index].value, &self.entries[*index].tag),
                    Request::Delete { .. } => (&self.in_force[*index].value, &self.in_force[*index].tag),
                };
                let tag = tag.as_deref();
                let line = if self.args.manner.json {
                    Line::event(word).text("value", value).text_or_null("tag", tag).finish()
                } else {
                    let tag = tag.map_or_else(String::new, |tag| format!("  [{}]", printable(tag)));
                    format!("{sign} {}{tag}\n", shown(value))
                };
                report::write(&line)?;
            }
        }
        Ok(())
    }

    /// Prints the plan and its cost.
    fn show(&self, service: &Service, calls: &[Call], listed: usize) -> Result<(), Failure> {
        let Plan { unchanged, added, deleted, retagged, deleted_first, .. } = *self.plan;
        let budget = calls.first().map(Call::budget);
        let left = budget.map(|budget| service.left(budget));
        if self.args.manner.json {
            return report::write(
                &Line::event("plan")
                    .number("unchanged", unchanged as u64)
                    .number("add", added as u64)
                    .number("delete", deleted as u64)
                    .number("retag", retagged as u64)
                    .number("deleted_first", deleted_first as u64)
                    .number("listed", listed as u64)
                    .number("requests", calls.len() as u64)
                    .number_or_null("requests_left", left.map(u64::from))
                    .finish(),
            );
        }
        let mut text =
            format!("{unchanged} unchanged, {added} to add, {deleted} to delete, {retagged} to retag\n");
        if !self.plan.repeated.is_empty() {
            text +=
                &format!("{} repeated in the file and ignored\n", plural(self.plan.repeated.len(), "rule"));
        }
        if deleted_first > 0 {
            text += &format!(
                "{} deleted before all new rules are added, because the limit leaves no room\n",
                plural(deleted_first, "rule")
            );
        }
        if retagged > 0 {
            text += "tags cannot be changed: each rule to retag is deleted, and added again with the next \
                     request; it matches nothing until it takes effect, about 20 s later\n";
        }
        match budget.zip(left) {
            Some((budget, left)) => {
                let requests = plural(calls.len(), "request");
                text += &format!("{requests} of the {left} left in {}\n", span(budget));
            }
            None => text += "nothing to send\n",
        }
        report::write(&text)
    }

    fn carry_out(&self, service: &mut Service, calls: &[Call]) -> Result<(), Failure> {
        let mut known: Vec<Rule> = self.in_force.to_vec();
        for (at, (request, call)) in self.plan.requests.iter().zip(calls).enumerate() {
            if let Request::Delete { .. } = request {
                // An earlier run may have been interrupted right after it added rules.
                let length = service.unsettled(self.args.settle.unwrap_or(RULE_SETTLES_IN));
                if !length.is_zero() {
                    complain(&format!(
                        "waiting {:.0}s for the new rules to take effect",
                        length.as_secs_f64().ceil()
                    ));
                    service.wait(length)?;
                }
            }
            match request {
                Request::Add(rules) => {
                    let added = service.call(call, |call, reply| call.added(&reply.lend()))?;
                    let outcomes = added.fates.iter().map(Outcome::added).zip(rules).collect::<Vec<_>>();
                    self.write_failures(outcomes.iter().map(|(outcome, index)| {
                        let entry = &self.entries[**index];
                        (outcome, entry.value.as_str(), entry.tag.as_deref(), None)
                    }))?;
                    known.extend(added.fates.into_iter().filter_map(|fate| match fate {
                        AddFate::Created(rule) => Some(rule),
                        _ => None,
                    }));
                }
                Request::Delete { rules, .. } => {
                    let deleted = service.call(call, |call, reply| call.deleted(&reply.lend()))?;
                    let outcomes = deleted.fates.iter().map(Outcome::deleted).zip(rules).collect::<Vec<_>>();
                    self.write_failures(outcomes.iter().map(|(outcome, index)| {
                        let rule = &self.in_force[**index];
                        (outcome, rule.value.as_str(), rule.tag.as_deref(), rule.id.as_deref())
                    }))?;
                    let gone = rules.iter().map(|index| &self.in_force[*index]).collect::<Vec<_>>();
                    known.retain(|rule| !gone.contains(&rule));
                }
            }
            service.remember(&known);
            self.progress(at + 1, request)?;
        }
        Ok(())
    }

    /// Writes the outcome of rules that did not change as requested. The plan is invalid then.
    fn write_failures<'t>(
        &self,
        fates: impl Iterator<Item = (&'t Outcome, &'t str, Option<&'t str>, Option<&'t str>)>,
    ) -> Result<(), Failure> {
        let mut undone = 0;
        for (outcome, value, tag, id) in fates.filter(|(outcome, ..)| !outcome.is_done) {
            undone += 1;
            report::write(&outcome.line(Some(value), tag, id, self.args.manner.json))?;
        }
        match undone {
            0 => Ok(()),
            _ => Err(Failure::new(
                Exit::Failed,
                format!(
                    "stopped: {} not as planned; nothing more was sent. Fix the cause, then sync \
                     again, which lists first",
                    plural(undone, "rule")
                ),
            )),
        }
    }

    fn progress(&self, done: usize, request: &Request) -> Result<(), Failure> {
        let (kind, word) = match request {
            Request::Add(_) => ("add", "added"),
            Request::Delete { .. } => ("delete", "deleted"),
        };
        let all = self.plan.requests.len();
        if self.args.manner.json {
            let line = Line::event("request").text("kind", kind).number("rules", request.len() as u64);
            return report::write(&line.number("number", done as u64).number("of", all as u64).finish());
        }
        complain(&format!("{done} of {all}: {} {word}", plural(request.len(), "rule")));
        Ok(())
    }

    fn end(&self, requests: usize) -> Result<Exit, Failure> {
        let rules = self.entries.len() - self.plan.repeated.len();
        if self.args.manner.json {
            let line = Line::event("done").number("rules", rules as u64).number("requests", requests as u64);
            report::write(&line.finish())?;
        } else if requests > 0 {
            complain(&format!("done: {} active", plural(rules, "rule")));
        }
        Ok(Exit::Done)
    }
}
