//! `--take-over`: ends connections of this process that are lost, and that the service still counts.
//!
//! The connections API names neither the process nor the partition of a connection. This process
//! knows when its own connections were accepted, by the server's clock. A listed connection is taken
//! for a lost one if it was accepted at the same time, within [`CLOCK_MARGIN`], and no other listed
//! one was. So a connection of another process is not ended by mistake.

use std::sync::mpsc::{self, Receiver, Sender};
use std::time::Duration;

use powerstream_blocking::Client;
use powerstream_client::config::Config;
use powerstream_client::connection_api::CountedConnection;
use powerstream_core::time::{TimeRange, UnixTime};
use powerstream_tls::TlsConfig;
use tracing::{info, warn};

use crate::exit::{Failure, spawn};
use crate::text::with_options;

/// How much the time in the list may differ from that in the head of the response: both have whole
/// seconds, and servers' clocks differ.
const CLOCK_MARGIN: Duration = Duration::from_secs(2);

/// Lost connections that are remembered, of each connection.
const LOST_MAX: usize = 8;

/// Follows this process's connections, and asks a thread to end lost ones.
#[derive(Debug)]
pub(super) struct TakeOver {
    connections: Vec<Accepted>,
    requests: Sender<Request>,
}

/// When the server accepted a connection, between two times.
#[derive(Debug, Default)]
struct Accepted {
    open: Option<TimeRange>,
    lost: Vec<TimeRange>,
}

/// The connections of this process at a refusal.
struct Request {
    /// The connection that was refused.
    connection: usize,
    open: Vec<TimeRange>,
    lost: Vec<TimeRange>,
}

impl TakeOver {
    /// Starts the thread that sends the requests.
    pub(super) fn start(configs: Vec<Config>, tls: Option<TlsConfig>) -> Result<Self, Failure> {
        let connections = configs.iter().map(|_| Accepted::default()).collect();
        let (requests, receiver) = mpsc::channel();
        spawn("take-over", move || run(&configs, tls.as_ref(), &receiver))?;
        Ok(Self { connections, requests })
    }

    pub(super) fn connected(&mut self, connection: usize, accepted: TimeRange) {
        self.connections[connection].open = Some(accepted);
    }

    pub(super) fn disconnected(&mut self, connection: usize) {
        let Accepted { open, lost } = &mut self.connections[connection];
        if let Some(accepted) = open.take() {
            if lost.len() == LOST_MAX {
                lost.remove(0);
            }
            lost.push(accepted);
        }
    }

    /// The server refused a connection because too many are open.
    pub(super) fn refused(&self, connection: usize) {
        let open = self.connections.iter().filter_map(|accepted| accepted.open).collect();
        let lost = self.connections.iter().flat_map(|accepted| accepted.lost.iter().copied()).collect();
        // The thread ends only with this process.
        let _ = self.requests.send(Request { connection, open, lost });
    }
}

fn run(configs: &[Config], tls: Option<&TlsConfig>, requests: &Receiver<Request>) {
    for request in requests {
        if let Err(text) = take_over(&configs[request.connection], tls, &request) {
            warn!("--take-over: {text}");
        }
    }
}

/// Ends the lost connections, and logs how many.
fn take_over(config: &Config, tls: Option<&TlsConfig>, request: &Request) -> Result<(), String> {
    if request.lost.is_empty() {
        info!("--take-over: this process has lost no connection: the counted ones are of others");
        return Ok(());
    }
    let client = Client::new(config.clone());
    let client = match tls {
        Some(tls) => client.with_tls(tls.clone()),
        None => client,
    };
    let mut connections = client.connections().map_err(|error| with_options(&error))?;
    let listed = connections.list().map_err(|error| with_options(&error))?;
    let found = lost_of(&listed, request);
    if found.ids.is_empty() {
        let (count, similar) = (listed.len(), found.ambiguous);
        info!(
            "--take-over: the server counts {count} connections; {}",
            match similar {
                0 => String::from("none of them is a lost one of this process"),
                similar => format!("{similar} may be lost ones of this process, or of another one"),
            }
        );
        return Ok(());
    }
    let closed = connections.close(&found.ids).map_err(|error| with_options(&error))?;
    info!("--take-over: lost connections that the server still counted: {} ended", closed.len());
    Ok(())
}

/// Listed connections.
#[derive(Debug, Default, PartialEq, Eq)]
struct Found<'a> {
    /// Those that this process has lost.
    ids: Vec<&'a str>,
    /// The number of those that may be lost ones of this process, or connections of another one.
    ambiguous: usize,
}

/// Returns the lost connections in a list.
fn lost_of<'a>(listed: &'a [CountedConnection], request: &Request) -> Found<'a> {
    let of = |range: TimeRange| listed.iter().filter(move |connection| is_within(connection, range));
    let mut found = Found::default();
    for range in &request.lost {
        let mut similar = of(*range);
        let Some(first) = similar.next() else { continue };
        let is_open = request.open.iter().any(|open| is_within(first, *open));
        if similar.next().is_some() || is_open {
            found.ambiguous += of(*range).count();
        } else if !found.ids.contains(&first.id.as_str()) {
            found.ids.push(&first.id);
        }
    }
    found
}

fn is_within(connection: &CountedConnection, range: TimeRange) -> bool {
    let (from, to) = (range.from.saturating_sub(CLOCK_MARGIN), range.to.saturating_add(CLOCK_MARGIN));
    connection.connected_at.is_some_and(|at: UnixTime| (from..=to).contains(&at))
}

#[cfg(test)]
mod tests {
    use powerstream_client::connection_api::listed;
    use powerstream_client::rule_api::Reply;

    use super::*;

    fn range(from: u64, to: u64) -> TimeRange {
        TimeRange { from: UnixTime::from_seconds(from), to: UnixTime::from_seconds(to) }
    }

    fn connections(seconds: &[u64]) -> Vec<CountedConnection> {
        let entry = |second: &u64| {
            format!(r#"{{"id":"at-{second}","connected_at":"1970-01-01T00:00:{second:02}.000Z"}}"#)
        };
        let entries: Vec<_> = seconds.iter().map(entry).collect();
        let body = format!(r#"{{"data":[{}],"meta":{{}}}}"#, entries.join(","));
        listed(&Reply::new(200, body.as_bytes())).unwrap().connections
    }

    #[test]
    fn only_a_connection_that_can_be_no_other_is_taken_for_a_lost_one() {
        /// Listed connections, lost and open ones; which are found, and how many may be.
        type Case<'a> = (&'a [u64], &'a [TimeRange], &'a [TimeRange], &'a [&'a str], usize);
        let cases: &[Case<'_>] = &[
            // Accepted between 10 s and 11 s.
            (&[10, 30], &[range(10, 11)], &[], &["at-10"], 0),
            (&[13, 30], &[range(10, 11)], &[], &["at-13"], 0),
            (&[14, 30], &[range(10, 11)], &[], &[], 0),
            // Another process connected at the same time.
            (&[10, 11], &[range(10, 11)], &[], &[], 2),
            // An open connection of this process was accepted at the same time.
            (&[10], &[range(10, 11)], &[range(12, 12)], &[], 1),
            (&[10, 20], &[range(10, 11), range(20, 21)], &[range(30, 31)], &["at-10", "at-20"], 0),
            // Two lost ones of this process cannot be distinguished, and need not be.
            (&[10], &[range(10, 11), range(10, 11)], &[], &["at-10"], 0),
            (&[], &[range(10, 11)], &[], &[], 0),
        ];
        for (seconds, lost, open, ids, ambiguous) in cases {
            let listed = connections(seconds);
            let request = Request { connection: 0, open: open.to_vec(), lost: lost.to_vec() };
            let want = Found { ids: ids.to_vec(), ambiguous: *ambiguous };
            assert_eq!(lost_of(&listed, &request), want, "{seconds:?} {lost:?}");
        }
    }
}
