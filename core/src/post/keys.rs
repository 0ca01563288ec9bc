//! The keys that the accessors of a Post read, and storage for their values.

use super::entities::Entities;
use super::value::Value;
use crate::stream::message::Format;

/// Declares an enum of keys with their names, and a list of the names in the same order.
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
    /// The keys of a legacy Post.
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
    /// The keys of the `data` object of a v2 Post.
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
    /// The keys of the message.
    Root, ROOT, 2:
    MatchingRules "matching_rules",
    Includes "includes",
}

/// The number of slots: enough for either list.
const SLOTS: usize = LEGACY.len();

/// The values of a Post's keys, in the order of the enum.
#[derive(Clone)]
pub(super) struct Fields<'a> {
    values: [Option<Value<'a>>; SLOTS],
    /// What the value of `entities` contains, if it is a well-formed object.
    entities: Option<Entities<'a>>,
}

impl<'a> Fields<'a> {
    /// Finds the values of all keys of a legacy Post in one scan.
    pub(super) fn of_legacy(post: Option<Value<'a>>) -> Self {
        Self::find(post, &LEGACY, Legacy::Entities as usize, Format::Legacy)
    }

    /// Finds the values of all keys of the `data` of a v2 Post in one scan.
    pub(super) fn of_v2(data: Option<Value<'a>>) -> Self {
        Self::find(data, &V2_NAMES, V2::Entities as usize, Format::V2)
    }

    fn find(value: Option<Value<'a>>, names: &[&str], entities: usize, format: Format) -> Self {
        let mut values = [None; SLOTS];
        let lists = match (value, values.get_mut(..names.len())) {
            (Some(value), Some(found)) => value.fill(names, found, entities, Entities::names(format)),
            _ => None,
        };
        Self { values, entities: lists.map(|lists| Entities::of_lists(lists, format)) }
    }

    #[inline]
    pub(super) fn entities(&self) -> Option<Entities<'a>> {
        self.entities
    }

    #[inline]
    pub(super) fn legacy(&self, key: Legacy) -> Option<Value<'a>> {
        self.values.get(key as usize).copied().flatten()
    }

    #[inline]
    pub(super) fn v2(&self, key: V2) -> Option<Value<'a>> {
        self.values.get(key as usize).copied().flatten()
    }
}

/// The values of the message's keys.
#[derive(Clone)]
pub(super) struct RootFields<'a>([Option<Value<'a>>; ROOT.len()]);

impl<'a> RootFields<'a> {
    /// Finds the values of all keys of the message in one scan.
    pub(super) fn of(root: Option<Value<'a>>) -> Self {
        Self(root.map_or([None; ROOT.len()], |root| root.fields(ROOT)))
    }

    /// Returns the values for a legacy message, which is the outermost Post, from the Post's
    /// values.
    pub(super) fn of_legacy(fields: &Fields<'a>) -> Self {
        Self([fields.legacy(Legacy::MatchingRules), None])
    }

    #[inline]
    pub(super) fn get(&self, key: Root) -> Option<Value<'a>> {
        self.0.get(key as usize).copied().flatten()
    }
}

/// The keys of each format.
#[cfg(test)]
pub(super) const FORMATS: [&[&str]; 2] = [&LEGACY, &V2_NAMES];
