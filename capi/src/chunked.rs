//! The chunked decoder alone.

use std::ffi::c_void;

use powerstream_core::http::{ChunkSpan, ChunkedDecoder};

use crate::border::{Failure, Handle, LastError, bytes, free, give, guard, last_error, ps_bytes, put, with};
use crate::status::ps_status;

/// A decoder of the chunked transfer coding (RFC 9112, section 7.1). It copies nothing.
pub struct ps_chunked {
    decoder: ChunkedDecoder,
    error: LastError,
}

impl Handle for ps_chunked {
    fn last_error(&mut self) -> &mut LastError {
        &mut self.error
    }
}

/// Creates a decoder. Free it with `ps_chunked_free`.
///
/// Returns `PS_STATUS_OK`, or `PS_STATUS_NULL`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ps_chunked_new(chunked: *mut *mut ps_chunked) -> ps_status {
    // SAFETY: the caller passes a place for the handle.
    guard(|| unsafe {
        give(chunked, || Ok(ps_chunked { decoder: ChunkedDecoder::default(), error: LastError::default() }))
    })
}

/// Frees a decoder. Null is allowed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ps_chunked_free(chunked: *mut ps_chunked) {
    // SAFETY: the caller gives the handle back.
    unsafe { free(chunked) }
}

/// Returns what the last failed call on the decoder met. Valid until the next call on it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ps_chunked_last_error(chunked: *mut ps_chunked) -> ps_bytes {
    // SAFETY: the caller passes a live handle.
    unsafe { last_error(chunked) }
}

/// Decodes `input` up to the end of the next piece of content.
///
/// `consumed` gets the number of bytes used. Call again with the rest of the input. `content` gets
/// the content, which lies in `input`. The input may be split anywhere.
///
/// Returns
/// - `PS_STATUS_OK`: there is content.
/// - `PS_STATUS_AGAIN`: all input is consumed, and has no further content.
/// - `PS_STATUS_END`: the body is complete. The rest of the input belongs to no body.
/// - `PS_STATUS_PROTOCOL`: the coding is invalid; every later call returns the same.
/// - `PS_STATUS_NULL`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ps_chunked_decode(
    chunked: *mut ps_chunked,
    input: *const c_void,
    len: usize,
    consumed: *mut usize,
    content: *mut ps_bytes,
) -> ps_status {
    // SAFETY: the caller passes a live handle, `len` readable bytes, and places for the results.
    unsafe {
        with(chunked, |chunked| {
            let input = bytes(input, len)?;
            if consumed.is_null() || content.is_null() {
                return Err(ps_status::Null.into());
            }
            put(content, ps_bytes::EMPTY);
            put(consumed, 0);
            match chunked.decoder.decode(input) {
                Ok(ChunkSpan::Data(range)) => {
                    put(consumed, range.end);
                    put(content, ps_bytes::new(&input[range]));
                    Ok(ps_status::Ok)
                }
                Ok(ChunkSpan::NeedInput) => {
                    put(consumed, input.len());
                    Ok(ps_status::Again)
                }
                Ok(ChunkSpan::End(end)) => {
                    put(consumed, end);
                    Ok(ps_status::End)
                }
                Err(error) => Err(Failure::new(ps_status::Protocol, error)),
            }
        })
    }
}
