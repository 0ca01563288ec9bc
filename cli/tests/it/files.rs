//! Input files with byte order marks and CRLF line ends, as editors and shells write them.

use std::path::Path;

use crate::tool::{check_all, directory, run, text, tool};

const POST: &str = r#"{"id":1,"id_str":"1","text":"a cat"}"#;
const SCENARIO: &str = "description = \"a\"\r\n";
const RESPONSE: &str = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

/// The commands that read a file. Each row has the name of the file, the arguments with `FILE` for
/// its path, the file's text, and the exit code for UTF-16.
const READERS: [(&str, &str, &str, i32); 11] = [
    ("posts", "stream --simulate --posts FILE --max-posts 1", POST, 1),
    ("scenario.toml", "stream --simulate --scenario FILE --max-posts 1", SCENARIO, 1),
    ("rules", "rules check --file FILE", "cat\r\n\r\ndog\r\n", 1),
    ("rules.json", "rules check --file FILE", "[\"cat\",\r\n\"dog\"]\r\n", 1),
    ("rules.toml", "rules check --file FILE", "[[rules]]\r\nvalue = 'cat'\r\n", 1),
    ("rules", "rules match --rules FILE --posts /dev/null", "cat\r\n", 1),
    ("posts", "rules match --rule cat --posts FILE", POST, 1),
    ("response", "decode FILE", RESPONSE, 1),
    ("response", "decode --json FILE --read-size 1", RESPONSE, 1),
    ("response", "decode --body FILE", RESPONSE, 1),
    (
        "token",
        "rules list --base-url http://127.0.0.1:1 --token-file FILE --state-dir DIRECTORY",
        "AAAA\r\n",
        4,
    ),
];

fn output(arguments: &str, directory: &Path, name: &str, bytes: &[u8]) -> (Option<i32>, String, String) {
    let file = directory.join(name);
    std::fs::write(&file, bytes).unwrap();
    let arguments = arguments.replace("FILE", &file.display().to_string());
    let arguments = arguments.replace("DIRECTORY", &directory.display().to_string());
    let output = run(&mut tool(&arguments));
    (output.status.code(), text(&output.stdout).to_owned(), text(&output.stderr).to_owned())
}

#[test]
fn every_file_may_start_with_a_byte_order_mark() {
    check_all(&READERS, |(name, arguments, content, _)| {
        let place = directory();
        let (code, stdout, plain) = output(arguments, place.path(), name, content.as_bytes());
        let marked = format!("\u{feff}{content}");
        let (marked_code, marked_stdout, stderr) = output(arguments, place.path(), name, marked.as_bytes());
        if name.starts_with("token") {
            assert!(plain.contains("the connection was refused"), "{plain}");
            assert!(stderr.contains("the connection was refused"), "{stderr}");
        } else {
            assert_eq!(code, Some(0), "{arguments}: {plain}");
        }
        if !arguments.contains("--scenario") {
            assert_eq!(stdout, marked_stdout, "{arguments}");
        }
        assert_eq!(code, marked_code, "{arguments}: {stderr}");
    });
}

#[test]
fn utf_16_is_rejected_by_name() {
    check_all(&READERS, |(name, arguments, content, code)| {
        for (mark, bytes) in [
            (*b"\xff\xfe", content.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>()),
            (*b"\xfe\xff", content.encode_utf16().flat_map(u16::to_be_bytes).collect()),
        ] {
            let place = directory();
            let (found, _, stderr) = output(arguments, place.path(), name, &[&mark[..], &bytes].concat());
            assert_eq!(found, Some(*code), "{arguments}: {stderr}");
            assert!(stderr.contains("it is UTF-16: save it as UTF-8"), "{arguments}: {stderr}");
            assert!(stderr.contains(&*place.path().to_string_lossy()), "{arguments}: {stderr}");
        }
    });
}

#[test]
fn a_file_given_as_a_rule_is_refused_with_the_option_that_reads_it() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("rules.toml");
    for (exists, code) in [(false, 0), (true, 2)] {
        if exists {
            std::fs::write(&file, "[[rules]]\nvalue = 'cat'\n").unwrap();
        }
        let output = run(tool("rules check rules.toml").current_dir(directory.path()));
        assert_eq!(output.status.code(), Some(code), "{}", text(&output.stderr));
        assert_eq!(text(&output.stderr).contains("pass --file rules.toml"), exists);
    }
}
