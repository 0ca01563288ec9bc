//! The `connection_metadata` message: the only system message whose content a client stores. It
//! names the source of the Posts.

use super::classifier::classify;
use super::kind::Kind;
use crate::stream::json::{Malformed, NAME_MAX, Scanner};
use crate::time::UnixTime;

/// The content of a `connection_metadata` message.
///
/// This is the first message of a connection that requested `localDcOnly` (X docs: "Powerstream").
/// Other occurrences are not documented. An example:
/// `{"type":"connection_metadata","datacenter":"atla","timestamp":1762557264155}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct ConnectionMetadata<'a> {
    /// The datacenter's name as received, still escaped. `None` if it is absent, or not a UTF-8
    /// string.
    pub datacenter: Option<&'a str>,
    /// The service's clock.
    pub timestamp: Option<UnixTime>,
}

impl<'a> ConnectionMetadata<'a> {
    /// Parses the message. Returns `None` for a message of another kind, or one that is not valid
    /// JSON.
    ///
    /// ```
    /// use powerstream_core::stream::ConnectionMetadata;
    ///
    /// let line =
    ///     br#"{"type":"connection_metadata","datacenter":"atla","timestamp":1762557264155}"#;
    /// let metadata = ConnectionMetadata::parse(line).unwrap();
    /// assert_eq!(metadata.datacenter, Some("atla"));
    /// assert_eq!(metadata.timestamp.map(|time| time.as_millis()), Some(1_762_557_264_155));
    /// ```
    #[must_use]
    pub fn parse(bytes: &'a [u8]) -> Option<Self> {
        match classify(bytes).kind {
            Kind::ConnectionMetadata => read(bytes).ok(),
            _ => None,
        }
    }
}

fn read(bytes: &[u8]) -> Result<ConnectionMetadata<'_>, Malformed> {
    let mut scanner = Scanner::new(bytes);
    let mut datacenter = None;
    let mut timestamp = None;
    scanner.peek()?;
    scanner.enter()?;
    let mut first = true;
    while let Some(key) = scanner.next_key(&mut first)? {
        match key.plain(&mut [0; NAME_MAX]) {
            b"datacenter" => {
                let text = scanner.text()?;
                datacenter.get_or_insert(text.and_then(|text| core::str::from_utf8(text.raw).ok()));
            }
            b"timestamp" => {
                let millis = scanner.integer()?;
                timestamp.get_or_insert(millis.map(UnixTime::from_millis));
            }
            _ => scanner.skip_value()?,
        }
    }
    scanner.end()?;
    Ok(ConnectionMetadata { datacenter: datacenter.flatten(), timestamp: timestamp.flatten() })
}
