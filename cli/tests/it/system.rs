//! Tests of limits and failures of the operating system.

use std::process::Command;

use crate::tool::{directory, run, text, tool};

/// Runs the tool with this limit of open files. Returns standard error.
fn limited(files: u32, arguments: &str) -> String {
    let mut command = Command::new("sh");
    let script = format!("ulimit -n {files}; exec {} {arguments}", env!("CARGO_BIN_EXE_powerstream"));
    let output = run(command
        .args(["-c", &script])
        .env("X_BEARER_TOKEN", "any")
        // The file exists, but no descriptor is left to read it.
        .env("SSL_CERT_FILE", "/etc/passwd")
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped()));
    text(&output.stderr).to_owned()
}

#[test]
fn names_the_limit_of_open_files_and_how_to_raise_it() {
    let state = directory();
    let rules = format!("rules list --base-url http://127.0.0.1:1 --state-dir {}", state.path().display());
    for files in [5, 6, 8, 11, 14, 17, 18] {
        for arguments in [
            "stream --runtime blocking --duration 200ms --base-url http://localhost:1",
            "stream --runtime blocking --duration 200ms --base-url https://localhost:1",
            "stream --runtime blocking --duration 200ms --base-url http://127.0.0.1:1",
            "stream --runtime tokio --duration 200ms --base-url http://127.0.0.1:1",
            "stream --runtime smol --duration 200ms --base-url http://127.0.0.1:1",
            "simulate",
            &rules,
        ] {
            let stderr = limited(files, arguments);
            assert!(
                stderr.contains("limit of open files: raise it (ulimit -n)"),
                "{files} {arguments}: {stderr}"
            );
            for word in ["install", "state-dir", "could not be resolved", "the transport failed"] {
                assert!(!stderr.contains(word), "{files} {arguments}: {stderr}");
            }
        }
    }
}

#[test]
fn advises_ca_certificates_only_where_there_are_none() {
    let stream = |variable: &str, value: &str| {
        let mut command = tool("stream --base-url https://127.0.0.1:1 --duration 100ms");
        let output = run(command.env("X_BEARER_TOKEN", "any").env(variable, value));
        (output.status.code(), text(&output.stderr).to_owned())
    };
    let empty = directory();
    let (code, stderr) = stream("SSL_CERT_DIR", &empty.path().display().to_string());
    assert!(code == Some(1) && stderr.contains("install the package ca-certificates"), "{stderr}");
    let missing = empty.path().join("missing.pem");
    let (code, stderr) = stream("SSL_CERT_FILE", &missing.display().to_string());
    assert!(
        code == Some(1) && stderr.contains("SSL_CERT_FILE") && stderr.contains("missing.pem: No such file"),
        "{stderr}"
    );
    assert!(!stderr.contains("install"), "{stderr}");
}

/// Not even root can create a directory in `/proc`.
#[test]
fn only_runs_that_change_rules_need_the_state_directory() {
    let rules = directory();
    let file = rules.path().join("rules");
    std::fs::write(&file, "cat\n").unwrap();
    let file = file.display();
    for (command, needs) in [
        (String::from("list"), false),
        (String::from("delete --all --dry-run"), false),
        (format!("sync {file} --dry-run"), false),
        (String::from("add cat --endpoint filtered-stream --dry-run"), false),
        (String::from("add cat"), true),
        (String::from("delete --id 1 --yes"), true),
        (String::from("delete --all --yes"), true),
        (format!("sync {file} --yes"), true),
    ] {
        for place in ["--state-dir /proc/none", ""] {
            let mut run_command = tool(&format!("rules {command} --base-url http://127.0.0.1:1 {place}"));
            run_command.env("X_BEARER_TOKEN", "any").env("HOME", "/proc/none").env_remove("XDG_STATE_HOME");
            let output = run(&mut run_command);
            let stderr = text(&output.stderr);
            assert_eq!(output.status.code(), Some(1), "{command}: {stderr}");
            assert!(
                stderr.contains("cannot keep the ledger /proc/none") && stderr.contains("--state-dir"),
                "{command}: {stderr}"
            );
            assert_eq!(
                stderr.contains("nothing was sent\n") && !stderr.contains("refused"),
                needs,
                "{command}: {stderr}"
            );
            assert_eq!(
                stderr.contains("The requests of this run are not counted"),
                !needs,
                "{command}: {stderr}"
            );
            assert_eq!(stderr.contains("the connection was refused"), !needs, "{command}: {stderr}");
        }
    }
}

#[test]
fn names_what_is_wrong_with_addresses_and_full_disks() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    for (arguments, words) in [
        (format!("simulate --listen {}", taken.local_addr().unwrap()), "another process listens there"),
        (String::from("simulate --listen 192.0.2.1:0"), "it is not an address of this machine"),
        (
            String::from(
                "stream --base-url https://api.x.com --resolve 127.0.0.1:1 --local-address 192.0.2.1 --duration 100ms",
            ),
            "the local address is not one of this machine's",
        ),
        (
            String::from("stream --base-url https://a.invalid --duration 2s"),
            "check its spelling, and this machine's DNS",
        ),
    ] {
        let output = run(tool(&arguments).env("X_BEARER_TOKEN", "any"));
        assert!(text(&output.stderr).contains(words), "{arguments}: {}", text(&output.stderr));
    }
    let full = std::fs::File::create("/dev/full").unwrap();
    let mut child = tool("stream --simulate --rate inf --max-posts 1000").stdout(full).spawn().unwrap();
    let mut stderr = String::new();
    std::io::Read::read_to_string(child.stderr.as_mut().unwrap(), &mut stderr).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(1));
    assert!(
        stderr.contains("cannot write to standard output: ") && stderr.contains("free some space"),
        "{stderr}"
    );
}
