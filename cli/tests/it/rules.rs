//! Tests of `powerstream rules` as scripts use it: standard output and error, and the exit code.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::{env, fs, process};

use serde_json::{Value, json};

fn rules(arguments: &[&str], input: &[u8]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_powerstream"));
    command.arg("rules").args(arguments);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // A command that does not read standard input closes it. A failed write is then expected.
    let _ = child.stdin.take().unwrap().write_all(input);
    child.wait_with_output().unwrap()
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn lines(output: &Output) -> Vec<Value> {
    stdout(output).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Writes a temporary file, named after the test. If the test fails, the file is not removed.
fn file(name: &str, content: &[u8]) -> PathBuf {
    let path = env::temp_dir().join(format!("powerstream-rules-{}-{name}", process::id()));
    fs::write(&path, content).unwrap();
    path
}

#[test]
fn check_exits_0_if_all_rules_are_valid_else_1() {
    for (arguments, want) in [
        (&["check", "(cat OR dog) lang:en -is:retweet"][..], 0),
        (&["check", "--", "cat dog", "-cat"], 1),
        (&["check", "--", "-cat dog"], 0),
        (&["check", "--rule=-cat dog"], 0),
        (&["check", "--rule", "-cat"], 1),
        (&["check", "--rule=-cat dog", "cat bird"], 0),
        (&["check", "contains:cat"], 0),
        (&["check", "--profile", "filtered_stream", "contains:cat"], 1),
        (&["check", "--profile=powertrack", "cat AND dog"], 1),
        (&["check", "--file", "/nonexistent"], 1),
        // Wrong usage.
        (&[], 2),
        (&["check"], 2),
        (&["check", "-cat"], 2),
        (&["check", "--profile", "twitter", "cat"], 2),
        (&["check", "--file", "-", "cat"], 2),
        (&["match", "cat"], 2),
    ] {
        assert_eq!(code(&rules(arguments, b"")), want, "{arguments:?}");
    }
}

#[test]
fn check_writes_one_json_line_per_rule() {
    let output =
        rules(&["check", "--json", "plum OR -fig", "gull -tern", "🍕 OR 'x", "a b \u{202e}\" \u{7}"], b"");
    assert_eq!(code(&output), 1);
    assert_eq!(stderr(&output), "");
    assert!(!stdout(&output).contains(['\u{202e}', '\u{7}']));
    let lines = lines(&output);
    assert_eq!(lines.len(), 4);
    let error = &lines[0]["errors"][0];
    assert_eq!(lines[0]["rule"], "plum OR -fig");
    assert_eq!(lines[0]["valid"], false);
    assert_eq!(error["code"], "E-NEG");
    assert_eq!((&error["start"], &error["end"]), (&json!(8), &json!(12)));
    assert_eq!(error["api_message"], "Rules must contain a non-negation term (at position 9)");
    assert_eq!(error["api_position"], 9);
    assert_eq!(lines[1], json!({"rule": "gull -tern", "valid": true, "errors": [], "warnings": []}));
    // The tool counts positions in bytes, the service in UTF-16 code units.
    assert_eq!(
        (&lines[2]["errors"][0]["start"], &lines[2]["errors"][0]["api_position"]),
        (&json!(8), &json!(7))
    );
    assert_eq!(lines[2]["warnings"][0]["code"], "W-UNLISTED");
    assert!(lines[2]["warnings"][0]["message"].as_str().is_some_and(|message| message.contains("emoji")));
    assert_eq!(lines[3]["rule"], "a b \u{202e}\" \u{7}");
    let keys: Vec<_> = error.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(keys, ["api_message", "api_position", "code", "end", "message", "start"]);
    // The service's message for this error is unknown.
    let unknown = &self::lines(&rules(&["check", "--json", "gull is:nullcast"], b""))[0]["errors"][0];
    assert_eq!((&unknown["api_message"], &unknown["api_position"]), (&Value::Null, &Value::Null));
}

#[test]
fn check_shows_error_positions_and_totals() {
    let output = rules(&["check", "plum OR -fig", "gull tern", "gull  tern", "gull tern"], b"");
    let text = stdout(&output);
    assert!(text.contains("    | plum OR -fig\n    |         ^^^^\n"), "{text}");
    assert!(text.contains("rule 2: valid: gull tern\n"), "{text}");
    assert!(text.contains("the same Posts as rule 2, in another spelling"), "{text}");
    assert!(
        text.contains("the same as rule 2; the service answers: A rule with this value already exists"),
        "{text}"
    );
    assert!(text.ends_with("4 rules: 3 valid, 1 invalid, 2 warnings\n"), "{text}");
    // The output is a pipe, not a terminal.
    assert!(!text.contains('\x1b'));
    let hostile = stdout(&rules(&["check", "a \x1b]0;x\x07 \u{202e}b"], b""));
    assert!(!hostile.contains(['\x1b', '\x07', '\u{202e}']), "{hostile:?}");
}

#[test]
fn reads_rule_files_as_lines_json_or_toml() {
    let tagged = r#"[{"value":"gull tern","tag":"birds"},"skua auk"]"#;
    let toml = "[[rules]]\nvalue = 'gull tern'\ntag = 'birds'\n\n[[rules]]\nvalue = 'skua auk'\n";
    for (name, content) in [
        ("a.txt", "gull tern\r\n\n   \nskua auk"),
        ("b.json", tagged),
        ("c.toml", toml),
        ("d", tagged),
        (
            "l.json",
            "{\"id\":\"7\",\"value\":\"gull tern\",\"tag\":\"birds\"}\n{\"value\":\"skua auk\",\"tag\":null}\n",
        ),
        ("e", "\u{feff}gull tern\nskua auk\n"),
    ] {
        let path = file(name, content.as_bytes());
        let output = rules(&["check", "--json", "--file", path.to_str().unwrap()], b"");
        assert_eq!(code(&output), 0, "{name}: {}", stderr(&output));
        let found: Vec<_> = lines(&output).iter().map(|line| line["rule"].clone()).collect();
        assert_eq!(found, ["gull tern", "skua auk"], "{name}");
        assert_eq!(lines(&rules(&["check", "--json", "--file", "-"], content.as_bytes())).len(), 2, "{name}");
        fs::remove_file(path).unwrap();
    }
    // Rule files have no comments: this line is a hashtag.
    let output = rules(&["check", "--json", "--file", "-"], b"#gull tern\n");
    assert_eq!(lines(&output)[0]["rule"], "#gull tern");
    for (bad, why) in [
        (&b"gull\xff"[..], "invalid UTF-8 at byte 5"),
        (b"[\"\\ud800\"]", "standard input"),
        (b"{\"values\":[]}", "no array `rules`"),
        (b"[{\"value\":\"gull tern\",\"tagg\":\"t\"}]", "its key `tagg` is unknown"),
        (b"[\"gull\"]\n[\"tern\"]", "content after its end"),
        (b"[[rules]]\nvalue = 3", "no string `value`"),
        (b"[[rules]]\nvalue = ", "line 2"),
    ] {
        let output = rules(&["check", "--file", "-"], bad);
        assert_eq!(code(&output), 1);
        assert!(stderr(&output).contains(why), "{}", stderr(&output));
    }
    let long = format!("[{{\"value\":\"gull tern\",\"tag\":\"{}\"}}]", "t".repeat(256));
    let output = rules(&["check", "--json", "--file", "-"], long.as_bytes());
    assert_eq!(lines(&output)[0]["warnings"][0]["code"], "W-TAG");
}

#[test]
fn warns_about_more_rules_than_a_stream_accepts() {
    let many: String = (0..1_001).map(|number| format!("gull tern{number}\n")).collect();
    let output = rules(&["check", "--json", "--file", "-"], many.as_bytes());
    assert_eq!((code(&output), lines(&output).len()), (0, 1_001));
    assert!(
        stderr(&output).contains("1001 rules") && stderr(&output).contains("1000"),
        "{}",
        stderr(&output)
    );
    let output = rules(&["check", "--json", "--profile", "powertrack", "--file", "-"], many.as_bytes());
    assert_eq!(stderr(&output), "");
}

#[test]
fn format_writes_only_canonical_rules() {
    let text = r#"( FROM:jack   bio:"gulls" ) OR ("sea gull" -(is:retweet))"#;
    let output = rules(&["format", text], b"");
    assert_eq!((code(&output), stderr(&output)), (0, String::new()));
    assert_eq!(stdout(&output), "from:jack bio:gulls OR \"sea gull\" -is:retweet\n");
    let output = rules(&["format", "--explicit", "--sort", "-is:reply gull OR tern"], b"");
    assert_eq!(code(&output), 2, "a rule with a dash needs --");
    let output = rules(&["format", "--explicit", "--sort", "--", "-is:reply gull OR tern"], b"");
    assert_eq!(stdout(&output), "(gull -is:reply) OR tern\n");
    let output = rules(&["format", "gull", "(", "tern"], b"");
    assert_eq!((code(&output), stdout(&output).as_str()), (1, "gull\ntern\n"));
    assert!(stderr(&output).contains("rule 2: error[E-PARSE]"), "{}", stderr(&output));
    let output = rules(&["format", "--json", "gull  tern", "("], b"");
    assert_eq!(code(&output), 1);
    assert_eq!(lines(&output)[0]["formatted"], "gull tern");
    assert_eq!(lines(&output)[1]["formatted"], Value::Null);
    // The quotes that formatting adds make the rule too long.
    let long = format!("url:{}.com {}", "x".repeat(20), "a ".repeat(1_010));
    let output = rules(&["format", long.trim_end()], b"");
    assert!(stderr(&output).contains("the formatted rule has"), "{}", stderr(&output));
}

#[test]
fn explain_shows_the_order_of_evaluation() {
    let output = rules(&["explain", "apple OR iphone -is:retweet"], b"");
    assert_eq!(code(&output), 0);
    assert_eq!(
        stdout(&output),
        "apple OR iphone -is:retweet\n  evaluated as: apple OR (iphone AND NOT is:retweet)\n  A Post matches if any of \
         these is true:\n    - it has the word “apple”\n    - all of these are true:\n      - it has the word \
         “iphone”\n      - NOT: it is a Retweet\n  length: 27 of 2048\n"
    );
    let output = rules(&["explain", "--json", "🍕 tern", "("], b"");
    assert_eq!(code(&output), 1);
    assert_eq!(lines(&output)[0]["evaluated_as"], "🍕 AND tern");
    assert_eq!(lines(&output)[0]["length"], 7);
    assert_eq!(lines(&output)[1]["explanation"], Value::Null);
}

const GULL: &str = r#"{"id_str":"20","text":"A Gull follows the boat","lang":"en"}"#;
const TERN: &str = r#"{"data":{"id":"21","text":"terns","author_id":"5"}}"#;

#[test]
fn match_writes_one_line_per_post() {
    let path = file("match.json", br#"[{"value":"gull lang:en","tag":"birds"},"boat","terns"]"#);
    let posts = format!(
        "{GULL}\r\n\r\n[{TERN},{GULL}]\n{{\"type\":\"connection_metadata\"}}\n{}",
        GULL.replace("20", "22").replace("ull", "oat")
    );
    let output = rules(&["match", "--rules", path.to_str().unwrap(), "--json"], posts.as_bytes());
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    let gull = json!({"id": "20", "matching_rules": [{"value": "gull lang:en", "tag": "birds"}, {"value": "boat", "tag": null}]});
    let tern = json!({"id": "21", "matching_rules": [{"value": "terns", "tag": null}]});
    let goat = json!({"id": "22", "matching_rules": [{"value": "boat", "tag": null}]});
    assert_eq!(lines(&output), [gull.clone(), tern, gull, goat]);
    assert_eq!(stderr(&output), "powerstream: 4 Posts, 4 matched; 1 message was not a Post\n");
    let keys = stdout(&output).lines().next().unwrap().to_owned();
    assert!(
        keys.starts_with(r#"{"id":"20","matching_rules":[{"value":"gull lang:en","tag":"birds"}"#),
        "{keys}"
    );
    let people = rules(&["match", "--file", path.to_str().unwrap()], posts.as_bytes());
    assert_eq!(stdout(&people).lines().next(), Some("20: [birds] gull lang:en; boat"));
    // No rule matches, the Posts are in a file, and the rule starts with a dash.
    let path_of_posts = file("match.ndjson", GULL.as_bytes());
    let output =
        rules(&["match", "--rule=-is:reply skua", "--json", "--posts", path_of_posts.to_str().unwrap()], b"");
    assert_eq!(stdout(&output), "{\"id\":\"20\",\"matching_rules\":[]}\n");
    let people = rules(&["match", "--rule", "skua", "--rule", "auk"], GULL.as_bytes());
    assert_eq!((code(&people), stdout(&people).as_str()), (0, "20: no rule matches\n"));
    fs::remove_file(path).unwrap();
    fs::remove_file(path_of_posts).unwrap();
    // Without Posts, the output has no lines.
    let output = rules(&["match", "--rule", "skua", "--json"], b"");
    assert_eq!((code(&output), stdout(&output).as_str()), (0, ""));
}

#[test]
fn match_reports_bad_lines_and_matches_the_others() {
    let posts =
        [GULL.as_bytes(), b"\n{\"id_str\":\"21\",\"text\":\"gu\n\xff\xfe\n", GULL.as_bytes(), b"\n{\"id"]
            .concat();
    let output = rules(&["match", "--rule", "gull", "--json"], &posts);
    assert_eq!((code(&output), lines(&output).len()), (1, 2));
    let log = stderr(&output);
    for place in ["standard input:2: ", "standard input:3: ", "standard input:5: "] {
        assert!(log.contains(place), "{log}");
    }
    assert!(log.ends_with("2 Posts, 2 matched; 3 lines could not be read\n"), "{log}");
}

#[test]
fn match_refuses_invalid_rules_and_warns_of_too_many() {
    for (arguments, want) in [
        (&["match", "--rule", "gull", "--rule", "("][..], 1),
        (&["match", "--rule=-gull"], 1),
        (&["match", "--rule", "conversation_id:20"], 1),
        (&["match", "--rule", "conversation_id:20", "--profile", "filtered_stream"], 0),
        (&["match", "--rule", "gull", "--posts", "/nonexistent"], 1),
        (&["match", "--rules", "/nonexistent"], 1),
        (&["match"], 2),
        (&["match", "--rule", "gull", "--rules", "f"], 2),
        (&["match", "--rules", "-"], 2),
    ] {
        let output = rules(arguments, GULL.as_bytes());
        assert_eq!(code(&output), want, "{arguments:?}: {}", stderr(&output));
        assert!(want == 0 || stdout(&output).is_empty(), "{arguments:?}");
    }
    let output = rules(&["match", "--rule", "gull", "--rule", "("], GULL.as_bytes());
    let log = stderr(&output);
    assert!(
        log.contains("rule 2: error[E-PARSE]")
            && log.ends_with("1 rule is invalid, and no Post was matched\n"),
        "{log}"
    );
    let many: String = (0..1_001).map(|number| format!("gull tern{number}\n")).collect();
    let path = file("match-many.txt", many.as_bytes());
    let output = rules(&["match", "--rules", path.to_str().unwrap(), "--json"], GULL.as_bytes());
    fs::remove_file(path).unwrap();
    assert_eq!((code(&output), lines(&output).len()), (0, 1));
    assert!(stderr(&output).contains("warning: these are 1001 rules"), "{}", stderr(&output));
}

#[test]
fn match_explains_matches_and_mismatches() {
    let explain = |rule: &str, post: &str| {
        let output = rules(&["match", "--rule", rule, "--json", "--explain"], post.as_bytes());
        assert_eq!(code(&output), 0, "{}", stderr(&output));
        let people = stdout(&rules(&["match", "--rule", rule, "--explain"], post.as_bytes()));
        (lines(&output)[0]["rules"][0].clone(), people)
    };
    let (found, people) = explain("gull -lang:en", GULL);
    assert_eq!(found["matches"], false);
    let gull = json!({"term": "gull", "value": true, "post": "own", "field": "text", "start": 2, "end": 6, "missing": null});
    assert_eq!(found["terms"][0], gull);
    assert_eq!(found["changes"], json!([{"term": "lang:en", "value": false}]));
    assert_eq!(
        people,
        "20: no rule matches\n  gull -lang:en: does not match\n    yes gull  in text, characters 3 to 6\n    yes lang:en  in \
         lang\n    it would match if lang:en were false\n"
    );
    // A v2 message does not contain everything that the rule needs.
    let (found, people) = explain("terns -from:harbour_news", TERN);
    assert_eq!((&found["matches"], &found["terms"][1]["missing"]), (&Value::Null, &json!("includes.users")));
    assert_eq!(found["changes"], json!([{"term": "from:harbour_news", "value": false}]));
    assert!(
        people.contains(": unknown") && people.contains("would have to contain includes.users"),
        "{people}"
    );
    let (found, people) = explain("terns", TERN);
    assert_eq!((&found["matches"], &found["changes"]), (&json!(true), &json!([])));
    assert!(people.contains("  terns: matches\n"), "{people}");
}

#[test]
fn matches_phrases_and_scripts_by_the_chosen_options() {
    let matched = |arguments: &[&str], text: &str| {
        let post = format!(r#"{{"id_str":"20","text":"{text}"}}"#);
        let output = rules(&[&["match", "--json"], arguments].concat(), post.as_bytes());
        lines(&output)[0]["matching_rules"].as_array().unwrap().len()
    };
    assert_eq!(matched(&["--rule", "\"sea gull\""], "sea-gull"), 0);
    assert_eq!(matched(&["--rule", "\"sea gull\"", "--phrases", "tokens"], "sea-gull"), 1);
    assert_eq!(matched(&["--rule", "\u{9dd7}"], "\u{767d}\u{3044}\u{9dd7}"), 0);
    assert_eq!(matched(&["--rule", "\u{9dd7}", "--segment", "substring"], "\u{767d}\u{3044}\u{9dd7}"), 1);
}

#[test]
fn handles_hostile_rules_and_posts() {
    for hostile in
        ["(".repeat(100_000), "\0".repeat(100_000), r"\ud83d".to_owned(), "\u{202e}gull\u{200f}".to_owned()]
    {
        let path = file("hostile.txt", hostile.as_bytes());
        for command in ["check", "match"] {
            let option = if command == "check" { "--file" } else { "--rules" };
            let output = rules(&[command, option, path.to_str().unwrap()], GULL.as_bytes());
            assert_eq!(code(&output), 1, "{}", &hostile[..7]);
            let printed = [stdout(&output), stderr(&output)].concat();
            assert!(printed.contains("error[E-"), "{printed}");
            assert!(
                !printed.contains(['\u{202e}', '\u{200f}', '\0']) && printed.len() < 200_000,
                "{}",
                printed.len()
            );
        }
        fs::remove_file(path).unwrap();
    }
    // Hostile Posts do not prevent the match of the valid Post after them.
    let deep = "[".repeat(100_000);
    let posts =
        format!("{deep}\n{{\"id_str\":\"20\",\"text\":\"\\ud83d gull \\u202e\\u0000\"}}\n\0\0\n{GULL}\n");
    let output = rules(&["match", "--rule", "gull"], posts.as_bytes());
    assert_eq!((code(&output), stdout(&output).as_str()), (1, "20: gull\n20: gull\n"));
}

#[test]
fn operators_lists_the_operators_of_a_product() {
    let names = |profile: &str| -> Vec<String> {
        let output = rules(&["operators", "--json", "--profile", profile], b"");
        assert_eq!(code(&output), 0);
        lines(&output).iter().map(|line| line["operator"].as_str().unwrap().to_owned()).collect()
    };
    let has = |profile: &str, name: &str| names(profile).iter().any(|known| known == name);
    assert!(has("powerstream", "contains") && !has("filtered_stream", "contains"));
    assert!(has("filtered_stream", "has:cashtags") && has("powertrack", "has:symbols"));
    assert!(has("filtered_stream_embedding", "embedding") && !has("filtered_stream", "embedding"));
    let text = stdout(&rules(&["operators"], b""));
    let one = |name: &str| rules(&["operators", name], b"");
    for name in ["from", "FROM:", "has:links", "keyword", "has:media_link"] {
        let output = one(name);
        assert_eq!((code(&output), stdout(&output).matches("example:").count()), (0, 1), "{name}");
    }
    assert!(stdout(&one("form")).is_empty());
    assert_eq!(code(&one("form")), 1);
    assert!(stderr(&one("form")).contains("did you mean"), "{}", stderr(&one("form")));
    // The message names the product that has the operator.
    assert_eq!(code(&one("conversation_id")), 1);
    assert!(
        stderr(&one("conversation_id")).contains("the filtered stream"),
        "{}",
        stderr(&one("conversation_id"))
    );
    assert!(text.contains("from:") && text.contains("Posts by this user."));
}
