//! Admission to a stream: rules, and the limits of requests and of connections.

use std::time::Duration;

use crate::endpoint::{Endpoint, Product};
use crate::exchange::Exchange;
use crate::ground_truth::End;
use crate::limits::{Counter, ExtraConnection, Group, QUARTER_HOUR};
use crate::pending_events::PendingEvents;
use crate::request::{Past, StreamParams, query};
use crate::rule_store::NoRules;
use crate::script::{Action, Then, When, system};
use crate::{problems, response, time};

/// How long PowerTrack tolerates one connection above the limit.
const EXTRA_TOLERATED: Duration = Duration::from_secs(60);

/// Takes a place for a stream, or refuses the request. Returns the headers that report the limit of
/// requests.
pub(crate) fn admit(
    exchange: &mut Exchange<'_>,
    endpoint: &'static Endpoint,
    params: &StreamParams,
    pending: &mut PendingEvents<'_>,
) -> Result<String, End> {
    let shared = exchange.shared;
    let config = &shared.config;
    let mut lines = String::new();
    if let Some(limit) = endpoint.requests_max {
        let counter = Counter::Stream(endpoint.path);
        let rate = shared.rate_limits.take(counter, limit, QUARTER_HOUR, shared.clock.unix_ms());
        lines = response::rate_limit(&rate);
        if rate.exceeded && config.stream_requests_limited {
            return Err(exchange.refuse(429, &lines, &problems::problem(429), End::Refused));
        }
    }
    let lacks_rules = match endpoint.product {
        Product::Powerstream => config.no_rules == NoRules::Conflict && shared.powerstream.len() == 0,
        Product::Filtered => shared.filtered.len() == 0,
        Product::Sample | Product::Sample10 | Product::Firehose => false,
    };
    if lacks_rules {
        return Err(exchange.refuse(409, &lines, &problems::no_rules(endpoint.product), End::Refused));
    }
    let length_max = config.recovery_window_max.map(|max| max.as_millis() as u64);
    match (params.past, length_max) {
        (Past::Window(from, to), Some(max)) if to.saturating_sub(from) > max => {
            let end = if endpoint.product.is_v2() { "end_time" } else { "endTime" };
            let wanted = format!("within {}s of the start", max / 1_000);
            let problem = query::wrong_value(end, &time::iso(to), &wanted);
            return Err(exchange.refuse(400, &lines, &problem, End::Refused));
        }
        _ => {}
    }
    // Both paths of Powerstream are the same stream.
    let path = if endpoint.product == Product::Powerstream { "/2/powerstream" } else { endpoint.path };
    let recovers = matches!(params.past, Past::Window(..));
    let group = Group { product: endpoint.product, path, partition: params.partition, recovers };
    // Recoveries have a limit separate from the live streams.
    let (number, peer) = (exchange.out.recorder().number, exchange.out.recorder().peer);
    let (mut slot, over, oldest) = shared.slots.take(group, number, peer, config.connections_max);
    slot.is_refused = over > 0 && config.extra_connection == ExtraConnection::Refuse;
    exchange.slot = Some(slot);
    if over > 0 {
        match config.extra_connection {
            ExtraConnection::Refuse => {
                exchange.slot = None;
                return Err(exchange.refuse(429, &lines, problems::TOO_MANY_CONNECTIONS, End::Refused));
            }
            ExtraConnection::EndOldest => {
                let bytes = system::FORCE_DISCONNECT.as_bytes().to_vec();
                if let Some(oldest) = oldest {
                    shared.streams.send(oldest, Action::Line { bytes, then: Then::Close });
                }
            }
            ExtraConnection::EndNewest => {
                let bytes = system::GNIP_TOO_MANY.as_bytes().to_vec();
                pending.add(When::After(EXTRA_TOLERATED), Action::Line { bytes, then: Then::End });
            }
        }
    }
    Ok(lines)
}
