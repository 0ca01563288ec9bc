//! What the client says to the ecosystem: `tracing` events, and counters for the `metrics` facade.
//!
//! With the feature `tracing` (on by default), each connection has a span `connection`. What it
//! does until a stream begins is an event of level `debug` in it: the lookup of the name, each
//! address that is tried, the tunnel through a proxy, the TLS handshake. The beginnings and ends of
//! streams are events of higher levels. A queue reports that its reader starts, ends, or waits for
//! room. There is no event for a Post or a keep-alive, and nothing happens without a subscriber.
//!
//! With the feature `metrics`, [`publish`] gives a monitor's counters to the recorder of the
//! `metrics` crate.

use powerstream_core::session::SessionEvent;

/// Emits an event of `tracing`, if the feature is on.
macro_rules! event {
    ($level:ident, $($event:tt)*) => {
        #[cfg(feature = "tracing")]
        tracing::$level!($($event)*)
    };
}
pub(crate) use event;

/// The span of a connection.
#[derive(Clone, Debug)]
pub(crate) struct ConnectionSpan {
    #[cfg(feature = "tracing")]
    span: tracing::Span,
}

impl ConnectionSpan {
    /// Creates the span. `name` distinguishes merged connections.
    pub(crate) fn new(name: &str) -> Self {
        #[cfg(not(feature = "tracing"))]
        let _ = name;
        Self {
            #[cfg(feature = "tracing")]
            span: tracing::info_span!("connection", name),
        }
    }

    /// Calls a function within the span.
    pub(crate) fn in_scope<T>(&self, call: impl FnOnce() -> T) -> T {
        #[cfg(feature = "tracing")]
        return self.span.in_scope(call);
        #[cfg(not(feature = "tracing"))]
        call()
    }

    /// Reports an event that is no message.
    #[cold]
    pub(crate) fn handle_event(&self, event: &SessionEvent<'_>) {
        #[cfg(not(feature = "tracing"))]
        let _ = event;
        #[cfg(feature = "tracing")]
        self.span.in_scope(|| trace(event));
    }
}

#[cfg(feature = "tracing")]
fn trace(event: &SessionEvent<'_>) {
    use tracing::{debug, error, info, trace, warn};

    match event {
        SessionEvent::Connected(connected) => {
            let (datacenter, peer) = (connected.head.datacenter(), connected.peer_addr);
            info!(datacenter, ?peer, "connected");
            if let Some(gap) = connected.gap {
                let (from_ms, to_ms) = (gap.from.as_millis(), gap.to.as_millis());
                warn!(from_ms, to_ms, backfill_minutes = gap.backfill_minutes, "gap");
            }
        }
        SessionEvent::Resumed(gap) => debug!(to_ms = gap.to.as_millis(), "first live Post after the gap"),
        SessionEvent::Late(late) => warn!(kind = ?late.kind, by = ?late.by, "late"),
        SessionEvent::Skipped { bytes } => warn!(bytes, "skipped a message over the limit"),
        SessionEvent::Refused(refused) => warn!(status = refused.refusal.status, "refused"),
        SessionEvent::Disconnected(end) => {
            let (reason, peer) = (end.reason, end.peer_addr);
            warn!(%reason, ?peer, delay = ?end.delay, "disconnected");
        }
        SessionEvent::GaveUp(end) => {
            let reason = end.reason;
            error!(%reason, peer = ?end.peer_addr, "gave up");
        }
        other => trace!(?other, "event"),
    }
}

/// Gives the counters of a connection to the recorder of the `metrics` crate: counters
/// `powerstream_posts` and so on, and the gauges `powerstream_open_gaps`,
/// `powerstream_open_gap_seconds`, `powerstream_streaming` and `powerstream_lag_seconds`, each with
/// the label `connection`. Call it now and then, for example every 10 s. The gauge of the lag has a
/// label `quantile` too: 0.5 and 0.99 of all live Posts so far.
///
/// ```
/// use powerstream_client::telemetry::publish;
/// use powerstream_core::monitor::Monitor;
/// use powerstream_core::time::{Instant, UnixTime};
///
/// // In a program: `stream.monitor()`.
/// let monitor = Monitor::new(Instant::ZERO, UnixTime::default());
/// publish("atlanta", &monitor.snapshot());
/// ```
#[cfg(feature = "metrics")]
pub fn publish(connection: &str, snapshot: &powerstream_core::monitor::Snapshot) {
    use powerstream_core::monitor::{DISCONNECT_REASONS, REFUSAL_KINDS};

    let label = || std::string::String::from(connection);
    for (name, value) in snapshot.counters() {
        metrics::counter!(std::format!("powerstream_{name}"), "connection" => label()).absolute(value);
    }
    for (reason, value) in DISCONNECT_REASONS.into_iter().zip(snapshot.disconnects) {
        metrics::counter!("powerstream_disconnects", "connection" => label(), "reason" => reason)
            .absolute(value);
    }
    for (kind, value) in REFUSAL_KINDS.into_iter().zip(snapshot.refusals) {
        metrics::counter!("powerstream_refusals", "connection" => label(), "kind" => kind).absolute(value);
    }
    let gaps = &snapshot.gaps;
    metrics::gauge!("powerstream_open_gaps", "connection" => label()).set(gaps.open as f64);
    metrics::gauge!("powerstream_open_gap_seconds", "connection" => label())
        .set(gaps.open_time.as_secs_f64());
    let streaming = f64::from(u8::from(snapshot.is_streaming));
    metrics::gauge!("powerstream_streaming", "connection" => label()).set(streaming);
    for (per_mille, quantile) in [(500, "0.5"), (990, "0.99")] {
        if let Some(lag) = snapshot.lag.quantile(per_mille) {
            metrics::gauge!("powerstream_lag_seconds", "connection" => label(), "quantile" => quantile)
                .set(lag.as_secs_f64());
        }
    }
}
