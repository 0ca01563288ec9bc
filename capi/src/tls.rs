//! TLS without I/O.

use std::ffi::c_void;

use powerstream_core::transport_error::TransportError;
use powerstream_tls::Machine;

use crate::border::{
    Failure, Handle, LastError, bytes, free, give, infallible, last_error, ps_buffer, ps_bytes, put, read,
    slice_mut, with,
};
use crate::config::ps_config;
use crate::status::ps_status;

/// The TLS state of one connection. Create one after each TCP connect.
///
/// 1. Send the bytes of `ps_tls_transmit`, and report them with `ps_tls_transmitted`.
/// 2. Receive into `ps_tls_read_buffer`, and report the count with `ps_tls_received`, or the end
///    with `ps_tls_eof`.
/// 3. Call `ps_tls_read` until it returns `PS_STATUS_AGAIN`.
/// 4. Once `ps_tls_is_handshaking` returns false, pass plaintext to `ps_tls_write`. Call
///    `ps_tls_close` at the end, and send what `ps_tls_transmit` then returns.
pub struct ps_tls {
    machine: Machine,
    error: LastError,
}

impl Handle for ps_tls {
    fn last_error(&mut self) -> &mut LastError {
        &mut self.error
    }
}

impl ps_tls {
    pub(crate) const fn fault(&self) -> Option<TransportError> {
        self.machine.fault()
    }

    pub(crate) fn is_handshaking(&self) -> bool {
        self.machine.is_handshaking()
    }
}

fn failed(error: TransportError) -> Failure {
    Failure::new(ps_status::Tls, error)
}

/// Creates the TLS state of a new connection to the host of the configuration. The configuration
/// remembers TLS sessions, so that later connections resume them. Free it with `ps_tls_free`.
///
/// Returns `PS_STATUS_OK`, `PS_STATUS_NULL`, `PS_STATUS_CONFIG`, `PS_STATUS_STATE` if the base URL
/// is `http://`, or `PS_STATUS_TLS`. `ps_config_last_error` has the text.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ps_tls_new(config: *mut ps_config, tls: *mut *mut ps_tls) -> ps_status {
    // SAFETY: the caller passes a live handle and a place for the new one.
    unsafe {
        with(config, |config| {
            give(tls, || {
                let machine = config.connector()?.connect().map_err(failed)?;
                Ok(ps_tls { machine, error: LastError::default() })
            })
        })
    }
}

/// Frees the TLS state. Null is allowed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ps_tls_free(tls: *mut ps_tls) {
    // SAFETY: the caller gives the handle back.
    unsafe { free(tls) }
}

/// Returns what the last failed call met. Valid until the next call.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ps_tls_last_error(tls: *mut ps_tls) -> ps_bytes {
    // SAFETY: the caller passes a live handle.
    unsafe { last_error(tls) }
}

/// Returns true until the handshake is complete. False for null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ps_tls_is_handshaking(tls: *const ps_tls) -> bool {
    // SAFETY: the caller passes a live handle.
    unsafe { read(tls, false, ps_tls::is_handshaking) }
}

/// Returns true if unread input is buffered, or may wait in the socket. After the events of a read,
/// call `ps_session_backlog` then.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ps_tls_has_backlog(tls: *const ps_tls) -> bool {
    // SAFETY: the caller passes a live handle.
    unsafe { read(tls, false, |tls| tls.machine.has_backlog()) }
}

/// Returns the ciphertext to send; empty if there is none. Valid until the next call that changes
/// the handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ps_tls_transmit(tls: *const ps_tls) -> ps_bytes {
    // SAFETY: the caller passes a live handle.
    unsafe { read(tls, ps_bytes::EMPTY, |tls| ps_bytes::new(tls.machine.transmit())) }
}

/// Reports that the first `count` bytes of `ps_tls_transmit` were sent.
///
/// Returns `PS_STATUS_OK`, `PS_STATUS_NULL`, or `PS_STATUS_ARGUMENT` if there were fewer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ps_tls_transmitted(tls: *mut ps_tls, count: usize) -> ps_status {
    // SAFETY: the caller passes a live handle.
    unsafe {
        with(tls, |tls| {
            if count > tls.machine.transmit().len() {
                return Err(ps_status::Argument.into());
            }
            tls.machine.handle_transmitted(count);
            Ok(ps_status::Ok)
        })
    }
}

/// Returns the buffer to receive ciphertext into. Valid until the next call that changes the
/// handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ps_tls_read_buffer(tls: *mut ps_tls) -> ps_buffer {
    let mut buffer = ps_buffer::EMPTY;
    // SAFETY: the caller passes a live handle. A failure leaves the buffer empty.
    unsafe { infallible(tls, |tls| buffer = ps_buffer::new(tls.machine.read_buf())) };
    buffer
}

/// Reports that `count` bytes were received into `ps_tls_read_buffer`.
///
/// Returns `PS_STATUS_OK`, `PS_STATUS_NULL`, or `PS_STATUS_ARGUMENT` if the buffer is shorter.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ps_tls_received(tls: *mut ps_tls, count: usize) -> ps_status {
    // SAFETY: the caller passes a live handle.
    unsafe {
        with(tls, |tls| {
            if count > tls.machine.read_buf().len() {
                return Err(ps_status::Argument.into());
            }
            tls.machine.handle_read(count);
            Ok(ps_status::Ok)
        })
    }
}

/// Reports that the peer closed the transport. Complete records can still be read.
///
/// Returns `PS_STATUS_OK`, or `PS_STATUS_NULL`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ps_tls_eof(tls: *mut ps_tls) -> ps_status {
    // SAFETY: the caller passes a live handle.
    unsafe { infallible(tls, |tls| tls.machine.handle_eof()) }
}

/// Returns whether TLS failed: `PS_STATUS_TLS`, with the text in `ps_tls_last_error`. Check it in
/// the handshake, after each `ps_tls_received` and `ps_tls_eof`. An alert for the peer may wait in
/// `ps_tls_transmit`.
///
/// Returns `PS_STATUS_OK`, `PS_STATUS_TLS`, or `PS_STATUS_NULL`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ps_tls_check(tls: *mut ps_tls) -> ps_status {
    // SAFETY: the caller passes a live handle.
    unsafe { with(tls, |tls| tls.machine.fault().map_or(Ok(ps_status::Ok), |fault| Err(failed(fault)))) }
}

/// Reads plaintext of at most one record into the caller's buffer. 16 KiB hold a whole record.
///
/// Returns
/// - `PS_STATUS_OK`: `count` is the number of bytes, at least 1.
/// - `PS_STATUS_AGAIN`: more ciphertext is needed.
/// - `PS_STATUS_END`: the peer ended the connection.
/// - `PS_STATUS_TLS`: TLS failed. Pass it to `ps_session_tls_error`.
/// - `PS_STATUS_ARGUMENT` if `len` is 0, or `PS_STATUS_NULL`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ps_tls_read(
    tls: *mut ps_tls,
    buffer: *mut c_void,
    len: usize,
    count: *mut usize,
) -> ps_status {
    // SAFETY: the caller passes a live handle, `len` writable bytes, and a place for the result.
    unsafe {
        with(tls, |tls| {
            if count.is_null() {
                return Err(ps_status::Null.into());
            }
            put(count, 0);
            let buffer = slice_mut::<u8>(buffer.cast(), len)?;
            if buffer.is_empty() {
                return Err(ps_status::Argument.into());
            }
            match tls.machine.read(buffer).map_err(failed)? {
                None => Ok(ps_status::Again),
                Some(0) => Ok(ps_status::End),
                Some(read) => {
                    put(count, read);
                    Ok(ps_status::Ok)
                }
            }
        })
    }
}

/// Encrypts at most one record of the plaintext. `accepted` gets the number of bytes used: 0 in the
/// handshake, after `ps_tls_close`, and while `ps_tls_transmit` has unsent bytes.
///
/// Returns `PS_STATUS_OK`, `PS_STATUS_NULL`, or `PS_STATUS_TLS`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ps_tls_write(
    tls: *mut ps_tls,
    plaintext: *const c_void,
    len: usize,
    accepted: *mut usize,
) -> ps_status {
    // SAFETY: the caller passes a live handle, `len` readable bytes, and a place for the result.
    unsafe {
        with(tls, |tls| {
            if accepted.is_null() {
                return Err(ps_status::Null.into());
            }
            put(accepted, tls.machine.write(bytes(plaintext, len)?).map_err(failed)?);
            Ok(ps_status::Ok)
        })
    }
}

/// Queues `close_notify`. Send what `ps_tls_transmit` then returns, but do not wait long for it.
///
/// Returns `PS_STATUS_OK`, or `PS_STATUS_NULL`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ps_tls_close(tls: *mut ps_tls) -> ps_status {
    // SAFETY: the caller passes a live handle.
    unsafe { infallible(tls, |tls| tls.machine.close()) }
}
