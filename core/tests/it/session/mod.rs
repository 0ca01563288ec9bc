//! Sessions on a virtual clock: transcripts, schedules, refusals, deadlines, faults, shutdown,
//! secrets.
#![allow(clippy::unwrap_used, clippy::type_complexity)]

mod deadlines;
mod faults;
mod life;
mod random;
mod refusals;
mod shutdown;
