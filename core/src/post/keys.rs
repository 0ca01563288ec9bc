//! The keys that the accessors of a [`Post`] ask for, and all of their values found at once.

use core::fmt;

use super::{Format, Post, Value};

/// Declares an enum of keys, each with its spelling, and the list of the spellings in the same order.
macro_rules! keys {
    ($(#[$doc:meta])* $name:ident, $names:ident, $count:literal: $($key:ident $spelling:literal,)*) => {
        $(#[$doc])*
        #[derive(Clone, Copy)]
        pub(super) enum $name {
            $($key,)*
        }

        const $names: [&str; $count] = [$($spelling,)*];

        impl $name {
            #[inline]
            pub(super) const fn name(self) -> &'static str {
                match self {
                    $(Self::$key => $spelling,)*
                }
            }
        }
    };
}

keys! {
    /// Of a legacy Post.
    Legacy, LEGACY, 28:
    CreatedAt "created_at",
    Id "id",
    IdStr "id_str",
    Text "text",
    FullText "full_text",
    Source "source",
    Truncated "truncated",
    ExtendedTweet "extended_tweet",
    InReplyToStatusId "in_reply_to_status_id",
    InReplyToStatusIdStr "in_reply_to_status_id_str",
    InReplyToUserId "in_reply_to_user_id",
    InReplyToUserIdStr "in_reply_to_user_id_str",
    InReplyToScreenName "in_reply_to_screen_name",
    User "user",
    Geo "geo",
    Coordinates "coordinates",
    Place "place",
    QuotedStatusId "quoted_status_id",
    QuotedStatusIdStr "quoted_status_id_str",
    QuotedStatus "quoted_status",
    RetweetedStatus "retweeted_status",
    IsQuoteStatus "is_quote_status",
    Entities "entities",
    ExtendedEntities "extended_entities",
    Lang "lang",
    ConversationId "conversation_id",
    ConversationIdStr "conversation_id_str",
    MatchingRules "matching_rules",
}

keys! {
    /// Of the `data` of a v2 Post.
    V2, V2_NAMES, 15:
    Id "id",
    Text "text",
    NoteTweet "note_tweet",
    NotePost "note_post",
    CreatedAt "created_at",
    AuthorId "author_id",
    Lang "lang",
    Source "source",
    Entities "entities",
    Attachments "attachments",
    ReferencedTweets "referenced_tweets",
    ReferencedPosts "referenced_posts",
    InReplyToUserId "in_reply_to_user_id",
    ConversationId "conversation_id",
    Geo "geo",
}

keys! {
    /// Of the message.
    Root, ROOT, 2:
    MatchingRules "matching_rules",
    Includes "includes",
}

/// One key of both lists for each slot.
const SLOTS: usize = LEGACY.len();

/// The values of a Post's keys, in their enum's order.
#[derive(Clone)]
pub(super) struct Fields<'a>([Option<Value<'a>>; SLOTS]);

impl<'a> Fields<'a> {
    /// One scan for these names, in their order.
    fn fill(&mut self, value: Option<Value<'a>>, names: &[&str]) {
        if let (Some(value), Some(slots)) = (value, self.0.get_mut(..names.len())) {
            value.fill(names, slots);
        }
    }

    #[inline]
    pub(super) fn legacy(&self, key: Legacy) -> Option<Value<'a>> {
        self.0.get(key as usize).copied().flatten()
    }

    #[inline]
    pub(super) fn v2(&self, key: V2) -> Option<Value<'a>> {
        self.0.get(key as usize).copied().flatten()
    }
}

/// The values of the message's keys.
#[derive(Clone)]
pub(super) struct Around<'a>([Option<Value<'a>>; ROOT.len()]);

impl<'a> Around<'a> {
    #[inline]
    pub(super) fn get(&self, key: Root) -> Option<Value<'a>> {
        self.0.get(key as usize).copied().flatten()
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
    around: Option<Around<'a>>,
}

impl<'a> Index<'a> {
    pub(super) fn new(post: Post<'a>) -> Self {
        let mut fields = Fields([None; SLOTS]);
        let mut around = None;
        if let Some(known) = post.fields {
            fields = known.clone();
        } else if post.format == Format::V2 {
            fields.fill(post.value, &V2_NAMES);
            if post.around.is_none() {
                around = Some(Around(post.root.map_or([None; ROOT.len()], |root| root.fields(ROOT))));
            }
        } else {
            fields.fill(post.value, &LEGACY);
            // The outermost Post is the message.
            if !post.inner {
                around = Some(Around([fields.legacy(Legacy::MatchingRules), None]));
            }
        }
        Self { post, fields, around }
    }

    /// The Post, whose accessors take what was found here.
    #[must_use]
    pub fn post(&self) -> Post<'_> {
        Post { fields: Some(&self.fields), around: self.around.as_ref().or(self.post.around), ..self.post }
    }
}

impl fmt::Debug for Index<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Index").field("post", &self.post).finish_non_exhaustive()
    }
}
