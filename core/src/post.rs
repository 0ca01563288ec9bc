//! The fields of a Post, found when they are asked for.
//!
//! A Post is some 4 KB of JSON, and whoever takes it from a stream wants a handful of its hundred fields: the text to
//! match, the author to route by, the language. Reading all of it into a tree or a struct costs many times what finding
//! those few does. So a [`Post`] is a view of the bytes and nothing else:
//!
//! - an accessor is one scan forward from the Post's start to the field, with nothing parsed on the way;
//! - what it finds is lent from the message, still escaped ([`JsonStr`]), and decoded by whoever reads it;
//! - nothing allocates, nothing recurses, and every input has an answer: what is absent, null, of another type or cut
//!   off is `None`.
//!
//! ```text
//!  Post ──── id, text, lang, source, created_at, in_reply_to_*, ...     where the two formats differ in names or
//!   │  ├──── author(): User        entities(): Entities                 places, one name here means both
//!   │  ├──── place(): Place        point(): Point
//!   │  ├──── media(): Media..      matching_rules(): MatchingRule..
//!   │  ├──── retweeted(): Post     quoted(): Post
//!   │  └──── index(): Index        all of the above in one scan
//!   │
//!   └ value(), root(): Value ──── get, path, fields, elements           any other field, known or not
//! ```
//!
//! The two formats are those of the [classifier](crate::stream::classify): legacy, where the message is the Post, and
//! v2, where the Post is in `data` and what it refers to is beside it in `includes`, joined by ids. Some keys of v2
//! have a newer name (`referenced_posts`, `note_post`, `includes.posts`, `post_count`); both are taken. A message that
//! is an array of Posts is taken apart with [`elements`](crate::stream::message::elements) first.
//!
//! # What it costs
//!
//! Keys come in the order in which the service happens to write them, and a field at the end is found behind 4 KB of
//! others. One accessor is one scan, at most; two where it says so. Who asks for many takes [`Post::index`] and pays
//! for one scan, or names the keys itself with [`Value::fields`].
//!
//! # What is believed
//!
//! Nothing that was not asked for: bytes that no scan touched may be anything. A message that must be JSON as a whole
//! goes through [`validate`](crate::stream::message::validate) first. Of duplicate keys the first counts. Strings may
//! hold bytes that are no UTF-8 and halves of surrogate pairs; both decode to U+FFFD. Lookups by id in `includes` are
//! one scan each, and those of [`Post::media`] are bounded by [`MEDIA_MAX`].
//!
//! ```
//! use powerstream_core::post::Post;
//!
//! let line = br##"{"created_at":"Tue Mar 21 20:50:14 +0000 2006","id":20,"id_str":"20","text":"gulls \u0026 #terns",
//!     "truncated":false,"user":{"id_str":"12","screen_name":"shore"},"entities":{"hashtags":[{"text":"terns"}]}}"##;
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
