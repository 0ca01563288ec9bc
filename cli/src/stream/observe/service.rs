//! Notifications for systemd (`Type=notify`): the start, a status, and the watchdog.

use std::time::Duration;

use sd_notify::NotifyState;

use super::{Observed, View};

/// How often the status is sent.
const STATUS_EVERY: Duration = Duration::from_secs(5);

/// On an open stream without content for this much longer than the idle timeout, the reading thread
/// is stuck: it would have reconnected. Between streams, a deadline counts that it has set.
const STUCK_AFTER: Duration = Duration::from_secs(60);

/// Returns true if systemd wants notifications.
pub(in crate::stream) fn is_wanted() -> bool {
    std::env::var_os("NOTIFY_SOCKET").is_some()
}

/// Sends notifications, for ever. The service is ready once it connects: an outage of the server
/// must not make systemd restart it.
pub(in crate::stream) fn run(observed: &Observed, idle_timeout: Duration) {
    let watchdog = sd_notify::watchdog_enabled();
    let every = watchdog.map_or(STATUS_EVERY, |period| (period / 3).min(STATUS_EVERY));
    send(&[NotifyState::Ready]);
    loop {
        let view = observed.view();
        let posts = view.sum(|snapshot| snapshot.posts);
        let status = format!(
            "streaming on {} of {} connections, {posts} Posts, {} gaps",
            view.streaming(),
            view.connections.len(),
            view.gaps.reported
        );
        send(&[NotifyState::Status(&status)]);
        let is_stuck = observed.is_overdue() || has_stuck_stream(&view, idle_timeout);
        // A reading thread that waits for the reader of standard output does so on purpose.
        if watchdog.is_some() && (!is_stuck || observed.waits_for_room()) {
            send(&[NotifyState::Watchdog]);
        }
        std::thread::sleep(every);
    }
}

fn has_stuck_stream(view: &View, idle_timeout: Duration) -> bool {
    view.connections.iter().any(|(_, snapshot)| {
        let age = snapshot.last_content_at.map_or(Duration::ZERO, |at| view.age(at));
        snapshot.is_streaming && age > idle_timeout + STUCK_AFTER
    })
}

/// Notifies systemd that the stream ends.
pub(in crate::stream) fn stopping() {
    if is_wanted() {
        send(&[NotifyState::Stopping]);
    }
}

fn send(states: &[NotifyState<'_>]) {
    // Without a listener nothing can be reported.
    let _ = sd_notify::notify(states);
}
