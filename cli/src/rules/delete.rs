//! `powerstream rules delete`: by id, by value, or all of them.

use std::path::PathBuf;

use powerstream_client::rule_api::{Call, RULES_PER_REQUEST_MAX, Rule};

use super::input;
use super::manage::report::{self, Outcome};
use super::manage::{Manner, Target, deletion, notes, plural, span};
use crate::exit::{Exit, Failure, complain};

/// Delete rules: one request per hundred
///
/// By id, as X recommends, or by exact value. --all lists the rules first, which takes one more
/// request.
#[derive(Debug, clap::Args)]
#[command(after_long_help = notes())]
pub(super) struct Args {
    #[command(flatten)]
    which: Which,

    /// With --all, delete by value: the format that X's page on Powerstream shows, although X
    /// recommends ids
    #[arg(long, requires = "all")]
    by_value: bool,

    #[command(flatten)]
    target: Target,

    #[command(flatten)]
    manner: Manner,
}

#[derive(Debug, clap::Args)]
#[group(required = true, multiple = true)]
struct Which {
    /// A rule, by its value
    #[arg(value_name = "RULE")]
    rules: Vec<String>,

    /// A rule, by its value; required for values that start with a dash: --rule=-is:reply
    #[arg(long = "rule", value_name = "RULE", allow_hyphen_values = true)]
    more: Vec<String>,

    /// A file of rules to delete by their values; `-` is standard input
    #[arg(long, value_name = "FILE", conflicts_with_all = ["rules", "more", "ids", "all"])]
    file: Option<PathBuf>,

    /// A rule, by its id
    #[arg(long = "id", value_name = "ID", value_parser = id, conflicts_with_all = ["rules", "more", "all"])]
    ids: Vec<String>,

    /// All rules
    #[arg(long, conflicts_with_all = ["rules", "more"])]
    all: bool,
}

/// Ids are digits (X docs, OpenAPI).
fn id(text: &str) -> Result<String, String> {
    match text.bytes().all(|byte| byte.is_ascii_digit()) && !text.is_empty() {
        true => Ok(text.to_owned()),
        false => Err(String::from("expected digits; pass a rule's value without --id")),
    }
}

/// The rules that the command line names.
fn named(which: &Which) -> Result<Vec<Rule>, Failure> {
    let by_id = which.ids.iter().map(|id| Rule::new(Some(id.clone()), String::new(), None));
    let by_value = |value: &str, tag: Option<String>| Rule::new(None, value.trim().to_owned(), tag);
    if let Some(file) = &which.file {
        let entries = input::read(file)?;
        return Ok(entries.into_iter().map(|entry| by_value(&entry.value, entry.tag)).collect());
    }
    let values = which.rules.iter().chain(&which.more).map(|value| by_value(value, None));
    Ok(by_id.chain(values).collect())
}

pub(super) fn run(args: &Args) -> Result<Exit, Failure> {
    let api = args.target.api();
    let mut service = None;
    let rules = if args.which.all {
        service.insert(args.target.open(!args.manner.dry_run)?).list()?
    } else {
        named(&args.which)?
    };
    let calls = rules
        .chunks(RULES_PER_REQUEST_MAX)
        .map(|batch| deletion(api, batch.iter(), args.by_value))
        .collect::<Result<Vec<Call>, Failure>>()?;
    let cost = format!("{} in {}", plural(rules.len(), "rule"), plural(calls.len(), "request"));
    let Some(budget) = calls.first().map(Call::budget) else {
        complain("there are no rules to delete");
        return Ok(Exit::Done);
    };
    if args.manner.dry_run {
        complain(&format!("would delete {cost}; no change was sent"));
        for rule in &rules {
            report::write(&report::rule(rule, args.manner.json))?;
        }
        return Ok(Exit::Done);
    }

    let mut service = match service {
        Some(service) => service,
        None => args.target.open(!args.manner.dry_run)?,
    };
    service.afford(budget, calls.len())?;
    let left = service.left(budget);
    args.manner.confirm(
        &service,
        &format!("Delete {cost} of the {left} left in {}?", span(budget)),
        args.which.all,
    )?;
    let mut undone = 0;
    for (call, batch) in calls.iter().zip(rules.chunks(RULES_PER_REQUEST_MAX)) {
        let deleted = service.call(call, |call, reply| call.deleted(&reply.lend()))?;
        for (fate, rule) in deleted.fates.iter().zip(batch) {
            let outcome = Outcome::deleted(fate);
            undone += usize::from(!outcome.is_done);
            let value = Some(rule.value.as_str()).filter(|value| !value.is_empty());
            report::write(&outcome.line(value, rule.tag.as_deref(), rule.id.as_deref(), args.manner.json))?;
        }
    }
    match undone {
        0 => Ok(Exit::Done),
        _ => {
            let of = plural(rules.len(), "rule");
            let text =
                format!("not deleted, or of unknown outcome: {undone} of {of}; list the rules to check");
            Err(Failure::new(Exit::Failed, text))
        }
    }
}
