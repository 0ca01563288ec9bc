//! The `tracing` events of connections and queues, and the values for the `metrics` crate.

use std::future::Future;
use std::io::Write;
use std::pin::pin;
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::task::{Context, Waker};

use powerstream_client::queue::{QueueConfig, pump, queue};
use powerstream_client::shutdown::ShutdownHandle;

use crate::support::{Wire, World, advance, driven, merged, post, run, stream};

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

/// Runs `act`, and returns the formatted events.
fn traced(act: impl Fn()) -> String {
    let record = || {
        let lines = Lines::default();
        let writer = lines.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::TRACE)
            .with_ansi(false)
            .with_writer(move || writer.clone())
            .finish();
        tracing::subscriber::with_default(subscriber, &act);
        lines
    };
    // `tracing` decides at the first use of an event whether it is enabled. If another test uses an
    // event for the first time while the subscriber is added, the event stays disabled. So the
    // first recording only uses all events, and the decisions are taken again.
    record();
    tracing::callsite::rebuild_interest_cache();
    let bytes = record().0.lock().unwrap().clone();
    String::from_utf8(bytes).unwrap()
}

#[test]
fn connections_have_events_and_posts_have_none() {
    let text = traced(|| {
        let world = Rc::new(World::default());
        let attempts = vec![stream((1..=50).map(|id| (id * 10, post(id)))).reset(600)];
        let events = run(&mut merged(&world, [(0, attempts)]), &world, 5_000);
        assert!(events.len() > 50, "{events:?}");
    });
    assert!(text.contains("connection{name=") && text.contains("connected"), "{text}");
    assert!(text.contains("disconnected reason=the connection was reset by the peer"), "{text}");
    assert!(text.lines().count() < 20, "{text}");
}

#[test]
fn logs_a_full_queue_again_after_the_reader_caught_up() {
    let text = traced(|| {
        let world = Rc::new(World::default());
        let posts = [10, 10, 10, 10, 1_000, 1_000].into_iter().zip(1..);
        let wire = Wire::new(&world, [stream(posts.map(|(at, id)| (at, post(id))))]);
        let mut config = QueueConfig::default();
        config.messages_max = 1;
        let (sender, mut receiver) = queue(config);
        let mut pump = pin!(pump(driven(wire, 1), sender, ShutdownHandle::new().listen()));
        let mut cx = Context::from_waker(Waker::noop());
        for limit in [20, 2_000] {
            while pump.as_mut().poll(&mut cx).is_pending() && advance(&world, limit) {}
            // The reader fills the queue again after each message, as long as there are more.
            while receiver.try_recv().is_ready() {
                assert!(pump.as_mut().poll(&mut cx).is_pending());
            }
        }
    });
    let words = ["queue is full", "caught up"];
    let seen: Vec<_> =
        text.lines().filter_map(|line| words.iter().find(|words| line.contains(**words))).collect();
    assert_eq!(seen, [&words[0], &words[1], &words[0], &words[1]], "{text}");
}

#[cfg(feature = "metrics")]
mod values {
    use std::sync::{Arc, Mutex};
    use std::time::Duration;

    use metrics::{
        Counter, CounterFn, Gauge, GaugeFn, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit,
    };
    use powerstream_client::telemetry::publish;
    use powerstream_core::monitor::Monitor;
    use powerstream_core::time::{Instant, UnixTime};

    /// Collects lines `name label=value .. value`.
    #[derive(Clone, Default)]
    struct Values(Arc<Mutex<Vec<String>>>);

    struct Value(String, Values);

    impl Value {
        fn of(key: &Key, values: &Values) -> Arc<Self> {
            let labels = key.labels().map(|label| format!(" {}={}", label.key(), label.value()));
            Arc::new(Self(format!("{}{}", key.name(), labels.collect::<String>()), values.clone()))
        }

        fn note(&self, value: &str) {
            self.1.0.lock().unwrap().push(format!("{} {value}", self.0));
        }
    }

    impl CounterFn for Value {
        fn increment(&self, _: u64) {
            unreachable!("the values are absolute");
        }

        fn absolute(&self, value: u64) {
            self.note(&value.to_string());
        }
    }

    impl GaugeFn for Value {
        fn increment(&self, _: f64) {
            unreachable!("the values are absolute");
        }

        fn decrement(&self, _: f64) {
            unreachable!("the values are absolute");
        }

        fn set(&self, value: f64) {
            self.note(&value.to_string());
        }
    }

    impl Recorder for Values {
        fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

        fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

        fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

        fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
            Counter::from_arc(Value::of(key, self))
        }

        fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
            Gauge::from_arc(Value::of(key, self))
        }

        fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
            unreachable!("there are no histograms");
        }
    }

    #[test]
    fn the_counters_of_a_connection_go_to_the_recorder_of_metrics() {
        let monitor = Monitor::new(Instant::ZERO, UnixTime::default());
        monitor.handle_duplicates(3);
        let mut snapshot = monitor.snapshot();
        snapshot.disconnects[0] = 2;
        snapshot.refusals[0] = 4;
        snapshot.gaps.open = 1;
        snapshot.gaps.open_time = Duration::from_millis(1_500);
        snapshot.is_streaming = true;
        let values = Values::default();
        metrics::with_local_recorder(&values, || publish("atlanta", &snapshot));
        let values = values.0.lock().unwrap();
        for wanted in [
            "powerstream_posts connection=atlanta 0",
            "powerstream_duplicates connection=atlanta 3",
            "powerstream_open_gaps connection=atlanta 1",
            "powerstream_open_gap_seconds connection=atlanta 1.5",
            "powerstream_streaming connection=atlanta 1",
        ] {
            assert!(values.iter().any(|value| value == wanted), "{wanted}: {values:#?}");
        }
        for (name, value) in
            [("disconnects connection=atlanta reason=", 2), ("refusals connection=atlanta kind=", 4)]
        {
            let (start, end) = (format!("powerstream_{name}"), format!(" {value}"));
            let found = values.iter().filter(|value| value.starts_with(&start) && value.ends_with(&end));
            assert_eq!(found.count(), 1, "{values:#?}");
        }
    }
}
