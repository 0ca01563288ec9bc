//! Placeholder module documentation.
