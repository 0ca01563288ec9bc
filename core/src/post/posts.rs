//! The Posts of a message: one, or those of an array.

use super::Post;
use crate::stream::message::{ArrayElements, Classification, Kind, classify, elements};

/// Iterator over the Posts of a message, created by
/// [`Message::posts`](crate::session::Message::posts) or [`Posts::new`].
///
/// A message is usually one Post. The service may also put several Posts into one array. Elements
/// that are not Posts are skipped. The iterator ends at the first byte that is not JSON.
#[derive(Debug)]
pub struct Posts<'a>(Source<'a>);

#[derive(Debug)]
enum Source<'a> {
    One(Option<Post<'a>>),
    Array { bytes: &'a [u8], elements: ArrayElements<'a> },
}

impl<'a> Posts<'a> {
    /// Returns the Posts of a message with this classification. There are none in a message of
    /// another kind.
    #[must_use]
    pub fn new(bytes: &'a [u8], class: Classification) -> Self {
        Self(match class.kind {
            Kind::Array => Source::Array { bytes, elements: elements(bytes) },
            kind => Source::One(post(bytes, kind)),
        })
    }
}

impl<'a> Iterator for Posts<'a> {
    type Item = Post<'a>;

    fn next(&mut self) -> Option<Post<'a>> {
        match &mut self.0 {
            Source::One(one) => one.take(),
            Source::Array { bytes, elements } => loop {
                let element = &bytes[elements.next_range()?.ok()?];
                if let Some(post) = post(element, classify(element).kind) {
                    return Some(post);
                }
            },
        }
    }
}

fn post(bytes: &[u8], kind: Kind) -> Option<Post<'_>> {
    match kind {
        Kind::Post { format, .. } => Some(Post::with_format(bytes, format)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use super::*;

    fn ids(message: &[u8]) -> Vec<u64> {
        Posts::new(message, classify(message)).filter_map(|post| post.id()).map(|id| id.as_u64()).collect()
    }

    #[test]
    fn returns_the_one_post_of_a_message() {
        assert_eq!(ids(br#"{"id_str":"1","text":"a"}"#), [1]);
        assert_eq!(ids(br#"{"data":{"id":"2","text":"b"}}"#), [2]);
    }

    #[test]
    fn returns_each_post_of_an_array() {
        assert_eq!(ids(br#"[{"id_str":"1","text":"a"},{"data":{"id":"2","text":"b"}}]"#), [1, 2]);
    }

    #[test]
    fn skips_elements_that_are_not_posts() {
        assert_eq!(ids(br#"[{"warning":{"code":"x"}},{"id_str":"1","text":"a"},7]"#), [1]);
        for message in [br#"{"warning":{"code":"x"}}"#.as_slice(), b"[]", b"words", b""] {
            assert_eq!(ids(message), [] as [u64; 0]);
        }
    }

    #[test]
    fn ends_at_the_cut_of_a_broken_array() {
        assert_eq!(ids(br#"[{"id_str":"1","text":"a"},{"id_str":"2","te"#), [1]);
    }
}
