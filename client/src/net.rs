//! TCP: which addresses are tried and for how long, the socket on each runtime, the tunnel through a proxy.

pub mod dial;
mod resolve;
pub mod tcp;
pub mod tunnel;
