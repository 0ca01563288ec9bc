//! One connection's life: request, answer, messages as they fall due, end.

use crate::endpoint::Endpoint;
use crate::feed::{Item, Key, Polled, Sieve, Supply};
use crate::link::{Link, Status};
use crate::request::{self, Asked, HEAD_BYTES_MAX, Parsed, Request, Verdict};
use crate::response;
use crate::rng::Rng;
use crate::scenario::{Fault, KeepAlives};
use crate::server::Shared;
use crate::site::Site;
use crate::tls;
use crate::truth::{End, InFlight, Recorder};
use crate::wire::{Encoder, Writes};
use crate::{junk, scenario::Plan};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Messages that are due at once go into one `write()` up to about this much.
const WRITE_BYTES: usize = 32 << 10;

/// How long a message may be held back because the next one shall join its chunk.
const HOLD_MAX: Duration = Duration::from_millis(50);

/// Between two bytes of a slow head.
const SLOW_HEAD_STEP: Duration = Duration::from_millis(2);

/// Serves a client until one of the two sides ends it.
pub(crate) fn serve(shared: &Arc<Shared>, site: &Site, link: Arc<Link>, mut recorder: Recorder) {
    let end = match read_request(shared, &link, &mut recorder) {
        Ok(parsed) => match link.watch() {
            Ok(watcher) => {
                link.bell().join();
                let end = answer(shared, site, &link, &mut recorder, parsed);
                link.bell().leave();
                link.end_reads();
                // A panic there has nothing to say here.
                let _ = watcher.join();
                end
            }
            Err(_) => End::Refused,
        },
        Err(end) => end,
    };
    drop(link);
    recorder.ended(end);
}

fn read_request(shared: &Shared, link: &Arc<Link>, recorder: &mut Recorder) -> Result<Parsed, End> {
    let until = Instant::now() + shared.config.head_timeout;
    let fault = shared.tls.as_ref().and_then(|tls| tls.fault(recorder.number));
    if let Some(fault) = fault {
        recorder.fault_begins();
        match tls::strike(fault, link, until) {
            Ok(false) => {}
            _ if link.status() == Status::Stopped => return Err(End::Shutdown),
            _ if link.status() == Status::Killed => return Err(End::Killed),
            _ => return Err(End::TlsFault(fault)),
        }
    }
    let mut head = Vec::new();
    let mut buffer = [0; 4_096];
    loop {
        let read = link.read(&mut buffer, until);
        match (link.status(), read) {
            (Status::Stopped, _) => return Err(End::Shutdown),
            (Status::Killed, _) => return Err(End::Killed),
            (_, Ok(len)) if len > 0 => head.extend_from_slice(&buffer[..len]),
            (_, read) if link.is_handshaking() && (fault.is_some() || read.is_err()) => {
                return Err(fault.map_or(End::NoHandshake, End::TlsFault));
            }
            (_, Ok(_)) if head.is_empty() => return Err(End::ClientLeft),
            (_, _) => return Err(End::NoRequest),
        }
        head.truncate(HEAD_BYTES_MAX);
        match request::parse(&head) {
            Parsed::Partial => {}
            parsed => return Ok(parsed),
        }
    }
}

fn answer(
    shared: &Arc<Shared>,
    site: &Site,
    link: &Arc<Link>,
    recorder: &mut Recorder,
    parsed: Parsed,
) -> End {
    let config = &shared.config;
    let mut rng = Rng::nth(config.seed, recorder.number);
    let verdict = match &parsed {
        Parsed::Request(request) => request.verdict(config, shared.clock.unix_ms()),
        _ => Verdict::Refuse(400),
    };
    if let Parsed::Request(Request { target, .. }) = parsed {
        recorder.requested(target);
    }
    let now = shared.clock.unix_ms();
    let datacenter = &shared.places[site.place].name;
    let plan = config.scenario.plan();
    let refusal =
        |status, headers: &str, body: &str, rng: &mut Rng| response::refusal(status, headers, body, rng, now);
    let mut streamed = None;
    let (status, head, end, fault, asked) = match verdict {
        Verdict::Refuse(status) => {
            let headers = match status {
                401 => "www-authenticate: Bearer\r\n",
                405 => "allow: GET\r\n",
                _ => "",
            };
            let head = refusal(status, headers, &response::problem(status), &mut rng);
            (status, head, Some(End::Refused), None, Asked::NOTHING)
        }
        Verdict::InvalidQuery(problem) => {
            (400, refusal(400, "", &problem, &mut rng), Some(End::Refused), None, Asked::NOTHING)
        }
        Verdict::Stream(endpoint, asked) => {
            streamed = Some(endpoint);
            let attempt = shared.next_attempt();
            let struck = config.fault_on.unwrap_or(plan.struck);
            let fault = plan.fault.filter(|_| struck.strikes(attempt));
            let reset = now / 1_000 + config.rate_limit_reset.as_secs();
            let (status, head) = match fault {
                Some(Fault::RateLimited) => {
                    (429, refusal(429, &response::rate_limit(0, reset), &response::problem(429), &mut rng))
                }
                Some(Fault::TooManyConnections) => {
                    let headers = response::rate_limit(48, reset);
                    (429, refusal(429, &headers, response::TOO_MANY_CONNECTIONS, &mut rng))
                }
                Some(Fault::Unavailable) => (503, refusal(503, "", &response::problem(503), &mut rng)),
                _ => (200, response::stream(asked.local_dc_only.then_some(&**datacenter), &mut rng, now)),
            };
            let over = status != 200 || fault == Some(Fault::AcceptClose);
            (status, head, over.then_some(End::Fault(config.scenario)), fault, asked)
        }
    };
    let mut body = Body {
        shared,
        site,
        link,
        recorder,
        encoder: Encoder::new(plan.cutting, Rng::new(rng.next())),
        rng,
        plan,
        fault,
        writes: Writes::default(),
        in_flight: VecDeque::new(),
        messages: 0,
        posts: 0,
        through: false,
        held_since: None,
    };
    // Before the write, so that whoever has the answer finds it in the log.
    body.recorder.answered(status);
    if end.is_some() && fault.is_some() {
        body.recorder.fault_begins();
    }
    let ended = body.head(&head).and_then(|()| match end {
        Some(end) => {
            link.finish();
            Err(end)
        }
        None => body.stream(streamed, &asked),
    });
    match ended {
        Err(end) => end,
        Ok(never) => match never {},
    }
}

/// What a stream that runs comes to: nothing, it only ends.
enum Never {}

/// The part of a connection that is a stream. Its methods give `Err` when it is over, with how it ended.
struct Body<'a> {
    shared: &'a Shared,
    site: &'a Site,
    link: &'a Arc<Link>,
    recorder: &'a mut Recorder,
    encoder: Encoder,
    rng: Rng,
    plan: Plan,
    fault: Option<Fault>,
    writes: Writes,
    /// What was given to the encoder and is not written completely.
    in_flight: VecDeque<InFlight>,
    messages: u64,
    posts: u64,
    /// The end of a file was met.
    through: bool,
    /// When the oldest message came that the encoder keeps for company.
    held_since: Option<Instant>,
}

impl Body<'_> {
    fn head(&mut self, head: &[u8]) -> Result<(), End> {
        if self.fault != Some(Fault::SlowHead) {
            self.writes.raw(head);
            return self.send();
        }
        self.recorder.fault_begins();
        for byte in head {
            self.writes.raw(&[*byte]);
            self.send()?;
            self.pause(Some(self.shared.clock.now() + SLOW_HEAD_STEP))?;
        }
        Ok(())
    }

    fn stream(&mut self, endpoint: Option<&Endpoint>, asked: &Asked) -> Result<Never, End> {
        let place = self.site.place;
        if asked.local_dc_only {
            let (datacenter, timestamp) = (&self.shared.places[place].name, self.shared.clock.unix_ms());
            let metadata = format!(
                r#"{{"type":"connection_metadata","datacenter":"{datacenter}","timestamp":{timestamp}}}"#
            );
            self.message(metadata.into_bytes().into(), None, false);
        }
        let home = asked.local_dc_only.then_some((place as u64, self.shared.places.len() as u64));
        let partitions = endpoint.map_or(0, |endpoint| endpoint.partitions);
        let partition = (partitions > 0).then_some((asked.partition, partitions));
        let lang = endpoint.and_then(|endpoint| endpoint.lang);
        let key = Key { place, sieve: Sieve { home, partition, lang } };
        let keep_alive = self.shared.config.keep_alive;
        let mut supply = self.shared.feed.supply(key, asked.past, self.link);
        let mut last_sent = self.shared.clock.now();
        loop {
            let now = self.shared.clock.now();
            let step = self.gather(&mut supply, now);
            let held = self.encoder.is_holding().then(|| *self.held_since.get_or_insert(now) + HOLD_MAX);
            if self.through
                || held.is_some_and(|until| now >= until)
                || matches!(step, Step::Fault(_) | Step::Over)
            {
                self.encoder.flush(&mut self.writes);
            }
            if !self.encoder.is_holding() {
                self.held_since = None;
            }
            if !self.writes.bytes.is_empty() {
                self.send()?;
                last_sent = self.shared.clock.now();
            }
            let next = match step {
                Step::Again => Some(now),
                Step::Wait(next) => next,
                Step::Fault(fault) => return Err(self.strike(fault, &mut supply)),
                Step::Over => {
                    self.writes.last_chunk();
                    self.send()?;
                    self.link.finish();
                    return Err(End::Complete);
                }
                Step::TooLate => {
                    self.link.finish();
                    return Err(End::SlowReader);
                }
            };
            let silent = last_sent + keep_alive;
            let held = self.held_since.map(|since| since + HOLD_MAX);
            self.wait([next, held, Some(silent)].into_iter().flatten().min())?;
            if self.shared.clock.now() >= silent {
                self.keep_alive();
                self.encoder.flush(&mut self.writes);
            }
        }
    }

    /// Takes what is due.
    fn gather(&mut self, supply: &mut Supply, now: Instant) -> Step {
        let after = self.shared.config.fault_after;
        while self.writes.bytes.len() < WRITE_BYTES {
            let fault = self.fault.filter(|fault| fault.is_final());
            if let Some(fault) = fault.filter(|_| self.posts >= after) {
                return Step::Fault(fault);
            }
            let Item { post } = match supply.poll(now) {
                Polled::Post(item) => item,
                Polled::Skipped => return Step::Again,
                Polled::Wait(next) => return Step::Wait(next),
                Polled::TooLate => return Step::TooLate,
                Polled::Through | Polled::Over if fault.is_some() => {
                    return fault.map_or(Step::Over, Step::Fault);
                }
                Polled::Over => return Step::Over,
                Polled::Through => {
                    // Shorter than the distance: it has what comes between Posts at its end.
                    if !std::mem::replace(&mut self.through, true) && self.posts < after.max(1) {
                        self.insert();
                        continue;
                    }
                    return Step::Wait(None);
                }
            };
            self.message(post.bytes, post.id, true);
            self.posts += 1;
            if self.posts % after.max(1) == 0 {
                self.insert();
            }
        }
        Step::Again
    }

    fn message(&mut self, bytes: Arc<[u8]>, id: Option<u64>, is_post: bool) {
        let keep_alive = match self.plan.keep_alives {
            KeepAlives::WhenIdle => false,
            KeepAlives::Between => self.messages > 0,
            KeepAlives::NowAndThen => self.rng.below(8) == 0,
        };
        if keep_alive {
            self.keep_alive();
        }
        self.messages += 1;
        let bytes = if self.plan.arrays { [b"[", &bytes[..], b"]"].concat().into() } else { bytes };
        self.encoder.message(&bytes, &mut self.writes);
        self.in_flight.push_back(InFlight::new(bytes, id, is_post));
    }

    fn keep_alive(&mut self) {
        self.encoder.keep_alive(&mut self.writes);
        self.in_flight.push_back(InFlight::default());
    }

    /// The message between Posts of those faults that are one.
    fn insert(&mut self) {
        let nth = self.posts;
        match self.fault {
            Some(Fault::Unknown) => self.message(junk::unknown(nth).into(), None, false),
            Some(Fault::Malformed) => {
                let line = junk::malformed(&mut self.rng);
                self.message(line.into(), None, false);
            }
            Some(Fault::Oversized) => {
                let (id, bytes) = self.shared.padded_post(self.shared.config.oversize_bytes);
                self.message(bytes.into(), Some(id), false);
            }
            _ => return,
        }
        self.recorder.fault_begins();
    }

    /// The fault that ends the stream.
    fn strike(&mut self, fault: Fault, supply: &mut Supply) -> End {
        self.recorder.fault_begins();
        match self.strike_until_over(fault, supply) {
            Err(end @ (End::Shutdown | End::Killed)) => end,
            _ => End::Fault(self.shared.config.scenario),
        }
    }

    fn strike_until_over(&mut self, fault: Fault, supply: &mut Supply) -> Result<(), End> {
        match fault {
            Fault::Stall => self.pause(None)?,
            Fault::Reset => self.link.prepare_reset(),
            Fault::CloseMidMessage => {
                let bytes = match supply.poll(self.shared.clock.now()) {
                    Polled::Post(item) => item.post.bytes,
                    _ => self.shared.padded_post(3_000).1.into(),
                };
                let half = &bytes[..bytes.len().div_ceil(2)];
                self.writes.raw(format!("{:x}\r\n", bytes.len() + 2).as_bytes());
                self.writes.raw(half);
                self.send()?;
                self.link.finish();
            }
            Fault::BadChunk => {
                self.writes.raw(junk::chunk_size(&mut self.rng).as_bytes());
                self.writes.raw(b"\r\n{\"id\":1}\r\n\r\n");
                self.send()?;
                // A client that has not noticed waits for the rest of its chunk.
                self.pause(None)?;
            }
            Fault::CleanEnd | Fault::OperationalDisconnect => {
                if fault == Fault::OperationalDisconnect {
                    self.message(junk::OPERATIONAL_DISCONNECT.as_bytes().into(), None, false);
                    self.encoder.flush(&mut self.writes);
                }
                self.writes.last_chunk();
                self.send()?;
                self.link.finish();
            }
            _ => self.link.finish(),
        }
        Ok(())
    }

    fn send(&mut self) -> Result<(), End> {
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
    fn pause(&self, until: Option<Instant>) -> Result<(), End> {
        self.link.set_paused(true);
        let status = self.link.wait_for_end(until);
        self.link.set_paused(false);
        match status {
            Status::Open => Ok(()),
            _ => Err(self.over()),
        }
    }

    fn over(&self) -> End {
        match self.link.status() {
            Status::Stopped => End::Shutdown,
            Status::Killed => End::Killed,
            Status::Behind => End::SlowReader,
            _ => End::ClientLeft,
        }
    }
}

enum Step {
    /// Nothing until then.
    Wait(Option<Instant>),
    /// There may be more.
    Again,
    Fault(Fault),
    /// The end of what was asked for.
    Over,
    TooLate,
}
