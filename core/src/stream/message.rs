//! Classifies messages from their bytes: a Post with its id, a message of the service about the
//! connection, or other.
//!
//! A stream carries Posts in two formats, and messages of four generations of X's streaming APIs.
//! They have no common type field: the keys of the top-level object determine it. A session needs
//! the result immediately, for example a Post's id to find duplicates. It must work for thousands
//! of messages per second and for any bytes. Therefore [`classify`]:
//!
//! - returns a result for every input, including "unknown" and "malformed"; no result ends the
//!   stream;
//! - reads the keys in order of appearance and stops at the first one that decides. The service
//!   sends a Post's ids first, so about 70 bytes of its 4,000 are read. With the ids last it needs
//!   one pass, never two;
//! - checks everything it reads against the grammar of JSON. Keys inside strings or nested objects
//!   do not mislead it, and neither do escapes in keys and values. A partial number is never an id.
//!
//! The rules, in order of precedence:
//!
//! ```text
//!  0  not JSON                                                    Malformed
//!  1  array                                                       Array
//!  2  not an object                                               Unknown
//!  3  type = "connection_metadata"                                ConnectionMetadata
//!  4  errors is an array, no data                                 StreamError
//!  5  data is an object                                           Post (v2), Envelope,
//!                                                                 Compliance (v2)
//!  6  title, and type a URI, no data                              Problem
//!  7  disconnect is an object                                     Disconnect
//!  8  error, warn or info is an object, and the only key          System
//!  9  warning is an object                                        Warning
//! 10  limit is an object with track                               Limit
//! 11  delete, scrub_geo, tweet_edit and others                    Compliance
//! 12  friends, control, for_user, event and others                UserStream
//! 13  id_str or id, and text, full_text, user or created_at       Post (legacy)
//! 14  anything else                                               Unknown
//! ```
//!
//! A message is classified before its end as follows:
//!
//! - Rows 3, 5, 7 and 9 to 12 decide when their key appears. Row 13 decides at its second key, if
//!   no key of rows 3 to 12 occurred before, with any value. Later keys change nothing.
//! - Rows 4 and 6 require that there is no `data`. So these rows and the rows after them wait for
//!   `data` or for the end. Row 8 also waits for the end. At the end, the rows are tried in order
//!   of precedence.
//! - `data: null` counts as absent. The first of duplicate keys counts.
//! - The id is `id_str` if that has been read and is valid, otherwise `id`. A number that a reader
//!   with 53 bits rounds, as every current `id` is, is not trusted alone. `id_str` is then searched
//!   directly after it, where the service writes it, and otherwise up to the end of the message.
//!
//! A result determined before the end therefore never changes with later bytes.
//!
//! Separate calls check that a whole message is JSON ([`validate`]) and split an array
//! ([`elements`]).

mod array;
mod classifier;
mod kind;
mod metadata;
mod problem;
mod validity;

pub use self::array::{ArrayElements, elements};
pub use self::classifier::{Classification, classify};
pub use self::kind::{Compliance, Format, Kind, PostId, System};
pub use self::metadata::ConnectionMetadata;
pub use self::problem::{ConnectionIssue, DisconnectType, Problem, ProblemType};
pub(crate) use self::validity::check_grammar;
pub use self::validity::validate;

#[cfg(test)]
mod tests;
