//! Complete exchanges, byte for byte where bytes are fixed, as documented by X or recorded.

use std::time::Duration;

use powerstream_simulator::{Script, Source, Time};

use crate::client::{Client, Ended, request, start};

/// A Post of 420 bytes with an emoji at byte 135, dated 2025-11-07T23:18:19.594Z.
const POST: &str = concat!(
    r#"{"created_at":"Fri Nov 07 23:18:19 +0000 2025","id":1986936281234567890,"id_str":"1986936281234567890","#,
    r#""text":"first line\nsecond line 🐱","truncated":false,"entities":{"hashtags":[],"symbols":[],"user_mentions":[],"#,
    r#""urls":[]},"user":{"id":12,"id_str":"12","screen_name":"jack"},"lang":"en","matching_rules":[{"tag":"pet-monitor","#,
    r#""id":1986935000000000001,"id_str":"1986935000000000001"}],"timestamp_ms":"1762557499594"}"#
);

/// A stream of one datacenter: keep-alive, Post, announced disconnect, proper end.
#[test]
fn serves_a_local_stream_from_head_to_last_chunk() {
    assert_eq!((POST.len(), POST.find('🐱')), (420, Some(135)));
    let script: Script = "description = \"an operational disconnect\"\n[[event]]\ndo = \"message\"\n\
        kind = \"upstream-operational-disconnect\"\nthen = \"end\"\nafter-posts = 1"
        .parse()
        .unwrap();
    let simulator = start(|config| {
        config.time = Time::Virtual { unix_ms: 1_762_557_264_155 };
        config.source = Source::from_ndjson(POST.as_bytes()).unwrap();
        config.script = Some(script);
        config.keep_alive = Duration::from_secs(20);
    });
    let mut client = Client::send(&simulator, &request("/2/powerstream?localDcOnly=true"));
    let head: Vec<&str> = client.head.lines().filter(|line| !line.starts_with("x-response-time")).collect();
    assert_eq!(head[0], "HTTP/1.1 200 OK");
    for line in [
        "date: Fri, 07 Nov 2025 23:14:24 UTC",
        "content-type: application/json; charset=utf-8",
        "x-powerstream-datacenter: atla",
        "x-powerstream-localdconly: true",
        "transfer-encoding: chunked",
    ] {
        assert!(head.contains(&line), "{line}: {head:?}");
    }
    assert_eq!(client.read_to_end(), Ended::LastChunk);
    // The sizes 4e, 1a6 and ef.
    assert_eq!(client.chunks, [78, 422, 239]);
    let messages: Vec<&str> = client.messages.iter().map(|m| std::str::from_utf8(m).unwrap()).collect();
    assert_eq!(
        messages,
        [
            r#"{"type":"connection_metadata","datacenter":"atla","timestamp":1762557264155}"#,
            POST,
            concat!(
                r#"{"errors":[{"title":"operational-disconnect","disconnect_type":"UpstreamOperationalDisconnect","#,
                r#""detail":"This stream has been disconnected upstream for operational reasons.","#,
                r#""type":"https://api.x.com/2/problems/operational-disconnect"}]}"#
            ),
        ]
    );
}

/// The head is sent immediately, and the first byte of the body 20 seconds later.
#[test]
fn sends_the_head_at_once_on_a_quiet_stream() {
    let simulator = start(|config| {
        config.time = Time::Virtual { unix_ms: 1_762_557_264_155 };
        config.rate = Some(0.0);
    });
    let mut client = Client::stream(&simulator);
    assert!(client.leftover().is_empty());
    simulator.advance(Duration::from_secs(20));
    client.read_until(|client| client.keep_alives == 1);
    assert_eq!(client.chunks, [2]);
}

#[test]
fn refuses_with_the_recorded_bytes() {
    let script: Script = "description = \"too many\"\n[[event]]\ndo = \"refuse\"\nstatus = 429\n\
        body = \"too-many-connections\"\nremaining = 48\nreset = \"15m\"\nendpoint = \"/2/powerstream\""
        .parse()
        .unwrap();
    let simulator = start(|config| {
        config.time = Time::Virtual { unix_ms: 1_762_557_300_000 };
        config.script = Some(script);
    });
    let mut client = Client::send(&simulator, &request("/2/powerstream"));
    client.read_to_end();
    for (name, value) in [
        ("content-length", "207"),
        ("x-rate-limit-limit", "50"),
        ("x-rate-limit-remaining", "48"),
        ("x-rate-limit-reset", "1762558200"),
    ] {
        assert_eq!(client.header(name), Some(value));
    }
    assert_eq!(
        String::from_utf8_lossy(client.leftover()),
        concat!(
            r#"{"title":"ConnectionException","detail":"This stream is currently at the maximum allowed connection limit.","#,
            r#""connection_issue":"TooManyConnections","type":"https://api.x.com/2/problems/streaming-connection"}"#
        )
    );
    let mut client = Client::send(&simulator, &request("/2/tweets/search/stream"));
    client.read_to_end();
    assert_eq!((client.status(), client.header("content-length")), (409, Some("265")));
    assert_eq!(
        String::from_utf8_lossy(client.leftover()),
        concat!(
            r#"{"title":"ConnectionException","detail":"You must define rules using the POST /2/tweets/search/stream/rules "#,
            r#"endpoint before connecting to filtered stream.","connection_issue":"RuleConfigurationIssue","#,
            r#""type":"https://api.twitter.com/2/problems/streaming-connection"}"#
        )
    );
}

#[test]
fn ends_a_recovery_with_a_marker_if_configured() {
    let simulator = start(|config| {
        config.time = Time::Virtual { unix_ms: 1_762_557_264_155 };
        config.recovery_marker = true;
    });
    let target = "/2/powerstream?startTime=2025-11-07T23:00:00Z&endTime=2025-11-07T23:00:01Z";
    let mut client = Client::send(&simulator, &request(target));
    assert_eq!(client.read_to_end(), Ended::LastChunk);
    assert_eq!(client.messages.len(), 501);
    let last = String::from_utf8_lossy(&client.messages[500]).into_owned();
    assert!(last.starts_with(r#"{"info":{"message":"Recovery Request Completed","sent":""#), "{last}");
}
