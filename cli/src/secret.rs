//! The token of this run, and its removal from everything that the tool prints.

use std::borrow::Cow;
use std::sync::OnceLock;

use zeroize::Zeroizing;

/// The token of this run.
static SECRET: OnceLock<Zeroizing<Vec<u8>>> = OnceLock::new();

/// Shorter tokens are not removed: they occur in too many other words.
const REDACTED_MIN: usize = 8;

/// Stores the token so that [`redacted`] removes it. A run has one token; only the first is stored.
pub(crate) fn remember(token: Zeroizing<Vec<u8>>) {
    let _ = SECRET.set(token);
}

/// Removes the token from received text: a server or proxy may echo it.
pub(crate) fn redacted(words: &[u8]) -> Cow<'_, [u8]> {
    match SECRET.get().filter(|secret| secret.len() >= REDACTED_MIN) {
        Some(secret) => without(words, secret),
        None => words.into(),
    }
}

fn without<'w>(words: &'w [u8], secret: &[u8]) -> Cow<'w, [u8]> {
    let find = |from: usize| {
        words[from..].windows(secret.len()).position(|window| window == secret).map(|at| from + at)
    };
    let (mut out, mut from) = (Vec::new(), 0);
    while let Some(at) = find(from) {
        out.extend_from_slice(&words[from..at]);
        out.extend_from_slice(b"[token]");
        from = at + secret.len();
    }
    if from == 0 {
        return words.into();
    }
    out.extend_from_slice(&words[from..]);
    out.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn removes_the_token_from_received_text() {
        let without =
            |words: &str| String::from_utf8(without(words.as_bytes(), b"s3cret-s3cret").into()).unwrap();
        assert_eq!(without("nothing of it: s3cret-s3cre"), "nothing of it: s3cret-s3cre");
        assert_eq!(
            without("s3cret-s3crets3cret-s3cret and Bearer s3cret-s3cret!"),
            "[token][token] and Bearer [token]!"
        );
        assert_eq!(without(""), "");
    }
}
