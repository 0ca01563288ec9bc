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
//!   is one, else `id`.
//!
//! An answer that was given before the end therefore never changes with the bytes that follow.
//!
//! Checking that a whole message is JSON is a call of its own, [`validate`], and so is taking an array apart,
//! [`elements`].

mod kind;
mod metadata;
mod problem;

use core::ops::Range;

use self::problem::{Draft, Field};
use super::json::{NAME_MAX, Scanner, Text, malformed};

pub use self::kind::{Compliance, Format, Kind, PostId, System};
pub use self::metadata::ConnectionMetadata;
pub use self::problem::{ConnectionIssue, DisconnectType, Problem, ProblemType};
pub use super::json::{DEPTH_MAX, Malformed, Reason};

/// What [`classify`] found out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Class {
    /// What the message is.
    pub kind: Kind,
    /// The Post's id, where it is a Post and has one that is a number below 2^64. Ids that are rounded, as in
    /// samples that went through a JavaScript reader, are taken as they stand.
    pub post_id: Option<PostId>,
    /// How many bytes were looked at to find out.
    pub bytes_read: usize,
}

impl Class {
    /// Whether it is a Post, of either format.
    #[must_use]
    pub const fn is_post(&self) -> bool {
        matches!(self.kind, Kind::Post { .. })
    }
}

/// Tells what a message is. Reads no further than it must, never fails, never panics.
///
/// UTF-8 is not checked, and what was not read is not known to be JSON; see [`validate`].
///
/// ```
/// use powerstream_core::stream::message::{Format, Kind, PostId, classify};
///
/// let class = classify(br#"{"created_at":"Tue Mar 21 20:50:14 +0000 2006","id":20,"id_str":"20","text":".."#);
/// assert!(matches!(class.kind, Kind::Post { format: Format::Legacy, .. }));
/// assert_eq!(class.post_id, Some(PostId::new(20)));
/// // Decided at `id`: the rest of the message does not matter, here not even that it is cut.
/// assert_eq!(class.bytes_read, 55);
///
/// let class = classify(br#"{"errors":[{"title":"operational-disconnect","disconnect_type":"SlowReader"}]}"#);
/// let Kind::StreamError(problem) = class.kind else { panic!() };
/// assert_eq!(problem.disconnect_type, Some(powerstream_core::stream::message::DisconnectType::SlowReader));
/// ```
#[must_use]
pub fn classify(bytes: &[u8]) -> Class {
    let mut scanner = Scanner::new(bytes);
    match decide(&mut scanner) {
        Ok((kind, post_id)) => Class { kind, post_id, bytes_read: scanner.looked_at() },
        Err(malformed) => {
            let kind =
                if malformed.reason == Reason::TooDeep { Kind::Unknown } else { Kind::Malformed(malformed) };
            Class { kind, post_id: None, bytes_read: bytes.len().min(malformed.at + 1) }
        }
    }
}

type Decision = (Kind, Option<PostId>);

#[inline]
fn decide(scanner: &mut Scanner<'_>) -> Result<Decision, Malformed> {
    match scanner.peek()? {
        b'{' => object(scanner),
        b'[' => {
            scanner.enter()?;
            Ok((Kind::Array, None))
        }
        _ => {
            scanner.skip_value()?;
            scanner.end()?;
            Ok((Kind::Unknown, None))
        }
    }
}

/// The top-level keys that count.
enum Name {
    Id,
    IdStr,
    /// `text`, `full_text`, `user`, `created_at`: what a Post has and other things with an id have not.
    Content,
    Problem(Field),
    Errors,
    Data,
    Disconnect,
    System(System),
    Warning,
    Limit,
    Compliance(Compliance),
    UserStream,
    Other,
}

impl Name {
    /// By length first: most keys of a Post are of no interest and are dismissed by that or by one comparison.
    #[inline]
    fn of(key: &[u8]) -> Self {
        match key.len() {
            2 if key == b"id" => Self::Id,
            4 => match key {
                b"text" | b"user" => Self::Content,
                b"type" => Self::Problem(Field::Type),
                b"data" => Self::Data,
                b"code" => Self::Problem(Field::Code),
                b"warn" => Self::System(System::Warn),
                b"info" => Self::System(System::Info),
                b"drop" => Self::Compliance(Compliance::Drop),
                _ => Self::Other,
            },
            5 => match key {
                b"title" => Self::Problem(Field::Title),
                b"error" => Self::System(System::Error),
                b"limit" => Self::Limit,
                b"event" => Self::UserStream,
                _ => Self::Other,
            },
            6 => match key {
                b"id_str" => Self::IdStr,
                b"errors" => Self::Errors,
                b"delete" => Self::Compliance(Compliance::Delete),
                b"undrop" => Self::Compliance(Compliance::Undrop),
                _ => Self::Other,
            },
            7 => match key {
                b"warning" => Self::Warning,
                b"friends" | b"control" => Self::UserStream,
                _ => Self::Other,
            },
            8 if key == b"for_user" => Self::UserStream,
            9 if key == b"full_text" => Self::Content,
            10 => match key {
                b"created_at" => Self::Content,
                b"disconnect" => Self::Disconnect,
                b"tweet_edit" => Self::Compliance(Compliance::TweetEdit),
                _ => Self::Other,
            },
            11 if key == b"friends_str" => Self::UserStream,
            14 if key == b"direct_message" => Self::UserStream,
            15 => match key {
                b"disconnect_type" => Self::Problem(Field::DisconnectType),
                b"status_withheld" => Self::Compliance(Compliance::StatusWithheld),
                _ => Self::Other,
            },
            16 if key == b"connection_issue" => Self::Problem(Field::ConnectionIssue),
            9 | 11..=14 => Compliance::legacy(key).map_or(Self::Other, Self::Compliance),
            _ => Self::Other,
        }
    }

    /// Whether the key is one of the rows 3 to 12, so that a Post is not settled after it before the end.
    fn is_reserved(&self) -> bool {
        !matches!(
            self,
            Self::Id
                | Self::IdStr
                | Self::Content
                | Self::Other
                | Self::Problem(Field::DisconnectType | Field::ConnectionIssue | Field::Code)
        )
    }
}

/// What became of the first `errors` or `data`.
#[derive(Clone, Copy, PartialEq)]
enum Slot<T> {
    Absent,
    Null,
    /// Of another type than the one that counts.
    Unfit,
    Fit(T),
}

/// The keys of an object so far. An `Option` around an `Option`: whether the key was seen, and what it was good for.
struct Seen<'a> {
    id: Option<Option<PostId>>,
    id_str: Option<Option<PostId>>,
    content: bool,
    reserved: bool,
    metadata: bool,
    errors: Slot<Problem>,
    data: Slot<()>,
    problem: Draft<'a>,
    /// Of the rows 7 and 9 to 12 the highest in rank, while it waits.
    waiting: Option<(u8, Kind)>,
    disconnect: bool,
    warning: bool,
    limit: bool,
    /// The key of row 8, while it is the only one.
    system: Option<(System, bool)>,
    sole: bool,
}

fn object(scanner: &mut Scanner<'_>) -> Result<Decision, Malformed> {
    let mut seen = Seen {
        id: None,
        id_str: None,
        content: false,
        reserved: false,
        metadata: false,
        errors: Slot::Absent,
        data: Slot::Absent,
        problem: Draft::default(),
        waiting: None,
        disconnect: false,
        warning: false,
        limit: false,
        system: None,
        sole: true,
    };
    scanner.enter()?;
    let mut first = true;
    while let Some(key) = scanner.next_key(&mut first)? {
        if let Some(decision) = seen.member(&key, scanner)? {
            return Ok(decision);
        }
    }
    scanner.end()?;
    Ok(seen.at_end())
}

impl<'a> Seen<'a> {
    /// Takes in the member whose key was just read; the answer, if that settles it.
    #[inline]
    fn member(&mut self, key: &Text<'a>, scanner: &mut Scanner<'a>) -> Result<Option<Decision>, Malformed> {
        let name = Name::of(key.plain(&mut [0; NAME_MAX]));
        match name {
            Name::Other => scanner.skip_value()?,
            Name::Id => {
                let id = scanner.integer()?.map(PostId::new);
                self.id.get_or_insert(id);
                if self.content && !self.reserved {
                    return Ok(Some(self.legacy_post()));
                }
            }
            Name::IdStr => {
                let id = scanner.text()?.and_then(|text| text.decimal()).map(PostId::new);
                self.id_str.get_or_insert(id);
                if self.content && !self.reserved {
                    return Ok(Some(self.legacy_post()));
                }
            }
            Name::Content => {
                self.content = true;
                if self.has_id() && !self.reserved {
                    return Ok(Some(self.legacy_post()));
                }
                scanner.skip_value()?;
            }
            _ => {
                self.reserved |= name.is_reserved();
                return self.rare(name, scanner);
            }
        }
        self.sole = false;
        Ok(None)
    }

    /// The same for all but Posts.
    #[cold]
    fn rare(&mut self, name: Name, scanner: &mut Scanner<'a>) -> Result<Option<Decision>, Malformed> {
        // Not all keys that come here make two of one: an `error` again is the same key again.
        let again = match (&name, &self.system) {
            (Name::System(system), Some((other, _))) => system == other,
            (Name::System(_), None) => self.sole,
            _ => false,
        };
        self.sole &= again;
        match name {
            Name::Problem(field) => {
                let kind = self.problem.read(field, scanner)?;
                if kind.is_some_and(|kind| kind.plain(&mut [0; NAME_MAX]) == b"connection_metadata") {
                    self.metadata = true;
                    if !self.is_pending() {
                        return Ok(Some((Kind::ConnectionMetadata, None)));
                    }
                }
                Ok(None)
            }
            Name::Errors => {
                let slot = match scanner.peek()? {
                    b'[' if self.errors == Slot::Absent => Slot::Fit(problem::errors(scanner)?),
                    _ => {
                        scanner.skip_value()?;
                        Slot::Unfit
                    }
                };
                if self.errors == Slot::Absent {
                    self.errors = slot;
                }
                Ok(None)
            }
            Name::Data => self.data(scanner),
            Name::Disconnect => {
                let counts = !core::mem::replace(&mut self.disconnect, true) && scanner.peek()? == b'{';
                if !counts {
                    scanner.skip_value()?;
                    return Ok(None);
                }
                let code = find(scanner, b"code", !self.is_pending())?;
                let code = code.flatten().and_then(|code| u32::try_from(code).ok());
                Ok(self.settle(7, Kind::Disconnect { code }))
            }
            Name::System(system) => {
                let is_object = scanner.peek()? == b'{';
                scanner.skip_value()?;
                self.system.get_or_insert((system, is_object));
                Ok(None)
            }
            Name::Warning => {
                let counts = !core::mem::replace(&mut self.warning, true) && scanner.peek()? == b'{';
                if counts && !self.is_pending() {
                    scanner.enter()?;
                    return Ok(Some((Kind::Warning, None)));
                }
                self.settle_before(counts.then_some((9, Kind::Warning)), scanner)
            }
            Name::Limit => {
                let counts = !core::mem::replace(&mut self.limit, true) && scanner.peek()? == b'{';
                if !counts {
                    scanner.skip_value()?;
                    return Ok(None);
                }
                Ok(match find(scanner, b"track", !self.is_pending())? {
                    Some(track) => self.settle(10, Kind::Limit { track }),
                    None => None,
                })
            }
            Name::Compliance(event) => {
                let kind = Kind::Compliance { event, format: Format::Legacy };
                self.settle_before(Some((11, kind)), scanner)
            }
            Name::UserStream => self.settle_before(Some((12, Kind::UserStream)), scanner),
            Name::Id | Name::IdStr | Name::Content | Name::Other => {
                scanner.skip_value()?;
                Ok(None)
            }
        }
    }

    /// The value of `data`: settles it where it is the first one and an object.
    fn data(&mut self, scanner: &mut Scanner<'a>) -> Result<Option<Decision>, Malformed> {
        let byte = scanner.peek()?;
        if self.data != Slot::Absent {
            scanner.skip_value()?;
            return Ok(None);
        }
        if byte != b'{' {
            scanner.skip_whole()?;
            self.data = if byte == b'n' { Slot::Null } else { Slot::Unfit };
            // With unfit data the rows 4 and 6 are out, and who waited for them need not.
            let waiting = if self.metadata { Some(Kind::ConnectionMetadata) } else { self.waiting() };
            return Ok(if self.is_pending() { None } else { waiting.map(|kind| (kind, None)) });
        }
        let partial_errors = matches!(self.errors, Slot::Fit(_));
        scanner.enter()?;
        let mut first = true;
        let mut keys_before: usize = 0;
        let mut withheld = false;
        while let Some(key) = scanner.next_key(&mut first)? {
            let mut buffer = [0; NAME_MAX];
            let key = key.plain(&mut buffer);
            if keys_before == 0 {
                match Compliance::v2(key) {
                    // Posts have a `withheld` too (X docs: data dictionary), so that one must stand alone, as all
                    // events do.
                    Some(Compliance::Withheld) => withheld = true,
                    Some(event) => return Ok(Some(v2_event(event))),
                    None => {}
                }
            }
            keys_before += 1;
            if key == b"id" {
                // A string in all documentation; a number is no reason to lose a Post.
                let id = if scanner.peek()? == b'"' {
                    scanner.text()?.and_then(|text| text.decimal())
                } else {
                    scanner.integer()?
                };
                let kind = Kind::Post { format: Format::V2, partial_errors };
                return Ok(Some((kind, id.map(PostId::new))));
            }
            scanner.skip_value()?;
        }
        if withheld && keys_before == 1 {
            return Ok(Some(v2_event(Compliance::Withheld)));
        }
        Ok(Some((Kind::Envelope { partial_errors }, None)))
    }

    /// Settles it with a kind whose value need not be read, or reads over the value.
    fn settle_before(
        &mut self,
        kind: Option<(u8, Kind)>,
        scanner: &mut Scanner<'a>,
    ) -> Result<Option<Decision>, Malformed> {
        let decision = kind.and_then(|(row, kind)| self.settle(row, kind));
        if decision.is_none() {
            scanner.skip_value()?;
        }
        Ok(decision)
    }

    /// Settles it with the kind of `row`, unless a row of higher rank still may come true.
    fn settle(&mut self, row: u8, kind: Kind) -> Option<Decision> {
        if !self.is_pending() {
            return Some((kind, None));
        }
        if self.waiting.is_none_or(|(other, _)| row < other) {
            self.waiting = Some((row, kind));
        }
        None
    }

    /// Whether the row 4 or 6 holds so far, and only `data` can still undo it.
    fn is_pending(&self) -> bool {
        matches!(self.data, Slot::Absent | Slot::Null)
            && (matches!(self.errors, Slot::Fit(_)) || self.problem.is_problem())
    }

    fn waiting(&self) -> Option<Kind> {
        self.waiting.map(|(_, kind)| kind)
    }

    #[inline]
    fn has_id(&self) -> bool {
        self.id.is_some() || self.id_str.is_some()
    }

    #[inline]
    fn legacy_post(&self) -> Decision {
        let kind = Kind::Post { format: Format::Legacy, partial_errors: false };
        (kind, self.id_str.flatten().or(self.id.flatten()))
    }

    /// The rows in order of rank, with nothing more to come.
    fn at_end(&self) -> Decision {
        let kind = if self.metadata {
            Kind::ConnectionMetadata
        } else if self.is_pending() {
            let around = self.problem.finish();
            match self.errors {
                Slot::Fit(problem) => Kind::StreamError(problem.or(around)),
                _ => Kind::Problem(around),
            }
        } else if let (Some((system, true)), true) = (self.system, self.sole) {
            Kind::System(system)
        } else if self.has_id() && self.content {
            return self.legacy_post();
        } else {
            Kind::Unknown
        };
        (kind, None)
    }
}

fn v2_event(event: Compliance) -> Decision {
    (Kind::Compliance { event, format: Format::V2 }, None)
}

/// Reads an object for the first value of one key: whether it is there, and which plain number it is. With `stop`
/// reads no further than that.
fn find(scanner: &mut Scanner<'_>, name: &[u8], stop: bool) -> Result<Option<Option<u64>>, Malformed> {
    let mut found = None;
    scanner.enter()?;
    let mut first = true;
    while let Some(key) = scanner.next_key(&mut first)? {
        if found.is_none() && key.plain(&mut [0; NAME_MAX]) == name {
            found = Some(scanner.integer()?);
            if stop {
                return Ok(found);
            }
        } else {
            scanner.skip_value()?;
        }
    }
    Ok(found)
}

/// The elements of an array message, each to be classified by itself.
///
/// Whole elements come before the error that ends the iteration, so a message that is cut inside its third element
/// gives two. Something that is no array gives an error at once.
///
/// ```
/// use powerstream_core::stream::message::{Reason, elements};
///
/// let mut array = elements(br#"[ {"id":1} , {"id":2}, {"id""#);
/// assert_eq!(array.next(), Some(Ok(&br#"{"id":1}"#[..])));
/// assert_eq!(array.next(), Some(Ok(&br#"{"id":2}"#[..])));
/// assert_eq!(array.next().unwrap().unwrap_err().reason, Reason::End);
/// assert_eq!(array.next(), None);
/// ```
#[must_use]
pub fn elements(bytes: &[u8]) -> Elements<'_> {
    Elements { bytes, scanner: Scanner::new(bytes), place: Place::Before }
}

/// Iterator over the elements of an array message, made by [`elements`].
pub struct Elements<'a> {
    bytes: &'a [u8],
    scanner: Scanner<'a>,
    place: Place,
}

enum Place {
    Before,
    Inside { first: bool },
    After,
}

impl<'a> Elements<'a> {
    /// Returns an iterator over the elements after the one that ends at `end`, for callers that
    /// cannot keep the iterator itself. `end` is the end of a range that [`Self::next_range`] gave.
    #[must_use]
    pub fn resume(bytes: &'a [u8], end: usize) -> Self {
        Self { bytes, scanner: Scanner::inside(bytes, end), place: Place::Inside { first: false } }
    }

    /// Returns the next element as a range of the array's bytes, else as the iterator does.
    pub fn next_range(&mut self) -> Option<Result<Range<usize>, Malformed>> {
        let item = self.read().transpose();
        if !matches!(item, Some(Ok(_))) {
            self.place = Place::After;
        }
        item
    }

    fn read(&mut self) -> Result<Option<Range<usize>>, Malformed> {
        let mut first = match self.place {
            Place::Before => {
                if self.scanner.peek()? != b'[' {
                    return Err(malformed(self.scanner.at(), Reason::Byte));
                }
                self.scanner.enter()?;
                true
            }
            Place::Inside { first } => first,
            Place::After => return Ok(None),
        };
        if !self.scanner.next_element(&mut first)? {
            self.scanner.end()?;
            return Ok(None);
        }
        self.place = Place::Inside { first };
        let start = self.scanner.at();
        self.scanner.skip_value()?;
        let end = self.scanner.at();
        // A number or literal is whole only with what ends it, and what follows an element is part of the array.
        self.scanner.peek_element_end()?;
        Ok(Some(start..end))
    }
}

impl<'a> Iterator for Elements<'a> {
    type Item = Result<&'a [u8], Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_range().map(|range| range.map(|range| &self.bytes[range]))
    }
}

impl core::iter::FusedIterator for Elements<'_> {}

impl core::fmt::Debug for Elements<'_> {
    /// How far it is, without the bytes: Posts are not for logs.
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Elements").field("at", &self.scanner.at()).finish_non_exhaustive()
    }
}

/// Checks that a whole message is exactly one JSON text (RFC 8259): its grammar, UTF-8, at most [`DEPTH_MAX`]
/// containers open at once, and nothing but white space around it.
///
/// Lone surrogates in `\u` escapes, numbers of any size and duplicate keys are grammatical and pass.
///
/// # Errors
///
/// The first byte that cannot stand where it stands.
pub fn validate(bytes: &[u8]) -> Result<(), Malformed> {
    let mut scanner = Scanner::new(bytes);
    let grammar = scanner.skip_value().and_then(|()| scanner.end());
    // What lies before the first error of grammar decides whether that is the first error.
    let read = grammar.map_or_else(|malformed| malformed.at, |()| bytes.len());
    match core::str::from_utf8(bytes.get(..read).unwrap_or(bytes)) {
        Ok(_) => grammar,
        // A character that is cut where the input ends is an early end.
        Err(utf8) if grammar.is_err() && utf8.error_len().is_none() => grammar,
        Err(utf8) => Err(malformed(utf8.valid_up_to(), Reason::Utf8)),
    }
}

#[cfg(test)]
mod tests;
