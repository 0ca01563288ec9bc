//! The writing thread: takes Posts from the queue and writes them to standard output, which may
//! block.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::Arc;
use std::task::Poll;
use std::time::Instant;

use powerstream_client::queue::{Delivery, Receiver};
use powerstream_core::stream::PostId;

use super::observe::Observed;
use super::outlet::{Item, Post};
use super::output::Output;
use super::progress::{Progress, Status, Tally};
use super::state::State;
use crate::status;

/// Collected Posts are written at this size, even if more wait in the queue.
pub(super) const BUFFER_BYTES: usize = 65_536;

/// Ids are stored at this number, even if more Posts wait in the queue.
const IDS_MAX: usize = 1_024;

/// Writes Posts, many per write if many wait, and counts those that the system has accepted
/// completely.
pub(super) struct Writer<W> {
    sink: W,
    /// The bytes per write.
    write_bytes: usize,
    output: Output,
    ends: VecDeque<End>,
    progress: Arc<Progress>,
    /// With the counters, of which the state keeps the Posts of the month.
    state: Option<(State, Observed)>,
    /// The ids of Posts that the system has taken, and the state has not.
    ids: Vec<PostId>,
}

/// The end of a Post in the bytes to write.
struct End {
    at: usize,
    tally: Tally,
    received_at: Instant,
    id: Option<PostId>,
    ids: Vec<PostId>,
}

impl<W: Write> Writer<W> {
    pub(super) fn new(
        sink: W,
        write_bytes: usize,
        output: Output,
        progress: Arc<Progress>,
        state: Option<(State, Observed)>,
    ) -> Self {
        Self { sink, write_bytes, output, ends: VecDeque::new(), progress, state, ids: Vec::new() }
    }

    /// Writes until the queue has ended. A Post is never held back while the queue is empty.
    pub(super) fn run(mut self, mut queue: Receiver<Item>) -> io::Result<()> {
        loop {
            let delivery = match queue.try_recv() {
                Poll::Ready(delivery) => delivery,
                Poll::Pending => {
                    self.flush()?;
                    queue.recv_blocking()
                }
            };
            match delivery {
                Some(Delivery::Event(Item::Post(post))) => self.take(post),
                Some(Delivery::Event(Item::Position(position))) => {
                    self.flush()?;
                    self.progress.lock().has_position = false;
                    if let Some((state, observed)) = &mut self.state {
                        state.save(&position, observed.month_posts());
                    }
                }
                // The queue counts them, and the watch reports them.
                Some(Delivery::Dropped(_)) => {}
                None => break,
            }
            if self.output.waiting().len() >= BUFFER_BYTES || self.ids.len() >= IDS_MAX {
                self.flush()?;
            }
        }
        self.flush()
    }

    fn take(&mut self, post: Post) {
        let Post { bytes, id, ids, tally, at: received_at } = post;
        self.output.post(&bytes, id);
        self.ends.push_back(End { at: self.output.waiting().len(), tally, received_at, id, ids });
        if self.output.is_none() {
            self.settle(0, &mut self.progress.clone().lock(), Instant::now());
        }
    }

    /// Counts the Posts that end within the first `at` bytes: they are written.
    fn settle(&mut self, at: usize, status: &mut Status, now: Instant) {
        while let Some(end) = self.ends.pop_front_if(|end| end.at <= at) {
            status.written += end.tally;
            status.waits.record(now.saturating_duration_since(end.received_at));
            if self.state.is_some() {
                self.ids.extend(end.id);
                self.ids.extend(end.ids);
            }
        }
    }

    /// Stores the ids of written Posts.
    fn store(&mut self) {
        if let Some((state, _)) = &mut self.state
            && !self.ids.is_empty()
        {
            state.written(&self.ids);
            self.ids.clear();
        }
    }

    /// Writes what is formatted. A status line is hidden until all of it is written, because a
    /// write may end within a character.
    fn flush(&mut self) -> io::Result<()> {
        status::hidden(|| self.write_out())
    }

    fn write_out(&mut self) -> io::Result<()> {
        let mut at = 0;
        while let waiting @ [_, ..] = &self.output.waiting()[at..] {
            self.progress.lock().output.begin(Instant::now());
            let waiting = &waiting[..waiting.len().min(self.write_bytes)];
            let written = self.sink.write(waiting);
            let now = Instant::now();
            let progress = Arc::clone(&self.progress);
            let mut status = progress.lock();
            status.output.end(now);
            match written {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(bytes) => at += bytes,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
            self.settle(at, &mut status, now);
            drop(status);
            self.store();
        }
        // With `--format none`, nothing was written above.
        self.store();
        self.output.clear();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use powerstream_client::queue::{Cost, QueueConfig, SendOutcome, queue};

    use super::*;
    use crate::stream::output::Format;

    /// Takes 7 bytes at a time, and `room` bytes in total.
    struct Sink {
        taken: Arc<Mutex<Vec<u8>>>,
        room: usize,
    }

    impl Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let mut taken = self.taken.lock().unwrap();
            if taken.len() == self.room {
                return Err(io::ErrorKind::StorageFull.into());
            }
            let count = bytes.len().min(7).min(self.room - taken.len());
            taken.extend_from_slice(&bytes[..count]);
            Ok(count)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn counts_posts_only_when_their_last_byte_is_taken() {
        // 10 Posts of 20 bytes, one per line.
        for room in 0..250 {
            let (mut sender, receiver) = queue(QueueConfig::default());
            for id in 0..10 {
                let bytes = format!("{{\"id\":{id},\"text\":\"abc\"}}");
                let tally = Tally { posts: 1, bytes: bytes.len() as u64 };
                let (bytes, ids) = (bytes.as_bytes().into(), Vec::new());
                let post = || Item::Post(Post { bytes, id: None, ids, tally, at: Instant::now() });
                let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
                let sent = sender.poll_send(&mut cx, Cost::Message(tally.bytes as usize), post);
                assert_eq!(sent, Poll::Ready(SendOutcome::Queued));
            }
            drop(sender);
            let (progress, taken) = (Arc::new(Progress::new()), Arc::new(Mutex::new(Vec::new())));
            let sink = Sink { taken: Arc::clone(&taken), room };
            let output = Output::new(Format::Json, false, false);
            let result = Writer::new(sink, 16, output, Arc::clone(&progress), None).run(receiver);
            let taken = taken.lock().unwrap();
            let lines = taken.iter().filter(|byte| **byte == b'\n').count() as u64;
            let written = progress.lock().written;
            assert_eq!((written.posts, taken.len()), (lines, room.min(220)), "{room}");
            assert_eq!(progress.lock().waits.count(), lines);
            assert_eq!(
                result.map_err(|error| error.kind()),
                match room {
                    220.. => Ok(()),
                    _ => Err(io::ErrorKind::StorageFull),
                }
            );
        }
    }
}
