//! The simulator as a server: access, normal streams, and shutdown.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use powerstream_simulator::{End, Source, Totals};

use crate::client::{Client, Ended, file, lines, request, start};

const SOON: Duration = Duration::from_secs(5);

#[test]
fn admits_only_valid_and_authorized_requests() {
    let simulator = start(|config| config.token = Some("right".to_owned()));
    let ask = |line: &str, authorization: &str| {
        let mut client = Client::send(&simulator, &format!("{line}\r\nHost: x\r\n{authorization}\r\n"));
        if client.status() != 200 {
            assert_eq!(client.read_to_end(), Ended::Eof);
            let length = client.header("content-length").and_then(|length| length.parse().ok());
            assert_eq!(length, Some(client.leftover().len()), "{}", client.head);
        }
        (client.status(), String::from_utf8_lossy(client.leftover()).into_owned())
    };
    let get = "GET /2/powerstream HTTP/1.1";
    assert_eq!(ask(get, "Authorization: Bearer right\r\n").0, 200);
    assert_eq!(ask("GET /2/powerstream/stream HTTP/1.1", "Authorization: Bearer right\r\n").0, 200);
    for authorization in ["", "Authorization: Bearer wrong\r\n", "Authorization: Basic right\r\n"] {
        let (status, body) = ask(get, authorization);
        assert_eq!(status, 401);
        assert_eq!(
            body,
            r#"{"title":"Unauthorized","type":"about:blank","status":401,"detail":"Unauthorized"}"#
        );
    }
    assert_eq!(ask("GET /2/nothing HTTP/1.1", ""), (404, String::new()));
    assert_eq!(ask("POST /2/powerstream HTTP/1.1", "").0, 405);
    assert_eq!(ask("GET /2/powerstream HTTP/9.9", "").0, 400);
    let (status, body) =
        ask("GET /2/powerstream?localDcOnly=maybe&x=1 HTTP/1.1", "Authorization: Bearer right\r\n");
    let problem: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!((status, &problem["errors"][0]["parameters"]["localDcOnly"][0]), (400, &"maybe".into()));
    assert_eq!(problem["errors"][1]["parameters"]["x"][0], "1");
    assert_eq!(
        ask("GET /2/powerstream?backfillMinutes=5 HTTP/1.1", "Authorization: Bearer right\r\n").0,
        200
    );
    let log = simulator.ground_truth();
    assert!(log.wait(SOON, |totals| totals.open == 0));
    let ends: Vec<_> = log.connections().iter().filter_map(|connection| connection.end).collect();
    assert_eq!(ends[2..9], [End::Refused; 7]);
    assert_eq!(log.totals().streams, 3);
    assert_eq!(log.connection(9).unwrap().status, Some(400));
    let text = format!("{simulator:?} {log:?} {:?}", log.connections());
    assert!(!text.contains("right") && !text.contains("powerstream?"), "{text}");
}

#[test]
fn names_the_datacenter_to_local_clients_only() {
    let simulator = start(|config| config.datacenter = "pdxa".to_owned());
    let mut client = Client::send(&simulator, &request("/2/powerstream?localDcOnly=true"));
    assert_eq!(client.header("content-type"), Some("application/json; charset=utf-8"));
    assert_eq!(client.header("x-powerstream-datacenter"), Some("pdxa"));
    assert_eq!(client.header("x-powerstream-localdconly"), Some("true"));
    assert!(client.header("date").unwrap().ends_with(" UTC"));
    assert_eq!(client.header("x-transaction-id").map(str::len), Some(16));
    client.read_messages(2);
    let metadata: serde_json::Value = serde_json::from_slice(&client.messages[0]).unwrap();
    assert_eq!((&metadata["type"], &metadata["datacenter"]), (&"connection_metadata".into(), &"pdxa".into()));
    assert!(metadata["timestamp"].as_u64().unwrap() > 1_700_000_000_000);
    assert_eq!(
        simulator.ground_truth().connection(1).unwrap().target.as_deref(),
        Some("/2/powerstream?localDcOnly=true")
    );

    let client = Client::stream(&simulator);
    assert_eq!(client.header("x-powerstream-datacenter"), None);
}

#[test]
fn logs_every_message_before_it_arrives() {
    let simulator = start(|config| config.rate = Some(2_000.0));
    let log = simulator.ground_truth();
    let mut client = Client::stream(&simulator);
    for n in 0..200 {
        client.read_messages(n + 1);
        let now = Instant::now();
        let post: serde_json::Value = serde_json::from_slice(&client.messages[n]).unwrap();
        let written = log.written_at(post["id"].as_u64().unwrap());
        assert!(written.is_some_and(|written| written <= now));
    }
    assert_eq!(log.written_at(1), None);
}

#[test]
fn connections_share_the_live_feed() {
    let simulator = start(|config| config.rate = Some(1_000.0));
    let (mut one, mut two) = (Client::stream(&simulator), Client::stream(&simulator));
    two.read_messages(50);
    one.read_until(|one| one.messages.contains(&two.messages[49]));
    let first = one.messages.iter().position(|message| *message == two.messages[0]).unwrap();
    assert!(one.messages[first..first + 50] == two.messages[..50]);
}

/// Connections follow each other immediately, and each receives Posts.
#[test]
fn serves_many_reconnects_in_a_row() {
    let simulator = start(|config| config.rate = Some(2_000.0));
    for _ in 0..200 {
        Client::stream(&simulator).read_messages(1);
    }
}

#[test]
fn sends_keep_alives_when_idle() {
    let simulator = start(|config| {
        config.rate = Some(0.0);
        config.keep_alive = Duration::from_millis(20);
    });
    let start = Instant::now();
    let mut client = Client::stream(&simulator);
    client.read_until(|client| client.keep_alives >= 5);
    assert!(start.elapsed() >= Duration::from_millis(99), "{:?}", start.elapsed());
    assert!(client.messages.is_empty());
    assert!(client.chunks.iter().all(|size| *size == 2));
}

#[test]
fn sends_no_keep_alives_on_a_busy_stream() {
    let simulator = start(|config| config.rate = Some(1_000.0));
    let mut client = Client::stream(&simulator);
    client.read_messages(100);
    assert_eq!(client.keep_alives, 0);
}

#[test]
fn sends_a_file_at_the_configured_rate() {
    let simulator = start(|config| {
        config.source = file(31);
        config.rate = Some(200.0);
    });
    let start = Instant::now();
    let mut client = Client::stream(&simulator);
    client.read_messages(31);
    let took = start.elapsed();
    assert!(took >= Duration::from_millis(149) && took < Duration::from_secs(3), "{took:?}");
}

#[test]
fn notices_a_client_that_leaves_at_once() {
    // On a quiet stream without the watcher, the end would be noticed with the next write, after 20
    // s.
    let simulator = start(|config| config.rate = Some(0.0));
    let log = simulator.ground_truth();
    drop(Client::stream(&simulator));
    let start = Instant::now();
    assert!(log.wait(SOON, |totals| totals.open == 0));
    assert!(start.elapsed() < Duration::from_secs(1));
    assert_eq!(log.connection(1).unwrap().end, Some(End::ClientLeft));
}

/// The connection of a client that does not read waits, and nothing is lost.
#[test]
fn a_slow_reader_loses_nothing() {
    let source = file(6_000);
    let posts = lines(&source);
    let simulator = start(|config| config.source = source);
    let log = simulator.ground_truth();
    let mut client = Client::stream(&simulator);
    let mut before = Totals::default();
    // Until there is no progress for 100 ms.
    while log.wait(Duration::from_millis(100), |totals| totals.wire_bytes > before.wire_bytes) {
        before = log.totals();
    }
    assert!(before.posts < 6_000, "socket buffers took everything");
    client.read_messages(6_000);
    assert!(client.messages == posts);
}

#[test]
fn disconnects_a_client_whose_head_never_ends() {
    let simulator = start(|config| config.head_timeout = Duration::from_millis(50));
    let mut stream = TcpStream::connect(simulator.local_addr()).unwrap();
    stream.set_read_timeout(Some(SOON)).unwrap();
    stream.write_all(b"GET /2/powerstream HTTP/1.1\r\nHost: x\r\n").unwrap();
    assert_eq!(stream.read(&mut [0; 10]).unwrap(), 0);
    assert!(simulator.ground_truth().wait(SOON, |totals| totals.open == 0));
    assert_eq!(simulator.ground_truth().connection(1).unwrap().end, Some(End::NoRequest));
}

#[test]
fn bounds_the_ground_truth_log() {
    let source = file(120);
    let ids: Vec<u64> = match &source {
        Source::File(posts) => posts.iter().filter_map(|post| post.id()).collect(),
        _ => panic!(),
    };
    let simulator = start(|config| {
        config.source = source;
        config.ground_truth_messages_max = 50;
    });
    Client::stream(&simulator).read_messages(120);
    let log = simulator.ground_truth();
    assert!(log.wait(SOON, |totals| totals.messages == 120));
    let kept: Vec<u64> = log.messages(1).iter().filter_map(|message| message.post_id).collect();
    assert_eq!(kept, ids[70..]);
    assert_eq!((log.written_at(ids[69]), log.totals().forgotten), (None, 70));
}

/// Connections that wait for a request or a Post, or are blocked or stalled, all end immediately.
#[test]
fn shuts_down_promptly() {
    let quiet = start(|config| config.rate = Some(0.0));
    let blocked = start(|config| config.source = file(6_000));
    let idle = TcpStream::connect(quiet.local_addr()).unwrap();
    let clients = [Client::stream(&quiet), Client::stream(&blocked)];
    let mut before = 0;
    while blocked.ground_truth().wait(Duration::from_millis(100), |totals| totals.wire_bytes > before) {
        before = blocked.ground_truth().totals().wire_bytes;
    }
    assert!(quiet.ground_truth().wait(SOON, |totals| totals.connections == 2));
    for simulator in [quiet, blocked] {
        let (log, address) = (simulator.ground_truth(), simulator.local_addr());
        let start = Instant::now();
        simulator.shutdown();
        simulator.shutdown();
        // This takes milliseconds on an idle machine.
        assert!(start.elapsed() < Duration::from_millis(500), "{:?}", start.elapsed());
        println!("shutdown took {:?}", start.elapsed());
        assert!(
            log.connections().iter().all(|connection| connection.end == Some(End::Shutdown)),
            "{:?}",
            log.connections()
        );
        drop(simulator);
        assert!(TcpStream::connect(address).is_err());
    }
    drop((idle, clients));
}

#[test]
fn refuses_an_address_in_use_and_frees_it_on_drop() {
    let first = start(|_| {});
    let address = first.local_addr();
    assert_eq!(first.base_url(), format!("http://{address}"));
    let config = crate::client::config(|config| config.listen = address);
    assert!(powerstream_simulator::Simulator::start(config.clone()).is_err());
    drop(Client::stream(&first));
    drop(first);
    powerstream_simulator::Simulator::start(config).unwrap();
}

/// Prints the throughput of a file: run with `--release --nocapture`.
#[test]
fn prints_the_throughput_of_one_connection() {
    let source = file(5_000);
    let total: usize = lines(&source).iter().map(|post| post.len() + 2).sum();
    let simulator = start(|config| config.source = source);
    let mut stream = TcpStream::connect(simulator.local_addr()).unwrap();
    stream.write_all(request("/2/powerstream").as_bytes()).unwrap();
    let start = Instant::now();
    let mut buffer = vec![0; 64 << 10];
    let mut bytes = 0;
    while bytes < total {
        bytes += stream.read(&mut buffer).unwrap();
    }
    let seconds = start.elapsed().as_secs_f64();
    println!("{:.0} Posts/s, {:.0} MB/s", 5_000.0 / seconds, bytes as f64 / seconds / 1e6);
}
