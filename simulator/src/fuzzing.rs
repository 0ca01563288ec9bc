//! Entry points for the fuzz targets. Not part of the API.

use crate::config::Config;
use crate::receive::take_body;
use crate::request::{self, Parsed};
use crate::script::{self, ScriptError};

/// The head of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums, reason = "not part of the API")]
pub enum Head {
    /// More bytes are needed.
    Partial,
    /// The bytes are not a request.
    Malformed,
    /// The head is complete.
    Complete {
        /// Its length in bytes.
        length: usize,
        /// How the simulator would handle the request.
        route: String,
    },
}

/// A request as far as it was received.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_structs, reason = "not part of the API")]
pub struct RequestReader {
    /// The head.
    pub head: Head,
    /// The complete body, or the status that refuses it.
    pub body: Option<Result<Vec<u8>, u16>>,
}

impl RequestReader {
    /// Reads a request that arrives in these pieces, as a connection does.
    pub fn read<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let (mut bytes, mut taken) = (Vec::new(), Vec::new());
        let mut content = None;
        let mut reader = Self { head: Head::Partial, body: None };
        for piece in pieces {
            bytes.extend_from_slice(piece);
            if content.is_none() {
                match request::parse(&bytes) {
                    Parsed::Partial => continue,
                    Parsed::Malformed => {
                        reader.head = Head::Malformed;
                        return reader;
                    }
                    Parsed::Request(request) => {
                        let route = format!("{:?}", request.route(&Config::default(), 1_700_000_000_000));
                        bytes.drain(..request.head_len);
                        content = Some(request.content);
                        reader.head = Head::Complete { length: request.head_len, route };
                    }
                }
            }
            reader.body = content.and_then(|content| take_body(content, &mut bytes, &mut taken));
            if reader.body.is_some() {
                break;
            }
        }
        reader
    }
}

/// Parses a triggered event.
///
/// # Errors
///
/// [`ScriptError`] with the place of the error.
pub fn check_event(text: &str) -> Result<(), ScriptError> {
    script::event(text).map(|_| ())
}
