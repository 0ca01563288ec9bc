//! What the service found in a Post's text, and the media that came with it.
//!
//! Matching hashtags, mentions and links goes by these lists and never by the text: the service has found them there
//! already, by rules of its own.

use core::fmt;

use super::text::JsonStr;
use super::value::{Value, either_id};
use crate::stream::message::Format;

/// How many media of one Post are looked at. X allows four (X docs: "Media best practices"); in v2 each is looked up
/// by its key, and this bounds the work that a hostile message can ask for.
pub const MEDIA_MAX: usize = 16;

/// The entities of a Post (X docs: "Entities object"), each list found in one scan when this was made.
#[derive(Clone, Copy)]
pub struct Entities<'a> {
    hashtags: Option<Value<'a>>,
    cashtags: Option<Value<'a>>,
    mentions: Option<Value<'a>>,
    urls: Option<Value<'a>>,
    media: Option<Value<'a>>,
    format: Format,
}

impl<'a> Entities<'a> {
    /// The entities in an object of this format; none where it is no object.
    #[must_use]
    pub fn new(value: Option<Value<'a>>, format: Format) -> Self {
        let names = match format {
            Format::V2 => ["hashtags", "cashtags", "mentions", "urls", "media"],
            _ => ["hashtags", "symbols", "user_mentions", "urls", "media"],
        };
        let [hashtags, cashtags, mentions, urls, media] =
            value.map_or([None; 5], |value| value.fields(names));
        Self { hashtags, cashtags, mentions, urls, media, format }
    }

    /// The hashtags, without their #.
    pub fn hashtags(&self) -> impl Iterator<Item = JsonStr<'a>> + use<'a> {
        tags(self.hashtags, self.format)
    }

    /// The cashtags, without their $; `symbols` in the legacy format.
    pub fn cashtags(&self) -> impl Iterator<Item = JsonStr<'a>> + use<'a> {
        tags(self.cashtags, self.format)
    }

    /// The users that are mentioned.
    pub fn mentions(&self) -> impl Iterator<Item = Mention<'a>> + use<'a> {
        let is_v2 = self.format == Format::V2;
        objects(self.mentions).map(move |mention| {
            let [id_str, id, screen_name] =
                mention.fields(["id_str", "id", if is_v2 { "username" } else { "screen_name" }]);
            Mention {
                id: either_id(id_str, id),
                screen_name: screen_name.and_then(|name| name.as_str()),
                value: mention,
            }
        })
    }

    /// The list of media, of the legacy format only.
    pub(super) fn media(&self) -> Option<Value<'a>> {
        self.media.and_then(Value::array)
    }

    /// The links.
    pub fn urls(&self) -> impl Iterator<Item = Url<'a>> + use<'a> {
        let format = self.format;
        objects(self.urls).map(move |value| Url { value, format })
    }
}

fn elements(list: Option<Value<'_>>) -> impl Iterator<Item = Value<'_>> {
    list.into_iter().flat_map(|list| list.elements())
}

fn objects(list: Option<Value<'_>>) -> impl Iterator<Item = Value<'_>> {
    elements(list).filter_map(Value::object)
}

fn tags(list: Option<Value<'_>>, format: Format) -> impl Iterator<Item = JsonStr<'_>> {
    let key = if format == Format::V2 { "tag" } else { "text" };
    elements(list).filter_map(move |tag| tag.get(key)?.as_str())
}

impl fmt::Debug for Entities<'_> {
    /// How many there are: Posts are not for logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entities")
            .field("hashtags", &objects(self.hashtags).count())
            .field("cashtags", &objects(self.cashtags).count())
            .field("mentions", &objects(self.mentions).count())
            .field("urls", &objects(self.urls).count())
            .finish_non_exhaustive()
    }
}

/// A user that a Post mentions.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Mention<'a> {
    /// The id: `id_str`, else `id`.
    pub id: Option<u64>,
    /// The name after the @, `username` in v2.
    pub screen_name: Option<JsonStr<'a>>,
    /// The object itself.
    pub value: Value<'a>,
}

/// A link in a Post. What it leads to is known where the service followed it (X docs: "Expanded and enhanced URLs").
#[derive(Clone, Copy)]
pub struct Url<'a> {
    value: Value<'a>,
    format: Format,
}

impl<'a> Url<'a> {
    /// The object itself.
    #[must_use]
    pub const fn value(&self) -> Value<'a> {
        self.value
    }

    fn string(&self, key: &str) -> Option<JsonStr<'a>> {
        self.value.get(key)?.as_str()
    }

    /// A field of the page behind the link: in `unwound`, or beside the link in v2.
    fn unwound(&self, key: &str, v2: &str) -> Option<JsonStr<'a>> {
        match self.format {
            Format::V2 => self.string(v2),
            _ => self.value.get("unwound")?.get(key)?.as_str(),
        }
    }

    /// The short link that the text holds.
    #[must_use]
    pub fn url(&self) -> Option<JsonStr<'a>> {
        self.string("url")
    }

    /// The link as it was typed.
    #[must_use]
    pub fn expanded_url(&self) -> Option<JsonStr<'a>> {
        self.string("expanded_url")
    }

    /// What is shown of it.
    #[must_use]
    pub fn display_url(&self) -> Option<JsonStr<'a>> {
        self.string("display_url")
    }

    /// Where it leads in the end.
    #[must_use]
    pub fn unwound_url(&self) -> Option<JsonStr<'a>> {
        self.unwound("url", "unwound_url")
    }

    /// The title of the page there.
    #[must_use]
    pub fn title(&self) -> Option<JsonStr<'a>> {
        self.unwound("title", "title")
    }

    /// The description of the page there.
    #[must_use]
    pub fn description(&self) -> Option<JsonStr<'a>> {
        self.unwound("description", "description")
    }
}

impl fmt::Debug for Url<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Url").field("format", &self.format).finish_non_exhaustive()
    }
}

/// What a medium is (X docs: "Media object").
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum MediaKind {
    /// `photo`
    Photo,
    /// `video`
    Video,
    /// `animated_gif`
    AnimatedGif,
    /// Anything else, or nothing.
    Other,
}

/// A photo, video or GIF that was uploaded with a Post.
#[derive(Clone, Copy)]
pub struct Media<'a> {
    value: Value<'a>,
    format: Format,
}

impl<'a> Media<'a> {
    /// The object itself.
    #[must_use]
    pub const fn value(&self) -> Value<'a> {
        self.value
    }

    /// What it is.
    #[must_use]
    pub fn kind(&self) -> MediaKind {
        let Some(kind) = self.value.get("type").and_then(|kind| kind.as_str()) else {
            return MediaKind::Other;
        };
        for (name, known) in [
            ("photo", MediaKind::Photo),
            ("video", MediaKind::Video),
            ("animated_gif", MediaKind::AnimatedGif),
        ] {
            if kind == name {
                return known;
            }
        }
        MediaKind::Other
    }

    /// Its links. In the legacy format a medium has those of a link in the text, of which [`Url::unwound_url`] and what
    /// it leads to are always absent; v2 lists them among the [`Entities::urls`].
    #[must_use]
    pub const fn links(&self) -> Url<'a> {
        Url { value: self.value, format: self.format }
    }
}

impl fmt::Debug for Media<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Media").field("kind", &self.kind()).finish_non_exhaustive()
    }
}

/// The media of a list, or, in v2, those that a list of keys names.
pub(super) fn media<'a>(
    list: Option<Value<'a>>,
    included: Option<Value<'a>>,
    format: Format,
) -> impl Iterator<Item = Media<'a>> + use<'a> {
    elements(list).take(MEDIA_MAX).filter_map(move |value| {
        let value = match format {
            Format::V2 => {
                let key = value.as_str()?;
                let is_it = |media: &Value<'a>| {
                    media.get("media_key").and_then(|it| it.as_str()).is_some_and(|it| it.same(&key))
                };
                included?.elements().find(is_it)?
            }
            _ => value.object()?,
        };
        Some(Media { value, format })
    })
}
