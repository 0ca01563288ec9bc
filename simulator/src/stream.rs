//! What goes out on one connection: an answer, or a stream until it ends.

use crate::connection;
use crate::endpoint::{Endpoint, Product};
use crate::feed::{FeedCursor, Filter, Item, Key, Past, Polled};
use crate::ground_truth::{End, InFlight, Recorder};
use crate::limits::{Counter, ExtraConnection, Group, QUARTER_HOUR, Slot};
use crate::link::{Link, Status};
use crate::request::{Request, StreamParams};
use crate::response::{self, StreamHead};
use crate::rng::Rng;
use crate::rule_store::StoredRule;
use crate::rules_api::{self, Resource};
use crate::scenario::KeepAlives;
use crate::script::{Action, Attempts, Event, Metadata, On, Place, Stream, Then, When, system};
use crate::server::Shared;
use crate::site::Site;
use crate::source::SourcePost;
use crate::splice;
use crate::v2;
use crate::wire::{Encoder, Writes};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Messages that are due at once go into one `write()` up to about this much.
const WRITE_BYTES: usize = 32 << 10;

/// How long a message may be held back because the next one shall join its chunk.
const HOLD_MAX: Duration = Duration::from_millis(50);

/// How long PowerTrack bears with one connection too many.
const EXTRA_BORNE: Duration = Duration::from_secs(60);

/// Posts before metadata that is late.
const METADATA_LATE: u64 = 10;

/// What a stream that runs comes to: nothing, it only ends.
pub(crate) enum Never {}

/// Actions from outside for one stream.
pub(crate) type Mailbox = Arc<Mutex<VecDeque<Action>>>;

/// What goes out on a connection. Its methods give `Err` when it is over, with how it ended.
pub(crate) struct Body<'a> {
    pub(crate) shared: &'a Arc<Shared>,
    pub(crate) site: &'a Arc<Site>,
    pub(crate) link: &'a Arc<Link>,
    pub(crate) recorder: &'a mut Recorder,
    pub(super) rng: Rng,
    pub(super) style: Stream,
    pub(super) encoder: Encoder,
    pub(super) writes: Writes,
    /// What was given to the encoder and is not written completely.
    pub(super) in_flight: VecDeque<InFlight>,
    pub(super) messages: u64,
    pub(super) posts: u64,
    pub(super) keep_alives: u64,
    armed: Vec<Armed>,
    mailbox: Mailbox,
    /// The end of a file was met.
    through: bool,
    /// When the oldest message came that the encoder keeps for company.
    held_since: Option<Instant>,
    /// How a Post is written, where it is not as it is: the fields that were asked for.
    shape: Option<Vec<(String, String)>>,
    pub(super) slot: Option<Slot>,
    /// Between two bytes of the head.
    pub(super) head_step: Option<Duration>,
    pub(super) effects: Effects,
    /// From a Post to the next, at least, and when that is.
    cap: Option<(Duration, Instant)>,
}

/// What events do to the Posts that follow.
#[derive(Default)]
pub(super) struct Effects {
    pub(super) last: Option<(Arc<[u8]>, Option<u64>)>,
    pub(super) quiet_until: Option<Instant>,
    pub(super) burst: Option<(Instant, u64)>,
    /// The next Post is to be so many Posts late.
    pub(super) reorder: Option<u64>,
    /// Posts that are late, and behind how many they come.
    pub(super) late: Vec<(u64, Item)>,
}

/// An event that waits for its time on this connection.
struct Armed {
    event: Source,
    when: When,
    next: Next,
    is_done: bool,
}

enum Source {
    /// Of the scenario.
    Script(usize),
    Own(Box<Event>),
}

enum Next {
    Posts(u64),
    KeepAlives(u64),
    Time(Option<Instant>),
}

/// What there is to do.
enum Step {
    /// Nothing until then.
    Wait(Option<Instant>),
    /// There may be more.
    Again,
    Event(Box<Action>),
    /// The end of what was asked for.
    Over,
    TooLate,
}

impl<'a> Body<'a> {
    pub(crate) fn new(
        shared: &'a Arc<Shared>,
        site: &'a Arc<Site>,
        link: &'a Arc<Link>,
        recorder: &'a mut Recorder,
    ) -> Body<'a> {
        let mut rng = Rng::nth(shared.config.seed, recorder.number);
        let style = shared.scenario_run.script().inner().stream;
        Body {
            shared,
            site,
            link,
            encoder: Encoder::new(style.cutting, Rng::new(rng.next())),
            recorder,
            rng,
            style,
            writes: Writes::default(),
            in_flight: VecDeque::new(),
            messages: 0,
            posts: 0,
            keep_alives: 0,
            armed: Vec::new(),
            mailbox: Mailbox::default(),
            through: false,
            held_since: None,
            shape: None,
            slot: None,
            head_step: None,
            effects: Effects::default(),
            cap: None,
        }
    }

    pub(super) fn now(&self) -> Instant {
        self.shared.clock.now()
    }

    /// The date, as far off as the scenario has it.
    pub(super) fn unix_ms(&self) -> u64 {
        self.shared.clock.unix_ms().saturating_add_signed(self.style.skew_ms)
    }

    /// A whole answer that is no stream.
    pub(crate) fn refuse(&mut self, status: u16, headers: &str, body: &str, end: End) -> Result<Never, End> {
        let now = self.unix_ms();
        let bytes = response::refusal(status, headers, body, &mut self.rng, now);
        // Before the write, so that whoever has the answer finds it in the log.
        self.recorder.answered(status);
        self.head(&bytes)?;
        self.close();
        Err(end)
    }

    pub(super) fn head(&mut self, head: &[u8]) -> Result<(), End> {
        let Some(step) = self.head_step else {
            self.writes.raw(head);
            return self.send();
        };
        for byte in head {
            self.writes.raw(&[*byte]);
            self.send()?;
            self.pause(Some(self.now() + step))?;
        }
        Ok(())
    }

    /// Gives its place up, and closes as servers do.
    pub(super) fn close(&mut self) {
        self.slot = None;
        self.shared.deregister(self.recorder.number);
        self.link.finish();
    }

    /// Answers a request about rules.
    pub(crate) fn rules(&mut self, resource: Resource, request: &Request, body: &[u8]) -> Result<Never, End> {
        let attempt = self.shared.scenario_run.next_attempt(On::Rules);
        let path = request.target.split('?').next();
        let events = self.events_of_request(On::Rules, attempt, path);
        self.strike_before(&events)?;
        let (config, now) = (&self.shared.config, self.shared.clock.unix_ms());
        let (counter, limit, length) = match (resource, request.method()) {
            (Resource::Powerstream, _) => (Counter::Rules, config.rule_requests_max, crate::limits::DAY),
            (_, "GET") => (Counter::FilteredRulesRead, 450, QUARTER_HOUR),
            _ => (Counter::FilteredRulesWritten, 100, QUARTER_HOUR),
        };
        let rate = self.shared.rate_limits.take(counter, limit, length, now);
        let lines = response::rate_limit(&rate);
        if rate.exceeded {
            return self.refuse(429, &lines, &response::problem(429), End::Refused);
        }
        let store = match resource {
            Resource::Powerstream => &self.shared.powerstream,
            _ => &self.shared.filtered,
        };
        let options = rules_api::Options { not_deleted: config.not_deleted, partial: config.rules_partial };
        let answer =
            rules_api::answer(store, resource, &options, request.method(), request.query(), body, now);
        let bytes = response::refusal(answer.status, &lines, &answer.body, &mut self.rng, now);
        self.recorder.answered(answer.status);
        self.strike_at_head(&events, &bytes)?;
        self.head(&bytes)?;
        self.close();
        Err(if answer.status < 300 { End::Complete } else { End::Refused })
    }

    /// The events of the scenario that strike this request before there is a stream.
    fn events_of_request(&mut self, on: On, attempt: u64, path: Option<&str>) -> Vec<Action> {
        let datacenter = &self.shared.datacenters[self.site.place].name;
        let mut actions = Vec::new();
        for index in self.shared.scenario_run.applicable(on, attempt, path, datacenter) {
            let event = self.shared.scenario_run.event(index);
            let is_at_accept = matches!(event.action, Action::Cut { place: Place::Accept, .. });
            if (event.action.is_of_request() || on == On::Rules) && !is_at_accept {
                if self.shared.scenario_run.fires(index, &mut self.rng) {
                    actions.push(event.action.clone());
                }
            } else if on == On::Stream && !is_at_accept {
                self.armed.push(Armed {
                    when: event.when,
                    event: Source::Script(index),
                    next: Next::Time(None),
                    is_done: false,
                });
            }
        }
        actions
    }

    /// Answers a request for a stream, and sends it.
    pub(crate) fn stream(
        &mut self,
        endpoint: &'static Endpoint,
        params: &StreamParams,
    ) -> Result<Never, End> {
        let shared = self.shared;
        let config = &shared.config;
        let attempt = shared.scenario_run.next_attempt(On::Stream);
        let events = self.events_of_request(On::Stream, attempt, Some(endpoint.path));
        self.strike_before(&events)?;
        let lines = self.admit(endpoint, params)?;

        let mut datacenter = params.local_dc_only.then(|| shared.datacenters[self.site.place].name.clone());
        let (mut ghost, mut coding) = (config.ghost, None);
        for action in &events {
            match action {
                Action::Failover { name, headers } if params.local_dc_only => {
                    datacenter = headers.then(|| name.clone().or(datacenter)).flatten();
                }
                Action::Ghost { length } => ghost = *length,
                Action::Coding(name) => coding = Some(name.clone()),
                _ => {}
            }
        }
        if coding.as_deref() == Some("gzip") {
            self.encoder.compress();
        }
        if events.iter().any(|action| matches!(action, Action::Ghost { .. })) {
            if let Some(slot) = &mut self.slot {
                slot.ghost = Some(ghost);
            }
        }
        let says = StreamHead { datacenter: datacenter.as_deref(), lines: &lines, coding: coding.as_deref() };
        let now = self.unix_ms();
        let head = response::stream(&says, &mut self.rng, now);
        self.recorder.streaming();
        if !events.is_empty() {
            self.recorder.fault_begins();
        }
        self.strike_at_head(&events, &head)?;
        // All of a head that is slow but its last byte.
        let (begun, rest) = head.split_at(self.head_step.map_or(0, |_| head.len() - 1));
        self.head(begun)?;
        // Before the head ends: who has read that misses nothing from then on, however late this thread gets its next turn.
        let cursor = self.join(endpoint, params);
        self.head(rest)?;

        let registered = shared.register(self.recorder.number, self.link, &self.mailbox);
        let result = self.run(endpoint, params, cursor, datacenter);
        drop(registered);
        if let (Some(slot), Status::Lost | Status::Resetting) = (&mut self.slot, self.link.status()) {
            // Neither side has said goodbye.
            slot.ghost = Some(ghost);
        }
        result
    }

    /// Whether there is room for a stream. Gives the headers that tell of the limit of requests.
    fn admit(&mut self, endpoint: &'static Endpoint, params: &StreamParams) -> Result<String, End> {
        let shared = self.shared;
        let config = &shared.config;
        let unix_ms = shared.clock.unix_ms();
        let mut lines = String::new();
        if let Some(limit) = endpoint.requests_max {
            let counter = Counter::Stream(endpoint.path);
            let rate = shared.rate_limits.take(counter, limit, QUARTER_HOUR, unix_ms);
            lines = response::rate_limit(&rate);
            if rate.exceeded && config.stream_requests_limited {
                let body = response::problem(429);
                self.refuse(429, &lines, &body, End::Refused).map(|never| match never {})?;
            }
        }
        let lacks_rules = match endpoint.product {
            Product::Powerstream => {
                config.no_rules == crate::rule_store::NoRules::Conflict && shared.powerstream.len() == 0
            }
            Product::Filtered => shared.filtered.len() == 0,
            _ => false,
        };
        if lacks_rules {
            let body = response::no_rules(endpoint.product);
            self.refuse(409, &lines, &body, End::Refused).map(|never| match never {})?;
        }
        // Both paths of Powerstream are one stream.
        let path = if endpoint.product == Product::Powerstream { "/2/powerstream" } else { endpoint.path };
        let recovers = matches!(params.past, Past::Window(..));
        let group = Group { product: endpoint.product, path, partition: params.partition, recovers };
        // Two recoveries at a time, beside the live streams.
        let max = config.connections_max;
        let (slot, over, oldest) = shared.slots.take(group, self.recorder.number, max);
        self.slot = Some(slot);
        if over > 0 {
            match config.extra_connection {
                ExtraConnection::Refuse => {
                    self.slot = None;
                    let body = response::TOO_MANY_CONNECTIONS;
                    self.refuse(429, &lines, body, End::Refused).map(|never| match never {})?;
                }
                ExtraConnection::EndOldest => {
                    let bytes = system::message("force-disconnect").unwrap_or_default().as_bytes().to_vec();
                    if let Some(oldest) = oldest {
                        shared.post(oldest, Action::Line { bytes, then: Then::Close });
                    }
                }
                ExtraConnection::EndNewest => {
                    let bytes = system::GNIP_TOO_MANY.as_bytes().to_vec();
                    let event = Event {
                        on: On::Stream,
                        attempts: Attempts(Vec::new()),
                        endpoint: None,
                        datacenter: None,
                        times: None,
                        when: When::After(EXTRA_BORNE),
                        probability: None,
                        action: Action::Line { bytes, then: Then::End },
                    };
                    self.armed.push(Armed {
                        when: event.when,
                        event: Source::Own(Box::new(event)),
                        next: Next::Time(None),
                        is_done: false,
                    });
                }
            }
        }
        Ok(lines)
    }

    /// Its Posts, from now on and as far back as was asked for.
    fn join(&self, endpoint: &Endpoint, params: &StreamParams) -> FeedCursor {
        let shared = self.shared;
        let place = self.site.place;
        let home = params.local_dc_only.then_some((place as u64, shared.datacenters.len() as u64));
        let partition = (endpoint.partitions > 0).then_some((params.partition, endpoint.partitions));
        let key = Key {
            datacenter: place,
            product: endpoint.product,
            filter: Filter { home, partition, lang: endpoint.lang },
        };
        let store = match endpoint.product {
            Product::Powerstream => Some(&shared.powerstream),
            Product::Filtered => Some(&shared.filtered),
            _ => None,
        };
        shared.feed.open(key, store, params.past, self.link)
    }

    fn run(
        &mut self,
        endpoint: &'static Endpoint,
        params: &StreamParams,
        mut cursor: FeedCursor,
        datacenter: Option<String>,
    ) -> Result<Never, End> {
        let shared = self.shared;
        self.arm();
        self.shape = (endpoint.product.is_v2() && shared.feed.is_generated()).then(|| params.fields.clone());
        if let (Product::Filtered, Some(cap)) = (endpoint.product, shared.config.delivery_cap) {
            self.cap = Some((Duration::from_secs_f64(1.0 / cap), self.now()));
        }

        // Those that do not wait for anything, before the first message.
        while let Some(action) = self.at_once() {
            self.strike(action, &mut cursor)?;
        }
        let metadata = datacenter.filter(|_| self.style.metadata != Metadata::Never);
        if let Some(datacenter) = metadata.as_deref().filter(|_| self.style.metadata != Metadata::Late) {
            self.metadata(datacenter);
        }
        let mut again = metadata.filter(|_| matches!(self.style.metadata, Metadata::Late | Metadata::Twice));

        let keep_alive = shared.config.keep_alive;
        let mut last_sent = self.now();
        loop {
            let now = self.now();
            if self.posts >= METADATA_LATE {
                if let Some(datacenter) = again.take() {
                    self.metadata(&datacenter);
                }
            }
            let step = self.gather(&mut cursor, now);
            let held = self.encoder.is_holding().then(|| *self.held_since.get_or_insert(now) + HOLD_MAX);
            let ends = matches!(step, Step::Over | Step::TooLate);
            if self.through || ends || held.is_some_and(|until| now >= until) {
                self.encoder.flush(&mut self.writes);
            }
            if !self.encoder.is_holding() {
                self.held_since = None;
            }
            if !self.writes.bytes.is_empty() {
                self.send()?;
                last_sent = self.now();
            }
            let next = match step {
                Step::Again => Some(now),
                Step::Wait(next) => next,
                Step::Event(action) => {
                    self.strike(*action, &mut cursor)?;
                    Some(now)
                }
                Step::Over => {
                    if shared.config.recovery_marker {
                        let marker = system::message("gnip-recovery-completed").unwrap_or_default();
                        self.message(marker.as_bytes().into(), None, false);
                        self.encoder.flush(&mut self.writes);
                    }
                    self.writes.last_chunk();
                    self.send()?;
                    self.close();
                    return Err(End::Complete);
                }
                Step::TooLate => {
                    // It may get through.
                    self.message(system::SLOW_READER.as_bytes().into(), None, false);
                    self.encoder.flush(&mut self.writes);
                    self.send()?;
                    self.close();
                    return Err(End::SlowReader);
                }
            };
            let silent = last_sent + keep_alive;
            let held = self.held_since.map(|since| since + HOLD_MAX);
            let event = self.next_time();
            self.wait([next, held, event, Some(silent)].into_iter().flatten().min())?;
            if self.now() >= silent {
                self.keep_alive();
                self.encoder.flush(&mut self.writes);
            }
        }
    }

    fn metadata(&mut self, datacenter: &str) {
        let timestamp = self.unix_ms();
        let metadata = format!(
            r#"{{"type":"connection_metadata","datacenter":"{datacenter}","timestamp":{timestamp}}}"#
        );
        self.message(metadata.into_bytes().into(), None, false);
    }

    /// The stream begins: times and numbers count from here.
    fn arm(&mut self) {
        let (now, started) = (self.now(), self.shared.clock.started());
        for armed in &mut self.armed {
            armed.next = match armed.when {
                When::AfterPosts(posts) | When::EveryPosts(posts) => Next::Posts(posts),
                When::EachPost => Next::Posts(1),
                When::AfterKeepAlives(count) => Next::KeepAlives(count),
                When::After(length) | When::Every(length) => Next::Time(now.checked_add(length)),
                When::At(length) => Next::Time(started.checked_add(length)),
                When::AtOnce => Next::Time(Some(now)),
            };
        }
    }

    fn at_once(&mut self) -> Option<Action> {
        let index = self.armed.iter().position(|armed| armed.when == When::AtOnce && !armed.is_done)?;
        self.armed[index].is_done = true;
        self.occasion(index).or_else(|| self.at_once())
    }

    /// What the event does, if it strikes.
    fn occasion(&mut self, index: usize) -> Option<Action> {
        match &self.armed[index].event {
            Source::Own(event) => Some(event.action.clone()),
            Source::Script(index) => {
                let strikes = self.shared.scenario_run.fires(*index, &mut self.rng);
                strikes.then(|| self.shared.scenario_run.event(*index).action.clone())
            }
        }
    }

    /// When the next event is that waits for a time.
    fn next_time(&self) -> Option<Instant> {
        let waiting = self.armed.iter().filter(|armed| !armed.is_done);
        waiting.filter_map(|armed| if let Next::Time(at) = armed.next { at } else { None }).min()
    }

    /// The next event that is due. With `at_end`, also those that wait for more Posts than there are.
    fn due(&mut self, now: Instant, at_end: bool) -> Option<Action> {
        if let Some(action) = self.mailbox.lock().unwrap_or_else(PoisonError::into_inner).pop_front() {
            return Some(action);
        }
        loop {
            let (posts, keep_alives) = (self.posts, self.keep_alives);
            let index = self.armed.iter().position(|armed| {
                !armed.is_done
                    && match armed.next {
                        // What comes again and again has come, if it has come once.
                        Next::Posts(next) if at_end => {
                            posts < next
                                && !matches!(armed.when, When::EveryPosts(every) if posts >= every)
                                && armed.when != When::EachPost
                        }
                        Next::Posts(next) => posts >= next,
                        Next::KeepAlives(next) => !at_end && keep_alives >= next,
                        Next::Time(next) => !at_end && next.is_some_and(|next| next <= now),
                    }
            })?;
            let armed = &mut self.armed[index];
            match (&mut armed.next, armed.when) {
                (Next::Posts(next), When::EveryPosts(every)) if !at_end => *next += every,
                (Next::Posts(next), When::EachPost) => *next += 1,
                (Next::Time(next), When::Every(every)) => {
                    *next = next.and_then(|next| next.checked_add(every))
                }
                _ => armed.is_done = true,
            }
            if let Some(action) = self.occasion(index) {
                return Some(action);
            }
        }
    }

    /// Takes what is due.
    fn gather(&mut self, cursor: &mut FeedCursor, now: Instant) -> Step {
        while self.writes.bytes.len() < WRITE_BYTES {
            if let Some(action) = self.due(now, false) {
                return Step::Event(Box::new(action));
            }
            if let Some((_, next)) = self.cap {
                self.link.set_paused(next > now);
                if next > now {
                    return Step::Wait(Some(next));
                }
            }
            let item = match cursor.poll(now) {
                Polled::Post(item) => item,
                Polled::Skipped => return Step::Again,
                Polled::Wait(next) => return Step::Wait(next),
                Polled::FellBehind => return Step::TooLate,
                end @ (Polled::Exhausted | Polled::Ended) => {
                    if let Some((_, item)) = self.effects.late.pop() {
                        self.post(item, now);
                        continue;
                    }
                    // Fewer than an event waits for.
                    if !self.through {
                        if let Some(action) = self.due(now, true) {
                            return Step::Event(Box::new(action));
                        }
                        self.through = true;
                    }
                    if matches!(end, Polled::Ended) {
                        return Step::Over;
                    }
                    return Step::Wait(None);
                }
            };
            if self.effects.quiet_until.is_some_and(|until| now < until) {
                continue;
            }
            if let Some(by) = self.effects.reorder.take() {
                self.effects.late.push((self.posts + by, item));
                continue;
            }
            self.post(item, now);
            while let Some(at) = self.effects.late.iter().position(|(behind, _)| *behind <= self.posts) {
                let (_, item) = self.effects.late.remove(at);
                self.post(item, now);
            }
        }
        Step::Again
    }

    fn post(&mut self, item: Item, now: Instant) {
        let Item { post: SourcePost { id, bytes }, rules } = item;
        let bytes = self.shaped(bytes, rules.as_deref());
        self.effects.last = Some((bytes.clone(), id));
        self.message(bytes, id, true);
        self.posts += 1;
        if let Some((interval, next)) = &mut self.cap {
            *next = (*next).max(now) + *interval;
        }
        if let Some((_, factor)) = self.effects.burst.filter(|(until, _)| now < *until) {
            for _ in 1..factor {
                let (id, bytes) = self.shared.extra_post(self.shared.clock.unix_ms());
                let bytes = self.shaped(bytes.into(), None);
                self.message(bytes, Some(id), false);
            }
        }
    }

    /// A Post in the form of the endpoint.
    pub(super) fn shaped(&self, bytes: Arc<[u8]>, rules: Option<&[Arc<StoredRule>]>) -> Arc<[u8]> {
        let says = self.shared.config.matching_rules;
        let rules = rules.filter(|_| says);
        if !says && self.shape.is_none() && self.shared.feed.is_generated() {
            // Those of the generator are made up.
            if let Some(without) = splice::without_root(&bytes, "matching_rules") {
                return without.into();
            }
        }
        match self.shape.as_ref().and_then(|fields| v2::envelope(&bytes, fields, rules)) {
            Some(envelope) => envelope.into(),
            None => bytes,
        }
    }

    pub(super) fn message(&mut self, bytes: Arc<[u8]>, id: Option<u64>, is_post: bool) {
        let keep_alive = match self.style.keep_alives {
            KeepAlives::WhenIdle => false,
            KeepAlives::Between => self.messages > 0,
            KeepAlives::NowAndThen => self.rng.below(8) == 0,
        };
        if keep_alive {
            self.keep_alive();
        }
        self.messages += 1;
        let bytes = if self.style.arrays { [b"[", &bytes[..], b"]"].concat().into() } else { bytes };
        self.encoder.message(&bytes, &mut self.writes);
        self.in_flight.push_back(InFlight::new(bytes, id, is_post));
    }

    pub(super) fn keep_alive(&mut self) {
        self.encoder.keep_alive(&mut self.writes);
        self.keep_alives += 1;
        self.in_flight.push_back(InFlight::default());
    }

    pub(super) fn send(&mut self) -> Result<(), End> {
        let (mut at, mut completed) = (0, 0);
        while at < self.writes.bytes.len() {
            let end = self.writes.next_end(at);
            let completing = self.writes.complete.partition_point(|complete| *complete <= end);
            if completing > completed {
                self.recorder.about_to_complete(self.in_flight.iter_mut().take(completing - completed));
            }
            match self.link.write(&self.writes.bytes[at..end]) {
                Ok(len) => {
                    at += len;
                    let done = self.writes.complete.partition_point(|complete| *complete <= at);
                    self.recorder.written(len, self.in_flight.drain(..done - completed));
                    completed = done;
                }
                Err(_) => {
                    self.recorder.failed(self.in_flight.drain(..));
                    return Err(self.over());
                }
            }
        }
        self.writes.clear();
        Ok(())
    }

    fn wait(&self, until: Option<Instant>) -> Result<(), End> {
        match self.link.wait(until) {
            Status::Open => Ok(()),
            _ => Err(self.over()),
        }
    }

    /// Waits whatever rings.
    pub(super) fn pause(&self, until: Option<Instant>) -> Result<(), End> {
        self.link.set_paused(true);
        let status = self.link.wait_for_end(until);
        self.link.set_paused(false);
        match status {
            Status::Open => Ok(()),
            _ => Err(self.over()),
        }
    }

    pub(super) fn over(&self) -> End {
        let fallen_behind = self.link.status() == Status::Behind;
        connection::over(self.link).unwrap_or(if fallen_behind { End::SlowReader } else { End::ClientLeft })
    }
}
