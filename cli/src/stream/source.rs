//! What the pump reads: one stream or several merged ones, on any runtime.

use powerstream_client::merged::MergedEvent;
use powerstream_core::merge::{ConnectionId, ConnectionStats};
use powerstream_core::session::SessionEvent;

/// Events, each with the connection that it is about.
pub(super) trait Source {
    /// Whether the next event is at hand, so that [`Self::next`] will not wait.
    fn find_next(&mut self) -> bool;

    /// Waits for the next event; `None` once there will be none.
    async fn next(&mut self) -> Option<MergedEvent<'_>>;

    /// ByteCounts that a connection has received since it last connected.
    fn received(&self, connection: ConnectionId) -> u64;

    /// How many copies of Posts came that had been delivered already.
    fn duplicates(&self) -> u64;

    /// The records of merged connections.
    fn records(&self) -> &[ConnectionStats] {
        &[]
    }
}

/// Of the only connection.
fn single(event: SessionEvent<'_>) -> MergedEvent<'_> {
    MergedEvent::Session { connection: ConnectionId::FIRST, event }
}

/// The streams of one runtime, which are awaited where that is async.
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

            fn records(&self) -> &[ConnectionStats] {
                self.merge().connections()
            }
        }
    };
}

sources!(powerstream_blocking);
sources!(powerstream_tokio, await);
sources!(powerstream_smol, await);
