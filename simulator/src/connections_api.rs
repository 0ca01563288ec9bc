//! The connections API: lists and ends the connections to the v2 streams.
//!
//! Paths, parameters and formats are those of X's API description (2.167). It has no name for
//! Powerstream, so its connections are not listed. X documents neither the message to an ended
//! stream nor the reasons of a disconnect, except for one example.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::endpoint::{self, ConnectionsResource};
use crate::exchange::Exchange;
use crate::ground_truth::End;
use crate::limits::{CountedConnection, PastConnection, Slots};
use crate::request::{Request, query};
use crate::rng::Rng;
use crate::script::{Action, Then, system};
use crate::shared::Shared;
use crate::time;

/// The most connections of a page, and of a request to end some.
const PAGE_MAX: usize = 100;

/// The connections of a page without `max_results`.
const PAGE_DEFAULT: usize = 10;

/// The fields of a listed connection.
const FIELDS: [&str; 6] =
    ["id", "endpoint_name", "connected_at", "disconnected_at", "disconnect_reason", "client_ip"];

/// A status and a body.
type Answer = (u16, String);

/// Answers a request with a method that the resource allows. Returns how the connection ended.
pub(crate) fn answer(
    exchange: &mut Exchange<'_>,
    resource: &ConnectionsResource,
    request: &Request,
    body: &[u8],
) -> End {
    let shared = exchange.shared;
    let result = match (resource, request.method()) {
        (ConnectionsResource::List, "GET") => list(&shared.slots, shared.config.seed, request.query()),
        (ConnectionsResource::List, _) => named(body).map(|uuids| end(shared, &uuids)),
        (ConnectionsResource::All, _) => Ok(end(shared, &uuids(shared, |_| true))),
        (ConnectionsResource::Endpoint(name), _) => {
            Ok(end(shared, &uuids(shared, |connection| name_of(connection) == Some(*name))))
        }
    };
    let (status, body) = result.unwrap_or_else(|refused| refused);
    let end = if status < 300 { End::Complete } else { End::Refused };
    exchange.refuse(status, "", &body, end)
}

/// Returns the name of the endpoint of a connection; `None` if the API does not list it.
fn name_of(connection: &CountedConnection) -> Option<&'static str> {
    endpoint::connections_name(connection.path)
}

/// Returns the id of a connection: a UUID of version 4, computed from the seed.
fn uuid(seed: u64, number: u64) -> String {
    let mut rng = Rng::nth(seed ^ 0xC0_4E_C7, number);
    let (high, low) = (rng.next(), rng.next());
    format!(
        "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
        high >> 32,
        high >> 16 & 0xFFFF,
        high & 0xFFF,
        low >> 48 & 0x3FFF | 0x8000,
        low & 0xFFFF_FFFF_FFFF
    )
}

/// Returns the ids of the counted connections that `is_wanted` selects.
fn uuids(shared: &Shared, is_wanted: impl Fn(&CountedConnection) -> bool) -> Vec<String> {
    let counted = shared.slots.counted();
    let listed = counted.iter().filter(|connection| name_of(connection).is_some() && is_wanted(connection));
    listed.map(|connection| uuid(shared.config.seed, connection.number)).collect()
}

/// Returns the ids in the body of a request to end connections.
fn named(body: &[u8]) -> Result<Vec<String>, Answer> {
    let wrong = || (400, query::wrong_value("uuids", "", "a list of 1 to 100 ids"));
    let body: Value = serde_json::from_slice(body).map_err(|_| wrong())?;
    let uuids = body["uuids"].as_array().filter(|list| (1..=PAGE_MAX).contains(&list.len()));
    let uuids = uuids.ok_or_else(wrong)?;
    uuids.iter().map(|uuid| uuid.as_str().map(str::to_owned)).collect::<Option<_>>().ok_or_else(wrong)
}

/// Ends connections, and stops counting those that are gone already.
fn end(shared: &Shared, uuids: &[String]) -> Answer {
    let known: BTreeMap<String, u64> = shared
        .slots
        .counted()
        .iter()
        .filter(|connection| name_of(connection).is_some())
        .map(|connection| (uuid(shared.config.seed, connection.number), connection.number))
        .collect();
    let mut killed = 0;
    let mut results = Vec::new();
    for uuid in uuids {
        let success = known.get(uuid).is_some_and(|number| shared.slots.kill(*number));
        if let (true, Some(number)) = (success, known.get(uuid)) {
            let bytes = system::OPERATIONAL.as_bytes().to_vec();
            shared.streams.send(*number, Action::Line { bytes, then: Then::Close });
            killed += 1;
        }
        results.push(match success {
            true => json!({"uuid": uuid, "success": true}),
            false => json!({"uuid": uuid, "success": false, "error_message": "No such connection"}),
        });
    }
    let data = json!({
        "successful_kills": killed,
        "failed_kills": uuids.len() - killed,
        "results": results,
    });
    (200, json!({ "data": data }).to_string())
}

/// A listed connection: current or past.
enum Listed {
    Counted(CountedConnection),
    Past(PastConnection),
}

impl Listed {
    fn connection(&self) -> &CountedConnection {
        match self {
            Self::Counted(connection) => connection,
            Self::Past(past) => &past.connection,
        }
    }

    /// Returns the object with these fields.
    fn json(&self, name: &str, seed: u64, wanted: &[String]) -> Value {
        let connection = self.connection();
        let mut fields = Map::new();
        fields.insert("id".to_owned(), json!(uuid(seed, connection.number)));
        fields.insert("endpoint_name".to_owned(), json!(name));
        fields.insert("connected_at".to_owned(), json!(time::iso(connection.since_unix_ms)));
        if let Self::Past(past) = self {
            let reason = if past.is_killed { "operator_disconnect" } else { "client_disconnect" };
            fields.insert("disconnected_at".to_owned(), json!(time::iso(past.until_unix_ms)));
            fields.insert("disconnect_reason".to_owned(), json!(reason));
        }
        fields.insert("client_ip".to_owned(), json!(connection.peer.to_string()));
        fields.retain(|name, _| wanted.iter().any(|wanted| wanted == name));
        Value::Object(fields)
    }
}

fn list(slots: &Slots, seed: u64, query: &str) -> Result<Answer, Answer> {
    const NAMES: [&str; 5] = ["status", "endpoints", "max_results", "pagination_token", "connection.fields"];
    let (mut active, mut inactive) = (true, false);
    let (mut names, mut most, mut from) = (None::<Vec<String>>, PAGE_DEFAULT, 0);
    // X does not document which fields are listed without the parameter.
    let mut fields: Vec<String> = FIELDS.map(str::to_owned).to_vec();
    for (name, value) in query::only(query, &NAMES).map_err(|body| (400, body))? {
        let wrong = |wanted: &str| (400, query::wrong_value(&name, &value, wanted));
        match &*name {
            "status" => {
                (active, inactive) = match &*value {
                    "active" => (true, false),
                    "inactive" => (false, true),
                    "all" => (true, true),
                    _ => return Err(wrong("one of [active,inactive,all]")),
                }
            }
            "endpoints" => {
                let wanted: Vec<_> = value.split(',').map(str::to_owned).collect();
                if !wanted.iter().all(|name| endpoint::is_connections_name(name)) {
                    return Err(wrong("a list of endpoint names"));
                }
                names = Some(wanted);
            }
            "max_results" => {
                let number = value.parse().ok().filter(|number| (1..=PAGE_MAX).contains(number));
                most = number.ok_or_else(|| wrong("between 1 and 100"))?;
            }
            "pagination_token" => {
                let offset = usize::from_str_radix(&value, 16).ok().filter(|_| value.len() == 16);
                from = offset.ok_or_else(|| wrong("a token of this list"))?;
            }
            _ => {
                fields = value.split(',').map(str::to_owned).collect();
                if !fields.iter().all(|field| FIELDS.contains(&field.as_str())) {
                    return Err(wrong(&format!("one of [{}]", FIELDS.join(","))));
                }
            }
        }
    }
    let counted = if active { slots.counted() } else { Vec::new() };
    let past = if inactive { slots.past() } else { Vec::new() };
    let all = counted.into_iter().map(Listed::Counted).chain(past.into_iter().map(Listed::Past));
    let listed: Vec<Value> = all
        .filter_map(|listed| {
            let name = name_of(listed.connection())?;
            let is_wanted = names.as_ref().is_none_or(|names| names.iter().any(|wanted| wanted == name));
            is_wanted.then(|| listed.json(name, seed, &fields))
        })
        .collect();
    let end = listed.len().min(from.saturating_add(most));
    let page = listed.get(from..end).unwrap_or_default();
    let mut meta = json!({ "result_count": page.len() });
    if end < listed.len() {
        meta["next_token"] = json!(format!("{end:016X}"));
    }
    let mut body = json!({ "meta": meta });
    if !page.is_empty() {
        body["data"] = json!(page);
    }
    Ok((200, body.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_distinct_uuids_of_version_4() {
        let ids: Vec<String> = (0..100).map(|number| uuid(7, number)).collect();
        for (number, id) in ids.iter().enumerate() {
            assert!(id.len() == 36 && &id[14..15] == "4" && "89ab".contains(&id[19..20]), "{id}");
            assert!(!ids[..number].contains(id));
            assert_eq!(*id, uuid(7, number as u64));
        }
    }
}
