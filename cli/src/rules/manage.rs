//! What the subcommands share that talk to a service: which one and as whom, the ledger, one request at a time.
//!
//! ```text
//!   list | add | delete | sync --Call--> [ Service ] --enter--> [ Ledger ]
//!                                            |--send--> service
//!                                            '--settle, or take out--> [ Ledger ]
//! ```

mod known;
mod ledger;
pub(super) mod report;

use std::io::{self, BufRead, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, SystemTime};

use etcetera::BaseStrategy;
use powerstream_blocking::{Client, OpenError, RuleClient};
use powerstream_client::config::Config;
use powerstream_client::rule_api::{ApiError, ApiErrorKind, Budget, Call, CallKind, NewRule, Rule, RuleApi};
use powerstream_client::{OwnedReply, RulesError};
use powerstream_core::endpoint::{Endpoint, FILTERED_STREAM, POWERSTREAM};
use powerstream_core::session::RESET_MAX;
use powerstream_core::time::UnixTime;
use powerstream_rules::Profile;
use powerstream_rules::sync::{self, Limits, PlanError};

use self::known::Known;
use self::ledger::{Key, Ledger, Left};
use super::input::{Entry, TAG_CHARACTERS_MAX};
use super::render::{printable, tell};
use crate::connection;
use crate::exit::{Exit, Failure, complain};
use crate::interrupt::{INTERRUPTED, on_interrupt};
use crate::system::{advice_behind, check_open_files, explained, is_limit};
use crate::text::with_options;
use crate::utc::utc;

/// Behind the notes of every command that connects.
const NOTES: &str = "\
Powerstream takes 50 requests about rules in 24 hours, of all kinds together. What was spent is kept in a ledger in the
user's state directory, one an app at a service; a request that would exceed the budget is not sent. A request whose
answer is lost is never sent again: it says so, and the next run lists first. A run that changes no rules goes on where
the ledger cannot be written, and says so.

Exit codes:
  0  done
  1  failed: refused, a rule is invalid, the budget is spent, or what came of a request is unknown
  2  wrong usage
  4  no token, one that cannot be right, or not authorized (401, 403)";

/// The notes of each subcommand here.
pub(super) fn notes() -> String {
    format!("{}\n\n{NOTES}", connection::NOTES)
}

/// Which service, and as whom.
#[derive(Debug, clap::Args)]
pub(super) struct Target {
    #[command(flatten)]
    connection: connection::ConnectionOptions,

    /// The stream whose rules they are
    #[arg(long, value_enum, value_name = "NAME", default_value_t = Stream::Powerstream)]
    endpoint: Stream,

    /// Where the ledger is kept [default: the user's state directory]
    #[arg(long, value_name = "DIRECTORY")]
    state_dir: Option<PathBuf>,
}

/// The streams that have rules.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Stream {
    Powerstream,
    FilteredStream,
}

impl Target {
    /// What the rules are for, as the offline check knows it.
    pub(super) const fn profile(&self) -> Profile {
        match self.endpoint {
            Stream::Powerstream => Profile::Powerstream,
            Stream::FilteredStream => Profile::FilteredStream,
        }
    }

    pub(super) const fn api(&self) -> RuleApi {
        match self.endpoint {
            Stream::Powerstream => RuleApi::Powerstream,
            Stream::FilteredStream => RuleApi::FilteredStream,
        }
    }

    const fn stream(&self) -> Endpoint<'static> {
        match self.endpoint {
            Stream::Powerstream => POWERSTREAM,
            Stream::FilteredStream => FILTERED_STREAM,
        }
    }

    /// Gets ready to send. Nothing is connected to yet. A run that `changes` rules needs the ledger; for another one it is
    /// enough to say that it cannot be kept.
    pub(super) fn open(&self, changes: bool) -> Result<Service, Failure> {
        self.connection.check(&[])?;
        let (token, secret) = self.connection.token()?;
        let builder = Config::builder().endpoint(self.stream()).token(token);
        let config = self.connection.configure(builder, "", &self.connection.base_url)?;
        let mut client = Client::new(config.clone());
        if let Some(tls) = self.connection.trust()? {
            client = client.with_tls(tls);
        }
        let rules = client.rules().map_err(|error| cannot_open(&error))?;

        let origin = config.origin();
        let host = self.connection.host.as_deref().unwrap_or("-");
        let service = format!("{:?} {} {host}", origin.scheme(), origin.authority());
        let key = Key { service: &service, api: self.api(), token: &secret };
        let ledger = self.ledger(&key, changes)?;

        check_open_files()?;
        let shutdown = rules.shutdown_handle();
        let (sender, interrupted) = channel();
        let asking = Arc::new(AtomicBool::new(false));
        let is_asking = Arc::clone(&asking);
        on_interrupt(move || {
            if is_asking.load(Ordering::Acquire) {
                // Nothing is under way, and the terminal cannot be asked to stop waiting.
                std::process::exit(INTERRUPTED);
            }
            shutdown.shutdown();
            // Nobody waits for it any more: the run is at its end.
            let _ = sender.send(());
        })?;
        let known = Known::at(ledger.known());
        Ok(Service { rules, ledger, known, told: None, interrupted, asking, changes })
    }

    fn ledger(&self, key: &Key<'_>, changes: bool) -> Result<Ledger, Failure> {
        let directory = self.state_directory();
        let why = match &directory {
            Ok(directory) => {
                let waiting = || complain("another run has this app's rules in hand: waiting for it");
                match Ledger::open(directory, key, waiting, |why| complain(&format!("warning: {why}"))) {
                    Ok(ledger) => return Ok(ledger),
                    Err(error) => ledger_text(directory, &error),
                }
            }
            Err(why) => why.clone(),
        };
        if changes {
            return Err(Failure::new(Exit::Failed, format!("{why}; nothing was sent")));
        }
        not_counted(&why);
        Ok(Ledger::unkept(&directory.unwrap_or_default(), key))
    }

    fn state_directory(&self) -> Result<PathBuf, String> {
        if let Some(directory) = &self.state_dir {
            return Ok(directory.clone());
        }
        let base = etcetera::choose_base_strategy()
            .map_err(|error| format!("no state directory: {error}; name one with --state-dir"))?;
        Ok(base.state_dir().unwrap_or_else(|| base.data_dir()).join("powerstream"))
    }
}

/// A service at hand, with its ledger.
#[derive(Debug)]
pub(super) struct Service {
    rules: RuleClient,
    ledger: Ledger,
    known: Known,
    told: Option<Remaining>,
    interrupted: Receiver<()>,
    /// A question waits for its answer.
    asking: Arc<AtomicBool>,
    /// The run changes rules, and so needs the ledger.
    changes: bool,
}

/// What the service itself said is left: others may spend of the same budget.
#[derive(Clone, Copy, Debug)]
struct Remaining {
    budget: Budget,
    requests: u32,
    /// Until then, by the local clock.
    reset: UnixTime,
}

impl Service {
    /// Refuses what would exceed the budget, before any of it is sent.
    pub(super) fn afford(&self, budget: Budget, count: usize) -> Result<(), Failure> {
        let now = now();
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        let Left { requests: left, next } = self.ledger.left(budget, now);
        let told = self.told(budget).filter(|told| told.requests < left && count > told.requests);
        if let Some(Remaining { requests, reset, .. }) = told {
            let needs = plural(count as usize, "request");
            let text = format!(
                "not sent: it needs {needs}, and the service says that {requests} are left until {} UTC",
                utc(reset)
            );
            return Err(Failure::new(Exit::Failed, text));
        }
        if count <= left {
            return Ok(());
        }
        let span = span(budget);
        let mut text = format!(
            "not sent: it needs {}, and {left} of {} in {span} are left",
            plural(count as usize, "request"),
            budget.requests
        );
        if let Some(next) = next {
            text += &format!("; the next is free at {} UTC", utc(next));
        }
        match self.ledger.free_at(budget, count, now) {
            Some(all) if count > 1 => text += &format!(", all of them at {} UTC", utc(all)),
            None => text += &format!("; it will never fit into {span}"),
            _ => {}
        }
        Err(Failure::new(Exit::Failed, format!("{text} (by the ledger {})", self.ledger.path().display())))
    }

    /// How many requests are left of a budget.
    pub(super) fn left(&self, budget: Budget) -> u32 {
        let left = self.ledger.left(budget, now()).requests;
        self.told(budget).map_or(left, |told| left.min(told.requests))
    }

    fn told(&self, budget: Budget) -> Option<Remaining> {
        self.told.filter(|told| told.budget == budget && told.reset > now())
    }

    /// Sends one request that the budget has room for, and reads its answer.
    pub(super) fn call<T>(
        &mut self,
        call: &Call,
        read: impl FnOnce(&Call, &OwnedReply) -> Result<T, ApiError>,
    ) -> Result<T, Failure> {
        self.afford(call.budget(), 1)?;
        if call.kind().is_change() {
            // Until its answer is known, nothing is.
            self.known.forget().map_err(|error| ledger_failed(self.known.path(), &error))?;
        }
        let adds = call.kind() == CallKind::Add;
        if adds {
            // Before it is sent: where the answer is lost, or this run is killed, the rules may be there.
            self.known.note_addition(now()).map_err(|error| ledger_failed(self.known.path(), &error))?;
        }
        let entry = match self.ledger.spend(call.budget(), now()) {
            Err(error) if !self.changes => {
                not_counted(&ledger_text(self.ledger.path(), &error));
                self.ledger.give_up();
                self.ledger.spend(call.budget(), now())
            }
            result => result,
        };
        let entry = entry.map_err(|error| ledger_failed(self.ledger.path(), &error))?;
        let result = self.rules.send(call);
        if adds {
            // They act so long from now at the latest; failing that, from the time noted before.
            let _ = self.known.note_addition(now());
        }
        let is_counted = result.as_ref().err().is_none_or(RulesError::is_counted);
        let entered = if is_counted { self.ledger.settle(entry, now()) } else { self.ledger.refund(&entry) };
        // The request was sent, and its answer matters more.
        if let Err(error) = entered {
            complain(&format!("warning: {}", ledger_text(self.ledger.path(), &error)));
        }
        if let Ok(reply) = &result {
            let now = now();
            let limit = reply.rate_limit;
            let told = limit.remaining.zip(limit.reset).map(|(requests, reset)| Remaining {
                budget: call.budget(),
                requests: u32::try_from(requests).unwrap_or(u32::MAX),
                // By the server's clock so far ahead, and so by this one.
                reset: now.saturating_add(reset.saturating_since(reply.date.unwrap_or(now))),
            });
            self.told = told.or(self.told);
        }
        let answer = result.and_then(|reply| read(call, &reply).map_err(RulesError::Refused));
        answer.map_err(|error| failed(call, &error))
    }

    /// Lists all rules.
    pub(super) fn list(&mut self) -> Result<Vec<Rule>, Failure> {
        let mut call = Call::list(self.rules.api());
        let mut rules = Vec::new();
        let mut pages = Vec::new();
        loop {
            let listing = self.call(&call, |call, reply| call.listed(&reply.lend()))?;
            rules.extend(listing.rules);
            match listing.next_page {
                None => {
                    self.remember(&rules);
                    return Ok(rules);
                }
                Some(page) if pages.contains(&page) => {
                    return Err(Failure::new(Exit::Failed, "the service's list of rules does not end"));
                }
                Some(page) => {
                    call = Call::list_page(self.rules.api(), &page);
                    pages.push(page);
                }
            }
        }
    }

    /// The rules as the last run knew them, if it left nothing open.
    pub(super) fn known(&self) -> Option<Vec<Rule>> {
        self.known.read(now())
    }

    /// These are the rules in force now, all of them.
    pub(super) fn remember(&self, rules: &[Rule]) {
        if !self.ledger.is_kept() {
            return;
        }
        if let Err(error) = self.known.write(rules, now()) {
            complain(&format!("warning: {}", ledger_text(self.known.path(), &error)));
        }
    }

    /// How long until the rules that were added last act, at most `length` after their addition.
    pub(super) fn unsettled(&self, length: Duration) -> Duration {
        let now = now();
        match self.known.added_at() {
            // Of a clock that was ahead nothing is known.
            Some(at) if at <= now => length.saturating_sub(now.saturating_since(at)),
            Some(_) => length,
            None => Duration::ZERO,
        }
    }

    /// Waits, unless it is interrupted.
    pub(super) fn wait(&self, length: Duration) -> Result<(), Failure> {
        match self.interrupted.recv_timeout(length) {
            Err(RecvTimeoutError::Timeout) => Ok(()),
            Ok(()) | Err(RecvTimeoutError::Disconnected) => Err(Failure::new(
                Exit::Failed,
                "stopped as asked, between two requests: the next run goes on from here",
            )),
        }
    }
}

/// What a request came to that has no answer to go on with.
fn failed(call: &Call, error: &RulesError) -> Failure {
    let mut text = with_options(error);
    let mut exit = Exit::Failed;
    if let RulesError::Refused(refusal) = error {
        if matches!(refusal.kind, ApiErrorKind::Unauthorized | ApiErrorKind::Forbidden) {
            exit = Exit::NotAuthorised;
        }
        if let Some(words) = refusal.problem.text() {
            text += &format!("; the server says: {}", printable(&words));
        }
        if let Some(why) = &refusal.unread_body {
            text += &format!("; {}", printable(why));
        }
        let now = now();
        if let Some(wait) = wait(refusal, now) {
            let (seconds, at) = (wait.as_secs(), utc(now.saturating_add(wait)));
            text += &format!(
                "; the server takes the next request at {at} UTC by the local clock, in {seconds} s"
            );
        }
    }
    if call.kind().is_change() && error.is_outcome_unknown() {
        text += ". What came of this request is unknown, and it is not sent again: list the rules to see, or sync again, \
                 which lists first";
    }
    Failure::new(exit, text)
}

/// How long until a server that has had enough takes the next request, if it says so; at most a day is believed.
fn wait(refusal: &ApiError, now: UnixTime) -> Option<Duration> {
    let is_limit = matches!(refusal.kind, ApiErrorKind::RateLimit | ApiErrorKind::Server);
    refusal.wait(now).filter(|wait| is_limit && !wait.is_zero() && *wait <= RESET_MAX)
}

fn cannot_open(error: &OpenError) -> Failure {
    let exit = if matches!(error, OpenError::Config(_)) { Exit::Usage } else { Exit::Failed };
    Failure::new(exit, format!("cannot manage rules: {}{}", with_options(error), advice_behind(error)))
}

fn ledger_failed(path: &Path, error: &io::Error) -> Failure {
    Failure::new(Exit::Failed, format!("{}; nothing was sent", ledger_text(path, error)))
}

fn ledger_text(path: &Path, error: &io::Error) -> String {
    let path = printable(&path.to_string_lossy());
    // A limit of the process is met in any directory.
    let advice = if is_limit(error) { "" } else { "; name another directory with --state-dir" };
    format!("cannot keep the ledger {path}: {}{advice}", explained(error))
}

/// Says that a run which changes nothing goes on without its ledger.
fn not_counted(why: &str) {
    complain(&format!("warning: {why}. What this run sends is not counted"));
}

/// How to go about a change.
#[derive(Debug, clap::Args)]
pub(super) struct Manner {
    /// Say what would be sent, and send no change
    #[arg(long)]
    pub(super) dry_run: bool,

    /// Do not ask before sending
    #[arg(long, short)]
    pub(super) yes: bool,

    /// Write JSON, an object a line
    #[arg(long)]
    pub(super) json: bool,
}

impl Manner {
    /// Asks at the terminal whether to send, unless that was answered beforehand. Without a terminal nobody can be asked:
    /// then what is `drastic` is refused, and the rest taken as meant.
    pub(super) fn confirm(&self, service: &Service, question: &str, drastic: bool) -> Result<(), Failure> {
        if self.yes || !(drastic || io::stdin().is_terminal()) {
            return Ok(());
        }
        if !io::stdin().is_terminal() {
            return Err(Failure::new(
                Exit::Usage,
                "there is no terminal to ask at: say --yes to send, or --dry-run to look only",
            ));
        }
        let _ = write!(io::stderr().lock(), "{question} [y/N] ");
        let mut answer = String::new();
        service.asking.store(true, Ordering::Release);
        let read = io::stdin().lock().read_line(&mut answer);
        service.asking.store(false, Ordering::Release);
        read.map_err(|error| {
            Failure::new(Exit::Failed, format!("cannot read the answer: {}", explained(&error)))
        })?;
        match answer.trim() {
            "y" | "Y" | "yes" => Ok(()),
            _ => Err(Failure::new(Exit::Failed, "nothing was sent")),
        }
    }
}

/// Checks rules offline, and takes the blanks around them away, which mean nothing. One that is wrong is told, and ends it:
/// the service would refuse it, and its request be spent.
pub(super) fn check_all(mut entries: Vec<Entry>, profile: Profile) -> Result<Vec<Entry>, Failure> {
    let mut invalid = 0;
    for entry in &mut entries {
        entry.value = entry.value.trim().to_owned();
        let verdict = powerstream_rules::check(&entry.value, profile);
        tell(entry, &verdict.errors);
        let tag = entry.tag.as_ref().map_or(0, |tag| tag.chars().count());
        if tag > TAG_CHARACTERS_MAX {
            complain(&format!(
                "{}: the tag has {tag} characters, and {TAG_CHARACTERS_MAX} are allowed",
                entry.place
            ));
        }
        invalid += usize::from(!verdict.is_valid() || tag > TAG_CHARACTERS_MAX);
    }
    match invalid {
        0 => Ok(entries),
        _ => Err(Failure::new(
            Exit::Failed,
            format!("{invalid} of {} invalid: nothing was sent", plural(entries.len(), "rule")),
        )),
    }
}

/// What the rules have to fit, for a plan.
pub(super) fn limits(profile: Profile) -> Limits {
    let mut limits = Limits::default();
    limits.rules_max = profile.rules_max();
    limits
}

/// Rules as a plan takes them.
pub(super) fn wanted(entries: &[Entry]) -> Vec<sync::Rule<'_>> {
    entries
        .iter()
        .map(|entry| {
            let (value, tag) = (entry.value.as_str(), entry.tag.as_deref());
            tag.map_or(sync::Rule::new(value), |tag| sync::Rule::tagged(value, tag))
        })
        .collect()
}

/// A plan that cannot be made, told by the places of the rules.
pub(super) fn no_plan(error: PlanError, entries: &[Entry]) -> Failure {
    let place = |index: usize| &entries[index].place;
    let text = match error {
        PlanError::Conflict { first, second } => format!(
            "{} and {} have the same value and different tags, and the service keeps one of them: join their tags or \
             drop one",
            place(first),
            place(second)
        ),
        _ => error.to_string(),
    };
    Failure::new(Exit::Failed, format!("{text}; nothing was sent"))
}

/// The request that deletes rules: by their ids where all have one and that is wanted, by their values otherwise. An id is
/// digits; a number that was rounded before it came names no rule.
pub(super) fn deletion<'a>(
    api: RuleApi,
    rules: impl Iterator<Item = &'a Rule>,
    by_value: bool,
) -> Result<Call, Failure> {
    let rules: Vec<&Rule> = rules.collect();
    let id = |rule: &&'a Rule| rule.id.as_deref().filter(|id| id.bytes().all(|byte| byte.is_ascii_digit()));
    let ids: Option<Vec<&str>> = rules.iter().map(id).collect();
    let call = match ids.filter(|_| !by_value) {
        Some(ids) => Call::delete_ids(api, &ids),
        None => {
            let lend = |rule: &&'a Rule| match &rule.tag {
                Some(tag) => NewRule::tagged(&rule.value, tag),
                None => NewRule::new(&rule.value),
            };
            Call::delete_values(api, &rules.iter().map(lend).collect::<Vec<_>>())
        }
    };
    call.map_err(|error| Failure::new(Exit::Failed, error.to_string()))
}

/// Rules as a request takes them.
pub(super) fn new_rules<'a>(entries: impl Iterator<Item = &'a Entry>) -> Vec<NewRule<'a>> {
    let lend = |entry: &'a Entry| match entry.tag.as_deref().filter(|tag| !tag.is_empty()) {
        Some(tag) => NewRule::tagged(&entry.value, tag),
        None => NewRule::new(&entry.value),
    };
    entries.map(lend).collect()
}

pub(super) fn plural(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

/// The length of a budget's window, in words.
pub(super) fn span(budget: Budget) -> String {
    match budget.window.as_secs() / 60 {
        minutes if minutes % 60 == 0 => format!("{} hours", minutes / 60),
        minutes => format!("{minutes} minutes"),
    }
}

fn now() -> UnixTime {
    SystemTime::now().into()
}
