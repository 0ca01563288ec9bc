//! The view of one Post and its accessors.

use core::fmt;

use super::entities::{self, Entities, Media};
use super::keys::{Fields, Legacy, Root, RootFields, V2};
use super::place::{Place, Point};
use super::text::JsonStr;
use super::user::User;
use super::value::{Value, either_id};
use crate::stream::message::{Format, Kind, PostId, classify};

/// A view of one Post in either format. The [module](super) describes its cost and what it
/// validates.
///
/// Where names differ, those of the legacy format are used (X docs: "Data dictionary: Standard
/// v1.1", "Data dictionary: Enterprise", "Data dictionary: X API v2").
#[derive(Clone, Copy)]
pub struct Post<'a> {
    pub(super) format: Format,
    /// The object that contains its fields.
    pub(super) value: Option<Value<'a>>,
    /// The whole message.
    pub(super) root: Option<Value<'a>>,
    /// True if another Post retweets or quotes it.
    pub(super) inner: bool,
    /// The fields of `value`, if they were indexed in one scan.
    pub(super) fields: Option<&'a Fields<'a>>,
    /// The fields of `root`, if they were indexed.
    pub(super) root_fields: Option<&'a RootFields<'a>>,
}

impl<'a> Post<'a> {
    /// Creates a view of the Post in a message, in the format that [`classify`] finds. If the
    /// message is not a Post, all fields are absent, unless it has fields of the same names.
    #[must_use]
    pub fn new(message: &'a [u8]) -> Self {
        let format = match classify(message).kind {
            Kind::Post { format, .. } => format,
            Kind::Envelope { .. } => Format::V2,
            _ => Format::Legacy,
        };
        Self::with_format(message, format)
    }

    /// Creates a view of the Post in a message whose format is known, for example because it was
    /// classified. For the legacy format this reads one byte, for v2 up to `data`.
    #[must_use]
    pub fn with_format(message: &'a [u8], format: Format) -> Self {
        let root = Value::new(message).and_then(Value::object);
        let value = match format {
            Format::Legacy => root,
            Format::V2 => root.and_then(|root| root.get("data")).and_then(Value::object),
        };
        Self { format, value, root, inner: false, fields: None, root_fields: None }
    }

    /// Returns the Post in `value`, which is next to or inside this one.
    fn nested(&self, value: Value<'a>) -> Option<Self> {
        Some(Self { value: Some(value.object()?), inner: true, fields: None, ..*self })
    }

    /// Returns the Post's format.
    #[must_use]
    pub const fn format(&self) -> Format {
        self.format
    }

    /// Returns the object that contains the Post's fields: the message, or its `data`.
    #[must_use]
    pub const fn value(&self) -> Option<Value<'a>> {
        self.value
    }

    /// Returns the object of the whole message: the Post itself in the legacy format, and the
    /// outermost Post for nested ones.
    #[must_use]
    pub const fn root(&self) -> Option<Value<'a>> {
        self.root
    }

    #[inline]
    fn legacy<const N: usize>(&self, keys: [Legacy; N]) -> [Option<Value<'a>>; N] {
        self.legacy_until(keys, |_| false)
    }

    /// Returns the values of these keys, or only some of them if those are enough.
    #[inline]
    fn legacy_until<const N: usize>(
        &self,
        keys: [Legacy; N],
        enough: impl Fn(&[Option<Value<'a>>]) -> bool,
    ) -> [Option<Value<'a>>; N] {
        match self.fields {
            Some(fields) => keys.map(|key| fields.legacy(key)),
            None => self.value.map_or([None; N], |value| value.fields_until(keys.map(Legacy::name), enough)),
        }
    }

    #[inline]
    fn v2<const N: usize>(&self, keys: [V2; N]) -> [Option<Value<'a>>; N] {
        match self.fields {
            Some(fields) => keys.map(|key| fields.v2(key)),
            None => self.value.map_or([None; N], |value| value.fields(keys.map(V2::name))),
        }
    }

    /// Returns a field that has the same meaning in both formats.
    fn field(&self, legacy: Legacy, v2: V2) -> Option<Value<'a>> {
        let [value] = match self.format {
            Format::V2 => self.v2([v2]),
            _ => self.legacy([legacy]),
        };
        value
    }

    fn root_field(&self, key: Root) -> Option<Value<'a>> {
        match self.root_fields {
            Some(fields) => fields.get(key),
            None => self.root?.get(key.name()),
        }
    }

    /// Returns an id that legacy Posts contain twice. The number is used only if there is no valid
    /// string, because published samples show it rounded.
    fn legacy_id(&self, string: Legacy, number: Legacy) -> Option<u64> {
        let is_id = |found: &[Option<Value<'a>>]| matches!(found, [Some(id), _] if id.as_id().is_some());
        let [string, number] = self.legacy_until([string, number], is_id);
        either_id(string, number)
    }

    /// Returns `extended_tweet` and another key of a legacy Post for which `extended_tweet` has a
    /// better value. `extended_tweet` counts unless `truncated` is false, and is not searched for
    /// if that comes first.
    fn extended(&self, key: Legacy) -> [Option<Value<'a>>; 2] {
        let enough =
            |found: &[Option<Value<'a>>]| matches!(*found, [truncated, Some(_), _] if denies(truncated));
        let [truncated, value, extended] =
            self.legacy_until([Legacy::Truncated, key, Legacy::ExtendedTweet], enough);
        [if denies(truncated) { None } else { extended }, value]
    }

    /// Returns the Post's id: `id_str`, else `id`.
    #[must_use]
    pub fn id(&self) -> Option<PostId> {
        let id = match self.format {
            Format::V2 => self.v2([V2::Id])[0].and_then(|id| id.as_id()),
            _ => self.legacy_id(Legacy::IdStr, Legacy::Id),
        };
        id.map(PostId::new)
    }

    /// Returns the complete text.
    ///
    /// Legacy: `extended_tweet.full_text` unless `truncated` is false, else `text`, else
    /// `full_text` (X docs: "Extended Tweets"). V2: `note_tweet.text`, else `text`. The text of a
    /// retweet is that of the retweeted Post, cut and prefixed by `RT @name: `: see
    /// [`retweeted`](Self::retweeted). Needs two scans if there is no `text`.
    ///
    /// It is borrowed as received, with `&`, `<` and `>` as HTML entities, which
    /// [`JsonStr::readable`] decodes.
    #[must_use]
    pub fn text(&self) -> Option<JsonStr<'a>> {
        let string = |value: Option<Value<'a>>| value.and_then(|value| value.as_str());
        if self.format == Format::V2 {
            let [note, new_note, text] = self.v2([V2::NoteTweet, V2::NotePost, V2::Text]);
            let note = note.and_then(Value::object).or(new_note);
            return string(note.and_then(|note| note.get("text"))).or_else(|| string(text));
        }
        let [extended, text] = self.extended(Legacy::Text);
        string(extended.and_then(|extended| extended.get("full_text")))
            .or_else(|| string(text))
            .or_else(|| string(self.legacy([Legacy::FullText])[0]))
    }

    /// Returns when it was published, as received: `Wed Oct 10 20:19:24 +0000 2018`, in v2
    /// `2018-10-10T20:19:24.000Z`. [`PostId::created_at`] returns it in milliseconds without
    /// parsing.
    #[must_use]
    pub fn created_at(&self) -> Option<JsonStr<'a>> {
        self.field(Legacy::CreatedAt, V2::CreatedAt)?.as_str()
    }

    /// Returns the code of the text's language, `und` if the service found none.
    #[must_use]
    pub fn lang(&self) -> Option<JsonStr<'a>> {
        self.field(Legacy::Lang, V2::Lang)?.as_str()
    }

    /// Returns the application that sent it. Legacy: an HTML anchor with the application's name as
    /// its text; v2: that name.
    #[must_use]
    pub fn source(&self) -> Option<JsonStr<'a>> {
        self.field(Legacy::Source, V2::Source)?.as_str()
    }

    /// Returns the id of the conversation's first Post. Mostly v2.
    #[must_use]
    pub fn conversation_id(&self) -> Option<PostId> {
        let id = match self.format {
            Format::V2 => self.v2([V2::ConversationId])[0].and_then(|id| id.as_id()),
            _ => self.legacy_id(Legacy::ConversationIdStr, Legacy::ConversationId),
        };
        id.map(PostId::new)
    }

    /// Returns the id of the Post that this one replies to.
    #[must_use]
    pub fn in_reply_to_post_id(&self) -> Option<PostId> {
        match self.format {
            Format::V2 => self.referenced("replied_to"),
            _ => self.legacy_id(Legacy::InReplyToStatusIdStr, Legacy::InReplyToStatusId).map(PostId::new),
        }
    }

    /// Returns the id of the user that this Post replies to.
    #[must_use]
    pub fn in_reply_to_user_id(&self) -> Option<u64> {
        match self.format {
            Format::V2 => self.v2([V2::InReplyToUserId])[0]?.as_id(),
            _ => self.legacy_id(Legacy::InReplyToUserIdStr, Legacy::InReplyToUserId),
        }
    }

    /// Returns the name of the user that this Post replies to. V2: from `includes.users`, which may
    /// lack the user.
    #[must_use]
    pub fn in_reply_to_screen_name(&self) -> Option<JsonStr<'a>> {
        match self.format {
            Format::V2 => self.included_user(self.in_reply_to_user_id()?)?.screen_name(),
            _ => self.legacy([Legacy::InReplyToScreenName])[0]?.as_str(),
        }
    }

    /// Returns the author's id. V2: `author_id`, which needs no `includes`.
    #[must_use]
    pub fn author_id(&self) -> Option<u64> {
        match self.format {
            Format::V2 => self.v2([V2::AuthorId])[0]?.as_id(),
            _ => self.author()?.id(),
        }
    }

    /// Returns the author. V2: the user in `includes.users` that `author_id` names.
    #[must_use]
    pub fn author(&self) -> Option<User<'a>> {
        match self.format {
            Format::V2 => self.included_user(self.author_id()?),
            _ => User::new(self.legacy([Legacy::User])[0]?, self.format),
        }
    }

    /// Returns the hashtags, mentions, cashtags and links, all found in one scan of `entities`.
    ///
    /// Legacy: `extended_tweet.entities` unless `truncated` is false, else `entities`. V2:
    /// `note_tweet.entities`, else
    /// `entities`.
    #[must_use]
    pub fn entities(&self) -> Entities<'a> {
        let [inner, plain] = self.entities_values();
        match (inner, self.fields.and_then(Fields::entities)) {
            (None, Some(known)) => known,
            _ => Entities::new(inner.or(plain), self.format),
        }
    }

    /// Returns the entities of the longer text, and those of the Post.
    fn entities_values(&self) -> [Option<Value<'a>>; 2] {
        let inner = |outer: Value<'a>| outer.get("entities").and_then(Value::object);
        let (longer, entities) = if self.format == Format::V2 {
            let [note, new_note, entities] = self.v2([V2::NoteTweet, V2::NotePost, V2::Entities]);
            (note.and_then(Value::object).or(new_note), entities)
        } else {
            let [extended, entities] = self.extended(Legacy::Entities);
            (extended, entities)
        };
        [longer.and_then(inner), entities]
    }

    /// Returns the photos, videos and GIFs uploaded with it, at most
    /// [`MEDIA_MAX`](super::MEDIA_MAX).
    ///
    /// Legacy: `extended_entities.media`, first that of `extended_tweet` unless `truncated` is
    /// false, else `entities.media`, which may call a video a photo (X docs: "Extended entities
    /// object"). V2: those of `includes.media` that `attachments.media_keys` names.
    pub fn media(&self) -> impl Iterator<Item = Media<'a>> + use<'a> {
        self.media_known(None)
    }

    /// Returns the same as `media`, from known [`entities`](Self::entities), which saves a scan of
    /// them.
    pub fn media_beside(&self, entities: &Entities<'a>) -> impl Iterator<Item = Media<'a>> + use<'a> {
        self.media_known(Some(entities))
    }

    fn media_known(&self, entities: Option<&Entities<'a>>) -> impl Iterator<Item = Media<'a>> + use<'a> {
        let (list, included) = match self.format {
            Format::V2 => {
                let [attachments] = self.v2([V2::Attachments]);
                (attachments.and_then(|some| some.get("media_keys")), self.included("media", "media"))
            }
            _ => (self.legacy_media(entities), None),
        };
        entities::media(list, included, self.format)
    }

    /// Returns the list of media. Uses the entities if they are known already.
    fn legacy_media(&self, known: Option<&Entities<'a>>) -> Option<Value<'a>> {
        let list = |entities: Option<Value<'a>>| entities?.get("media")?.array();
        let keys = [Legacy::Truncated, Legacy::ExtendedTweet, Legacy::ExtendedEntities, Legacy::Entities];
        let [truncated, extended, extended_entities, plain] = self.legacy(keys);
        let extended = if denies(truncated) { None } else { extended };
        let [of_extended, plain_of_extended] =
            extended.map_or([None; 2], |extended| extended.fields(["extended_entities", "entities"]));
        list(of_extended).or_else(|| list(extended_entities)).or_else(|| match (known, plain_of_extended) {
            (Some(known), None) => known.media(),
            _ => list(plain_of_extended).or_else(|| list(plain)),
        })
    }

    /// Returns the exact point it was sent from: `coordinates`, else `geo`, which has the reverse
    /// order (X docs: "Geo objects").
    #[must_use]
    pub fn point(&self) -> Option<Point> {
        if self.format == Format::V2 {
            return Point::geo_json(self.v2([V2::Geo])[0]?.get("coordinates")?);
        }
        let [coordinates, geo] = self.legacy([Legacy::Coordinates, Legacy::Geo]);
        let turned = || Some(Point::geo_json(geo?)?.turned());
        coordinates.and_then(Point::geo_json).or_else(turned)
    }

    /// Returns the id of the tagged place. V2: `geo.place_id`, which needs no `includes`.
    #[must_use]
    pub fn place_id(&self) -> Option<JsonStr<'a>> {
        match self.format {
            Format::V2 => self.v2([V2::Geo])[0]?.get("place_id")?.as_str(),
            _ => self.place()?.id(),
        }
    }

    /// Returns the tagged place. V2: the place in `includes.places` that `geo.place_id` names.
    #[must_use]
    pub fn place(&self) -> Option<Place<'a>> {
        if self.format != Format::V2 {
            return Place::new(self.legacy([Legacy::Place])[0]?, self.format);
        }
        let id = self.place_id()?;
        let is_it =
            |place: &Value<'a>| place.get("id").and_then(|id| id.as_str()).is_some_and(|it| it.same(&id));
        Place::new(self.included("places", "places")?.elements().find(is_it)?, self.format)
    }

    /// Returns true if it quotes a Post, or retweets one that does. Legacy: `is_quote_status`; v2:
    /// true if a quoted Post is referenced.
    #[must_use]
    pub fn is_quote(&self) -> bool {
        match self.format {
            Format::V2 => self.quoted_id().is_some(),
            _ => self.legacy([Legacy::IsQuoteStatus])[0].and_then(|quote| quote.as_bool()) == Some(true),
        }
    }

    /// Returns the id of the quoted Post. Legacy: `quoted_status_id_str`, `quoted_status_id`, or
    /// that of `quoted_status`.
    #[must_use]
    pub fn quoted_id(&self) -> Option<PostId> {
        match self.format {
            Format::V2 => self.referenced("quoted"),
            _ => {
                let id = self.legacy_id(Legacy::QuotedStatusIdStr, Legacy::QuotedStatusId);
                id.map(PostId::new).or_else(|| self.quoted()?.id())
            }
        }
    }

    /// Returns the quoted Post. V2: from `includes`, which may lack it.
    #[must_use]
    pub fn quoted(&self) -> Option<Self> {
        match self.format {
            Format::V2 => self.included_post(self.quoted_id()?),
            _ => self.nested(self.legacy([Legacy::QuotedStatus])[0]?),
        }
    }

    /// Returns the id of the retweeted Post.
    #[must_use]
    pub fn retweeted_id(&self) -> Option<PostId> {
        match self.format {
            Format::V2 => self.referenced("retweeted"),
            _ => self.retweeted()?.id(),
        }
    }

    /// Returns the retweeted Post, whose text is complete even if the outer one is cut. V2: from
    /// `includes`, which may lack it.
    #[must_use]
    pub fn retweeted(&self) -> Option<Self> {
        match self.format {
            Format::V2 => self.included_post(self.retweeted_id()?),
            _ => self.nested(self.legacy([Legacy::RetweetedStatus])[0]?),
        }
    }

    /// Returns all rules that matched the Post (X docs: "Matching returned Tweets"). They belong to
    /// the message, so the Posts inside it return the same rules.
    pub fn matching_rules(&self) -> impl Iterator<Item = MatchingRule<'a>> + use<'a> {
        let rules = self.root_field(Root::MatchingRules);
        rules.into_iter().flat_map(|rules| rules.elements()).map(|rule| {
            let [string, id, tag] = rule.fields(["id_str", "id", "tag"]);
            MatchingRule { id: either_id(string, id), tag: tag.and_then(|tag| tag.as_str()) }
        })
    }

    /// Returns the id of the first Post that is referenced in this way.
    fn referenced(&self, way: &str) -> Option<PostId> {
        let [old, new] = self.v2([V2::ReferencedTweets, V2::ReferencedPosts]);
        old.and_then(Value::array).or(new)?.elements().find_map(|reference| {
            let [kind, id] = reference.fields(["type", "id"]);
            if kind?.as_str()? != way {
                return None;
            }
            id?.as_id().map(PostId::new)
        })
    }

    /// Returns an array of `includes` by either of its names.
    fn included(&self, name: &'static str, new_name: &'static str) -> Option<Value<'a>> {
        let list = |name| self.root_field(Root::Includes)?.get(name)?.array();
        list(name).or_else(|| if name == new_name { None } else { list(new_name) })
    }

    fn included_post(&self, id: PostId) -> Option<Self> {
        self.nested(by_id(self.included("tweets", "posts")?, id.as_u64())?)
    }

    fn included_user(&self, id: u64) -> Option<User<'a>> {
        User::new(by_id(self.included("users", "users")?, id)?, self.format)
    }
}

/// Returns true if `truncated` says that the text is complete.
fn denies(truncated: Option<Value<'_>>) -> bool {
    truncated.and_then(|truncated| truncated.as_bool()) == Some(false)
}

/// Returns the element of a list that has this id.
fn by_id(list: Value<'_>, id: u64) -> Option<Value<'_>> {
    list.elements().find(|element| element.get("id").and_then(|it| it.as_id()) == Some(id))
}

/// A rule that matched a Post.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct MatchingRule<'a> {
    /// The rule's id: `id_str`, else `id`.
    pub id: Option<u64>,
    /// The tag it was given.
    pub tag: Option<JsonStr<'a>>,
}

impl fmt::Debug for Post<'_> {
    /// Shows only format and id: Posts do not belong in logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Post").field("format", &self.format).field("id", &self.id()).finish_non_exhaustive()
    }
}
