//! A value inside a JSON text whose position is known, but which is not parsed.
//!
//! A string, a number or a literal is read completely when it is found. It is therefore known to be
//! complete, and its text is borrowed at no further cost. Only the first byte of an object or array
//! is read. The rest is read when a member is requested, and only up to that member. A lookup by a
//! path therefore costs the bytes before its end. The bytes after it may be anything.

use core::fmt;
use core::iter::FusedIterator;

use super::text::JsonStr;
use crate::stream::json::{Malformed, Scanner, Text, decimal};

/// A value inside a JSON text, borrowed from it. It is `Copy` and has the size of three words. Its
/// kind is always correct.
///
/// Lookups never fail: a value that is absent, of another kind, or preceded by invalid JSON is
/// `None`. Each lookup is one forward scan from the value's start. To find several members in one
/// scan use [`fields`](Self::fields).
///
/// The first of duplicate keys counts. Keys are compared after decoding. A scan skips at most
/// [`DEPTH_MAX`](crate::stream::DEPTH_MAX) nested objects and arrays, including the outer one.
/// Deeper values can be reached step by step, but not skipped.
///
/// ```
/// use powerstream_core::post::Value;
///
/// let json = br#"{"a":{"b":[1,2.5,"three"]},"c":true, and the rest is not read"#;
/// let value = Value::new(json).unwrap();
/// let mut elements = value.path(&["a", "b"]).unwrap().elements();
/// assert_eq!(elements.next().unwrap().as_u64(), Some(1));
/// assert_eq!(elements.next().unwrap().as_f64(), Some(2.5));
/// assert!(elements.next().unwrap().as_str().unwrap() == "three");
/// assert!(elements.next().is_none());
///
/// let [c, d] = value.fields(["c", "d"]);
/// assert_eq!(c.unwrap().as_bool(), Some(true));
/// assert!(d.is_none());
/// ```
#[derive(Clone, Copy)]
pub struct Value<'a>(Repr<'a>);

#[derive(Clone, Copy)]
enum Repr<'a> {
    Null,
    Bool(bool),
    Number(&'a [u8]),
    String(JsonStr<'a>),
    /// The input from the opening bracket to the end.
    Array(&'a [u8]),
    /// The input from the opening brace to the end.
    Object(&'a [u8]),
}

/// The kinds of JSON values (RFC 8259 section 3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(clippy::exhaustive_enums, reason = "JSON is finished")]
pub enum ValueKind {
    /// `null`
    Null,
    /// `true` or `false`
    Bool,
    /// A number.
    Number,
    /// A string.
    String,
    /// An array.
    Array,
    /// An object.
    Object,
}

impl<'a> Value<'a> {
    /// Returns the value in `bytes`, ignoring white space around it. Returns `None` if there is no
    /// value. Only the first byte of an object or array is read.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Option<Self> {
        let mut cursor = Cursor::new(bytes);
        let byte = cursor.scanner.peek().ok()?;
        if let Some(container) = cursor.container(byte) {
            return Some(container);
        }
        let value = match byte {
            b'"' => Repr::String(cursor.scanner.string().ok()?.into()),
            // A number or literal may extend to the end of the input only if it is the whole input.
            _ => {
                let rest = cursor.rest();
                let start = cursor.scanner.at();
                cursor.scanner.skip_value().ok()?;
                bare(byte, rest.get(..cursor.scanner.at() - start)?)
            }
        };
        cursor.scanner.end().ok()?;
        Some(Self(value))
    }

    /// Returns the kind of the value, from its first byte.
    #[must_use]
    pub const fn kind(&self) -> ValueKind {
        match self.0 {
            Repr::Null => ValueKind::Null,
            Repr::Bool(_) => ValueKind::Bool,
            Repr::Number(_) => ValueKind::Number,
            Repr::String(_) => ValueKind::String,
            Repr::Array(_) => ValueKind::Array,
            Repr::Object(_) => ValueKind::Object,
        }
    }

    /// Returns true if the value is `null`.
    #[must_use]
    pub const fn is_null(&self) -> bool {
        matches!(self.0, Repr::Null)
    }

    /// Returns the value of `true` or `false`.
    #[must_use]
    pub const fn as_bool(&self) -> Option<bool> {
        if let Repr::Bool(truth) = self.0 { Some(truth) } else { None }
    }

    /// Returns the string, still escaped, if the value is a string.
    #[must_use]
    pub const fn as_str(&self) -> Option<JsonStr<'a>> {
        if let Repr::String(text) = self.0 { Some(text) } else { None }
    }

    /// Returns the number, if it consists of digits only and is below 2^64. `1.0` and `1e3` are
    /// `None`.
    #[must_use]
    pub fn as_u64(&self) -> Option<u64> {
        if let Repr::Number(digits) = self.0 { decimal(digits) } else { None }
    }

    /// Returns the number, if it consists of digits and an optional minus sign, and fits. Counts of
    /// a Post may be -1 (X docs: enterprise data dictionary).
    #[must_use]
    pub fn as_i64(&self) -> Option<i64> {
        let Repr::Number(number) = self.0 else { return None };
        match number.strip_prefix(b"-") {
            Some(digits) => 0_i64.checked_sub_unsigned(decimal(digits)?),
            None => decimal(number).and_then(|number| i64::try_from(number).ok()),
        }
    }

    /// Returns the number, rounded to the nearest `f64`. Returns `None` if the value is not a
    /// number, or too large for an `f64`.
    #[must_use]
    pub fn as_f64(&self) -> Option<f64> {
        let Repr::Number(number) = self.0 else { return None };
        let number: f64 = core::str::from_utf8(number).ok()?.parse().ok()?;
        number.is_finite().then_some(number)
    }

    /// Returns the id: a string or number of digits only, below 2^64. Numbers that a reader with 53
    /// bits has processed are rounded (X docs: "X IDs"), so prefer keys that end in `_str`.
    #[must_use]
    pub fn as_id(&self) -> Option<u64> {
        match self.0 {
            Repr::String(text) => text.decimal(),
            _ => self.as_u64(),
        }
    }

    /// Returns the value itself, if it is an object.
    pub(super) fn object(self) -> Option<Self> {
        matches!(self.0, Repr::Object(_)).then_some(self)
    }

    /// Returns the value itself, if it is an array.
    pub(super) fn array(self) -> Option<Self> {
        matches!(self.0, Repr::Array(_)).then_some(self)
    }

    /// Returns the number as received, if the value is a number, for readers that need more than 64
    /// bits.
    #[must_use]
    pub fn as_number(&self) -> Option<&'a str> {
        if let Repr::Number(number) = self.0 { core::str::from_utf8(number).ok() } else { None }
    }

    /// Reads the whole value and returns its bytes. For a string, returns the bytes between its
    /// quotes. Returns `None` for an object or array that is invalid JSON or nested too deeply.
    #[must_use]
    pub fn raw(&self) -> Option<&'a [u8]> {
        match self.0 {
            Repr::Null => Some(b"null"),
            Repr::Bool(true) => Some(b"true"),
            Repr::Bool(false) => Some(b"false"),
            Repr::Number(number) => Some(number),
            Repr::String(text) => Some(text.raw()),
            Repr::Array(bytes) | Repr::Object(bytes) => {
                let mut scanner = Scanner::new(bytes);
                scanner.skip_value().ok()?;
                bytes.get(..scanner.at())
            }
        }
    }

    /// Returns the member of an object with this key. Reads from the object's start to that member.
    #[must_use]
    #[inline]
    pub fn get(&self, key: &str) -> Option<Self> {
        self.find(key.as_bytes()).ok().flatten()
    }

    fn find(&self, wanted: &[u8]) -> Result<Option<Self>, Malformed> {
        let Repr::Object(bytes) = self.0 else { return Ok(None) };
        let mut cursor = Cursor::new(bytes);
        cursor.open()?;
        let mut first = true;
        while let Some(key) = cursor.scanner.next_key(&mut first)? {
            if JsonStr::from(key).is_name(wanted) {
                return cursor.value().map(Some);
            }
            cursor.scanner.skip_value()?;
        }
        Ok(None)
    }

    /// Returns the value at the end of a path of keys, as repeated [`get`](Self::get) would.
    /// Returns the value itself if the path is empty.
    #[must_use]
    pub fn path(&self, keys: &[&str]) -> Option<Self> {
        keys.iter().try_fold(*self, |value, key| value.get(key))
    }

    /// Returns the members of an object with these keys, in the order of `keys`. One scan finds
    /// them, and ends at the last of them. All are `None` if the value is not an object. If it is
    /// not valid JSON to its end, those before the error are found. At most 255 keys, checked at
    /// compile time.
    #[must_use]
    #[inline]
    pub fn fields<const N: usize>(&self, keys: [&str; N]) -> [Option<Self>; N] {
        self.fields_until(keys, |_| false)
    }

    /// Returns the same as [`Self::fields`], but ends the scan as soon as `enough` returns true.
    /// `enough` is called after each member found.
    #[inline]
    pub(super) fn fields_until<const N: usize>(
        &self,
        keys: [&str; N],
        enough: impl Fn(&[Option<Self>]) -> bool,
    ) -> [Option<Self>; N] {
        const { assert!(N < 256, "at most 255 keys") };
        let mut found = [None; N];
        if let (Repr::Object(bytes), true) = (self.0, N > 0) {
            let mut links = [0; N];
            let wanted = KeyTable::new(&keys, &mut links);
            let enough = |missing, found: &[Option<Self>]| missing == 0 || enough(found);
            // Malformed input ends the scan, like the end of the object.
            let _ = Cursor::new(bytes).find(&wanted, &mut found, enough, |_, cursor| cursor.skip());
        }
        found
    }

    /// Writes the values to `found`, which must have one `None` for each key. At most 255 keys. In
    /// the same scan, finds the values of `inner_keys` in the object that is the value of the key
    /// at `inner`. Returns `None` if there is no such object, or if it is malformed.
    pub(super) fn fill<const N: usize>(
        &self,
        keys: &[&str],
        found: &mut [Option<Self>],
        inner: usize,
        inner_keys: [&str; N],
    ) -> Option<[Option<Self>; N]> {
        let Repr::Object(bytes) = self.0 else { return None };
        let (mut links, mut inner_links) = ([0; 255], [0; N]);
        let wanted = KeyTable::new(keys, &mut links);
        let inner_wanted = KeyTable::new(&inner_keys, &mut inner_links);
        let mut inner_found = None;
        let _ = Cursor::new(bytes).find(
            &wanted,
            found,
            |_, _| false,
            |slot, cursor| {
                if slot != inner || cursor.scanner.peek()? != b'{' {
                    return cursor.skip();
                }
                let mut values = [None; N];
                cursor.find(&inner_wanted, &mut values, |_, _| false, |_, cursor| cursor.skip())?;
                inner_found = Some(values);
                Ok(())
            },
        );
        inner_found
    }

    fn is_container(self) -> bool {
        matches!(self.0, Repr::Array(_) | Repr::Object(_))
    }

    /// Returns the elements of an array in order; none if it is not an array. Ends at the first
    /// byte that is not JSON.
    #[must_use]
    pub fn elements(&self) -> Elements<'a> {
        Elements(match self.0 {
            Repr::Array(bytes) => Walk::new(bytes),
            _ => Walk::nothing(),
        })
    }

    /// Returns the objects of an array, each with the values of these keys. Reads each object once.
    pub(super) fn objects<const N: usize>(
        &self,
        keys: [&'static str; N],
    ) -> impl Iterator<Item = (Self, [Option<Self>; N])> + use<'a, N> {
        let mut walk = self.elements().0;
        core::iter::from_fn(move || {
            let object = core::iter::from_fn(|| walk.next_element()).find_map(Self::object)?;
            let (mut found, mut links) = ([None; N], [0; N]);
            let wanted = KeyTable::new(&keys, &mut links);
            let read = walk.cursor.find(&wanted, &mut found, |_, _| false, |_, cursor| cursor.skip());
            if read.is_err() {
                // The values before the first invalid byte.
                walk.position = Position::After;
                return Some((object, object.fields(keys)));
            }
            walk.position = Position::Inside { unread: false };
            Some((object, found))
        })
    }

    /// Returns the members of an object in order, with duplicates; none if it is not an object.
    /// Ends at the first byte that is not JSON.
    #[must_use]
    pub fn members(&self) -> Members<'a> {
        Members(match self.0 {
            Repr::Object(bytes) => Walk::new(bytes),
            _ => Walk::nothing(),
        })
    }
}

impl fmt::Debug for Value<'_> {
    /// Shows only the kind: Posts do not belong in logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Value").field(&self.kind()).finish()
    }
}

/// Returns the id from the string, or else from the number.
pub(super) fn either_id(string: Option<Value<'_>>, number: Option<Value<'_>>) -> Option<u64> {
    string.and_then(|id| id.as_id()).or_else(|| number?.as_id())
}

/// The requested keys, hashed so that a key of the message is found in one or two steps, regardless
/// of their number.
///
/// A Post has about forty keys. Comparing each with seventeen takes a fifth of the scan.
struct KeyTable<'k> {
    keys: &'k [&'k str],
    /// For each mark, the first key with that mark, counted from 1.
    heads: [u8; MARKS],
    /// For each key, the next key with the same mark, counted from 1.
    links: &'k [u8],
}

const MARKS: usize = 128;

impl<'k> KeyTable<'k> {
    #[inline]
    fn new(keys: &'k [&'k str], links: &'k mut [u8]) -> Self {
        let mut heads = [0; MARKS];
        // In reverse, so that each list is in the order of the keys.
        for (index, (key, link)) in keys.iter().zip(links.iter_mut()).enumerate().rev() {
            if let (Some(head), Ok(number)) = (heads.get_mut(mark(key.as_bytes())), u8::try_from(index + 1)) {
                *link = core::mem::replace(head, number);
            }
        }
        Self { keys, heads, links }
    }

    /// Returns the first requested key that equals this key of the message.
    #[inline]
    fn find(&self, key: &Text<'_>) -> Option<usize> {
        if key.escaped {
            return self.keys.iter().position(|wanted| JsonStr::from(*key).is_name(wanted.as_bytes()));
        }
        let head = self.heads.get(mark(key.raw)).copied().unwrap_or_default();
        self.follow(head, key)
    }

    /// Returns the next requested key that equals it.
    fn after(&self, index: usize, key: &Text<'_>) -> Option<usize> {
        self.follow(self.links.get(index).copied().unwrap_or_default(), key)
    }

    #[inline]
    fn follow(&self, mut number: u8, key: &Text<'_>) -> Option<usize> {
        loop {
            let index = usize::from(number.checked_sub(1)?);
            if JsonStr::from(*key).is_name(self.keys.get(index)?.as_bytes()) {
                return Some(index);
            }
            number = self.links.get(index).copied().unwrap_or_default();
        }
    }
}

/// Returns a number below [`MARKS`], computed from a key's length, its first and its last byte.
#[inline]
fn mark(key: &[u8]) -> usize {
    let first = key.first().copied().unwrap_or_default();
    let last = key.last().copied().unwrap_or_default();
    let mixed =
        usize::from(first).wrapping_mul(7) ^ usize::from(last).wrapping_mul(3) ^ key.len().wrapping_mul(5);
    mixed % MARKS
}

/// Returns the value of a number or literal that has been read and starts with `byte`.
#[inline]
fn bare(byte: u8, bytes: &[u8]) -> Repr<'_> {
    match byte {
        b'n' => Repr::Null,
        b't' => Repr::Bool(true),
        b'f' => Repr::Bool(false),
        _ => Repr::Number(bytes),
    }
}

/// A scanner with the bytes from its position.
struct Cursor<'a> {
    bytes: &'a [u8],
    scanner: Scanner<'a>,
}

impl<'a> Cursor<'a> {
    #[inline]
    fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, scanner: Scanner::new(bytes) }
    }

    #[inline]
    fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.scanner.at()..).unwrap_or_default()
    }

    /// Enters the container that the bytes start with.
    #[inline]
    fn open(&mut self) -> Result<(), Malformed> {
        self.scanner.peek()?;
        self.scanner.enter()
    }

    /// Reads the object at the cursor, to its end or until `enough`, which gets the number of keys
    /// that are still missing. Writes the first value of each key to `found`. Each array or object
    /// that is such a value is read by `container`, which gets the index of its key.
    #[inline]
    fn find(
        &mut self,
        wanted: &KeyTable<'_>,
        found: &mut [Option<Value<'a>>],
        enough: impl Fn(usize, &[Option<Value<'a>>]) -> bool,
        mut container: impl FnMut(usize, &mut Self) -> Result<(), Malformed>,
    ) -> Result<(), Malformed> {
        let mut missing = found.len();
        self.open()?;
        let mut first = true;
        while let Some(key) = self.scanner.next_key(&mut first)? {
            let Some(slot) = wanted.find(&key) else {
                self.skip()?;
                continue;
            };
            if found.get(slot).is_none_or(Option::is_some) {
                self.skip()?;
                continue;
            }
            let value = self.value()?;
            // If a key is requested twice, both places get its value.
            let mut next = Some(slot);
            while let Some(slot) = next {
                if let Some(empty) = found.get_mut(slot) {
                    *empty = Some(value);
                    missing -= 1;
                }
                next = wanted.after(slot, &key);
            }
            if enough(missing, found) {
                return Ok(());
            }
            if value.is_container() {
                container(slot, self)?;
            }
        }
        Ok(())
    }

    #[inline]
    fn skip(&mut self) -> Result<(), Malformed> {
        self.scanner.skip_value()
    }

    /// Returns the object or array that starts here with `byte`, left unread.
    #[inline]
    fn container(&self, byte: u8) -> Option<Value<'a>> {
        match byte {
            b'{' => Some(Value(Repr::Object(self.rest()))),
            b'[' => Some(Value(Repr::Array(self.rest()))),
            _ => None,
        }
    }

    /// Returns the value inside a container. An object or array is left unread.
    #[inline]
    fn value(&mut self) -> Result<Value<'a>, Malformed> {
        let byte = self.scanner.peek()?;
        if byte == b'"' {
            return Ok(Value(Repr::String(self.scanner.string()?.into())));
        }
        if let Some(container) = self.container(byte) {
            return Ok(container);
        }
        let (start, rest) = (self.scanner.at(), self.rest());
        self.scanner.skip_whole()?;
        Ok(Value(bare(byte, rest.get(..self.scanner.at() - start).unwrap_or_default())))
    }
}

/// Iterates over the values of one container.
struct Walk<'a> {
    cursor: Cursor<'a>,
    position: Position,
}

#[derive(Clone, Copy, PartialEq)]
enum Position {
    Before,
    /// The position after the last value, or before it if it is an object or array.
    Inside {
        unread: bool,
    },
    After,
}

impl<'a> Walk<'a> {
    fn new(bytes: &'a [u8]) -> Self {
        Self { cursor: Cursor::new(bytes), position: Position::Before }
    }

    fn nothing() -> Self {
        Self { cursor: Cursor::new(&[]), position: Position::After }
    }

    /// Advances to the next value. `step` reads up to it, and returns `None` at the container's
    /// end.
    fn next<T>(
        &mut self,
        step: impl FnOnce(&mut Scanner<'a>, &mut bool) -> Result<Option<T>, Malformed>,
    ) -> Option<(T, Value<'a>)> {
        let position = core::mem::replace(&mut self.position, Position::After);
        let mut first = false;
        match position {
            Position::Before => {
                self.cursor.open().ok()?;
                first = true;
            }
            Position::Inside { unread: true } => self.cursor.scanner.skip_value().ok()?,
            Position::Inside { unread: false } => {}
            Position::After => return None,
        }
        let key = step(&mut self.cursor.scanner, &mut first).ok()??;
        let value = self.cursor.value().ok()?;
        self.position = Position::Inside { unread: value.is_container() };
        Some((key, value))
    }

    fn next_element(&mut self) -> Option<Value<'a>> {
        let next = self.next(|scanner, first| Ok(if scanner.next_element(first)? { Some(()) } else { None }));
        next.map(|((), value)| value)
    }
}

/// Iterator over the elements of an array, created by [`Value::elements`].
pub struct Elements<'a>(Walk<'a>);

impl<'a> Iterator for Elements<'a> {
    type Item = Value<'a>;

    fn next(&mut self) -> Option<Value<'a>> {
        self.0.next_element()
    }
}

impl FusedIterator for Elements<'_> {}

impl fmt::Debug for Elements<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Elements").field("at", &self.0.cursor.scanner.at()).finish_non_exhaustive()
    }
}

/// Iterator over the members of an object, created by [`Value::members`].
pub struct Members<'a>(Walk<'a>);

impl<'a> Iterator for Members<'a> {
    type Item = (JsonStr<'a>, Value<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        let (key, value): (Text<'a>, _) = self.0.next(|scanner, first| scanner.next_key(first))?;
        Some((key.into(), value))
    }
}

impl FusedIterator for Members<'_> {}

impl fmt::Debug for Members<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Members").field("at", &self.0.cursor.scanner.at()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::post::keys::FORMATS;

    #[test]
    fn every_key_of_a_post_is_found_in_two_steps() {
        for keys in FORMATS {
            let mut counts = [0; MARKS];
            keys.iter().for_each(|key| counts[mark(key.as_bytes())] += 1);
            assert!(counts.iter().all(|count| *count <= 2), "{keys:?}");
        }
    }
}
