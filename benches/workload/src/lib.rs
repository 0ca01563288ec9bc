//! What the measurements share: [`posts`] and [`texts`] to send, [`wire`] shapes to send them in,
//! and the product's own paths over them, from [`framing`] to [`rules`].

#![forbid(unsafe_code)]

pub mod driver;
pub mod framing;
pub mod posts;
pub mod rules;
pub mod texts;
pub mod tls;
pub mod wire;
