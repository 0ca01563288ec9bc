//! Shortened links.

use crate::rng::Rng;

/// The prefix of all links.
pub(super) const LINK: &str = "https://t.co/";

/// Returns ten characters, as in a t.co link.
pub(super) fn key(rng: &mut Rng) -> String {
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    (0..10).map(|_| char::from(rng.pick(LETTERS))).collect()
}
