//! The rule parser. For any text it does not panic, its findings are inside the text, and the
//! canonical form parses to the same tree.
//!
//! The input is the text.

use powerstream_rules::Profile;

use crate::invariants;

/// Checks one input.
pub fn run(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    // Most differences are between Powerstream and the other products, so Powerstream is always
    // checked.
    invariants::holds(&text, Profile::Powerstream);
    let profile = Profile::ALL[input.len() % Profile::ALL.len()];
    if profile != Profile::Powerstream {
        invariants::holds(&text, profile);
    }
}
