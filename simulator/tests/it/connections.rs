//! The connections API: lists the connections to the v2 streams, and ends them.

use std::time::Duration;

use powerstream_simulator::{Simulator, Time};
use serde_json::{Value, json};

use crate::client::{Client, Ended, request, start};

const SOON: Duration = Duration::from_secs(5);
const PATH: &str = "/2/connections";

fn simulator() -> Simulator {
    start(|config| {
        config.time = Time::Virtual { unix_ms: 1_790_000_000_000 };
        config.rate = Some(1.0);
        config.connections_max = Some(1);
        config.ghost = Duration::from_secs(60);
    })
}

/// Sends a request. Returns the status and the body.
fn ask(simulator: &Simulator, method: &str, target: &str, body: &str) -> (u16, Value) {
    let text = format!(
        "{method} {target} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer token\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut client = Client::send(simulator, &text);
    assert_eq!(client.read_to_end(), Ended::Eof);
    (client.status(), serde_json::from_slice(client.leftover()).unwrap_or(Value::Null))
}

fn open(simulator: &Simulator, target: &str) -> Client {
    let client = Client::send(simulator, &request(target));
    assert_eq!(client.status(), 200, "{}", client.head);
    client
}

fn ids(answer: &Value) -> Vec<String> {
    let data = answer["data"].as_array().map(Vec::as_slice).unwrap_or_default();
    data.iter().map(|entry| entry["id"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn lists_connections_to_v2_streams_by_endpoint_and_status() {
    let simulator = simulator();
    let _powerstream = open(&simulator, "/2/powerstream");
    let mut sample = open(&simulator, "/2/tweets/sample/stream");
    let _english = open(&simulator, "/2/tweets/firehose/stream/lang/en?partition=3");
    let (status, all) = ask(&simulator, "GET", PATH, "");
    assert_eq!((status, all["meta"]["result_count"].as_u64()), (200, Some(2)), "{all}");
    assert_eq!(all["data"][0]["endpoint_name"], "sample_stream");
    assert_eq!(all["data"][0]["connected_at"], "2026-09-21T14:13:20.000Z");
    assert_eq!(all["data"][0]["client_ip"], "127.0.0.1");
    assert_eq!(all["data"][1]["endpoint_name"], "firehose_stream_lang_en");

    let (_, one) = ask(&simulator, "GET", &format!("{PATH}?endpoints=firehose_stream_lang_en"), "");
    assert_eq!(ids(&one), ids(&all)[1..]);
    let (_, page) = ask(&simulator, "GET", &format!("{PATH}?max_results=1"), "");
    let next = page["meta"]["next_token"].as_str().unwrap();
    let (_, rest) = ask(&simulator, "GET", &format!("{PATH}?max_results=1&pagination_token={next}"), "");
    assert_eq!([ids(&page), ids(&rest)].concat(), ids(&all));
    assert!(rest["meta"].get("next_token").is_none());

    sample.read_until(|client| client.messages.len() == 1);
    drop(sample);
    let log = simulator.ground_truth();
    assert!(log.wait(SOON, |_| log.connection(2).unwrap().end.is_some()));
    let (_, active) = ask(&simulator, "GET", PATH, "");
    assert_eq!(ids(&active), ids(&all)[1..]);
    let (_, inactive) = ask(&simulator, "GET", &format!("{PATH}?status=inactive"), "");
    assert_eq!(ids(&inactive), ids(&all)[..1]);
    assert_eq!(inactive["data"][0]["disconnected_at"], "2026-09-21T14:13:20.000Z");
    for target in ["?status=gone", "?endpoints=powerstream", "?max_results=0", "?x=1"] {
        assert_eq!(ask(&simulator, "GET", &format!("{PATH}{target}"), "").0, 400, "{target}");
    }
    assert_eq!(ask(&simulator, "POST", PATH, "").0, 405);
    assert_eq!(ask(&simulator, "GET", "/2/connections/all", "").0, 405);
    assert_eq!(ask(&simulator, "DELETE", "/2/connections/powerstream", "").0, 404);
}

#[test]
fn ending_a_lost_connection_frees_its_place() {
    let simulator = simulator();
    open(&simulator, "/2/tweets/sample/stream").reset();
    let log = simulator.ground_truth();
    assert!(log.wait(SOON, |_| log.connection(1).unwrap().end.is_some()));
    let refused = Client::send(&simulator, &request("/2/tweets/sample/stream"));
    assert_eq!(refused.status(), 429);
    // A refused connection never counted.
    let (_, all) = ask(&simulator, "GET", &format!("{PATH}?status=all"), "");
    let lost = ids(&all);
    assert_eq!(lost.len(), 1);

    let body = json!({ "uuids": [lost[0], "unknown"] }).to_string();
    let (status, answer) = ask(&simulator, "DELETE", PATH, &body);
    assert_eq!(status, 200);
    assert_eq!(
        (&answer["data"]["successful_kills"], &answer["data"]["failed_kills"]),
        (&json!(1), &json!(1))
    );
    assert_eq!(answer["data"]["results"][0], json!({ "uuid": lost[0], "success": true }));
    let (_, past) = ask(&simulator, "GET", &format!("{PATH}?status=all"), "");
    assert_eq!(past["data"][0]["disconnect_reason"], "operator_disconnect");
    drop(open(&simulator, "/2/tweets/sample/stream"));
    for body in ["", "{}", r#"{"uuids":[]}"#, r#"{"uuids":[1]}"#] {
        assert_eq!(ask(&simulator, "DELETE", PATH, body).0, 400, "{body}");
    }
}

#[test]
fn ending_an_open_connection_ends_its_stream() {
    for target in ["/2/connections/sample_stream", "/2/connections/all"] {
        let simulator = simulator();
        let mut sample = open(&simulator, "/2/tweets/sample/stream");
        let (status, answer) = ask(&simulator, "DELETE", target, "");
        assert_eq!((status, &answer["data"]["successful_kills"]), (200, &json!(1)), "{answer}");
        assert_eq!(sample.read_to_end(), Ended::Eof);
        let last = String::from_utf8_lossy(sample.messages.last().unwrap()).into_owned();
        assert!(last.contains("OperationalDisconnect"), "{last}");
        let (_, answer) = ask(&simulator, "DELETE", target, "");
        assert_eq!(answer["data"]["successful_kills"], 0);
    }
}
