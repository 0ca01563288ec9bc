//! The event source of the pump: one stream or merged streams, on any runtime.

use powerstream_client::merged::{MergedEvent, Position};
use powerstream_core::merge::{ConnectionId, ConnectionStats};
use powerstream_core::session::SessionEvent;

/// Events with the connection that each is about.
pub(crate) trait Source {
    /// Returns true if the next event is buffered, so that [`Self::next`] does not wait.
    fn find_next(&mut self) -> bool;

    /// Waits for the next event. Returns `None` after the last.
    async fn next(&mut self) -> Option<MergedEvent<'_>>;

    /// Returns the bytes that a connection has received since it last connected.
    fn received(&self, connection: ConnectionId) -> u64;

    /// Returns the number of copies of Posts that were already delivered.
    fn duplicates(&self) -> u64;

    /// Returns the position of the stream, of merged connections only.
    fn position(&self) -> Option<Position> {
        None
    }

    /// Returns the statistics of merged connections.
    fn records(&self) -> &[ConnectionStats] {
        &[]
    }
}

/// Attributes an event to the only connection.
fn single(event: SessionEvent<'_>) -> MergedEvent<'_> {
    MergedEvent::Session { connection: ConnectionId::FIRST, event }
}

/// Implements the source for the streams of one runtime, with await if it is async.
macro_rules! sources {
    ($runtime:ident $(, $await:tt)?) => {
        impl Source for $runtime::Stream {
            fn find_next(&mut self) -> bool {
                self.find_next()
            }

            async fn next(&mut self) -> Option<MergedEvent<'_>> {
                self.next()$(.$await)?.map(single)
            }

            fn received(&self, _: ConnectionId) -> u64 {
                self.session().byte_counts().received
            }

            fn duplicates(&self) -> u64 {
                self.duplicates()
            }
        }

        impl Source for $runtime::MergedStream {
            fn find_next(&mut self) -> bool {
                self.find_next()
            }

            async fn next(&mut self) -> Option<MergedEvent<'_>> {
                self.next()$(.$await)?
            }

            fn received(&self, connection: ConnectionId) -> u64 {
                self.session(connection).byte_counts().received
            }

            fn duplicates(&self) -> u64 {
                let copies = |record: &ConnectionStats| record.duplicates() + record.late_arrivals();
                self.records().iter().map(copies).sum()
            }

            fn position(&self) -> Option<Position> {
                self.position()
            }

            fn records(&self) -> &[ConnectionStats] {
                self.merge().connections()
            }
        }
    };
}

sources!(powerstream_blocking);
sources!(powerstream_tokio, await);
sources!(powerstream_smol, await);
