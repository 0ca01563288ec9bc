//! The programs in C call every function, rightly and wrongly.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use powerstream_simulator::{Config, Simulator};

use crate::support::program;

/// Returns a file of this crate.
fn file(name: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap()
}

/// Returns the functions that the header declares, and whether one takes a pointer.
fn declared() -> Vec<(String, bool)> {
    let header = file("include/powerstream.h");
    let (_, functions) = header.split_once("extern \"C\" {").unwrap();
    // Comments contain no semicolon that ends a line, and no line that begins like a declaration.
    let declarations = functions.split(";\n").filter_map(|text| text.split_once('('));
    let mut declared = Vec::new();
    for (front, arguments) in declarations {
        // The text before a declaration is a comment, which may have brackets too.
        let whole = format!("{front}({arguments}");
        let start = whole.rfind("*/").map_or(0, |at| at + 2);
        let Some((front, arguments)) = whole[start..].split_once('(') else { continue };
        let name = front.rsplit([' ', '*', '\n']).next().unwrap();
        if name.starts_with("ps_") {
            declared.push((name.to_owned(), arguments.contains('*')));
        }
    }
    declared
}

/// Returns the functions that a program calls.
fn called(name: &str) -> BTreeSet<String> {
    let source = file(&format!("tests/c/{name}"));
    let mut called = BTreeSet::new();
    for (at, _) in source.match_indices("ps_") {
        let is_word = source[..at].ends_with(|before: char| before.is_ascii_alphanumeric() || before == '_');
        let end = source[at..].find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap();
        if !is_word && source[at + end..].starts_with('(') {
            called.insert(source[at..at + end].to_owned());
        }
    }
    called
}

#[test]
fn each_function_of_the_header_is_called_with_null_and_in_use() {
    let declared = declared();
    assert!(declared.len() > 130, "{}", declared.len());
    let nulls = called("null.c");
    let used: BTreeSet<_> = ["life.c", "driver.c", "merged.c"].into_iter().flat_map(called).collect();
    let never_null: Vec<_> =
        declared.iter().filter(|(name, takes)| *takes && !nulls.contains(name)).collect();
    let never_used: Vec<_> = declared.iter().filter(|(name, _)| !used.contains(name)).collect();
    assert!(never_null.is_empty(), "never called with null: {never_null:?}");
    assert!(never_used.is_empty(), "never called: {never_used:?}");
}

#[test]
fn null_is_an_error_of_every_function() {
    if let Some(program) = program("null") {
        let output = Command::new(program).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn each_function_does_what_the_header_says_in_use_and_in_wrong_use() {
    if let Some(program) = program("life") {
        let mut config = Config::default();
        config.rate = Some(2_000.0);
        let simulator = Simulator::start(config).unwrap();
        let output = Command::new(program).args(["1000", &simulator.base_url()]).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}
