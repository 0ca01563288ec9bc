//! The bearer token: from the environment, a file or standard input; never from the command line, where everyone on
//! the machine can read it, and never to be shown.

use std::env;
use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use powerstream_core::http::request::BearerToken;

use crate::exit::{Exit, Failure};
use crate::text::Printable;

/// The variable that holds the token.
pub(crate) const VARIABLE: &str = "X_BEARER_TOKEN";

/// More than any token has: what a device or a log given by mistake is cut at.
const BYTES_MAX: u64 = 65_536;

/// A bearer token, wiped when dropped.
pub(crate) struct Token(Vec<u8>);

impl Token {
    /// The token in `file` (`-`: standard input), or else in the environment.
    pub(crate) fn load(file: Option<&Path>) -> Result<Self, Failure> {
        let token = match file {
            Some(file) => read(file).map_err(|error| {
                let path = file.as_os_str().as_encoded_bytes();
                let path = Printable { bytes: path, characters_max: 4_096 };
                not_authorised(format!("cannot read the bearer token from {path}: {error}"))
            })?,
            None => env::var_os(VARIABLE).map(std::ffi::OsString::into_encoded_bytes).unwrap_or_default(),
        };
        let token = Self(token).without_line_end();
        if token.0.is_empty() {
            return Err(not_authorised(match file {
                Some(_) => String::from("the file of --token-file holds no bearer token"),
                None => format!(
                    "no bearer token: set {VARIABLE}, or name a file with --token-file; --simulate needs none"
                ),
            }));
        }
        token.bearer()?;
        Ok(token)
    }

    /// A token for a server that takes any.
    pub(crate) fn any() -> Self {
        Self(b"simulated".to_vec())
    }

    /// The token as requests take it.
    pub(crate) fn bearer(&self) -> Result<BearerToken<'_>, Failure> {
        let token = std::str::from_utf8(&self.0).unwrap_or("\u{fffd}");
        BearerToken::new(token).map_err(|error| not_authorised(error.to_string()))
    }

    /// The token as a client's configuration takes it.
    pub(crate) fn owned(&self) -> Result<powerstream_core::client::Token, Failure> {
        powerstream_core::client::Token::new(&self.0).map_err(|error| not_authorised(error.to_string()))
    }

    /// The secret itself, to be hashed and nothing else.
    pub(crate) fn secret(&self) -> &[u8] {
        &self.0
    }

    /// Editors and `echo` leave one.
    fn without_line_end(mut self) -> Self {
        if self.0.ends_with(b"\n") {
            self.0.pop();
            if self.0.ends_with(b"\r") {
                self.0.pop();
            }
        }
        self
    }
}

fn read(file: &Path) -> io::Result<Vec<u8>> {
    // With room for all of it from the start: growing would leave copies behind.
    let mut token = Vec::with_capacity(BYTES_MAX as usize + 1);
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

impl Drop for Token {
    fn drop(&mut self) {
        self.0.fill(0);
        // Keeps the writes, which nothing reads, from being optimised away.
        std::hint::black_box(&mut self.0);
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_end_is_cut_and_the_rest_is_checked_without_being_shown() {
        let token = |bytes: &[u8]| Token(bytes.to_vec()).without_line_end();
        for good in [b"AAA%3D".as_slice(), b"AAA%3D\n", b"AAA%3D\r\n"] {
            assert!(token(good).bearer().is_ok());
        }
        for bad in
            [b"s3cr3t\n\n".as_slice(), b"s3cr3t ", b"s3\xffcr3t", "s3cr3t\u{e4}".as_bytes(), b"s3cr3t\r"]
        {
            let failure = token(bad).bearer().unwrap_err();
            let shown = format!("{failure:?}");
            assert!(shown.contains("NotAuthorised") && !shown.contains("s3"), "{shown}");
        }
        assert_eq!(format!("{:?}", token(b"s3cr3t")), "Token(..)");
    }
}
