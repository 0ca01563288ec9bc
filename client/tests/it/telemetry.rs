//! The `tracing` events of connections.

use std::io::Write;
use std::rc::Rc;
use std::sync::{Arc, Mutex};

use crate::support::{World, merged, post, run, stream};

/// Collects formatted events.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn connections_have_events_and_posts_have_none() {
    let record = || {
        let lines = Lines::default();
        let writer = lines.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::TRACE)
            .with_ansi(false)
            .with_writer(move || writer.clone())
            .finish();
        let events = tracing::subscriber::with_default(subscriber, || {
            let world = Rc::new(World::default());
            let attempts = vec![stream((1..=50).map(|id| (id * 10, post(id)))).reset(600)];
            run(&mut merged(&world, [(0, attempts)]), &world, 5_000)
        });
        assert!(events.len() > 50, "{events:?}");
        lines
    };
    // `tracing` decides at the first use of an event whether it is enabled. If another test uses an
    // event for the first time while the subscriber is added, the event stays disabled. So the
    // first recording only uses all events, and the decisions are taken again.
    record();
    tracing::callsite::rebuild_interest_cache();
    let bytes = record().0.lock().unwrap().clone();
    let text = String::from_utf8(bytes).unwrap();
    assert!(text.contains("connection{name=") && text.contains("connected"), "{text}");
    assert!(text.contains("disconnected reason=the connection was reset by the peer"), "{text}");
    assert!(text.lines().count() < 20, "{text}");
}
