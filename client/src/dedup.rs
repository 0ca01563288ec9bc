//! A stream of one connection that delivers each Post once.
//!
//! The service repeats Posts after a reconnect with backfill, and X removes no duplicates. A
//! [`Window`] of ids removes them here: from a single stream ([`Deduped`]), and from a
//! [merged](crate::merged) stream, whose connections share a window.
//!
//! - A duplicate is released before it is delivered, and no copy is made for the consumer.
//! - An array without duplicates is delivered as received. From an array with duplicates, each
//!   other element is delivered as a message.
//! - Posts without an id, and messages that are not Posts, are always delivered.
//! - A copy that is not well-formed JSON never takes the place of one that is. If no whole copy
//!   came before it, it is delivered as a malformed message, without an id and each time it
//!   arrives.

use std::ops::Range;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::vec::Vec;

use powerstream_core::dedup::{Insert, Window};
use powerstream_core::driver::{Driver, Io};
use powerstream_core::monitor::Monitor;
use powerstream_core::session::SessionEvent;
use powerstream_core::stream::{ArrayElements, Classification, Kind, Malformed, PostId, classify, elements};
use powerstream_core::time::Instant;

use crate::telemetry::ConnectionSpan;

/// Duplicates in a row after which other tasks of the executor run. A duplicate produces no event,
/// so without this limit a connection that repeats Posts would occupy the executor's thread.
const DUPLICATES_IN_A_ROW: u32 = 256;

/// Counts the duplicates that one poll has released.
#[derive(Debug, Default)]
pub(crate) struct Released(u32);

impl Released {
    /// Counts one more. Returns pending, and wakes the task of `cx`, if other tasks must run first.
    pub(crate) fn count(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.0 += 1;
        if self.0 < DUPLICATES_IN_A_ROW {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

/// The result of checking a copy of a Post.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Copied {
    New,
    Duplicate,
    /// Not well-formed JSON, and no other copy came before.
    Broken(Malformed),
}

/// A session and its transport, filtered so that only new Posts are delivered.
///
/// The caller judges a Post by id, bytes and time of arrival. A single stream has its own window;
/// the connections of a merged stream share one.
#[derive(Debug)]
pub(crate) struct Filtered<S: AsRef<[u8]> + AsMut<[u8]>, B, I> {
    driver: Driver<S, B, I>,
    /// The element to deliver of the array that the driver lends. `None`: the whole event.
    element: Option<Element>,
    /// The classification to deliver, if the driver lends a malformed copy of a Post.
    broken: Option<Classification>,
    monitor: Arc<Monitor>,
    span: ConnectionSpan,
}

/// An element of an array that has duplicates.
#[derive(Debug)]
struct Element {
    range: Range<usize>,
    class: Classification,
    /// Where the array's first duplicate starts. Elements before it are known to be new.
    duplicate: usize,
}

impl<S, B, I> Filtered<S, B, I>
where
    S: AsRef<[u8]> + AsMut<[u8]>,
    B: AsRef<[u8]> + AsMut<[u8]>,
    I: Io,
{
    /// `name` distinguishes the connection from others.
    pub(crate) fn new(driver: Driver<S, B, I>, name: &str) -> Self {
        let monitor = Arc::new(Monitor::new(driver.io().now(), driver.io().unix_now()));
        Self { driver, element: None, broken: None, monitor, span: ConnectionSpan::new(name) }
    }

    /// Returns the counters of the session's events.
    pub(crate) const fn monitor(&self) -> &Arc<Monitor> {
        &self.monitor
    }

    pub(crate) const fn driver(&self) -> &Driver<S, B, I> {
        &self.driver
    }

    /// Returns true if a part of an array is delivered, and more of it may follow.
    pub(crate) const fn is_in_array(&self) -> bool {
        self.element.is_some()
    }

    pub(crate) fn into_driver(self) -> Driver<S, B, I> {
        self.driver
    }

    pub(crate) const fn driver_mut(&mut self) -> &mut Driver<S, B, I> {
        &mut self.driver
    }

    /// Runs the driver until there is an event. See [`Driver::poll_event`].
    pub(crate) fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<bool> {
        if self.driver.buffered().session().is_streaming() {
            return self.driver.poll_event(cx);
        }
        // What the transport does to connect are events of the connection.
        let Self { driver, span, .. } = self;
        span.in_scope(|| driver.poll_event(cx))
    }

    /// Returns true if the event that the driver lends is delivered, whole or an element of it.
    ///
    /// Calls `judge` once for each Post, with its id, its bytes and the time at which it was read.
    pub(crate) fn admit(&mut self, mut judge: impl FnMut(PostId, &[u8], Instant) -> Copied) -> bool {
        let at = self.driver.buffered().read_at();
        let Some(message) = self.driver.peek_message() else {
            self.count_event();
            return true;
        };
        self.monitor.handle_message(&message, at);
        match (message.id(), message.kind()) {
            (Some(id), _) => {
                let copied = count(&self.monitor, judge(id, message.bytes, at));
                if let Copied::Broken(malformed) = copied {
                    let mut class = message.class;
                    (class.kind, class.post_id) = (Kind::Malformed(malformed), None);
                    self.broken = Some(class);
                }
                copied != Copied::Duplicate
            }
            (None, Kind::Array) if is_whole(message.bytes) => {
                let mut rest = elements(message.bytes);
                let mut judged = |id, copy: &[u8], at| count(&self.monitor, judge(id, copy, at));
                let duplicate = find(&mut rest, message.bytes, |range, class| {
                    is_duplicate(class, &message.bytes[range.clone()], at, &mut judged)
                });
                duplicate.is_none_or(|(range, _)| self.find_element(0, range.start, judge))
            }
            _ => true,
        }
    }

    /// Counts an event that is no message.
    #[cold]
    fn count_event(&self) {
        let Some(event) = self.driver.peek() else { return };
        self.monitor.handle_event(&event, self.driver.buffered().read_at());
        if !matches!(event, SessionEvent::KeepAlive) {
            self.span.handle_event(&event);
        }
        if let SessionEvent::Connected(_) = event {
            // The clocks drift apart over months.
            self.monitor.set_wall_clock(self.driver.io().now(), self.driver.io().unix_now());
        }
    }

    /// Releases the delivered part. Returns true if another element of the same array is delivered.
    pub(crate) fn release_part(&mut self, judge: impl FnMut(PostId, &[u8], Instant) -> Copied) -> bool {
        self.broken = None;
        self.element
            .take()
            .is_some_and(|element| self.find_element(element.range.end, element.duplicate, judge))
    }

    /// Finds the next element to deliver, from the offset `from` in the array that the driver
    /// lends.
    fn find_element(
        &mut self,
        from: usize,
        duplicate: usize,
        mut judge: impl FnMut(PostId, &[u8], Instant) -> Copied,
    ) -> bool {
        let Some(SessionEvent::Message(array)) = self.driver.peek() else {
            unreachable!("the array is released after its elements")
        };
        let at = self.driver.buffered().read_at();
        let mut rest = match from {
            0 => elements(array.bytes),
            end => ArrayElements::resume(array.bytes, end),
        };
        let mut judge = |id, copy: &[u8], at| count(&self.monitor, judge(id, copy, at));
        let element = find(&mut rest, array.bytes, |range, class| {
            range.start < duplicate
                || range.start > duplicate
                    && !is_duplicate(class, &array.bytes[range.clone()], at, &mut judge)
        });
        self.element = element.map(|(range, class)| Element { range, class, duplicate });
        self.element.is_some()
    }

    /// Lends the part of the driver's event that is delivered.
    pub(crate) fn peek(&self) -> Option<SessionEvent<'_>> {
        if self.element.is_none() && self.broken.is_none() {
            // The usual case copies no event.
            return self.driver.peek();
        }
        let event = self.driver.peek()?;
        Some(match (event, &self.element, self.broken) {
            (SessionEvent::Message(array), Some(element), _) => {
                let bytes = &array.bytes[element.range.clone()];
                SessionEvent::Message(array.part(bytes, element.class))
            }
            (SessionEvent::Message(copy), None, Some(class)) => {
                SessionEvent::Message(copy.part(copy.bytes, class))
            }
            (event, ..) => event,
        })
    }
}

/// Counts a duplicate.
fn count(monitor: &Monitor, copied: Copied) -> Copied {
    if copied == Copied::Duplicate {
        monitor.handle_duplicates(1);
    }
    copied
}

/// Returns true if an element of an array is a Post that came before.
fn is_duplicate(
    class: &Classification,
    element: &[u8],
    at: Instant,
    judge: &mut impl FnMut(PostId, &[u8], Instant) -> Copied,
) -> bool {
    class.post_id.is_some_and(|id| judge(id, element, at) == Copied::Duplicate)
}

/// Finds the first of the elements for which `is_it` returns true.
fn find(
    rest: &mut ArrayElements<'_>,
    array: &[u8],
    mut is_it: impl FnMut(&Range<usize>, &Classification) -> bool,
) -> Option<(Range<usize>, Classification)> {
    while let Some(Ok(range)) = rest.next_range() {
        let class = classify(&array[range.clone()]);
        if is_it(&range, &class) {
            return Some((range, class));
        }
    }
    None
}

/// Returns true if the array is well-formed to its end and not empty. A truncated array is
/// delivered as received, so that the consumer sees it.
fn is_whole(array: &[u8]) -> bool {
    let mut elements = elements(array).peekable();
    elements.peek().is_some() && elements.all(|element| element.is_ok())
}

/// A single stream: the events of one session, each Post once.
#[derive(Debug)]
pub struct Deduped<S: AsRef<[u8]> + AsMut<[u8]>, B, I> {
    session: Filtered<S, B, I>,
    /// `None`: duplicates are delivered.
    window: Option<Window<Vec<u64>>>,
    /// True if a whole copy may follow a malformed one, so malformed copies must not enter the
    /// window.
    checks_copies: bool,
    duplicates: u64,
    /// True if the event that the session lends was admitted.
    is_admitted: bool,
}

impl<S, B, I> Deduped<S, B, I>
where
    S: AsRef<[u8]> + AsMut<[u8]>,
    B: AsRef<[u8]> + AsMut<[u8]>,
    I: Io,
{
    /// Creates a stream that removes the duplicates found by `window`. Without a window, it removes
    /// none.
    #[must_use]
    pub fn new(driver: Driver<S, B, I>, window: Option<Window<Vec<u64>>>) -> Self {
        Self {
            session: Filtered::new(driver, ""),
            window,
            checks_copies: false,
            duplicates: 0,
            is_admitted: false,
        }
    }

    /// Sets whether the first copy of each Post is checked to be well-formed JSON. Default off.
    ///
    /// With the check, a malformed copy does not suppress a later well-formed one. It costs 1.8 µs
    /// a Post. Use it with backfill, which repeats Posts.
    #[must_use]
    pub fn check_copies(self, checks_copies: bool) -> Self {
        Self { checks_copies, ..self }
    }

    /// Returns the session and its transport.
    #[must_use]
    pub const fn driver(&self) -> &Driver<S, B, I> {
        self.session.driver()
    }

    /// Returns the counters of the session's events. They can be read from any thread.
    #[must_use]
    pub const fn monitor(&self) -> &Arc<Monitor> {
        self.session.monitor()
    }

    /// Returns how many duplicates were removed.
    #[must_use]
    pub const fn duplicates(&self) -> u64 {
        self.duplicates
    }

    /// Polls for the next event. See
    /// [`EventSource::poll_event`](crate::queue::EventSource::poll_event).
    pub fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<bool> {
        let mut released = Released::default();
        while !self.is_admitted {
            if !ready!(self.session.poll_event(cx)) {
                return Poll::Ready(false);
            }
            if !self.admit() {
                ready!(released.count(cx));
            }
        }
        Poll::Ready(true)
    }

    /// Looks for a buffered event. See
    /// [`EventSource::find_next`](crate::queue::EventSource::find_next).
    pub fn find_next(&mut self) -> bool {
        while !self.is_admitted && self.session.driver_mut().find_next() {
            self.admit();
        }
        self.is_admitted
    }

    /// Admits the event that the session lends, or releases it.
    fn admit(&mut self) -> bool {
        let Self { session, window, checks_copies, duplicates, .. } = self;
        self.is_admitted = session.admit(judge(window.as_mut(), *checks_copies, duplicates));
        if !self.is_admitted {
            session.driver_mut().release();
        }
        self.is_admitted
    }

    /// Lends the current event. See [`EventSource::peek`](crate::queue::EventSource::peek).
    #[must_use]
    pub fn peek(&self) -> Option<SessionEvent<'_>> {
        if self.is_admitted { self.session.peek() } else { None }
    }

    /// Releases the current event. See
    /// [`EventSource::release`](crate::queue::EventSource::release).
    pub fn release(&mut self) {
        if !self.is_admitted {
            return;
        }
        let Self { session, window, checks_copies, duplicates, .. } = self;
        self.is_admitted = session.release_part(judge(window.as_mut(), *checks_copies, duplicates));
        if !self.is_admitted {
            session.driver_mut().release();
        }
    }

    /// Asks the session to end. Messages that are already in the read buffer are delivered.
    pub fn shutdown(&mut self) {
        self.session.driver_mut().shutdown();
    }
}

/// Enters Posts into the window, and counts duplicates.
fn judge(
    mut window: Option<&mut Window<Vec<u64>>>,
    checks_copies: bool,
    duplicates: &mut u64,
) -> impl FnMut(PostId, &[u8], Instant) -> Copied {
    move |id, copy, at| {
        let Some(window) = &mut window else { return Copied::New };
        let inserted =
            if checks_copies { window.insert_copy(id, copy, at, 0) } else { window.insert(id, at, 0) };
        match inserted {
            Insert::New => Copied::New,
            Insert::Duplicate(_) => {
                *duplicates += 1;
                Copied::Duplicate
            }
            Insert::Broken(malformed) => Copied::Broken(malformed),
        }
    }
}
