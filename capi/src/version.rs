//! The versions of the interface and of the library.

use crate::border::ps_bytes;

/// The version of the interface that this header describes. A library fits if
/// `ps_abi_version()` returns the same number.
///
/// It changes if a function, a structure or a number changes its meaning. Additions do not change
/// it: new functions, new numbers in an enumeration, and new members at the end of a structure that
/// only the library creates.
pub const PS_ABI_VERSION: u32 = 1;

/// Returns the version of the interface of the linked library. Compare it with `PS_ABI_VERSION` at
/// start. Any thread.
#[unsafe(no_mangle)]
pub extern "C" fn ps_abi_version() -> u32 {
    PS_ABI_VERSION
}

/// Returns the version of the library, such as `0.1.0`. Valid forever. Any thread.
#[unsafe(no_mangle)]
pub extern "C" fn ps_version() -> ps_bytes {
    ps_bytes::new(env!("CARGO_PKG_VERSION").as_bytes())
}
