//! What a message is, from its bytes: a Post and which, a word of the service about the connection, or neither.
//!
//! A stream carries Posts in two formats, and between them messages of four generations of X's streaming APIs. None
//! of them bears a mark of its own: which one it is follows from the keys of the top-level object. A session must
//! know at once (a Post's id, for duplicates; "too many connections", for backing off), at a rate of many thousand
//! a second, and for whatever bytes arrive. So [`classify`]
//!
//! - is total: every input has an answer, "unknown" and "malformed" among them, and none of them ends anything;
//! - takes the keys in order of appearance and stops at the first one that settles the matter. The service sends a
//!   Post's ids first, so some 70 bytes of its 4,000 are read; with the ids last it takes one pass, never two;
//! - holds what it does read to the grammar of JSON, strictly: it is not fooled by keys inside strings or nested
//!   objects, nor by escapes in keys and values, and half a number is never an id.
//!
//! The tests, in order of rank:
//!
//! ```text
//!  0  no JSON                                                     Malformed
//!  1  array                                                       Array
//!  2  no object                                                   Unknown
//!  3  type = "connection_metadata"                                ConnectionMetadata
//!  4  errors is an array, no data                                 StreamError
//!  5  data is an object                                           Post (v2), Envelope or Compliance (v2)
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
//! and how they go with an early end:
//!
//! - Rows 3, 5, 7 and 9 to 12 settle it when their key appears, row 13 when its second key does and no key of the
//!   rows 3 to 12, whatever its value, stood before. Keys that follow change nothing.
//! - Rows 4 and 6 say "no data", so they wait, and the others with them, for `data` or for the end. Row 8 waits for
//!   the end too. At the end the rows are tried in order of rank.
//! - `data: null` is no `data`. Of duplicate keys the first counts. The id is `id_str` if it was seen by then and
//!   is one, else `id`. A number that a reader with 53 bits rounds, which is every `id` of today, is not believed
//!   alone: `id_str` is looked for behind it, where the service writes it, and else to the end of the message.
//!
//! An answer that was given before the end therefore never changes with the bytes that follow.
//!
//! Checking that a whole message is JSON is a call of its own, [`validate`], and so is taking an array apart,
//! [`elements`].

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
