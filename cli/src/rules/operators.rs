//! `powerstream rules operators`: the operators of a product, or details of one.

use std::io::{BufWriter, Write};

use powerstream_rules::operator::{Availability, Kind, Negation};
use powerstream_rules::{Operator, Profile, check};

use super::input::ProfileArg;
use super::render::shown;
use crate::exit::{Exit, Failure};
use crate::json::Line;
use crate::stdout::Stdout;

/// List the operators of a product, or show one in detail
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// An operator, by any of its names: from, has:links, keyword
    #[arg(value_name = "NAME")]
    name: Option<String>,

    #[command(flatten)]
    profile: ProfileArg,

    /// Write one JSON object per operator
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args) -> Result<Exit, Failure> {
    let profile = args.profile.profile;
    let operators = match &args.name {
        Some(name) => vec![named(name, profile)?],
        None => Operator::ALL.to_vec(),
    };
    let mut output = BufWriter::new(Stdout);
    for operator in operators {
        let listed = match operator.availability(profile) {
            Availability::Listed => true,
            Availability::Unlisted => false,
            _ => continue,
        };
        let (info, name) = (operator.info(), operator.primary_name(profile));
        let negation = match info.negation {
            Negation::Refused => "never",
            Negation::Required => "always",
            _ => "allowed",
        };
        let text = if args.json {
            Line::object()
                .text("operator", name)
                .text("argument", info.kind.description())
                .flag("listed", listed)
                .flag("standalone", info.standalone)
                .text("negation", negation)
                .text("summary", info.summary)
                .text("example", info.example)
                .finish()
        } else {
            let written = if info.kind > Kind::Flag { format!("{name}:") } else { name.to_owned() };
            let mut out = format!("{written:<24} {}\n", info.summary);
            let mut detail = |what: &str, text: &str| out += &format!("{:<24} {what} {text}\n", "");
            for other in info.aliases.iter().chain([&info.name]).filter(|other| **other != name) {
                detail("also:", other);
            }
            if info.kind > Kind::Flag {
                detail("argument:", info.kind.description());
            }
            if negation != "allowed" {
                detail("negated:", negation);
            }
            if profile.is_filtered_stream() && !info.standalone {
                detail("alone:", "no, it needs a standalone operator next to it");
            }
            if !listed {
                detail("note:", &format!("{}'s page does not list it", profile.product()));
            }
            detail("example:", info.example);
            out
        };
        output.write_all(text.as_bytes()).map_err(|error| Failure::output(&error))?;
    }
    output.flush().map_err(|error| Failure::output(&error))?;
    Ok(Exit::Done)
}

/// The operator of a name, if the product has it.
fn named(name: &str, profile: Profile) -> Result<Operator, Failure> {
    let name = name.strip_suffix(':').unwrap_or(name).to_ascii_lowercase();
    let names = |operator: &Operator| {
        let info = operator.info();
        info.aliases.iter().copied().chain([info.name])
    };
    let shown = shown(&name);
    let fail = |why: String| Err(Failure::new(Exit::Failed, why));
    let Some(operator) = Operator::ALL.iter().find(|operator| names(operator).any(|known| known == name))
    else {
        // The check suggests similar names, and successors of old names.
        let written = if name.contains(':') { format!("gull {name}") } else { format!("gull {name}:x") };
        let help = check(&written, profile).errors.into_iter().find_map(|error| error.help);
        let help = help.unwrap_or_else(|| "see `powerstream rules operators`".to_owned());
        return fail(format!("unknown operator {shown}: {help}"));
    };
    let has = |profile: &Profile| {
        matches!(operator.availability(*profile), Availability::Listed | Availability::Unlisted)
    };
    if has(&profile) {
        return Ok(*operator);
    }
    match Profile::ALL.iter().find(|profile| has(profile)) {
        Some(other) => fail(format!(
            "{} has no operator {shown}, but {} has it: pass --profile {other}",
            profile.product(),
            other.product()
        )),
        None => fail(format!("no product has the operator {shown}")),
    }
}
