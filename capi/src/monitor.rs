//! The counters of a connection.

use std::sync::Arc;

use powerstream_core::monitor::{DISCONNECT_REASONS, Monitor, REFUSAL_KINDS};
use powerstream_core::time::Instant;

use crate::border::{free, guard, ps_bytes, put, required};
use crate::status::ps_status;

/// The counters of a connection. Any number of threads may read it while another reads the stream.
pub struct ps_monitor(Arc<Monitor>);

impl ps_monitor {
    pub(crate) const fn new(monitor: Arc<Monitor>) -> Self {
        Self(monitor)
    }
}

/// A counter.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct ps_counter {
    /// Its name, such as `posts`, `keep_alives` or `disconnects`. Valid forever.
    pub name: ps_bytes,
    /// What it counts of that name: the reason of a disconnect or the kind of a refusal; empty for
    /// other counters. Valid forever.
    pub label: ps_bytes,
    /// Its value.
    pub value: u64,
}

/// Reads all counters into the caller's array. `count` gets their number, even if the array is
/// shorter; 64 are enough now.
///
/// Returns `PS_STATUS_OK`, `PS_STATUS_NULL`, or `PS_STATUS_SPACE` if the array is too short: the
/// first ones are written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ps_monitor_read(
    monitor: *const ps_monitor,
    counters: *mut ps_counter,
    capacity: usize,
    count: *mut usize,
) -> ps_status {
    guard(|| {
        // SAFETY: the caller passes a live handle, which is shared only for reading.
        let Some(monitor) = (unsafe { monitor.as_ref() }) else { return Err(ps_status::Null.into()) };
        if counters.is_null() && capacity > 0 {
            return Err(ps_status::Null.into());
        }
        let snapshot = monitor.0.snapshot();
        let labeled = |name: &'static str, labels: &'static [&'static str]| {
            labels.iter().map(move |label| (name, *label))
        };
        let plain = snapshot.counters().into_iter().map(|(name, value)| ((name, ""), value));
        let disconnects = labeled("disconnects", &DISCONNECT_REASONS).zip(snapshot.disconnects);
        let refusals = labeled("refusals", &REFUSAL_KINDS).zip(snapshot.refusals);
        let mut found = 0;
        for ((name, label), value) in plain.chain(disconnects).chain(refusals) {
            let [name, label] = [name, label].map(|text| ps_bytes::new(text.as_bytes()));
            if found < capacity {
                // SAFETY: the caller passes an array of `capacity` elements, initialized or not.
                unsafe { counters.add(found).write(ps_counter { name, label, value }) };
            }
            found += 1;
        }
        // SAFETY: the caller passes a place for the result.
        unsafe { put(count, found) };
        Ok(if found > capacity { ps_status::Space } else { ps_status::Ok })
    })
}

/// Returns an upper bound of the estimated time from creation to receipt, for `per_mille` of 1,000
/// live Posts: 500 is the median, 990 the 99th percentile.
///
/// Returns `PS_STATUS_OK`, `PS_STATUS_NULL`, or `PS_STATUS_ABSENT` before the first Post.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ps_monitor_lag(
    monitor: *const ps_monitor,
    per_mille: u16,
    lag_ns: *mut u64,
) -> ps_status {
    guard(|| {
        // SAFETY: the caller passes a live handle, which is shared only for reading.
        let Some(monitor) = (unsafe { monitor.as_ref() }) else { return Err(ps_status::Null.into()) };
        required(lag_ns)?;
        let Some(lag) = monitor.0.snapshot().lag.quantile(per_mille.min(1_000)) else {
            return Ok(ps_status::Absent);
        };
        // SAFETY: the caller passes a place for the result.
        unsafe { put(lag_ns, Instant::ZERO.saturating_add(lag).as_nanos()) };
        Ok(ps_status::Ok)
    })
}

/// Frees the handle. The stream continues. Null is allowed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ps_monitor_free(monitor: *mut ps_monitor) {
    // SAFETY: the caller gives the handle back.
    unsafe { free(monitor) }
}
