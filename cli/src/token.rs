//! The bearer token: from the environment, a file or standard input; never from the command line, where everyone on
//! the machine can read it, and never to be shown.

use std::borrow::Cow;
use std::env;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::OnceLock;

use powerstream_client::config::Token;
use zeroize::Zeroizing;

use crate::exit::{Exit, Failure};
use crate::text::Printable;

/// The variable that holds the token.
pub(crate) const VARIABLE: &str = "X_BEARER_TOKEN";

/// More than any token has: what a device or a log given by mistake is cut at.
const BYTES_MAX: u64 = 65_536;

/// The token of this run, so that it can be taken out of what is printed.
static SECRET: OnceLock<Zeroizing<Vec<u8>>> = OnceLock::new();

/// Shorter tokens are left where they are: they are in too much else.
const REDACTED_MIN: usize = 8;

/// Another's words, without the token: a server or proxy may send back what it was sent.
pub(crate) fn redacted(words: &[u8]) -> Cow<'_, [u8]> {
    match SECRET.get().filter(|secret| secret.len() >= REDACTED_MIN) {
        Some(secret) => without(words, secret),
        None => words.into(),
    }
}

fn without<'w>(words: &'w [u8], secret: &[u8]) -> Cow<'w, [u8]> {
    let find = |from: usize| {
        let rest = words.get(from..).unwrap_or_default();
        rest.windows(secret.len()).position(|window| window == secret).map(|at| from + at)
    };
    let (mut out, mut from) = (Vec::new(), 0);
    while let Some(at) = find(from) {
        out.extend_from_slice(words.get(from..at).unwrap_or_default());
        out.extend_from_slice(b"[token]");
        from = at + secret.len();
    }
    if from == 0 {
        return words.into();
    }
    out.extend_from_slice(words.get(from..).unwrap_or_default());
    out.into()
}

/// The token in `file` (`-`: standard input), or else in the environment.
pub(crate) fn load(file: Option<&Path>) -> Result<Token, Failure> {
    load_with_secret(file).map(|(token, _)| token)
}

/// As [`load`], with the secret itself, to be hashed and nothing else.
pub(crate) fn load_with_secret(file: Option<&Path>) -> Result<(Token, Zeroizing<Vec<u8>>), Failure> {
    let mut text = match file {
        Some(file) => read(file).map_err(|error| {
            let path = file.as_os_str().as_encoded_bytes();
            let path = Printable { bytes: path, characters_max: 4_096 };
            not_authorised(format!("cannot read the bearer token from {path}: {error}"))
        })?,
        None => {
            let text = env::var_os(VARIABLE).map(std::ffi::OsString::into_encoded_bytes).unwrap_or_default();
            Zeroizing::new(text)
        }
    };
    if text.trim_ascii().is_empty() {
        return Err(not_authorised(match file {
            Some(_) => String::from("the file of --token-file holds no bearer token"),
            None => {
                format!(
                    "no bearer token: set {VARIABLE}, or name a file with --token-file; --simulate needs none"
                )
            }
        }));
    }
    // Editors and `echo` leave one line end.
    if text.ends_with(b"\n") {
        text.pop();
        if text.ends_with(b"\r") {
            text.pop();
        }
    }
    let token = Token::new(&*text).map_err(|error| not_authorised(error.to_string()))?;
    // There is one a run; where there were more, the first.
    let _ = SECRET.set(text.clone());
    Ok((token, text))
}

/// A token for a server that takes any.
pub(crate) fn any() -> Token {
    Token::new("simulated").unwrap_or_else(|_| unreachable!("it is visible ASCII"))
}

fn read(file: &Path) -> io::Result<Zeroizing<Vec<u8>>> {
    // With room for all of it from the start: growing would leave copies behind.
    let mut token = Zeroizing::new(Vec::with_capacity(BYTES_MAX as usize + 1));
    if file.as_os_str() == "-" {
        io::stdin().lock().take(BYTES_MAX).read_to_end(&mut token)?;
    } else {
        File::open(file)?.take(BYTES_MAX).read_to_end(&mut token)?;
    }
    Ok(token)
}

fn not_authorised(message: String) -> Failure {
    Failure::new(Exit::NotAuthorised, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_taken_out_of_others_words() {
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
