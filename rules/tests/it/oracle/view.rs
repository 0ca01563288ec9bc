//! A Post of either format as the rule language sees it.
//!
//! A legacy Post has all fields, so an absent field is empty. A v2 Post has only the requested
//! fields and leaves out empty ones. A field is known to be unrequested only if every Post has it
//! ([`Post::lang`], [`User::counts`]), or if a referenced object is not included
//! ([`Lookup::Missing`]).

use serde_json::Value as Json;

use super::text::readable;

/// One Post in its message.
#[derive(Clone, Copy, Debug)]
pub struct Post<'a> {
    value: &'a Json,
    includes: &'a Json,
    pub v2: bool,
}

/// The result of looking up a reference.
#[derive(Clone, Copy, Debug)]
pub enum Lookup<T> {
    /// There is no reference.
    None,
    /// The message does not include the referenced object.
    Missing,
    Found(T),
}

impl<T> Lookup<T> {
    pub fn found(self) -> Option<T> {
        match self {
            Self::Found(found) => Some(found),
            _ => None,
        }
    }
}

/// A user: the fields of the Post itself, and the user object with the other fields.
#[derive(Clone, Copy, Debug)]
pub struct User<'a> {
    pub id: Option<u64>,
    pub name: Option<&'a str>,
    /// True if only the name is known.
    pub object: Option<&'a Json>,
}

/// A medium's kind, as the service names it.
pub type Kind<'a> = Option<&'a str>;

static NULL: Json = Json::Null;

fn string(value: &Json) -> Option<&str> {
    value.as_str()
}

/// Parses an ID, written as a string of digits or as a number.
fn id(value: &Json) -> Option<u64> {
    match value {
        Json::String(text) if text.bytes().all(|byte| byte.is_ascii_digit()) => text.parse().ok(),
        Json::Number(number) => number.as_u64(),
        _ => None,
    }
}

fn list(value: &Json) -> &[Json] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn first_list<'a>(values: impl IntoIterator<Item = &'a Json>) -> &'a [Json] {
    values.into_iter().find_map(Json::as_array).map_or(&[], Vec::as_slice)
}

impl<'a> Post<'a> {
    /// Returns the Post of a message: an object, or an array of one.
    pub fn of(message: &'a Json) -> Option<Self> {
        let message = match message {
            Json::Array(one) => one.first()?,
            other => other,
        };
        if message["data"].is_object() {
            let post = Self { value: &message["data"], includes: &message["includes"], v2: true };
            return post.id().map(|_| post);
        }
        if message["type"] == "connection_metadata" {
            return None;
        }
        let post = Self { value: message, includes: &NULL, v2: false };
        post.id().map(|_| post)
    }

    fn either(&self, legacy: &'static str, v2: &'static str) -> &'a Json {
        &self.value[if self.v2 { v2 } else { legacy }]
    }

    fn legacy_id(&self, string: &'static str, number: &'static str) -> Option<u64> {
        id(&self.value[string]).or_else(|| id(&self.value[number]))
    }

    pub fn id(&self) -> Option<u64> {
        if self.v2 { id(&self.value["id"]) } else { self.legacy_id("id_str", "id") }
    }

    fn extended(&self) -> &'a Json {
        if self.value["truncated"] == true { &self.value["extended_tweet"] } else { &NULL }
    }

    fn note(&self) -> &'a Json {
        let note = &self.value["note_tweet"];
        if note.is_object() { note } else { &self.value["note_post"] }
    }

    /// Returns the text as readers see it.
    pub fn text(&self) -> String {
        let texts = if self.v2 {
            [&self.note()["text"], &self.value["text"], &NULL]
        } else {
            [&self.extended()["full_text"], &self.value["full_text"], &self.value["text"]]
        };
        readable(texts.into_iter().find_map(string).unwrap_or_default())
    }

    fn entities(&self) -> &'a Json {
        let better = if self.v2 { &self.note()["entities"] } else { &self.extended()["entities"] };
        if better.is_object() { better } else { &self.value["entities"] }
    }

    pub fn hashtags(&self) -> Vec<&'a str> {
        let key = if self.v2 { "tag" } else { "text" };
        list(&self.entities()["hashtags"]).iter().filter_map(|tag| string(&tag[key])).collect()
    }

    pub fn cashtags(&self) -> Vec<&'a str> {
        let (name, key) = if self.v2 { ("cashtags", "tag") } else { ("symbols", "text") };
        list(&self.entities()[name]).iter().filter_map(|tag| string(&tag[key])).collect()
    }

    pub fn mentions(&self) -> Vec<User<'a>> {
        let (list_name, name) =
            if self.v2 { ("mentions", "username") } else { ("user_mentions", "screen_name") };
        let user = |mention: &'a Json| User {
            id: id(&mention["id_str"]).or_else(|| id(&mention["id"])),
            name: string(&mention[name]),
            object: Some(mention),
        };
        list(&self.entities()[list_name]).iter().map(user).collect()
    }

    fn urls(&self) -> &'a [Json] {
        list(&self.entities()["urls"])
    }

    pub fn has_urls(&self) -> bool {
        !self.urls().is_empty()
    }

    /// Returns a field of the page that a link finally leads to.
    fn unwound(&self, url: &'a Json, legacy: &str, v2: &str) -> Option<&'a str> {
        string(if self.v2 { &url[v2] } else { &url["unwound"][legacy] })
    }

    /// Returns the links as keywords see them, including those of media.
    pub fn links(&self) -> Vec<&'a str> {
        let mut links = Vec::new();
        for url in self.urls() {
            links.extend(
                ["url", "expanded_url", "display_url"].into_iter().filter_map(|key| string(&url[key])),
            );
            links.extend(self.unwound(url, "url", "unwound_url"));
        }
        if !self.v2 {
            for medium in self.legacy_media() {
                links.extend(
                    ["url", "expanded_url", "display_url"].into_iter().filter_map(|key| string(&medium[key])),
                );
            }
        }
        links
    }

    /// Returns the links as `url:` and `url_contains:` see them.
    pub fn link_targets(&self, short: bool) -> Vec<&'a str> {
        let mut links = Vec::new();
        for url in self.urls() {
            links.extend(string(&url["expanded_url"]));
            links.extend(self.unwound(url, "url", "unwound_url"));
            if short {
                links.extend(string(&url["url"]));
            }
        }
        links
    }

    pub fn titles(&self) -> Vec<&'a str> {
        self.urls().iter().filter_map(|url| self.unwound(url, "title", "title")).collect()
    }

    pub fn descriptions(&self) -> Vec<&'a str> {
        self.urls().iter().filter_map(|url| self.unwound(url, "description", "description")).collect()
    }

    fn legacy_media(&self) -> &'a [Json] {
        first_list([
            &self.extended()["extended_entities"]["media"],
            &self.value["extended_entities"]["media"],
            &self.extended()["entities"]["media"],
            &self.value["entities"]["media"],
        ])
    }

    /// Returns the uploaded media.
    pub fn media(&self) -> Vec<Lookup<Kind<'a>>> {
        if !self.v2 {
            return self.legacy_media().iter().map(|medium| Lookup::Found(string(&medium["type"]))).collect();
        }
        let included = |key: &Json| {
            let media = list(&self.includes["media"]);
            let found = media.iter().find(|medium| medium["media_key"] == *key);
            found.map_or(Lookup::Missing, |medium| Lookup::Found(string(&medium["type"])))
        };
        list(&self.value["attachments"]["media_keys"]).iter().map(included).collect()
    }

    fn included(&self, names: &[&'static str], wanted: u64) -> Option<&'a Json> {
        let all = first_list(names.iter().map(|name| &self.includes[*name]));
        all.iter().find(|one| id(&one["id"]) == Some(wanted))
    }

    fn user(&self, object: &'a Json) -> User<'a> {
        let name = if self.v2 { &object["username"] } else { &object["screen_name"] };
        User {
            id: id(&object["id_str"]).or_else(|| id(&object["id"])),
            name: string(name),
            object: Some(object),
        }
    }

    /// Returns a user of which v2 provides only the id.
    pub fn user_by_id(&self, id: u64) -> User<'a> {
        match self.included(&["users"], id) {
            Some(object) => User { id: Some(id), ..self.user(object) },
            None => User { id: Some(id), name: None, object: None },
        }
    }

    /// Returns the author.
    pub fn author(&self) -> Lookup<User<'a>> {
        if !self.v2 {
            let user = &self.value["user"];
            return if user.is_object() { Lookup::Found(self.user(user)) } else { Lookup::None };
        }
        id(&self.value["author_id"]).map_or(Lookup::Missing, |id| Lookup::Found(self.user_by_id(id)))
    }

    fn reference(&self, kind: &str) -> Option<u64> {
        let references = first_list([&self.value["referenced_tweets"], &self.value["referenced_posts"]]);
        references
            .iter()
            .find(|reference| reference["type"] == kind)
            .and_then(|reference| id(&reference["id"]))
    }

    /// Returns the ID of the Post that this one replies to.
    pub fn in_reply_to(&self) -> Option<u64> {
        if self.v2 {
            return self.reference("replied_to");
        }
        self.legacy_id("in_reply_to_status_id_str", "in_reply_to_status_id")
    }

    /// Returns the user that this Post replies to.
    pub fn in_reply_to_user(&self) -> Option<User<'a>> {
        if self.v2 {
            return id(&self.value["in_reply_to_user_id"]).map(|id| self.user_by_id(id));
        }
        let user = User {
            id: self.legacy_id("in_reply_to_user_id_str", "in_reply_to_user_id"),
            name: string(&self.value["in_reply_to_screen_name"]),
            object: None,
        };
        (user.id.is_some() || user.name.is_some()).then_some(user)
    }

    fn other(&self, legacy: &'static str, v2: &str) -> Lookup<Self> {
        if !self.v2 {
            let inner = &self.value[legacy];
            let post = Self { value: inner, ..*self };
            return if inner.is_object() { Lookup::Found(post) } else { Lookup::None };
        }
        let Some(id) = self.reference(v2) else { return Lookup::None };
        let found = self.included(&["tweets", "posts"], id);
        found.map_or(Lookup::Missing, |value| Lookup::Found(Self { value, ..*self }))
    }

    /// Returns the Post that this one retweets.
    pub fn retweeted(&self) -> Lookup<Self> {
        self.other("retweeted_status", "retweeted")
    }

    pub fn retweeted_id(&self) -> Option<u64> {
        if self.v2 { self.reference("retweeted") } else { self.retweeted().found()?.id() }
    }

    /// Returns the Post that this one quotes.
    pub fn quoted(&self) -> Lookup<Self> {
        self.other("quoted_status", "quoted")
    }

    pub fn is_quote(&self) -> bool {
        if self.v2 { self.reference("quoted").is_some() } else { self.value["is_quote_status"] == true }
    }

    pub fn lang(&self) -> Option<&'a str> {
        string(&self.value["lang"])
    }

    /// Returns name and URL of the application.
    pub fn source(&self) -> Option<(String, Option<String>)> {
        let source = string(&self.value["source"])?;
        if self.v2 {
            return Some((source.to_owned(), None));
        }
        let anchor = |source: &str| {
            let (tag, rest) = source.strip_prefix("<a ")?.split_once('>')?;
            let href = tag.split_once("href=\"")?.1.split_once('"')?.0;
            Some((readable(rest.split_once('<')?.0), Some(readable(href))))
        };
        Some(anchor(source).unwrap_or_else(|| (source.to_owned(), None)))
    }

    pub fn point(&self) -> Option<(f64, f64)> {
        let pair = |value: &Json| Some((value[0].as_f64()?, value[1].as_f64()?));
        if self.v2 {
            return pair(&self.value["geo"]["coordinates"]["coordinates"]);
        }
        let turned = |(latitude, longitude)| (longitude, latitude);
        pair(&self.value["coordinates"]["coordinates"])
            .or_else(|| pair(&self.value["geo"]["coordinates"]).map(turned))
    }

    pub fn place_id(&self) -> Option<&'a str> {
        string(if self.v2 { &self.value["geo"]["place_id"] } else { &self.value["place"]["id"] })
    }

    pub fn place(&self) -> Lookup<&'a Json> {
        if !self.v2 {
            let place = &self.value["place"];
            return if place.is_object() { Lookup::Found(place) } else { Lookup::None };
        }
        let Some(id) = self.place_id() else { return Lookup::None };
        let found = list(&self.includes["places"]).iter().find(|place| place["id"] == id);
        found.map_or(Lookup::Missing, Lookup::Found)
    }

    /// Returns the corners of a place.
    pub fn corners(&self, place: &'a Json) -> Vec<(f64, f64)> {
        if !self.v2 {
            let corners = list(&place["bounding_box"]["coordinates"][0]).iter();
            return corners.filter_map(|corner| Some((corner[0].as_f64()?, corner[1].as_f64()?))).collect();
        }
        let edges: Vec<f64> = list(&place["geo"]["bbox"]).iter().filter_map(Json::as_f64).collect();
        let [west, south, east, north] = edges[..] else { return Vec::new() };
        vec![(west, south), (west, north), (east, south), (east, north)]
    }

    pub fn is_promoted_only(&self) -> bool {
        self.value["scopes"]["followers"] == false
    }

    pub fn conversation(&self) -> Option<u64> {
        if self.v2 {
            return id(&self.value["conversation_id"]);
        }
        self.legacy_id("conversation_id_str", "conversation_id")
    }

    /// Returns domain, entity and the entity's name of each annotation.
    pub fn annotations(&self) -> Vec<(Option<u64>, Option<u64>, Option<&'a str>)> {
        let annotation = |one: &'a Json| {
            (id(&one["domain"]["id"]), id(&one["entity"]["id"]), string(&one["entity"]["name"]))
        };
        list(&self.value["context_annotations"]).iter().map(annotation).collect()
    }
}

impl<'a> User<'a> {
    pub fn field(&self, key: &'static str) -> Option<&'a str> {
        string(&self.object?[key])
    }

    pub fn verified(&self) -> Option<bool> {
        self.object?["verified"].as_bool()
    }

    pub fn count(&self, v2: bool, legacy_key: &'static str, v2_keys: &[&'static str]) -> Option<u64> {
        let object = self.object?;
        if !v2 {
            return object[legacy_key].as_u64();
        }
        v2_keys.iter().find_map(|key| object["public_metrics"][*key].as_u64())
    }

    /// Returns the IDs of the accounts that this one is affiliated with.
    pub fn affiliations(&self) -> Option<Vec<u64>> {
        let ids = &self.object?["affiliation"]["user_id"];
        Some(match ids {
            Json::Array(ids) => ids.iter().filter_map(id).collect(),
            one => id(one).into_iter().collect(),
        })
    }

    pub fn locations(&self) -> Option<&'a [Json]> {
        Some(list(&self.object?["derived"]["locations"]))
    }
}
