//! `--take-over`: ends connections of this process that are lost, and that the service still
//! counts.
//!
//! The connections API names neither the process nor the partition of a connection. So each
//! connection is looked up when it was just accepted: its entry is the only new one that was
//! accepted at that time, within [`CLOCK_MARGIN`]. If there are several, as when processes connect
//! together, the connection is not recognized, and is not ended later.

use std::sync::mpsc::{self, Receiver, Sender};
use std::time::Duration;

use powerstream_blocking::Client;
use powerstream_client::config::Config;
use powerstream_client::connection_api::CountedConnection;
use powerstream_core::time::{TimeRange, UnixTime};
use powerstream_tls::TlsConfig;
use tracing::{debug, info, warn};

use crate::exit::{Failure, spawn};
use crate::text::with_options;

/// How much the time in the list may differ from that in the head of the response: both have whole
/// seconds, and servers' clocks differ.
const CLOCK_MARGIN: Duration = Duration::from_secs(2);

/// Reports this process's connections to a thread.
#[derive(Debug)]
pub(super) struct TakeOver(Sender<Event>);

/// What happened to the connection of this index.
#[derive(Debug)]
enum Event {
    /// The server accepted it between two times.
    Connected(usize, TimeRange),
    Disconnected(usize),
    /// The server refused it, because too many are open.
    Refused(usize),
}

impl TakeOver {
    /// Starts the thread that sends the requests.
    pub(super) fn start(configs: Vec<Config>, tls: Option<TlsConfig>) -> Result<Self, Failure> {
        let (sender, events) = mpsc::channel();
        spawn("take-over", move || run(&configs, tls.as_ref(), &events))?;
        Ok(Self(sender))
    }

    pub(super) fn connected(&self, connection: usize, accepted: TimeRange) {
        self.send(Event::Connected(connection, accepted));
    }

    pub(super) fn disconnected(&self, connection: usize) {
        self.send(Event::Disconnected(connection));
    }

    pub(super) fn refused(&self, connection: usize) {
        self.send(Event::Refused(connection));
    }

    fn send(&self, event: Event) {
        // The thread ends only with this process.
        let _ = self.0.send(event);
    }
}

fn run(configs: &[Config], tls: Option<&TlsConfig>, events: &Receiver<Event>) {
    let mut known = Known::new(configs.len());
    for event in events {
        let result = match event {
            Event::Connected(connection, accepted) => {
                listed(&configs[connection], tls).map(|listed| known.connected(connection, accepted, &listed))
            }
            Event::Disconnected(connection) => {
                known.disconnected(connection);
                Ok(())
            }
            Event::Refused(connection) => take_over(&configs[connection], tls, &mut known),
        };
        if let Err(text) = result {
            warn!("--take-over: {text}");
        }
    }
}

fn client(config: &Config, tls: Option<&TlsConfig>) -> Client {
    let client = Client::new(config.clone());
    match tls {
        Some(tls) => client.with_tls(tls.clone()),
        None => client,
    }
}

fn listed(config: &Config, tls: Option<&TlsConfig>) -> Result<Vec<CountedConnection>, String> {
    let mut connections = client(config, tls).connections().map_err(|error| with_options(&error))?;
    connections.list().map_err(|error| with_options(&error))
}

/// Ends the lost connections that are still listed, and logs how many.
fn take_over(config: &Config, tls: Option<&TlsConfig>, known: &mut Known) -> Result<(), String> {
    if known.lost.is_empty() {
        info!("--take-over: this process knows of no lost connection of its own");
        return Ok(());
    }
    let listed = listed(config, tls)?;
    let ids = known.still_counted(&listed);
    if ids.is_empty() {
        info!(
            "--take-over: the server counts {} connections, and none that this process has lost",
            listed.len()
        );
        return Ok(());
    }
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    let mut connections = client(config, tls).connections().map_err(|error| with_options(&error))?;
    let closed = connections.close(&ids).map_err(|error| with_options(&error))?;
    info!("--take-over: lost connections that the server still counted: {} ended", closed.len());
    Ok(())
}

/// The ids of this process's connections.
#[derive(Debug, Default)]
struct Known {
    open: Vec<Option<String>>,
    lost: Vec<String>,
}

impl Known {
    fn new(connections: usize) -> Self {
        Self { open: vec![None; connections], lost: Vec::new() }
    }

    /// Looks up a connection that was accepted just now.
    fn connected(&mut self, connection: usize, accepted: TimeRange, listed: &[CountedConnection]) {
        let (from, to) =
            (accepted.from.saturating_sub(CLOCK_MARGIN), accepted.to.saturating_add(CLOCK_MARGIN));
        let is_own = |id: &String| self.lost.contains(id) || self.open.iter().flatten().any(|own| own == id);
        let mut new = listed.iter().filter(|listed| {
            listed.connected_at.is_some_and(|at: UnixTime| (from..=to).contains(&at)) && !is_own(&listed.id)
        });
        let id = match (new.next(), new.next()) {
            (Some(only), None) => Some(only.id.clone()),
            _ => {
                debug!("--take-over: the entry of a connection cannot be distinguished from others");
                None
            }
        };
        self.open[connection] = id;
    }

    fn disconnected(&mut self, connection: usize) {
        self.lost.extend(self.open[connection].take());
    }

    /// Returns the lost connections that are listed, and forgets the others.
    fn still_counted(&mut self, listed: &[CountedConnection]) -> Vec<String> {
        self.lost.retain(|id| listed.iter().any(|listed| listed.id == *id));
        self.lost.clone()
    }
}

#[cfg(test)]
mod tests {
    use powerstream_client::connection_api;
    use powerstream_client::rule_api::Reply;

    use super::*;

    fn range(from: u64, to: u64) -> TimeRange {
        TimeRange { from: UnixTime::from_seconds(from), to: UnixTime::from_seconds(to) }
    }

    /// Returns connections with these ids, accepted at these seconds.
    fn listed(connections: &[(&str, u64)]) -> Vec<CountedConnection> {
        let entry = |(id, second): &(&str, u64)| {
            format!(r#"{{"id":"{id}","connected_at":"1970-01-01T00:00:{second:02}.000Z"}}"#)
        };
        let entries: Vec<_> = connections.iter().map(entry).collect();
        let body = format!(r#"{{"data":[{}],"meta":{{}}}}"#, entries.join(","));
        connection_api::listed(&Reply::new(200, body.as_bytes())).unwrap().connections
    }

    #[test]
    fn a_connection_is_known_only_if_its_entry_was_the_only_new_one() {
        for (entries, id) in [
            (&[("a", 10)][..], Some("a")),
            (&[("a", 13), ("old", 7)], Some("a")),
            (&[("a", 14)], None),
            // Another process connected at the same time.
            (&[("a", 10), ("b", 11)], None),
            (&[], None),
        ] {
            let mut known = Known::new(1);
            known.connected(0, range(10, 11), &listed(entries));
            assert_eq!(known.open[0].as_deref(), id, "{entries:?}");
        }
    }

    #[test]
    fn only_known_connections_that_are_lost_and_listed_are_ended() {
        let mut known = Known::new(2);
        known.connected(0, range(10, 11), &listed(&[("a", 10)]));
        // The second connection of this process, at the same time.
        known.connected(1, range(10, 11), &listed(&[("a", 10), ("b", 11)]));
        known.disconnected(0);
        assert_eq!(known.still_counted(&listed(&[("a", 10), ("b", 11), ("c", 10)])), ["a"]);
        // The server has noticed: a connection of another process took the place.
        assert!(known.still_counted(&listed(&[("b", 11), ("c", 10)])).is_empty());
        known.disconnected(1);
        assert_eq!(known.still_counted(&listed(&[("b", 11), ("c", 10)])), ["b"]);
    }
}
