//! Classifies a message by the keys of its top-level object.

use super::kind::{Compliance, Format, Kind, PostId, System};
use super::problem::{self, Field, Problem, ProblemBuilder};
use crate::stream::json::{Malformed, MalformedReason, NAME_MAX, Scanner, Text, decimal, is_plain};

/// The result of [`classify`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Classification {
    /// What the message is.
    pub kind: Kind,
    /// The Post's id, if the message is a Post whose id is a number below 2^64. It is taken from
    /// `id_str`, at any position, if a reader with 53 bits may round `id`. Such an `id` is used
    /// only if there is no `id_str`.
    pub post_id: Option<PostId>,
    /// The number of bytes examined.
    pub bytes_read: usize,
}

impl Classification {
    /// Returns true if the message is a Post of either format.
    #[must_use]
    pub const fn is_post(&self) -> bool {
        matches!(self.kind, Kind::Post { .. })
    }
}

/// Classifies a message. Reads no further than necessary, and never fails or panics.
///
/// UTF-8 is not validated, and bytes that were not read are not known to be JSON; see
/// [`validate`](super::validate).
///
/// ```
/// use powerstream_core::stream::{Format, Kind, PostId, classify};
///
/// let start = br#"{"created_at":"Tue Mar 21 20:50:14 +0000 2006","id":20,"id_str":"20","te"#;
/// let class = classify(start);
/// assert!(matches!(class.kind, Kind::Post { format: Format::Legacy, .. }));
/// assert_eq!(class.post_id, Some(PostId::new(20)));
/// // Decided at `id`: the rest of the message does not matter, here not even that it is cut.
/// assert_eq!(class.bytes_read, 55);
///
/// let error = br#"{"errors":[{"title":"disconnect","disconnect_type":"SlowReader"}]}"#;
/// let class = classify(error);
/// let Kind::StreamError(problem) = class.kind else { panic!() };
/// assert_eq!(problem.disconnect_type, Some(powerstream_core::stream::DisconnectType::SlowReader));
/// ```
#[must_use]
#[inline]
pub fn classify(bytes: &[u8]) -> Classification {
    match usual_post(bytes) {
        Some((id, bytes_read)) => {
            let (kind, post_id) = post(Some(id));
            Classification { kind, post_id, bytes_read }
        }
        None => classify_any(bytes),
    }
}

/// Reads the beginning of a Post as the service writes it, without a branch for each byte:
/// `{"created_at":"`, a time, `","id":`, and the same 19 or 18 digits twice. Returns the id and the
/// number of bytes examined. Returns `None` for any other message.
#[inline]
fn usual_post(bytes: &[u8]) -> Option<(PostId, usize)> {
    const TIME: &[u8; 15] = br#"{"created_at":""#;
    const TIME_LENGTH: usize = "Tue Mar 21 20:50:14 +0000 2006".len();
    const ID: &[u8; 7] = br#"","id":"#;
    let rest = bytes.strip_prefix(TIME)?;
    let (time, rest) = rest.split_first_chunk::<TIME_LENGTH>()?;
    let rest = rest.strip_prefix(ID)?;
    if !is_plain(time) {
        return None;
    }
    let (id, length) = match twice::<19>(rest) {
        Some(id) => (id, 19),
        None => (twice::<18>(rest)?, 18),
    };
    Some((PostId::new(id), TIME.len() + TIME_LENGTH + ID.len() + length + ID_STR.len() + length + 1))
}

const ID_STR: &[u8; 11] = br#","id_str":""#;

/// Returns the number that `rest` starts with: `N` digits, [`ID_STR`], the same digits, and a
/// quote.
#[inline]
fn twice<const N: usize>(rest: &[u8]) -> Option<u64> {
    let (digits, rest) = rest.split_first_chunk::<N>()?;
    let (again, rest) = rest.strip_prefix(ID_STR)?.split_first_chunk::<N>()?;
    if digits != again || digits[0] == b'0' || rest.first() != Some(&b'"') {
        return None;
    }
    decimal(digits)
}

/// Classifies any message by its keys.
#[inline(never)]
fn classify_any(bytes: &[u8]) -> Classification {
    let mut scanner = Scanner::new(bytes);
    match decide(&mut scanner) {
        Ok((kind, post_id)) => Classification { kind, post_id, bytes_read: scanner.looked_at() },
        Err(malformed) => {
            let kind = if malformed.reason == MalformedReason::TooDeep {
                Kind::Unknown
            } else {
                Kind::Malformed(malformed)
            };
            Classification { kind, post_id: None, bytes_read: bytes.len().min(malformed.at + 1) }
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

/// The top-level keys that the rules use.
enum Name {
    Id,
    IdStr,
    /// `text`, `full_text`, `user`, `created_at`: keys that a Post has and other objects with an id
    /// lack.
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
    /// Finds a key, by length first: most keys of a Post are irrelevant, and this or one comparison
    /// rejects them.
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
            9 | 11..=14 => Compliance::common(key).map_or(Self::Other, Self::Compliance),
            _ => Self::Other,
        }
    }

    /// Returns true if the key is one of rows 3 to 12. A Post after it is then not decided before
    /// the end.
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

/// The result of the first `errors` or `data`.
#[derive(Clone, Copy, PartialEq)]
enum Slot<T> {
    Absent,
    Null,
    /// Its type is not the expected one.
    Unfit,
    Fit(T),
}

/// The keys of an object so far. In a nested `Option`, the outer one is `Some` if the key was seen.
/// The inner one is its value, if usable.
struct SeenKeys<'a> {
    id: Option<SeenId>,
    id_str: Option<Option<PostId>>,
    content: bool,
    reserved: bool,
    metadata: bool,
    errors: Slot<Problem>,
    data: Slot<()>,
    problem: ProblemBuilder<'a>,
    /// The row of highest precedence among 7 and 9 to 12, while it waits.
    waiting: Option<(u8, Kind)>,
    disconnect: bool,
    warning: bool,
    limit: bool,
    /// The key of row 8, while it is the only one.
    system: Option<(System, bool)>,
    sole: bool,
}

/// The value of `id`.
#[derive(Clone, Copy)]
struct SeenId {
    id: Option<PostId>,
    /// Small enough that no reader rounds it.
    is_exact: bool,
}

/// The number of digits that a double holds exactly.
const EXACT_DIGITS: usize = 15;

fn object(scanner: &mut Scanner<'_>) -> Result<Decision, Malformed> {
    let mut seen = SeenKeys {
        id: None,
        id_str: None,
        content: false,
        reserved: false,
        metadata: false,
        errors: Slot::Absent,
        data: Slot::Absent,
        problem: ProblemBuilder::default(),
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

impl<'a> SeenKeys<'a> {
    /// Adds the member whose key was just read. Returns the kind, if that decides it.
    #[inline]
    fn member(&mut self, key: &Text<'a>, scanner: &mut Scanner<'a>) -> Result<Option<Decision>, Malformed> {
        let name = Name::of(key.plain(&mut [0; NAME_MAX]));
        match name {
            Name::Other => scanner.skip_value()?,
            Name::Id => {
                let is_post = self.content && !self.reserved;
                let seen = if scanner.peek()?.is_ascii_digit() {
                    let digits = scanner.digits()?.unwrap_or_default();
                    let is_exact = (1..=EXACT_DIGITS).contains(&digits.len());
                    if is_post && !is_exact && self.id_str.is_none() {
                        // The service writes `id_str` directly after `id`, so this one check
                        // usually finds it.
                        if let Some(id) = scanner.decimal_behind(ID_STR, digits.len()) {
                            return Ok(Some(post(Some(PostId::new(id)))));
                        }
                    }
                    scanner.whole()?;
                    SeenId { id: decimal(digits).map(PostId::new), is_exact }
                } else {
                    unusual_id(scanner)?
                };
                self.id.get_or_insert(seen);
                if is_post {
                    return self.legacy_post(scanner).map(Some);
                }
            }
            Name::IdStr => {
                let id = id_value(scanner)?;
                self.id_str.get_or_insert(id);
                if self.content && !self.reserved {
                    return self.legacy_post(scanner).map(Some);
                }
            }
            Name::Content => {
                self.content = true;
                if self.has_id() && !self.reserved {
                    if self.is_rounded() {
                        scanner.skip_value()?;
                    }
                    return self.legacy_post(scanner).map(Some);
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

    /// Adds a member whose key does not belong to Posts.
    #[cold]
    fn rare(&mut self, name: Name, scanner: &mut Scanner<'a>) -> Result<Option<Decision>, Malformed> {
        // A repeated key, such as a second `error`, is not a second key.
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

    /// Reads the value of `data`: decides the kind if it is the first one and an object.
    fn data(&mut self, scanner: &mut Scanner<'a>) -> Result<Option<Decision>, Malformed> {
        let byte = scanner.peek()?;
        if self.data != Slot::Absent {
            scanner.skip_value()?;
            return Ok(None);
        }
        if byte != b'{' {
            scanner.skip_whole()?;
            self.data = if byte == b'n' { Slot::Null } else { Slot::Unfit };
            // With `data` of another type, rows 4 and 6 are excluded, and the rows that waited for
            // them may decide.
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
                    // Posts have a `withheld` key too (X docs: data dictionary), so this key must
                    // be the only one, as in all events.
                    Some(Compliance::Withheld) => withheld = true,
                    Some(event) => return Ok(Some(v2_event(event))),
                    None => {}
                }
            }
            keys_before += 1;
            if key == b"id" {
                let id = id_value(scanner)?;
                return Ok(Some((Kind::Post { format: Format::V2, partial_errors }, id)));
            }
            scanner.skip_value()?;
        }
        if withheld && keys_before == 1 {
            return Ok(Some(v2_event(Compliance::Withheld)));
        }
        Ok(Some((Kind::Envelope { partial_errors }, None)))
    }

    /// Decides for a kind whose value need not be read, or skips the value.
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

    /// Decides for the kind of `row`, unless a row of higher precedence may still apply.
    fn settle(&mut self, row: u8, kind: Kind) -> Option<Decision> {
        if !self.is_pending() {
            return Some((kind, None));
        }
        if self.waiting.is_none_or(|(other, _)| row < other) {
            self.waiting = Some((row, kind));
        }
        None
    }

    /// Returns true if row 4 or 6 applies so far, and only `data` can still exclude it.
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

    /// Returns true if only an `id` was seen, which may be rounded.
    #[inline]
    fn is_rounded(&self) -> bool {
        self.id_str.is_none() && self.id.is_some_and(|id| !id.is_exact)
    }

    /// Returns the Post, after a value. Reads on only if an `id_str` must be searched for.
    #[inline]
    fn legacy_post(&self, scanner: &mut Scanner<'a>) -> Result<Decision, Malformed> {
        let id_str = if self.is_rounded() { id_str_behind(scanner)? } else { self.id_str.flatten() };
        Ok(post(id_str.or_else(|| self.id?.id)))
    }

    /// Applies the rows in order of precedence at the end of the message.
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
            return post(self.id_str.flatten().or_else(|| self.id?.id));
        } else {
            Kind::Unknown
        };
        (kind, None)
    }
}

#[inline]
const fn post(id: Option<PostId>) -> Decision {
    (Kind::Post { format: Format::Legacy, partial_errors: false }, id)
}

/// Reads an id: a string of digits, or a number. In v2 all documentation shows a string; the other
/// form must not lose a Post either.
fn id_value(scanner: &mut Scanner<'_>) -> Result<Option<PostId>, Malformed> {
    let id = match scanner.peek()? {
        b'"' => scanner.string()?.decimal(),
        _ => scanner.integer()?,
    };
    Ok(id.map(PostId::new))
}

/// Reads a value of `id` that does not consist of digits only.
#[cold]
fn unusual_id(scanner: &mut Scanner<'_>) -> Result<SeenId, Malformed> {
    let is_exact = scanner.peek()? == b'"';
    Ok(SeenId { id: id_value(scanner)?, is_exact })
}

/// Reads the rest of the object for its first `id_str`, or to its end.
#[cold]
fn id_str_behind(scanner: &mut Scanner<'_>) -> Result<Option<PostId>, Malformed> {
    let mut first = false;
    while let Some(key) = scanner.next_key(&mut first)? {
        if key.plain(&mut [0; NAME_MAX]) == b"id_str" {
            return id_value(scanner);
        }
        scanner.skip_value()?;
    }
    scanner.end()?;
    Ok(None)
}

fn v2_event(event: Compliance) -> Decision {
    (Kind::Compliance { event, format: Format::V2 }, None)
}

/// Searches an object for the first value of one key. Returns whether it is present, and its value
/// if it is a plain number. With `stop`, reads no further than that.
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

#[cfg(test)]
mod tests {
    use std::format;
    use std::string::String;
    use std::vec::Vec;

    use super::*;

    fn usual(id: &str) -> String {
        format!(r#"{{"created_at":"Tue Mar 21 20:50:14 +0000 2006","id":{id},"id_str":"{id}","text":"a"}}"#)
    }

    #[test]
    fn usual_posts_take_the_short_way() {
        for (id, bytes_read) in [("932386786193547264", 100), ("1932386786193547264", 102)] {
            let found = usual_post(usual(id).as_bytes());
            assert_eq!(found, Some((PostId::new(id.parse().unwrap()), bytes_read)));
        }
    }

    #[test]
    fn short_way_and_general_way_agree_on_every_changed_or_cut_post() {
        for id in ["932386786193547264", "9999999999999999999", "12345", "0932386786193547264"] {
            let post = usual(id).into_bytes();
            assert_eq!(classify(&post), classify_any(&post));
            let mut changed: Vec<Vec<u8>> = (0..post.len()).map(|end| post[..end].to_vec()).collect();
            for at in 0..post.len() {
                for byte in *b"\0\n\r !\"\\0129:,aet{}[]\x7F\x80\xFF" {
                    let mut copy = post.clone();
                    copy[at] = byte;
                    changed.push(copy.clone());
                    // The same byte in the next block of eight as well.
                    copy.get_mut(at + 8).into_iter().for_each(|later| *later = byte);
                    changed.push(copy);
                }
                changed.push([&post[..at], &post[at + 1..]].concat());
                changed.push([&post[..at], b"1", &post[at..]].concat());
            }
            for bytes in changed {
                assert_eq!(classify(&bytes), classify_any(&bytes), "{}", String::from_utf8_lossy(&bytes));
            }
        }
        assert_eq!(usual_post(&[b'0'; 200]), None);
    }
}
