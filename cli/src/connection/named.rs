//! Values on the command line that apply to one named connection.

use std::fmt;
use std::str::FromStr;

/// The largest number of connections of one stream: the limit of merging.
pub(crate) const CONNECTIONS_MAX: i64 = powerstream_core::merge::CONNECTIONS_MAX as i64;

/// `NAME=VALUE` applies to the named connection, `VALUE` to all connections.
#[derive(Clone, Debug)]
pub(crate) struct Named<T> {
    pub(crate) name: Option<String>,
    pub(crate) value: T,
}

impl<T: FromStr> FromStr for Named<T>
where
    T::Err: fmt::Display,
{
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, value) = match text.split_once('=') {
            Some((name, value)) => (Some(String::from(check_name(name)?)), value),
            None => (None, text),
        };
        Ok(Self { name, value: value.parse().map_err(|error: T::Err| error.to_string())? })
    }
}

/// A connection of `--connect`: `NAME=URL`. It is checked after parsing: errors of clap quote the
/// value, and the URL may hold a password by mistake.
#[derive(Clone)]
pub(crate) struct Connect(String);

impl From<String> for Connect {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl Connect {
    /// Returns the name and the URL, or what was expected instead.
    pub(crate) fn parts(&self) -> Result<(&str, &str), &'static str> {
        let (name, base_url) = self.0.split_once('=').ok_or("expected NAME=URL")?;
        Ok((check_name(name)?, base_url))
    }
}

impl fmt::Debug for Connect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Connect(..)")
    }
}

/// Names appear on terminals and before log lines.
fn check_name(name: &str) -> Result<&str, &'static str> {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    let is_name = !name.is_empty() && name.len() <= 32 && name.bytes().all(is_part);
    if is_name { Ok(name) } else { Err("a connection's name is 1 to 32 letters, digits, '-', '_' and '.'") }
}
