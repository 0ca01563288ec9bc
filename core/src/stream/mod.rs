//! The stream inside the body: what its messages are.

mod json;

pub mod message;
