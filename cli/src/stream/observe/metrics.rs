//! `--metrics`: an HTTP server with metrics for Prometheus (OpenMetrics), and health checks.
//!
//! | path | answer |
//! |---|---|
//! | `/metrics` | the metrics, in the OpenMetrics text format |
//! | `/healthz` | 200 while the process runs |
//! | `/readyz` | 200 while a stream is open, otherwise 503 |

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use powerstream_core::monitor::{DISCONNECT_REASONS, LagHistogram, REFUSAL_KINDS, Snapshot};
use powerstream_core::rule_counts::RuleCounts;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{
    DescriptorEncoder, EncodeLabelSet, EncodeMetric, MetricEncoder, NoLabelSet, text,
};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;
use tokio::net::TcpListener;
use tracing::info;

use super::{Observed, View};
use crate::exit::{Exit, Failure, spawn};
use crate::system::explained;

/// The content type of the format, by the OpenMetrics specification.
const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Starts the server, on a thread of its own.
pub(in crate::stream) fn serve(observed: Observed, address: SocketAddr) -> Result<(), Failure> {
    let fail = |error: &std::io::Error| {
        Failure::new(Exit::Failed, format!("--metrics: cannot listen on {address}: {}", explained(error)))
    };
    let listener = std::net::TcpListener::bind(address).map_err(|error| fail(&error))?;
    listener.set_nonblocking(true).map_err(|error| fail(&error))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| fail(&error))?;
    info!("metrics on http://{}/metrics", listener.local_addr().map_err(|error| fail(&error))?);
    spawn("metrics", move || runtime.block_on(accept(listener, observed)))
}

async fn accept(listener: std::net::TcpListener, observed: Observed) {
    let Ok(listener) = TcpListener::from_std(listener) else { return };
    let mut registry = Registry::with_prefix("powerstream");
    registry.register_collector(Box::new(Metrics(observed.clone())));
    let (registry, observed) = (Arc::new(registry), Arc::new(observed));
    loop {
        let Ok((socket, _)) = listener.accept().await else {
            // Out of file descriptors, perhaps: the stream matters more.
            tokio::time::sleep(std::time::Duration::from_secs(1)).await;
            continue;
        };
        let (registry, observed) = (Arc::clone(&registry), Arc::clone(&observed));
        let answer = service_fn(move |request| {
            let response = answer(&request, &registry, &observed);
            async { Ok::<_, Infallible>(response) }
        });
        let mut http = hyper::server::conn::http1::Builder::new();
        // A client that sends no request does not keep its connection.
        http.timer(TokioTimer::new()).header_read_timeout(std::time::Duration::from_secs(10));
        tokio::spawn(http.serve_connection(TokioIo::new(socket), answer));
    }
}

fn answer(request: &Request<Incoming>, registry: &Registry, observed: &Observed) -> Response<Full<Bytes>> {
    if request.method() != Method::GET {
        return plain(StatusCode::METHOD_NOT_ALLOWED, "only GET is supported\n");
    }
    match request.uri().path() {
        "/metrics" => {
            let mut body = String::new();
            match text::encode(&mut body, registry) {
                Ok(()) => respond(StatusCode::OK, CONTENT_TYPE, body),
                Err(_) => plain(StatusCode::INTERNAL_SERVER_ERROR, "the metrics cannot be encoded\n"),
            }
        }
        "/healthz" => plain(StatusCode::OK, "ok\n"),
        "/readyz" if observed.view().streaming() > 0 => plain(StatusCode::OK, "streaming\n"),
        "/readyz" => plain(StatusCode::SERVICE_UNAVAILABLE, "not streaming\n"),
        _ => plain(StatusCode::NOT_FOUND, "see /metrics, /healthz and /readyz\n"),
    }
}

fn plain(status: StatusCode, text: &str) -> Response<Full<Bytes>> {
    respond(status, "text/plain; charset=utf-8", text.to_owned())
}

fn respond(status: StatusCode, content_type: &'static str, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    let content_type = hyper::header::HeaderValue::from_static(content_type);
    response.headers_mut().insert(hyper::header::CONTENT_TYPE, content_type);
    response
}

/// Encodes the counters at each request.
struct Metrics(Observed);

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Metrics")
    }
}

type Encoded = Result<(), std::fmt::Error>;

impl Collector for Metrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Encoded {
        let view = self.0.view();
        connections(&view, &mut encoder)?;
        whole(&view, &mut encoder)?;
        rules(&self.0.rules, &mut encoder)
    }
}

/// Encodes the metrics of each connection.
fn connections(view: &View, encoder: &mut DescriptorEncoder<'_>) -> Encoded {
    // Every connection has the same counters.
    let Some((_, first)) = view.connections.first() else { return Ok(()) };
    for (at, (name, _)) in first.counters().into_iter().enumerate() {
        let values = view.connections.iter().map(|(connection, one)| {
            ([("connection", connection.as_str())], ConstCounter::new(one.counters()[at].1))
        });
        family(encoder, name, help(name), values)?;
    }
    counted(view, encoder, "disconnects", "reason", &DISCONNECT_REASONS, |one| &one.disconnects)?;
    counted(view, encoder, "refusals", "kind", &REFUSAL_KINDS, |one| &one.refusals)?;
    let each = |value: fn(&View, &Snapshot) -> f64| {
        view.connections
            .iter()
            .map(move |(name, one)| ([("connection", name.as_str())], ConstGauge::new(value(view, one))))
    };
    family(
        encoder,
        "connection_open_gaps",
        "Gaps of the connection that its backfill has not closed",
        each(|_, one| one.gaps.open as f64),
    )?;
    family(
        encoder,
        "connection_open_gap_seconds",
        "The time that is missing in these gaps",
        each(|_, one| one.gaps.open_time.as_secs_f64()),
    )?;
    family(
        encoder,
        "streaming",
        "1 while the stream is open",
        each(|_, one| f64::from(u8::from(one.is_streaming))),
    )?;
    family(
        encoder,
        "last_post_timestamp_seconds",
        "When the last Post arrived, in Unix time; 0 before the first",
        each(|view, one| one.last_post_at.map_or(0.0, |at| view.unix_seconds(at))),
    )?;
    family(
        encoder,
        "last_content_timestamp_seconds",
        "When content last arrived, in Unix time; 0 before the first",
        each(|view, one| one.last_content_at.map_or(0.0, |at| view.unix_seconds(at))),
    )?;
    let lags = view.connections.iter().map(|(name, one)| ([("connection", name.as_str())], Lag(&one.lag)));
    family(encoder, "lag_seconds", "The estimated time from a live Post's creation to its receipt", lags)
}

/// Encodes the metrics of the whole stream.
fn whole(view: &View, encoder: &mut DescriptorEncoder<'_>) -> Encoded {
    let seconds = std::time::Duration::as_secs_f64;
    let counters = [
        ("written_posts", "Posts that were written to standard output", view.written.posts),
        ("written_bytes", "Bytes of these Posts, as received", view.written.bytes),
        ("reported_gaps", "Gaps of the whole stream", view.gaps.reported),
        ("reported_gaps_closed", "Gaps that backfill or recovery closed completely", view.gaps.closed),
        ("recovered_ranges", "Time ranges that a recovery received", view.gaps.recovered_ranges),
        ("recovered_posts", "Posts that a recovery delivered", view.gaps.recovered_posts),
        ("lost_ranges", "Time ranges that could not be recovered", view.gaps.lost_ranges),
        ("queue_dropped_posts", "Posts that a full queue dropped", view.queue.dropped.messages),
        ("queue_dropped_bytes", "Bytes of these Posts", view.queue.dropped.bytes),
    ];
    for (name, help, value) in counters {
        family(encoder, name, help, [(NONE, ConstCounter::new(value))])?;
    }
    let times = [
        ("reported_gap_seconds", "The total length of the gaps", seconds(&view.gaps.reported_time)),
        (
            "reported_gap_closed_seconds",
            "The time that backfill and recovery closed",
            seconds(&view.gaps.closed_time),
        ),
        (
            "recovered_seconds",
            "The total length of the ranges that a recovery received",
            seconds(&view.gaps.recovered_time),
        ),
        (
            "lost_seconds",
            "The total length of the ranges that could not be recovered",
            seconds(&view.gaps.lost_time),
        ),
    ];
    for (name, help, value) in times {
        family(encoder, name, help, [(NONE, ConstCounter::new(value))])?;
    }
    let gauges = [
        ("open_gaps", "Gaps that are not closed, and not lost", view.gaps.open as f64),
        ("open_gap_seconds", "The time that is missing in these gaps", seconds(&view.gaps.open_time)),
        ("stream_month_posts", "Posts of this calendar month (UTC)", view.month_posts as f64),
        ("queue_posts", "Posts that wait for standard output", view.queue.messages as f64),
        ("queue_bytes", "Bytes that wait for standard output", view.queue.bytes as f64),
    ];
    for (name, help, value) in gauges {
        family(encoder, name, help, [(NONE, ConstGauge::new(value))])?;
    }
    let begun = view.alerts.iter().map(|(code, begun, _)| ([("alert", *code)], ConstCounter::new(*begun)));
    family(encoder, "alerts", "Alerts that began", begun)?;
    let active =
        view.alerts.iter().map(|(code, _, active)| ([("alert", *code)], ConstGauge::new(*active as f64)));
    family(encoder, "alert_active", "1 while the alert is active", active)
}

/// Encodes the number of Posts of each rule that matched one.
fn rules(counts: &RuleCounts, encoder: &mut DescriptorEncoder<'_>) -> Encoded {
    let of_rule = |(id, posts): (u64, u64)| ([("rule_id", id.to_string())], ConstCounter::new(posts));
    let others = Some(counts.others()).filter(|others| *others > 0);
    let others = others.map(|others| ([("rule_id", String::from("other"))], ConstCounter::new(others)));
    let posts = counts.posts().map(of_rule).chain(others);
    family(encoder, "rule_posts", "Posts delivered that match the rule", posts)?;
    let unmatched = [(NONE, ConstCounter::new(counts.unmatched()))];
    family(encoder, "unmatched_posts", "Posts delivered that list no rule", unmatched)
}

/// No labels.
const NONE: [(&str, &str); 0] = [];

/// Encodes a counter for each connection and name.
fn counted(
    view: &View,
    encoder: &mut DescriptorEncoder<'_>,
    family_name: &str,
    label: &str,
    names: &[&str],
    counts: impl for<'a> Fn(&'a Snapshot) -> &'a [u64],
) -> Encoded {
    let values = view.connections.iter().flat_map(|(connection, one)| {
        names.iter().zip(counts(one)).map(move |(name, count)| {
            ([("connection", connection.as_str()), (label, *name)], ConstCounter::new(*count))
        })
    });
    family(encoder, family_name, help(family_name), values)
}

/// Encodes a metric for each set of labels.
fn family<L: EncodeLabelSet, M: EncodeMetric>(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    values: impl IntoIterator<Item = (L, M)>,
) -> Encoded {
    let mut values = values.into_iter().peekable();
    let Some((_, first)) = values.peek() else { return Ok(()) };
    let mut family = encoder.encode_descriptor(name, help, None, first.metric_type())?;
    for (labels, value) in values {
        value.encode(family.encode_family(&labels)?)?;
    }
    Ok(())
}

/// Returns what a counter of a connection counts.
fn help(name: &str) -> &'static str {
    match name {
        "streams" => "Streams that began",
        "posts" => "Posts received, duplicates included",
        "month_posts" => "Posts in this calendar month (UTC), since the start",
        "post_bytes" => "Bytes of Posts and arrays",
        "keep_alives" => "Keep-alives",
        "late_keep_alives" => "Keep-alives that arrived more than 21 s after the content before",
        "notices" => "Messages of known kinds that are not Posts",
        "unknown" => "Messages of unknown kinds",
        "malformed" => "Messages that are not JSON",
        "skipped" => "Messages over the size limit",
        "skipped_bytes" => "Bytes of messages over the size limit",
        "undelivered_bytes" => "Bytes received in incomplete messages, or after a protocol error",
        "gaps" => "Gaps of the connection, also if other connections filled them",
        "gap_ms" => "The total length of these gaps in milliseconds",
        "closed_gaps" => "Gaps of the connection that its backfill closed",
        "closed_gap_ms" => "The time that its backfill closed in milliseconds",
        "backfills" => "Backfills that were received completely",
        "late" => "How often the reader or the path was late",
        "gave_up" => "Sessions that ended because a retry cannot help",
        "duplicates" => "Posts that had already arrived",
        "disconnects" => "Connections that ended or failed, by reason",
        "refusals" => "Answers that were no stream, by kind",
        _ => "A counter of the connection",
    }
}

/// The bounds of the exported lags, in seconds. They must not change from scrape to scrape.
const LAG_BOUNDS: [f64; 16] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, f64::MAX];

/// Encodes a lag histogram. A lag may count to the next higher bound, because the buckets of the
/// histogram have bounds of their own.
struct Lag<'a>(&'a LagHistogram);

impl EncodeMetric for Lag<'_> {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> Encoded {
        let mut buckets = LAG_BOUNDS.map(|bound| (bound, 0));
        for (bound, count) in self.0.buckets() {
            let seconds = bound.as_secs_f64();
            if let Some((_, sum)) = buckets.iter_mut().find(|(limit, _)| seconds <= *limit) {
                *sum += count;
            }
        }
        encoder.encode_histogram::<NoLabelSet>(self.0.sum().as_secs_f64(), self.0.count(), &buckets, None)
    }

    fn metric_type(&self) -> MetricType {
        MetricType::Histogram
    }
}
