//! A Post that owns its fields, for programs that keep or store Posts.
//!
//! [`OwnedPost`] is one model for both formats, legacy and v2. It implements serde's `Serialize`
//! and `Deserialize`. Making one reads the whole Post and allocates each field. If you need only a
//! few fields, use [`powerstream_core::post::Post`], which reads them in place.
//!
//! ```
//! use powerstream_client::post::OwnedPost;
//! use powerstream_core::post::Post;
//!
//! let line = br#"{"id_str":"20","text":"gulls","lang":"en",
//!     "user":{"id_str":"12","screen_name":"shore"},"likes":3}"#;
//! let post = OwnedPost::try_from(&Post::new(line))?;
//! assert_eq!((post.id.as_u64(), post.text.as_str()), (20, "gulls"));
//! assert_eq!(post.author.as_ref().unwrap().screen_name.as_deref(), Some("shore"));
//! // A field that the model does not have is kept.
//! assert_eq!(post.other["likes"], 3);
//!
//! let json = serde_json::to_string(&post)?;
//! assert_eq!(serde_json::from_str::<OwnedPost>(&json)?, post);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The Posts of a message, whether it is one Post or an array of them:
//!
//! ```
//! # use powerstream_client::post::OwnedPost;
//! # use powerstream_core::post::Posts;
//! # use powerstream_core::stream::classify;
//! # let bytes = br#"[{"id_str":"1","text":"a"},{"id_str":"2","text":"b"}]"#;
//! # let message = powerstream_core::session::Message::new(bytes, classify(bytes));
//! let posts = message.posts().map(|post| OwnedPost::try_from(&post));
//! let posts: Vec<OwnedPost> = posts.collect::<Result<_, _>>()?;
//! assert_eq!(posts.len(), 2);
//! # Ok::<(), powerstream_client::post::PostError>(())
//! ```

mod json;

use std::fmt;

use powerstream_core::post::{JsonStr, MediaKind, Post, Url, User};
use powerstream_core::session::Message;
use powerstream_core::stream::{Format, PostId};
use serde::{Deserialize, Serialize};

use self::json::remaining;
pub use self::json::{Fields, NESTING_MAX};
use crate::owned::OwnedMessage;

/// A Post that owns its fields.
///
/// Ids are serialized as strings, because many JSON readers round numbers above 2^53. Absent fields
/// and empty lists are left out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct OwnedPost {
    /// The Post's id.
    #[serde(with = "json::post_id")]
    pub id: PostId,
    /// When it was created, in Unix milliseconds. From the id; `None` for ids from before November
    /// 2010, which hold no time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_ms: Option<u64>,
    /// When it was created, as the service writes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_at: Option<String>,
    /// The full text, with `&`, `<` and `>` as HTML entities, as the service writes them.
    #[serde(default)]
    pub text: String,
    /// The code of the text's language.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lang: Option<String>,
    /// The application that sent it. In the legacy format an HTML anchor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// The id of the conversation's first Post.
    #[serde(default, with = "json::optional_post_id", skip_serializing_if = "Option::is_none")]
    pub conversation_id: Option<PostId>,
    /// The Post or user that it replies to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_reply_to: Option<ReplyTo>,
    /// The author's id. In v2 it is there even if the author is not.
    #[serde(default, with = "json::optional_id", skip_serializing_if = "Option::is_none")]
    pub author_id: Option<u64>,
    /// The author.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author: Option<OwnedUser>,
    /// The hashtags, without `#`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hashtags: Vec<String>,
    /// The cashtags, without `$`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cashtags: Vec<String>,
    /// The users that the text mentions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mentions: Vec<OwnedMention>,
    /// The links in the text.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub urls: Vec<OwnedUrl>,
    /// Photos, videos and GIFs, at most [`MEDIA_MAX`](powerstream_core::post::MEDIA_MAX).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub media: Vec<OwnedMedia>,
    /// The exact position it was sent from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub point: Option<OwnedPoint>,
    /// The place it was tagged with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<OwnedPlace>,
    /// The id of the Post that it quotes. In v2 it is there even if the quoted Post is not.
    #[serde(default, with = "json::optional_post_id", skip_serializing_if = "Option::is_none")]
    pub quoted_id: Option<PostId>,
    /// The Post that it quotes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quoted: Option<Box<OwnedPost>>,
    /// The id of the Post that it retweets. In v2 it is there even if that Post is not.
    #[serde(default, with = "json::optional_post_id", skip_serializing_if = "Option::is_none")]
    pub retweeted_id: Option<PostId>,
    /// The Post that it retweets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retweeted: Option<Box<OwnedPost>>,
    /// The rules that it matched.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub matching_rules: Vec<OwnedRule>,
    /// Every other field of the Post, as it came.
    #[serde(default, skip_serializing_if = "Fields::is_empty")]
    pub other: Fields,
}

/// The Post or user that a Post replies to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ReplyTo {
    /// The Post's id.
    #[serde(default, with = "json::optional_post_id", skip_serializing_if = "Option::is_none")]
    pub post_id: Option<PostId>,
    /// The user's id.
    #[serde(default, with = "json::optional_id", skip_serializing_if = "Option::is_none")]
    pub user_id: Option<u64>,
    /// The user's name, without `@`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub screen_name: Option<String>,
}

/// A user.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct OwnedUser {
    /// The user's id.
    #[serde(default, with = "json::optional_id", skip_serializing_if = "Option::is_none")]
    pub id: Option<u64>,
    /// The name, without `@`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub screen_name: Option<String>,
    /// The display name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The profile's text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The profile's location, as the user wrote it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub location: Option<String>,
    /// Whether the account is verified.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verified: Option<bool>,
    /// The number of followers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub followers_count: Option<u64>,
    /// The number of users that this user follows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub friends_count: Option<u64>,
    /// The number of lists that this user is on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub listed_count: Option<u64>,
    /// The number of Posts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub statuses_count: Option<u64>,
    /// Every other field, as it came.
    #[serde(default, skip_serializing_if = "Fields::is_empty")]
    pub other: Fields,
}

/// A user that a text mentions.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct OwnedMention {
    /// The user's id.
    #[serde(default, with = "json::optional_id", skip_serializing_if = "Option::is_none")]
    pub id: Option<u64>,
    /// The name, without `@`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub screen_name: Option<String>,
}

/// A link.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct OwnedUrl {
    /// The link as it stands in the text: `https://t.co/..`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The link that the author wrote.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expanded_url: Option<String>,
    /// The shortened form that readers see.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display_url: Option<String>,
    /// The page that it leads to after all redirects.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unwound_url: Option<String>,
    /// That page's title.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// That page's description.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// A photo, video or GIF.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct OwnedMedia {
    /// What it is.
    pub kind: OwnedMediaKind,
    /// The object, as it came.
    #[serde(default, skip_serializing_if = "Fields::is_empty")]
    pub fields: Fields,
}

/// What a medium is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum OwnedMediaKind {
    /// A photo.
    Photo,
    /// A video.
    Video,
    /// A GIF.
    AnimatedGif,
    /// Something else.
    Other,
}

/// A position, in degrees.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct OwnedPoint {
    /// East of Greenwich.
    pub longitude: f64,
    /// North of the equator.
    pub latitude: f64,
}

/// A place.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct OwnedPlace {
    /// The place's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The short name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The full name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub full_name: Option<String>,
    /// The country's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub country: Option<String>,
    /// The country's code, of two letters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub country_code: Option<String>,
    /// `city`, `admin`, `country`, `poi` or another kind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place_type: Option<String>,
    /// Every other field, as it came: the bounding box among them.
    #[serde(default, skip_serializing_if = "Fields::is_empty")]
    pub other: Fields,
}

/// A rule that a Post matched.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct OwnedRule {
    /// The rule's id.
    #[serde(default, with = "json::optional_id", skip_serializing_if = "Option::is_none")]
    pub id: Option<u64>,
    /// The rule's tag.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
}

/// Why a message or a Post cannot be converted to an [`OwnedPost`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PostError {
    /// The message is not one Post. Read an array with
    /// [`posts`](powerstream_core::session::Message::posts).
    NotOnePost,
    /// The Post has no id.
    NoId,
    /// A field is nested more than [`NESTING_MAX`] deep.
    TooDeep,
}

/// The fields that [`OwnedPost`] represents, besides those that only one format has.
const LEGACY: [&str; 26] = [
    "id",
    "id_str",
    "created_at",
    "text",
    "full_text",
    "truncated",
    "extended_tweet",
    "lang",
    "source",
    "conversation_id",
    "conversation_id_str",
    "in_reply_to_status_id",
    "in_reply_to_status_id_str",
    "in_reply_to_user_id",
    "in_reply_to_user_id_str",
    "in_reply_to_screen_name",
    "user",
    "entities",
    "extended_entities",
    "coordinates",
    "geo",
    "place",
    "quoted_status",
    "quoted_status_id",
    "quoted_status_id_str",
    "retweeted_status",
];
const V2: [&str; 15] = [
    "id",
    "created_at",
    "text",
    "note_tweet",
    "note_post",
    "lang",
    "source",
    "conversation_id",
    "in_reply_to_user_id",
    "author_id",
    "entities",
    "attachments",
    "geo",
    "referenced_tweets",
    "referenced_posts",
];

impl TryFrom<&Post<'_>> for OwnedPost {
    type Error = PostError;

    fn try_from(post: &Post<'_>) -> Result<Self, PostError> {
        Self::new(post, true)
    }
}

impl TryFrom<&Message<'_>> for OwnedPost {
    type Error = PostError;

    fn try_from(message: &Message<'_>) -> Result<Self, PostError> {
        let mut posts = message.posts();
        match (message.class.is_post(), posts.next()) {
            (true, Some(post)) => Self::try_from(&post),
            _ => Err(PostError::NotOnePost),
        }
    }
}

impl TryFrom<&OwnedMessage> for OwnedPost {
    type Error = PostError;

    fn try_from(message: &OwnedMessage) -> Result<Self, PostError> {
        Self::try_from(&Message::new(&message.bytes, message.class))
    }
}

impl OwnedPost {
    /// Reads a Post. Posts inside it hold no further Posts, since the service does not send them: a
    /// quoted Post of a quoted Post stays among the other fields.
    fn new(post: &Post<'_>, is_outer: bool) -> Result<Self, PostError> {
        let id = post.id().ok_or(PostError::NoId)?;
        let entities = post.entities();
        let reply = ReplyTo {
            post_id: post.in_reply_to_post_id(),
            user_id: post.in_reply_to_user_id(),
            screen_name: post.in_reply_to_screen_name().map(owned),
        };
        let inner = |inner: Option<Post<'_>>| match inner.filter(|inner| inner.id().is_some()) {
            Some(inner) => Self::new(&inner, false).map(|inner| Some(Box::new(inner))),
            None => Ok(None),
        };
        // A retweet includes the Post that it repeats, which may include the Post that it quotes.
        let (retweeted, quoted) = if is_outer {
            (inner(post.retweeted())?, inner(post.quoted())?)
        } else {
            (None, inner(post.quoted().filter(|quoted| quoted.quoted().is_none()))?)
        };
        let known: &[&str] = if post.format() == Format::V2 { &V2 } else { &LEGACY };
        let mut other = match post.value() {
            Some(value) => remaining(value, known)?,
            None => Fields::new(),
        };
        // The matching rules belong to the message, and are in `matching_rules`.
        other.remove("matching_rules");
        Ok(Self {
            id,
            created_ms: id.created_at().map(|time| time.as_millis()),
            created_at: post.created_at().map(owned),
            text: post.text().map(owned).unwrap_or_default(),
            lang: post.lang().map(owned),
            source: post.source().map(owned),
            conversation_id: post.conversation_id(),
            in_reply_to: (reply != ReplyTo::default()).then_some(reply),
            author_id: post.author_id(),
            author: post.author().map(|author| OwnedUser::new(&author, post.format())).transpose()?,
            hashtags: entities.hashtags().map(owned).collect(),
            cashtags: entities.cashtags().map(owned).collect(),
            mentions: entities
                .mentions()
                .map(|mention| OwnedMention { id: mention.id, screen_name: mention.screen_name.map(owned) })
                .collect(),
            urls: entities.urls().map(|url| OwnedUrl::new(&url)).collect(),
            media: post
                .media_beside(&entities)
                .map(|media| {
                    let kind = match media.kind() {
                        MediaKind::Photo => OwnedMediaKind::Photo,
                        MediaKind::Video => OwnedMediaKind::Video,
                        MediaKind::AnimatedGif => OwnedMediaKind::AnimatedGif,
                        _ => OwnedMediaKind::Other,
                    };
                    Ok(OwnedMedia { kind, fields: remaining(media.value(), &["type"])? })
                })
                .collect::<Result<_, _>>()?,
            point: post
                .point()
                .map(|point| OwnedPoint { longitude: point.longitude, latitude: point.latitude }),
            place: match post.place() {
                Some(place) => Some(OwnedPlace {
                    id: place.id().map(owned),
                    name: place.name().map(owned),
                    full_name: place.full_name().map(owned),
                    country: place.country().map(owned),
                    country_code: place.country_code().map(owned),
                    place_type: place.place_type().map(owned),
                    other: remaining(
                        place.value(),
                        &["id", "name", "full_name", "country", "country_code", "place_type"],
                    )?,
                }),
                None => None,
            },
            quoted_id: post.quoted_id(),
            quoted,
            retweeted_id: post.retweeted_id(),
            retweeted,
            matching_rules: post
                .matching_rules()
                .map(|rule| OwnedRule { id: rule.id, tag: rule.tag.map(owned) })
                .collect(),
            other,
        })
    }
}

impl OwnedUser {
    fn new(user: &User<'_>, format: Format) -> Result<Self, PostError> {
        let profile = user.profile();
        let known: &[&str] = match format {
            Format::V2 => &["id", "username", "name", "description", "location", "verified"],
            _ => &[
                "id",
                "id_str",
                "screen_name",
                "name",
                "description",
                "location",
                "verified",
                "followers_count",
                "friends_count",
                "listed_count",
                "statuses_count",
            ],
        };
        Ok(Self {
            id: profile.id,
            screen_name: profile.screen_name.map(owned),
            name: profile.name.map(owned),
            description: profile.description.map(owned),
            location: profile.location.map(owned),
            verified: profile.verified,
            followers_count: profile.followers_count,
            friends_count: profile.friends_count,
            listed_count: profile.listed_count,
            statuses_count: profile.statuses_count,
            other: remaining(user.value(), known)?,
        })
    }
}

impl OwnedUrl {
    fn new(url: &Url<'_>) -> Self {
        Self {
            url: url.url().map(owned),
            expanded_url: url.expanded_url().map(owned),
            display_url: url.display_url().map(owned),
            unwound_url: url.unwound_url().map(owned),
            title: url.title().map(owned),
            description: url.description().map(owned),
        }
    }
}

fn owned(text: JsonStr<'_>) -> String {
    text.to_cow().into_owned()
}

impl fmt::Display for PostError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotOnePost => f.write_str("the message is not one Post; read its Posts with `posts()`"),
            Self::NoId => f.write_str("the Post has no id"),
            Self::TooDeep => write!(f, "a field of the Post is nested more than {NESTING_MAX} deep"),
        }
    }
}

impl std::error::Error for PostError {}
