//! The bearer token, from the environment, a file or standard input. It is never read from the
//! command line, which every user of the machine can see. It is never printed.

use std::env;
use std::io::Read;
use std::path::Path;

use powerstream_client::config::{Token, TokenError};
use zeroize::Zeroizing;

use crate::exit::{Exit, Failure};
use crate::file::{self, Input};
use crate::secret;

/// The variable that holds the token.
pub(crate) const VARIABLE: &str = "X_BEARER_TOKEN";

/// A limit above the length of every real token. It bounds the read of a device or log that was
/// passed by mistake.
const BYTES_MAX: u64 = 65_536;

/// Loads the token from `file` (`-`: standard input), or else from the environment. Also returns
/// its bytes, which may only be hashed.
pub(crate) fn load(file: Option<&Path>) -> Result<(Token, Zeroizing<Vec<u8>>), Failure> {
    let mut text = match file {
        Some(file) => read(file).map_err(|why| not_authorized(format!("--token-file: {why}")))?,
        None => {
            let text = env::var_os(VARIABLE).map(std::ffi::OsString::into_encoded_bytes).unwrap_or_default();
            Zeroizing::new(text)
        }
    };
    let place = file.map_or_else(|| String::from(VARIABLE), file::name);
    let token = Token::new(&*text).map_err(|error| match (error, file) {
        (TokenError::Empty, Some(_)) => not_authorized(format!("{place}: the file contains no bearer token")),
        (TokenError::Empty, None) => not_authorized(format!(
            "no bearer token: set {VARIABLE}, or name a file with --token-file; --simulate needs none"
        )),
        _ => not_authorized(format!("{place}: {error}; nothing was sent")),
    })?;
    // What is hashed and redacted is the token without the line end that `Token::new` removed.
    while text.ends_with(b"\n") || text.ends_with(b"\r") {
        text.pop();
    }
    secret::remember(text.clone());
    Ok((token, text))
}

/// Returns a token for a server that accepts any.
pub(crate) fn any() -> Token {
    Token::new("simulated").unwrap_or_else(|_| unreachable!("it is visible ASCII"))
}

fn read(file: &Path) -> Result<Zeroizing<Vec<u8>>, String> {
    // Allocated at full size, because growing would leave copies in memory.
    let mut token = Zeroizing::new(Vec::with_capacity(BYTES_MAX as usize + 1));
    let mut input = Input::open(file)?;
    let result = input.by_ref().take(BYTES_MAX).read_to_end(&mut token);
    result.map_err(|error| input.failed(&error))?;
    Ok(token)
}

fn not_authorized(message: String) -> Failure {
    Failure::new(Exit::NotAuthorized, message)
}
