//! Tests of `powerstream rules` against the simulator, which runs as a separate process.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::tool::{self, Running, run, simulator, text};

fn rules(url: &str, directory: &Path, arguments: &str) -> Command {
    let mut tool = tool::tool(&format!("rules {arguments} --base-url {url}"));
    tool.arg("--state-dir").arg(directory.join("state")).env("X_BEARER_TOKEN", "s3cr3t");
    tool
}

/// Returns a thousand rules, and the path of a file that contains them.
fn thousand(directory: &TempDir) -> (Vec<Value>, String) {
    let rule =
        |index: usize| json!({"value": format!("gull{index} lang:en"), "tag": format!("t{}", index % 7)});
    let rules: Vec<Value> = (0..1_000).map(rule).collect();
    let path = directory.path().join("rules.json");
    fs::write(&path, Value::from(rules.clone()).to_string()).unwrap();
    (rules, path.to_str().unwrap().to_owned())
}

fn lines(command: &mut Command) -> Vec<Value> {
    let output = run(command);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    text(&output.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Returns the active rules, without their ids.
fn listed(command: &mut Command) -> Vec<Value> {
    let bare = |rule: &Value| json!({"value": rule["value"], "tag": rule["tag"]});
    lines(command).iter().map(bare).collect()
}

#[test]
fn syncs_lists_and_deletes_a_thousand_rules() {
    for endpoint in ["powerstream", "filtered-stream"] {
        let (_simulator, url) = simulator("--rate 0");
        let directory = tool::directory();
        let (wanted, file) = thousand(&directory);
        let tool =
            |arguments: &str| rules(&url, directory.path(), &format!("{arguments} --endpoint {endpoint}"));
        let printed = lines(&mut tool(&format!("sync {file} --yes --json")));
        assert_eq!((&printed[0]["add"], &printed[0]["requests"]), (&json!(1_000), &json!(10)), "{endpoint}");
        let mut in_force = listed(&mut tool("list --json"));
        let key = |rule: &Value| rule["value"].as_str().unwrap().to_owned();
        in_force.sort_by_key(key);
        let mut sorted = wanted.clone();
        sorted.sort_by_key(key);
        assert_eq!(in_force, sorted, "{endpoint}");
        let printed = lines(&mut tool(&format!("sync {file} --json")));
        assert_eq!((&printed[0]["unchanged"], &printed[0]["requests"]), (&json!(1_000), &json!(0)));

        // The limit is reached, and the service rejects one more rule.
        let output = run(&mut tool("add tern"));
        assert_eq!(output.status.code(), Some(1), "{}", text(&output.stdout));
        assert!(!text(&output.stdout).starts_with("created"), "{}", text(&output.stdout));
        let printed = lines(&mut tool("delete --all --yes --json"));
        assert!(printed.len() == 1_000 && printed.iter().all(|rule| rule["fate"] == "deleted"), "{endpoint}");
        assert_eq!(listed(&mut tool("list --json")), Vec::<Value>::new());
    }
}

#[test]
fn respects_requests_that_another_client_spent() {
    let (_simulator, url) = simulator("--rate 0 --rule-requests-max 4");
    let (here, elsewhere) = (tool::directory(), tool::directory());
    let file = |value: &str| {
        let path = here.path().join(value);
        fs::write(&path, value).unwrap();
        path.to_str().unwrap().to_owned()
    };
    lines(&mut rules(&url, here.path(), &format!("sync {} --yes --json", file("gull"))));
    // Two of four requests are spent, but a second ledger does not record them. This sync uses the
    // third request to list the rules.
    let output = run(&mut rules(&url, elsewhere.path(), &format!("sync {} --yes --settle 0s", file("tern"))));
    assert_eq!(output.status.code(), Some(1));
    let stderr = text(&output.stderr);
    assert!(stderr.contains("this needs 2 requests, but the service reports 1 request left"), "{stderr}");
    assert_eq!(listed(&mut rules(&url, here.path(), "list --json")), [json!({"value": "gull", "tag": null})]);
}

#[test]
fn resumes_a_sync_killed_after_any_request() {
    let cases: Vec<u64> = (1..10).collect();
    tool::check_all(&cases, |&kill_at| {
        let (_simulator, url) = simulator("--rate 0");
        let directory = tool::directory();
        let (_, file) = thousand(&directory);
        let mut running = Running::start(&mut rules(&url, directory.path(), &format!("sync {file} --yes")));
        running.wait_for_log(&format!("{kill_at} of 10"));
        running.signal("KILL");
        running.end();
        let printed = lines(&mut rules(&url, directory.path(), &format!("sync {file} --yes --json")));
        // The service may have carried out the request that was in flight.
        let requests = printed[0]["requests"].as_u64().unwrap();
        assert!(requests <= 10 - kill_at, "killed at {kill_at}: {}", printed[0]);
        assert_eq!(listed(&mut rules(&url, directory.path(), "list --json")).len(), 1_000);
    });
}

#[test]
fn connects_over_tls_only_with_a_trusted_ca() {
    let directory = tool::directory();
    let ca = directory.path().join("ca.pem");
    let (_simulator, url) = simulator(&format!("--rate 0 --tls --ca-out {}", ca.display()));
    let url = url.replace("127.0.0.1", "localhost");
    let tool = |arguments: &str| rules(&url, directory.path(), arguments);
    let output = run(&mut tool("list"));
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("`--ca`"), "{}", text(&output.stderr));
    let ca = format!("--ca {}", ca.display());
    assert_eq!(run(&mut tool(&format!("add gull {ca}"))).status.code(), Some(0));
    assert_eq!(listed(&mut tool(&format!("list --json {ca}")))[0]["value"], "gull");
}
