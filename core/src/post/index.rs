//! The values of all keys of a Post, found at once.

use core::fmt;

use super::keys::{Fields, RootFields};
use super::view::Post;
use crate::stream::message::Format;

impl<'a> Post<'a> {
    /// All fields that the accessors use, found in one scan.
    #[must_use]
    pub fn index(&self) -> Index<'a> {
        Index::new(*self)
    }
}

/// Where the fields of a Post are, made in one scan by [`Post::index`].
///
/// For whoever asks for many: a scan of the whole Post once, and then each accessor costs next to nothing up to the
/// field. What lies below is still found when it is asked for.
///
/// ```
/// use powerstream_core::post::Post;
///
/// let line = br#"{"id_str":"20","text":"of gulls","truncated":false,"user":{"screen_name":"shore"},"lang":"en"}"#;
/// let index = Post::new(line).index();
/// let post = index.post();
/// assert!(post.lang().unwrap() == "en" && post.text().unwrap() == "of gulls");
/// ```
#[derive(Clone)]
pub struct Index<'a> {
    post: Post<'a>,
    fields: Fields<'a>,
    /// `None` where the Post knows it already, or it is not worth a scan of its own.
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
                // The outermost Post is the message.
                let root_fields = (!post.inner).then(|| RootFields::of_legacy(&fields));
                (fields, root_fields)
            }
        };
        Self { post, fields, root_fields }
    }

    /// The Post, whose accessors take what was found here.
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
