//! The fields of a Post, parsed on demand.
//!
//! A Post is about 4 KB of JSON with a hundred fields. A consumer usually needs only a few of them,
//! such as the text, the author and the language. Parsing everything into a tree or a struct costs
//! many times more than finding those few. Therefore a [`Post`] is only a view of the bytes:
//!
//! - An accessor scans forward from the start of the Post to its field, and parses nothing else.
//! - The result is borrowed from the message, still escaped ([`JsonStr`]); the caller decodes it.
//! - Nothing allocates, recurses or fails. A field that is absent, null, of another type or cut off
//!   is `None`.
//!
//! ```text
//!  Post ──── id, text, lang, source, created_at, in_reply_to_*, ...   One accessor for both
//!   │  ├──── author(): User        entities(): Entities               formats, even if the
//!   │  ├──── place(): Place        point(): Point                     names differ.
//!   │  ├──── media(): Media..      matching_rules(): MatchingRule..
//!   │  ├──── retweeted(): Post     quoted(): Post
//!   │  └──── index(): Index ────── post(): Post                       All fields in one scan.
//!   │
//!   └ value(), root(): Value ──── get, path, fields, elements           Any other field.
//! ```
//!
//! The formats are those of the [classifier](crate::stream::classify). In the legacy format, the
//! message is the Post. In v2, the Post is in `data`, and `includes` contains the objects it refers
//! to by id. Some v2 keys have a newer name (`referenced_posts`, `note_post`, `includes.posts`,
//! `post_count`); both are accepted. Split a message that is an array of Posts with
//! [`elements`](crate::stream::message::elements) first.
//!
//! # What it costs
//!
//! The order of the keys is arbitrary, so a field may follow 4 KB of others. An accessor needs at
//! most one scan, unless its documentation says two. To read many fields, use [`Post::index`] or
//! [`Value::fields`], which need one scan for all.
//!
//! # What is validated
//!
//! Bytes that no scan has read are not validated. To require a message of valid JSON, call
//! [`validate`](crate::stream::message::validate) first. Of duplicate keys, the first counts.
//! Strings may contain invalid UTF-8 and unpaired surrogates; both decode to U+FFFD. A lookup by id
//! in `includes` is one scan; [`MEDIA_MAX`] limits the lookups of [`Post::media`].
//!
//! ```
//! use powerstream_core::post::Post;
//!
//! let line = br##"{"created_at":"Tue Mar 21 20:50:14 +0000 2006","id":20,"id_str":"20",
//!     "text":"gulls \u0026 #terns","truncated":false,"user":{"id_str":"12","screen_name":"shore"},
//!     "entities":{"hashtags":[{"text":"terns"}]}}"##;
//! let post = Post::new(line);
//! assert_eq!(post.id().map(|id| id.as_u64()), Some(20));
//! assert!(post.text().unwrap() == "gulls & #terns");
//! assert_eq!(post.author().unwrap().screen_name().unwrap().as_str(), Some("shore"));
//! assert!(post.entities().hashtags().all(|tag| tag == "terns"));
//! assert!(post.lang().is_none());
//! ```

mod entities;
mod index;
mod keys;
mod place;
mod posts;
mod readable;
mod text;
mod user;
mod value;
mod view;

pub use self::entities::{Entities, MEDIA_MAX, Media, MediaKind, Mention, Url};
pub use self::index::Index;
pub use self::place::{BoundingBox, Place, Point};
pub use self::posts::Posts;
pub use self::readable::Readable;
pub use self::text::{Bytes, Chars, JsonStr};
pub use self::user::{Profile, User};
pub use self::value::{Elements, Members, Value, ValueKind};
pub use self::view::{MatchingRule, Post};
pub use crate::stream::message::Format;

#[cfg(test)]
mod tests;
