//! `powerstream soak`.

use crate::tool::{run, text, tool};

#[test]
fn a_round_is_judged_and_named() {
    let output = run(&mut tool("soak --seed 1 --round 5"));
    let stdout = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{stdout}{}", text(&output.stderr));
    assert!(stdout.contains("round 5: ") && stdout.contains("1 rounds in "), "{stdout}");
    assert!(stdout.contains(" 0 outside, 0 twice") && stdout.contains("0 violations"), "{stdout}");
}
