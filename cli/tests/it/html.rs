//! HTML entities in texts. `decode`, `rules match` and `stream` (filtered by the simulator) agree.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::tool::{self, run, simulator, text, tool};

/// Rules by tag.
const RULES: [(&str, &str); 6] = [
    ("att", "\"AT&T\""),
    ("amp", "amp"),
    ("no-amp", "left -amp"),
    ("entities", "lt OR gt OR quot"),
    ("heart", "\"<3 gulls\""),
    ("last", "last"),
];

/// Texts as JSON writes them, and the tags of the rules that match.
const TEXTS: [(&str, &[&str]); 9] = [
    ("I left AT&amp;T", &["att", "no-amp"]),
    (r"I left AT\u0026amp\u003bT", &["att", "no-amp"]),
    (r"I left AT&am\u0070;T \uD83C\uDF55", &["att", "no-amp"]),
    ("I left AT&amp;amp;T", &["amp"]),
    ("I left AT&T", &["att", "no-amp"]),
    ("&lt;3 gulls &gt; terns", &["heart"]),
    ("&amp;lt;3 gulls", &["entities"]),
    ("&quot;gulls&quot;", &["entities"]),
    ("the last one", &["last"]),
];

/// Returns the id and the tags of each line's Post, from its `matching_rules`.
fn matched(output: &[u8]) -> Vec<(String, Vec<String>)> {
    let post = |line: &str| {
        let line: Value = serde_json::from_str(line).unwrap();
        let id = [&line["data"]["id"], &line["id_str"], &line["id"]].into_iter().find_map(Value::as_str);
        let rules = line["matching_rules"].as_array().unwrap().iter();
        let mut tags: Vec<_> = rules.map(|rule| rule["tag"].as_str().unwrap().to_owned()).collect();
        tags.sort();
        (id.unwrap().to_owned(), tags)
    };
    text(output).lines().map(post).collect()
}

fn write_file(directory: &Path, name: &str, content: &str) -> String {
    let path = directory.join(name);
    fs::write(&path, content).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn decode_match_and_stream_agree_on_html_entities() {
    let directory = tool::directory();
    let rules = RULES.map(|(tag, value)| json!({"value": value, "tag": tag}));
    let rules = write_file(directory.path(), "rules.json", &json!(rules).to_string());
    let lines = (1..)
        .zip(TEXTS)
        .map(|(id, (text, _))| format!(r#"{{"id":{id},"id_str":"{id}","text":"{text}","user":{{"id":7}}}}"#));
    let lines: Vec<String> = lines.collect();
    let posts = write_file(directory.path(), "posts.ndjson", &(lines.join("\n") + "\n"));
    let want: Vec<_> = (1..)
        .zip(TEXTS)
        .map(|(id, (_, tags))| (format!("{id}"), tags.iter().map(ToString::to_string).collect()))
        .collect();

    let mut wire = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_owned();
    for line in &lines {
        write!(wire, "{:x}\r\n{line}\r\n\r\n", line.len() + 2).unwrap();
    }
    let recording = write_file(directory.path(), "recording", &(wire + "0\r\n\r\n"));
    let decoded = run(&mut tool(&format!("decode --body {recording}")));
    let body: Vec<_> = text(&decoded.stdout).lines().filter(|line| !line.is_empty()).collect();
    assert_eq!(body, lines, "{}", text(&decoded.stderr));
    let decoded = write_file(directory.path(), "decoded", text(&decoded.stdout));
    for file in [&posts, &decoded] {
        let output = run(&mut tool(&format!("rules match --rules {rules} --posts {file} --json")));
        assert_eq!(matched(&output.stdout), want, "{}", text(&output.stderr));
    }

    for endpoint in ["powerstream", "filtered-stream"] {
        let (_simulator, url) = simulator(&format!("--strict --posts {posts}"));
        let client = |arguments: &str| {
            let mut client = tool(&format!("{arguments} --endpoint {endpoint} --base-url {url}"));
            client.env("X_BEARER_TOKEN", "s3cr3t");
            client
        };
        let mut sync = client(&format!("rules sync {rules} --yes"));
        let output = run(sync.arg("--state-dir").arg(directory.path().join(endpoint)));
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        let output = run(&mut client(&format!("stream --max-posts {}", TEXTS.len())));
        assert_eq!(matched(&output.stdout), want, "{endpoint}: {}", text(&output.stderr));
        // The texts are written unchanged.
        let streamed = text(&output.stdout);
        assert!(streamed.contains("I left AT&amp;T") && streamed.contains("&amp;lt;3"), "{streamed}");
    }
}
