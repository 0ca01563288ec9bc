//! The bearer token, and detection of common mistakes in setting it.

use std::fmt;
use std::string::String;
use std::sync::Arc;

use powerstream_core::http::BearerToken;
use zeroize::Zeroizing;

/// A bearer token that owns its secret and never displays it. Clones share the secret.
///
/// The secret is wiped when the last clone is dropped. `Debug` prints a fixed text. The type has no
/// `Display`, comparison or serialization.
#[derive(Clone)]
pub struct Token(Arc<Zeroizing<String>>);

impl Token {
    /// Creates a token from 1 to 4,096 bytes of visible ASCII.
    ///
    /// One line end after the token is removed, since files and `echo` add one. The caller must
    /// wipe its own copy of the text.
    ///
    /// The service would answer these texts with 401, so they are refused: text with quotes,
    /// `Bearer` or blanks around it, text of several lines, or a placeholder.
    ///
    /// # Errors
    /// Returns a [`TokenError`], which never quotes the text.
    pub fn new(text: impl AsRef<[u8]>) -> Result<Self, TokenError> {
        let text = text.as_ref();
        let text = text.strip_suffix(b"\n").map_or(text, |line| line.strip_suffix(b"\r").unwrap_or(line));
        if let Some(mistake) = mistake(text) {
            return Err(mistake);
        }
        let text = std::str::from_utf8(text).map_err(|_| TokenError::Characters)?;
        BearerToken::new(text).map_err(|_| TokenError::Characters)?;
        Ok(Self(Arc::new(Zeroizing::new(String::from(text)))))
    }

    /// Returns the token in the form that requests take.
    #[must_use]
    pub fn bearer(&self) -> BearerToken<'_> {
        match BearerToken::new(&self.0) {
            Ok(token) => token,
            Err(error) => unreachable!("Token::new checked it: {error}"),
        }
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

/// Why a text is not a bearer token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TokenError {
    /// It is empty or blank.
    Empty,
    /// It has several lines.
    Lines,
    /// It starts or ends with a quote.
    Quotes,
    /// It starts with the scheme `Bearer` or the field name `Authorization`.
    Scheme,
    /// It has a blank before, after or inside it.
    Blank,
    /// It is a placeholder: a variable that was not replaced, `YOUR_TOKEN`, `<token>`.
    Placeholder,
    /// It has a character other than visible ASCII, or more than 4,096 characters.
    Characters,
}

impl fmt::Display for TokenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "the bearer token is empty",
            Self::Lines => "the bearer token has more than one line: expected the token alone, on one line",
            Self::Quotes => {
                "the bearer token has quotes around it: remove them (docker's --env-file, for one, keeps the quotes of a \
                 file)"
            }
            Self::Scheme => {
                "the bearer token starts with `Bearer` or `Authorization`, which the client sends by itself: remove it"
            }
            Self::Blank => "the bearer token has a blank at one of its ends or inside: remove it",
            Self::Placeholder => {
                "the bearer token is a placeholder or a variable that was not replaced: put the token of your app in its \
                 place"
            }
            Self::Characters => {
                "the bearer token must be 1 to 4,096 characters of visible ASCII: copy it again, as plain text"
            }
        })
    }
}

impl std::error::Error for TokenError {}

/// Detects a text that is valid in a header but is not a token.
fn mistake(text: &[u8]) -> Option<TokenError> {
    let inner = text.trim_ascii();
    let starts = |prefix: &str| {
        inner.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix.as_bytes()))
    };
    let is_scheme = starts("authorization:")
        || starts("bearer:")
        || (starts("bearer") && inner.get(6).is_none_or(u8::is_ascii_whitespace));
    let quotes =
        ["\"", "'", "`", "\u{2018}", "\u{2019}", "\u{201c}", "\u{201d}", "\u{201e}", "\u{ab}", "\u{bb}"];
    let is_quoted =
        quotes.iter().any(|quote| inner.starts_with(quote.as_bytes()) || inner.ends_with(quote.as_bytes()));
    [
        (inner.is_empty(), TokenError::Empty),
        (inner.iter().any(|byte| matches!(byte, b'\r' | b'\n')), TokenError::Lines),
        (is_quoted, TokenError::Quotes),
        (is_scheme, TokenError::Scheme),
        (text.iter().any(u8::is_ascii_whitespace), TokenError::Blank),
        (is_placeholder(inner), TokenError::Placeholder),
    ]
    .into_iter()
    .find_map(|(is_made, mistake)| is_made.then_some(mistake))
}

/// Returns true if a text is a placeholder of examples and templates. No token starts with `$`,
/// `<`, `{` or `[`.
fn is_placeholder(text: &[u8]) -> bool {
    let is_filler = |byte: &u8| matches!(byte, b'x' | b'X' | b'*' | b'.');
    let your = text.get(..5).is_some_and(|start| {
        start[..4].eq_ignore_ascii_case(b"your") && matches!(start[4], b'_' | b'-' | b'.')
    });
    text.first().is_some_and(|first| b"$<{[".contains(first))
        || (text.len() > 2 && text.starts_with(b"%") && text.ends_with(b"%"))
        || text.iter().all(is_filler)
        || your
        || ["X_BEARER_TOKEN", "BEARER_TOKEN", "ACCESS_TOKEN", "CHANGEME", "CHANGE_ME", "REPLACE_ME", "TODO"]
            .iter()
            .any(|word| text.eq_ignore_ascii_case(word.as_bytes()))
}
