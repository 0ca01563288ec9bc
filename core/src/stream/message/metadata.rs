//! The one system message whose content a client keeps: where the Posts come from.

use super::classifier::classify;
use super::kind::Kind;
use crate::stream::json::{Malformed, NAME_MAX, Scanner};
use crate::time::UnixTime;

/// What a `connection_metadata` message says.
///
/// `{"type":"connection_metadata","datacenter":"atla","timestamp":1762557264155}` is the first message of a
/// connection that asked for `localDcOnly` (X docs: "Powerstream"); when else it comes is not
/// documented.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct ConnectionMetadata<'a> {
    /// The datacenter's name as it stands in the message, escapes and all. `None` where there is
    /// none, or it is no string of UTF-8.
    pub datacenter: Option<&'a str>,
    /// The service's clock.
    pub timestamp: Option<UnixTime>,
}

impl<'a> ConnectionMetadata<'a> {
    /// Reads the message. `None` for a message of another kind, or one that is not JSON as a whole.
    ///
    /// ```
    /// use powerstream_core::stream::ConnectionMetadata;
    ///
    /// let line = br#"{"type":"connection_metadata","datacenter":"atla","timestamp":1762557264155}"#;
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
