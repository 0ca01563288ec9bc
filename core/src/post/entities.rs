//! The entities that the service found in a Post's text, and its media.
//!
//! Use these lists to match hashtags, mentions and links, not the text: the service has already
//! found them by its own rules.

use core::fmt;

use super::text::JsonStr;
use super::value::{Value, either_id};
use crate::stream::message::Format;

/// The maximum number of media read per Post. X allows four (X docs: "Media best practices"). In
/// v2, each is looked up by its key; this limit bounds the work for a malicious message.
pub const MEDIA_MAX: usize = 16;

/// The entities of a Post (X docs: "Entities object"). Creating it finds all lists in one scan.
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
    /// Reads the entities from an object of this format. All lists are empty if `value` is not an
    /// object.
    #[must_use]
    pub fn new(value: Option<Value<'a>>, format: Format) -> Self {
        let lists = value.map_or([None; 5], |value| value.fields(Self::names(format)));
        Self::of_lists(lists, format)
    }

    /// Returns the keys of the lists, in the order of [`Self::of_lists`].
    pub(super) const fn names(format: Format) -> [&'static str; 5] {
        match format {
            Format::V2 => ["hashtags", "cashtags", "mentions", "urls", "media"],
            Format::Legacy => ["hashtags", "symbols", "user_mentions", "urls", "media"],
        }
    }

    pub(super) const fn of_lists(lists: [Option<Value<'a>>; 5], format: Format) -> Self {
        let [hashtags, cashtags, mentions, urls, media] = lists;
        Self { hashtags, cashtags, mentions, urls, media, format }
    }

    /// Returns the hashtags without `#`.
    pub fn hashtags(&self) -> impl Iterator<Item = JsonStr<'a>> + use<'a> {
        tags(self.hashtags, self.format)
    }

    /// Returns the cashtags (`symbols` in the legacy format) without `$`.
    pub fn cashtags(&self) -> impl Iterator<Item = JsonStr<'a>> + use<'a> {
        tags(self.cashtags, self.format)
    }

    /// Returns the mentioned users.
    pub fn mentions(&self) -> impl Iterator<Item = Mention<'a>> + use<'a> {
        let is_v2 = self.format == Format::V2;
        let keys = ["id_str", "id", if is_v2 { "username" } else { "screen_name" }];
        let mentions = self.mentions.into_iter().flat_map(move |list| list.objects(keys));
        mentions.map(|(mention, [id_str, id, screen_name])| Mention {
            id: either_id(id_str, id),
            screen_name: screen_name.and_then(|name| name.as_str()),
            value: mention,
        })
    }

    /// Returns the list of media, which only the legacy format has.
    pub(super) fn media(&self) -> Option<Value<'a>> {
        self.media.and_then(Value::array)
    }

    /// Returns the links.
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
    /// Prints only the numbers, because Posts do not belong in logs.
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
    /// The user ID, from `id_str` or else `id`.
    pub id: Option<u64>,
    /// The name after the @ (`username` in v2).
    pub screen_name: Option<JsonStr<'a>>,
    /// The JSON object.
    pub value: Value<'a>,
}

/// A link in a Post. Its target is known only if the service followed it (X docs: "Expanded and
/// enhanced URLs").
#[derive(Clone, Copy)]
pub struct Url<'a> {
    value: Value<'a>,
    format: Format,
}

impl<'a> Url<'a> {
    /// Returns the JSON object.
    #[must_use]
    pub const fn value(&self) -> Value<'a> {
        self.value
    }

    fn string(&self, key: &str) -> Option<JsonStr<'a>> {
        self.value.get(key)?.as_str()
    }

    /// Returns a field of the linked page: from `unwound`, or in v2 from the link itself.
    fn unwound(&self, key: &str, v2: &str) -> Option<JsonStr<'a>> {
        match self.format {
            Format::V2 => self.string(v2),
            _ => self.value.get("unwound")?.get(key)?.as_str(),
        }
    }

    /// Returns the short link that the text contains.
    #[must_use]
    pub fn url(&self) -> Option<JsonStr<'a>> {
        self.string("url")
    }

    /// Returns the link as the author typed it.
    #[must_use]
    pub fn expanded_url(&self) -> Option<JsonStr<'a>> {
        self.string("expanded_url")
    }

    /// Returns the text that is displayed for the link.
    #[must_use]
    pub fn display_url(&self) -> Option<JsonStr<'a>> {
        self.string("display_url")
    }

    /// Returns the final target of the link.
    #[must_use]
    pub fn unwound_url(&self) -> Option<JsonStr<'a>> {
        self.unwound("url", "unwound_url")
    }

    /// Returns the title of the linked page.
    #[must_use]
    pub fn title(&self) -> Option<JsonStr<'a>> {
        self.unwound("title", "title")
    }

    /// Returns the description of the linked page.
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

/// The kind of a media object (X docs: "Media object").
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum MediaKind {
    /// `photo`
    Photo,
    /// `video`
    Video,
    /// `animated_gif`
    AnimatedGif,
    /// Any other type, or none.
    Other,
}

/// A photo, video or GIF of a Post.
#[derive(Clone, Copy)]
pub struct Media<'a> {
    value: Value<'a>,
    format: Format,
}

impl<'a> Media<'a> {
    /// Returns the JSON object.
    #[must_use]
    pub const fn value(&self) -> Value<'a> {
        self.value
    }

    /// Returns the kind.
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

    /// Returns the links of the media object. In the legacy format, it has the fields of a link in
    /// the text, except [`Url::unwound_url`], [`Url::title`] and [`Url::description`]. v2 lists
    /// these links in [`Entities::urls`].
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

/// Returns the media of a list; in v2, those that a list of keys refers to.
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
