//! Tests that the tool never prints or stores the bearer token or a proxy's password. They search
//! everything that it writes, with all log levels enabled.

use std::io::{Seek, Write};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::stream::server;
use crate::tool::{check_all, directory, run, simulator, tool};

const TOKEN: &str = "AAAAsecret7f3c%2Btoken91d2";
const OTHER: &str = "AAAAanother5b1ewrong";
const PASSWORD: &str = "pa55phrase0c4f";
/// `user`, a colon and the password, in base64.
const CREDENTIALS: &str = "dXNlcjpwYTU1cGhyYXNlMGM0Zg==";

/// Returns the tool with all log levels enabled and this token.
fn verbose(arguments: &str, token: &str) -> Command {
    let mut command = tool(arguments);
    // The tool turns the events of the client off unless they are named.
    command.env("RUST_LOG", "trace,powerstream_client=trace").env("X_BEARER_TOKEN", token);
    command
}

/// Runs the tool and checks that its output contains no secret. Returns the exit code and standard
/// error.
fn run_without_leaks(command: &mut Command) -> (Option<i32>, String) {
    let output = run(command);
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    let written = format!("{}{stderr}", String::from_utf8_lossy(&output.stdout));
    assert_no_secret(&written, &format!("{command:?}"));
    (output.status.code(), stderr)
}

fn assert_no_secret(text: &str, source: &str) {
    for secret in [TOKEN, OTHER, PASSWORD, CREDENTIALS] {
        assert!(!text.contains(secret), "found a secret in {}", source.replace(secret, ".."));
    }
}

#[test]
fn never_prints_the_token_while_streaming() {
    let runtimes = ["blocking", "blocking --busy-poll", "tokio", "smol"];
    let cases: Vec<_> = runtimes
        .into_iter()
        .flat_map(|runtime| {
            [
                ("--rate 2000", "--max-posts 50 --local-dc-only --backfill", Some(0)),
                ("--rate 2000 --scenario reset --fault-after 20", "--max-posts 50", Some(0)),
                ("--rate 2000 --scenario bad-chunk --fault-after 20", "--max-posts 50", Some(0)),
                ("--rate 2000 --scenario operational-disconnect --fault-after 20", "--max-posts 50", Some(0)),
                ("--rate 2000", "--max-posts 50 --connections 3", Some(0)),
                ("--rate 2000 --tls", "--max-posts 50", Some(0)),
                ("--scenario rate-limited", "--duration 300ms", Some(0)),
                ("--scenario stall --fault-after 1", "--duration 1s --silence 300ms", Some(0)),
            ]
            .map(|(server, client, code)| (runtime, server, client, code))
        })
        .collect();
    check_all(&cases, |&(runtime, server, client, code)| {
        let place = directory();
        let (mut ca_out, mut ca) = (String::new(), String::new());
        if server.contains("--tls") {
            let path = place.path().join("ca.pem");
            (ca_out, ca) = (format!("--ca-out {}", path.display()), format!("--ca {}", path.display()));
        }
        let (mut running, url) = simulator(&format!("{server} {ca_out} --token {TOKEN}"));
        let arguments = format!("stream --base-url {url} {ca} --runtime {runtime} {client}");
        let (ended, stderr) = run_without_leaks(&mut verbose(&arguments, TOKEN));
        assert_eq!(ended, code, "{arguments}: {stderr}");
        assert!(stderr.contains("DEBUG"), "the log is verbose: {stderr}");

        // A refused token is a secret too.
        let (ended, stderr) = run_without_leaks(&mut verbose(&arguments, OTHER));
        if !server.contains("rate-limited") {
            assert_eq!(ended, Some(4), "{stderr}");
        }
        running.signal("INT");
        running.end();
        assert_no_secret(&running.log, "the simulator");
    });
}

#[test]
fn rejects_a_bad_token_without_printing_it() {
    for token in [
        format!("{TOKEN} {OTHER}"),
        format!("{TOKEN}\u{e4}"),
        format!("{TOKEN}\r\nX: y"),
        format!("\"{TOKEN}\""),
        format!("'{TOKEN}'"),
        format!("Bearer {TOKEN}"),
        format!(" {TOKEN}"),
        format!("<{TOKEN}>"),
    ] {
        let (ended, _) = run_without_leaks(&mut verbose("stream", &token));
        assert_eq!(ended, Some(4));
        let place = directory();
        let file = place.path().join("token");
        std::fs::write(&file, &token).unwrap();
        let arguments = format!("rules list --token-file {}", file.display());
        let (ended, _) = run_without_leaks(tool(&arguments).env("RUST_LOG", "trace"));
        assert_eq!(ended, Some(4));
    }
}

#[test]
fn reads_the_token_from_standard_input() {
    for (end, given, code) in
        [("", TOKEN, 0), ("\n", TOKEN, 0), ("\r\n", TOKEN, 0), ("\n", OTHER, 4), ("", "", 4)]
    {
        let (_simulator, url) = simulator(&format!("--token {TOKEN} --rate 2000"));
        let mut command = tool(&format!("stream --base-url {url} --token-file - --max-posts 5"));
        let mut input = tempfile::tempfile().unwrap();
        write!(input, "{given}{end}").unwrap();
        input.rewind().unwrap();
        command.env("RUST_LOG", "trace,powerstream_client=trace").stdin(input);
        let (ended, stderr) = run_without_leaks(&mut command);
        assert_eq!(ended, Some(code), "{given:?} {end:?}: {stderr}");
    }
}

#[test]
fn a_token_of_two_lines_is_refused_and_an_echoed_one_is_not_printed() {
    let place = directory();
    let file = place.path().join("token");
    let answer = format!("{{\"detail\":\"no {TOKEN}\"}}");
    let head = "HTTP/1.1 401 x\r\nContent-Type: application/json\r\nContent-Length: ";
    let answer = format!("{head}{}\r\n\r\n{answer}", answer.len());
    for (end, is_sent) in [("", true), ("\n", true), ("\r\n", true), ("\n\n", false), ("\r\n\n", false)] {
        std::fs::write(&file, format!("{TOKEN}{end}")).unwrap();
        let (url, requests) = server(vec![answer.clone().into_bytes()]);
        let arguments = format!("stream --base-url {url} --token-file {}", file.display());
        let (code, stderr) = run_without_leaks(tool(&arguments).env("RUST_LOG", "trace"));
        assert_eq!(code, Some(4), "{end:?}: {stderr}");
        let request = requests.try_recv();
        assert_eq!(request.is_ok(), is_sent, "{end:?}: {stderr}");
        assert!(!is_sent || stderr.contains("no [token]"), "{end:?}: {stderr}");
    }
}

#[test]
fn never_prints_or_stores_the_token_while_managing_rules() {
    let (_simulator, url) = simulator(&format!("--token {TOKEN}"));
    let state = directory();
    for (command, token, code) in [
        ("add --tag t gull tern", TOKEN, 0),
        ("list --json", TOKEN, 0),
        ("delete gull", TOKEN, 0),
        ("list", OTHER, 4),
        ("add tern", OTHER, 4),
    ] {
        let arguments = format!("rules {command} --base-url {url} --state-dir {}", state.path().display());
        let (ended, stderr) = run_without_leaks(&mut verbose(&arguments, token));
        assert_eq!(ended, Some(code), "{arguments}: {stderr}");
    }
    let count = files(state.path(), &mut |name, bytes| {
        assert_no_secret(name, "the ledger's name");
        assert_no_secret(&String::from_utf8_lossy(bytes), "the ledger");
    });
    assert!(count > 0, "there is a ledger");
}

fn files(directory: &Path, look: &mut impl FnMut(&str, &[u8])) -> usize {
    let mut count = 0;
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            count += files(&path, look);
        } else {
            look(&path.to_string_lossy(), &std::fs::read(&path).unwrap());
            count += 1;
        }
    }
    count
}

#[test]
fn never_prints_the_proxy_password() {
    // No proxy listens on this port, or the proxy's URL is invalid.
    for proxy in [
        "http://user:pa55phrase0c4f@127.0.0.1:1",
        "http://user:pa55phrase0c4f@127.0.0.1:1/path",
        "pa55phrase0c4f",
    ] {
        let mut command = verbose("stream --base-url https://example.com --duration 300ms", TOKEN);
        let (_, stderr) = run_without_leaks(command.env("HTTPS_PROXY", proxy));
        assert!(stderr.contains("proxy") || stderr.contains("PROXY"), "{stderr}");
    }
}

#[test]
fn never_prints_the_password_or_the_token_when_a_proxy_answers() {
    let echo = format!("user:{PASSWORD} {CREDENTIALS} {TOKEN}");
    let not_tls = b"HTTP/1.1 200 OK\r\n\r\n\x16\x03\x03\xff\xff".to_vec();
    let answers = [("407", Some(4), Some(4)), ("502", Some(0), Some(1)), ("200", Some(0), Some(1))];
    for (status, streamed, listed) in answers {
        // Rejected credentials end a stream, and other answers are retried.
        let duration = if status == "407" { "30s" } else { "2s" };
        let streams = ["blocking", "tokio", "smol"]
            .map(|name| format!("stream --runtime {name} --duration {duration}"));
        let answer = if status == "200" {
            [not_tls.as_slice(), echo.as_bytes()].concat()
        } else {
            let head = format!("HTTP/1.1 {status} {echo}\r\nContent-Length: {}", echo.len());
            format!("{head}\r\nX: {echo}\r\n\r\n{echo}").into_bytes()
        };
        let commands =
            streams.iter().map(|stream| (stream.as_str(), streamed)).chain([("rules list", listed)]);
        for (command, code) in commands {
            let (proxy, requests) = server(vec![answer.clone()]);
            let proxy = proxy.replace("http://", &format!("http://user:{PASSWORD}@"));
            let mut command = verbose(&format!("{command} --base-url https://example.com"), TOKEN);
            let (ended, stderr) = run_without_leaks(command.env("HTTPS_PROXY", proxy));
            assert_eq!(ended, code, "{status}: {stderr}");
            let request = requests.recv_timeout(Duration::from_secs(30)).expect("the tool connects");
            assert!(request.starts_with("CONNECT example.com:443 "), "{request}");
            assert!(request.contains(CREDENTIALS) && !request.contains(TOKEN), "{request}");
        }
    }
}
