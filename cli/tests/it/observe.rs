//! `--stats`, `--metrics` and the notifications of systemd.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixDatagram;
use std::process::Command;
use std::time::{Duration, Instant};

use powerstream_simulator::{Config, Generator, Simulator, Time};

use crate::tool::{PATIENCE, Running, directory, tool};

const POSTS: u64 = 300;

/// Starts the tool on a simulator that sends [`POSTS`] Posts and then keep-alives.
fn start(options: &str, configure: impl FnOnce(&mut Command)) -> (tempfile::TempDir, Running) {
    let directory = directory();
    let (mut generator, mut lines) = (Generator::new(7), Vec::new());
    for nth in 0..POSTS {
        let mut post = Vec::new();
        let _ = generator.post(1_790_000_000_000 + nth, &mut post);
        lines.extend_from_slice(&post);
        lines.push(b'\n');
    }
    let posts = directory.path().join("posts");
    std::fs::write(&posts, lines).unwrap();
    let arguments = format!("stream --simulate --posts {} {options}", posts.display());
    let mut command = tool(&arguments);
    configure(&mut command);
    (directory, Running::start(&mut command))
}

/// Returns the status and the body of a GET request.
fn get(address: &str, path: &str) -> (u16, String) {
    let mut socket = TcpStream::connect(address).unwrap();
    write!(socket, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

/// Returns the address that the log names.
fn metrics_address(running: &mut Running) -> String {
    let line = running.wait_for_log("metrics on http://");
    line.split_once("http://").unwrap().1.strip_suffix("/metrics").unwrap().to_owned()
}

/// Returns the value of a metric with these labels.
fn value(metrics: &str, name: &str) -> f64 {
    let line = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {name} in {metrics}")).parse().unwrap()
}

/// Scrapes until all Posts are written.
fn scrape(address: &str) -> String {
    let started = Instant::now();
    loop {
        let (status, metrics) = get(address, "/metrics");
        assert_eq!(status, 200);
        if value(&metrics, "powerstream_written_posts_total") == POSTS as f64 {
            return metrics;
        }
        assert!(started.elapsed() < PATIENCE, "{metrics}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn metrics_equal_what_was_sent() {
    let (directory, mut running) = start("--metrics 0", |_| {});
    let address = metrics_address(&mut running);
    let metrics = scrape(&address);
    assert_eq!(value(&metrics, "powerstream_posts_total{connection=\"1\"}"), POSTS as f64);
    assert_eq!(value(&metrics, "powerstream_streams_total{connection=\"1\"}"), 1.0);
    assert_eq!(value(&metrics, "powerstream_streaming{connection=\"1\"}"), 1.0);
    assert_eq!(value(&metrics, "powerstream_reported_gaps_total"), 0.0);
    assert_eq!(value(&metrics, "powerstream_open_gaps"), 0.0);
    assert_eq!(value(&metrics, "powerstream_queue_posts"), 0.0);
    let (mut rules, mut unmatched) = (BTreeMap::<String, u32>::new(), 0);
    for post in std::fs::read_to_string(directory.path().join("posts")).unwrap().lines() {
        let post: serde_json::Value = serde_json::from_str(post).unwrap();
        let matching = post["matching_rules"].as_array().cloned().unwrap_or_default();
        unmatched += u32::from(matching.is_empty());
        for rule in matching {
            *rules.entry(rule["id_str"].as_str().unwrap().to_owned()).or_default() += 1;
        }
    }
    assert!(rules.len() > 5, "{rules:?}");
    for (id, posts) in rules {
        let name = format!("powerstream_rule_posts_total{{rule_id=\"{id}\"}}");
        assert_eq!(value(&metrics, &name), f64::from(posts), "{id}");
    }
    assert_eq!(value(&metrics, "powerstream_unmatched_posts_total"), f64::from(unmatched));
    assert!(metrics.ends_with("# EOF\n"));
    assert_eq!(get(&address, "/healthz").0, 200);
    assert_eq!(get(&address, "/readyz"), (200, String::from("streaming\n")));
    assert_eq!(get(&address, "/other").0, 404);
    running.signal("INT");
    assert_eq!(running.end(), Some(0));
}

#[test]
fn the_tool_is_not_ready_without_a_stream() {
    let mut command = tool("stream --base-url http://127.0.0.1:1 --metrics 127.0.0.1:0");
    let mut running = Running::start(command.env("X_BEARER_TOKEN", "any"));
    let address = metrics_address(&mut running);
    assert_eq!(get(&address, "/readyz"), (503, String::from("not streaming\n")));
    assert_eq!(get(&address, "/healthz").0, 200);
    running.signal("INT");
    assert_eq!(running.end(), Some(0));
}

/// A query of the dashboard for a metric that does not exist shows nothing, and no error.
#[test]
fn every_query_of_the_dashboard_has_its_metrics() {
    let (_directory, mut running) = start("--metrics 0 --connections 2", |_| {});
    let address = metrics_address(&mut running);
    let started = Instant::now();
    let metrics = loop {
        // A histogram appears with its first value, as all others do.
        let (_, metrics) = get(&address, "/metrics");
        if metrics.contains("powerstream_lag_seconds_bucket") {
            break metrics;
        }
        assert!(started.elapsed() < PATIENCE, "{metrics}");
    };
    let dashboard = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/grafana.json"));
    let dashboard: serde_json::Value = serde_json::from_str(&dashboard.unwrap()).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let queries = panels.iter().flat_map(|panel| panel["targets"].as_array().unwrap());
    let mut names = 0;
    for query in queries.map(|target| target["expr"].as_str().unwrap()) {
        for name in query.split(|char: char| !char.is_ascii_alphanumeric() && char != '_') {
            if name.starts_with("powerstream_") {
                let is_there =
                    |line: &str| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' ']));
                assert!(metrics.lines().any(is_there), "{name} of {query}");
                names += 1;
            }
        }
    }
    assert!(names > 10, "{names}");
    running.signal("INT");
    assert_eq!(running.end(), Some(0));
}

#[test]
fn metrics_show_what_a_recovery_has_closed() {
    let mut config = Config::default();
    config.time = Time::Virtual { unix_ms: 1_790_000_000_000 };
    config.rate = Some(1.0);
    let simulator = Simulator::start(config).unwrap();
    let directory = directory();
    let state = directory.path().join("state");
    let arguments = format!(
        "stream --format none --recovery --metrics 0 --base-url {} --state {}",
        simulator.base_url(),
        state.display()
    );
    // The Posts of the virtual time decide when a run has a position.
    let wait = |is_enough: &dyn Fn() -> bool| {
        let started = Instant::now();
        while !is_enough() {
            assert!(started.elapsed() < PATIENCE);
            simulator.advance(Duration::from_millis(500));
            std::thread::sleep(Duration::from_millis(5));
        }
    };
    let mut first = Running::start(tool(&arguments).env("X_BEARER_TOKEN", "any"));
    let address = metrics_address(&mut first);
    wait(&|| state.exists());
    let month = value(&get(&address, "/metrics").1, "powerstream_stream_month_posts");
    assert!(month > 0.0);
    first.signal("INT");
    assert_eq!(first.end(), Some(0));
    simulator.advance(Duration::from_secs(3_600));

    let mut second = Running::start(tool(&arguments).env("X_BEARER_TOKEN", "any"));
    let address = metrics_address(&mut second);
    let metric = |name: &str| value(&get(&address, "/metrics").1, name);
    wait(&|| metric("powerstream_recovered_ranges_total") == 1.0 && metric("powerstream_open_gaps") == 0.0);
    let seconds = metric("powerstream_recovered_seconds_total");
    assert!((3_600.0..3_700.0).contains(&seconds), "{seconds}");
    assert!(metric("powerstream_recovered_posts_total") >= 3_590.0);
    assert_eq!(metric("powerstream_lost_ranges_total"), 0.0);
    // The state file has the Posts of the first run.
    let posts =
        metric("powerstream_posts_total{connection=\"1\"}") + metric("powerstream_recovered_posts_total");
    assert!(metric("powerstream_stream_month_posts") >= month + posts);
    assert_eq!(metric("powerstream_reported_gaps_closed_total"), 1.0);
    second.signal("INT");
    assert_eq!(second.end(), Some(0));
}

/// Debian's package has this name.
#[test]
fn prometheus_scrapes_the_same_values() {
    if Command::new("prometheus").arg("--version").output().is_err() {
        eprintln!("prometheus is not installed: not tested");
        return;
    }
    let (directory, mut running) = start("--metrics 0", |_| {});
    let address = metrics_address(&mut running);
    scrape(&address);
    let config = format!(
        "global: {{scrape_interval: 1s}}\nscrape_configs: [{{job_name: t, static_configs: [{{targets: ['{address}']}}]}}]\n"
    );
    let file = directory.path().join("prometheus.yml");
    std::fs::write(&file, config).unwrap();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut prometheus = Command::new("prometheus")
        .arg(format!("--config.file={}", file.display()))
        .arg(format!("--storage.tsdb.path={}", directory.path().join("data").display()))
        .arg(format!("--web.listen-address={port}"))
        .spawn()
        .unwrap();
    let started = Instant::now();
    let query = "/api/v1/query?query=powerstream_written_posts_total";
    let found = loop {
        std::thread::sleep(Duration::from_millis(200));
        if TcpStream::connect(port).is_ok() {
            let (_, body) = get(&port.to_string(), query);
            if body.contains(&format!("\"{POSTS}\"")) {
                break true;
            }
        }
        if started.elapsed() > PATIENCE {
            break false;
        }
    };
    prometheus.kill().unwrap();
    prometheus.wait().unwrap();
    assert!(found, "prometheus has not scraped {POSTS} written Posts");
    running.signal("INT");
    assert_eq!(running.end(), Some(0));
}

#[test]
fn stats_are_logged_for_each_period() {
    let (_directory, mut running) = start("--stats 500ms", |_| {});
    let line = running.wait_for_log("stats: ");
    assert!(line.contains("Posts/s, lag ") && line.contains("streaming 1 of 1"), "{line}");
    running.wait_for_log("stats: 0.0 Posts/s, lag none, last Post ");
    running.signal("INT");
    assert_eq!(running.end(), Some(0));
}

#[test]
fn systemd_is_notified_of_start_status_and_end_and_the_watchdog_is_fed() {
    let directory = directory();
    let path = directory.path().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let (_posts, mut running) = start("", |command| {
        command.env("NOTIFY_SOCKET", &path).env("WATCHDOG_USEC", "600000").env_remove("WATCHDOG_PID");
    });
    let wait_for = |text: &str| {
        let mut buffer = [0; 1_024];
        loop {
            let count = socket.recv(&mut buffer).unwrap();
            if String::from_utf8_lossy(&buffer[..count]).contains(text) {
                return;
            }
        }
    };
    wait_for("READY=1");
    wait_for("WATCHDOG=1");
    wait_for(&format!("STATUS=streaming on 1 of 1 connections, {POSTS} Posts, 0 gaps"));
    wait_for("WATCHDOG=1");
    running.signal("INT");
    wait_for("STOPPING=1");
    assert_eq!(running.end(), Some(0));
}

#[test]
fn a_change_of_rules_by_another_run_of_the_tool_is_noticed() {
    let simulator = Simulator::start(Config::default()).unwrap();
    let directory = directory();
    let with_url = |arguments: &str| {
        let mut command = tool(&format!("{arguments} --base-url {}", simulator.base_url()));
        command.env("X_BEARER_TOKEN", "any").env("XDG_STATE_HOME", directory.path());
        command
    };
    let mut running = Running::start(&mut with_url("stream --alert-period 1s"));
    running.wait_for_log(" connected to ");
    for arguments in ["rules add gull", "rules delete gull --yes"] {
        let output = with_url(arguments).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        running.wait_for_log("the rules were changed: another volume is expected for a while");
    }
    running.signal("INT");
    assert_eq!(running.end(), Some(0));
}

#[test]
fn a_wrong_clock_raises_exactly_its_alert() {
    let directory = directory();
    let scenario = directory.path().join("skewed.toml");
    std::fs::write(&scenario, "description = \"wrong\"\n[stream]\nclock-skew = \"-1h\"\n").unwrap();
    let mut command = tool("stream --simulate --alert-period 1s --scenario");
    let mut running = Running::start(command.arg(&scenario));
    let line = running.wait_for_log("alert: ");
    assert!(line.contains("wrong clock: this machine's clock and the server's differ by 3599"), "{line}");
    // Four more periods.
    std::thread::sleep(Duration::from_secs(4));
    running.signal("INT");
    assert_eq!(running.end(), Some(0));
    assert_eq!(running.log.matches("alert").count(), 1, "{}", running.log);
}

#[test]
fn a_drop_raises_exactly_its_alert_and_runs_the_command() {
    let directory = directory();
    let alerts = directory.path().join("alerts");
    // 500 Posts a second for 2 s, then only keep-alives.
    let scenario = directory.path().join("quiet.toml");
    let text =
        "description = \"goes quiet\"\n[[event]]\ndo = \"quiet\"\nafter-posts = 1000\nlength = \"1h\"\n";
    std::fs::write(&scenario, text).unwrap();
    let arguments =
        "stream --simulate --keep-alive 100ms --alert-period 1s --expect 500 --metrics 0 --scenario";
    let mut command = tool(arguments);
    command.arg(&scenario).arg("--on-alert").arg(format!("cat >> {}", alerts.display()));
    let mut running = Running::start(&mut command);
    let address = metrics_address(&mut running);
    let line = running.wait_for_log("alert: ");
    assert!(line.contains("alert: volume drop: ") && line.contains("500 are expected"), "{line}");
    let (_, metrics) = get(&address, "/metrics");
    assert_eq!(value(&metrics, "powerstream_alerts_total{alert=\"volume_drop\"}"), 1.0);
    assert_eq!(value(&metrics, "powerstream_alert_active{alert=\"volume_drop\"}"), 1.0);
    let started = Instant::now();
    let object = loop {
        let text = std::fs::read_to_string(&alerts).unwrap_or_default();
        if text.ends_with('\n') {
            break text;
        }
        assert!(started.elapsed() < PATIENCE, "the command wrote nothing");
        std::thread::sleep(Duration::from_millis(20));
    };
    let object: serde_json::Value = serde_json::from_str(&object).unwrap();
    assert_eq!((&object["alert"], &object["state"]), (&"volume_drop".into(), &"begun".into()));
    assert_eq!(object["expected"], 500);
    std::thread::sleep(Duration::from_secs(2));
    running.signal("INT");
    assert_eq!(running.end(), Some(0));
    assert_eq!(running.log.matches("alert").count(), 1, "{}", running.log);
}
