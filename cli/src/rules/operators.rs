//! `powerstream rules operators`: the table, as a product sees it.

use std::io::{self, BufWriter, Write};

use powerstream_rules::Operator;
use powerstream_rules::operator::{Availability, Kind, Negation};

use super::ProfileArg;
use crate::exit::{Exit, Failure};
use crate::json::Line;

/// List the operators that a product has
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    profile: ProfileArg,

    /// Write one JSON object an operator
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args) -> Result<Exit, Failure> {
    let profile = args.profile.profile;
    let mut output = BufWriter::new(io::stdout().lock());
    for operator in Operator::ALL {
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
                detail("alone:", "no, it needs a standalone operator beside it");
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
