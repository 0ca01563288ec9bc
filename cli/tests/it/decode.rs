//! `powerstream decode` as scripts see it: standard input, output and error, and the exit code.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, Command, Output, Stdio};
use std::thread;

use crate::table::{self, Row};
use crate::tool::{check_all, text};

fn decode(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_powerstream"));
    command.arg("decode").args(arguments);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Runs the tool with `wire` as standard input.
fn run(arguments: &[&str], wire: &[u8]) -> Output {
    let mut child = decode(arguments).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    thread::scope(|scope| {
        // The tool may exit before it has read everything. A failed write is then expected.
        scope.spawn(move || stdin.write_all(wire));
        child.wait_with_output().unwrap()
    })
}

/// Returns the lines of standard output, and the exit code.
fn lines(arguments: &[&str], wire: &[u8]) -> (Vec<String>, i32) {
    let output = run(arguments, wire);
    (text(&output.stdout).lines().map(String::from).collect(), output.status.code().unwrap())
}

/// Returns a stream with one of each: an interim response, keep-alives, messages split by chunks
/// and messages in one chunk, a message without its end, and leftover bytes.
fn stream() -> Vec<u8> {
    let mut wire = b"HTTP/1.1 100 Continue\r\n\r\n\
        HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nx-rate-limit-remaining: 49\r\n\
        Set-Cookie: a=1\r\nset-cookie: b=2\r\nServer: caf\xe9 \xc2\x9b31m\r\nTransfer-Encoding: chunked\r\n\r\n"
        .to_vec();
    for chunk in [
        "\r\n",
        "{\"id\":20,\"text\":\"\u{202e}hi\"}\r\n",
        "{\"type\":\"connection_metadata\",\"datacenter",
        "\":\"atla\"}\r\n{\"da",
        "ta\":{\"id\":\"21\"}}\r\n \r\n{\"error",
    ] {
        write!(wire, "{:X}\r\n{chunk}\r\n", chunk.len()).unwrap();
    }
    wire.extend_from_slice(b"0\r\n\r\nHTTP/1.1");
    wire
}

#[test]
fn json_writes_one_object_per_event() {
    let want = [
        r#"{"event":"skipped_head","status":100}"#.to_owned(),
        r#"{"event":"head","status":200,"headers":{"content-type":"application/json","x-rate-limit-remaining":"49","#
            .to_owned()
            + "\"set-cookie\":\"a=1, b=2\",\"server\":\"caf\u{fffd} \\u009b31m\",\"transfer-encoding\":\"chunked\"}}",
        r#"{"event":"keep_alive"}"#.into(),
        r#"{"event":"message","kind":"post","id":"20","bytes":24}"#.into(),
        r#"{"event":"message","kind":"connection_metadata","bytes":50}"#.into(),
        r#"{"event":"message","kind":"post","id":"21","bytes":20}"#.into(),
        r#"{"event":"keep_alive"}"#.into(),
        r#"{"event":"end","cause":"complete","undelivered":7}"#.into(),
        r#"{"event":"leftover","bytes":8}"#.into(),
    ];
    for size in ["1", "7", "16384", "67108864"] {
        let output = run(&["--json", "--read-size", size], &stream());
        assert_eq!(text(&output.stdout).lines().collect::<Vec<_>>(), want, "reads of {size}");
        assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), ""));
    }
}

#[test]
fn text_output_escapes_terminal_controls() {
    let want = "\
skipped head: 100, an interim response
head: HTTP/1.1 200, chunked body
  Content-Type: application/json
  x-rate-limit-remaining: 49
  Set-Cookie: a=1
  set-cookie: b=2
  Server: caf\\xe9 \\u{9b}31m
  Transfer-Encoding: chunked
keep-alive
post 20, 24 bytes: {\"id\":20,\"text\":\"\\u{202e}hi\"}
connection_metadata, 50 bytes: {\"type\":\"connection_metadata\",\"datacenter\":\"atla\"}
post 21, 20 bytes: {\"data\":{\"id\":\"21\"}}
keep-alive
end: complete; 7 bytes of a message that is cut (--body writes them)
leftover: 8 bytes after the response
";
    for size in ["1", "16384"] {
        let output = run(&["--read-size", size], &stream());
        assert_eq!((text(&output.stdout), text(&output.stderr)), (want, ""));
        assert_eq!(output.status.code(), Some(0));
    }
    // The shown length of a message is bounded. A message that is not JSON is escaped too.
    let wire = [b"HTTP/1.1 200 OK\r\n\r\n\x1b]0;owned\x07\x9b2J", &[b'x'; 100_000][..], b"\r\n"].concat();
    let output = run(&[], &wire);
    let shown =
        text(&output.stdout).lines().find(|line| line.starts_with("malformed, 100013 bytes: ")).unwrap();
    assert!(
        shown.starts_with(r"malformed, 100013 bytes: \u{1b}]0;owned\u{7}\x9b2Jxxx")
            && shown.ends_with("xxx...")
    );
    assert!(shown.len() < 300);
}

#[test]
fn names_the_heads_before_the_last_one_and_counts_their_bytes() {
    let heads = "HTTP/1.1 407 x\r\nContent-Length: 9\r\n\r\nHTTP/1.1 200 Connection established\r\n\r\n";
    let wire = format!("{heads}HTTP/1.1 100 c\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n+");
    for size in ["1", "7", "16384"] {
        let (events, exit) = lines(&["--json", "--read-size", size], wire.as_bytes());
        assert_eq!(
            events[..4],
            [
                r#"{"event":"skipped_head","status":407}"#,
                r#"{"event":"skipped_head","status":200}"#,
                r#"{"event":"skipped_head","status":100}"#,
                r#"{"event":"head","status":200,"headers":{"transfer-encoding":"chunked"}}"#,
            ]
        );
        let error: serde_json::Value = serde_json::from_str(&events[4]).unwrap();
        assert_eq!((error["offset"].as_u64(), exit), (Some(wire.len() as u64 - 1), 1));
        let output = run(&["--read-size", size], wire.as_bytes());
        let shown = "skipped head: 407, another head follows it\nskipped head: 200, another head follows it\n\
            skipped head: 100, an interim response\nhead: HTTP/1.1 200, chunked body\n";
        assert!(text(&output.stdout).starts_with(shown), "{output:?}");
    }
}

/// The body is not shown, not even escaped, because it is compressed.
#[test]
fn the_unreadable_body_of_a_refusal_is_named_and_counted() {
    let wire = b"HTTP/1.1 401 x\r\nContent-Encoding: gzip\r\nContent-Length: 6\r\n\r\n\x1f\x8b\x08\0\r\n";
    let (events, exit) = lines(&["--json"], wire);
    assert!(events[0].ends_with(r#""unreadable":"content_encoding"}"#), "{}", events[0]);
    assert_eq!(events[1], r#"{"event":"message","kind":"unreadable","bytes":4}"#);
    assert_eq!(exit, 0);
    let output = run(&[], wire);
    let want = "\
head: HTTP/1.1 401, body of 6 bytes
  (its body was not read: expected no content coding, because none was requested (saw Content-Encoding: gzip))
  Content-Encoding: gzip
  Content-Length: 6
unreadable, 4 bytes
end: complete
";
    assert_eq!((text(&output.stdout), text(&output.stderr)), (want, ""));
}

#[test]
fn body_writes_only_the_content() {
    let want = "\r\n{\"id\":20,\"text\":\"\u{202e}hi\"}\r\n\
        {\"type\":\"connection_metadata\",\"datacenter\":\"atla\"}\r\n{\"data\":{\"id\":\"21\"}}\r\n \r\n{\"error";
    for size in ["1", "7", "16384"] {
        let output = run(&["--body", "--read-size", size], &stream());
        assert_eq!((text(&output.stdout), text(&output.stderr)), (want, ""));
        assert_eq!(output.status.code(), Some(0));
    }
}

/// Runs every row once with --json and once with --body. The read sizes 1, 7 and the default take
/// turns. The tests inside the tool run all rows with all sizes.
#[test]
fn the_binary_ends_every_row_as_expected() {
    let rows: Vec<(usize, Row)> = table::rows().into_iter().enumerate().collect();
    let sizes: [&[&str]; 3] = [&["--read-size", "1"], &["--read-size", "7"], &[]];
    let check = |(index, row): &(usize, Row)| {
        let output = run(&[&["--body"], sizes[index % 3]].concat(), &row.wire);
        assert_eq!(
            output.stdout.escape_ascii().to_string(),
            row.body.escape_ascii().to_string(),
            "{}",
            row.name
        );
        assert_eq!(output.status.code(), Some(row.end.exit()), "{}", row.name);
        let complaints = text(&output.stderr);
        assert_eq!(complaints.lines().count(), usize::from(row.end.exit() != 0), "{complaints}");
        assert!(
            complaints.is_empty() || complaints.starts_with("powerstream: standard input: "),
            "{complaints}"
        );

        let output = run(&[&["--json"], sizes[(index + 1) % 3]].concat(), &row.wire);
        assert_eq!(output.status.code(), Some(row.end.exit()), "{}", row.name);
        assert_eq!(text(&output.stderr), "", "{}", row.name);
        let events: Vec<serde_json::Value> =
            text(&output.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let (cause, leftover) = match row.end {
            table::End::Complete(leftover) => ("complete", leftover),
            table::End::ByClose => ("complete_by_close", 0),
            table::End::Cut => ("cut", 0),
            table::End::CutInHead => ("cut_in_head", 0),
            table::End::Error(code) => (code, 0),
        };
        let [.., before, last] = &[&[serde_json::Value::Null], &events[..]].concat()[..] else { panic!() };
        let end = if leftover > 0 { before } else { last };
        assert_eq!(
            if end["event"] == "error" { &end["error"] } else { &end["cause"] },
            cause,
            "{}",
            row.name
        );
        assert_eq!(last["event"] == "leftover", leftover > 0, "{}", row.name);
        assert!(leftover == 0 || last["bytes"] == leftover, "{}", row.name);
    };
    check_all(&rows, check);
}

#[test]
fn errors_show_the_expected_and_received_bytes_and_the_offset() {
    let (events, exit) =
        lines(&["--json"], b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n+5\r\n");
    let want = concat!(
        r#"{"event":"error","error":"chunk_size_missing","detail":"expected a hexadecimal chunk size "#,
        r#"(saw \"nked\\r\\n\\r\\n2\\r\\nok\\r\\n\" then \"+\")","offset":54}"#
    );
    assert_eq!((events.last().map(String::as_str), exit), (Some(want), 1));

    let output = run(&[], b"\x1b[2J<html>");
    let complaint = text(&output.stderr);
    assert!(complaint.starts_with("powerstream: standard input: expected the status line"), "{complaint}");
    assert!(complaint.contains(r#"(saw "\x1b") at byte 0 of the response [not_http]"#), "{complaint}");
    assert_eq!((output.status.code(), text(&output.stdout)), (Some(1), ""));

    let output = run(&["--body"], b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello");
    assert!(text(&output.stderr).contains("cut short: the input ends after 43 bytes"), "{output:?}");
    assert_eq!((output.status.code(), text(&output.stdout)), (Some(3), "hello"));
}

/// `curl -i` without `--raw` decodes the chunks, but keeps the field Transfer-Encoding.
#[test]
fn recognizes_a_recording_that_was_already_dechunked() {
    let head = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    for (body, is_dechunked) in [
        ("{\"id\":1}\r\n", true),
        ("[1]\r\n", true),
        ("<html>", false),
        ("2\r\n\r\n\r\n{\"id\":1}\r\n", false),
    ] {
        let wire = format!("{head}{body}");
        for size in ["1", "7", "16384"] {
            let (events, exit) = lines(&["--json", "--read-size", size], wire.as_bytes());
            let error: serde_json::Value = serde_json::from_str(events.last().unwrap()).unwrap();
            assert_eq!((&error["error"], exit), (&"chunk_size_missing".into(), 1));
            let mut texts = vec![error["detail"].as_str().unwrap().to_owned()];
            for mode in [&[][..], &["--body"]] {
                let output = run(&[mode, &["--read-size", size]].concat(), wire.as_bytes());
                texts.push(text(&output.stderr).to_owned());
            }
            for text in texts {
                let hint = "the body is already dechunked: record it with `curl -i --raw`";
                assert_eq!(text.contains(hint), is_dechunked, "{text}");
                assert!(!is_dechunked || text.contains(r#"chunked\r\n\r\n" then ""#), "{text}");
            }
        }
    }
}

#[test]
fn delivers_messages_before_an_error_and_skips_oversized_ones() {
    let head = b"HTTP/1.1 200 OK\r\n\r\n";
    for (length, event) in [
        (1 << 20, r#"{"event":"message","kind":"malformed","bytes":1048576}"#),
        ((1 << 20) + 1, r#"{"event":"skipped","bytes":1048577}"#),
    ] {
        let wire = [head, &b"x".repeat(length)[..], b"\r\n[{\"data\":{\"id\":\"20\"}}]\r\n"].concat();
        for size in ["7", "16384", "67108864"] {
            let (events, exit) = lines(&["--json", "--read-size", size], &wire);
            assert_eq!(events[1..3], [event, r#"{"event":"message","kind":"post","id":"20","bytes":22}"#]);
            assert_eq!((&*events[3], exit), (r#"{"event":"end","cause":"complete_by_close"}"#, 0));
        }
    }
    let wire = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n8\r\n{}\r\n{}\r\n\r\n2\r\n{}xx";
    let (events, exit) = lines(&["--json"], wire);
    assert_eq!(events.iter().filter(|event| event.contains("\"message\"")).count(), 2);
    assert!(events[3].starts_with(r#"{"event":"error","error":"chunk_data_end""#) && exit == 1);
}

#[test]
fn bare_lf_ends_a_message_only_after_a_complete_json_text() {
    let bodies: [(&str, &[&str]); 4] = [
        ("{\"data\":{}}\n\n{\"data\":\n{}}\r\n", &["envelope 11", "keep-alive", "envelope 12"]),
        ("{\"warning\":{}}\n{\"id\":2,\"text\":\"\"}\r\n", &["warning 14", "post 18"]),
        ("{\"error\":{}}\n{\"id\":2,\"text\":\"\"}\r\n", &["system_error 12", "post 18"]),
        ("{\"id\":1,\"text\":\"\"}\n{\"id\":2,\"text\":\"\"}\n", &["post 18", "post 18"]),
    ];
    for (body, want) in bodies {
        let wire = format!("HTTP/1.1 200 OK\r\n\r\n{body}");
        let (events, exit) = lines(&["--json"], wire.as_bytes());
        let seen: Vec<String> = events[1..events.len() - 1]
            .iter()
            .map(|event| serde_json::from_str::<serde_json::Value>(event).unwrap())
            .map(|event| match event["kind"].as_str() {
                Some(kind) => format!("{kind} {}", event["bytes"]),
                None => event["event"].as_str().unwrap().replace('_', "-"),
            })
            .collect();
        assert_eq!((&seen[..], exit), (&want.iter().map(|want| want.to_string()).collect::<Vec<_>>()[..], 0));
    }
}

#[test]
fn shows_a_last_message_without_delimiter_if_the_body_is_complete() {
    let rows = [
        ("Content-Length: 8\r\n\r\n{\"id\":1}", true, "complete"),
        ("Transfer-Encoding: chunked\r\n\r\n8\r\n{\"id\":1}\r\n0\r\n\r\n", true, "complete"),
        ("\r\n{\"id\":1}", true, "complete_by_close"),
        ("\r\n{\"id\":1", false, "complete_by_close"),
        ("Content-Length: 9\r\n\r\n{\"id\":1}", false, "cut"),
        ("Transfer-Encoding: chunked\r\n\r\n8\r\n{\"id\":1}\r\n", false, "cut"),
    ];
    for (rest, shown, cause) in rows {
        let wire = format!("HTTP/1.1 200 OK\r\n{rest}");
        let (events, _) = lines(&["--json"], wire.as_bytes());
        let undelivered = if rest.ends_with(":1") { 7 } else { 8 };
        let end = match shown {
            true => format!(r#"{{"event":"end","cause":"{cause}"}}"#),
            false => format!(r#"{{"event":"end","cause":"{cause}","undelivered":{undelivered}}}"#),
        };
        let message = r#"{"event":"message","kind":"unknown","bytes":8}"#;
        assert_eq!(events[1..].join(" "), if shown { format!("{message} {end}") } else { end }, "{rest}");
    }
}

#[test]
fn reads_a_file_or_standard_input() {
    let directory = std::env::temp_dir().join(format!("powerstream-decode-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let file = directory.join("a response.http");
    std::fs::write(&file, stream()).unwrap();
    let file = file.to_str().unwrap();
    let from_stdin = run(&["--json"], &stream());
    assert_eq!(run(&["--json", file], b"").stdout, from_stdin.stdout);
    assert_eq!(run(&[file, "--json"], b"").stdout, from_stdin.stdout);
    assert_eq!(run(&["--json", "-"], &stream()).stdout, from_stdin.stdout);

    std::fs::write(file, b"HTTP/1.1 200 OK\r\n").unwrap();
    let cut = run(&["--body", file], b"");
    assert!(text(&cut.stderr).contains("a response.http: the head is cut short"), "{cut:?}");
    for (missing, message) in [
        (&*directory.join("missing").display().to_string(), "cannot read"),
        (&*directory.display().to_string(), "cannot"),
        ("no\nsuch\x1b[2J", r"cannot read no\nsuch\u{1b}[2J: "),
    ] {
        let output = run(&[missing], b"");
        let complaint = text(&output.stderr);
        assert_eq!((output.status.code(), &*output.stdout), (Some(1), &b""[..]), "{complaint}");
        assert!(complaint.starts_with("powerstream: cannot ") && complaint.contains(message), "{complaint}");
        assert_eq!(complaint.lines().count(), 1);
    }
    std::fs::remove_dir_all(&directory).unwrap();
}

#[test]
fn wrong_usage_exits_2_and_help_exits_0() {
    for arguments in [
        &["--json", "--body"][..],
        &["--read-size", "0"],
        &["--read-size", "-1"],
        &["--read-size", "67108865"],
        &["--read-size", "many"],
        &["--read-size"],
        &["--unheard-of"],
        &["one", "two"],
    ] {
        let output = run(arguments, &stream());
        assert_eq!((output.status.code(), &*output.stdout), (Some(2), &b""[..]), "{arguments:?}");
        assert!(!output.stderr.is_empty() && !output.stderr.contains(&0x1b));
    }
    let help = run(&["--help"], b"");
    assert_eq!(help.status.code(), Some(0));
    for word in ["Examples:", "Exit codes:", "--read-size", "--json", "--body", "leftover"] {
        assert!(text(&help.stdout).contains(word), "no {word} in the help");
    }
    for (argument, exit, word) in [("--version", 0, "powerstream 0."), ("--help", 0, "decode"), ("", 2, "")] {
        let output = Command::new(env!("CARGO_BIN_EXE_powerstream")).arg(argument).output().unwrap();
        assert_eq!(output.status.code(), Some(exit));
        assert!(text(&output.stdout).contains(word));
    }
}

/// Events received so far are shown while the input pauses.
#[test]
fn writes_events_before_the_input_continues() {
    let (mut stdin, mut stdout, child) = open(&["--json"]);
    let mut line = String::new();
    stdin.write_all(b"HTTP/1.1 200 OK\r\n\r\n{}").unwrap();
    stdout.read_line(&mut line).unwrap();
    assert!(line.starts_with(r#"{"event":"head""#));
    line.clear();
    stdin.write_all(b"\r\n").unwrap();
    stdout.read_line(&mut line).unwrap();
    assert!(line.starts_with(r#"{"event":"message""#));
    drop(stdin);
    assert!(child.wait_with_output().unwrap().status.success());

    let (mut stdin, mut stdout, child) = open(&["--body"]);
    stdin.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n7ffffff\r\nhel").unwrap();
    let mut content = [0; 3];
    stdout.read_exact(&mut content).unwrap();
    assert_eq!(&content, b"hel");
    drop(stdin);
    assert_eq!(child.wait_with_output().unwrap().status.code(), Some(3));
}

/// A reader that closes the pipe early (`| head -c 1`) is not an error.
#[test]
fn ends_quietly_when_the_output_is_closed() {
    for arguments in [&["--json"][..], &["--body"], &[]] {
        let (mut stdin, stdout, child) = open(arguments);
        stdin.write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
        drop(stdout);
        // The tool exits although its input continues.
        while stdin.write_all(&b"{\"data\":{\"id\":\"20\"}}\r\n".repeat(1_000)).is_ok() {}
        let output = child.wait_with_output().unwrap();
        assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), ""));
    }
}

fn open(arguments: &[&str]) -> (std::process::ChildStdin, BufReader<std::process::ChildStdout>, Child) {
    let mut child = decode(arguments).spawn().unwrap();
    let (stdin, stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    (stdin, BufReader::new(stdout), child)
}
