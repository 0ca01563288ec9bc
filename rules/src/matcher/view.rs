//! Defines which strings of a Post each operator reads, in both formats.
//!
//! A [`Domain`] is the set of strings that a kind of operator compares with its argument. The
//! meaning of an absent field depends on the format:
//!
//! - A legacy Post has all fields: an absent field is empty.
//! - A v2 Post has only the requested fields and leaves out empty ones. An absent field is unknown
//!   only in two cases. One is that every Post has the field (author, language, source, the counts
//!   of a user). The other is that the Post refers to an object that `includes` lacks.
//! - Some fields never occur in one of the formats.

use core::cell::OnceCell;
use core::ops::Range;

use memchr::memchr;
use powerstream_core::post::{Entities, Format, Index, JsonStr, Post, Readable, Url, User, Value};
use powerstream_core::stream::{Kind, classify, elements};

/// The Post in which a leaf was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PostRole {
    /// The delivered Post.
    Own,
    /// The Post that the delivered one quotes.
    Quoted,
    /// The Post that the delivered one retweets.
    Retweeted,
    /// The Post that the retweeted one quotes.
    RetweetedQuoted,
}

/// A set of strings of a Post that are read together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Domain {
    /// Texts, and links as keywords and phrases see them, of all four Posts of [`PostRole`].
    Words,
    /// Texts of the Post and of the one that it retweets.
    OwnTexts,
    /// Targets of links, of the same Posts as words.
    Links,
    /// Targets of links and short links.
    AllLinks,
    /// Titles of the linked pages, their first 300 characters.
    Titles,
    /// Descriptions of the linked pages, their first 1,000 characters.
    Descriptions,
    Bio,
    BioName,
    BioLocation,
    PlaceNames,
    Hashtags,
    Cashtags,
    MentionNames,
    MentionIds,
    FromName,
    FromId,
    ToName,
    ToId,
    RetweetsOfName,
    RetweetsOfId,
    FromAffiliateName,
    FromAffiliateId,
    ToAffiliateName,
    ToAffiliateId,
    Lang,
    PlaceId,
    PlaceCountry,
    ProfileCountry,
    ProfileRegion,
    ProfileLocality,
    ProfileSubregion,
    RetweetedId,
    RepliedId,
    ConversationId,
    Context,
    Entity,
    SourceName,
    SourceUrl,
}

/// A string of a Post, or an id in its place.
#[derive(Clone, Copy)]
pub(crate) enum FieldValue<'a> {
    Str(&'a str),
    Json(JsonStr<'a>),
    /// A text in which X writes `&`, `<` and `>` as HTML entities.
    HtmlStr(&'a str),
    /// A JSON text in which X writes `&`, `<` and `>` as HTML entities.
    HtmlJson(JsonStr<'a>),
    Id(u64),
    /// The ids of an annotation's domain and entity.
    Annotation(Option<u64>, Option<u64>),
}

impl<'a> FieldValue<'a> {
    /// Returns the text as readers see it, in `buffer` if it must be decoded. Empty for an id.
    pub(crate) fn read<'b>(self, buffer: &'b mut String) -> &'b str
    where
        'a: 'b,
    {
        match self {
            Self::Str(text) => text,
            Self::HtmlStr(text) if memchr(b'&', text.as_bytes()).is_none() => text,
            Self::HtmlStr(text) => {
                buffer.clear();
                buffer.extend(Readable::new(text));
                buffer
            }
            Self::Json(text) | Self::HtmlJson(text) => {
                let is_html = matches!(self, Self::HtmlJson(_));
                match text.as_str() {
                    Some(text) if is_html => return Self::HtmlStr(text).read(buffer),
                    Some(text) => return text,
                    None => {}
                }
                buffer.clear();
                // Writing to a String cannot fail.
                let _ = text.write_to(buffer);
                if is_html && memchr(b'&', buffer.as_bytes()).is_some() {
                    buffer.clear();
                    buffer.extend(text.readable());
                }
                buffer
            }
            Self::Id(_) | Self::Annotation(..) => "",
        }
    }

    /// Converts character positions in the [read](Self::read) text to positions in the received
    /// one.
    pub(crate) fn received(self, characters: Range<usize>) -> Range<usize> {
        let mut readable = match self {
            Self::HtmlStr(text) => Readable::new(text),
            Self::HtmlJson(text) => text.readable(),
            _ => return characters,
        };
        let mut position_behind = |count| {
            readable.by_ref().take(count).for_each(drop);
            readable.position()
        };
        position_behind(characters.start)..position_behind(characters.len())
    }
}

/// A function called with each string: its Post, its field, and its value.
pub(crate) type Visit<'v> = dyn FnMut(PostRole, &'static str, FieldValue<'_>) + 'v;

/// The field that a v2 message lacks, if the result depends on it.
pub(crate) type Missing = Option<&'static str>;

/// The longest source that is parsed, in bytes.
const SOURCE_BYTES: usize = 1_024;

const TWEETS: Missing = Some("includes.tweets");
const USERS: Missing = Some("includes.users");
const PLACES: Missing = Some("includes.places");

/// Returns the Post in a message, or the first one of an array.
pub(crate) fn post_of(message: &[u8]) -> Option<Post<'_>> {
    match classify(message).kind {
        Kind::Post { format, .. } => Some(Post::with_format(message, format)),
        Kind::Array => {
            let first = elements(message).next()?.ok()?;
            match classify(first).kind {
                Kind::Post { format, .. } => Some(Post::with_format(first, format)),
                _ => None,
            }
        }
        _ => None,
    }
}

/// A Post, and the Posts that it retweets and quotes.
pub(crate) struct Posts<'a> {
    /// Set if there is only a text.
    plain: Option<&'a str>,
    post: Post<'a>,
    others: OnceCell<Others<'a>>,
}

/// The retweeted and quoted Posts. Each is indexed once.
struct Others<'a> {
    retweeted: Option<Index<'a>>,
    quoted: Option<Index<'a>>,
    retweeted_quoted: Option<Index<'a>>,
    /// True if a referenced Post is not included.
    missing_own: bool,
    missing_any: bool,
}

impl<'a> Posts<'a> {
    pub(crate) fn new(post: Post<'a>) -> Self {
        Self { plain: None, post, others: OnceCell::new() }
    }

    pub(crate) fn of_text(text: &'a str) -> Self {
        Self { plain: Some(text), ..Self::new(Post::with_format(b"", Format::Legacy)) }
    }

    fn others(&self) -> &Others<'a> {
        self.others.get_or_init(|| {
            let is_v2 = self.post.format() == Format::V2;
            let retweeted_post = self.post.retweeted();
            let retweeted = retweeted_post.map(|post| post.index());
            let quoted = self.post.quoted().map(|post| post.index());
            // Looked up only if there is one, because the search reads the whole Post.
            let quotes = retweeted.as_ref().is_some_and(|index| index.post().quoted().is_some());
            let retweeted_quoted = retweeted_post.filter(|_| quotes).and_then(|post| post.quoted());
            let missing_own = is_v2 && retweeted.is_none() && self.post.retweeted_id().is_some();
            let missing_quoted =
                |post: Post<'_>, is_there: bool| is_v2 && !is_there && post.quoted_id().is_some();
            let missing_any = missing_own
                || missing_quoted(self.post, quoted.is_some())
                || retweeted.as_ref().is_some_and(|index| missing_quoted(index.post(), quotes));
            let retweeted_quoted = retweeted_quoted.map(|post| post.index());
            Others { retweeted, quoted, retweeted_quoted, missing_own, missing_any }
        })
    }
}

/// The parts of the Posts that rules read.
pub(crate) struct View<'a> {
    posts: &'a Posts<'a>,
    /// Indexed by role, so that the lists of each Post are searched once.
    entities: [OnceCell<Entities<'a>>; 4],
}

impl<'a> View<'a> {
    pub(crate) fn new(posts: &'a Posts<'a>) -> Self {
        Self { posts, entities: Default::default() }
    }

    pub(crate) const fn post(&self) -> Post<'a> {
        self.posts.post
    }

    pub(crate) fn is_v2(&self) -> bool {
        self.post().format() == Format::V2
    }

    fn others(&self) -> &'a Others<'a> {
        self.posts.others()
    }

    fn retweeted(&self) -> Option<Post<'a>> {
        self.others().retweeted.as_ref().map(Index::post)
    }

    /// Returns the Post and the one that it retweets.
    pub(crate) fn own(&self) -> impl Iterator<Item = (PostRole, Post<'a>)> + use<'a> {
        [Some((PostRole::Own, self.post())), self.retweeted().map(|post| (PostRole::Retweeted, post))]
            .into_iter()
            .flatten()
    }

    /// Returns the Post, the one that it retweets, and those that they quote.
    pub(crate) fn all(&self) -> impl Iterator<Item = (PostRole, Post<'a>)> + use<'a> {
        let Others { quoted, retweeted_quoted, .. } = self.others();
        let quoted = [(PostRole::Quoted, quoted), (PostRole::RetweetedQuoted, retweeted_quoted)];
        let quoted = quoted.into_iter().filter_map(|(source, index)| Some((source, index.as_ref()?.post())));
        self.own().chain(quoted)
    }

    /// Returns the entities of one of these Posts.
    pub(crate) fn entities(&self, source: PostRole, post: Post<'a>) -> Entities<'a> {
        *self.entities[source as usize].get_or_init(|| post.entities())
    }

    /// Returns the entities of all these Posts.
    fn all_entities(&self) -> impl Iterator<Item = (PostRole, Entities<'a>)> {
        self.all().map(|(source, post)| (source, self.entities(source, post)))
    }

    /// Returns what is missing of the Posts of [`own`](Self::own).
    pub(crate) fn missing_own(&self) -> Missing {
        TWEETS.filter(|_| self.others().missing_own)
    }

    /// Returns what is missing of the Posts of [`all`](Self::all).
    pub(crate) fn missing_any(&self) -> Missing {
        TWEETS.filter(|_| self.others().missing_any)
    }

    pub(crate) fn is_retweet(&self) -> bool {
        self.others().retweeted.is_some() || self.others().missing_own
    }

    /// Returns the author, or the field that is missing.
    pub(crate) fn author(&self) -> Result<User<'a>, Missing> {
        self.user(self.post())
    }

    fn user<'p>(&self, post: Post<'p>) -> Result<User<'p>, Missing> {
        post.author().ok_or_else(|| match (self.is_v2(), post.author_id()) {
            (false, _) => None,
            (true, None) => Some("data.author_id"),
            (true, Some(_)) => USERS,
        })
    }

    /// Returns what is missing if a field is absent that every v2 user has.
    pub(crate) fn absent_of_user(&self, field: &'static str) -> Missing {
        self.is_v2().then_some(field)
    }

    /// Visits the strings of a domain. Returns what is missing if some string may not have been
    /// seen.
    pub(crate) fn visit(&self, domain: Domain, visit: &mut Visit<'_>) -> Missing {
        match domain {
            Domain::Words => {
                if let Some(text) = self.posts.plain {
                    visit(PostRole::Own, "text", FieldValue::HtmlStr(text));
                    return None;
                }
                for (source, post) in self.all() {
                    text(source, post, visit);
                    self.links(source, post, visit);
                }
                self.missing_any()
            }
            Domain::OwnTexts => {
                if let Some(text) = self.posts.plain {
                    visit(PostRole::Own, "text", FieldValue::HtmlStr(text));
                    return None;
                }
                self.own().for_each(|(source, post)| text(source, post, visit));
                self.missing_own()
            }
            Domain::Links => self.urls(visit, |source, url, visit| {
                string(source, "urls.expanded_url", url.expanded_url(), visit);
                string(source, "urls.unwound.url", url.unwound_url(), visit);
            }),
            Domain::AllLinks => self.urls(visit, |source, url, visit| {
                string(source, "urls.url", url.url(), visit);
                string(source, "urls.expanded_url", url.expanded_url(), visit);
                string(source, "urls.unwound.url", url.unwound_url(), visit);
            }),
            Domain::Titles => self.urls(visit, |source, url, visit| {
                string(source, "urls.unwound.title", url.title(), visit);
            }),
            Domain::Descriptions => self.urls(visit, |source, url, visit| {
                string(source, "urls.unwound.description", url.description(), visit);
            }),
            Domain::Bio => self.profile("user.description", User::description, visit),
            Domain::BioName => self.profile("user.name", User::name, visit),
            Domain::BioLocation => self.profile("user.location", User::location, visit),
            Domain::Hashtags => {
                for (source, entities) in self.all_entities() {
                    for tag in entities.hashtags() {
                        visit(source, "entities.hashtags", FieldValue::Json(tag));
                    }
                }
                self.missing_any()
            }
            Domain::Cashtags => {
                for (source, entities) in self.all_entities() {
                    for tag in entities.cashtags() {
                        visit(source, "entities.symbols", FieldValue::Json(tag));
                    }
                }
                self.missing_any()
            }
            Domain::MentionNames | Domain::MentionIds => {
                for (source, entities) in self.all_entities() {
                    for mention in entities.mentions() {
                        let id = mention.id.map(FieldValue::Id);
                        let name = mention.screen_name.map(FieldValue::Json);
                        let found = if domain == Domain::MentionIds { id } else { name };
                        found.into_iter().for_each(|text| visit(source, "entities.user_mentions", text));
                    }
                }
                self.missing_any()
            }
            Domain::FromName => {
                user_name(PostRole::Own, "user.screen_name", self.author(), self.is_v2(), visit)
            }
            Domain::FromId => self.user_id(PostRole::Own, "user.id", self.post(), visit),
            Domain::ToName => {
                string(
                    PostRole::Own,
                    "in_reply_to_screen_name",
                    self.post().in_reply_to_screen_name(),
                    visit,
                );
                let absent = || self.post().in_reply_to_screen_name().is_none();
                USERS.filter(|_| self.is_v2() && self.post().in_reply_to_user_id().is_some() && absent())
            }
            Domain::ToId => {
                id(PostRole::Own, "in_reply_to_user_id", self.post().in_reply_to_user_id(), visit);
                None
            }
            Domain::RetweetsOfName | Domain::RetweetsOfId => {
                let Some(original) = self.retweeted() else { return self.missing_own() };
                if domain == Domain::RetweetsOfId {
                    return self.user_id(PostRole::Retweeted, "user.id", original, visit);
                }
                user_name(PostRole::Retweeted, "user.screen_name", self.user(original), self.is_v2(), visit)
            }
            Domain::FromAffiliateName | Domain::FromAffiliateId => {
                if !self.is_v2() {
                    return Some("user.affiliation");
                }
                match self.author() {
                    Ok(user) => self.affiliations(user, domain == Domain::FromAffiliateName, visit),
                    Err(missing) => missing,
                }
            }
            Domain::ToAffiliateName | Domain::ToAffiliateId => {
                if !self.is_v2() {
                    return Some("user.affiliation");
                }
                let id = self.post().in_reply_to_user_id()?;
                match self.included_user(id) {
                    Some(user) => self.affiliations(user, domain == Domain::ToAffiliateName, visit),
                    None => USERS,
                }
            }
            Domain::Lang => {
                let Some(lang) = self.post().lang() else { return self.is_v2().then_some("data.lang") };
                visit(PostRole::Own, "lang", FieldValue::Json(lang));
                let mut also = |code| visit(PostRole::Own, "lang", FieldValue::Str(code));
                // The code of one variant also means the other; see `language.rs` for the codes.
                if is(lang, "zh-cn") || is(lang, "zh-tw") {
                    also("zh");
                } else if is(lang, "zh") {
                    also("zh-cn");
                }
                None
            }
            Domain::PlaceNames => self.place(|place| {
                string(PostRole::Own, "place.full_name", place.full_name(), visit);
                string(PostRole::Own, "place.name", place.name(), visit);
                string(PostRole::Own, "place.country", place.country(), visit);
            }),
            Domain::PlaceId => {
                if !self.is_retweet() {
                    string(PostRole::Own, "place.id", self.post().place_id(), visit);
                }
                None
            }
            Domain::PlaceCountry => {
                self.place(|place| string(PostRole::Own, "place.country_code", place.country_code(), visit))
            }
            Domain::ProfileCountry => {
                self.locations("country_code", "user.derived.locations.country_code", visit)
            }
            Domain::ProfileRegion => self.locations("region", "user.derived.locations.region", visit),
            Domain::ProfileLocality => self.locations("locality", "user.derived.locations.locality", visit),
            Domain::ProfileSubregion => {
                self.locations("sub_region", "user.derived.locations.sub_region", visit)
            }
            Domain::RetweetedId => {
                let retweeted = self.post().retweeted_id().map(|id| id.as_u64());
                id(PostRole::Own, "retweeted_status.id", retweeted, visit);
                None
            }
            Domain::RepliedId => {
                let replied = self.post().in_reply_to_post_id().map(|id| id.as_u64());
                id(PostRole::Own, "in_reply_to_status_id", replied, visit);
                None
            }
            Domain::ConversationId => {
                let conversation = self.post().conversation_id().map(|id| id.as_u64());
                id(PostRole::Own, "conversation_id", conversation, visit);
                Some("data.conversation_id").filter(|_| self.is_v2() && conversation.is_none())
            }
            Domain::Context => self.annotations(|annotation| {
                let id = |key| annotation.path(&[key, "id"]).and_then(|id| id.as_id());
                let found = FieldValue::Annotation(id("domain"), id("entity"));
                visit(PostRole::Own, "context_annotations", found);
            }),
            Domain::Entity => self.annotations(|annotation| {
                let name = annotation.path(&["entity", "name"]).and_then(|name| name.as_str());
                string(PostRole::Own, "context_annotations.entity.name", name, visit);
            }),
            Domain::SourceName | Domain::SourceUrl => {
                let Some(source) = self.post().source() else { return self.is_v2().then_some("data.source") };
                let mut buffer = [0; SOURCE_BYTES];
                // A longer text is not an anchor that the service writes.
                let text = if self.is_v2() { None } else { source.unescape(&mut buffer) };
                let (name, url) = match text.and_then(anchor) {
                    Some((name, url)) => (FieldValue::HtmlStr(name), Some(FieldValue::HtmlStr(url))),
                    None => (FieldValue::Json(source), None),
                };
                let found = if domain == Domain::SourceName { Some(name) } else { url };
                found.into_iter().for_each(|text| visit(PostRole::Own, "source", text));
                None
            }
        }
    }

    /// Visits the links as keywords see them. Each is read once, in any order of its fields.
    fn links(&self, source: PostRole, post: Post<'a>, visit: &mut Visit<'_>) {
        let is_v2 = self.is_v2();
        let mut tell = |field, value: Option<Value<'_>>| {
            string(source, field, value.and_then(|value| value.as_str()), visit);
        };
        let entities = self.entities(source, post);
        for url in entities.urls() {
            let keys = ["url", "expanded_url", "display_url", if is_v2 { "unwound_url" } else { "unwound" }];
            let [short, expanded, display, unwound] = url.value().fields(keys);
            tell("urls.url", short);
            tell("urls.expanded_url", expanded);
            tell("urls.display_url", display);
            tell("urls.unwound.url", if is_v2 { unwound } else { unwound.and_then(|page| page.get("url")) });
        }
        // In v2, the links of media are among the other links.
        if !is_v2 {
            for medium in post.media_beside(&entities) {
                let [short, expanded, display] =
                    medium.value().fields(["url", "expanded_url", "display_url"]);
                tell("media.url", short);
                tell("media.expanded_url", expanded);
                tell("media.display_url", display);
            }
        }
    }

    fn urls(&self, visit: &mut Visit<'_>, each: impl Fn(PostRole, Url<'_>, &mut Visit<'_>)) -> Missing {
        for (source, entities) in self.all_entities() {
            entities.urls().for_each(|url| each(source, url, visit));
        }
        self.missing_any()
    }

    /// Visits a field of the author that v2 leaves out if it is empty.
    fn profile(
        &self,
        field: &'static str,
        get: impl Fn(&User<'a>) -> Option<JsonStr<'a>>,
        visit: &mut Visit<'_>,
    ) -> Missing {
        match self.author() {
            Ok(user) => {
                string(PostRole::Own, field, get(&user), visit);
                None
            }
            Err(missing) => missing,
        }
    }

    fn user_id(
        &self,
        source: PostRole,
        field: &'static str,
        post: Post<'_>,
        visit: &mut Visit<'_>,
    ) -> Missing {
        let author = post.author_id();
        id(source, field, author, visit);
        Some("data.author_id").filter(|_| self.is_v2() && author.is_none())
    }

    fn affiliations(&self, user: User<'a>, by_name: bool, visit: &mut Visit<'_>) -> Missing {
        let field = "includes.users.affiliation";
        let ids = user.value().path(&["affiliation", "user_id"])?;
        let mut missing = None;
        let mut each = |id: u64| {
            if !by_name {
                visit(PostRole::Own, field, FieldValue::Id(id));
                return;
            }
            match self.included_user(id).and_then(|user| user.screen_name()) {
                Some(name) => visit(PostRole::Own, field, FieldValue::Json(name)),
                None => missing = USERS,
            }
        };
        match ids.as_id() {
            Some(id) => each(id),
            None => ids.elements().filter_map(|id| id.as_id()).for_each(each),
        }
        missing
    }

    fn included_user(&self, id: u64) -> Option<User<'a>> {
        let mut users = self.post().root()?.path(&["includes", "users"])?.elements();
        let user = users.find(|user| user.get("id").and_then(|it| it.as_id()) == Some(id))?;
        User::new(user, self.post().format())
    }

    /// Visits the place that the Post was tagged with, unless it is a Retweet.
    pub(crate) fn place(&self, each: impl FnOnce(powerstream_core::post::Place<'a>)) -> Missing {
        if self.is_retweet() {
            return None;
        }
        match self.post().place() {
            Some(place) => {
                each(place);
                None
            }
            None => PLACES.filter(|_| self.is_v2() && self.post().place_id().is_some()),
        }
    }

    /// Returns the locations that X derives for the author's profile. Only the legacy format has
    /// them.
    pub(crate) fn profile_locations(&self) -> Result<impl Iterator<Item = Value<'a>> + use<'a>, Missing> {
        if self.is_v2() {
            return Err(Some("user.derived"));
        }
        let locations = self.author().ok().and_then(|user| user.value().path(&["derived", "locations"]));
        Ok(locations.into_iter().flat_map(|list| list.elements()))
    }

    fn locations(&self, key: &str, field: &'static str, visit: &mut Visit<'_>) -> Missing {
        match self.profile_locations() {
            Ok(locations) => {
                for location in locations {
                    string(PostRole::Own, field, location.get(key).and_then(|it| it.as_str()), visit);
                }
                None
            }
            Err(missing) => missing,
        }
    }

    fn annotations(&self, each: impl FnMut(Value<'a>)) -> Missing {
        if !self.is_v2() {
            return Some("context_annotations");
        }
        let list = self.post().value().and_then(|post| post.get("context_annotations"));
        list.into_iter().flat_map(|list| list.elements()).for_each(each);
        None
    }
}

impl Domain {
    /// All domains, by number.
    pub(crate) const ALL: [Self; 38] = [
        Self::Words,
        Self::OwnTexts,
        Self::Links,
        Self::AllLinks,
        Self::Titles,
        Self::Descriptions,
        Self::Bio,
        Self::BioName,
        Self::BioLocation,
        Self::PlaceNames,
        Self::Hashtags,
        Self::Cashtags,
        Self::MentionNames,
        Self::MentionIds,
        Self::FromName,
        Self::FromId,
        Self::ToName,
        Self::ToId,
        Self::RetweetsOfName,
        Self::RetweetsOfId,
        Self::FromAffiliateName,
        Self::FromAffiliateId,
        Self::ToAffiliateName,
        Self::ToAffiliateId,
        Self::Lang,
        Self::PlaceId,
        Self::PlaceCountry,
        Self::ProfileCountry,
        Self::ProfileRegion,
        Self::ProfileLocality,
        Self::ProfileSubregion,
        Self::RetweetedId,
        Self::RepliedId,
        Self::ConversationId,
        Self::Context,
        Self::Entity,
        Self::SourceName,
        Self::SourceUrl,
    ];

    /// Returns how many characters of a string are read; `None` for all.
    const fn characters_max(self) -> Option<usize> {
        match self {
            Self::Titles => Some(300),
            Self::Descriptions => Some(1_000),
            _ => None,
        }
    }

    /// Returns the part of a string that is read.
    pub(crate) fn cut(self, text: &str) -> &str {
        let end = self.characters_max().and_then(|max| text.char_indices().nth(max)).map(|(end, _)| end);
        end.map_or(text, |end| &text[..end])
    }

    /// Returns true if its strings are compared token by token.
    pub(crate) const fn has_tokens(self) -> bool {
        matches!(
            self,
            Self::Words
                | Self::OwnTexts
                | Self::Links
                | Self::AllLinks
                | Self::Titles
                | Self::Descriptions
                | Self::Bio
                | Self::BioName
                | Self::BioLocation
                | Self::PlaceNames
        )
    }
}

fn text(source: PostRole, post: Post<'_>, visit: &mut Visit<'_>) {
    if let Some(text) = post.text() {
        visit(source, "text", FieldValue::HtmlJson(text));
    }
}

fn string(source: PostRole, field: &'static str, text: Option<JsonStr<'_>>, visit: &mut Visit<'_>) {
    if let Some(text) = text {
        visit(source, field, FieldValue::Json(text));
    }
}

fn id(source: PostRole, field: &'static str, id: Option<u64>, visit: &mut Visit<'_>) {
    if let Some(id) = id {
        visit(source, field, FieldValue::Id(id));
    }
}

fn user_name(
    source: PostRole,
    field: &'static str,
    user: Result<User<'_>, Missing>,
    is_v2: bool,
    visit: &mut Visit<'_>,
) -> Missing {
    match user {
        Ok(user) => {
            string(source, field, user.screen_name(), visit);
            // Every v2 user has a name.
            USERS.filter(|_| is_v2 && user.screen_name().is_none())
        }
        Err(missing) => missing,
    }
}

fn is(text: JsonStr<'_>, lower: &str) -> bool {
    text.chars().map(|character| character.to_ascii_lowercase()).eq(lower.chars())
}

/// Returns the text and the address of the HTML anchor that is the source of a legacy Post.
fn anchor(source: &str) -> Option<(&str, &str)> {
    let (tag, rest) = source.strip_prefix("<a ")?.split_once('>')?;
    let (_, href) = tag.split_once("href=\"")?;
    let (url, _) = href.split_once('"')?;
    let (name, _) = rest.split_once('<')?;
    Some((name, url))
}

/// Returns an address as `source:` compares it: without scheme and trailing slash. The text must be
/// folded.
pub(crate) fn bare_url(url: &str) -> &str {
    let url = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://")).unwrap_or(url);
    url.strip_suffix('/').unwrap_or(url)
}
