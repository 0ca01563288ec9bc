//! Scripted connections that pend, on one virtual clock that jumps to the next event.

#![allow(dead_code, unreachable_pub, clippy::exhaustive_structs, clippy::exhaustive_enums)]

pub(crate) mod random;

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};

use powerstream_client::merged::{Member, Merged, MergedEvent};
use powerstream_client::recovery::{Recovery, RecoveryEvent};
use powerstream_core::buffered::Buffered;
use powerstream_core::dedup::WindowConfig;
use powerstream_core::driver::{Driver, Io};
use powerstream_core::http::Origin;
use powerstream_core::merge::ReplicaGroup;
use powerstream_core::session::{Session, SessionConfig, SessionEvent};
use powerstream_core::time::{Instant, TimeRange, UnixTime};
use powerstream_core::transport_error::{TransportError, TransportErrorKind};

pub const HEAD: &str = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
pub const UNIX_BASE: u64 = 1_700_000_000_000;

pub fn post(id: u64) -> String {
    format!(r#"{{"created_at":"Sat Oct 10 20:19:24 +0000 2020","id":{id},"id_str":"{id}","text":"a"}}"#)
}

/// Returns a Post from a relay that rounded its `id` to this value.
pub fn rounded_post(id: u64, rounded: &str) -> String {
    post(id).replacen(&id.to_string(), rounded, 1)
}

/// Returns an `id` near 2^60 as a relay rounds it that reads it as a double.
pub const ROUNDED: [&str; 2] = ["1152921504606847000", "1.1529215046068470e+18"];

fn is_whole(message: &[u8], id: u64) -> bool {
    message == post(id).as_bytes()
        || ROUNDED.iter().any(|rounded| message == rounded_post(id, rounded).as_bytes())
}

/// Encodes a message as one chunk.
pub fn line(message: &str) -> Vec<u8> {
    format!("{:x}\r\n{message}\r\n\r\n", message.len() + 2).into_bytes()
}

/// An action of a server, with the time in milliseconds.
#[derive(Clone, Debug)]
pub enum Act {
    Bytes(Vec<u8>),
    Reset,
}

/// The outcome of a connection attempt.
#[derive(Clone, Debug)]
pub enum Attempt {
    Refused,
    Never,
    Open(VecDeque<(u64, Act)>),
    /// Carries the Posts of a group for a time after the connect. Posts sent later never arrive.
    /// After a further time it is reset.
    Live {
        group: u64,
        alive: u64,
        silent: u64,
    },
    /// Answers a recovery: the Posts of a group that were sent in the range that was requested
    /// last.
    Range {
        group: u64,
        requested: Arc<Mutex<Vec<TimeRange>>>,
    },
}

/// Returns when every server that carries the Post of this number sends it.
pub const fn sent_at(number: u64) -> u64 {
    70 * number
}

/// Returns the id of the Post of this number in a group.
pub const fn id_of(group: u64, number: u64) -> u64 {
    1_000_000 * group + number
}

/// Returns a stream: its head at once, then these messages at their times.
pub fn stream<M: AsRef<str>>(messages: impl IntoIterator<Item = (u64, M)>) -> Attempt {
    let head = [(0, Act::Bytes(HEAD.into()))];
    let messages = messages.into_iter().map(|(at, message)| (at, Act::Bytes(line(message.as_ref()))));
    Attempt::Open(head.into_iter().chain(messages).collect())
}

impl Attempt {
    pub fn reset(mut self, at: u64) -> Self {
        let Self::Open(acts) = &mut self else { panic!("only what is open is reset") };
        acts.push_back((at, Act::Reset));
        self
    }

    pub fn bytes(mut self, at: u64, bytes: impl Into<Vec<u8>>) -> Self {
        let Self::Open(acts) = &mut self else { panic!("only what is open sends") };
        acts.push_back((at, Act::Bytes(bytes.into())));
        self
    }
}

/// The state that all connections share.
#[derive(Debug)]
pub struct World {
    pub now: Cell<u64>,
    /// The time of the next event.
    wake: Cell<u64>,
    /// If true, every operation pends once before it acts.
    pub hesitates: Cell<bool>,
    hesitated: Cell<bool>,
    /// The number of polls that returned `Pending`.
    pub waits: Cell<u64>,
    pub stopped: Cell<bool>,
}

impl Default for World {
    fn default() -> Self {
        Self {
            now: Cell::new(0),
            wake: Cell::new(u64::MAX),
            hesitates: Cell::new(false),
            hesitated: Cell::new(false),
            waits: Cell::new(0),
            stopped: Cell::new(false),
        }
    }
}

#[derive(Debug)]
pub struct Wire {
    world: Rc<World>,
    attempts: VecDeque<Attempt>,
    open: Option<VecDeque<(u64, Act)>>,
    has_hesitated: bool,
    pub connects: usize,
    /// Bytes passed on so far.
    pub fed: Rc<Cell<usize>>,
}

impl Wire {
    pub fn new(world: &Rc<World>, attempts: impl IntoIterator<Item = Attempt>) -> Self {
        Self {
            world: Rc::clone(world),
            attempts: attempts.into_iter().collect(),
            open: None,
            has_hesitated: false,
            connects: 0,
            fed: Rc::default(),
        }
    }

    fn hesitates(&mut self) -> bool {
        self.has_hesitated = self.world.hesitates.get() && !self.has_hesitated;
        if self.has_hesitated {
            self.world.hesitated.set(true);
        }
        self.has_hesitated
    }

    /// Pends until then. Polling again is not a new operation.
    fn wait<T>(&mut self, until: u64) -> Poll<T> {
        self.has_hesitated = true;
        self.world.waits.set(self.world.waits.get() + 1);
        self.world.wake.set(self.world.wake.get().min(until));
        Poll::Pending
    }
}

impl Io for Wire {
    fn now(&self) -> Instant {
        Instant::from_nanos(self.world.now.get())
    }

    fn unix_now(&self) -> UnixTime {
        UnixTime::from_millis(UNIX_BASE + self.world.now.get() / 1_000_000)
    }

    fn is_stopped(&self) -> bool {
        self.world.stopped.get()
    }

    fn poll_connect(
        &mut self,
        _: &mut Context<'_>,
        until: Instant,
    ) -> Poll<Result<Option<()>, TransportError>> {
        if self.hesitates() {
            return Poll::Pending;
        }
        match self.attempts.front() {
            Some(Attempt::Never) if self.now() < until => return self.wait(until.as_nanos()),
            Some(Attempt::Never) => return Poll::Ready(Ok(None)),
            _ => {}
        }
        self.connects += 1;
        match self.attempts.pop_front() {
            Some(Attempt::Open(acts)) => {
                self.open = Some(acts);
                Poll::Ready(Ok(Some(())))
            }
            Some(Attempt::Live { group, alive, silent }) => {
                let now = self.world.now.get() / 1_000_000;
                let numbers = (0..).skip_while(|number| sent_at(*number) <= now);
                let numbers = numbers.take_while(|number| sent_at(*number) <= now + alive);
                let posts = numbers.map(|n| (sent_at(n), Act::Bytes(line(&post(id_of(group, n))))));
                let head = [(now, Act::Bytes(HEAD.into()))];
                let end = [(now + alive + silent, Act::Reset)];
                self.open = Some(head.into_iter().chain(posts).chain(end).collect());
                Poll::Ready(Ok(Some(())))
            }
            Some(Attempt::Range { group, requested }) => {
                let now = self.world.now.get() / 1_000_000;
                let range = *requested.lock().unwrap().last().expect("a range is requested");
                let [from, to] = [range.from, range.to].map(|time| time.as_millis() - UNIX_BASE);
                let numbers = (from.div_ceil(sent_at(1))..).take_while(|number| sent_at(*number) < to);
                let posts = numbers.map(|n| (now, Act::Bytes(line(&post(id_of(group, n))))));
                let (head, end) =
                    ([(now, Act::Bytes(HEAD.into()))], [(now, Act::Bytes(b"0\r\n\r\n".into()))]);
                self.open = Some(head.into_iter().chain(posts).chain(end).collect());
                Poll::Ready(Ok(Some(())))
            }
            _ => Poll::Ready(Err(TransportError::new(TransportErrorKind::Refused))),
        }
    }

    fn poll_write(
        &mut self,
        _: &mut Context<'_>,
        bytes: &[u8],
        _: Instant,
    ) -> Poll<Result<Option<usize>, TransportError>> {
        if self.hesitates() {
            return Poll::Pending;
        }
        Poll::Ready(Ok(Some(bytes.len())))
    }

    fn poll_read(
        &mut self,
        _: &mut Context<'_>,
        buffer: &mut [u8],
        until: Instant,
    ) -> Poll<Result<Option<usize>, TransportError>> {
        if self.hesitates() {
            return Poll::Pending;
        }
        let now = self.world.now.get();
        let acts = self.open.as_mut().expect("a read is from an open connection");
        let due = acts.front().map_or(u64::MAX, |(at, _)| at * 1_000_000);
        if due > now {
            if now >= until.as_nanos() {
                return Poll::Ready(Ok(None));
            }
            return self.wait(due.min(until.as_nanos()));
        }
        let mut length = 0;
        while let Some((at, Act::Bytes(bytes))) = acts.front_mut() {
            let count = bytes.len().min(buffer.len() - length);
            if *at * 1_000_000 > now || count == 0 {
                break;
            }
            buffer[length..length + count].copy_from_slice(&bytes[..count]);
            length += count;
            bytes.drain(..count);
            if !bytes.is_empty() {
                break;
            }
            acts.pop_front();
        }
        self.fed.set(self.fed.get() + length);
        if length == 0 {
            acts.pop_front();
            return Poll::Ready(Err(TransportError::new(TransportErrorKind::Reset)));
        }
        Poll::Ready(Ok(Some(length)))
    }

    fn poll_sleep(&mut self, _: &mut Context<'_>, until: Instant) -> Poll<()> {
        if self.hesitates() {
            return Poll::Pending;
        }
        if self.now() >= until { Poll::Ready(()) } else { self.wait(until.as_nanos()) }
    }

    fn poll_close(&mut self, _: &mut Context<'_>) -> Poll<()> {
        if self.hesitates() {
            return Poll::Pending;
        }
        self.open = None;
        if let Some(Attempt::Never) = self.attempts.front() {
            self.attempts.pop_front();
        }
        Poll::Ready(())
    }
}

pub type Stream = Merged<Vec<u8>, Vec<u8>, Wire>;

pub fn driven(wire: Wire, seed: u64) -> Driver<Vec<u8>, Vec<u8>, Wire> {
    driven_with(wire, seed, 4_096)
}

pub fn driven_with(wire: Wire, seed: u64, buffer: usize) -> Driver<Vec<u8>, Vec<u8>, Wire> {
    driven_by(wire, seed, buffer, |_| {})
}

/// The same with changes to the session's configuration.
pub fn driven_by(
    wire: Wire,
    seed: u64,
    buffer: usize,
    change: impl FnOnce(&mut SessionConfig<'_>),
) -> Driver<Vec<u8>, Vec<u8>, Wire> {
    let mut config = SessionConfig::new(Origin::parse("http://127.0.0.1:8080").unwrap());
    config.message_bytes_max = 1_000;
    config.backoff.jitter_percent = 0;
    change(&mut config);
    let storage = vec![0; config.storage_bytes()];
    let session = Session::new(storage, &config, seed, wire.now(), wire.unix_now()).unwrap();
    Driver::new(Buffered::new(session, vec![0; buffer]), wire)
}

/// Creates connections named `a`, `b` and so on, each with its group and the outcomes of its
/// attempts.
pub fn merged(world: &Rc<World>, lines: impl IntoIterator<Item = (u16, Vec<Attempt>)>) -> Stream {
    merged_with(world, lines, 1_000)
}

/// The same with a dedup window of so many Posts.
pub fn merged_with(
    world: &Rc<World>,
    lines: impl IntoIterator<Item = (u16, Vec<Attempt>)>,
    posts: usize,
) -> Stream {
    let lines = lines.into_iter().zip('a'..).enumerate().map(|(index, ((group, attempts), name))| {
        let wire = Wire::new(world, attempts);
        Member::new(name.to_string(), ReplicaGroup::new(group), driven(wire, index as u64))
    });
    let mut window = WindowConfig::default();
    window.posts = posts;
    Merged::new(lines.collect(), &window).unwrap()
}

/// Waits for the next event. Returns `false` if none happens before `limit`, in milliseconds.
pub fn advance(world: &World, limit: u64) -> bool {
    if world.hesitated.take() {
        return true;
    }
    let next = world.wake.replace(u64::MAX);
    assert!(next > world.now.get() || next == u64::MAX, "a wait for what has been");
    if next > limit * 1_000_000 {
        return false;
    }
    world.now.set(next);
    true
}

/// Returns true if a task woke itself, to let others run.
#[derive(Debug, Default)]
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Returns a line `milliseconds connection event` for each event, and stops before the first event
/// after `limit`.
pub fn run(merged: &mut Stream, world: &World, limit: u64) -> Vec<String> {
    let log = RefCell::new(Vec::new());
    let woken = Arc::new(Woken::default());
    let waker = Waker::from(Arc::clone(&woken));
    let mut cx = Context::from_waker(&waker);
    loop {
        let names: Vec<_> = merged.members().iter().map(|line| line.name().to_owned()).collect();
        match merged.poll_next(&mut cx) {
            Poll::Ready(Some(event)) => log.borrow_mut().push(tell(world, &names, &event)),
            Poll::Ready(None) => {
                log.borrow_mut().push(format!("{} done", world.now.get() / 1_000_000));
                break;
            }
            Poll::Pending if woken.0.swap(false, Ordering::Relaxed) => {}
            Poll::Pending => {
                if !advance(world, limit) {
                    break;
                }
            }
        }
    }
    log.into_inner()
}

pub fn tell(world: &World, names: &[String], event: &MergedEvent<'_>) -> String {
    let since = |time: UnixTime| time.as_millis() as i64 - UNIX_BASE as i64;
    let what = match event {
        MergedEvent::Session { connection, event } => {
            let what = match event {
                SessionEvent::Connected(_) => "connected".to_owned(),
                SessionEvent::Message(message) => match message.id() {
                    Some(id) => {
                        assert!(is_whole(message.bytes, id.as_u64()), "{}", message.bytes.escape_ascii());
                        format!("post {id}")
                    }
                    None => String::from_utf8_lossy(message.bytes).into_owned(),
                },
                SessionEvent::KeepAlive => "keep-alive".to_owned(),
                SessionEvent::Disconnected(disconnected) => disconnected.reason.code().to_owned(),
                SessionEvent::GaveUp(gave_up) => format!("gave up: {}", gave_up.reason.code()),
                other => format!("{other:?}"),
            };
            format!("{} {what}", names[connection.index()])
        }
        MergedEvent::Interrupted(it) => {
            format!("group {} interrupted at {}", it.group.number(), since(it.from))
        }
        MergedEvent::Gap(gap) => {
            format!("group {} misses {} to {}", gap.group.number(), since(gap.from), since(gap.to))
        }
        MergedEvent::Recovery(event) => {
            let range = |it: &Recovery| format!("{} to {}", since(it.range.from), since(it.range.to));
            let what = match event {
                RecoveryEvent::Started(it) => format!("started {}", range(it)),
                RecoveryEvent::Message(message) => match message.id() {
                    Some(id) => format!("post {id}"),
                    None => String::from_utf8_lossy(message.bytes).into_owned(),
                },
                RecoveryEvent::Refused(refused) => format!("refused {}", refused.refusal.status),
                RecoveryEvent::Disconnected(it) => format!("disconnected {}", it.reason.code()),
                RecoveryEvent::Completed { recovery, posts } => {
                    format!("completed {}, {posts} Posts", range(recovery))
                }
                RecoveryEvent::Lost { recovery, reason, .. } => format!("lost {}: {reason}", range(recovery)),
                other => format!("{other:?}"),
            };
            format!("recovery {what}")
        }
        _ => panic!("an event of a new kind: {event:?}"),
    };
    format!("{} {what}", world.now.get() / 1_000_000)
}
