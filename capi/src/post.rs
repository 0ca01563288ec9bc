//! The fields of a Post, parsed on demand.

use std::ffi::{c_char, c_void};

use powerstream_core::post::{JsonStr, Post, Value, ValueKind};

use crate::border::{Outcome, bytes, guard, ps_bytes, put, slice_mut, text};
use crate::status::ps_status;

/// The kinds of JSON values.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ps_value_kind {
    /// null
    Null = 0,
    /// true or false
    Bool = 1,
    /// A number.
    Number = 2,
    /// A string.
    String = 3,
    /// An array.
    Array = 4,
    /// An object.
    Object = 5,
}

/// A JSON value of a message. Its views lie in the message.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct ps_value {
    /// The kind of the value.
    pub kind: ps_value_kind,
    /// True if `text` has JSON escapes: `ps_value_text` decodes them.
    pub is_escaped: bool,
    /// The value as it is written, strings with their quotes.
    pub json: ps_bytes,
    /// A string's content, still escaped; empty for other kinds.
    pub text: ps_bytes,
}

/// The author of a Post.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct ps_author {
    /// The id; 0 if absent.
    pub id: u64,
    /// The name after the @; of the kind `PS_VALUE_KIND_NULL` if absent.
    pub screen_name: ps_value,
    /// The display name.
    pub name: ps_value,
}

const NONE: ps_value =
    ps_value { kind: ps_value_kind::Null, is_escaped: false, json: ps_bytes::EMPTY, text: ps_bytes::EMPTY };

/// The most keys of a path.
const KEYS_MAX: usize = 16;

/// Returns the value of a string that lies in `message`.
fn string(text: JsonStr<'_>, message: &[u8]) -> ps_value {
    let raw = text.raw();
    let start = raw.as_ptr().addr().wrapping_sub(message.as_ptr().addr());
    // The quotes are beside the content.
    let json = message.get(start.wrapping_sub(1)..start.saturating_add(raw.len() + 1));
    ps_value {
        kind: ps_value_kind::String,
        is_escaped: text.is_escaped(),
        json: ps_bytes::optional(json),
        text: ps_bytes::new(raw),
    }
}

fn value(value: Value<'_>, message: &[u8]) -> ps_value {
    let kind = match value.kind() {
        ValueKind::Null => ps_value_kind::Null,
        ValueKind::Bool => ps_value_kind::Bool,
        ValueKind::Number => ps_value_kind::Number,
        ValueKind::String => return value.as_str().map_or(NONE, |text| string(text, message)),
        ValueKind::Array => ps_value_kind::Array,
        ValueKind::Object => ps_value_kind::Object,
    };
    ps_value { kind, is_escaped: false, json: ps_bytes::optional(value.raw()), text: ps_bytes::EMPTY }
}

/// Writes a field of the Post in a message.
///
/// # Safety
/// `message` has `len` readable bytes or is null, and `out` is null or valid for a write.
unsafe fn field<T>(
    message: *const c_void,
    len: usize,
    out: *mut T,
    find: impl FnOnce(Post<'_>, &[u8]) -> Option<T>,
) -> ps_status {
    guard(|| {
        // SAFETY: as the caller promises.
        let message = unsafe { bytes(message, len) }?;
        if out.is_null() {
            return Err(ps_status::Null.into());
        }
        let Some(found) = find(Post::new(message), message) else { return Ok(ps_status::Absent) };
        // SAFETY: as the caller promises.
        unsafe { put(out, found) };
        Ok(ps_status::Ok)
    })
}

/// Returns the id of the Post in a message. `message.post_id` of an event has it already.
///
/// Like all `ps_post_` functions: takes a message of either format; allocates nothing; reads up to
/// the field, at most once through the message; any thread.
///
/// Returns `PS_STATUS_OK`, `PS_STATUS_ABSENT`, or `PS_STATUS_NULL`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ps_post_id(message: *const c_void, len: usize, id: *mut u64) -> ps_status {
    // SAFETY: the caller passes `len` readable bytes and a place for the result.
    unsafe { field(message, len, id, |post, _| post.id().map(|id| id.as_u64())) }
}

/// Returns the complete text of a Post. `&`, `<` and `>` are written as HTML entities. See
/// `ps_value_text`.
///
/// Returns `PS_STATUS_OK`, `PS_STATUS_ABSENT`, or `PS_STATUS_NULL`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ps_post_text(message: *const c_void, len: usize, text: *mut ps_value) -> ps_status {
    // SAFETY: the caller passes `len` readable bytes and a place for the result.
    unsafe { field(message, len, text, |post, message| post.text().map(|text| string(text, message))) }
}

/// Returns the author of a Post. Version 2: from `includes.users`, which may lack the author.
///
/// Returns `PS_STATUS_OK`, `PS_STATUS_ABSENT`, or `PS_STATUS_NULL`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ps_post_author(
    message: *const c_void,
    len: usize,
    author: *mut ps_author,
) -> ps_status {
    let find = |post: Post<'_>, message: &[u8]| {
        let author = post.author();
        let id = author.and_then(|author| author.id()).or_else(|| post.author_id())?;
        let name = |name: Option<JsonStr<'_>>| name.map_or(NONE, |name| string(name, message));
        Some(ps_author {
            id,
            screen_name: name(author.and_then(|author| author.screen_name())),
            name: name(author.and_then(|author| author.name())),
        })
    };
    // SAFETY: the caller passes `len` readable bytes and a place for the result.
    unsafe { field(message, len, author, find) }
}

/// Returns when a Post was created, in Unix milliseconds, from its id.
///
/// Returns `PS_STATUS_OK`, `PS_STATUS_NULL`, or `PS_STATUS_ABSENT`, also for ids from before
/// November 2010.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ps_post_created_at(
    message: *const c_void,
    len: usize,
    created_at_ms: *mut u64,
) -> ps_status {
    let find = |post: Post<'_>, _: &[u8]| post.id()?.created_at().map(|time| time.as_millis());
    // SAFETY: the caller passes `len` readable bytes and a place for the result.
    unsafe { field(message, len, created_at_ms, find) }
}

/// Returns the code of a Post's language; `und` if the service found none.
///
/// Returns `PS_STATUS_OK`, `PS_STATUS_ABSENT`, or `PS_STATUS_NULL`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ps_post_lang(message: *const c_void, len: usize, lang: *mut ps_value) -> ps_status {
    // SAFETY: the caller passes `len` readable bytes and a place for the result.
    unsafe { field(message, len, lang, |post, message| post.lang().map(|text| string(text, message))) }
}

/// Returns the value at a path in a message: keys separated by dots, such as
/// `user.followers_count`, at most 16. The path starts at the object of the whole message, so in
/// version 2 with `data`.
///
/// Returns `PS_STATUS_OK`, `PS_STATUS_ABSENT`, `PS_STATUS_NULL`, `PS_STATUS_UTF8`, or
/// `PS_STATUS_ARGUMENT` for a longer path.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ps_post_value(
    message: *const c_void,
    len: usize,
    path: *const c_char,
    path_len: usize,
    value: *mut ps_value,
) -> ps_status {
    guard(|| {
        // SAFETY: the caller passes readable bytes of these lengths.
        let (message, path) = unsafe { (bytes(message, len)?, text(path, path_len)?) };
        if value.is_null() {
            return Err(ps_status::Null.into());
        }
        let (mut keys, mut count) = ([""; KEYS_MAX], 0);
        for key in path.split('.') {
            *keys.get_mut(count).ok_or(ps_status::Argument)? = key;
            count += 1;
        }
        let found = Value::new(message).and_then(|root| root.path(&keys[..count]));
        let Some(found) = found else { return Ok(ps_status::Absent) };
        // SAFETY: the caller passes a place for the result.
        unsafe { put(value, self::value(found, message)) };
        Ok(ps_status::Ok)
    })
}

fn parsed<'a>(value: &ps_value) -> Outcome<Value<'a>> {
    // SAFETY: the caller passes a value of a message that it has kept.
    let json = unsafe { bytes(value.json.data.cast(), value.json.len) }?;
    Value::new(json).ok_or_else(|| ps_status::Argument.into())
}

/// Decodes the JSON escapes of a string. Without escapes, `decoded` lies in the message, and the
/// buffer may be null. With escapes, the text is written to `buffer`: `value->text.len` bytes
/// always fit. Invalid UTF-8 becomes U+FFFD, if the string has escapes.
///
/// Returns `PS_STATUS_OK`, `PS_STATUS_NULL`, `PS_STATUS_SPACE`, or `PS_STATUS_ARGUMENT` if the
/// value is no string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ps_value_text(
    value: *const ps_value,
    buffer: *mut c_char,
    len: usize,
    decoded: *mut ps_bytes,
) -> ps_status {
    guard(|| {
        // SAFETY: the caller passes a value, `len` writable bytes, and a place for the result.
        let (value, buffer) = unsafe { (value.as_ref(), slice_mut::<u8>(buffer.cast(), len)?) };
        let Some(value) = value.filter(|_| !decoded.is_null()) else { return Err(ps_status::Null.into()) };
        if value.kind != ps_value_kind::String {
            return Err(ps_status::Argument.into());
        }
        let text = if value.is_escaped {
            let string = parsed(value)?.as_str().ok_or(ps_status::Argument)?;
            ps_bytes::new(string.unescape(buffer).ok_or(ps_status::Space)?.as_bytes())
        } else {
            value.text
        };
        // SAFETY: as above.
        unsafe { put(decoded, text) };
        Ok(ps_status::Ok)
    })
}

/// Returns a number that is no fraction and not negative, or an id written as a string.
///
/// Returns `PS_STATUS_OK`, `PS_STATUS_NULL`, or `PS_STATUS_ABSENT` if the value is no such number.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ps_value_u64(value: *const ps_value, number: *mut u64) -> ps_status {
    guard(|| {
        // SAFETY: the caller passes a value.
        let Some(value) = (unsafe { value.as_ref() }) else { return Err(ps_status::Null.into()) };
        let value = parsed(value)?;
        let Some(found) = value.as_id().or_else(|| value.as_u64()) else { return Ok(ps_status::Absent) };
        // SAFETY: the caller passes a place for the result.
        unsafe { put(number, found) };
        Ok(ps_status::Ok)
    })
}

/// Returns a number as a double.
///
/// Returns `PS_STATUS_OK`, `PS_STATUS_NULL`, or `PS_STATUS_ABSENT` if the value is no number.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ps_value_f64(value: *const ps_value, number: *mut f64) -> ps_status {
    guard(|| {
        // SAFETY: the caller passes a value.
        let Some(value) = (unsafe { value.as_ref() }) else { return Err(ps_status::Null.into()) };
        let Some(found) = parsed(value)?.as_f64() else { return Ok(ps_status::Absent) };
        // SAFETY: the caller passes a place for the result.
        unsafe { put(number, found) };
        Ok(ps_status::Ok)
    })
}
