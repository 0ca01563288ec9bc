//! `--stats`: one line of statistics for each period.

use std::time::Duration;

use tracing::info;

use super::{Observed, View};
use crate::size;

/// Logs a line after each period, for ever.
pub(in crate::stream) fn run(observed: &Observed, period: Duration) {
    let mut before = observed.view();
    loop {
        std::thread::sleep(period);
        let now = observed.view();
        info!("stats: {}", line(&before, &now, period));
        before = now;
    }
}

/// Returns the statistics of the period between two views.
pub(super) fn line(before: &View, now: &View, period: Duration) -> String {
    let posts = |view: &View| view.sum(|one| one.posts).saturating_sub(view.sum(|one| one.duplicates));
    let posts = posts(now).saturating_sub(posts(before));
    let lag = now.lag().minus(&before.lag());
    let lag = match (lag.quantile(500), lag.quantile(990)) {
        (Some(median), Some(high)) => format!("p50 {median:.1?}, p99 {high:.1?}"),
        _ => String::from("none"),
    };
    let streams = now.sum(|snapshot| snapshot.streams) - before.sum(|snapshot| snapshot.streams);
    let last = now.connections.iter().filter_map(|(_, snapshot)| snapshot.last_post_at).max();
    let last = last.map_or_else(|| String::from("never"), |at| format!("{:.1?} ago", now.age(at)));
    let mut line = format!(
        "{:.1} Posts/s, lag {lag}, last Post {last}, streaming {} of {}, connects {streams}, gaps {}",
        posts as f64 / period.as_secs_f64(),
        now.streaming(),
        now.connections.len(),
        now.gaps.reported - before.gaps.reported,
    );
    let others = [
        ("duplicates", now.sum(|one| one.duplicates) - before.sum(|one| one.duplicates)),
        ("recovered", now.gaps.recovered_posts - before.gaps.recovered_posts),
        ("open gaps", now.gaps.open),
        ("lost ranges", now.gaps.lost_ranges - before.gaps.lost_ranges),
        ("dropped", now.queue.dropped.messages - before.queue.dropped.messages),
    ];
    for (name, count) in others.into_iter().filter(|(_, count)| *count > 0) {
        line += &format!(", {name} {count}");
    }
    let (queued, bytes) = (now.queue.messages, size::shown(now.queue.bytes as u64));
    line + &format!(", queue {queued} ({bytes})")
}
