//! Scenario files and triggered events: any text is parsed or refused at a place within it.
//!
//! The input is the text. A text that begins with `{` is an event.

use powerstream_simulator::Script;
use powerstream_simulator::fuzzing::check_event;

/// Checks one input.
pub fn run(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let result = if text.starts_with('{') {
        check_event(&text)
    } else {
        Script::parse(&text).map(|script| {
            assert!(!script.description().contains('\n'), "the description is one line");
            assert!(!format!("{script:?}").is_empty());
        })
    };
    if let Err(error) = result {
        let shown = error.to_string();
        assert!(!shown.is_empty());
        if let Some((line, column)) = error.position() {
            let lines = text.matches('\n').count() + 1;
            assert!((1..=lines).contains(&line) && column >= 1, "{text:?}: {shown}");
            assert!(shown.starts_with(&format!("line {line}, column {column}: ")));
        }
    }
}
