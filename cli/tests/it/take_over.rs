//! `--take-over`: ends lost connections that the server still counts.

use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::time::{Duration, Instant};

use powerstream_simulator::{Config, Simulator};

use crate::tool::{PATIENCE, run, text, tool};

fn simulator() -> Simulator {
    let mut config = Config::default();
    config.rate = Some(100.0);
    config.connections_max = Some(1);
    config.ghost = Duration::from_secs(600);
    Simulator::start(config).unwrap()
}

/// Runs the tool, resets its connection once, and returns its log up to a line with `until`.
fn log_after_a_reset(simulator: &Simulator, until: &str) -> String {
    let arguments = format!("stream --base-url {} --endpoint sample --take-over", simulator.base_url());
    let mut command = tool(&arguments);
    command.env("X_BEARER_TOKEN", "any").stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let (started, mut log) = (Instant::now(), String::new());
    for line in BufReader::new(child.stderr.take().unwrap()).lines() {
        let line = line.unwrap();
        if line.contains(" connected to ") {
            assert_eq!(simulator.trigger(None, r#"{"do":"cut","how":"reset"}"#).unwrap(), 1);
        }
        log += &line;
        log.push('\n');
        if line.contains(until) || started.elapsed() > PATIENCE {
            break;
        }
    }
    child.kill().unwrap();
    child.wait().unwrap();
    log
}

#[test]
fn a_lost_connection_of_this_process_is_ended() {
    let simulator = simulator();
    let log = log_after_a_reset(&simulator, "--take-over:");
    assert!(log.contains("refused: "), "{log}");
    assert!(log.contains("lost connections that the server still counted: 1 ended"), "{log}");
    // The place is free again: another connection is not refused.
    let arguments = format!("stream --base-url {} --endpoint sample --max-posts 1", simulator.base_url());
    let output = run(tool(&arguments).env("X_BEARER_TOKEN", "any"));
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
}

#[test]
fn a_connection_of_another_process_is_not_ended() {
    let simulator = simulator();
    let base_url = simulator.base_url();
    let arguments = format!("stream --base-url {base_url} --endpoint sample --duration 20s");
    let mut other = tool(&arguments);
    let mut other =
        other.env("X_BEARER_TOKEN", "any").stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    assert!(simulator.ground_truth().wait(PATIENCE, |totals| totals.posts > 0));
    let arguments = format!("stream --base-url {base_url} --endpoint sample --take-over --duration 1s");
    let output = run(tool(&arguments).env("X_BEARER_TOKEN", "any"));
    let stderr = text(&output.stderr);
    assert!(stderr.contains("this process knows of no lost connection of its own"), "{stderr}");
    assert!(other.try_wait().unwrap().is_none(), "the other process lost its stream");
    other.kill().unwrap();
    other.wait().unwrap();
}

#[test]
fn powerstream_has_no_connections_api() {
    let output = run(&mut tool("stream --take-over"));
    let stderr = text(&output.stderr);
    assert!(stderr.contains("does not list connections to powerstream"), "{stderr}");
    assert_eq!(output.status.code(), Some(2));
}
