//! The rule endpoints over real sockets, and the effect of rules on streams.

use std::time::Duration;

use powerstream_simulator::{Config, NoRules, Simulator, Source, Time};
use serde_json::{Value, json};

use crate::client::{Client, Ended, request, start};

const SECOND: Duration = Duration::from_secs(1);
const POWERSTREAM: &str = "/2/powerstream/rules";
const FILTERED: &str = "/2/tweets/search/stream/rules";

/// Sends a request to a rule endpoint. Returns the status, the head and the body.
fn ask(simulator: &Simulator, method: &str, target: &str, body: &str) -> (u16, Client, Value) {
    let text = format!(
        "{method} {target} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer token\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut client = Client::send(simulator, &text);
    assert_eq!(client.read_to_end(), Ended::Eof);
    let length: usize = client.header("content-length").unwrap().parse().unwrap();
    assert_eq!(client.leftover().len(), length);
    let json = serde_json::from_slice(client.leftover()).unwrap_or(Value::Null);
    (client.status(), client, json)
}

fn add(simulator: &Simulator, value: &str) -> String {
    let body = json!({"rules": [{"value": value, "tag": "a \"tag\""}]}).to_string();
    let (status, _, answer) = ask(simulator, "POST", POWERSTREAM, &body);
    assert_eq!(status, 201, "{answer}");
    answer["data"]["rules"][0]["id"].as_str().unwrap().to_owned()
}

/// Returns Posts that contain these words in turn.
fn words(words: &[&str], posts: usize) -> Source {
    let line = |n: usize| {
        let word = words[n % words.len()];
        format!(
            r#"{{"id":{n},"id_str":"{n}","text":"about {word}","user":{{"id":1,"id_str":"1","screen_name":"me"}},"lang":"en"}}"#,
            n = 1_000 + n
        )
    };
    Source::from_ndjson((0..posts).map(line).collect::<Vec<_>>().join("\n").as_bytes()).unwrap()
}

fn simulator(change: impl FnOnce(&mut Config)) -> Simulator {
    start(|config| {
        config.time = Time::Virtual { unix_ms: 1_790_000_000_000 };
        config.source = words(&["gulls", "terns"], 10_000);
        config.shared_file = true;
        config.rate = Some(10.0);
        change(config);
    })
}

fn open(simulator: &Simulator, target: &str) -> Client {
    let client = Client::send(simulator, &request(target));
    assert_eq!(client.status(), 200, "{}", client.head);
    client
}

/// Returns the Posts received since the last call.
fn texts(simulator: &Simulator, client: &mut Client, number: u64, seen: &mut usize) -> Vec<Value> {
    let sent = simulator.ground_truth().connection(number).unwrap().messages as usize;
    client.read_messages(sent);
    let new =
        client.messages[*seen..].iter().map(|message| serde_json::from_slice(message).unwrap()).collect();
    *seen = sent;
    new
}

#[test]
fn applies_rule_changes_to_open_streams_after_the_delay() {
    let simulator = simulator(|config| config.rule_delay = 5 * SECOND);
    let mut client = open(&simulator, "/2/powerstream");
    let mut seen = 0;
    let mut next = |by| {
        simulator.advance(by);
        texts(&simulator, &mut client, 1, &mut seen)
    };
    // Before the first rule, every Post is sent unchanged.
    let posts = next(2 * SECOND);
    assert_eq!(posts.len(), 21);
    assert!(posts.iter().all(|post| post.get("matching_rules").is_none()));

    let id = add(&simulator, "gulls");
    let posts = next(5 * SECOND - Duration::from_millis(1));
    assert_eq!(posts.len(), 49);
    // Only Posts about gulls, with the matching rule as the last member.
    let posts = next(10 * SECOND);
    assert_eq!(posts.len(), 50);
    for post in &posts {
        assert_eq!(post["text"], "about gulls");
        let number: u64 = id.parse().unwrap();
        assert_eq!(post["matching_rules"], json!([{"tag": "a \"tag\"", "id": number, "id_str": id}]));
    }
    add(&simulator, "terns OR gulls");
    next(5 * SECOND);
    let posts = next(10 * SECOND);
    assert_eq!(posts.len(), 100);
    let both = posts.iter().filter(|post| post["matching_rules"].as_array().unwrap().len() == 2).count();
    assert_eq!(both, 50);

    // Without rules, the same connection receives only keep-alives.
    let all = json!({"rules": [{"id": id}, {"value": "terns OR gulls"}]}).to_string();
    let (status, _, answer) = ask(&simulator, "DELETE", POWERSTREAM, &all);
    assert_eq!((status, answer), (200, json!({"data": {"deleted": 2, "not_deleted": 0}})));
    next(5 * SECOND);
    assert!(next(60 * SECOND).is_empty());
    assert!(simulator.ground_truth().connection(1).unwrap().keep_alives >= 2);
    assert_eq!(simulator.ground_truth().totals().streams, 1);
}

/// Without rules, lines are unchanged. With rules, they have one more member.
#[test]
fn keeps_the_bytes_of_a_file_except_matching_rules() {
    let line = r#" { "id_str" : "5", "text":"g\u0075lls", "user":{} } "#;
    for (rule, matching_rules) in [(false, true), (true, true), (true, false)] {
        let simulator = start(|config| {
            config.source = Source::from_ndjson(line.as_bytes()).unwrap();
            config.matching_rules = matching_rules;
        });
        let id = rule.then(|| add(&simulator, "gulls"));
        let mut client = Client::stream(&simulator);
        let message = String::from_utf8(client.read_messages(1).messages[0].clone()).unwrap();
        let want = match id.filter(|_| matching_rules) {
            None => line.to_owned(),
            Some(id) => line.replacen(
                " } ",
                &format!(r#" ,"matching_rules":[{{"tag":"a \"tag\"","id":{id},"id_str":"{id}"}}]}} "#),
                1,
            ),
        };
        assert_eq!(message, want);
    }
}

#[test]
fn generated_posts_carry_the_rules_that_they_match() {
    let simulator = start(|config| {
        config.time = Time::Virtual { unix_ms: 1_790_000_000_000 };
        config.rate = Some(50.0);
    });
    let (ja, image) = (add(&simulator, "lang:ja"), add(&simulator, "has:images -is:retweet"));
    let mut client = open(&simulator, "/2/powerstream");
    simulator.advance(20 * SECOND);
    let mut seen = 0;
    let number = simulator.ground_truth().connections().last().unwrap().number;
    let posts = texts(&simulator, &mut client, number, &mut seen);
    assert!(posts.len() > 50, "{}", posts.len());
    for post in &posts {
        let rules: Vec<&str> = post["matching_rules"]
            .as_array()
            .unwrap()
            .iter()
            .map(|rule| rule["id_str"].as_str().unwrap())
            .collect();
        let mut want = Vec::new();
        if post["lang"] == "ja" {
            want.push(&*ja);
        }
        if rules.contains(&&*image) {
            assert!(post["retweeted_status"].is_null());
            want.push(&image);
        }
        assert_eq!(rules, want);
    }
}

/// The same Posts in the v2 format, with the requested fields.
#[test]
fn the_filtered_stream_requires_rules_and_sends_requested_fields() {
    let simulator = start(|config| {
        config.time = Time::Virtual { unix_ms: 1_790_000_000_000 };
        config.rate = Some(50.0);
    });
    let refused = || {
        let mut client = Client::send(&simulator, &request("/2/tweets/search/stream"));
        assert_eq!((client.status(), client.read_to_end()), (409, Ended::Eof));
        assert_eq!(client.header("content-length"), Some("265"));
        assert!(String::from_utf8_lossy(client.leftover()).contains("RuleConfigurationIssue"));
    };
    refused();
    let one = r#"{"add":[{"value":"(cat OR trains OR soup) lang:en","tag":"english"}]}"#;
    let (status, _, dry) = ask(&simulator, "POST", &format!("{FILTERED}?dry_run=true"), one);
    assert_eq!((status, &dry["meta"]["summary"]["valid"]), (201, &json!(1)));
    refused();
    let (status, head, added) = ask(&simulator, "POST", FILTERED, one);
    assert_eq!(status, 201);
    assert_eq!(head.header("x-rate-limit-remaining"), Some("98"));
    let id = &added["data"][0]["id"];
    let mut client = open(&simulator, "/2/tweets/search/stream?tweet.fields=lang&expansions=author_id");
    assert_eq!(client.header("x-rate-limit-limit"), Some("50"));
    simulator.advance(20 * SECOND);
    let number = simulator.ground_truth().connections().last().unwrap().number;
    let posts = texts(&simulator, &mut client, number, &mut 0);
    assert!(posts.len() > 5);
    for post in &posts {
        assert_eq!(post["matching_rules"], json!([{"id": id, "tag": "english"}]));
        assert_eq!(post["data"]["lang"], "en");
        assert_eq!(post["includes"]["users"][0]["id"], post["data"]["author_id"]);
        assert_eq!(post["data"].as_object().unwrap().len(), 5);
    }
    // Powerstream has its own rules.
    let (_, _, listed) = ask(&simulator, "GET", POWERSTREAM, "");
    assert_eq!(listed, json!({"data": {"rules": []}}));
}

#[test]
fn handles_a_stream_without_rules_as_configured() {
    for (no_rules, status, posts) in
        [(NoRules::Everything, 200, 11), (NoRules::Nothing, 200, 0), (NoRules::Conflict, 409, 0)]
    {
        let simulator = simulator(|config| config.no_rules = no_rules);
        let client = Client::send(&simulator, &request("/2/powerstream"));
        assert_eq!(client.status(), status);
        simulator.advance(SECOND);
        assert_eq!(simulator.ground_truth().totals().posts, posts);
    }
}

#[test]
fn allows_fifty_rule_requests_a_day() {
    let simulator = simulator(|_| {});
    add(&simulator, "gulls");
    for n in 2..=50 {
        let (method, body) = match n % 3 {
            0 => ("GET", ""),
            1 => ("DELETE", r#"{"rules":[{"id":"1"}]}"#),
            // An invalid request counts, too.
            _ => ("POST", "{"),
        };
        let (status, head, _) = ask(&simulator, method, POWERSTREAM, body);
        assert_eq!(status, if method == "POST" { 400 } else { 200 });
        assert_eq!(head.header("x-rate-limit-limit"), Some("50"));
        assert_eq!(head.header("x-rate-limit-remaining"), Some(&*(50 - n).to_string()));
        assert_eq!(head.header("x-rate-limit-reset"), Some("1790086400"));
    }
    let (status, head, answer) = ask(&simulator, "GET", POWERSTREAM, "");
    assert_eq!((status, answer["title"].as_str()), (429, Some("Too Many Requests")));
    assert_eq!(head.header("x-rate-limit-remaining"), Some("0"));
    // Streams are not affected, and a day later requests are accepted again.
    open(&simulator, "/2/powerstream");
    simulator.advance(24 * 3_600 * SECOND);
    assert_eq!(ask(&simulator, "GET", POWERSTREAM, "").0, 200);
}

#[test]
fn accepts_chunked_bodies_and_expect_continue() {
    let simulator = simulator(|_| {});
    let post = |headers: &str, body: &str| {
        let text = format!(
            "POST {POWERSTREAM} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer t\r\n{headers}\r\n{body}"
        );
        let mut client = Client::send(&simulator, &text);
        client.read_to_end();
        (client.status(), String::from_utf8_lossy(client.leftover()).into_owned())
    };
    let json = r#"{"rules":[{"value":"one"}]}"#;
    let (first, second) = json.split_at(7);
    let chunked =
        format!("{:x}\r\n{first}\r\n{:x};x=y\r\n{second}\r\n0\r\nx: y\r\n\r\n", first.len(), second.len());
    let (status, answer) = post("Transfer-Encoding: chunked\r\n", &chunked);
    assert_eq!(status, 201, "{answer}");
    // The interim response to `Expect` comes first.
    let length = format!("Expect: 100-continue\r\nContent-Length: {}\r\n", json.len());
    let text = format!("POST {POWERSTREAM} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer t\r\n{length}\r\n");
    let client = Client::send(&simulator, &text);
    assert_eq!((client.status(), &*client.head), (100, "HTTP/1.1 100 Continue\r\n"));
    for (headers, body, want) in [
        ("Content-Length: 6000000\r\n", "", 413),
        ("Content-Length: x\r\n", "", 400),
        ("Transfer-Encoding: gzip\r\n", "", 400),
        ("Transfer-Encoding: chunked\r\n", "x\r\n", 400),
        ("", "", 400),
    ] {
        assert_eq!(post(headers, body).0, want, "{headers}");
    }
    // A request without a token changes nothing.
    let text = format!("DELETE {POWERSTREAM} HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{{}}");
    assert_eq!(Client::send(&simulator, &text).status(), 401);
    let (_, _, listed) = ask(&simulator, "GET", POWERSTREAM, "");
    assert_eq!(listed["data"]["rules"][0]["value"], "one");
}
