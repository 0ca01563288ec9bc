//! Help, completions, manual pages and the version.

use std::process::Command;

fn run(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_powerstream")).args(arguments).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

const COMMANDS: [&[&str]; 14] = [
    &["stream"],
    &["simulate"],
    &["decode"],
    &["rules"],
    &["rules", "check"],
    &["rules", "format"],
    &["rules", "explain"],
    &["rules", "match"],
    &["rules", "operators"],
    &["rules", "list"],
    &["rules", "add"],
    &["rules", "delete"],
    &["rules", "sync"],
    &["completions"],
];

#[test]
fn short_help_of_each_command_has_at_most_40_lines() {
    for command in COMMANDS {
        let text = run(&[command, &["-h"]].concat());
        assert!(text.lines().count() <= 40, "{command:?}:\n{text}");
    }
}

#[test]
fn help_command_prints_the_long_help() {
    for command in COMMANDS {
        assert_eq!(run(&[&["help"], command].concat()), run(&[command, &["--help"]].concat()));
    }
}

#[test]
fn simulator_options_are_in_the_long_help_only() {
    assert!(run(&["stream", "--help"]).contains("--fault-after"));
    assert!(!run(&["stream", "-h"]).contains("--fault-after"));
    let short = run(&["simulate", "-h"]);
    assert!(short.contains("--scenario") && !short.contains("--fault-after"), "{short}");
}

/// A new option about TLS must not turn certificate checks off.
#[test]
fn no_option_turns_certificate_checks_off() {
    let of_tls = ["insecure", "verif", "cert", "trust", "tls", "ssl", "skip", "ca-"];
    for command in COMMANDS {
        let text = run(&[command, &["--help"]].concat());
        let options = text.lines().filter_map(|line| line.trim_start().strip_prefix("--"));
        let names = options.map(|option| option.split([' ', '=', '[']).next().unwrap());
        let mut found: Vec<_> = names.filter(|name| of_tls.iter().any(|word| name.contains(word))).collect();
        // Those of the simulator.
        let expected: &[_] = match command {
            ["stream"] => &["tls", "tls-fault"],
            ["simulate"] => &["ca-out", "tls", "tls-fault"],
            _ => &[],
        };
        found.sort_unstable();
        assert_eq!(found, expected, "{command:?}");
    }
}

#[test]
fn prints_a_completion_script_for_each_shell() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let script = run(&["completions", shell]);
        assert!(script.contains("idle-timeout"), "{shell}");
    }
}

#[test]
fn writes_a_manual_page_for_each_command() {
    let directory = tempfile::tempdir().unwrap();
    run(&["man", directory.path().to_str().unwrap()]);
    for command in COMMANDS {
        let page = directory.path().join(format!("powerstream-{}.1", command.join("-")));
        let text = std::fs::read_to_string(&page).unwrap();
        assert!(text.contains(".SH SYNOPSIS"), "{}", page.display());
    }
}

#[test]
fn version_names_the_package_version_first() {
    let text = run(&["--version"]);
    assert!(text.starts_with(concat!("powerstream ", env!("CARGO_PKG_VERSION"))), "{text}");
}
