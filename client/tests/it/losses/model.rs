//! A model of the service, the network path and the client's machine, on one virtual clock.
//!
//! - **The service** creates Posts, and sends each on every connection that it had accepted when
//!   the Post reached that datacenter. The datacenter's lag and a jitter delay each Post, so they
//!   are out of order. The service sends keep-alives after an interval without messages.
//! - **The path** delivers in order but late. It stalls, catches up at once or slowly, holds bytes
//!   back and flushes them from time to time, adds a constant delay, or drops everything. A cut
//!   loses the bytes in transit.
//! - **The client's machine** is stopped (nothing runs, the clock continues) or suspended (the
//!   monotonic clock stops too). Its wall clock is wrong.
//!
//! The ground truth is exact: the model knows all Posts created and delivered.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::task::{Context, Poll};

use powerstream_core::driver::Io;
use powerstream_core::time::{Instant, UnixTime};
use powerstream_core::transport_error::{TransportError, TransportErrorKind};

/// The server's clock when the virtual clock is 0, in milliseconds.
pub(super) const START: u64 = 1_700_000_000_000;

/// SplitMix64.
#[derive(Clone, Debug)]
pub(super) struct Rng(pub(super) u64);

impl Rng {
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    pub(super) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound.max(1)
    }

    pub(super) fn range(&mut self, from: u64, to: u64) -> u64 {
        from + self.below(to - from)
    }

    pub(super) fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    pub(super) fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len() as u64) as usize]
    }
}

/// A Post, with times in milliseconds of the virtual clock.
#[derive(Clone, Copy, Debug)]
pub(super) struct Post {
    pub(super) created: u64,
    pub(super) id: u64,
}

/// The parameters of a run.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scene {
    /// The mean time between two Posts.
    pub(super) spacing: u64,
    /// The largest difference between the times at which a Post reaches two datacenters.
    pub(super) jitter: u64,
    pub(super) keep_alive: u64,
    /// How far the local clock is ahead.
    pub(super) clock_off: i64,
    pub(super) has_date: bool,
    pub(super) faults: Faults,
    pub(super) buffer_bytes: usize,
    pub(super) length: u64,
}

/// The faults of connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Faults {
    /// The path stalls, catches up slowly, and is cut.
    StallAndReset,
    /// The client is stopped, and the server disconnects it meanwhile.
    Stopped,
    /// The machine is suspended.
    Suspended,
    /// A proxy holds bytes back.
    Buffering,
    /// Any of these, at random.
    Random,
}

/// The faults of recoveries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RecoveryFaults {
    /// Those that a retry cures.
    Passing,
    /// The same, and responses that never end.
    Endless,
    /// The same, and refusals for good.
    Refused,
}

/// How the service answered requests of recoveries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Answers {
    pub(super) whole: u64,
    pub(super) refused: u64,
    pub(super) refused_for_good: u64,
    pub(super) reset: u64,
    pub(super) cut: u64,
    pub(super) closed_early: u64,
    pub(super) stalled: u64,
    pub(super) endless: u64,
}

/// How a connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// A reset loses the bytes that are unread or in transit.
    Reset,
    /// A proxy closes, and loses the bytes in transit.
    Cut,
    /// The server closes. Everything sent arrives before the end.
    Closed,
    /// Bytes stop arriving, without an end.
    Silent,
}

/// The bytes that arrive on a connection.
#[derive(Debug)]
struct Link {
    /// Bytes with the time at which they arrive. For a whole message, also the time it was sent.
    arriving: VecDeque<(u64, u64, Vec<u8>)>,
    end: Option<(u64, End)>,
}

/// A time range in which the client does not run.
#[derive(Clone, Copy, Debug)]
struct Stop {
    from: u64,
    to: u64,
    /// True if the monotonic clock stops too.
    is_suspend: bool,
}

/// The service and the clocks.
#[derive(Debug)]
pub(super) struct World {
    pub(super) scene: Scene,
    /// Virtual time in milliseconds, which is the server's.
    pub(super) now: Cell<u64>,
    /// The last time that was read from the monotonic clock.
    read: Cell<Instant>,
    wake: Cell<u64>,
    pub(super) posts: Vec<Post>,
    stops: RefCell<Vec<Stop>>,
    rng: RefCell<Rng>,
    pub(super) connections: Cell<u64>,
    pub(super) answers: Cell<Answers>,
    /// Requests from this time on have no faults.
    pub(super) calm_from: Cell<u64>,
}

impl World {
    pub(super) fn new(scene: Scene, seed: u64) -> Rc<Self> {
        let mut rng = Rng(seed);
        let (mut posts, mut at) = (Vec::new(), 0);
        while at < scene.length {
            at += 1 + rng.below(2 * scene.spacing);
            let number = posts.len() as u64;
            posts.push(Post { created: at, id: ((START + at - 1_288_834_974_657) << 22) | (number & 0xFFF) });
        }
        Rc::new(Self {
            scene,
            now: Cell::new(0),
            read: Cell::new(Instant::ZERO),
            wake: Cell::new(u64::MAX),
            posts,
            stops: RefCell::default(),
            rng: RefCell::new(rng),
            connections: Cell::new(0),
            answers: Cell::default(),
            calm_from: Cell::new(u64::MAX),
        })
    }

    fn is_calm(&self) -> bool {
        self.now.get() >= self.calm_from.get()
    }

    fn suspended(&self) -> u64 {
        let (mut sum, mut end) = (0, 0);
        let mut stops = self.stops.borrow().clone();
        stops.retain(|stop| stop.is_suspend && stop.to <= self.now.get());
        stops.sort_by_key(|stop| stop.from);
        for Stop { from, to, .. } in stops {
            sum += to.saturating_sub(from.max(end));
            end = end.max(to);
        }
        sum
    }

    pub(super) fn monotonic(&self) -> Instant {
        let now = Instant::from_nanos((self.now.get() - self.suspended()) * 1_000_000);
        assert!(now >= self.read.replace(now), "the monotonic clock goes back");
        now
    }

    /// Advances to the next event. Returns false if none happens before the end.
    pub(super) fn advance(&self) -> bool {
        let next = self.wake.replace(u64::MAX);
        if self.running_from(next) > self.scene.length {
            return false;
        }
        self.pass_until(next);
        true
    }

    /// Lets the time pass until `at`, and until the client runs again.
    pub(super) fn pass_until(&self, at: u64) {
        self.now.set(self.running_from(at).max(self.now.get()));
    }

    /// Returns the first time from `at` on at which the client runs.
    fn running_from(&self, mut at: u64) -> u64 {
        let stops = self.stops.borrow();
        while let Some(stop) = stops.iter().find(|stop| (stop.from..stop.to).contains(&at)) {
            at = stop.to;
        }
        at
    }

    /// Wakes the client at a time of the monotonic clock.
    fn wait_until(&self, until: Instant) {
        // Deadlines use the monotonic clock, so they are later if it stops.
        let until = until.as_nanos().div_ceil(1_000_000).saturating_add(self.suspended());
        self.wake.set(self.wake.get().min(until.max(self.now.get() + 1)));
    }

    fn wait<T>(&self, until: u64) -> Poll<T> {
        self.wake.set(self.wake.get().min(until));
        Poll::Pending
    }
}

/// A connection to one datacenter.
#[derive(Debug)]
pub(super) struct Line {
    world: Rc<World>,
    /// The delay with which Posts reach this datacenter.
    lag: u64,
    /// Carries every nth Post, from this one on.
    share: (usize, usize),
    link: Option<Link>,
    connects_at: Option<(u64, bool)>,
    request: Vec<u8>,
    /// How recoveries end; `None`: they are complete.
    pub(super) recovery: Option<RecoveryFaults>,
    /// When the service accepted each stream, and when the last message read from it was sent.
    pub(super) streams: Rc<RefCell<Vec<(u64, u64)>>>,
}

impl Line {
    pub(super) fn new(world: &Rc<World>, lag: u64, share: (usize, usize)) -> Self {
        Self {
            world: Rc::clone(world),
            lag,
            share,
            link: None,
            connects_at: None,
            request: Vec::new(),
            recovery: None,
            streams: Rc::default(),
        }
    }

    /// Accepts the request of the Posts that were created in a range, in milliseconds of the
    /// virtual clock.
    fn accept_recovery(&mut self, from: u64, to: u64) {
        let world = Rc::clone(&self.world);
        let mut rng = world.rng.borrow_mut();
        let now = world.now.get();
        let begun = now + rng.below(200);
        assert!(to <= now, "{from} to {to} was requested before the server's clock passed its end, at {now}");
        let (nth, first) = self.share;
        let mut posts: Vec<_> = world.posts.iter().skip(first).step_by(nth).collect();
        posts.retain(|post| (from..to).contains(&post.created));
        // The service documents no order.
        for index in (1..posts.len()).rev() {
            posts.swap(index, rng.below(index as u64 + 1) as usize);
        }
        let kind = if world.is_calm() { 11 } else { rng.below(12) };
        let refused = |status: u16| format!("HTTP/1.1 {status} x\r\ncontent-length: 0\r\n\r\n").into_bytes();
        let mut arriving = VecDeque::new();
        let mut end = Some((begun + 20, End::Closed));
        let mut answers = world.answers.get();
        let answer = match (kind, self.recovery) {
            (0, _) => {
                arriving.push_back((begun, begun, refused(503)));
                &mut answers.refused
            }
            (1, Some(RecoveryFaults::Refused)) => {
                arriving.push_back((begun, begun, refused(400)));
                &mut answers.refused_for_good
            }
            _ => {
                let head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".to_vec();
                arriving.push_back((begun, begun, head));
                let mut at = begun;
                for post in posts {
                    at += u64::from(rng.chance(30));
                    arriving.push_back((at, at, line(&text(post.id))));
                }
                let middle = begun + rng.below(at - begun + 1);
                match (kind, self.recovery) {
                    (2, _) => {
                        end = Some((middle, End::Reset));
                        &mut answers.reset
                    }
                    (3, _) => {
                        end = Some((middle, End::Cut));
                        &mut answers.cut
                    }
                    (4, _) => {
                        arriving.retain(|(at, ..)| *at <= middle);
                        end = Some((middle, End::Closed));
                        &mut answers.closed_early
                    }
                    (5, _) => {
                        arriving.retain(|(at, ..)| *at <= middle);
                        end = None;
                        &mut answers.stalled
                    }
                    (6, Some(RecoveryFaults::Endless)) => {
                        let times = (1..400).map(|count| at + count * 20_000);
                        arriving.extend(times.map(|at| (at, at, line(""))));
                        end = None;
                        &mut answers.endless
                    }
                    _ => {
                        arriving.push_back((at, at, b"0\r\n\r\n".to_vec()));
                        end = Some((at + rng.below(2_000), End::Closed));
                        &mut answers.whole
                    }
                }
            }
        };
        *answer += 1;
        world.answers.set(answers);
        self.link = Some(Link { arriving, end });
        self.streams.borrow_mut().push((begun, begun));
    }

    /// Accepts the request. All bytes of this connection are then determined.
    fn accept(&mut self) {
        assert!(self.link.is_none(), "a request on a connection that is already in use");
        let request = String::from_utf8(std::mem::take(&mut self.request)).unwrap();
        if let [Some(from), Some(to)] = ["startTime", "endTime"].map(|name| time_of(&request, name)) {
            return self.accept_recovery(from, to);
        }
        let (world, scene) = (Rc::clone(&self.world), self.world.scene);
        let mut rng = world.rng.borrow_mut();
        world.connections.set(world.connections.get() + 1);
        let begun = world.now.get() + rng.below(30);
        let life = if world.is_calm() { scene.length } else { rng.range(5_000, 60_000) };
        let backfill = request
            .split("backfillMinutes=")
            .nth(1)
            .map_or(0, |minutes| minutes.split([' ', '&']).next().unwrap().parse::<u64>().unwrap() * 60_000);

        // The bytes that the server sends, with their times.
        let sent_at = |post: &Post| {
            let jitter = Rng(post.id ^ self.lag).below(scene.jitter + 1);
            post.created + self.lag + jitter
        };
        let (nth, first) = self.share;
        let posts = world.posts.iter().skip(first).step_by(nth);
        let mut live: Vec<_> = posts.map(|post| (sent_at(post), post)).collect();
        live.sort_by_key(|(at, post)| (*at, post.id));
        let mut sent = Vec::new();
        let head_at = begun + rng.below(20);
        let mut head = String::from("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n");
        if scene.has_date {
            head += &format!("date: {}\r\n", http_date((START + head_at) / 1_000));
        }
        sent.push((head_at, (head + "\r\n").into_bytes()));
        for (at, post) in live {
            if at >= begun {
                let at = at.max(head_at);
                while at - sent.last().unwrap().0 > scene.keep_alive {
                    sent.push((sent.last().unwrap().0 + scene.keep_alive, line("")));
                }
                sent.push((at, line(&text(post.id))));
            } else if at + backfill >= begun {
                sent.push((head_at, line(&text(post.id))));
            }
        }
        while sent.last().unwrap().0 < scene.length {
            sent.push((sent.last().unwrap().0 + scene.keep_alive, line("")));
        }

        let path =
            if world.is_calm() { Path::PERFECT } else { Path::new(&mut rng, scene.faults, begun, life) };
        let end_at = begun + life;
        let mut arriving = VecDeque::new();
        let mut last = 0_u64;
        for (at, bytes) in sent {
            if path.end == End::Closed && at >= end_at || path.swallows_from.is_some_and(|from| at >= from) {
                break;
            }
            last = path.arrival(at + 10 + rng.below(20), last);
            arriving.push_back((last, at, bytes));
        }
        let end = match path.end {
            End::Closed => Some((last.max(end_at), End::Closed)),
            End::Silent => None,
            end => Some((end_at, end)),
        };
        if let Some(stop) = path.stop {
            world.stops.borrow_mut().push(stop);
        }
        self.link = Some(Link { arriving, end });
        self.streams.borrow_mut().push((begun, begun));
    }
}

/// The faults of the path on one connection.
#[derive(Debug)]
struct Path {
    /// Nothing passes in these time ranges.
    stalls: Vec<(u64, u64)>,
    /// While the path is late, it passes one message per this interval.
    dribble: u64,
    /// The path passes its bytes at multiples of this interval.
    flush: u64,
    /// From this time on, everything is delayed by this length.
    delay: (u64, u64),
    swallows_from: Option<u64>,
    stop: Option<Stop>,
    end: End,
}

impl Path {
    const PERFECT: Self = Self {
        stalls: Vec::new(),
        dribble: 0,
        flush: 1,
        delay: (u64::MAX, 0),
        swallows_from: None,
        stop: None,
        end: End::Closed,
    };

    fn new(rng: &mut Rng, faults: Faults, begun: u64, life: u64) -> Self {
        let mut path = Self { end: rng.pick(&[End::Reset, End::Cut, End::Closed]), ..Self::PERFECT };
        let end = begun + life;
        let kind = match faults {
            Faults::Random => rng.below(7),
            Faults::StallAndReset => 0,
            Faults::Stopped => 1,
            Faults::Suspended => 2,
            Faults::Buffering => 3,
        };
        match kind {
            0 => {
                // Until shortly before the end, or much earlier.
                let to = end.saturating_sub(rng.pick(&[1, 5, 10, 100, 2_000, 9_000])).max(begun + 2_000);
                path.stalls = vec![(to.saturating_sub(rng.range(1_000, 22_000)).max(begun + 1_000), to)];
                path.dribble = rng.pick(&[0, 1, 5, 100, 1_500]);
                path.end = rng.pick(&[End::Reset, End::Cut]);
            }
            1 | 2 => {
                let from = end.saturating_sub(rng.below(20_000)).max(begun + 1_000);
                let to = from + rng.pick(&[3_000, 12_000, 35_000, 100_000]);
                path.stop = Some(Stop { from, to, is_suspend: kind == 2 });
            }
            3 => {
                path.flush = rng.range(100, 12_000);
                path.end = rng.pick(&[End::Reset, End::Cut]);
            }
            4 => path.delay = (begun + rng.below(life), rng.range(500, 15_000)),
            5 => (path.swallows_from, path.end) = (Some(end), End::Silent),
            _ => {}
        }
        path
    }

    /// Returns when the path delivers what reached it at `at`, after a delivery at `last`.
    fn arrival(&self, at: u64, last: u64) -> u64 {
        let mut arrival = at.max(last);
        if at >= self.delay.0 {
            arrival = arrival.max(at + self.delay.1);
        }
        for (from, to) in &self.stalls {
            if (*from..*to).contains(&arrival) {
                arrival = *to;
            }
        }
        if arrival > at {
            arrival = arrival.max(last + self.dribble);
        }
        arrival.div_ceil(self.flush) * self.flush
    }
}

impl Io for Line {
    fn now(&self) -> Instant {
        self.world.monotonic()
    }

    fn unix_now(&self) -> UnixTime {
        let unix = START + self.world.now.get();
        UnixTime::from_millis(unix.saturating_add_signed(self.world.scene.clock_off))
    }

    fn poll_connect(&mut self, _: &mut Context<'_>, _: Instant) -> Poll<Result<Option<()>, TransportError>> {
        let now = self.world.now.get();
        let (at, is_refused) = *self.connects_at.get_or_insert_with(|| {
            let mut rng = self.world.rng.borrow_mut();
            (now + rng.range(1, 200), rng.chance(40) && !self.world.is_calm())
        });
        if now < at {
            return self.world.wait(at);
        }
        self.connects_at = None;
        Poll::Ready(if is_refused {
            Err(TransportError::new(TransportErrorKind::Refused))
        } else {
            Ok(Some(()))
        })
    }

    fn poll_write(
        &mut self,
        _: &mut Context<'_>,
        bytes: &[u8],
        _: Instant,
    ) -> Poll<Result<Option<usize>, TransportError>> {
        self.request.extend_from_slice(bytes);
        self.accept();
        Poll::Ready(Ok(Some(bytes.len())))
    }

    fn poll_read(
        &mut self,
        _: &mut Context<'_>,
        buffer: &mut [u8],
        until: Instant,
    ) -> Poll<Result<Option<usize>, TransportError>> {
        let (now, is_over) = (self.world.now.get(), self.now() >= until);
        let link = self.link.as_mut().expect("a read is from an open connection");
        if let Some((at, End::Reset)) = link.end {
            if at <= now {
                return Poll::Ready(Err(TransportError::new(TransportErrorKind::Reset)));
            }
        }
        // Bytes in transit at the cut are lost.
        let by = link.end.filter(|(_, end)| *end == End::Cut).map_or(now, |(at, _)| at.min(now));
        let mut length = 0;
        while let Some((at, sent, bytes)) = link.arriving.front_mut() {
            let count = bytes.len().min(buffer.len() - length);
            if *at > by || count == 0 {
                break;
            }
            buffer[length..length + count].copy_from_slice(&bytes[..count]);
            length += count;
            bytes.drain(..count);
            if !bytes.is_empty() {
                break;
            }
            self.streams.borrow_mut().last_mut().unwrap().1 = *sent;
            link.arriving.pop_front();
        }
        if length > 0 {
            return Poll::Ready(Ok(Some(length)));
        }
        if link.end.is_some_and(|(at, _)| at <= now) {
            return Poll::Ready(Ok(Some(0)));
        }
        if is_over {
            return Poll::Ready(Ok(None));
        }
        let next = link.arriving.front().map_or(u64::MAX, |(at, ..)| *at);
        let next = next.min(link.end.map_or(u64::MAX, |(at, _)| at)).max(now + 1);
        self.world.wait_until(until);
        self.world.wait(next)
    }

    fn poll_sleep(&mut self, _: &mut Context<'_>, until: Instant) -> Poll<()> {
        if self.now() >= until {
            return Poll::Ready(());
        }
        self.world.wait_until(until);
        Poll::Pending
    }

    fn poll_close(&mut self, _: &mut Context<'_>) -> Poll<()> {
        (self.link, self.connects_at) = (None, None);
        self.request.clear();
        Poll::Ready(())
    }
}

fn text(id: u64) -> String {
    format!(r#"{{"created_at":"Sat Oct 10 20:19:24 +0000 2020","id":{id},"id_str":"{id}","text":"a"}}"#)
}

/// Encodes a message as one chunk.
fn line(message: &str) -> Vec<u8> {
    format!("{:x}\r\n{message}\r\n\r\n", message.len() + 2).into_bytes()
}

/// Returns a time in the query of a request, on 14 or 15 November 2023.
fn time_of(request: &str, name: &str) -> Option<u64> {
    let (_, value) = request.split_once(&format!("{name}=2023-11-"))?;
    let [day, hour, minute, second] = [(0, 2), (3, 5), (8, 10), (13, 15)].map(|(from, to)| {
        let text = &value[from..to];
        text.parse::<u64>().unwrap_or_else(|_| panic!("{text} in {request}"))
    });
    let unix = 1_699_920_000 + (day - 14) * 86_400 + hour * 3_600 + minute * 60 + second;
    // A range may begin before the virtual clock.
    Some((unix * 1_000).saturating_sub(START))
}

/// Formats a time on 14 or 15 November 2023 as HTTP does. All runs are on these days.
fn http_date(unix: u64) -> String {
    let since = unix - 1_699_920_000;
    let (day, seconds) = (since / 86_400, since % 86_400);
    let name = ["Tue", "Wed"][day as usize];
    let (hour, minute, second) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    format!("{name}, {} Nov 2023 {hour:02}:{minute:02}:{second:02} GMT", 14 + day)
}
