//! `powerstream rules check`: every rule with its errors, and a summary.

use std::collections::HashMap;
use std::io::{self, BufWriter, Write};

use powerstream_rules::{RULE_EXISTS, Verdict, check};

use super::input::{Entry, FILES, ProfileArg, Source, TAG_CHARACTERS_MAX};
use super::render::{errors, is_colored, shown, warn_of_too_many};
use crate::exit::{Exit, Failure};
use crate::json::Line;
use crate::stdout::Stdout;

/// Check which rules are valid, and show the errors of the others
#[derive(Debug, clap::Args)]
#[command(after_long_help = FILES)]
pub(super) struct Args {
    #[command(flatten)]
    source: Source,

    #[command(flatten)]
    profile: ProfileArg,

    /// Write one JSON object per rule
    #[arg(long)]
    json: bool,
}

/// A warning about the relation to other rules: code and message.
type Extra = (&'static str, String);

pub(super) fn run(args: &Args) -> Result<Exit, Failure> {
    let (entries, profile) = (args.source.read()?, args.profile.profile);
    let is_colored = is_colored(&io::stdout());
    let mut output = BufWriter::new(Stdout);
    let mut seen = Seen::default();
    let (mut invalid, mut warnings) = (0, 0);
    for (index, entry) in entries.iter().enumerate() {
        let verdict = check(&entry.value, profile);
        let extra = seen.extra(index, entry, &verdict, &entries, profile);
        invalid += usize::from(!verdict.is_valid());
        warnings += verdict.warnings.len() + extra.len();
        let text = if args.json {
            line(entry, &verdict, &extra)
        } else {
            report(entry, &verdict, &extra, is_colored)
        };
        output.write_all(text.as_bytes()).map_err(|error| Failure::output(&error))?;
    }
    if !args.json {
        let valid = entries.len() - invalid;
        let plural = |count: usize| if count == 1 { "" } else { "s" };
        writeln!(
            output,
            "{} rule{}: {valid} valid, {invalid} invalid, {warnings} warning{}",
            entries.len(),
            plural(entries.len()),
            plural(warnings)
        )
        .map_err(|error| Failure::output(&error))?;
    }
    output.flush().map_err(|error| Failure::output(&error))?;
    warn_of_too_many(entries.len(), profile);
    Ok(if invalid == 0 { Exit::Done } else { Exit::Failed })
}

/// The rules so far, to find duplicates.
#[derive(Default)]
struct Seen<'a> {
    values: HashMap<&'a str, usize>,
    canonical: HashMap<String, usize>,
}

impl<'a> Seen<'a> {
    fn extra(
        &mut self,
        index: usize,
        entry: &'a Entry,
        verdict: &Verdict,
        entries: &[Entry],
        profile: powerstream_rules::Profile,
    ) -> Vec<Extra> {
        let mut extra = Vec::new();
        let place = |first: &usize| &entries[*first].place;
        if let Some(first) = self.values.get(entry.value.as_str()) {
            let message = format!("it is the same as {}; the service answers: {RULE_EXISTS}", place(first));
            extra.push(("W-DUPLICATE", message));
        } else {
            self.values.insert(&entry.value, index);
            if let Some(rule) = &verdict.rule {
                let canonical = rule.format(profile);
                match self.canonical.get(&canonical) {
                    Some(first) => {
                        let message =
                            format!("it matches the same Posts as {}, in another spelling", place(first));
                        extra.push(("W-DUPLICATE", message));
                    }
                    None => drop(self.canonical.insert(canonical, index)),
                }
            }
        }
        let length = entry.tag.as_ref().map_or(0, |tag| tag.chars().count());
        if length > TAG_CHARACTERS_MAX {
            extra.push((
                "W-TAG",
                format!("its tag has {length} characters, but only {TAG_CHARACTERS_MAX} are allowed"),
            ));
        }
        extra
    }
}

fn line(entry: &Entry, verdict: &Verdict, extra: &[Extra]) -> String {
    let warning = |code: &str, message: &str| Line::object().text("code", code).text("message", message);
    let found = verdict.warnings.iter().map(|found| warning(found.code.name(), &found.to_string()));
    let extra = extra.iter().map(|(code, message)| warning(code, message));
    Line::object()
        .text("rule", &entry.value)
        .flag("valid", verdict.is_valid())
        .objects("errors", errors(&verdict.errors))
        .objects("warnings", found.chain(extra))
        .finish()
}

fn report(entry: &Entry, verdict: &Verdict, extra: &[Extra], is_colored: bool) -> String {
    let (good, bad, warn, end) =
        if is_colored { ("\x1b[1;32m", "\x1b[1;31m", "\x1b[1;33m", "\x1b[0m") } else { ("", "", "", "") };
    let state = if verdict.is_valid() { format!("{good}valid{end}") } else { format!("{bad}invalid{end}") };
    let mut out = format!("{}: {state}: {}\n", entry.place, shown(&entry.value));
    for found in verdict.errors.iter().chain(&verdict.warnings) {
        for line in found.render(&entry.value, is_colored).lines() {
            out += &format!("  {line}\n");
        }
    }
    for (code, message) in extra {
        out += &format!("  {warn}warning[{code}]{end}: {message}\n");
    }
    out
}
