//! The rule parser. For any text it does not panic, its findings are inside the text, and the
//! canonical form parses to the same tree.
//!
//! The input is the text.
#![no_main]

#[path = "../../rules/tests/it/invariants/mod.rs"]
mod invariants;

use libfuzzer_sys::fuzz_target;
use powerstream_rules::Profile;

fuzz_target!(|input: &[u8]| {
    let text = String::from_utf8_lossy(input);
    // Most differences are between Powerstream and the other products, so Powerstream is always
    // checked.
    invariants::holds(&text, Profile::Powerstream);
    invariants::holds(&text, Profile::ALL[input.len() % Profile::ALL.len()]);
});
