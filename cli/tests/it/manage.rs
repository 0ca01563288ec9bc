//! Tests of `powerstream rules list|add|delete|sync` against a small service. They check the
//! requests, the output, and how a sync resumes after a kill.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::rule_service::{Action, Service};
use crate::tool::{self, Running, run, text};

/// A service, and a directory for the ledger and the rules file.
struct Bench {
    service: Service,
    directory: TempDir,
}

impl Bench {
    fn new(rules: &[(&str, Option<&str>)]) -> Self {
        Self { service: Service::start(rules), directory: tool::directory() }
    }

    fn tool(&self, arguments: &str) -> Command {
        let mut tool = tool::tool(&format!("rules {arguments} --base-url {}", self.service.url()));
        tool.arg("--state-dir").arg(self.directory.path().join("state")).env("X_BEARER_TOKEN", "s3cr3t");
        tool
    }

    fn run(&self, arguments: &str) -> (i32, String, String) {
        parts(run(&mut self.tool(arguments)))
    }

    fn file(&self, rules: &[(String, Option<&str>)]) -> PathBuf {
        let list: Vec<Value> = rules.iter().map(|(value, tag)| json!({"value": value, "tag": tag})).collect();
        let path = self.directory.path().join("rules.json");
        fs::write(&path, Value::from(list).to_string()).unwrap();
        path
    }

    fn sync(&self, file: &std::path::Path, arguments: &str) -> Command {
        let mut tool = self.tool(&format!("sync {arguments} --settle 0s"));
        tool.arg(file);
        tool
    }
}

fn parts(output: Output) -> (i32, String, String) {
    let (stdout, stderr) = (text(&output.stdout).to_owned(), text(&output.stderr).to_owned());
    assert!(!format!("{stdout}{stderr}").contains("s3cr3t"), "{stdout}{stderr}");
    (output.status.code().unwrap(), stdout, stderr)
}

fn lines(stdout: &str) -> Vec<Value> {
    stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn thousand(name: &str) -> Vec<(String, Option<&'static str>)> {
    (0..1_000).map(|index| (format!("{name}{index}"), None)).collect()
}

#[test]
fn adds_lists_and_deletes_a_rule() {
    let bench = Bench::new(&[]);
    let (code, stdout, _) = bench.run("add gull --rule=tern --tag birds");
    assert_eq!((code, stdout.as_str()), (0, "created 1: gull  [birds]\ncreated 2: tern  [birds]\n"));
    assert_eq!(bench.service.rules(), [("gull", Some("birds")), ("tern", Some("birds"))].map(owned));

    let (code, stdout, stderr) = bench.run("list");
    assert_eq!((code, stdout.as_str()), (0, "1  gull  [birds]\n2  tern  [birds]\n"));
    assert!(stderr.contains("2 rules"), "{stderr}");
    let (_, stdout, _) = bench.run("list --json");
    assert_eq!(lines(&stdout)[0], json!({"id":"1","value":"gull","tag":"birds"}));

    // The rule exists already, so its tag stays.
    let (code, stdout, _) = bench.run("add gull --json");
    assert_eq!(code, 0);
    assert_eq!(
        lines(&stdout),
        [json!({"fate":"duplicate","id":"1","value":"gull","tag":null,"message":null})]
    );

    let (code, stdout, _) = bench.run("delete --id 1");
    assert_eq!((code, stdout.as_str()), (0, "deleted 1\n"));
    let (code, stdout, stderr) = bench.run("delete tern crow --json");
    assert_eq!(code, 1, "{stderr}");
    assert_eq!(lines(&stdout)[0]["value"], "tern");
    assert_eq!(bench.service.rules(), []);
    // The tool opens one connection per request. The service saw exactly these six.
    assert_eq!(bench.service.requests(), 6);
}

fn owned((value, tag): (&str, Option<&str>)) -> (String, Option<String>) {
    (value.to_owned(), tag.map(String::from))
}

#[test]
fn rejects_invalid_input_before_sending_a_request() {
    let bench = Bench::new(&[]);
    for (arguments, want, says) in [
        ("add -- -gull", 1, "1 of 1 rule invalid: nothing was sent"),
        ("add gull --endpoint sample", 2, "possible values"),
        ("add gull --base-url http://api.x.com", 2, "plain http"),
        ("delete", 2, "required"),
        ("delete --id x", 2, "expected digits"),
        ("delete --all --id 1", 2, "cannot be used"),
        ("sync /nonexistent", 1, "cannot read"),
    ] {
        let mut tool = match arguments.contains("base-url") {
            true => tool::tool(&format!("rules {arguments}")),
            false => {
                let (command, rest) = arguments.split_once(' ').unwrap_or((arguments, ""));
                let mut tool = bench.tool(command);
                tool.args(rest.split_whitespace());
                tool
            }
        };
        let (code, _, stderr) = parts(run(tool.env("X_BEARER_TOKEN", "s3cr3t")));
        assert_eq!(code, want, "{arguments}: {stderr}");
        assert!(stderr.contains(says), "{arguments}: {stderr}");
    }
    // One invalid rule among a thousand, two tags for one value, and more rules than allowed.
    for (rules, says) in [
        ([thousand("gull"), vec![(String::from("gull OR"), None)]].concat(), "1 of 1001 rules invalid"),
        (vec![(String::from("gull"), None), (String::from("gull"), Some("t"))], "rule 1 and "),
        ([thousand("gull"), thousand("tern")].concat(), "the service allows 1000"),
    ] {
        let file = bench.file(&rules);
        let (code, _, stderr) = parts(run(&mut bench.sync(&file, "--yes")));
        assert!(code == 1 && stderr.contains(says), "{stderr}");
    }
    let (code, _, stderr) = parts(run(bench.tool("list").env_remove("X_BEARER_TOKEN")));
    assert!(code == 4 && stderr.contains("X_BEARER_TOKEN"), "{stderr}");
    assert_eq!(bench.service.requests(), 0);
}

#[test]
fn syncs_a_thousand_rules_in_eleven_requests_and_one_if_unchanged() {
    let bench = Bench::new(&[]);
    let file = bench.file(&thousand("gull"));
    let (code, stdout, stderr) = parts(run(&mut bench.sync(&file, "--yes --json")));
    assert_eq!(code, 0, "{stderr}");
    assert_eq!(bench.service.requests(), 11);
    assert_eq!(bench.service.rules().len(), 1_000);
    let events = lines(&stdout);
    assert_eq!(
        events[0],
        json!({"event":"plan","unchanged":0,"add":1000,"delete":0,"retag":0,"deleted_first":0,"listed":1,
            "requests":10,"requests_left":49})
    );
    assert_eq!(events[10], json!({"event":"request","kind":"add","rules":100,"number":10,"of":10}));
    assert_eq!(events[11], json!({"event":"done","rules":1000,"requests":10}));

    // Nothing changed: one request to list the rules, and none with `--cached`.
    let (code, stdout, _) = parts(run(&mut bench.sync(&file, "--yes")));
    assert_eq!((code, bench.service.requests()), (0, 12));
    assert_eq!(stdout, "1000 unchanged, 0 to add, 0 to delete, 0 to retag\nnothing to send\n");
    let (code, _, _) = parts(run(&mut bench.sync(&file, "--cached")));
    assert_eq!((code, bench.service.requests()), (0, 12));
}

#[test]
fn syncs_a_thousand_rules_in_ten_requests_from_a_cached_list() {
    let bench = Bench::new(&[]);
    let (code, stdout, _) = bench.run("list");
    assert_eq!((code, stdout.as_str(), bench.service.requests()), (0, "", 1));
    let file = bench.file(&thousand("gull"));
    let (code, _, stderr) = parts(run(&mut bench.sync(&file, "--yes --cached")));
    assert_eq!((code, bench.service.requests()), (0, 1 + 10), "{stderr}");
    // Another command changed the rules, so the cached list is no longer used.
    assert_eq!(bench.run("delete gull7").0, 0);
    let (code, _, _) = parts(run(&mut bench.sync(&file, "--yes --cached")));
    assert_eq!((code, bench.service.requests()), (0, 12 + 2), "a list, and an add of the missing rule");
}

#[test]
fn resumes_a_killed_sync_with_no_extra_requests() {
    // 150 rules of each kind are deleted, added or given a new tag. 20 more stay unchanged.
    let name =
        |name: &str, count: usize| (0..count).map(|index| format!("{name}{index}")).collect::<Vec<_>>();
    let (old, new, retagged, kept) = (name("old", 150), name("new", 150), name("tag", 150), name("kept", 20));
    let before: Vec<(&str, Option<&str>)> = [
        old.iter().map(|value| (value.as_str(), None)).collect::<Vec<_>>(),
        retagged.iter().map(|value| (value.as_str(), Some("was"))).collect(),
        kept.iter().map(|value| (value.as_str(), Some("t"))).collect(),
    ]
    .concat();
    let wanted: Vec<(String, Option<&str>)> = [
        new.iter().map(|value| (value.clone(), None)).collect::<Vec<_>>(),
        retagged.iter().map(|value| (value.clone(), Some("is"))).collect(),
        kept.iter().map(|value| (value.clone(), Some("t"))).collect(),
    ]
    .concat();
    let mut end: Vec<(String, Option<String>)> =
        wanted.iter().map(|(value, tag)| (value.clone(), tag.map(String::from))).collect();
    end.sort();
    let sorted = |bench: &Bench| {
        let mut rules = bench.service.rules();
        rules.sort();
        rules
    };

    let bench = Bench::new(&before);
    let file = bench.file(&wanted);
    let (code, _, stderr) = parts(run(&mut bench.sync(&file, "--yes")));
    assert_eq!((code, sorted(&bench)), (0, end.clone()), "{stderr}");
    let whole = bench.service.requests();
    // The minimum for 300 additions and 300 deletions, where new rules are added before old ones
    // are deleted.
    assert_eq!(whole, 1 + 7);

    let cases: Vec<(usize, Action)> = (1..=whole)
        .flat_map(|at| [Action::HoldBefore, Action::HoldAfter].map(|action| (at, action)))
        .collect();
    tool::check_all(&cases, |&(at, action)| {
        let bench = Bench::new(&before);
        let file = bench.file(&wanted);
        bench.service.hold(at, action);
        let mut running = Running::start(&mut bench.sync(&file, "--yes"));
        bench.service.wait_until_held();
        running.signal("KILL");
        running.end();
        bench.service.go_on();

        let (code, _, stderr) = parts(run(&mut bench.sync(&file, "--yes")));
        assert_eq!((code, sorted(&bench)), (0, end.clone()), "killed at {at}, {action:?}: {stderr}");
        // The second run lists once and sends the remaining requests. One more is possible: the
        // request that was killed before the service carried it out.
        let lost = usize::from(action == Action::HoldBefore && at > 1);
        assert!(bench.service.requests() <= whole + 1 + lost, "killed at {at}, {action:?}");
    });
}

#[test]
fn does_not_send_the_fifty_first_request_of_a_day() {
    let bench = Bench::new(&[]);
    let file = bench.file(&thousand("gull"));
    for _ in 0..41 {
        assert_eq!(bench.run("list").0, 0);
    }
    // Nine requests are left: enough to list the rules, but not for ten more.
    let (code, stdout, stderr) = parts(run(&mut bench.sync(&file, "--yes")));
    assert_eq!((code, bench.service.requests()), (1, 42), "{stderr}");
    assert!(stdout.contains("10 requests of the 8 left in 24 hours"), "{stdout}");
    assert!(
        stderr.contains(
            "not sent: this needs 10 requests, but 8 of 50 in 24 hours are left; the next is available at 20"
        ),
        "{stderr}"
    );
    assert!(stderr.contains(", all of them at 20"), "{stderr}");
    for _ in 0..8 {
        assert_eq!(bench.run("list").0, 0);
    }
    let (code, _, stderr) = bench.run("list");
    assert!(code == 1 && stderr.contains("0 of 50 in 24 hours are left"), "{stderr}");
    assert_eq!(bench.service.requests(), 50);
    // Another app (another token) has a separate budget. So has the same app at another service.
    assert_eq!(parts(run(bench.tool("list").env("X_BEARER_TOKEN", "another"))).0, 0);
}

#[test]
fn reports_a_lost_answer_as_unknown_and_does_not_retry() {
    let bench = Bench::new(&[]);
    bench.service.hold(1, Action::LoseAnswer);
    let (code, _, stderr) = bench.run("add gull");
    assert_eq!((code, bench.service.requests()), (1, 1));
    assert!(stderr.contains("The outcome of this request is unknown"), "{stderr}");
    assert_eq!(bench.service.rules().len(), 1);

    // A sync stops at the lost answer. The next sync lists the rules to learn the result.
    let file = bench.file(&[(String::from("gull"), None), (String::from("tern"), None)]);
    bench.service.hold(3, Action::LoseAnswer);
    let (code, _, stderr) = parts(run(&mut bench.sync(&file, "--yes")));
    assert!(code == 1 && stderr.contains("sync again, which lists first"), "{stderr}");
    let (code, stdout, _) = parts(run(&mut bench.sync(&file, "--yes")));
    assert_eq!((code, bench.service.requests()), (0, 4));
    assert!(stdout.starts_with("2 unchanged, 0 to add"), "{stdout}");
}

#[test]
fn reports_refusals_with_the_servers_message_and_exit_code() {
    for (answer, code, says) in [
        (
            "HTTP/1.1 401 Unauthorized\r\n\r\n{\"title\":\"Unauthorized\",\"detail\":\"Unauthorized\"}",
            4,
            "says: Unauthorized",
        ),
        (
            "HTTP/1.1 403 Forbidden\r\n\r\n{\"title\":\"Client Forbidden\",\"detail\":\"No.\"}",
            4,
            "Client Forbidden: No.",
        ),
        (
            "HTTP/1.1 429 Slow\r\nretry-after: 60\r\n\r\n{\"errors\":[{\"code\":88,\"message\":\"\\u001b[2J\"}]}",
            1,
            r"\u{1b}[2J; the server accepts the next request at 20",
        ),
        (
            "HTTP/1.1 502 Bad Gateway\r\n\r\n<html>",
            1,
            "the server failed (status 502); the server says: <html>",
        ),
        ("HTTP/1.1 200 OK\r\n\r\n<html>log in</html>", 1, "something between may have answered"),
        ("SSH-2.0-x\r\n", 1, "expected the status line of an HTTP/1.1 response"),
    ] {
        let bench = Bench::new(&[]);
        bench.service.answer(1, answer);
        let (seen, _, stderr) = bench.run("list");
        assert_eq!(seen, code, "{stderr}");
        assert!(stderr.contains(says), "{stderr}");
        bench.service.answer(2, answer);
        let (seen, _, stderr) = bench.run("add gull");
        assert_eq!(seen, code, "{stderr}");
        assert_eq!(stderr.contains("unknown"), !stderr.contains("status 4"), "{stderr}");
    }
}

#[test]
fn reports_a_refusal_in_an_unrequested_coding_as_a_refusal() {
    let gzip = b"\x1f\x8b\x08\0\0\x03\xab\xae";
    for (head, says) in [
        (
            "401 Unauthorized\r\nContent-Encoding: gzip",
            "its body was not read: expected no content coding, because none was requested (saw Content-Encoding: gzip)",
        ),
        ("401 Unauthorized\r\nTransfer-Encoding: gzip, chunked", "(saw Transfer-Encoding: gzip, chunked)"),
        ("403 Forbidden\r\nContent-Length: 8, 08", "(saw Content-Length: 8, 08)"),
        ("403 Forbidden\r\nContent-Length: 8", "its body is not text (8 bytes)"),
    ] {
        let bench = Bench::new(&[]);
        bench.service.answer(1, [b"HTTP/1.1 ", head.as_bytes(), b"\r\n\r\n", gzip].concat());
        let (code, stdout, stderr) = bench.run("list");
        assert_eq!((code, stdout.as_str()), (4, ""), "{stderr}");
        assert!(stderr.contains(says) && stderr.is_ascii() && !stderr.contains("server says"), "{stderr}");
    }
}

/// The server's clock is years behind the local clock in one case, and years ahead in the other.
#[test]
fn waits_and_budgets_are_measured_by_the_servers_date() {
    for (date, reset) in [
        ("Tue, 14 Nov 2023 22:13:20 GMT", 1_700_000_300_u64),
        ("Thu, 01 Jan 2099 00:00:00 GMT", 4_070_909_100),
    ] {
        let bench = Bench::new(&[]);
        let limited = format!("HTTP/1.1 429 x\r\ndate: {date}\r\nx-rate-limit-reset: {reset}\r\n\r\n");
        bench.service.answer(1, limited);
        let (code, _, stderr) = bench.run("list");
        assert!(code == 1 && stderr.contains(" UTC by the local clock, in 300 s"), "{stderr}");

        // The answer to the list says that no requests are left until the window ends.
        let spent = format!(
            "HTTP/1.1 200 x\r\ndate: {date}\r\nx-rate-limit-remaining: 0\r\nx-rate-limit-reset: {reset}\r\n\r\n\
             {{\"data\":{{\"rules\":[]}}}}"
        );
        bench.service.answer(2, spent);
        let file = bench.file(&[(String::from("gull"), None)]);
        let (code, _, stderr) = parts(run(&mut bench.sync(&file, "--yes")));
        assert!(code == 1 && stderr.contains("the service reports 0 requests left until 20"), "{stderr}");
        assert_eq!(bench.service.requests(), 2);
    }
}

#[test]
fn waits_over_a_day_and_windows_over_two_are_ignored() {
    const DATE: u64 = 1_700_000_000;
    const DAY: u64 = 86_400;
    let head = |status: u16, reset: u64| {
        format!(
            "HTTP/1.1 {status} x\r\ndate: Tue, 14 Nov 2023 22:13:20 GMT\r\nx-rate-limit-reset: {reset}\r\n"
        )
    };
    for (wait, is_used) in [(DAY, true), (DAY + 1, false), (u64::MAX - DATE, false)] {
        let bench = Bench::new(&[]);
        bench.service.answer(1, head(429, DATE + wait) + "\r\n");
        let (code, _, stderr) = bench.run("list");
        assert_eq!(code, 1, "{stderr}");
        let says = format!(" UTC by the local clock, in {wait} s");
        assert_eq!(stderr.contains(&says), is_used, "{stderr}");
        assert_eq!(stderr.contains("accepts the next request"), is_used, "{stderr}");
    }
    for (window, is_used) in [(2 * DAY, true), (2 * DAY + 1, false), (u64::MAX - DATE, false)] {
        let bench = Bench::new(&[]);
        let body = "x-rate-limit-remaining: 0\r\n\r\n{\"data\":{\"rules\":[]}}";
        bench.service.answer(1, head(200, DATE + window) + body);
        let file = bench.file(&[(String::from("gull"), None)]);
        let (code, _, stderr) = parts(run(&mut bench.sync(&file, "--yes")));
        assert_eq!(code, i32::from(is_used), "{stderr}");
        assert_eq!(stderr.contains("the service reports 0 requests left"), is_used, "{stderr}");
        assert_eq!(bench.service.rules().len(), usize::from(!is_used));
    }
}

#[test]
fn what_the_service_says_about_a_rule_cannot_control_the_terminal() {
    let bench = Bench::new(&[]);
    let details = format!("\u{1b}[2J\u{9b}1m\u{202e}red\u{7}{}", "\nand another line".repeat(100));
    let error = json!({"value": "gull", "details": [details], "title": "UnprocessableEntity",
        "type": "https://api.x.com/2/problems/invalid-rules"});
    let body = json!({ "errors": [error] }).to_string();
    for number in [1, 2] {
        bench
            .service
            .answer(number, format!("HTTP/1.1 400 x\r\ncontent-length: {}\r\n\r\n{body}", body.len()));
    }
    let (code, stdout, stderr) = bench.run("add gull");
    let text = stdout + &stderr;
    assert_eq!(code, 1, "{text}");
    assert!(text.contains("red"), "{text}");
    let is_control = |character: char| character.is_control() || character == '\u{202e}';
    assert!(!text.chars().any(|character| character != '\n' && is_control(character)), "{text:?}");
    assert!(text.lines().count() < 30, "{text}");
    let (_, stdout, _) = bench.run("add gull --json");
    assert!(
        !stdout.contains('\u{1b}') && lines(&stdout)[0]["message"].as_str().unwrap().contains("red"),
        "{stdout:?}"
    );
}

#[test]
fn lists_and_deletes_ids_beyond_64_bits_unchanged() {
    let long = "1166916873249472513116";
    let list = |id: &str| {
        let body = format!(r#"{{"data":{{"rules":[{{"id":{id},"value":"gull"}}]}}}}"#);
        format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len())
    };
    let bench = Bench::new(&[]);
    for (number, id) in [(1, long.to_owned()), (2, format!("\"{long}\""))] {
        bench.service.answer(number, list(&id));
        let (code, stdout, stderr) = bench.run("list");
        assert_eq!((code, stdout), (0, format!("{long}  gull\n")), "{stderr}");
    }
    bench.service.answer(3, list(long));
    let (_, stdout, _) = bench.run("list --json");
    assert_eq!(lines(&stdout)[0]["id"], long);

    bench.service.answer(4, list(long));
    let _ = bench.run("delete --all --yes");
    assert_eq!(bench.service.last_body(), format!(r#"{{"rules":[{{"id":"{long}"}}]}}"#));
    let _ = bench.run(&format!("delete --yes --id {long}"));
    assert_eq!(bench.service.last_body(), format!(r#"{{"rules":[{{"id":"{long}"}}]}}"#));
    // A sync deletes by the same id. If the server sent a rounded id, it deletes by value.
    let file = bench.file(&[(String::from("tern"), None)]);
    for (id, deletion) in [(long, json!([{"id": long}])), ("1.1669e+21", json!([{"value": "gull"}]))] {
        let first = bench.service.requests() + 1;
        bench.service.answer(first, list(id));
        let _ = parts(run(&mut bench.sync(&file, "--yes")));
        assert_eq!(bench.service.requests(), first + 2);
        assert_eq!(serde_json::from_str::<Value>(&bench.service.last_body()).unwrap()["rules"], deletion);
    }
}

#[test]
fn stops_a_sync_before_deleting_when_the_service_refuses_a_rule() {
    let bench = Bench::new(&[("old", None)]);
    bench.service.refuse("tern");
    let file = bench.file(&[(String::from("gull"), None), (String::from("tern"), None)]);
    let (code, stdout, stderr) = parts(run(&mut bench.sync(&file, "--yes --json")));
    assert_eq!(code, 1, "{stderr}");
    assert!(stderr.contains("stopped: 2 rules not as planned"), "{stderr}");
    let fates: Vec<Value> = lines(&stdout).into_iter().filter(|line| line.get("fate").is_some()).collect();
    assert_eq!(fates[0]["fate"], "not_created");
    assert_eq!(
        fates[1],
        json!({"fate":"invalid","id":null,"value":"tern","tag":null,"message":"no such bird"})
    );
    assert_eq!(bench.service.rules(), [("old", None)].map(owned));
}

#[test]
fn requires_yes_for_deleting_without_a_terminal() {
    let bench = Bench::new(&[("old", None)]);
    let file = bench.file(&[(String::from("gull"), None)]);
    let (code, _, stderr) = parts(run(&mut bench.sync(&file, "")));
    assert!(code == 2 && stderr.contains("--yes"), "{stderr}");
    let (code, stdout, _) = parts(run(&mut bench.sync(&file, "--dry-run")));
    assert_eq!(code, 0);
    assert_eq!(
        stdout,
        "+ gull\n- old\n0 unchanged, 1 to add, 1 to delete, 0 to retag\n2 requests of the 48 left in 24 hours\n"
    );
    let (code, _, _) = bench.run("delete --all");
    assert_eq!(code, 2);
    assert_eq!(bench.service.rules(), [("old", None)].map(owned));
    assert_eq!(bench.run("add gull --dry-run").0, 0);
    assert_eq!(bench.service.requests(), 3);
    let (code, stdout, _) = bench.run("delete --all --yes --by-value");
    assert_eq!((code, stdout.as_str()), (0, "deleted 1: old\n"));
    assert_eq!(bench.run("delete --all --yes").0, 0);
}

#[test]
fn uses_the_request_format_of_the_filtered_stream() {
    let bench = Bench::new(&[]);
    let filtered = "--endpoint filtered-stream";
    let (code, stdout, _) = bench.run(&format!("add gull --dry-run --json {filtered}"));
    assert_eq!((code, lines(&stdout)[0]["fate"].as_str()), (0, Some("created")));
    assert_eq!(bench.service.rules(), []);
    let file = bench.file(&[(String::from("gull"), Some("t")), (String::from("tern"), None)]);
    let sync = |arguments: &str| parts(run(&mut bench.sync(&file, &format!("{arguments} {filtered}"))));
    assert_eq!(sync("--yes").0, 0);
    assert_eq!(bench.service.rules(), [("gull", Some("t")), ("tern", None)].map(owned));
    bench.file(&[(String::from("gull"), Some("u"))]);
    let (code, stdout, _) = sync("--yes");
    assert_eq!((code, bench.service.rules()), (0, [("gull", Some("u"))].map(owned).to_vec()), "{stdout}");
    assert!(stdout.contains("2 requests of the 98 left in 15 minutes"), "{stdout}");
    assert_eq!(bench.run(&format!("delete gull {filtered}")).0, 0);
    assert_eq!(bench.service.rules(), []);
}

#[test]
fn interrupt_during_the_wait_ends_between_requests() {
    let bench = Bench::new(&[("old", None)]);
    let file = bench.file(&[(String::from("gull"), None)]);
    let mut tool = bench.tool("sync --yes");
    tool.arg(&file);
    let mut running = Running::start(&mut tool);
    running.wait_for_log("waiting 20s");
    running.signal("INT");
    assert_eq!(running.end(), Some(1));
    assert!(running.log.contains("the next run continues from here"), "{}", running.log);
    assert_eq!(bench.service.rules(), [("old", None), ("gull", None)].map(owned));
    // The new rule may still be inactive, so the next run waits too.
    let mut tool = bench.tool("sync --yes");
    tool.arg(&file);
    let mut running = Running::start(&mut tool);
    running.wait_for_log("waiting ");
    running.signal("INT");
    assert_eq!(running.end(), Some(1));
    assert_eq!(bench.service.rules(), [("old", None), ("gull", None)].map(owned));
    let (code, _, _) = parts(run(&mut bench.sync(&file, "--yes")));
    assert_eq!((code, bench.service.rules()), (0, [("gull", None)].map(owned).to_vec()));
}

#[test]
fn empty_file_deletes_nothing_without_allow_empty() {
    let bench = Bench::new(&[("old", None)]);
    let file = bench.file(&[]);
    let (code, _, stderr) = parts(run(&mut bench.sync(&file, "--yes")));
    assert!(code == 1 && stderr.contains("--allow-empty"), "{stderr}");
    assert_eq!((bench.service.requests(), bench.service.rules()), (0, [("old", None)].map(owned).to_vec()));
    let (code, _, stderr) = parts(run(&mut bench.sync(&file, "--yes --allow-empty")));
    assert_eq!((code, bench.service.rules()), (0, vec![]), "{stderr}");
}

#[test]
fn rejects_an_overlong_tag_before_sending_a_request() {
    let bench = Bench::new(&[]);
    let tag = "t".repeat(256);
    let file = bench.file(&[(String::from("gull"), Some(&tag[1..])), (String::from("tern"), Some(&tag))]);
    let (code, _, stderr) = parts(run(&mut bench.sync(&file, "--yes")));
    assert!(code == 1 && stderr.contains("rule 2: the tag has 256 characters"), "{stderr}");
    assert_eq!(bench.service.requests(), 0);
}
