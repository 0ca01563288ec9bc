//! Tests of `powerstream simulate` as an HTTP client sees it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;

use crate::tool::{self, Running, run, simulator, text, tool};

/// Sends a request and returns the lines of the answer as they arrive.
fn get(url: &str, target: &str, token: &str) -> impl Iterator<Item = String> + use<> {
    let mut socket = TcpStream::connect(url.strip_prefix("http://").unwrap()).unwrap();
    socket.set_read_timeout(Some(tool::PATIENCE)).unwrap();
    let request =
        format!("GET {target} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\r\n");
    socket.write_all(request.as_bytes()).unwrap();
    BufReader::new(socket).lines().map_while(Result::ok)
}

#[test]
fn serves_posts_until_a_signal() {
    for signal in ["INT", "TERM"] {
        let (mut simulator, url) = simulator("--listen 127.0.0.1:0 --rate 1000 --seed 3");
        let lines = get(&url, "/2/powerstream", "any");
        assert_eq!(lines.filter(|line| line.starts_with("{\"created_at\":")).take(10).count(), 10);
        simulator.wait_for_log("streams 1");
        simulator.signal(signal);
        assert_eq!(simulator.end(), Some(0));
        let totals = simulator.log.lines().last().unwrap();
        assert!(totals.starts_with("connections 1 (0 open), streams 1, Posts "), "{totals}");
    }
}

#[test]
fn checks_the_token_and_names_the_datacenter() {
    let (_simulator, url) = simulator("--token s3cr3t --datacenter pdxa");
    assert_eq!(get(&url, "/2/powerstream", "any").next().unwrap(), "HTTP/1.1 401 Unauthorized");
    let lines: Vec<_> = get(&url, "/2/powerstream?localDcOnly=true", "s3cr3t").take(14).collect();
    assert_eq!(lines[0], "HTTP/1.1 200 OK");
    assert!(lines.iter().any(|line| line == "x-powerstream-datacenter: pdxa"), "{lines:?}");
}

#[test]
fn sends_keep_alives_after_the_file() {
    let path = std::env::temp_dir().join(format!("powerstream-simulate-{}.ndjson", std::process::id()));
    std::fs::write(&path, "{\"id\":1}\n{\"id\":2}\n").unwrap();
    let (_simulator, url) = simulator(&format!("--posts {} --keep-alive 20ms", path.display()));
    std::fs::remove_file(&path).unwrap();
    let mut body = get(&url, "/2/powerstream", "any").skip_while(|line| !line.is_empty()).skip(1);
    // Each chunk has a size, a message and an end.
    let chunks: Vec<_> = (0..12).map(|_| body.next().unwrap()).collect();
    assert_eq!(chunks, ["a", "{\"id\":1}", "", "a", "{\"id\":2}", "", "2", "", "", "2", "", ""]);
}

#[test]
fn writes_the_ca_before_listening_with_tls() {
    let path = std::env::temp_dir().join(format!("powerstream-simulate-{}.pem", std::process::id()));
    let (_simulator, url) = simulator(&format!("--tls --ca-out {}", path.display()));
    // The file exists as soon as the first line is printed.
    let ca = std::fs::read_to_string(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    assert!(ca.starts_with("-----BEGIN CERTIFICATE-----"), "{ca}");
    let mut socket = TcpStream::connect(url.strip_prefix("https://").unwrap()).unwrap();
    socket.set_read_timeout(Some(tool::PATIENCE)).unwrap();
    socket.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    let mut alert = [0; 1];
    socket.read_exact(&mut alert).unwrap();
    assert_eq!(alert, [21]);
}

#[test]
fn lists_scenarios() {
    let output = run(&mut tool("simulate --list-scenarios"));
    assert_eq!(output.status.code(), Some(0));
    let list = text(&output.stdout);
    for name in ["steady ", "split ", "reset ", "accept-close "] {
        assert!(list.lines().any(|line| line.starts_with(name) && line.len() > 40), "{list}");
    }
}

/// The caller can pass a custom scenario as a file.
#[test]
fn reads_a_scenario_from_a_file() {
    let path = std::env::temp_dir().join(format!("powerstream-scenario-{}.toml", std::process::id()));
    std::fs::write(&path, "description = \"no\"\n[[event]]\ndo = \"refuse\"\nstatus = 503\nattempts = 1\n")
        .unwrap();
    let (_simulator, url) = simulator(&format!("--scenario {}", path.display()));
    assert_eq!(get(&url, "/2/powerstream", "any").next().unwrap(), "HTTP/1.1 503 Service Unavailable");
    assert_eq!(get(&url, "/2/powerstream", "any").next().unwrap(), "HTTP/1.1 200 OK");

    std::fs::write(&path, "description = \"no\"\n[[event]]\ndo = \"fly\"\n").unwrap();
    let output = run(&mut tool(&format!("simulate --scenario {}", path.display())));
    std::fs::remove_file(&path).unwrap();
    let stderr = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2));
    let place = format!("{}: line 2, column 1: event 1 (fly): ", path.display());
    assert!(stderr.contains(&place) && stderr.contains("cut, end, refuse"), "{stderr}");
    assert!(stderr.ends_with("\n2 | [[event]]\n  | ^\n"), "{stderr}");
}

#[test]
fn prints_one_address_per_datacenter() {
    let (mut simulator, url) =
        simulator("--rate 1000 --datacenter atla --datacenter pdxa,delay=1ms..2ms,duplicates=10");
    let there = simulator.line();
    let there = there.strip_prefix("listening on ").unwrap().strip_suffix(" as pdxa").unwrap().to_owned();
    for (url, name) in [(url, "atla"), (there, "pdxa")] {
        let lines = get(&url, "/2/powerstream?localDcOnly=true", "any").take(20);
        assert!(lines.into_iter().any(|line| line == format!("x-powerstream-datacenter: {name}")));
    }
}

#[test]
fn strict_sends_no_posts_without_rules() {
    let (_simulator, url) = simulator("--strict --keep-alive 20ms --rate 1000");
    let body = get(&url, "/2/powerstream", "any").skip_while(|line| !line.is_empty()).skip(1);
    assert_eq!(body.take(6).collect::<Vec<_>>(), ["2", "", "", "2", "", ""]);
    assert_eq!(get(&url, "/2/tweets/search/stream", "any").next().unwrap(), "HTTP/1.1 409 Conflict");
    assert!(get(&url, "/simulator/counters", "any").any(|line| line.contains("\"keep_alives\":")));
}

#[test]
fn wrong_usage_exits_2() {
    for (arguments, message) in [
        ("--scenario stedy", "steady, tiny-chunks, split"),
        ("--listen nowhere", "--listen"),
        ("--rate=-1", "expected 0, a positive number, or inf"),
        ("--keep-alive 20", "expected a number and a unit"),
        ("--keep-alive 0s", "expected more than zero"),
        ("--fault-on never", "or `every`"),
        ("--datacenter a/b", "datacenter's name"),
        ("--datacenter a,delay=5", "expected a number and a unit"),
        ("--datacenter a,speed=5", "expected listen=, delay="),
        ("--datacenter a --datacenter a", "same name"),
        ("--bursts 10", "FACTOR:EVERY:LENGTH"),
        ("--bursts 10:1s:2s", "shorter"),
        ("--no-rules never", "expected everything, nothing or conflict"),
        ("--not-deleted never", "expected number, list or absent"),
        ("--extra-connection never", "expected refuse"),
        ("--connections-max 0", "no connections"),
        ("--ca-out ca.pem", "--tls"),
        ("--tls --tls-fault expierd", "expired, not-yet-valid"),
        ("--token s\u{f6}", "visible ASCII"),
    ] {
        let output = run(&mut tool(&format!("simulate {arguments}")));
        assert_eq!((output.status.code(), text(&output.stdout)), (Some(2), ""), "{arguments}");
        assert!(text(&output.stderr).contains(message), "{arguments}: {}", text(&output.stderr));
    }
    for token in ["my secret", "", "s\u{f6}cret"] {
        let output = run(tool("simulate --token").arg(token));
        let stderr = text(&output.stderr);
        assert_eq!((output.status.code(), text(&output.stdout)), (Some(2), ""), "{stderr}");
        assert!(stderr.contains("--token is not allowed: ") && !stderr.contains("cret"), "{stderr}");
    }
}

#[test]
fn unavailable_resources_exit_1() {
    let (_simulator, url) = simulator("");
    let taken = url.strip_prefix("http://").unwrap();
    for (arguments, message) in [
        (format!("--listen {taken}"), "cannot listen on 127.0.0.1"),
        (String::from("--posts /no/such"), "/no/such"),
        (String::from("--scenario /no/such.toml"), "/no/such.toml"),
    ] {
        let mut failed = Running::start(&mut tool(&format!("simulate {arguments}")));
        assert_eq!(failed.end(), Some(1));
        assert!(failed.log.contains(message), "{}", failed.log);
    }
}
