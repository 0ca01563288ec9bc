//! `powerstream rules add`: checks rules offline, adds them, and reports the outcome of each.

use powerstream_client::rule_api::{Call, RULES_PER_REQUEST_MAX};
use powerstream_rules::{Profile, sync};

use super::input::{Entry, Source};
use super::manage::report::{self, Outcome};
use super::manage::{Manner, Target, check_all, limits, new_rules, no_plan, notes, plural, span, wanted};
use crate::exit::{Exit, Failure, complain};

/// Add rules: one request per hundred
///
/// Every rule is checked offline first; if one is invalid, nothing is sent. A rule whose value
/// exists already stays unchanged, including its tag. With --dry-run, Filtered Stream reports what
/// it would do. Powerstream has no such request.
#[derive(Debug, clap::Args)]
#[command(after_long_help = notes())]
pub(super) struct Args {
    #[command(flatten)]
    source: Source,

    /// Tag for all rules that have none
    #[arg(long, value_name = "TAG")]
    tag: Option<String>,

    #[command(flatten)]
    target: Target,

    #[command(flatten)]
    manner: Manner,

    /// The product whose limits apply [default: that of the endpoint]
    #[arg(long, value_name = "NAME")]
    profile: Option<Profile>,
}

pub(super) fn run(args: &Args) -> Result<Exit, Failure> {
    let profile = args.profile.unwrap_or(args.target.profile());
    let mut entries = check_all(args.source.read()?, profile)?;
    for entry in entries.iter_mut().filter(|entry| entry.tag.is_none()) {
        entry.tag.clone_from(&args.tag);
    }
    // A plan from an empty set finds duplicates and impossible rules.
    let plan =
        sync::plan(&[], &wanted(&entries), limits(profile)).map_err(|error| no_plan(error, &entries))?;
    let repeated = |index: &usize| plan.repeated.contains(index);
    let entries: Vec<Entry> = entries
        .into_iter()
        .enumerate()
        .filter(|(index, _)| !repeated(index))
        .map(|(_, entry)| entry)
        .collect();
    if entries.is_empty() {
        return Err(Failure::new(Exit::Usage, "there are no rules to add"));
    }

    let (api, validates) = (args.target.api(), args.manner.dry_run);
    let batches: Vec<&[Entry]> = entries.chunks(RULES_PER_REQUEST_MAX).collect();
    let cost = format!("{} in {}", plural(entries.len(), "rule"), plural(batches.len(), "request"));
    if validates && !api.can_validate() {
        complain(&format!("would add {cost}; nothing was sent"));
        return Ok(Exit::Done);
    }
    let calls: Vec<Call> = batches
        .iter()
        .map(|batch| {
            let rules = new_rules(batch.iter());
            if validates { Call::validate(api, &rules) } else { Call::add(api, &rules) }
        })
        .collect::<Result<_, _>>()
        .map_err(|error| Failure::new(Exit::Usage, error.to_string()))?;

    let mut service = args.target.open(!validates)?;
    let Some(budget) = calls.first().map(Call::budget) else { unreachable!("there are rules to add") };
    service.afford(budget, calls.len())?;
    if !validates {
        let left = service.left(budget);
        args.manner.confirm(
            &service,
            &format!("Add {cost} of the {left} left in {}?", span(budget)),
            false,
        )?;
    }
    let mut undone = 0;
    for (call, batch) in calls.iter().zip(batches) {
        let added = service.call(call, |call, reply| call.added(&reply.lend()))?;
        for (fate, entry) in added.fates.iter().zip(batch) {
            let outcome = Outcome::added(fate);
            undone += usize::from(!outcome.is_done && !outcome.is_duplicate());
            report::write(&outcome.line(Some(&entry.value), entry.tag.as_deref(), None, args.manner.json))?;
        }
    }
    match undone {
        0 => Ok(Exit::Done),
        _ => {
            let what = if validates { "would not be added" } else { "not added" };
            Err(Failure::new(Exit::Failed, format!("{what}: {undone} of {}", plural(entries.len(), "rule"))))
        }
    }
}
