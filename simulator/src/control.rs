//! `/simulator/`: counters, the ground truth log and fault injection over HTTP, for tests in other
//! languages. X has no such path.
//!
//! | request | response |
//! |---|---|
//! | `GET /simulator/` | this list |
//! | `GET /simulator/counters` | totals, rules, connections that count towards the limit |
//! | `GET /simulator/connections` | each connection: datacenter, target, what was sent, its end |
//! | `GET /simulator/truth?connection=N` | the messages of a connection, as JSON lines |
//! | `GET /simulator/scenarios` | the built-in scenarios, and the values of `kind` |
//! | `POST /simulator/trigger` | injects an event (TOML or JSON; `connection` selects one) |
//! | `POST /simulator/kill?datacenter=NAME` | stops a datacenter |
//! | `POST /simulator/restart?datacenter=NAME` | restarts a datacenter |
//! | `POST /simulator/advance?ms=N` | advances a virtual clock |
//!
//! A web page that is open on the same machine must not control or read the simulator. So requests
//! with the `Origin` of another page are refused with 403. On loopback, so are requests with
//! another `Host` than `localhost` or a loopback address. No response has CORS fields.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::exchange::Exchange;
use crate::ground_truth::{ConnectionRecord, End, MessageRecord};
use crate::request::{Request, query};
use crate::scenario::Scenario;
use crate::script;
use crate::shared::Shared;

const HELP: &str = "\
GET  /simulator/counters
GET  /simulator/connections
GET  /simulator/truth?connection=N
GET  /simulator/scenarios
POST /simulator/trigger             an event as the body, such as {\"do\":\"cut\",\"how\":\"reset\",\"connection\":1}
POST /simulator/kill?datacenter=NAME
POST /simulator/restart?datacenter=NAME
POST /simulator/advance?ms=N        with a virtual clock
";

/// Answers a request to the simulator's own paths.
pub(crate) fn answer(exchange: &mut Exchange<'_>, path: &str, request: &Request, body: &[u8]) -> End {
    let parameters: Vec<_> = query::pairs(request.query()).collect();
    let parameter = |name: &str| {
        parameters
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
            .unwrap_or_default()
    };
    let shared = exchange.shared;
    let on_loopback = shared.datacenters[exchange.datacenter].listen.ip().is_loopback();
    if request.may_be_cross_origin(on_loopback) {
        let text = "the request may come from a web page; send no `Origin`, and `localhost` or the address as `Host`";
        return exchange.refuse(403, "", &line(&error(text)), End::Refused);
    }
    let (status, text) = match (request.method(), path) {
        ("GET", "") => (200, HELP.to_owned()),
        ("GET", "counters") => (200, line(&counters(shared))),
        ("GET", "connections") => {
            let began = shared.clock.started();
            let all: Vec<Value> =
                shared.ground_truth.connections().iter().map(|record| connection(record, began)).collect();
            (200, line(&Value::Array(all)))
        }
        ("GET", "truth") => match parameter("connection").parse() {
            Ok(number) => {
                let began = shared.clock.started();
                (
                    200,
                    shared
                        .ground_truth
                        .messages(number)
                        .iter()
                        .map(|m| line(&message(number, m, began)))
                        .collect(),
                )
            }
            Err(_) => (
                400,
                line(&error(
                    "`connection` must be the number of a connection; list them with GET /simulator/connections",
                )),
            ),
        },
        ("GET", "scenarios") => {
            let named =
                |scenario: &Scenario| json!({"name": scenario.name(), "what": scenario.description()});
            let scenarios: Vec<Value> = Scenario::all().iter().map(named).collect();
            let kinds: Value =
                script::kinds().into_iter().map(|(action, kinds)| (action.to_owned(), kinds)).collect();
            (200, line(&json!({"scenarios": scenarios, "kinds": kinds})))
        }
        ("POST", "trigger") => match std::str::from_utf8(body).map(|event| shared.trigger(None, event)) {
            Ok(Ok(struck)) => (200, line(&json!({"struck": struck}))),
            Ok(Err(wrong)) => (400, line(&error(&wrong.to_string()))),
            Err(_) => (400, line(&error("the event is not UTF-8; send TOML or JSON as UTF-8"))),
        },
        ("POST", "kill") => {
            let name = parameter("datacenter");
            if !shared.datacenters.iter().any(|datacenter| datacenter.name == name) {
                return exchange.refuse(
                    404,
                    "",
                    &line(&error("unknown datacenter; set `datacenter` to the name of one")),
                    End::Refused,
                );
            }
            // The response is sent first, because this connection may belong to the killed
            // datacenter.
            let end = exchange.refuse(200, "", &line(&json!({"killed": name})), End::Complete);
            shared.kill(name);
            return end;
        }
        ("POST", "restart") => match shared.restart(parameter("datacenter")) {
            Ok(true) => (200, line(&json!({"restarted": parameter("datacenter")}))),
            Ok(false) => (404, line(&error("unknown datacenter; set `datacenter` to the name of one"))),
            Err(wrong) => (409, line(&error(&wrong.to_string()))),
        },
        ("POST", "advance") => match parameter("ms").parse() {
            // Otherwise the clock would wait for this thread.
            Ok(ms) => {
                exchange.out.link().notify().leave();
                let moved = shared.clock.advance(Duration::from_millis(ms));
                exchange.out.link().notify().enter();
                if moved {
                    (200, line(&counters(shared)))
                } else {
                    (
                        409,
                        line(&error(
                            "the simulator runs on the machine's clock; configure a virtual clock to advance it",
                        )),
                    )
                }
            }
            Err(_) => (400, line(&error("`ms` must be a number of milliseconds"))),
        },
        _ => (404, HELP.to_owned()),
    };
    exchange.refuse(status, "", &text, if status == 200 { End::Complete } else { End::Refused })
}

fn line(json: &Value) -> String {
    format!("{json}\n")
}

fn error(text: &str) -> Value {
    json!({ "error": text })
}

fn counters(shared: &Shared) -> Value {
    let totals = shared.ground_truth.totals();
    json!({
        "connections": totals.connections, "open": totals.open, "streams": totals.streams,
        "messages": totals.messages, "posts": totals.posts, "keep_alives": totals.keep_alives,
        "payload_bytes": totals.payload_bytes, "wire_bytes": totals.wire_bytes, "forgotten": totals.forgotten,
        "counted": shared.slots.count(),
        "rules": {"powerstream": shared.powerstream.len(), "filtered_stream": shared.filtered.len()},
        "elapsed_ms": shared.clock.elapsed().as_millis() as u64,
        "unix_ms": shared.clock.unix_ms(),
    })
}

/// Returns the time since the start, in milliseconds with microseconds as decimals.
fn since(at: Instant, began: Instant) -> Value {
    json!(at.saturating_duration_since(began).as_micros() as f64 / 1_000.0)
}

fn connection(record: &ConnectionRecord, began: Instant) -> Value {
    json!({
        "connection": record.number, "datacenter": &*record.datacenter, "target": record.target,
        "accepted_ms": since(record.accepted_at, began), "status": record.status, "messages": record.messages,
        "posts": record.posts, "keep_alives": record.keep_alives, "payload_bytes": record.payload_bytes,
        "wire_bytes": record.wire_bytes, "fault_ms": record.fault_at.map(|at| since(at, began)),
        "end": record.end.map(|end| format!("{end:?}")),
    })
}

fn message(number: u64, record: &MessageRecord, began: Instant) -> Value {
    let text = |bytes: &Arc<[u8]>| String::from_utf8_lossy(bytes).into_owned();
    json!({
        "connection": number, "index": record.index, "post_id": record.post_id.map(|id| id.to_string()),
        "bytes": record.len, "written_ms": since(record.written_at, began), "text": record.bytes.as_ref().map(text),
    })
}
