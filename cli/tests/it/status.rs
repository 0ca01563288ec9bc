//! The status line, on a terminal that `script` (util-linux) provides.

use std::process::Command;

use crate::tool::{run, text, tool};

/// Returns what a terminal shows of a run; `None` without `script`.
fn on_terminal(arguments: &str) -> Option<String> {
    let command = format!("{} {arguments}", env!("CARGO_BIN_EXE_powerstream"));
    let output = Command::new("script").args(["-qec", &command, "/dev/null"]).env("TERM", "xterm").output();
    match output {
        Ok(output) => {
            assert!(output.status.success(), "{}", text(&output.stderr));
            Some(text(&output.stdout).to_owned())
        }
        Err(_) => {
            eprintln!("script is not installed: not tested");
            None
        }
    }
}

#[test]
fn a_terminal_shows_a_status_line_that_is_removed_at_the_end() {
    for format in ["none", "pretty"] {
        let arguments = format!("stream --simulate --rate 50 --format {format} --duration 3s");
        let Some(screen) = on_terminal(&arguments) else { return };
        let status = screen.split("\x1b[2K").filter(|part| part.contains(" Posts/s, lag p50 ")).count();
        assert!(status >= 2, "{screen}");
        // The totals start on a line without a status.
        let totals = screen.lines().find(|line| line.contains("keep-alives ")).unwrap();
        assert!(totals.rsplit("\x1b[2K").next().unwrap().starts_with("Posts 1"), "{screen}");
        let posts = screen.lines().filter(|line| line.contains("\x1b[1m@")).count();
        assert_eq!(posts > 100, format == "pretty", "{posts}");
    }
}

#[test]
fn other_outputs_and_formats_have_no_status_line() {
    let output = run(&mut tool("stream --simulate --format pretty --rate 50 --duration 2s"));
    assert!(!text(&output.stderr).contains("Posts/s") && !text(&output.stdout).contains("Posts/s"));
    if let Some(screen) = on_terminal("stream --simulate --format json --rate 50 --duration 2s") {
        assert!(!screen.contains("Posts/s"));
    }
}

#[test]
fn without_a_format_nothing_is_written_and_everything_is_counted() {
    let output = run(&mut tool("stream --simulate --format none --max-posts 500"));
    assert!(output.stdout.is_empty());
    assert!(text(&output.stderr).contains("Posts 500, "), "{}", text(&output.stderr));
    assert_eq!(output.status.code(), Some(0));
}
