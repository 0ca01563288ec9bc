//! The bearer token: from the environment, a file or standard input; never from the command line, where everyone on
//! the machine can read it, and never to be shown.

use std::env;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use powerstream_client::config::Token;
use zeroize::Zeroizing;

use crate::exit::{Exit, Failure};
use crate::secret;
use crate::text::Printable;

/// The variable that holds the token.
pub(crate) const VARIABLE: &str = "X_BEARER_TOKEN";

/// More than any token has: what a device or a log given by mistake is cut at.
const BYTES_MAX: u64 = 65_536;

/// Loads the token from `file` (`-`: standard input), or else from the environment. Returns its
/// bytes too, to be hashed and nothing else.
pub(crate) fn load(file: Option<&Path>) -> Result<(Token, Zeroizing<Vec<u8>>), Failure> {
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
    secret::remember(text.clone());
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
