//! All fields of a Post that its accessors use, found in one scan.

use core::fmt;

use super::keys::{Fields, RootFields};
use super::view::Post;
use crate::stream::message::Format;

impl<'a> Post<'a> {
    /// Scans the Post once and stores the values of all fields that the accessors use.
    #[must_use]
    pub fn index(&self) -> Index<'a> {
        Index::new(*self)
    }
}

/// The values of a Post's fields, created by [`Post::index`] in one scan.
///
/// [`Index::post`] returns a Post whose accessors use these values. Use it to read many fields:
/// each accessor then needs no scan to find its field. Nested values, such as the name of the
/// author, are still parsed on access.
///
/// ```
/// use powerstream_core::post::Post;
///
/// let line = br#"{"id_str":"20","text":"of gulls","user":{"screen_name":"shore"},"lang":"en"}"#;
/// let index = Post::new(line).index();
/// let post = index.post();
/// assert!(post.lang().unwrap() == "en" && post.text().unwrap() == "of gulls");
/// ```
#[derive(Clone)]
pub struct Index<'a> {
    post: Post<'a>,
    fields: Fields<'a>,
    /// `None` if the Post already has them, or if a separate scan would not pay off.
    root_fields: Option<RootFields<'a>>,
}

impl<'a> Index<'a> {
    fn new(post: Post<'a>) -> Self {
        let (fields, root_fields) = match post.fields {
            Some(known) => (known.clone(), None),
            None if post.format == Format::V2 => {
                let root_fields = post.root_fields.is_none().then(|| RootFields::of(post.root));
                (Fields::of_v2(post.value), root_fields)
            }
            None => {
                let fields = Fields::of_legacy(post.value);
                // The outermost Post is the message itself.
                let root_fields = (!post.inner).then(|| RootFields::of_legacy(&fields));
                (fields, root_fields)
            }
        };
        Self { post, fields, root_fields }
    }

    /// Returns the Post. Its accessors use the stored values.
    #[must_use]
    pub fn post(&self) -> Post<'_> {
        Post {
            fields: Some(&self.fields),
            root_fields: self.root_fields.as_ref().or(self.post.root_fields),
            ..self.post
        }
    }
}

impl fmt::Debug for Index<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Index").field("post", &self.post).finish_non_exhaustive()
    }
}
