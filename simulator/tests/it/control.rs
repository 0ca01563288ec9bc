//! `/simulator/`, as tests in other languages use it.

use std::time::Duration;

use powerstream_simulator::{Datacenter, Simulator, Time};
use serde_json::Value;

use crate::client::{Client, Ended, start};

fn ask(simulator: &Simulator, method: &str, target: &str, body: &str) -> (u16, String) {
    let (status, _, text) = ask_with(simulator, method, target, "Host: localhost\r\n", body);
    (status, text)
}

/// Sends a request with these fields. Returns the status, the head and the body of the response.
fn ask_with(
    simulator: &Simulator,
    method: &str,
    target: &str,
    fields: &str,
    body: &str,
) -> (u16, String, String) {
    let length = body.len();
    let text = format!("{method} {target} HTTP/1.1\r\n{fields}Content-Length: {length}\r\n\r\n{body}");
    let mut client = Client::send(simulator, &text);
    assert!(matches!(client.read_to_end(), Ended::Eof | Ended::Reset));
    let text = String::from_utf8_lossy(client.leftover()).into_owned();
    (client.status(), client.head, text)
}

fn json(simulator: &Simulator, method: &str, target: &str, body: &str) -> Value {
    let (status, text) = ask(simulator, method, target, body);
    assert_eq!(status, 200, "{text}");
    serde_json::from_str(&text).unwrap()
}

#[test]
fn control_serves_the_ground_truth_and_the_counters() {
    let simulator = start(|config| {
        config.time = Time::Virtual { unix_ms: 1_790_000_000_000 };
        config.rate = Some(10.0);
    });
    let mut client = Client::stream(&simulator);
    // The clock can also be advanced over HTTP.
    let counters = json(&simulator, "POST", "/simulator/advance?ms=1000", "");
    assert_eq!((&counters["posts"], &counters["elapsed_ms"]), (&11.into(), &1000.into()));
    client.read_messages(11);
    let (status, lines) = ask(&simulator, "GET", "/simulator/truth?connection=1", "");
    assert_eq!(status, 200);
    let truth: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(truth.len(), 11);
    for (n, (sent, came)) in truth.iter().zip(&client.messages).enumerate() {
        assert_eq!(sent["text"].as_str().unwrap().as_bytes(), came.as_slice());
        assert_eq!(sent["written_ms"].as_f64(), Some(n as f64 * 100.0));
        assert_eq!((sent["index"].as_u64(), sent["connection"].as_u64()), (Some(n as u64), Some(1)));
        assert!(String::from_utf8_lossy(came).contains(sent["post_id"].as_str().unwrap()));
    }
    let connections = json(&simulator, "GET", "/simulator/connections", "");
    assert_eq!((&connections[0]["target"], &connections[0]["posts"]), (&"/2/powerstream".into(), &11.into()));
    assert_eq!(connections[0]["end"], Value::Null);
    let counters = json(&simulator, "GET", "/simulator/counters", "");
    assert_eq!((&counters["streams"], &counters["counted"]), (&1.into(), &1.into()));
    assert_eq!(counters["unix_ms"], 1_790_000_001_000_u64);
}

#[test]
fn control_triggers_faults() {
    let simulator = start(|config| config.rate = Some(200.0));
    let mut client = Client::stream(&simulator);
    client.read_messages(3);
    let event = r#"{"do":"message","kind":"operational-disconnect","then":"end","connection":1}"#;
    assert_eq!(json(&simulator, "POST", "/simulator/trigger", event)["struck"], 1);
    assert_eq!(client.read_to_end(), Ended::LastChunk);
    assert!(String::from_utf8_lossy(client.messages.last().unwrap()).contains("OperationalDisconnect"));
    let (status, text) = ask(&simulator, "POST", "/simulator/trigger", "do = \"explode\"");
    assert!(status == 400 && text.contains("cut, end, refuse"), "{text}");
    let scenarios = json(&simulator, "GET", "/simulator/scenarios", "");
    assert!(scenarios["scenarios"].as_array().unwrap().len() >= 28);
    assert!(scenarios["kinds"]["bad-chunk"].as_array().unwrap().contains(&"lf-alone".into()));
}

#[test]
fn control_kills_and_restarts_datacenters() {
    let simulator =
        start(|config| config.datacenters = vec![Datacenter::new("atla"), Datacenter::new("pdxa")]);
    let there = simulator.base_url_of("pdxa").unwrap();
    let reachable = || std::net::TcpStream::connect(there.strip_prefix("http://").unwrap()).is_ok();
    assert_eq!(json(&simulator, "POST", "/simulator/kill?datacenter=pdxa", "")["killed"], "pdxa");
    let mut rounds = 0;
    while reachable() && rounds < 100 {
        std::thread::sleep(Duration::from_millis(20));
        rounds += 1;
    }
    assert!(!reachable());
    json(&simulator, "POST", "/simulator/restart?datacenter=pdxa", "");
    assert!(reachable());
    assert_eq!(ask(&simulator, "POST", "/simulator/kill?datacenter=nowhere", "").0, 404);
    assert_eq!(ask(&simulator, "POST", "/simulator/restart?datacenter=nowhere", "").0, 404);
}

#[test]
fn control_refuses_unknown_paths_and_unauthorized_requests() {
    let simulator = start(|_| {});
    for (method, target, want) in [
        ("GET", "/simulator/", 200),
        ("GET", "/simulator/nothing", 404),
        ("GET", "/simulator/truth", 400),
        ("POST", "/simulator/advance?ms=5", 409),
        ("POST", "/simulator/advance", 400),
        ("GET", "/simulators", 404),
    ] {
        assert_eq!(ask(&simulator, method, target, "").0, want, "{target}");
    }
    // A configured token protects the endpoint, and the configuration can turn it off.
    let guarded = start(|config| config.token = Some("secret".to_owned()));
    assert_eq!(ask(&guarded, "GET", "/simulator/counters", "").0, 401);
    let without = start(|config| config.control = false);
    assert_eq!(ask(&without, "GET", "/simulator/counters", "").0, 404);
}

#[test]
fn control_refuses_web_pages_of_other_origins() {
    let simulator = start(|_| {});
    assert!(simulator.local_addr().ip().is_loopback(), "loopback is the default");
    let kill = "/simulator/kill?datacenter=dc";
    for (method, target) in [("GET", "/simulator/truth?connection=1"), ("POST", kill), ("OPTIONS", kill)] {
        for fields in [
            "Host: attacker.example\r\n",
            "Host: localhost\r\nOrigin: https://attacker.example\r\n",
            "Host: localhost\r\nOrigin: null\r\n",
        ] {
            let (status, head, _) = ask_with(&simulator, method, target, fields, "");
            assert_eq!(status, 403, "{method} {target} {fields}");
            assert!(!head.to_ascii_lowercase().contains("access-control-"), "{head}");
        }
    }
    let address = simulator.local_addr();
    let fields = format!("Host: {address}\r\nOrigin: http://{address}\r\n");
    let (status, head, _) = ask_with(&simulator, "GET", "/simulator/counters", &fields, "");
    assert_eq!(status, 200);
    assert!(!head.to_ascii_lowercase().contains("access-control-"), "{head}");
    // Streams do not depend on the name: clients connect through any.
    let request = "GET /2/powerstream HTTP/1.1\r\nHost: api.x.com\r\nAuthorization: Bearer a\r\n\r\n";
    assert_eq!(Client::send(&simulator, request).status(), 200);
}
