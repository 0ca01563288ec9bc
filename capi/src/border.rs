//! What every function does at the border: checks pointers, catches panics, keeps the last error.

use std::ffi::{c_char, c_void};
use std::fmt::Display;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::status::ps_status;

/// Bytes that belong to the library or to the caller. They are not terminated by NUL.
///
/// The function that returns a view says how long it is valid. An empty view may have a null
/// pointer.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct ps_bytes {
    /// The first byte.
    pub data: *const c_char,
    /// The number of bytes.
    pub len: usize,
}

/// Bytes of the library that the caller may write to.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct ps_buffer {
    /// The first byte.
    pub data: *mut c_void,
    /// The number of bytes.
    pub len: usize,
}

impl ps_bytes {
    pub(crate) const EMPTY: Self = Self { data: std::ptr::null(), len: 0 };

    #[inline]
    pub(crate) const fn new(bytes: &[u8]) -> Self {
        Self { data: bytes.as_ptr().cast(), len: bytes.len() }
    }

    pub(crate) fn optional(bytes: Option<&[u8]>) -> Self {
        bytes.map_or(Self::EMPTY, Self::new)
    }
}

impl ps_buffer {
    pub(crate) const EMPTY: Self = Self { data: std::ptr::null_mut(), len: 0 };

    pub(crate) fn new(bytes: &mut [u8]) -> Self {
        Self { data: bytes.as_mut_ptr().cast(), len: bytes.len() }
    }
}

/// Why a call failed: the status, and a text that says more than the status.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) status: ps_status,
    text: Option<String>,
}

impl Failure {
    #[cold]
    pub(crate) fn new(status: ps_status, text: impl Display) -> Self {
        Self { status, text: Some(text.to_string()) }
    }
}

impl From<ps_status> for Failure {
    fn from(status: ps_status) -> Self {
        Self { status, text: None }
    }
}

pub(crate) type Outcome<T = ()> = Result<T, Failure>;

/// The text of the last failed call on a handle.
#[derive(Debug, Default)]
pub(crate) struct LastError(Option<Failure>);

impl LastError {
    pub(crate) fn text(&self) -> &str {
        match &self.0 {
            None => "",
            Some(Failure { text: Some(text), .. }) => text,
            Some(Failure { status, text: None }) => status.text(),
        }
    }
}

/// A handle that keeps its last error.
pub(crate) trait Handle {
    fn last_error(&mut self) -> &mut LastError;
}

/// Runs `body` on a handle, and stores its error there.
///
/// # Safety
/// `handle` is null, or a live handle that no other call uses.
#[inline]
pub(crate) unsafe fn with<H: Handle>(
    handle: *mut H,
    body: impl FnOnce(&mut H) -> Outcome<ps_status>,
) -> ps_status {
    // SAFETY: as the caller promises.
    let Some(handle) = (unsafe { handle.as_mut() }) else { return ps_status::Null };
    match catch_unwind(AssertUnwindSafe(|| body(handle))) {
        Ok(Ok(status)) => status,
        Ok(Err(failure)) => fail(handle, failure),
        Err(_) => fail(handle, ps_status::Panic.into()),
    }
}

#[cold]
fn fail<H: Handle>(handle: &mut H, failure: Failure) -> ps_status {
    let status = failure.status;
    handle.last_error().0 = Some(failure);
    status
}

/// Runs `body` on a handle, as [`with`], for a `body` that cannot fail.
///
/// # Safety
/// As [`with`].
#[inline]
pub(crate) unsafe fn infallible<H: Handle>(handle: *mut H, body: impl FnOnce(&mut H)) -> ps_status {
    let body = |handle: &mut H| {
        body(handle);
        Ok(ps_status::Ok)
    };
    // SAFETY: as the caller promises.
    unsafe { with(handle, body) }
}

/// Runs a `body` without a handle.
#[inline]
pub(crate) fn guard(body: impl FnOnce() -> Outcome<ps_status>) -> ps_status {
    match catch_unwind(AssertUnwindSafe(body)) {
        Ok(Ok(status)) => status,
        Ok(Err(failure)) => failure.status,
        Err(_) => ps_status::Panic,
    }
}

/// Reads from a handle. Returns `otherwise` for a null handle or after a panic.
///
/// # Safety
/// `handle` is null, or a live handle that no other call changes.
#[inline]
pub(crate) unsafe fn read<H, T>(handle: *const H, otherwise: T, body: impl FnOnce(&H) -> T) -> T {
    // SAFETY: as the caller promises.
    let Some(handle) = (unsafe { handle.as_ref() }) else { return otherwise };
    catch_unwind(AssertUnwindSafe(|| body(handle))).unwrap_or(otherwise)
}

/// Returns the text of the last failed call on the handle; empty for null.
///
/// # Safety
/// As [`with`].
pub(crate) unsafe fn last_error<H: Handle>(handle: *mut H) -> ps_bytes {
    // SAFETY: as the caller promises.
    match unsafe { handle.as_mut() } {
        Some(handle) => ps_bytes::new(handle.last_error().text().as_bytes()),
        None => ps_bytes::EMPTY,
    }
}

/// Gives a new handle to the caller.
///
/// # Safety
/// `out` is null, or valid for a write.
pub(crate) unsafe fn give<H>(out: *mut *mut H, create: impl FnOnce() -> Outcome<H>) -> Outcome<ps_status> {
    if out.is_null() {
        return Err(ps_status::Null.into());
    }
    let result = create().map(|handle| Box::into_raw(Box::new(handle)));
    // SAFETY: not null, so the caller promises that it is valid.
    unsafe { out.write(*result.as_ref().unwrap_or(&std::ptr::null_mut())) };
    result.map(|_| ps_status::Ok)
}

/// Frees a handle. Does nothing for null.
///
/// # Safety
/// `handle` is null, or came from [`give`] and is used by nothing else, now or later.
pub(crate) unsafe fn free<H>(handle: *mut H) {
    if !handle.is_null() {
        // SAFETY: it came from `Box::into_raw`, and the caller gives it back.
        let handle = unsafe { Box::from_raw(handle) };
        // A destructor that panics must not unwind into C.
        let _ = catch_unwind(AssertUnwindSafe(|| drop(handle)));
    }
}

/// Writes a result, if the caller wants it.
///
/// # Safety
/// `out` is null, or valid for a write.
#[inline]
pub(crate) unsafe fn put<T>(out: *mut T, value: T) {
    if !out.is_null() {
        // SAFETY: not null, so the caller promises that it is valid.
        unsafe { out.write(value) };
    }
}

/// Fails for a result's place that is null, before anything happens.
pub(crate) fn required<T>(out: *mut T) -> Outcome {
    if out.is_null() { Err(ps_status::Null.into()) } else { Ok(()) }
}

/// Returns the caller's bytes.
///
/// # Safety
/// `data` is null, or points to `len` readable bytes for as long as the result is used.
#[inline]
pub(crate) unsafe fn bytes<'a>(data: *const c_void, len: usize) -> Outcome<&'a [u8]> {
    // SAFETY: as the caller promises.
    unsafe { slice(data.cast(), len) }
}

/// Returns the caller's array.
///
/// # Safety
/// `data` is null, or points to `count` readable elements for as long as the result is used.
#[inline]
pub(crate) unsafe fn slice<'a, T>(data: *const T, count: usize) -> Outcome<&'a [T]> {
    if data.is_null() {
        return if count == 0 { Ok(&[]) } else { Err(ps_status::Null.into()) };
    }
    if count.checked_mul(size_of::<T>()).is_none_or(|bytes| bytes > isize::MAX as usize) {
        return Err(ps_status::Argument.into());
    }
    // SAFETY: not null, not longer than any object, and readable as the caller promises.
    Ok(unsafe { std::slice::from_raw_parts(data, count) })
}

/// Returns the caller's array for writing.
///
/// # Safety
/// `data` is null, or points to `count` initialized elements that only the result uses.
pub(crate) unsafe fn slice_mut<'a, T>(data: *mut T, count: usize) -> Outcome<&'a mut [T]> {
    if data.is_null() {
        return if count == 0 { Ok(&mut []) } else { Err(ps_status::Null.into()) };
    }
    if count.checked_mul(size_of::<T>()).is_none_or(|bytes| bytes > isize::MAX as usize) {
        return Err(ps_status::Argument.into());
    }
    // SAFETY: not null, not longer than any object, and writable as the caller promises.
    Ok(unsafe { std::slice::from_raw_parts_mut(data, count) })
}

/// Returns the caller's text.
///
/// # Safety
/// As [`bytes`].
pub(crate) unsafe fn text<'a>(data: *const c_char, len: usize) -> Outcome<&'a str> {
    // SAFETY: as the caller promises.
    let bytes = unsafe { bytes(data.cast(), len) }?;
    std::str::from_utf8(bytes).map_err(|_| ps_status::Utf8.into())
}
