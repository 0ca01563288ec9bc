//! The writing thread: from the queue to standard output, which may block it for as long as it likes.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::Arc;
use std::task::Poll;
use std::time::Instant;

use powerstream_client::queue::{Delivery, Receiver};
use powerstream_core::stream::{Kind, classify, elements};

use super::outlet::{Item, Post};
use super::output::Output;
use super::progress::{LONG_WRITE, Progress, Tally};

/// Most bytes of one write, but for a single Post that is longer.
pub(super) const WRITE_BYTES: usize = 65_536;

/// Writes Posts, many in one write where many wait, and counts those that the system has taken whole.
pub(super) struct Writer<W> {
    sink: W,
    output: Output,
    /// Where the Posts end in what is to be written.
    ends: VecDeque<(usize, Tally)>,
    progress: Arc<Progress>,
}

impl<W: Write> Writer<W> {
    pub(super) fn new(sink: W, output: Output, progress: Arc<Progress>) -> Self {
        Self { sink, output, ends: VecDeque::new(), progress }
    }

    /// Writes until the queue has ended. A Post is never kept back while the queue is empty.
    pub(super) fn run(mut self, mut queue: Receiver<Item>) -> io::Result<()> {
        loop {
            let delivery = match queue.try_recv() {
                Poll::Ready(delivery) => delivery,
                Poll::Pending => {
                    self.flush()?;
                    // Book-keeping while nothing else is to be done.
                    self.progress.lock().latency.settle();
                    queue.recv_blocking()
                }
            };
            match delivery {
                Some(Delivery::Event(item)) => self.take(&item),
                // The queue counts them, the watch reports them.
                Some(Delivery::Dropped(_)) => {}
                None => break,
            }
            if self.output.waiting().len() >= WRITE_BYTES {
                self.flush()?;
            }
        }
        self.flush()?;
        self.progress.lock().latency.settle();
        Ok(())
    }

    fn take(&mut self, item: &Item) {
        // Before anything is made of it: this is when it was delivered.
        let now = Instant::now();
        if let Item::Post(Post { bytes, id, tally }) = item {
            self.output.post(bytes, *id);
            self.ends.push_back((self.output.waiting().len(), *tally));
        }
        let latency = &mut self.progress.lock().latency;
        match item {
            Item::Connected => latency.connected(),
            Item::Disconnected(at) => latency.disconnected(*at),
            Item::Post(Post { id: Some(id), .. }) => latency.delivered(*id, now),
            // An array as it came.
            Item::Post(Post { bytes, .. }) => elements(bytes)
                .map_while(Result::ok)
                .map(classify)
                .filter(|class| matches!(class.kind, Kind::Post { .. }))
                .filter_map(|class| class.post_id)
                .for_each(|id| latency.delivered(id, now)),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        let mut at = 0;
        while let waiting @ [_, ..] = &self.output.waiting()[at..] {
            self.progress.lock().output.begin(Instant::now());
            let written = self.sink.write(waiting);
            let mut status = self.progress.lock();
            status.output.end(Instant::now(), LONG_WRITE);
            match written {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(bytes) => at += bytes,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
            while let Some((_, tally)) = self.ends.pop_front_if(|(end, _)| *end <= at) {
                status.written += tally;
            }
        }
        self.output.clear();
        Ok(())
    }
}
