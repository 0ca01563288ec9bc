//! Sessions on a virtual clock: transcripts, schedules, refusals, deadlines, faults, shutdown, secrets.

mod session_support;

#[path = "session/life.rs"]
mod life;
#[path = "session/refusals.rs"]
mod refusals;
