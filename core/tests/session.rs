//! Sessions on a virtual clock: transcripts, schedules, refusals, deadlines, faults, shutdown, secrets.
#![allow(clippy::unwrap_used, clippy::type_complexity)]

mod session_support;

#[path = "session/deadlines.rs"]
mod deadlines;
#[path = "session/faults.rs"]
mod faults;
#[path = "session/life.rs"]
mod life;
#[path = "session/random.rs"]
mod random;
#[path = "session/refusals.rs"]
mod refusals;
#[path = "session/shutdown.rs"]
mod shutdown;
