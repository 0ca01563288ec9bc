//! The effect of each event of a scenario on a client.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use powerstream_simulator::{Config, Datacenter, End, Scenario, Script, Simulator, Source, Time};

use crate::client::{Client, Ended, each_of, file, lines, request, start};

const SECOND: Duration = Duration::from_secs(1);
const SOON: Duration = Duration::from_secs(5);

fn script(text: &str) -> Script {
    let text =
        if text.contains("description") { text.to_owned() } else { format!("description = \"x\"\n{text}") };
    text.parse().unwrap_or_else(|error| panic!("{error}\n{text}"))
}

/// Starts a simulator with one event and a file of 50 Posts.
fn simulator(event: &str, change: impl FnOnce(&mut Config)) -> (Simulator, Vec<Vec<u8>>) {
    let source = file(50);
    let posts = lines(&source);
    let simulator = start(|config| {
        config.source = source;
        config.script = Some(script(&format!("[[event]]\n{event}")));
        change(config);
    });
    (simulator, posts)
}

/// Returns everything received until the end of the connection or a timeout.
fn raw(simulator: &Simulator, request: &str) -> (Vec<u8>, Option<ErrorKind>) {
    let mut stream = TcpStream::connect(simulator.local_addr()).unwrap();
    // On a busy machine the head may arrive late.
    stream.set_read_timeout(Some(SECOND)).unwrap();
    if let Err(error) = stream.write_all(request.as_bytes()) {
        // A socket reports a reset once, and this write may be the call that receives it.
        assert!(matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe));
        return (Vec::new(), Some(ErrorKind::ConnectionReset));
    }
    let mut all = Vec::new();
    let mut buffer = [0; 16 << 10];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => return (all, None),
            Ok(len) => all.extend_from_slice(&buffer[..len]),
            Err(error) => return (all, Some(error.kind())),
        }
        stream.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
        if all.len() > 8 << 20 {
            return (all, Some(ErrorKind::OutOfMemory));
        }
    }
}

fn stream_request() -> String {
    request("/2/powerstream")
}

fn is_silence(kind: Option<ErrorKind>) -> bool {
    matches!(kind, Some(ErrorKind::WouldBlock | ErrorKind::TimedOut))
}

#[test]
fn cuts_at_every_place_in_every_way() {
    let places = ["accept", "request", "head", "in-head", "between", "in-size", "in-message", "in-line-end"];
    let cases = places.map(|place| ["reset", "close", "half-close", "stall"].map(|how| (place, how)));
    each_of(cases.as_flattened(), |&(place, how)| {
        let what = format!("{how} {place}");
        let when = if ["between", "in-size", "in-message", "in-line-end"].contains(&place) {
            "after-posts = 10"
        } else {
            ""
        };
        let (simulator, posts) = self::simulator(
            &format!("do = \"cut\"\nhow = \"{how}\"\nplace = \"{place}\"\n{when}\nattempts = 1"),
            |_| {},
        );
        let (bytes, end) = raw(&simulator, &stream_request());
        match how {
            "reset" => assert_eq!(end, Some(ErrorKind::ConnectionReset), "{what}"),
            "stall" => assert!(is_silence(end), "{what}"),
            _ => assert_eq!(end, None, "{what}"),
        }
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let body = text.split_once("\r\n\r\n").map(|(_, body)| body.to_owned());
        match place {
            "accept" | "request" | "head" => assert!(bytes.is_empty(), "{what}: {text}"),
            "in-head" => {
                assert!(text.starts_with("HTTP/1.1 200 OK\r\n") && body.is_none(), "{what}: {text}")
            }
            // A reset discards data in transit.
            _ if how == "reset" => {}
            _ => {
                let body = body.unwrap();
                let end = match place {
                    "between" => "\r\n\r\n".to_owned(),
                    "in-size" => "1f".to_owned(),
                    "in-line-end" => format!("{}\r", String::from_utf8_lossy(&posts[10])),
                    _ => String::from_utf8_lossy(&posts[10][..posts[10].len().div_ceil(2)]).into_owned(),
                };
                assert!(body.ends_with(&end), "{what}");
                assert!(body.contains(&*String::from_utf8_lossy(&posts[9])), "{what}");
            }
        }
        let log = simulator.ground_truth();
        assert!(log.wait(SOON, |totals| totals.open == 0), "{what}");
        assert_eq!(log.connection(1).unwrap().end, Some(End::Scripted), "{what}");
        assert!(log.connection(1).unwrap().fault_at.is_some());
        // The next connection is served. At `accept`, connections are counted.
        assert_eq!(Client::stream(&simulator).read_messages(50).messages, posts, "{what}");
    });
}

#[test]
fn trickles_one_byte_at_a_time() {
    for (place, start) in [("in-size", "0000"), ("in-message", "100002\r\n{\"created_at\"")] {
        let event = format!("do = \"cut\"\nhow = \"trickle\"\nplace = \"{place}\"\nstep = \"1ms\"");
        let (simulator, _) = self::simulator(&event, |_| {});
        let mut client = Client::stream(&simulator);
        client.read_until(|client| client.leftover().len() >= 30);
        assert!(client.leftover().starts_with(start.as_bytes()), "{place}");
    }
    let (simulator, _) = self::simulator("do = \"slow-head\"\nstep = \"1ms\"", |_| {});
    let before = Instant::now();
    Client::stream(&simulator);
    assert!(before.elapsed() > Duration::from_millis(200));
}

#[test]
fn refuses_with_every_kind_of_body() {
    for (event, status, header, part) in [
        (
            "status = 429\nremaining = 0\nreset = 60",
            429,
            ("x-rate-limit-remaining", "0"),
            "Too Many Requests",
        ),
        ("status = 429\nbody = \"empty\"\nretry-after = 7", 429, ("retry-after", "7"), ""),
        (
            "status = 429\nbody = \"legacy\"\nreset = \"soon\"",
            429,
            ("x-rate-limit-reset", "soon"),
            "\"code\":88",
        ),
        ("status = 429\nbody = \"usage-cap\"", 429, ("content-type", "application/problem+json"), "UsageCap"),
        ("status = 503\nbody = \"provisioning\"", 503, ("connection", "close"), "ProvisioningSubscription"),
        (
            "status = 502\nbody = \"html\"",
            502,
            ("content-type", "text/html; charset=utf-8"),
            "502 Bad Gateway",
        ),
        ("status = 420\nbody = \"text\"", 420, ("content-type", "text/plain; charset=utf-8"), "Exceeded"),
        ("status = 403\nbody = \"not-enrolled\"", 403, ("connection", "close"), "client-not-enrolled"),
        ("status = 402\nbody = \"credits\"", 402, ("connection", "close"), "CreditsDepleted"),
        (
            "status = 302\nbody = \"empty\"\nheaders = { location = \"https://x.test/\" }",
            302,
            ("location", "https://x.test/"),
            "",
        ),
        ("status = 500\nbody = \"huge\"", 500, ("connection", "close"), "Nothing to see here"),
    ] {
        let (simulator, _) = self::simulator(&format!("do = \"refuse\"\n{event}"), |_| {});
        let mut client = Client::send(&simulator, &stream_request());
        assert_eq!((client.status(), client.read_to_end()), (status, Ended::Eof), "{event}");
        assert_eq!(client.header(header.0), Some(header.1), "{event}");
        assert!(String::from_utf8_lossy(client.leftover()).contains(part), "{event}");
    }
    let (simulator, _) = self::simulator("do = \"refuse\"\nstatus = 503\nbody = \"cut\"", |_| {});
    let mut client = Client::send(&simulator, &stream_request());
    client.read_to_end();
    assert_eq!((client.header("content-length"), client.leftover()), (Some("200"), &b"{\"title\":"[..]));
}

#[test]
fn sends_interim_responses_before_the_head() {
    let (simulator, _) = self::simulator("do = \"interim\"\ncount = 3000\nstatus = 102", |_| {});
    let (bytes, _) = raw(&simulator, &stream_request());
    let text = String::from_utf8_lossy(&bytes);
    assert_eq!(text.matches("HTTP/1.1 102 Processing\r\nx-interim: yes\r\n\r\n").count(), 3_000);
    assert_eq!(text.matches("HTTP/1.1 200 OK\r\n").count(), 1);
}

#[test]
fn writes_bad_heads_and_bad_chunks_unchanged() {
    let kinds = powerstream_simulator::script::kinds();
    let cases: Vec<_> =
        kinds.iter().flat_map(|(action, kinds)| kinds.iter().map(move |kind| (*action, *kind))).collect();
    each_of(&cases, |&(action, kind)| {
        let event = format!("do = \"{action}\"\nkind = \"{kind}\"");
        match action {
            "bad-head" => {
                let (simulator, _) = self::simulator(&event, |_| {});
                let (bytes, end) = raw(&simulator, &stream_request());
                assert!(!bytes.is_empty() && is_silence(end), "{kind}");
                assert!(!bytes.starts_with(b"HTTP/1.1 200 OK\r\ndate"), "{kind}");
            }
            "bad-chunk" | "wrong-size" => {
                let (simulator, posts) = self::simulator(&format!("{event}\nafter-posts = 5"), |_| {});
                let (bytes, end) = raw(&simulator, &stream_request());
                assert!(is_silence(end), "{kind}");
                let last = [&posts[4][..], b"\r\n\r\n"].concat();
                let at = bytes.windows(last.len()).position(|window| window == last).unwrap();
                assert!(bytes.len() > at + last.len() + 5, "{kind}");
                if kind == "zero" {
                    assert!(bytes[at + last.len()..].starts_with(b"0\r\n\r\n{"));
                }
            }
            _ => {}
        }
    });
}

/// Memory stays constant: the simulator writes only as fast as the client reads.
#[test]
fn sends_endless_things_until_the_client_leaves() {
    for (what, again) in [
        ("status-line", "OKOK"),
        ("field", "valuevalue"),
        ("fields", "x-endless: value\r\nx-endless"),
        ("interim", "HTTP/1.1 102 Processing\r\n\r\nHTTP"),
        ("error-body", "<p><p>"),
        ("size-line", "0000"),
        ("extension", "valuevalue"),
        ("trailer", "valuevalue"),
        ("trailers", "x-endless: value\r\nx-endless"),
        ("message", "10\r\nno line end here\r\n10"),
        ("keep-alives", "2\r\n\r\n\r\n2"),
    ] {
        let (simulator, _) = self::simulator(&format!("do = \"endless\"\nwhat = \"{what}\""), |_| {});
        let (bytes, end) = raw(&simulator, &stream_request());
        assert_eq!(end, Some(ErrorKind::OutOfMemory), "{what}");
        let tail = String::from_utf8_lossy(&bytes[bytes.len() - 500..]).into_owned();
        assert!(tail.contains(again), "{what}: {tail}");
        let log = simulator.ground_truth();
        assert!(log.wait(SOON, |totals| totals.open == 0), "{what}");
        assert_eq!(log.connection(1).unwrap().end, Some(End::Scripted));
    }
}

#[test]
fn sends_unrequested_content_codings() {
    for coding in ["gzip", "zstd", "gzip, br"] {
        let (simulator, posts) = self::simulator(&format!("do = \"coding\"\ncoding = \"{coding}\""), |_| {});
        let client = Client::send(&simulator, &stream_request());
        assert_eq!(client.header("content-encoding"), Some(coding));
        let (bytes, _) = raw(&simulator, &stream_request());
        let is_gzip = bytes.windows(3).any(|window| window == [0x1f, 0x8b, 8]);
        assert_eq!(is_gzip, coding == "gzip");
        // Stored blocks contain the Posts unchanged.
        assert!(bytes.windows(posts[0].len()).any(|window| window == posts[0]));
    }
}

#[test]
fn sends_system_messages_and_ends_as_configured() {
    for (then, end) in [
        ("end", Some(Ended::LastChunk)),
        ("close", Some(Ended::Eof)),
        ("reset", Some(Ended::Reset)),
        ("nothing", None),
    ] {
        let event =
            format!("do = \"message\"\nkind = \"gnip-operational\"\nthen = \"{then}\"\nafter-posts = 20");
        let (simulator, posts) = self::simulator(&event, |_| {});
        let mut client = Client::stream(&simulator);
        client.read_until(|client| client.messages.len() == 51);
        if then == "reset" {
            continue;
        }
        assert_eq!(client.end, end, "{then}");
        assert!(String::from_utf8_lossy(&client.messages[20]).contains("closing for operational reasons"));
        let rest = if end.is_none() { 30 } else { 0 };
        assert_eq!(client.messages[21..].len(), rest);
        assert!(client.messages[..20] == posts[..20] && client.messages[21..] == posts[20..20 + rest]);
    }
    // One message of each kind, in turn.
    let kinds = powerstream_simulator::script::kinds();
    let (_, messages) = kinds.iter().find(|(action, _)| *action == "message").unwrap();
    let events: Vec<String> =
        messages.iter().map(|kind| format!("do = \"message\"\nkind = \"{kind}\"")).collect();
    let (simulator, _) = self::simulator(&events.join("\n[[event]]\n"), |_| {});
    let mut client = Client::stream(&simulator);
    client.read_messages(messages.len() + 50);
    for message in &client.messages[..messages.len()] {
        serde_json::from_slice::<serde_json::Value>(message).unwrap();
    }
}

#[test]
fn sends_junk_lines_and_oversize_posts() {
    let (simulator, _) = self::simulator(
        "do = \"junk\"\nevery-posts = 10\n[[event]]\ndo = \"junk\"\nkind = \"lone-surrogate\"\nafter-posts = 5\n\
         [[event]]\ndo = \"unknown\"\nafter-posts = 6\n[[event]]\ndo = \"oversize\"\nbytes = 70000\nafter-posts = 7\n\
         [[event]]\ndo = \"line\"\ntext = '{\"hello\":1}'\nafter-posts = 8",
        |_| {},
    );
    let mut client = Client::stream(&simulator);
    client.read_messages(50 + 5 + 4);
    assert_eq!(client.messages[5], br#"{"text":"lone \ud83d surrogate"}"#);
    assert_eq!(client.messages[9].len(), 70_000);
    assert_eq!(client.messages[11], b"{\"hello\":1}");
    assert_eq!(simulator.ground_truth().connection(1).unwrap().posts, 50);
}

#[test]
fn sends_floods_of_keep_alives() {
    for split in [true, false] {
        let event = format!("do = \"keep-alives\"\ncount = 20000\nsplit = {split}\nafter-posts = 10");
        let (simulator, posts) = self::simulator(&event, |_| {});
        let mut client = Client::stream(&simulator);
        client.read_messages(50);
        assert_eq!(client.keep_alives, 20_000);
        assert!(client.messages == posts);
        assert_eq!(client.chunks.iter().filter(|size| **size == 1).count(), if split { 40_000 } else { 0 });
        assert!(
            simulator.ground_truth().wait(SOON, |totals| totals.keep_alives == 20_000 && totals.posts == 50)
        );
    }
}

#[test]
fn sends_duplicate_reordered_and_skewed_posts() {
    let (simulator, posts) = self::simulator("do = \"duplicate\"\nevery-posts = 10", |_| {});
    let mut client = Client::stream(&simulator);
    client.read_messages(55);
    assert_eq!(client.messages[10], posts[9]);
    assert_eq!(client.messages[54], posts[49]);

    let (simulator, posts) = simulator_of("do = \"reorder\"\nby = 3\nafter-posts = 5");
    let mut client = Client::stream(&simulator);
    client.read_messages(50);
    let want: Vec<_> = [0, 1, 2, 3, 4, 6, 7, 8, 5, 9].iter().map(|n| posts[*n].clone()).collect();
    assert!(client.messages[..10] == want);
    assert!(client.messages[10..] == posts[10..]);

    let (simulator, _) = simulator_of("do = \"skewed\"\nshift = \"-2h\"\nafter-posts = 5");
    let mut client = Client::stream(&simulator);
    client.read_messages(51);
    let ms = (client.ids()[5] >> 22) + 1_288_834_974_657;
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis() as u64;
    assert!((7_190_000..7_260_000).contains(&(now - ms)), "{}", now - ms);
}

fn simulator_of(event: &str) -> (Simulator, Vec<Vec<u8>>) {
    simulator(event, |_| {})
}

fn live(text: &str, rate: f64) -> Simulator {
    start(|config| {
        config.time = Time::Virtual { unix_ms: 1_790_000_000_000 };
        config.rate = Some(rate);
        config.script = Some(script(text));
    })
}

fn posts(simulator: &Simulator, number: u64) -> u64 {
    simulator.ground_truth().connection(number).unwrap().messages
}

#[test]
fn quiet_burst_and_pause_change_the_flow_of_posts() {
    let simulator = live(
        "[[event]]\ndo = \"quiet\"\nlength = \"10s\"\nafter = \"10s\"\n[[event]]\ndo = \"burst\"\nlength = \"5s\"\nfactor = 10\nat = \"30s\"",
        2.0,
    );
    let _client = Client::stream(&simulator);
    let mut before = 0;
    let mut next = |seconds: u64| {
        simulator.advance(Duration::from_millis(seconds * 1_000));
        let all = posts(&simulator, 1);
        let new = all - before;
        before = all;
        new
    };
    // Post 0 is included. A Post that is due when the quiet begins is lost.
    assert_eq!([next(9), next(2)], [19, 1]);
    assert_eq!(next(8), 0);
    assert_eq!([next(2), next(8)], [3, 16]);
    let burst = next(7);
    assert!((95..=115).contains(&burst), "{burst}");
    assert_eq!(next(5), 10);

    let simulator = live("[[event]]\ndo = \"pause\"\nlength = \"30s\"\nafter = \"10s\"", 2.0);
    let _client = Client::stream(&simulator);
    simulator.advance(10 * SECOND);
    let before = posts(&simulator, 1);
    simulator.advance(29 * SECOND);
    assert_eq!((posts(&simulator, 1), simulator.ground_truth().totals().keep_alives), (before, 0));
    // Then everything that waited is sent.
    simulator.advance(2 * SECOND);
    assert!(posts(&simulator, 1) >= before + 60);
}

#[test]
fn an_event_can_wait_for_keep_alives() {
    let simulator =
        live("[[event]]\ndo = \"cut\"\nhow = \"close\"\nafter-keep-alives = 2\nattempts = 1", 0.0);
    let mut client = Client::stream(&simulator);
    simulator.advance(39 * SECOND);
    assert_eq!(simulator.ground_truth().totals().open, 1);
    simulator.advance(SECOND);
    assert_eq!((client.read_to_end(), client.keep_alives), (Ended::Eof, 2));
}

#[test]
fn stream_options_apply_to_every_stream() {
    let local = request("/2/powerstream?localDcOnly=true");
    let metadata = |client: &Client| -> Vec<usize> {
        let is_metadata = |message: &Vec<u8>| message.starts_with(b"{\"type\":\"connection_metadata\"");
        (0..client.messages.len()).filter(|n| is_metadata(&client.messages[*n])).collect()
    };
    for (how, want) in [("first", vec![0]), ("late", vec![10]), ("twice", vec![0, 11]), ("never", vec![])] {
        let simulator = start(|config| {
            config.source = file(50);
            config.rate = Some(2_000.0);
            config.script = Some(script(&format!("[stream]\nmetadata = \"{how}\"\nclock-skew = \"1h\"")));
        });
        let mut client = Client::send(&simulator, &local);
        client.read_messages(50 + want.len());
        // Late metadata follows the tenth Post, or a few more that were due at the same time.
        let at = metadata(&client);
        assert_eq!(at.len(), want.len(), "{how}");
        assert!(at.iter().zip(&want).all(|(at, want)| at >= want && *at < want + 35), "{how}: {at:?}");
        assert_eq!(client.header("x-powerstream-datacenter"), Some("atla"));
    }
    let simulator = start(|config| {
        config.source = file(50);
        config.script = Some(script("[stream]\ncut = \"tiny\"\narrays = true\nkeep-alives = \"between\""));
    });
    let mut client = Client::stream(&simulator);
    client.read_messages(50);
    assert!(client.chunks.iter().all(|size| *size <= 16) && client.keep_alives >= 49);
    assert!(client.messages.iter().all(|message| message.starts_with(b"[{") && message.ends_with(b"}]")));
}

#[test]
fn a_failover_changes_or_omits_the_datacenter_name() {
    let simulator = start(|config| {
        config.source = file(10);
        config.script = Some(script(
            "[[event]]\ndo = \"failover\"\nname = \"pdxa\"\nattempts = 2\n[[event]]\ndo = \"failover\"\nheaders = false\nattempts = 3",
        ));
    });
    for want in [Some("atla"), Some("pdxa"), None] {
        let mut client = Client::send(&simulator, &request("/2/powerstream?localDcOnly=true"));
        assert_eq!(client.header("x-powerstream-datacenter"), want);
        let text = String::from_utf8_lossy(&client.read_messages(1).messages[0]).into_owned();
        assert_eq!(text.contains("connection_metadata"), want.is_some());
        assert!(want.is_none_or(|name| text.contains(name)));
    }
}

#[test]
fn a_killed_datacenter_comes_back_after_its_time() {
    let simulator = start(|config| {
        config.time = Time::Virtual { unix_ms: 1_790_000_000_000 };
        config.rate = Some(10.0);
        config.datacenters = vec![Datacenter::new("atla"), Datacenter::new("pdxa")];
        config.script = Some(script(
            "[[event]]\ndo = \"kill\"\nlength = \"20s\"\nafter-posts = 50\ntimes = 1\ndatacenter = \"pdxa\"",
        ));
    });
    let ask = |name: &str| Client::send_to(&simulator.base_url_of(name).unwrap(), &stream_request());
    let (_atla, mut pdxa) = (ask("atla"), ask("pdxa"));
    simulator.advance(10 * SECOND);
    assert_eq!(pdxa.read_to_end(), Ended::Reset);
    let address = simulator.base_url_of("pdxa").unwrap();
    let reachable = || TcpStream::connect(address.strip_prefix("http://").unwrap()).is_ok();
    assert!(!reachable());
    assert_eq!(posts(&simulator, 1), 101);
    simulator.advance(16 * SECOND);
    let mut rounds = 0;
    while !reachable() && rounds < 100 {
        std::thread::sleep(Duration::from_millis(20));
        rounds += 1;
    }
    let mut again = ask("pdxa");
    simulator.advance(60 * SECOND);
    again.read_messages(100);
}

#[test]
fn cuts_rule_requests_before_and_after_they_take_effect() {
    let body = r#"{"rules":[{"value":"gulls"}]}"#;
    let text = format!(
        "POST /2/powerstream/rules HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer t\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    for (place, applied, came) in
        [("request", 0, 0..1), ("head", 1, 0..1), ("in-head", 1, 50..300), ("in-message", 1, 300..600)]
    {
        let event =
            format!("do = \"cut\"\nhow = \"close\"\non = \"rules\"\nplace = \"{place}\"\nattempts = 1");
        let (simulator, _) = self::simulator(&event, |_| {});
        let (bytes, end) = raw(&simulator, &text);
        assert!(end.is_none() && came.contains(&bytes.len()), "{place}: {} {end:?}", bytes.len());
        let listed = "GET /2/powerstream/rules HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer t\r\n\r\n";
        let (listed, _) = raw(&simulator, listed);
        let count = String::from_utf8_lossy(&listed).matches("\"value\":\"gulls\"").count();
        assert_eq!(count, applied, "{place}");
    }
    let (simulator, _) =
        self::simulator("do = \"refuse\"\nstatus = 503\non = \"rules\"\nprobability = 1.0", |_| {});
    assert_eq!(Client::send(&simulator, &text).status(), 503);
    // Streams are not affected.
    Client::stream(&simulator);
}

#[test]
fn probability_follows_the_seed_and_times_bounds_events() {
    let run = |seed: u64, times: &str| {
        let event = format!("do = \"line\"\ntext = \"!\"\nprobability = 0.3\n{times}");
        let (simulator, _) = self::simulator(&event, |config| config.seed = seed);
        let mut client = Client::stream(&simulator);
        client.read_until(|client| client.messages.iter().filter(|message| message.len() > 1).count() == 50);
        client.messages.iter().map(|message| message == b"!").collect::<Vec<_>>()
    };
    let one = run(1, "");
    let struck = one.iter().filter(|bang| **bang).count();
    assert!((5..30).contains(&struck), "{struck}");
    assert_eq!(one, run(1, ""));
    assert_ne!(one, run(2, ""));
    assert_eq!(run(1, "times = 3").iter().filter(|bang| **bang).count(), 3);
}

#[test]
fn triggers_act_on_running_streams() {
    let simulator = start(|config| config.rate = Some(200.0));
    let (mut one, mut two) = (Client::stream(&simulator), Client::stream(&simulator));
    one.read_messages(10);
    two.read_messages(10);
    assert_eq!(simulator.trigger(Some(1), "do = \"message\"\nkind = \"v1-limit\"\nthen = \"end\""), Ok(1));
    assert_eq!(one.read_to_end(), Ended::LastChunk);
    assert!(one.messages.last().unwrap().starts_with(b"{\"limit\":"));
    assert_eq!(simulator.trigger(Some(1), "do = \"end\""), Ok(0));
    assert_eq!(simulator.trigger(None, r#"{"do":"cut","how":"close"}"#), Ok(1));
    assert_eq!(two.read_to_end(), Ended::Eof);
    let error = simulator.trigger(None, "do = \"explode\"").unwrap_err().to_string();
    assert!(error.contains("`explode`"), "{error}");
}

/// Runs the attempts of a built-in scenario until one is served to the end of the file or for a
/// while. Returns the status and the number of bytes of each.
fn attempts(scenario: Scenario, most: usize) -> Vec<(u16, usize)> {
    let simulator = start(|config| {
        config.scenario = scenario;
        config.source = file(300);
    });
    let mut seen = Vec::new();
    for _ in 0..most {
        let Ok(stream) = TcpStream::connect(simulator.local_addr()) else {
            seen.push((0, 0));
            std::thread::sleep(Duration::from_millis(300));
            continue;
        };
        drop(stream);
        let (bytes, _) = raw(&simulator, &request("/2/powerstream?localDcOnly=true"));
        let text = String::from_utf8_lossy(&bytes);
        let status = text.get(9..12).and_then(|status| status.parse().ok()).unwrap_or(0);
        seen.push((status, bytes.len()));
    }
    seen
}

fn statuses(seen: &[(u16, usize)]) -> Vec<u16> {
    seen.iter().map(|(status, _)| *status).collect()
}

#[test]
fn rate_limit_storm_refuses_five_attempts_in_a_row() {
    let storm = attempts(Scenario::RateLimitStorm, 7);
    assert_eq!(statuses(&storm), [200, 429, 429, 429, 429, 429, 200]);
}

#[test]
fn silent_stall_stalls_three_attempts() {
    let stall = attempts(Scenario::SilentStall, 4);
    assert_eq!(statuses(&stall), [200, 200, 200, 200]);
    assert!(stall[0].1 < stall[3].1 && stall[1].1 < stall[3].1 && stall[2].1 < 500, "{stall:?}");
}

#[test]
fn slow_reader_keeps_the_place_of_the_dropped_client() {
    let slow = attempts(Scenario::SlowReader, 3);
    assert_eq!(statuses(&slow), [200, 429, 200]);
}

#[test]
fn datacenter_failover_takes_the_datacenter_down_for_a_while() {
    let failover = attempts(Scenario::DatacenterFailover, 8);
    assert!(failover[0].0 == 200 && failover[1].0 == 0, "{failover:?}");
    assert!(failover[7].0 == 200 && failover[7].1 > failover[0].1, "{failover:?}");
}

#[test]
fn flaky_network_serves_most_attempts() {
    let flaky = attempts(Scenario::FlakyNetwork, 12);
    assert!(flaky.iter().filter(|(status, _)| *status == 200).count() > 5, "{flaky:?}");
}

/// After its last fault, the scenario has only floods and junk between the Posts.
#[test]
fn hostile_serves_the_attempt_after_its_last_fault() {
    let hostile = attempts(Scenario::Hostile, 41);
    assert_eq!(hostile[40].0, 200);
    assert!(hostile[40].1 > 2_000_000, "{:?}", hostile[40]);
}

#[test]
fn files_may_start_with_a_byte_order_mark() {
    let script = "description = \"a\"\r\n";
    assert_eq!(Script::parse(&format!("\u{feff}{script}")).unwrap().description(), "a");
    let posts = |bytes: &[u8]| match Source::from_ndjson(bytes) {
        Ok(Source::File(posts)) => {
            Ok(posts.iter().map(|post| (post.id(), post.bytes().to_vec())).collect::<Vec<_>>())
        }
        Ok(other) => panic!("{other:?}"),
        Err(error) => Err(error.to_string()),
    };
    let post = b"{\"id\":1}".to_vec();
    assert_eq!(posts(b"\xef\xbb\xbf{\"id\":1}\r\n"), Ok(vec![(Some(1), post)]));
    for utf_16 in [b"\xff\xfe{\0}\0".as_slice(), b"\xfe\xff\0{\0}"] {
        assert!(posts(utf_16).is_err_and(|error| error.contains("UTF-16")));
    }
}
