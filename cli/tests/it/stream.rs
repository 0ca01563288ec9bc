//! Tests of `powerstream stream` as users run it: real processes, real sockets, pipes and signals.

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use powerstream_simulator::Generator;

use crate::tool::{self, Running, check_all, run, simulator, text, tool};

/// A temporary file, removed when dropped.
struct File(PathBuf);

impl File {
    fn new(name: &str, bytes: &[u8]) -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let (process, count) = (std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(format!("powerstream-stream-{process}-{count}-{name}"));
        fs::write(&path, bytes).unwrap();
        Self(path)
    }

    fn path(&self) -> std::path::Display<'_> {
        Path::display(&self.0)
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// Starts a server that sends these answers, one per connection, and then refuses connections.
/// Returns its base URL, and the requests that it receives.
pub(crate) fn server(answers: Vec<Vec<u8>>) -> (String, std::sync::mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (sender, requests) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for answer in answers {
            let mut socket = listener.accept().unwrap().0;
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                socket.read_exact(&mut byte).unwrap();
                request.push(byte[0]);
            }
            let _ = sender.send(String::from_utf8(request).unwrap());
            socket.write_all(&answer).unwrap();
        }
    });
    (url, requests)
}

/// Returns generated Posts and some with unusual JSON, and their number.
fn posts() -> (Vec<u8>, usize) {
    let mut generator = Generator::new(11);
    let mut file = Vec::new();
    for _ in 0..150 {
        generator.post(1_762_557_499_594, &mut file);
        file.push(b'\n');
    }
    let long = format!(r#"{{"id":1,"text":"{}"}}"#, "\u{e4}\\n".repeat(100_000));
    let odd = [
        "{\"id_str\":\"2\",\"text\":\"\u{7f}\u{85}\u{2028}\u{2029}\u{202e}\u{feff}\u{1f600}\"}".as_bytes(),
        br#"{"id":18446744073709551615,"text":"\u0000\ud800\/\"\\\b"}"#,
        b"{\"id\":3,\"text\":\"\xff\xc3\xed\xa0\x80\"}",
        br#"{ "text" : "white space" , "id" : 4 , "n" : -1.5E+400 }"#,
        br#"{"data":{"id":"5","text":"v2"},"matching_rules":[{"id":"1"}]}"#,
        br#"{"id":6,"text":"]},{[","text":"twice"}"#,
        long.as_bytes(),
    ];
    for post in odd {
        file.extend_from_slice(post);
        file.push(b'\n');
    }
    (file, 150 + odd.len())
}

#[test]
fn writes_simulated_posts_as_lines_of_json() {
    let output = run(&mut tool("stream --simulate --max-posts 1000 --rate 4000 --seed 5"));
    let stderr = text(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{stderr}");
    let mut last = 0;
    for line in text(&output.stdout).lines() {
        let post: serde_json::Value = serde_json::from_str(line).unwrap();
        let id = post["id"].as_u64().unwrap();
        assert!(id > last);
        last = id;
    }
    assert_eq!(text(&output.stdout).lines().count(), 1_000);
    assert!(stderr.contains("Posts 1000, keep-alives 0, bytes "), "{stderr}");
    // A write and a read over loopback take microseconds to milliseconds.
    let latency = stderr.lines().last().unwrap();
    assert!(latency.contains("p50 ") && latency.ends_with(" (1000 Posts)"), "{latency}");
    let p50 = latency.split("p50 ").nth(1).unwrap().split(',').next().unwrap();
    assert!(p50.ends_with("\u{b5}s") || p50.ends_with("ms"), "{latency}");
}

#[test]
fn writes_posts_unchanged_in_every_scenario() {
    let scenarios = [
        "steady",
        "tiny-chunks",
        "split",
        "coalesce",
        "dribble",
        "arrays",
        "keep-alives",
        "unknown-messages",
        "malformed",
        "oversized",
        "slow-head",
    ];
    check_all(&scenarios, |scenario| check_posts_are_unchanged(&format!("--scenario {scenario}")));
}

#[test]
fn writes_posts_unchanged_on_every_runtime_and_over_tls() {
    let more = ["", "--tls", "--tls --scenario split", "--connections 2"];
    let runtimes = ["blocking", "blocking --busy-poll", "tokio", "smol"];
    let cases: Vec<String> =
        runtimes.iter().flat_map(|runtime| more.map(|more| format!("--runtime {runtime} {more}"))).collect();
    check_all(&cases, |options| check_posts_are_unchanged(options));
}

fn check_posts_are_unchanged(options: &str) {
    let (bytes, count) = posts();
    let file = File::new("posts", &bytes);
    let output =
        run(&mut tool(&format!("stream --simulate --posts {} --max-posts {count} {options}", file.path())));
    assert_eq!(output.status.code(), Some(0), "{options}: {}", text(&output.stderr));
    assert!(output.stdout == bytes, "{options}: the Posts differ");
}

#[test]
fn raw_keeps_the_message_and_json_joins_its_lines() {
    let file = File::new(
        "formats",
        b"{\"id\":7,\r\"text\":\"a\",\"user\":{\"screen_name\":\"b\"}}\n{\"id\":8,\"text\":\"c\"}\n",
    );
    let output = |arguments: &str| {
        let arguments = format!("--posts {} --max-posts 2 {arguments}", file.path());
        text(&run(&mut tool(&format!("stream --simulate {arguments}"))).stdout).to_owned()
    };
    let raw = "{\"id\":7,\r\"text\":\"a\",\"user\":{\"screen_name\":\"b\"}}\n{\"id\":8,\"text\":\"c\"}\n";
    assert_eq!(output("--format raw"), raw);
    assert_eq!(output("--format raw --scenario arrays").replace(['[', ']'], ""), raw);
    assert_eq!(
        output("--format raw --scenario arrays").lines().filter(|line| line.starts_with('[')).count(),
        2
    );
    assert_eq!(output("--format json"), raw.replace('\r', " "));
    assert_eq!(output("--scenario arrays"), raw.replace('\r', " "));
    assert_eq!(output("--format pretty"), " @b a\n  c\n");
}

/// A repeated Post has no latency, because the simulator records only the first time it was sent.
#[test]
fn measures_no_latency_for_repeated_posts() {
    let file =
        File::new("twice", "{\"id\":1,\"text\":\"\"}\n{\"id\":2,\"text\":\"\"}\n".repeat(50).as_bytes());
    let arguments = format!("--posts {} --rate 500 --max-posts 100 --keep-duplicates", file.path());
    let output = run(&mut tool(&format!("stream --simulate {arguments}")));
    assert!(text(&output.stderr).contains("(2 Posts)"), "{}", text(&output.stderr));
}

/// The tool does not hold back a Post until the next arrives.
#[test]
fn writes_a_post_before_the_next_arrives() {
    let file = File::new("alone", b"{\"id\":1,\"text\":\"the only one\"}\n");
    let mut stream = Running::start(&mut tool(&format!("stream --simulate --posts {}", file.path())));
    assert!(stream.line().starts_with('{'));
    stream.signal("INT");
    assert_eq!(stream.end(), Some(0));
}

#[test]
fn streams_from_a_simulator_in_another_process() {
    let token = "AAAAtoken%3Dof-the-test";
    let (mut simulator, url) = simulator(&format!("--rate 2000 --token {token}"));
    let file = File::new("token", format!("{token}\n").as_bytes());
    let arguments = format!("stream --base-url {url} --max-posts 200 --local-dc-only");
    let from_file = run(&mut tool(&format!("{arguments} --token-file {}", file.path())));
    let from_variable = run(tool(&arguments).env("X_BEARER_TOKEN", token).env("RUST_LOG", "trace"));
    for output in [&from_file, &from_variable] {
        let stderr = text(&output.stderr);
        assert_eq!((output.status.code(), text(&output.stdout).lines().count()), (Some(0), 200), "{stderr}");
        assert!(stderr.contains(&format!("connected to {url}, powerstream datacenter=\"atla\"")), "{stderr}");
        assert!(stderr.contains("lag from a Post's creation to receipt: p50 "), "{stderr}");
        assert!(!stderr.contains(token) && !text(&output.stdout).contains(token));
    }

    let wrong = "AAAAwrong-token";
    let output = run(tool(&arguments).env("X_BEARER_TOKEN", wrong).env("RUST_LOG", "trace"));
    let stderr = text(&output.stderr);
    assert_eq!((output.status.code(), text(&output.stdout)), (Some(4), ""), "{stderr}");
    assert!(stderr.contains("the server says: Unauthorized") && stderr.contains("status 401"), "{stderr}");
    assert!(!stderr.contains(wrong));
    // The refusal is described in full once, and then only summarized.
    assert_eq!(
        (stderr.matches("not authorized").count(), stderr.matches("refused: ").count()),
        (1, 1),
        "{stderr}"
    );
    let gave_up = format!("powerstream: gave up on {url}, powerstream: the server refused (status 401)");
    assert!(stderr.contains(&gave_up), "{stderr}");
    simulator.signal("INT");
    assert_eq!(simulator.end(), Some(0));
    assert!(!simulator.log.contains(token) && !simulator.log.contains(wrong));
}

#[test]
fn does_not_connect_without_a_valid_token() {
    let empty = File::new("empty", b"\n");
    let url = "--base-url http://127.0.0.1:9";
    for (mut command, message) in [
        (tool(&format!("stream {url}")), "set X_BEARER_TOKEN"),
        (tool(&format!("stream {url} --token-file {}", empty.path())), "contains no bearer token"),
        (tool(&format!("stream {url} --token-file /no/such")), "/no/such"),
    ] {
        let output = run(&mut command);
        assert_eq!(output.status.code(), Some(4));
        assert!(text(&output.stderr).contains(message), "{}", text(&output.stderr));
    }
    let output = run(tool(&format!("stream {url}")).env("X_BEARER_TOKEN", "s3cr3t with space"));
    assert_eq!(output.status.code(), Some(4));
    assert!(!text(&output.stderr).contains("s3cr3t"), "{}", text(&output.stderr));
}

#[test]
fn ends_on_signals_and_on_duration() {
    for signal in ["INT", "TERM"] {
        let mut stream = Running::start(&mut tool("stream --simulate"));
        stream.line();
        stream.signal(signal);
        assert_eq!(stream.end(), Some(0));
        assert!(stream.log.contains("Posts ") && stream.log.contains("latency from"), "{}", stream.log);
    }
    // A signal also ends the wait for the next attempt, which is a minute away.
    let mut stream = Running::start(&mut tool("stream --simulate --scenario rate-limited"));
    let line = stream.wait_for_log("next attempt in ");
    assert!(line.trim_end().ends_with('s') && stream.log.contains("status 429"), "{}", stream.log);
    stream.signal("INT");
    assert_eq!(stream.end(), Some(0));

    let output = run(&mut tool("stream --simulate --rate 0 --keep-alive 20ms --duration 300ms"));
    assert_eq!((output.status.code(), text(&output.stdout)), (Some(0), ""));
    let stderr = text(&output.stderr);
    assert!(stderr.contains("Posts 0, keep-alives ") && !stderr.contains("keep-alives 0,"), "{stderr}");
}

/// After the first signal, the tool waits until standard output is read. The second signal ends it
/// at once.
#[test]
fn second_signal_ends_at_once() {
    let file = File::new("long", format!("{{\"id\":1,\"text\":\"{}\"}}\n", "x".repeat(900_000)).as_bytes());
    let mut stream = Running::start_unread(&mut tool(&format!("stream --simulate --posts {}", file.path())));
    // The test has read the first byte. The rest does not fit into the pipe.
    let mut stdout = stream.stdout.take().unwrap();
    stdout.read_exact(&mut [0]).unwrap();
    stream.signal("INT");
    // The kernel may deliver two simultaneous signals as one.
    std::thread::sleep(Duration::from_millis(200));
    stream.signal("INT");
    assert_eq!(stream.end(), Some(130));
}

#[test]
fn closed_standard_output_is_not_an_error() {
    let mut stream = Running::start_unread(&mut tool("stream --simulate --rate 2000"));
    let mut stdout = stream.stdout.take().unwrap();
    stdout.read_exact(&mut [0]).unwrap();
    drop(stdout);
    assert_eq!(stream.end(), Some(0));
    assert!(!stream.log.contains("rror") && !stream.log.contains("cannot"), "{}", stream.log);
}

#[test]
fn reconnects_after_a_server_restart() {
    let (first, url) = simulator("--rate 200");
    let arguments = format!("stream --base-url {url} --max-posts 100000");
    let mut stream = Running::start(tool(&arguments).env("X_BEARER_TOKEN", "any"));
    stream.line();
    drop(first);
    assert!(stream.wait_for_log("next attempt at once").contains(" disconnected: "));
    let line = stream.wait_for_log("next attempt in ");
    assert!(line.contains(" could not connect to http://127.0.0.1:"), "{line}");
    let (_second, _) = simulator(&format!("--rate 200 --listen {}", url.strip_prefix("http://").unwrap()));
    stream.wait_for_log("connected");
    stream.wait_for_log("Posts may be missing from ");
    stream.signal("INT");
    assert_eq!(stream.end(), Some(0));
    assert!(stream.log.contains("reconnects 1, gaps 1, "), "{}", stream.log);
}

#[test]
fn a_gap_lasts_until_the_first_post_of_a_quiet_stream() {
    let arguments = "stream --simulate --scenario reset --fault-after 2 --rate 0.5 --max-posts 4";
    let mut stream = Running::start(&mut tool(arguments));
    stream.wait_for_log("Posts may be missing from ");
    stream.wait_for_log("the first Post came late: Posts may be missing to ");
    assert_eq!(stream.end(), Some(0));
    assert!(stream.log.contains("gaps 1, "), "{}", stream.log);
}

/// The second request asks for backfill of the gap, and the simulator accepts it.
#[test]
fn requests_backfill_after_a_gap() {
    let arguments = "--backfill --scenario reset --fault-after 20 --rate 1000 --max-posts 60";
    let output = run(&mut tool(&format!("stream --simulate {arguments}")));
    let stderr = text(&output.stderr);
    assert_eq!((output.status.code(), text(&output.stdout).lines().count()), (Some(0), 60), "{stderr}");
    assert!(stderr.contains("requested 1 min of backfill: Posts were missing from "), "{stderr}");
}

/// The second connection starts with the 20 Posts of the first one.
#[test]
fn writes_each_post_once_after_a_reconnect_unless_duplicates_are_kept() {
    let posts: String = (1..=100).map(|id| format!("{{\"id\":{id},\"text\":\"\"}}\n")).collect();
    let file = File::new("hundred", posts.as_bytes());
    let scenario =
        format!("--backfill --posts {} --scenario close-between --fault-after 20 --fault-on 1", file.path());
    let cases: Vec<_> = ["blocking", "tokio", "smol"]
        .into_iter()
        .flat_map(|runtime| [(runtime, 100, ""), (runtime, 120, "--keep-duplicates")])
        .collect();
    check_all(&cases, |(runtime, count, option)| {
        let command =
            format!("stream --simulate --runtime {runtime} {scenario} --max-posts {count} {option}");
        let output = run(&mut tool(&command));
        let stderr = text(&output.stderr);
        let posts: Vec<_> = text(&output.stdout).lines().collect();
        assert_eq!(
            (posts.len(), posts.iter().collect::<BTreeSet<_>>().len()),
            (*count, 100),
            "{command}: {stderr}"
        );
        assert!(stderr.contains(&format!("Posts {count}, ")), "{command}: {stderr}");
        assert_eq!(stderr.contains(", duplicates 20, "), *count == 100, "{command}: {stderr}");
    });
}

#[test]
fn writes_the_copies_of_every_connection_where_duplicates_are_kept() {
    let file = File::new(
        "ten",
        (1..=10).map(|id| format!("{{\"id\":{id},\"text\":\"\"}}\n")).collect::<String>().as_bytes(),
    );
    for (option, posts) in [("", 10), ("--keep-duplicates", 20)] {
        let arguments = format!("--connections 2 --posts {} --duration 700ms {option}", file.path());
        let output = run(&mut tool(&format!("stream --simulate {arguments}")));
        let stderr = text(&output.stderr);
        assert_eq!(text(&output.stdout).lines().count(), posts, "{stderr}");
        assert!(
            stderr.contains(&format!("Posts {posts}, ")) && stderr.contains(", duplicates 10, "),
            "{stderr}"
        );
    }
}

#[test]
fn refused_connection_is_not_reported_as_a_disconnect() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let arguments = format!("stream --base-url http://{address} --duration 300ms");
    let output = run(tool(&arguments).env("X_BEARER_TOKEN", "any"));
    let stderr = text(&output.stderr);
    assert!(stderr.contains(" could not connect to http://127.0.0.1:"), "{stderr}");
    assert!(!stderr.contains("disconnected"), "{stderr}");
}

#[test]
fn sends_the_host_field_that_was_given() {
    let (url, requests) = server(vec![b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".to_vec()]);
    let arguments = format!("stream --base-url {url} --host api.x.com");
    let output = run(tool(&arguments).env("X_BEARER_TOKEN", "any"));
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    assert!(requests.recv().unwrap().contains("\r\nHost: api.x.com\r\n"));
}

#[test]
fn reports_the_address_of_a_redirect() {
    for (location, message) in [
        ("Location: https://new.example/\u{1b}]0;x".to_owned(), None),
        (
            "location: https://new.example/\u{9b}31m".to_owned(),
            Some(r"; it is https://new.example/\u{9b}31m"),
        ),
        (format!("Location: https://{}", "n".repeat(9_000)), Some("nnn...\n")),
        ("X: y".to_owned(), Some("; the server names none\n")),
    ] {
        let head = format!("HTTP/1.1 301 Moved\r\n{location}\r\nContent-Length: 0\r\n\r\n");
        if let Some(message) = message {
            let (url, _requests) = server(vec![head.clone().into_bytes()]);
            let arguments = format!("rules list --base-url {url}");
            let output = run(tool(&arguments).env("X_BEARER_TOKEN", "any"));
            let stderr = text(&output.stderr);
            assert!(stderr.contains(message) && !stderr.contains('\u{9b}'), "{stderr:?}");
        }
        let (url, _requests) = server(vec![head.into_bytes()]);
        let arguments = format!("stream --base-url {url} --duration 5s");
        // A control character makes the head invalid HTTP, so the tool retries.
        let arguments = if message.is_none() { arguments.replace("5s", "200ms") } else { arguments };
        let output = run(tool(&arguments).env("X_BEARER_TOKEN", "any"));
        let stderr = text(&output.stderr);
        assert_eq!(output.status.code(), Some(i32::from(message.is_some())), "{stderr}");
        assert!(message.is_none_or(|message| stderr.contains(message)) && stderr.len() < 2_000, "{stderr}");
        assert!(!stderr.contains(['\u{1b}', '\u{9b}']), "{stderr:?}");
    }
}

/// Text that clears the screen, sets the title, colors (C1) and turns the writing direction, in
/// UTF-8 and as JSON escapes.
const HOSTILE: &str = "\u{7f}\u{85}\u{9b}31m\u{202e}\u{2066}\u{2028}";
const HOSTILE_JSON: &str = r"\u001b[2J\u001b]0;x\u0007\u009b31m\u202e\u0008\r";

#[test]
fn no_text_of_a_server_controls_the_terminal() {
    let (raw, json) = (HOSTILE, HOSTILE_JSON);
    // A reason and field values cannot have C0 controls: such a head is invalid HTTP.
    let fields = "Content-Type: application/json\r\nX-Name: a\u{85}\u{9b}31m\u{202e}\u{2028}\r\n\
        x-powerstream-datacenter: b\u{9b}31m\u{202e}\r\n";
    let refusal = |status: &str, body: &str| {
        let length = body.len();
        format!("HTTP/1.1 {status} a\u{9b}2J\u{202e}\r\n{fields}Content-Length: {length}\r\n\r\n{body}")
    };
    let problem = format!(r#"{{"title":"{json}{raw}","detail":"{json}{raw}","type":"about:blank{json}"}}"#);
    let user = format!(r#"{{"name":"{json}{raw}","screen_name":"{json}{raw}"}}"#);
    let stream = [
        format!("HTTP/1.1 200 a\u{9b}2J\r\n{fields}\r\n"),
        format!(r#"{{"type":"connection_metadata","datacenter":"{json}{raw}"}}"#),
        format!(r#"{{"id":1,"id_str":"1","text":"{json}{raw}","user":{user},"source":"{json}{raw}"}}"#),
        format!(r#"{{"data":{{"id":"2","text":"{json}{raw}"}},"matching_rules":[{{"tag":"{json}{raw}"}}]}}"#),
        format!(r#"{{"errors":[{{"title":"operational-disconnect{json}","detail":"{json}{raw}"}}]}}"#),
        format!("\u{1b}]0;x\u{7}{raw} is no JSON"),
        format!(r#"{{"new{json}":"{raw}"}}"#),
        format!(r#"{{"warning":{{"message":"{json}{raw}"}}}}"#),
    ]
    .join("\r\n");
    let answers = [
        format!("{stream}\r\n"),
        refusal("400", &problem),
        refusal("403", &format!("<p>\u{1b}[2J{raw}</p>")),
        refusal("429", &problem),
        refusal("503", &problem),
        format!("HTTP/1.1 302 x\r\nLocation: https://a.example/{raw}\r\n\r\n").replace('\u{7f}', ""),
        format!("\u{1b}[2J{raw} is no HTTP\r\n"),
    ];
    for answer in answers {
        for log in ["info", "trace", "trace,powerstream_client=trace"] {
            let (url, _requests) = server(vec![answer.clone().into_bytes()]);
            let arguments = format!("stream --base-url {url} --format pretty --duration 300ms");
            let output = run(tool(&arguments).env("X_BEARER_TOKEN", "any").env("RUST_LOG", log));
            for written in [text(&output.stdout), text(&output.stderr)] {
                let found = written.chars().find(|&character| {
                    !matches!(character, '\n' | '\t')
                        && (character.is_control()
                            || matches!(character, '\u{200e}' | '\u{200f}' | '\u{2028}' | '\u{2029}'
                            | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'))
                });
                assert_eq!(found, None, "{log}: {written:?}");
            }
            assert!(!output.stderr.is_empty());
        }
    }
}

#[test]
fn shows_other_messages_once_and_counts_them() {
    let deep = format!(r#"{{"id":1,"text":{}{}}}"#, "[".repeat(200), "]".repeat(200));
    let mut answer = b"HTTP/1.1 200 OK\r\nX-Name: a\xc2\x9b\r\n\r\n".to_vec();
    for _ in 0..50 {
        answer.extend_from_slice(b"{\"new\":1}\r\n{\"friends\":[1]}\r\n<p>\r\n");
    }
    answer.extend_from_slice(b"{\"id\":2,\"text\":\"\xff\" oops\r\n");
    answer.extend_from_slice(format!("{deep}\r\n").as_bytes());
    answer.extend_from_slice(&b"x".repeat((1 << 20) + 1));
    answer.extend_from_slice(b"\r\n{\"id\":3,\"text\":\"\xff\"}\r\n");
    let stderr_at = |level: &str| {
        let (url, _requests) = server(vec![answer.clone()]);
        let arguments = format!("stream --base-url {url} --max-posts 1");
        let output = run(tool(&arguments).env("X_BEARER_TOKEN", "s3cr3t").env("RUST_LOG", level));
        assert_eq!(output.stdout, b"{\"id\":3,\"text\":\"\xff\"}\n");
        text(&output.stderr).to_owned()
    };
    let info = stderr_at("info");
    assert!(info.contains("INFO unknown, the first of them: {\"new\":1}"), "{info}");
    assert!(
        info.contains("INFO user_stream, the first") && info.contains("WARN malformed, the first"),
        "{info}"
    );
    assert!(info.contains("omitted because it is not JSON: unexpected byte"), "{info}");
    assert!(info.contains("omitted because it is nested deeper than 128 levels"), "{info}");
    assert!(info.contains("reconnects 0, skipped 1, malformed 52, unknown 50, user_stream 50, "), "{info}");
    assert!(info.lines().count() < 12, "{info}");
    let debug = stderr_at("debug");
    assert_eq!(debug.matches("{\"new\":1}").count(), 50, "{debug}");
    assert!(debug.contains("DEBUG response: status 200\n"), "{debug}");
    assert!(debug.contains(r"DEBUG response: X-Name: a\u{9b}") && !debug.contains("s3cr3t"), "{debug}");
    let off = stderr_at("off");
    assert!(off.starts_with("Posts 1, keep-alives 0, bytes 1") && off.lines().count() == 3, "{off}");
}

#[test]
fn help_names_the_endpoints_and_the_ca_option() {
    let output = run(&mut tool("stream --help"));
    let help = text(&output.stdout).split_whitespace().collect::<Vec<_>>().join(" ");
    for words in [
        "powerstream, filtered-stream, sample, sample10, firehose, firehose-en",
        "Trust the CAs in this PEM file too",
        "including heads and framing",
        "--base-url https://localhost:8443 --ca ca.pem",
    ] {
        assert!(help.contains(words), "{words}: {help}");
    }
}

#[test]
fn trusts_a_server_only_by_its_ca() {
    let path = std::env::temp_dir().join(format!("powerstream-stream-{}.pem", std::process::id()));
    let (_simulator, url) = tool::simulator(&format!("--tls --ca-out {}", path.display()));
    let stream = |ca: &str| {
        let arguments = format!("stream --base-url {url} {ca} --max-posts 5 --duration 10s");
        let output = run(tool(&arguments).env("X_BEARER_TOKEN", "any"));
        (output.status.code(), text(&output.stdout).lines().count(), text(&output.stderr).to_owned())
    };
    let (code, posts, stderr) = stream(&format!("--ca {}", path.display()));
    assert_eq!((code, posts), (Some(0), 5), "{stderr}");
    std::fs::write(&path, "no PEM").unwrap();
    let (code, _, stderr) = stream(&format!("--ca {}", path.display()));
    assert!(code == Some(1) && stderr.contains("-----BEGIN CERTIFICATE-----"), "{stderr}");
    std::fs::remove_file(&path).unwrap();
    let (code, _, stderr) = stream(&format!("--ca {}", path.display()));
    assert!(code == Some(1) && stderr.contains("--ca: cannot read "), "{stderr}");
    // The system's CAs, if there are any, did not sign the certificate.
    let arguments = format!("stream --base-url {url} --duration 1s");
    let output = run(tool(&arguments).env("X_BEARER_TOKEN", "any"));
    let stderr = text(&output.stderr);
    assert!(output.stdout.is_empty());
    let unknown_ca = "signed by an unknown authority; pass the CA with `--ca`";
    assert!(stderr.contains(unknown_ca) || stderr.contains("no CA certificates of the system"), "{stderr}");
}

#[test]
fn streams_the_same_posts_over_tls() {
    let stream = |tls: &str| {
        let arguments =
            format!("stream --simulate --seed 5 {tls} --scenario reset --fault-after 30 --max-posts 100");
        let output = run(&mut tool(&arguments));
        assert_eq!(output.status.code(), Some(0));
        output.stdout.split(|byte| *byte == b'\n').count()
    };
    assert_eq!(stream("--tls"), stream(""));
    let mut stream = Running::start(&mut tool("stream --simulate --tls --tls-fault expired"));
    stream.wait_for_log(
        "the server's certificate has expired; renew it, or correct this machine's clock; next attempt in ",
    );
}

#[test]
fn backs_off_when_the_server_accepts_and_closes() {
    let mut stream = Running::start(&mut tool("stream --simulate --scenario accept-close --seed 1"));
    stream.wait_for_log("next attempt at once");
    let mut last = Duration::ZERO;
    for _ in 0..4 {
        let line = stream.wait_for_log("next attempt in ");
        let delay = line.split("next attempt in ").nth(1).unwrap().trim();
        let delay = match delay.strip_suffix("ms") {
            Some(milliseconds) => Duration::from_secs_f64(milliseconds.parse::<f64>().unwrap() / 1_000.0),
            None => Duration::from_secs_f64(delay.strip_suffix('s').unwrap().parse().unwrap()),
        };
        assert!(delay >= last + Duration::from_millis(150), "{}", stream.log);
        last = delay;
    }
    stream.signal("INT");
    assert_eq!(stream.end(), Some(0));
}

#[test]
fn reports_faults_and_reconnects() {
    for (scenario, message) in [
        ("reset", "disconnected: the connection was reset"),
        ("close-mid-message", "undelivered_bytes="),
        ("clean-end", "disconnected: the server ended the stream"),
        ("bad-chunk", "expected a hexadecimal chunk size"),
        ("operational-disconnect", "announced=\"stream_error\""),
        ("stall --silence 300ms", "within the idle timeout"),
    ] {
        let arguments = format!("--scenario {scenario} --fault-after 20 --rate 1000 --max-posts 60");
        let output = run(&mut tool(&format!("stream --simulate {arguments}")));
        let stderr = text(&output.stderr);
        assert_eq!((output.status.code(), text(&output.stdout).lines().count()), (Some(0), 60), "{stderr}");
        assert!(stderr.contains(message) && stderr.contains("reconnects 1,"), "{scenario}: {stderr}");
        assert!(text(&output.stdout).lines().all(|line| line.starts_with('{') && line.ends_with('}')));
    }
}

#[test]
fn rust_log_selects_the_log_level() {
    let stderr_at = |level: &str| {
        let output = run(tool("stream --simulate --max-posts 1").env("RUST_LOG", level));
        assert_eq!(text(&output.stdout).lines().count(), 1);
        text(&output.stderr).to_owned()
    };
    assert!(!stderr_at("warn").contains("connected") && stderr_at("warn").contains("Posts 1,"));
    assert!(stderr_at("info").contains("INFO connected") && !stderr_at("info").contains("response: status"));
    assert!(stderr_at("debug").contains("response: status 200"));
    assert!(stderr_at("=!?").contains("RUST_LOG is ignored") && stderr_at("").contains("INFO connected"));
    assert!(!stderr_at("trace").contains('\u{1b}'));
}

#[test]
fn wrong_usage_exits_2() {
    for (arguments, message) in [
        ("--simulate --scenario stedy", "steady, tiny-chunks"),
        ("--scenario steady", "--scenario needs --simulate"),
        ("--posts x", "--posts needs --simulate"),
        ("--simulate --base-url http://localhost", "cannot be used with"),
        ("--simulate --token-file x", "cannot be used with"),
        ("--base-url http://example.com", "plain http"),
        ("--base-url https://user:s3cr3t@example.com", "--base-url (or --connect) is not allowed: "),
        ("--base-url example.com", "https://"),
        ("--endpoint nowhere", "powerstream, filtered-stream"),
        ("--endpoint sample10", "this endpoint has partitions: pass --partition with a number from 1 to 2"),
        ("--endpoint sample10 --partition 3", "pass --partition with a number from 1 to 2"),
        ("--simulate --partition 1", "has no partitions"),
        ("--endpoint sample --local-dc-only", "--local-dc-only is not allowed"),
        ("--connections 0", "1..=32"),
        ("--connections 33", "1..=32"),
        ("--connect https://a", "expected NAME=URL"),
        ("--connect a=https://user:s3cr3t@x", "is not allowed"),
        ("--connect https://user:s3cr3t@x", "expected NAME=URL"),
        ("--connect a/b=https://user:s3cr3t@x", "a connection's name is 1 to 32 letters"),
        ("--connect a=https://x --connect a=https://y", "two connections are called a"),
        ("--connect a=https://x --connections 2", "cannot be used with"),
        ("--connect a=https://x --resolve b=1.2.3.4:5", "no connection has that name"),
        ("--base-url http://localhost --resolve 1.2.3.4:5", "--resolve is not allowed"),
        ("--resolve 1.2.3.4", "invalid socket address"),
        ("--local-address nowhere", "invalid IP address"),
        ("--runtime tokio --busy-poll", "--busy-poll is for --runtime blocking"),
        ("--max-posts 0", "--max-posts"),
        ("--duration 10", "expected a number and a unit"),
        ("--duration 0s", "expected more than zero"),
        ("--silence 0s", "expected more than zero"),
        ("--host api.x.com/", "--host is not allowed: "),
        ("--host user:s3cr3t@x", "--host is not allowed: "),
        ("--simulate --host x", "cannot be used with"),
        ("--runtime none", "blocking"),
        ("--token x", "--token"),
    ] {
        let output = run(&mut tool(&format!("stream {arguments}")));
        let stderr = text(&output.stderr);
        assert_eq!((output.status.code(), text(&output.stdout)), (Some(2), ""), "{arguments}: {stderr}");
        assert!(stderr.contains(message) && !stderr.contains("s3cr3t"), "{arguments}: {stderr}");
    }
}

/// A refusal such as 401 is final in any coding. An unreadable body is named, not printed.
#[test]
fn a_refusal_in_an_unrequested_coding_is_final_and_named() {
    let gzip = b"\x1f\x8b\x08\0\0\x03\xab\xae";
    for (fields, says) in [
        (
            "Transfer-Encoding: gzip, chunked",
            "; its body was not read: expected Transfer-Encoding to be only chunked, on one line, because nothing \
             else was requested (saw Transfer-Encoding: gzip, chunked)",
        ),
        ("Content-Encoding: gzip\r\nContent-Length: 8", "(saw Content-Encoding: gzip)"),
        ("Content-Encoding: \u{9b}2J", r"(saw Content-Encoding: \xc2\x9b2J)"),
        ("Content-Length:\r\n 8", "(saw Content-Length: 8)"),
        ("Content-Length: 8", "; its body is not text (8 bytes)"),
    ] {
        for (status, meaning) in
            [(401, "not authorized"), (403, "forbidden"), (404, "the server rejected the request")]
        {
            let head = format!("HTTP/1.1 {status} x\r\n{fields}\r\n\r\n");
            let (url, _requests) = server(vec![[head.as_bytes(), gzip].concat()]);
            let mut command: Command = tool(&format!("stream --base-url {url} --duration 5s"));
            let output = run(command.env("X_BEARER_TOKEN", "any"));
            let stderr = text(&output.stderr);
            assert!(output.status.code().is_some_and(|code| code != 0), "{stderr}");
            assert!(
                stderr.contains(&format!("ERROR refused: {meaning}")) && stderr.contains(says),
                "{stderr}"
            );
            let gave_up = format!("gave up on {url}, powerstream: the server refused (status {status})");
            assert!(stderr.contains(&gave_up), "{stderr}");
            let is_raw = |char: char| char == '\u{fffd}' || (char.is_control() && char != '\n');
            assert!(!stderr.contains(is_raw) && !stderr.contains("server says"), "{stderr:?}");
        }
    }
}

/// The server's clock is years ahead of the local one.
#[test]
fn waits_for_a_window_by_the_servers_date() {
    let fields =
        "date: Thu, 01 Jan 2099 00:00:00 GMT\r\nx-rate-limit-remaining: 0\r\nx-rate-limit-reset: 4070909100";
    let head = format!("HTTP/1.1 429 x\r\n{fields}\r\ncontent-length: 0\r\n\r\n");
    let (url, _requests) = server(vec![head.into_bytes()]);
    let mut command = tool(&format!("stream --base-url {url} --duration 2s"));
    let output = run(command.env("X_BEARER_TOKEN", "any"));
    let stderr = text(&output.stderr);
    assert!(stderr.contains("next attempt in 300"), "{stderr}");
}

#[test]
fn permanent_refusal_exits_1() {
    let (url, _requests) = server(vec![b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n".to_vec()]);
    let mut command: Command = tool(&format!("stream --base-url {url}"));
    let output = run(command.env("X_BEARER_TOKEN", "any"));
    assert_eq!(output.status.code(), Some(1));
    let stderr = text(&output.stderr);
    assert!(
        stderr
            .contains("ERROR refused: the server rejected the request; a retry would fail too (status 404)"),
        "{stderr}"
    );
    let gave_up = format!("powerstream: gave up on {url}, powerstream: the server refused (status 404)\n");
    assert!(stderr.ends_with(&gave_up), "{stderr}");
}

#[test]
fn log_lines_have_a_time_unless_a_terminal_or_systemd_adds_it() {
    for (journal, option, has_time) in [(false, "", true), (true, "", false), (true, "--log-time", true)] {
        let mut command = tool(&format!("stream --simulate --max-posts 1 {option}"));
        if !journal {
            command.env_remove("JOURNAL_STREAM");
        }
        let output = run(&mut command);
        let line = text(&output.stderr).lines().next().unwrap();
        let (time, rest) = line.split_once("  INFO ").unwrap_or(("", line));
        let shape =
            time.chars().map(|char| if char.is_ascii_digit() { '0' } else { char }).collect::<String>();
        assert_eq!(shape == "0000-00-00T00:00:00.000Z", has_time, "{line}");
        assert!(rest.contains("connecting to http://127.0.0.1:"), "{line}");
    }
}

#[test]
fn failed_attempts_are_counted() {
    let mut command = tool("stream --base-url http://127.0.0.1:1 --duration 500ms");
    let output = run(command.env("X_BEARER_TOKEN", "any"));
    let stderr = text(&output.stderr);
    assert!(stderr.contains(", failed attempts "), "{stderr}");
    let output = run(&mut tool("stream --simulate --max-posts 1"));
    assert!(!text(&output.stderr).contains("failed attempts"));
}
