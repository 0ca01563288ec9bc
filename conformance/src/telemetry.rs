//! The `tracing` spans and events of a stream: the same on every runtime, and none for a Post.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use powerstream_client::config::{Config, Token};
use powerstream_client::owned::OwnedEvent;
use powerstream_simulator::{Simulator, Tls};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

/// Posts that are read.
const POSTS: usize = 50;

/// Lets `read` read a stream of the configuration, which trusts the CA, until `is_enough` returns
/// true for an event. Checks the spans and events.
///
/// The calling thread must poll the stream.
///
/// # Panics
/// Panics if other spans or events were emitted.
pub fn check(read: impl Fn(&Config, Option<&str>, &mut dyn FnMut(OwnedEvent) -> bool)) {
    let mut config = powerstream_simulator::Config::default();
    config.tls = Some(Tls::default());
    config.rate = Some(1_000.0);
    let simulator = Simulator::start(config).unwrap();
    // A name is resolved; an address is not.
    let base_url = simulator.base_url().replace("127.0.0.1", "localhost");
    let config = Config::builder().base_url(base_url).token(Token::new("any").unwrap()).build().unwrap();

    let ca_pem = simulator.ca_pem();
    let read_posts = || {
        let mut posts = 0;
        read(&config, ca_pem, &mut |event: OwnedEvent| {
            posts += usize::from(matches!(event, OwnedEvent::Message(message) if message.id().is_some()));
            posts >= POSTS
        });
        assert!(posts >= POSTS);
    };
    let record = || {
        let seen = Arc::<Mutex<Vec<String>>>::default();
        let recorder = Recorder { seen: Arc::clone(&seen), ..Recorder::default() };
        tracing::subscriber::with_default(recorder, read_posts);
        seen
    };
    // `tracing` decides at the first use of an event whether it is enabled. If another test uses an
    // event for the first time while the recorder is added, the event stays disabled. So the first
    // recording only uses all events, and the decisions are taken again.
    record();
    tracing::callsite::rebuild_interest_cache();
    let seen = record();
    let seen = seen.lock().unwrap();
    // The name may have an address at which no server listens.
    let attempts = seen.iter().filter(|line| line.ends_with(": connecting")).count();
    let failed = seen.iter().filter(|line| line.ends_with(": attempt failed")).count();
    assert_eq!(attempts, failed + 1, "{seen:#?}");
    let mut others: Vec<_> = seen.iter().filter(|line| !line.ends_with(": attempt failed")).collect();
    others.dedup();
    assert_eq!(
        others,
        [
            "span connection",
            "connection: resolving",
            "connection: resolved",
            "connection: connecting",
            "connection: TCP established",
            "connection: TLS established",
            "connection: connected",
        ]
    );
}

/// Records the names of this project's spans, and its events with the span that each is in.
#[derive(Default)]
struct Recorder {
    seen: Arc<Mutex<Vec<String>>>,
    spans: AtomicU64,
    /// The names of the spans, by id.
    names: Mutex<Vec<&'static str>>,
    entered: Mutex<Vec<u64>>,
}

impl Subscriber for Recorder {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("powerstream")
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        self.names.lock().unwrap().push(span.metadata().name());
        self.seen.lock().unwrap().push(format!("span {}", span.metadata().name()));
        Id::from_u64(self.spans.fetch_add(1, Ordering::Relaxed) + 1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut message = Message::default();
        event.record(&mut message);
        let span = self.entered.lock().unwrap().last().copied();
        let name = span.map_or("no span", |id| self.names.lock().unwrap()[id as usize - 1]);
        self.seen.lock().unwrap().push(format!("{name}: {}", message.0));
    }

    fn enter(&self, span: &Id) {
        self.entered.lock().unwrap().push(span.into_u64());
    }

    fn exit(&self, _: &Id) {
        self.entered.lock().unwrap().pop();
    }
}

/// The message of an event.
#[derive(Default)]
struct Message(String);

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            self.0 = format!("{value:?}");
        }
    }
}
