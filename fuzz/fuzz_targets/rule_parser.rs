//! Rules: whatever the text, no panic, findings that lie in it, and a canonical form that is the same tree again.
//!
//! The input is the text.
#![no_main]

#[path = "../../rules/tests/it/invariants/mod.rs"]
mod invariants;

use libfuzzer_sys::fuzz_target;
use powerstream_rules::Profile;

fuzz_target!(|input: &[u8]| {
    let text = String::from_utf8_lossy(input);
    // Most differences are between this product and the others, which differ among each other in what they refuse.
    invariants::holds(&text, Profile::Powerstream);
    invariants::holds(&text, Profile::ALL[input.len() % Profile::ALL.len()]);
});
