//! The reading thread's end of the queue to the [`Writer`](super::writer::Writer).

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use powerstream_client::merged::Position;
use powerstream_client::queue::{Cost, QueueStats, SendOutcome, Sender};
use powerstream_client::shutdown::{ShutdownHandle, ShutdownSignal};
use powerstream_core::stream::PostId;

use super::progress::{Progress, Tally};

/// What the writer gets.
#[derive(Debug)]
pub(super) enum Item {
    Post(Post),
    /// The position of the stream after all Posts before.
    Position(Position),
}

/// A Post to write. With `--format raw`, also an array with Posts.
#[derive(Debug)]
pub(super) struct Post {
    pub(super) bytes: Box<[u8]>,
    pub(super) id: Option<PostId>,
    /// The ids in an array.
    pub(super) ids: Vec<PostId>,
    pub(super) tally: Tally,
    /// When it was received.
    pub(super) at: Instant,
}

/// Sends Posts to the writer, waits for room if that is the policy, and counts Posts.
pub(super) struct Outlet {
    sender: Sender<Item>,
    /// Shuts the stream down.
    stream: ShutdownHandle,
    /// Signals that the command no longer waits for the reader of standard output.
    hurry: ShutdownSignal,
    progress: Arc<Progress>,
    received: Tally,
    /// The end of the last wait for room, and the sum of waits less than [`BLAMED_FOR`] apart.
    held: Option<(Instant, Duration)>,
}

/// Waits that sum up to this may be the reason why the server disconnects.
const BLAMED: Duration = Duration::from_secs(1);

/// A disconnect this long after a wait for room has another reason.
const BLAMED_FOR: Duration = Duration::from_secs(60);

impl Outlet {
    pub(super) fn new(
        sender: Sender<Item>,
        stream: ShutdownHandle,
        hurry: ShutdownSignal,
        progress: Arc<Progress>,
    ) -> Self {
        Self { sender, stream, hurry, progress, received: Tally::default(), held: None }
    }

    /// Shuts the stream down. Bytes that were read already are still sent to the writer.
    pub(super) fn shut_down(&self) {
        self.stream.shutdown();
    }

    /// Returns true if the writer has taken the last position: a writer that is blocked for hours
    /// must not find thousands.
    pub(super) fn takes_position(&self) -> bool {
        !self.progress.lock().has_position
    }

    /// Sends the position of the stream after all Posts that were sent.
    pub(super) fn position(&mut self, position: Position) {
        self.progress.lock().has_position = true;
        let mut cx = Context::from_waker(Waker::noop());
        // A position is never dropped and needs no room. Without a writer it does not matter.
        let _ = self.sender.poll_send(&mut cx, Cost::Event, || Item::Position(position));
    }

    /// Sends a message with this many Posts.
    pub(super) async fn post(
        &mut self,
        bytes: &[u8],
        id: Option<PostId>,
        ids: &[PostId],
        posts: u64,
        at: Instant,
    ) -> SendOutcome {
        let tally = Tally { posts, bytes: bytes.len() as u64 };
        self.received += tally;
        let cost = Cost::Message(bytes.len());
        let make = || Item::Post(Post { bytes: bytes.into(), id, ids: ids.to_vec(), tally, at });
        let Self { sender, hurry, progress, .. } = self;
        let mut held_since = None;
        let outcome = poll_fn(|cx| {
            let outcome = sender.poll_send(cx, cost, make);
            if outcome.is_ready() {
                return outcome;
            }
            if hurry.poll_stopped(cx).is_ready() {
                sender.end_waits();
                return sender.poll_send(cx, cost, make);
            }
            held_since.get_or_insert_with(|| {
                let now = Instant::now();
                progress.lock().room.begin(now);
                now
            });
            Poll::Pending
        })
        .await;
        if let Some(since) = held_since {
            let now = Instant::now();
            progress.lock().room.end(now);
            // A reader that is always a little too slow causes many short waits.
            let before = self.held.filter(|(ended, _)| since - *ended < BLAMED_FOR);
            self.held = Some((now, now - since + before.map_or(Duration::ZERO, |(_, total)| total)));
        }
        outcome
    }

    /// Announces the next event of a connection without a stream, for the thread that watches this
    /// one.
    pub(super) fn connects_after(&self, connection: usize, delay: Duration) {
        self.progress.lock().connects_after(connection, delay, Instant::now());
    }

    /// Reports that the connection has a stream, or will not connect again.
    pub(super) fn connects_no_more(&self, connection: usize) {
        self.progress.lock().connects_no_more(connection);
    }

    /// Returns the number of all Posts that were sent, including dropped ones.
    pub(super) const fn received(&self) -> Tally {
        self.received
    }

    /// Returns the state of the queue.
    pub(super) fn stats(&self) -> QueueStats {
        self.sender.stats()
    }

    /// Returns the sum of waits for room that may explain a disconnect now.
    pub(super) fn blamed(&self, now: Instant) -> Option<Duration> {
        let (ended, total) = self.held?;
        (total >= BLAMED && now.saturating_duration_since(ended) < BLAMED_FOR).then_some(total)
    }
}
