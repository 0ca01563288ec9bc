//! A stream: its head, then Posts, keep-alives and events until it ends.

use std::convert::Infallible;
use std::time::{Duration, Instant};

use crate::endpoint::{Endpoint, Product};
use crate::exchange::Exchange;
use crate::feed::{FeedCursor, Filter, Key, Polled};
use crate::ground_truth::End;
use crate::link::Status;
use crate::pending_events::{PendingEvents, Progress};
use crate::request::{Past, StreamParams};
use crate::response::{self, StreamHead};
use crate::script::{Action, Metadata, On, Requested, system};
use crate::stream_writer::StreamWriter;
use crate::{admission, inject};

/// The size of a `write()` up to which messages are combined, in bytes.
const WRITE_BYTES: usize = 32 << 10;

/// How long a message waits for the next one of its chunk.
const HOLD_MAX: Duration = Duration::from_millis(50);

/// The number of Posts before late metadata.
const METADATA_LATE: u64 = 10;

/// Answers a request for a stream, and sends the stream. Returns how it ended.
pub(crate) fn serve(exchange: &mut Exchange<'_>, endpoint: &'static Endpoint, params: &StreamParams) -> End {
    let Err(end) = begin(exchange, endpoint, params);
    end
}

fn begin(
    exchange: &mut Exchange<'_>,
    endpoint: &'static Endpoint,
    params: &StreamParams,
) -> Result<Infallible, End> {
    let shared = exchange.shared;
    let attempt = shared.scenario_run.next_attempt(On::Stream);
    let request = match params.past {
        Past::None => Requested::Live,
        Past::Backfill(_) => Requested::Backfill,
        Past::Window(..) => Requested::Recovery,
    };
    let events = exchange.events(On::Stream, attempt, Some(endpoint.path), Some(request));
    let mut pending = PendingEvents::new(&shared.scenario_run, events.pending);
    let actions = events.actions;
    inject::before_answer(exchange, &actions)?;
    let lines = admission::admit(exchange, endpoint, params, &mut pending)?;

    let mut datacenter = params.local_dc_only.then(|| exchange.datacenter_name().to_owned());
    let (mut ghost, mut coding) = (None, None);
    for action in &actions {
        match action {
            Action::Failover { name, headers } if params.local_dc_only => {
                datacenter = headers.then(|| name.clone().or(datacenter)).flatten();
            }
            Action::Ghost { length } => ghost = Some(*length),
            Action::Coding(name) => coding = Some(name.clone()),
            _ => {}
        }
    }
    if coding.as_deref() == Some("gzip") {
        exchange.out.compress();
    }
    if let (Some(slot), Some(ghost)) = (&mut exchange.slot, ghost) {
        slot.ghost = Some(ghost);
    }
    let says = StreamHead { datacenter: datacenter.as_deref(), lines: &lines, coding: coding.as_deref() };
    let now = exchange.unix_ms();
    let head = response::stream(&says, &mut exchange.rng, now);
    exchange.out.recorder().streaming();
    if !actions.is_empty() {
        exchange.out.recorder().fault_begins();
    }
    inject::at_head(exchange, &actions, &head)?;
    // A slow head is sent except for its last byte.
    let (begun, rest) = head.split_at(if exchange.out.has_slow_head() { head.len() - 1 } else { 0 });
    exchange.out.head(begun)?;
    // Opened before the head ends, so that a client that has read the head misses no later Post.
    let cursor = open_feed(exchange, endpoint, params);
    exchange.out.head(rest)?;

    let mailbox = pending.mailbox.clone();
    let registered = shared.streams.register(exchange.out.recorder().number, exchange.out.link(), &mailbox);
    let mut writer = StreamWriter::new(exchange);
    if endpoint.product.is_v2() && shared.feed.is_generated() {
        writer.write_v2(params.fields.clone());
    }
    if let (Product::Filtered, Some(cap)) = (endpoint.product, shared.config.delivery_cap) {
        writer.limit(cap);
    }
    let result = RunningStream { writer, cursor, pending, is_exhausted: false }.run(datacenter);
    drop(registered);
    if let (Some(slot), Status::Lost | Status::Resetting) = (&mut exchange.slot, exchange.out.link().status())
    {
        // Neither side closed the connection properly.
        slot.ghost = Some(ghost.unwrap_or(shared.config.ghost));
    }
    result
}

/// Opens the feed: the Posts from now on, and the requested past ones.
fn open_feed(exchange: &Exchange<'_>, endpoint: &Endpoint, params: &StreamParams) -> FeedCursor {
    let (shared, datacenter) = (exchange.shared, exchange.datacenter);
    let home = params.local_dc_only.then_some((datacenter as u64, shared.datacenters.len() as u64));
    let partition = (endpoint.partitions > 0).then_some((params.partition, endpoint.partitions));
    let filter = Filter { home, partition, lang: endpoint.lang };
    let store = match endpoint.product {
        Product::Powerstream => Some(&shared.powerstream),
        Product::Filtered => Some(&shared.filtered),
        Product::Sample | Product::Sample10 | Product::Firehose => None,
    };
    let key = Key { datacenter, product: endpoint.product, filter };
    shared.feed.open(key, store, params.past, exchange.out.link())
}

struct RunningStream<'a, 'b> {
    writer: StreamWriter<'a, 'b>,
    cursor: FeedCursor,
    pending: PendingEvents<'a>,
    /// The file has no more Posts.
    is_exhausted: bool,
}

/// What to do next.
enum Step {
    /// Wait until then.
    Wait(Option<Instant>),
    /// Poll again.
    Again,
    Inject(Box<Action>),
    /// The requested time window is complete.
    End,
    FellBehind,
}

impl RunningStream<'_, '_> {
    fn run(mut self, datacenter: Option<String>) -> Result<Infallible, End> {
        let (now, started) = (self.now(), self.writer.exchange.shared.clock.started());
        self.pending.start(now, started);
        // Events without a condition happen before the first message.
        while let Some(action) = self.pending.at_once(&mut self.writer.exchange.rng) {
            self.inject(action)?;
        }
        let style = self.writer.exchange.shared.stream_style().metadata;
        let metadata = datacenter.filter(|_| style != Metadata::Never);
        if let Some(datacenter) = metadata.as_deref().filter(|_| style != Metadata::Late) {
            self.metadata(datacenter);
        }
        let mut late_metadata = metadata.filter(|_| matches!(style, Metadata::Late | Metadata::Twice));

        let keep_alive = self.writer.exchange.shared.config.keep_alive;
        let mut last_sent = self.now();
        // When the oldest held message arrived.
        let mut held_since: Option<Instant> = None;
        loop {
            let now = self.now();
            if self.writer.posts() >= METADATA_LATE {
                if let Some(datacenter) = late_metadata.take() {
                    self.metadata(&datacenter);
                }
            }
            let step = self.gather(now);
            let out = &mut self.writer.exchange.out;
            let held = out.is_holding().then(|| *held_since.get_or_insert(now) + HOLD_MAX);
            let ends = matches!(step, Step::End | Step::FellBehind);
            if self.is_exhausted || ends || held.is_some_and(|until| now >= until) {
                out.end_chunk();
            }
            if !out.is_holding() {
                held_since = None;
            }
            if out.unsent() > 0 {
                out.send()?;
                last_sent = out.now();
            }
            let next = match step {
                Step::Again => Some(now),
                Step::Wait(next) => next,
                Step::Inject(action) => {
                    self.inject(*action)?;
                    Some(now)
                }
                Step::End => return Err(self.complete()?),
                Step::FellBehind => return Err(self.cut_off()?),
            };
            let silent = last_sent + keep_alive;
            let held = held_since.map(|since| since + HOLD_MAX);
            let event = self.pending.next_time();
            self.writer.exchange.out.wait([next, held, event, Some(silent)].into_iter().flatten().min())?;
            if self.now() >= silent {
                self.writer.keep_alive();
                self.writer.exchange.out.end_chunk();
            }
        }
    }

    fn now(&self) -> Instant {
        self.writer.exchange.out.now()
    }

    fn inject(&mut self, action: Action) -> Result<(), End> {
        inject::in_stream(&mut self.writer, action, &mut self.cursor)
    }

    /// Ends a recovery after all its Posts.
    fn complete(&mut self) -> Result<End, End> {
        if self.writer.exchange.shared.config.recovery_marker {
            self.writer.message(system::RECOVERY_COMPLETED.as_bytes().into(), None, false);
            self.writer.exchange.out.end_chunk();
        }
        self.writer.exchange.out.last_chunk();
        self.writer.exchange.out.send()?;
        self.writer.exchange.close();
        Ok(End::Complete)
    }

    /// Ends the stream of a client that has fallen too far behind, with a message that it may still
    /// receive.
    fn cut_off(&mut self) -> Result<End, End> {
        self.writer.message(system::SLOW_READER.as_bytes().into(), None, false);
        self.writer.exchange.out.flush()?;
        self.writer.exchange.close();
        Ok(End::SlowReader)
    }

    fn metadata(&mut self, datacenter: &str) {
        let timestamp = self.writer.exchange.unix_ms();
        let metadata = format!(
            r#"{{"type":"connection_metadata","datacenter":"{datacenter}","timestamp":{timestamp}}}"#
        );
        self.writer.message(metadata.into_bytes().into(), None, false);
    }

    /// Takes the next event that is due. With `at_end`, this includes events that wait for more
    /// Posts than exist.
    fn due(&mut self, now: Instant, at_end: bool) -> Option<Action> {
        let (posts, keep_alives) = (self.writer.posts(), self.writer.keep_alives());
        let progress = Progress { now, posts, keep_alives, at_end };
        self.pending.due(progress, &mut self.writer.exchange.rng)
    }

    /// Collects what is due.
    fn gather(&mut self, now: Instant) -> Step {
        while self.writer.exchange.out.unsent() < WRITE_BYTES {
            if let Some(action) = self.due(now, false) {
                return Step::Inject(Box::new(action));
            }
            if let Some(next) = self.writer.next_allowed() {
                self.writer.exchange.out.link().set_paused(next > now);
                if next > now {
                    return Step::Wait(Some(next));
                }
            }
            let item = match self.cursor.poll(now) {
                Polled::Post(item) => item,
                Polled::Skipped => return Step::Again,
                Polled::Wait(next) => return Step::Wait(next),
                Polled::FellBehind => return Step::FellBehind,
                end @ (Polled::Exhausted | Polled::Ended) => {
                    if let Some((_, item)) = self.writer.effects.late.pop() {
                        self.writer.post(item, now);
                        continue;
                    }
                    // The file has fewer Posts than an event waits for.
                    if !self.is_exhausted {
                        if let Some(action) = self.due(now, true) {
                            return Step::Inject(Box::new(action));
                        }
                        self.is_exhausted = true;
                    }
                    if matches!(end, Polled::Ended) {
                        return Step::End;
                    }
                    return Step::Wait(None);
                }
            };
            let effects = &mut self.writer.effects;
            if effects.quiet_until.is_some_and(|until| now < until) {
                continue;
            }
            if let Some(by) = effects.reorder.take() {
                let behind = self.writer.posts() + by;
                self.writer.effects.late.push((behind, item));
                continue;
            }
            self.writer.post(item, now);
            while let Some(at) =
                self.writer.effects.late.iter().position(|(behind, _)| *behind <= self.writer.posts())
            {
                let (_, item) = self.writer.effects.late.remove(at);
                self.writer.post(item, now);
            }
        }
        Step::Again
    }
}
