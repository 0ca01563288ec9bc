//! `powerstream rules match`: shows which rules each Post of a file matches, and why.
//!
//! ```text
//!   --rule R.. | --rules F --> [ input ] --valid rules--> RuleSet --.
//!   --posts F | stdin --> [ posts ] --one Post at a time------------+--> one line per Post
//! ```
//!
//! With `--explain`, the output also contains the evidence.

mod explain;
mod matched;
mod posts;

use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use powerstream_core::post::Post;
use powerstream_rules::check;
use powerstream_rules::matcher::{MatchOptions, Phrases, RuleSet, Scratch, Segment};

use self::matched::Matched;
use self::posts::{Item, Posts};
use super::input::{self, Entry, ProfileArg};
use super::render::{report_errors, shown, warn_of_too_many};
use crate::exit::{Exit, Failure, complain};
use crate::json::Line;
use crate::stdout::{Stdout, end_when_closed};

const NOTES: &str = "\
All rules must be valid, because a rule that the service refuses matches nothing. --rules takes the
same files as `rules check --file`.

Posts: one JSON object per line, as `powerstream stream` writes them, in legacy or v2 format. Arrays
are split. A line that is not JSON is reported with its number, and the other lines are matched.
Blank lines and messages that are not Posts (such as connection_metadata) are skipped.

Texts are matched as readers see them: `AT&amp;T` in a Post is AT&T. Links and profiles are matched
as received.

--json writes one line per Post:
  {\"id\":\"20\",\"matching_rules\":[{\"value\":\"gull lang:en\",\"tag\":\"birds\"}]}
With --explain, the output also contains for each rule:
  - its value: true, false, or null if the Post lacks the fields that decide
  - its terms, each with the field and the characters where it was found, in the text as received
  - the fewest terms that would have to change for a match

Exit codes:
  0  every line was read      1  a rule is invalid, or a line could not be read      2  wrong usage

Examples:
  powerstream rules match --rule 'gull lang:en' --posts posts.ndjson
  powerstream stream --simulate --max-posts 100 | powerstream rules match --rules rules.toml --json";

/// Show which rules each Post matches, offline
#[derive(Debug, clap::Args)]
#[command(after_long_help = NOTES)]
pub(super) struct Args {
    /// A rule; required for rules that start with a dash: --rule='-is:reply gull'
    #[arg(
        long = "rule",
        value_name = "RULE",
        allow_hyphen_values = true,
        required_unless_present = "file",
        conflicts_with = "file"
    )]
    rules: Vec<String>,

    /// A file of rules; `-` is standard input
    #[arg(id = "file", long = "rules", visible_alias = "file", value_name = "FILE")]
    file: Option<PathBuf>,

    #[command(flatten)]
    profile: ProfileArg,

    /// A file of Posts, one JSON object per line; `-` is standard input
    #[arg(long, value_name = "FILE", default_value = "-")]
    posts: PathBuf,

    /// How to compare phrases: by characters, or by tokens with punctuation as blanks
    #[arg(long, value_enum, default_value_t = PhrasesArg::Literal)]
    phrases: PhrasesArg,

    /// What a keyword in a script without blanks is compared with: the text between blanks and
    /// punctuation, or any part of the text
    #[arg(long, value_enum, default_value_t = SegmentArg::Tokens)]
    segment: SegmentArg,

    /// Write one JSON object per Post
    #[arg(long)]
    json: bool,

    /// Explain for each rule why it matches, or why not
    #[arg(long)]
    explain: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum PhrasesArg {
    Literal,
    Tokens,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum SegmentArg {
    Tokens,
    Substring,
}

/// The counts of the summary.
#[derive(Default)]
struct Counts {
    posts: u64,
    matched: u64,
    others: u64,
    bad: u64,
}

pub(super) fn run(args: &Args) -> Result<Exit, Failure> {
    let is_stdin = |path: &Path| path.as_os_str() == "-";
    if args.file.as_deref().is_some_and(is_stdin) && is_stdin(&args.posts) {
        let why = "rules and Posts cannot both come from standard input: pass a file with --rules or --posts";
        return Err(Failure::new(Exit::Usage, why));
    }
    let entries = match &args.file {
        Some(file) => input::read(file)?,
        None => input::of_values(&args.rules),
    };
    let profile = args.profile.profile;
    warn_of_too_many(entries.len(), profile);
    let options = args.options();
    let mut set = RuleSet::with_options(options);
    let Some(rules) = compile(entries, args, &mut set) else { return Ok(Exit::Failed) };

    let mut posts = Posts::open(&args.posts)?;
    // The input may pause for a long time.
    end_when_closed()?;
    let mut output = BufWriter::new(Stdout);
    let mut scratch = Scratch::new();
    let mut counts = Counts::default();
    while let Some(item) = posts.next()? {
        let post = match item {
            Item::Post(post) => post,
            Item::Other => {
                counts.others += 1;
                continue;
            }
            Item::Bad(why) => {
                complain(&why);
                counts.bad += 1;
                continue;
            }
        };
        let keys = set.matches(post, &mut scratch);
        counts.posts += 1;
        counts.matched += u64::from(!keys.is_empty());
        let id = Post::new(post).id().map(|id| id.to_string());
        let matching = || rules.iter().filter(|rule| keys.binary_search(&rule.key).is_ok());
        let text = if args.json {
            let line = Line::object()
                .text_or_null("id", id.as_deref())
                .objects("matching_rules", matching().map(Matched::line));
            if args.explain { explain::line(line, post, &rules, options) } else { line }.finish()
        } else {
            let mut text = format!("{}: ", id.as_deref().unwrap_or("a Post without an id"));
            for (index, rule) in matching().enumerate() {
                text += if index == 0 { "" } else { "; " };
                if let Some(tag) = &rule.entry.tag {
                    text += &format!("[{}] ", shown(tag));
                }
                text += &shown(&rule.entry.value).to_string();
            }
            text += if keys.is_empty() { "no rule matches\n" } else { "\n" };
            if args.explain { text + &explain::words(post, &rules, options) } else { text }
        };
        output.write_all(text.as_bytes()).map_err(|error| Failure::output(&error))?;
        // If Posts arrive one by one, their results are written one by one.
        if !posts.has_more_at_once() {
            output.flush().map_err(|error| Failure::output(&error))?;
        }
    }
    output.flush().map_err(|error| Failure::output(&error))?;
    complain(&counts.summary());
    Ok(if counts.bad == 0 { Exit::Done } else { Exit::Failed })
}

impl Args {
    fn options(&self) -> MatchOptions {
        let mut options = MatchOptions::default();
        if self.phrases == PhrasesArg::Tokens {
            options.phrases = Phrases::Tokens;
        }
        if self.segment == SegmentArg::Substring {
            options.segment = Segment::Substring;
        }
        options.short_links = self.profile.profile.is_filtered_stream();
        options
    }
}

/// Adds the rules to the set. `None` if one is invalid, which has been reported.
fn compile(entries: Vec<Entry>, args: &Args, set: &mut RuleSet) -> Option<Vec<Matched>> {
    let mut rules = Vec::with_capacity(entries.len());
    let mut invalid = 0;
    for entry in entries {
        let verdict = check(&entry.value, args.profile.profile);
        match verdict.rule.filter(|_| verdict.errors.is_empty()) {
            Some(rule) => {
                let key = set.insert(&rule, entry.tag.as_deref());
                rules.push(Matched { entry, rule, key });
            }
            None => {
                report_errors(&entry, &verdict.errors);
                invalid += 1;
            }
        }
    }
    if invalid == 0 {
        return Some(rules);
    }
    let plural = if invalid == 1 { "rule is" } else { "rules are" };
    complain(&format!("{invalid} {plural} invalid, and no Post was matched"));
    None
}

impl Counts {
    fn summary(&self) -> String {
        let plural =
            |count: u64, one: &str, many: &str| format!("{count} {}", if count == 1 { one } else { many });
        let mut out = format!("{}, {} matched", plural(self.posts, "Post", "Posts"), self.matched);
        if self.others > 0 {
            out += &format!("; {}", plural(self.others, "message was not a Post", "messages were not Posts"));
        }
        if self.bad > 0 {
            out += &format!("; {} could not be read", plural(self.bad, "line", "lines"));
        }
        out
    }
}
