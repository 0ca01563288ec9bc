//! Shared by the subcommands that send requests: service, credentials and ledger. One request at a
//! time.
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
use powerstream_core::http::{ExchangeError, ExchangeErrorKind, RequestSent};
use powerstream_core::session::RESET_MAX;
use powerstream_core::time::UnixTime;
use powerstream_core::transport_error::TransportErrorKind;
use powerstream_rules::Profile;
use powerstream_rules::sync::{self, Limits, PlanError};

use self::known::Known;
use self::ledger::{Key, Ledger, Left};
use super::input::{Entry, TAG_CHARACTERS_MAX};
use super::render::{printable, report_errors};
use crate::connection;
use crate::exit::{Exit, Failure, complain};
use crate::interrupt::{INTERRUPTED, on_interrupt};
use crate::system::{advice_behind, check_open_files, explained, is_limit};
use crate::text::{new_address, with_options};
use crate::utc::utc;

/// Follows the notes of every command that connects.
const NOTES: &str = "\
Powerstream allows 50 rule requests in 24 hours, counting all kinds together. The spent requests are
recorded in a ledger in the user's state directory, one ledger per app and service. A request that
would exceed the budget is not sent. If the answer to a request is lost, the tool reports that, and
never sends the request again; the next sync lists the rules first. If the ledger cannot be written,
a run that changes no rules continues with a warning.

Exit codes:
  0  done
  1  failed: refused, a rule is invalid, the budget is spent, or the outcome of a request is unknown
  2  wrong usage
  4  no token, an invalid one, or not authorized (401, 403; 407 of a proxy)";

/// The notes of each subcommand here.
pub(super) fn notes() -> String {
    format!("{}\n\n{NOTES}", connection::NOTES)
}

/// The service and the credentials.
#[derive(Debug, clap::Args)]
pub(super) struct Target {
    #[command(flatten)]
    connection: connection::ConnectionOptions,

    /// The stream that the rules belong to
    #[arg(long, value_enum, value_name = "NAME", default_value_t = Stream::Powerstream)]
    endpoint: Stream,

    /// Directory of the ledger [default: the user's state directory]
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
    /// Returns the product for the offline check.
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

    /// Prepares requests without connecting. A run that `changes` rules requires a writable ledger;
    /// other runs only warn.
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

        let target = connection::Target::new(&config, self.connection.host.as_deref());
        let service = service_name(&config, self.connection.host.as_deref());
        let key = Key { service: &service, api: self.api(), token: &secret };
        let ledger = self.ledger(&key, changes)?;

        check_open_files()?;
        let shutdown = rules.shutdown_handle();
        let (sender, interrupted) = channel();
        let asking = Arc::new(AtomicBool::new(false));
        let is_asking = Arc::clone(&asking);
        on_interrupt(move || {
            if is_asking.load(Ordering::Acquire) {
                // No request is in flight, and a terminal prompt cannot be cancelled.
                std::process::exit(INTERRUPTED);
            }
            shutdown.shutdown();
            // The run has ended, so the receiver is gone.
            let _ = sender.send(());
        })?;
        let known = Known::at(ledger.known());
        Ok(Service { rules, target, ledger, known, reported: None, interrupted, asking, changes })
    }

    fn ledger(&self, key: &Key<'_>, changes: bool) -> Result<Ledger, Failure> {
        let directory = self.state_directory();
        let why = match &directory {
            Ok(directory) => {
                let waiting = || complain("another run is managing this app's rules: waiting until it ends");
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
        match &self.state_dir {
            Some(directory) => Ok(directory.clone()),
            None => default_state_directory(),
        }
    }
}

fn default_state_directory() -> Result<PathBuf, String> {
    let base = etcetera::choose_base_strategy()
        .map_err(|error| format!("no state directory: {error}; name one with --state-dir"))?;
    Ok(base.state_dir().unwrap_or_else(|| base.data_dir()).join("powerstream"))
}

/// Returns the part of a [`Key`] that names the service.
fn service_name(config: &Config, host: Option<&str>) -> String {
    let origin = config.origin();
    format!("{:?} {} {}", origin.scheme(), origin.authority(), host.unwrap_or("-"))
}

/// Notices changes of an app's rules that other runs of this tool make, without a request to the
/// service. They must use the default state directory, as this does.
#[derive(Debug)]
pub(crate) struct RuleWatch {
    known: Known,
    seen: Option<String>,
}

impl RuleWatch {
    /// Watches the rules of the app with this token. Returns `None` if the stream has no rules, or
    /// without a state directory.
    pub(crate) fn new(config: &Config, host: Option<&str>, token: &[u8]) -> Option<Self> {
        let api = RuleApi::of(&config.endpoint())?;
        let service = service_name(config, host);
        let key = Key { service: &service, api, token };
        let known = Known::at(Ledger::unkept(&default_state_directory().ok()?, &key).known());
        let seen = known.last_change();
        Some(Self { known, seen })
    }

    /// Returns true if a request to add or delete rules was sent since the last call.
    pub(crate) fn has_changed(&mut self) -> bool {
        let last = self.known.last_change();
        let has_changed = last != self.seen;
        self.seen = last;
        has_changed
    }
}

/// A service and its ledger.
#[derive(Debug)]
pub(super) struct Service {
    rules: RuleClient,
    target: connection::Target,
    ledger: Ledger,
    known: Known,
    reported: Option<Remaining>,
    interrupted: Receiver<()>,
    /// True while a prompt waits for an answer.
    asking: Arc<AtomicBool>,
    /// True if the run changes rules, and so requires the ledger.
    changes: bool,
}

/// The remaining requests according to the service. Other programs may use the same budget.
#[derive(Clone, Copy, Debug)]
struct Remaining {
    budget: Budget,
    requests: u32,
    /// When it expires, by the local clock.
    reset: UnixTime,
}

impl Service {
    /// Refuses a plan that would exceed the budget, before any of it is sent.
    pub(super) fn afford(&self, budget: Budget, count: usize) -> Result<(), Failure> {
        let now = now();
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        let Left { requests: left, next } = self.ledger.left(budget, now);
        let reported =
            self.reported(budget).filter(|reported| reported.requests < left && count > reported.requests);
        if let Some(Remaining { requests, reset, .. }) = reported {
            let needs = plural(count as usize, "request");
            let text = format!(
                "not sent: this needs {needs}, but the service reports {} left until {} UTC",
                plural(requests as usize, "request"),
                utc(reset)
            );
            return Err(Failure::new(Exit::Failed, text));
        }
        if count <= left {
            return Ok(());
        }
        let span = span(budget);
        let mut text = format!(
            "not sent: this needs {}, but {left} of {} in {span} are left",
            plural(count as usize, "request"),
            budget.requests
        );
        if let Some(next) = next {
            text += &format!("; the next is available at {} UTC", utc(next));
        }
        match self.ledger.free_at(budget, count, now) {
            Some(all) if count > 1 => text += &format!(", all of them at {} UTC", utc(all)),
            None => text += &format!("; the budget never allows that many in {span}"),
            _ => {}
        }
        Err(Failure::new(
            Exit::Failed,
            format!("{text} (according to the ledger {})", self.ledger.path().display()),
        ))
    }

    /// Returns the remaining requests of a budget.
    pub(super) fn left(&self, budget: Budget) -> u32 {
        let left = self.ledger.left(budget, now()).requests;
        self.reported(budget).map_or(left, |reported| left.min(reported.requests))
    }

    fn reported(&self, budget: Budget) -> Option<Remaining> {
        self.reported.filter(|reported| reported.budget == budget && reported.reset > now())
    }

    /// Sends one request that fits the budget, and reads its answer.
    pub(super) fn call<T>(
        &mut self,
        call: &Call,
        read: impl FnOnce(&Call, &OwnedReply) -> Result<T, ApiError>,
    ) -> Result<T, Failure> {
        self.afford(call.budget(), 1)?;
        if call.kind().is_change() {
            // Until the answer arrives, the active rules are unknown.
            self.known.begin_change(now()).map_err(|error| ledger_failed(self.known.path(), &error))?;
        }
        let adds = call.kind() == CallKind::Add;
        if adds {
            // Before the request: if the answer is lost or this run is killed, the rules may exist.
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
            // The rules take effect at most this long after now. After an error, the time that was
            // noted before the request applies.
            let _ = self.known.note_addition(now());
        }
        let is_counted = result.as_ref().err().is_none_or(RulesError::is_counted);
        let entered = if is_counted { self.ledger.settle(entry, now()) } else { self.ledger.refund(&entry) };
        // The request was sent, so its answer matters more than this error.
        if let Err(error) = entered {
            complain(&format!("warning: {}", ledger_text(self.ledger.path(), &error)));
        }
        if let Ok(reply) = &result {
            let now = now();
            let limit = reply.rate_limit;
            let reported = limit.remaining.zip(limit.reset).and_then(|(requests, reset)| {
                // The difference to the server's clock, applied to the local clock.
                let wait = reset.saturating_since(reply.date.unwrap_or(now));
                let requests = u32::try_from(requests).unwrap_or(u32::MAX);
                let reset = now.saturating_add(wait);
                // The service's longest window has 24 h, so a much later time is a mistake.
                (wait <= 2 * RESET_MAX).then_some(Remaining { budget: call.budget(), requests, reset })
            });
            self.reported = reported.or(self.reported);
        }
        let error = match result {
            Ok(reply) => match read(call, &reply) {
                Ok(answer) => return Ok(answer),
                Err(error) => RulesError::Refused(error),
            },
            Err(error) => error,
        };
        Err(failed(call, &self.target, &error))
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

    /// Returns the rules at the end of the last run, if it finished all its requests.
    pub(super) fn known(&self) -> Option<Vec<Rule>> {
        self.known.read(now())
    }

    /// Stores all active rules.
    pub(super) fn remember(&self, rules: &[Rule]) {
        if !self.ledger.is_kept() {
            return;
        }
        if let Err(error) = self.known.write(rules, now()) {
            complain(&format!("warning: {}", ledger_text(self.known.path(), &error)));
        }
    }

    /// Returns the time until the last added rules take effect, at most `length` after their
    /// addition.
    pub(super) fn unsettled(&self, length: Duration) -> Duration {
        let now = now();
        match self.known.added_at() {
            // If the clock was ahead, the time is unknown.
            Some(at) if at <= now => length.saturating_sub(now.saturating_since(at)),
            Some(_) => length,
            None => Duration::ZERO,
        }
    }

    /// Waits, unless a signal interrupts.
    pub(super) fn wait(&self, length: Duration) -> Result<(), Failure> {
        match self.interrupted.recv_timeout(length) {
            Err(RecvTimeoutError::Timeout) => Ok(()),
            Ok(()) | Err(RecvTimeoutError::Disconnected) => Err(Failure::new(
                Exit::Failed,
                "interrupted between two requests: the next run continues from here",
            )),
        }
    }
}

/// Returns the failure of a request without a usable answer.
fn failed(call: &Call, target: &connection::Target, error: &RulesError) -> Failure {
    let mut text = with_options(error);
    if let RulesError::Exchange(error) = error
        && error.kind != ExchangeErrorKind::Stopped
    {
        let what = if error.sent == RequestSent::Nothing { "could not connect to" } else { "no answer from" };
        text = format!("{what} {}: {text}", target.text(error.peer_addr));
    }
    let mut exit = Exit::Failed;
    if let RulesError::Exchange(ExchangeError { kind: ExchangeErrorKind::TransportError(error), .. }) = error
        && error.kind == TransportErrorKind::ProxyAuthentication
    {
        exit = Exit::NotAuthorized;
    }
    if let RulesError::Refused(refusal) = error {
        if matches!(refusal.kind, ApiErrorKind::Unauthorized | ApiErrorKind::Forbidden) {
            exit = Exit::NotAuthorized;
        }
        if refusal.kind == ApiErrorKind::Redirect {
            text += &new_address(refusal.problem.location.as_deref());
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
                "; the server accepts the next request at {at} UTC by the local clock, in {seconds} s"
            );
        }
    }
    if call.kind().is_change() && error.is_outcome_unknown() {
        text += ". The outcome of this request is unknown, and it is not sent again: \
                 list the rules to check, or sync again, which lists first";
    }
    Failure::new(exit, text)
}

/// Returns the wait that the server requests after an exceeded limit or a server error. `None` if
/// it requests none, or more than a day.
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
    // A limit of the process applies to every directory.
    let advice = if is_limit(error) { "" } else { "; name another directory with --state-dir" };
    format!("cannot keep the ledger {path}: {}{advice}", explained(error))
}

/// Warns that a run without changes continues without its ledger.
fn not_counted(why: &str) {
    complain(&format!("warning: {why}. The requests of this run are not counted"));
}

/// Options of a change.
#[derive(Debug, clap::Args)]
pub(super) struct Manner {
    /// Show what would be sent, and change nothing
    #[arg(long)]
    pub(super) dry_run: bool,

    /// Send without asking for confirmation
    #[arg(long, short)]
    pub(super) yes: bool,

    /// Write JSON, one object per line
    #[arg(long)]
    pub(super) json: bool,
}

impl Manner {
    /// Asks at the terminal for confirmation, unless `--yes` was given. Without a terminal, a
    /// `drastic` change is refused and others are sent.
    pub(super) fn confirm(&self, service: &Service, question: &str, drastic: bool) -> Result<(), Failure> {
        if self.yes || !(drastic || io::stdin().is_terminal()) {
            return Ok(());
        }
        if !io::stdin().is_terminal() {
            return Err(Failure::new(
                Exit::Usage,
                "no terminal to ask for confirmation: pass --yes to send, or --dry-run to send no change",
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

/// Checks rules offline, and trims blanks, which have no meaning. An invalid rule is reported and
/// ends the run, because the service would refuse it and count the request.
pub(super) fn check_all(mut entries: Vec<Entry>, profile: Profile) -> Result<Vec<Entry>, Failure> {
    let mut invalid = 0;
    for entry in &mut entries {
        entry.value = entry.value.trim().to_owned();
        let verdict = powerstream_rules::check(&entry.value, profile);
        report_errors(entry, &verdict.errors);
        let tag = entry.tag.as_ref().map_or(0, |tag| tag.chars().count());
        if tag > TAG_CHARACTERS_MAX {
            complain(&format!(
                "{}: the tag has {tag} characters, but only {TAG_CHARACTERS_MAX} are allowed",
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

/// The limits that a plan must respect.
pub(super) fn limits(profile: Profile) -> Limits {
    let mut limits = Limits::default();
    limits.rules_max = profile.rules_max();
    limits
}

/// Returns rules for a plan.
pub(super) fn wanted(entries: &[Entry]) -> Vec<sync::Rule<'_>> {
    entries
        .iter()
        .map(|entry| {
            let (value, tag) = (entry.value.as_str(), entry.tag.as_deref());
            tag.map_or(sync::Rule::new(value), |tag| sync::Rule::tagged(value, tag))
        })
        .collect()
}

/// Returns the failure of an impossible plan, with the origins of its rules.
pub(super) fn no_plan(error: PlanError, entries: &[Entry]) -> Failure {
    let place = |index: usize| &entries[index].place;
    let text = match error {
        PlanError::Conflict { first, second } => format!(
            "{} and {} have the same value and different tags, but the service keeps only \
             one of them: join their tags or remove one",
            place(first),
            place(second)
        ),
        _ => error.to_string(),
    };
    Failure::new(Exit::Failed, format!("{text}; nothing was sent"))
}

/// Returns the request that deletes rules: by id if all have one and `by_value` is not set, else by
/// value. An id must consist of digits, because a rounded number identifies no rule.
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

/// Returns rules for a request.
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

/// Returns the length of a budget's window in words.
pub(super) fn span(budget: Budget) -> String {
    match budget.window.as_secs() / 60 {
        minutes if minutes % 60 == 0 => format!("{} hours", minutes / 60),
        minutes => format!("{minutes} minutes"),
    }
}

fn now() -> UnixTime {
    SystemTime::now().into()
}
