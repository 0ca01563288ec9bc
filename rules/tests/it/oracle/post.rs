//! Invented Posts: one description, written in both formats.
//!
//! Fields that only one format has are written only in that format: profile locations in legacy,
//! annotations and affiliations in v2.

use serde_json::{Map, Value as Json, json};

/// A Post.
#[derive(Clone, Debug, PartialEq)]
pub struct Post {
    pub id: u64,
    pub text: String,
    /// The text is too long for the format's first field.
    pub is_long: bool,
    pub lang: Option<String>,
    pub source: (String, String),
    pub author: User,
    pub hashtags: Vec<String>,
    pub cashtags: Vec<String>,
    pub mentions: Vec<(u64, String)>,
    pub links: Vec<Link>,
    /// `photo`, `video`, `animated_gif`, each with the link in the text.
    pub media: Vec<(String, Link)>,
    pub reply: Option<Reply>,
    pub retweeted: Option<Box<Self>>,
    pub quoted: Option<Box<Self>>,
    pub point: Option<(f64, f64)>,
    pub place: Option<Place>,
    pub is_promoted_only: bool,
    pub conversation: Option<u64>,
    /// Domain, entity and the entity's name.
    pub annotations: Vec<(u64, u64, String)>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct User {
    pub id: u64,
    pub username: String,
    pub name: String,
    pub description: Option<String>,
    pub location: Option<String>,
    pub is_verified: bool,
    pub followers: u64,
    pub friends: u64,
    pub listed: u64,
    pub statuses: u64,
    pub locations: Vec<Location>,
    pub affiliations: Vec<u64>,
}

/// The location that X derives for a profile.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Location {
    pub country_code: String,
    pub region: String,
    pub locality: String,
    pub subregion: String,
    pub point: Option<(f64, f64)>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Link {
    pub url: String,
    pub expanded: String,
    pub display: String,
    /// URL, title and description.
    pub unwound: Option<[String; 3]>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Reply {
    pub to: Option<u64>,
    pub user: User,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Place {
    pub id: String,
    pub name: String,
    pub full_name: String,
    pub country: String,
    pub country_code: String,
    /// West, south, east, north.
    pub edges: [f64; 4],
}

impl User {
    pub fn new(id: u64, username: &str) -> Self {
        Self {
            id,
            username: username.into(),
            name: username.into(),
            description: None,
            location: None,
            is_verified: false,
            followers: 0,
            friends: 0,
            listed: 0,
            statuses: 0,
            locations: Vec::new(),
            affiliations: Vec::new(),
        }
    }

    fn legacy(&self) -> Json {
        let place = |place: &Location| {
            let mut out = json!({
                "country_code": place.country_code, "region": place.region, "locality": place.locality,
                "sub_region": place.subregion,
            });
            if let Some((longitude, latitude)) = place.point {
                out["geo"] = json!({"type": "point", "coordinates": [longitude, latitude]});
            }
            out
        };
        let mut user = json!({
            "id": self.id, "id_str": self.id.to_string(), "screen_name": self.username, "name": self.name,
            "description": self.description, "location": self.location, "verified": self.is_verified,
            "followers_count": self.followers, "friends_count": self.friends, "listed_count": self.listed,
            "statuses_count": self.statuses,
        });
        if !self.locations.is_empty() {
            user["derived"] = json!({"locations": self.locations.iter().map(place).collect::<Vec<_>>()});
        }
        user
    }

    fn v2(&self, new: bool) -> Json {
        let mut user = json!({
            "id": self.id.to_string(), "username": self.username, "name": self.name, "verified": self.is_verified,
            "description": self.description.clone().unwrap_or_default(),
            "public_metrics": {
                "followers_count": self.followers, "following_count": self.friends, "listed_count": self.listed,
                (if new { "post_count" } else { "tweet_count" }): self.statuses,
            },
        });
        if let Some(location) = &self.location {
            user["location"] = json!(location);
        }
        if !self.affiliations.is_empty() {
            let ids: Vec<_> = self.affiliations.iter().map(u64::to_string).collect();
            user["affiliation"] = json!({"user_id": ids});
        }
        user
    }
}

impl Link {
    pub fn new(url: &str, expanded: &str) -> Self {
        let display = expanded.split_once("://").map_or(expanded, |(_, rest)| rest);
        Self { url: url.into(), expanded: expanded.into(), display: display.into(), unwound: None }
    }

    fn legacy(&self) -> Json {
        let mut link = json!({
            "url": self.url, "expanded_url": self.expanded, "display_url": self.display, "indices": [0, 1],
        });
        if let Some([url, title, description]) = &self.unwound {
            link["unwound"] = json!({"url": url, "title": title, "description": description, "status": 200});
        }
        link
    }

    fn v2(&self) -> Json {
        let mut link = json!({
            "url": self.url, "expanded_url": self.expanded, "display_url": self.display, "start": 0, "end": 1,
        });
        if let Some([url, title, description]) = &self.unwound {
            link["unwound_url"] = json!(url);
            link["title"] = json!(title);
            link["description"] = json!(description);
        }
        link
    }
}

/// Creates a Post with this text, and an arbitrary author.
pub fn post(text: &str) -> Post {
    Post {
        id: 1_592_000_000_000_000_001,
        text: text.into(),
        is_long: false,
        lang: Some("en".into()),
        source: ("X Web App".into(), "https://x.example/app".into()),
        author: User::new(77, "shore_walker"),
        hashtags: Vec::new(),
        cashtags: Vec::new(),
        mentions: Vec::new(),
        links: Vec::new(),
        media: Vec::new(),
        reply: None,
        retweeted: None,
        quoted: None,
        point: None,
        place: None,
        is_promoted_only: false,
        conversation: None,
        annotations: Vec::new(),
    }
}

impl Post {
    /// Writes a legacy Post, which is the whole message.
    pub fn legacy(&self) -> Json {
        let mut links: Vec<Json> = Vec::new();
        let mut media: Vec<Json> = Vec::new();
        links.extend(self.links.iter().map(Link::legacy));
        for (kind, link) in &self.media {
            let mut medium = link.legacy();
            medium["type"] = json!(kind);
            media.push(medium);
        }
        let mut entities = json!({
            "hashtags": self.hashtags.iter().map(|tag| json!({"text": tag})).collect::<Vec<_>>(),
            "symbols": self.cashtags.iter().map(|tag| json!({"text": tag})).collect::<Vec<_>>(),
            "user_mentions": self.mentions.iter().map(|(id, name)| {
                json!({"id": id, "id_str": id.to_string(), "screen_name": name, "name": name})
            }).collect::<Vec<_>>(),
            "urls": links,
        });
        let mut out = json!({
            "created_at": "Tue Mar 03 09:00:00 +0000 2026", "id": self.id, "id_str": self.id.to_string(),
            "source": format!("<a href=\"{}\" rel=\"nofollow\">{}</a>", self.source.1, self.source.0),
            "in_reply_to_status_id": null, "in_reply_to_status_id_str": null, "in_reply_to_user_id": null,
            "in_reply_to_user_id_str": null, "in_reply_to_screen_name": null, "user": self.author.legacy(),
            "geo": null, "coordinates": null, "place": null, "is_quote_status": self.quotes(),
        });
        let mut extended_entities = Json::Null;
        if !media.is_empty() {
            // The first list calls every medium a photo.
            let plain: Vec<Json> = media
                .iter()
                .map(|medium| {
                    let mut medium = medium.clone();
                    medium["type"] = json!("photo");
                    medium
                })
                .collect();
            entities["media"] = json!(plain);
            extended_entities = json!({"media": media});
        }
        if self.is_long {
            out["truncated"] = json!(true);
            out["text"] = json!("cut…");
            out["entities"] = json!({"hashtags": [], "symbols": [], "user_mentions": [], "urls": []});
            out["extended_tweet"] = json!({"full_text": self.text, "entities": entities});
            if !extended_entities.is_null() {
                out["extended_tweet"]["extended_entities"] = extended_entities;
            }
        } else {
            out["truncated"] = json!(false);
            out["text"] = json!(self.text);
            out["entities"] = entities;
            if !extended_entities.is_null() {
                out["extended_entities"] = extended_entities;
            }
        }
        if let Some(lang) = &self.lang {
            out["lang"] = json!(lang);
        }
        if let Some(reply) = &self.reply {
            if let Some(to) = reply.to {
                out["in_reply_to_status_id"] = json!(to);
                out["in_reply_to_status_id_str"] = json!(to.to_string());
            }
            out["in_reply_to_user_id"] = json!(reply.user.id);
            out["in_reply_to_user_id_str"] = json!(reply.user.id.to_string());
            out["in_reply_to_screen_name"] = json!(reply.user.username);
        }
        if let Some(inner) = &self.retweeted {
            out["retweeted_status"] = inner.legacy();
        }
        if let Some(inner) = &self.quoted {
            out["quoted_status_id_str"] = json!(inner.id.to_string());
            out["quoted_status"] = inner.legacy();
        }
        if let Some((longitude, latitude)) = self.point {
            out["coordinates"] = json!({"type": "Point", "coordinates": [longitude, latitude]});
            out["geo"] = json!({"type": "Point", "coordinates": [latitude, longitude]});
        }
        if let Some(place) = &self.place {
            let [west, south, east, north] = place.edges;
            out["place"] = json!({
                "id": place.id, "name": place.name, "full_name": place.full_name, "country": place.country,
                "country_code": place.country_code,
                "bounding_box": {"type": "Polygon", "coordinates": [[
                    [west, south], [west, north], [east, north], [east, south],
                ]]},
            });
        }
        if self.is_promoted_only {
            out["scopes"] = json!({"followers": false});
        }
        if let Some(conversation) = self.conversation {
            out["conversation_id_str"] = json!(conversation.to_string());
        }
        out
    }

    fn quotes(&self) -> bool {
        // A Retweet of a quote is marked as a quote.
        self.quoted.is_some() || self.retweeted.as_ref().is_some_and(|inner| inner.quoted.is_some())
    }

    /// Writes a v2 message with all objects included.
    pub fn v2(&self) -> Json {
        self.v2_with(false)
    }

    /// Writes a v2 message with the names that the service's schemas have since 2026.
    pub fn v2_new(&self) -> Json {
        self.v2_with(true)
    }

    fn v2_with(&self, new: bool) -> Json {
        let mut includes = Includes::default();
        let data = self.v2_data(new, &mut includes);
        let mut out = json!({"data": data});
        let mut all = Map::new();
        for (name, list) in [
            ("users", includes.users),
            (if new { "posts" } else { "tweets" }, includes.posts),
            ("media", includes.media),
            ("places", includes.places),
        ] {
            if !list.is_empty() {
                all.insert(name.into(), list.into());
            }
        }
        out["includes"] = all.into();
        out
    }

    fn v2_data(&self, new: bool, includes: &mut Includes) -> Json {
        let mut entities = Map::new();
        let mut set = |name: &str, list: Vec<Json>| {
            if !list.is_empty() {
                entities.insert(name.into(), list.into());
            }
        };
        set("hashtags", self.hashtags.iter().map(|tag| json!({"tag": tag})).collect());
        set("cashtags", self.cashtags.iter().map(|tag| json!({"tag": tag})).collect());
        let mention = |(id, name): &(u64, String)| json!({"id": id.to_string(), "username": name});
        set("mentions", self.mentions.iter().map(mention).collect());
        // Links of media are among the other links.
        let mut links: Vec<Json> = self.links.iter().map(Link::v2).collect();
        let mut keys = Vec::new();
        for (index, (kind, link)) in self.media.iter().enumerate() {
            let key = format!("3_{}{index}", self.id);
            let mut link = link.v2();
            link["media_key"] = json!(key);
            links.push(link);
            includes.media.push(json!({"media_key": key, "type": kind}));
            keys.push(key);
        }
        set("urls", links);
        let mut out = json!({
            "id": self.id.to_string(), "created_at": "2026-03-03T09:00:00.000Z", "text": self.text,
            "author_id": self.author.id.to_string(), "source": self.source.0,
            "edit_history_tweet_ids": [self.id.to_string()],
        });
        includes.user(&self.author, new);
        let entities = Json::from(entities);
        if self.is_long {
            out["text"] = json!("cut…");
            out[if new { "note_post" } else { "note_tweet" }] =
                json!({"text": self.text, "entities": entities});
        } else if entities != json!({}) {
            out["entities"] = entities;
        }
        if let Some(lang) = &self.lang {
            out["lang"] = json!(lang);
        }
        if !keys.is_empty() {
            out["attachments"] = json!({"media_keys": keys});
        }
        let mut references = Vec::new();
        if let Some(reply) = &self.reply {
            if let Some(to) = reply.to {
                references.push(json!({"type": "replied_to", "id": to.to_string()}));
            }
            out["in_reply_to_user_id"] = json!(reply.user.id.to_string());
            includes.user(&reply.user, new);
        }
        for (kind, inner) in [("retweeted", &self.retweeted), ("quoted", &self.quoted)] {
            if let Some(inner) = inner {
                references.push(json!({"type": kind, "id": inner.id.to_string()}));
                let data = inner.v2_data(new, includes);
                includes.posts.push(data);
            }
        }
        if !references.is_empty() {
            out[if new { "referenced_posts" } else { "referenced_tweets" }] = json!(references);
        }
        let mut geo = Map::new();
        if let Some((longitude, latitude)) = self.point {
            geo.insert("coordinates".into(), json!({"type": "Point", "coordinates": [longitude, latitude]}));
        }
        if let Some(place) = &self.place {
            geo.insert("place_id".into(), json!(place.id));
            includes.places.push(json!({
                "id": place.id, "name": place.name, "full_name": place.full_name, "country": place.country,
                "country_code": place.country_code, "geo": {"type": "Feature", "bbox": place.edges, "properties": {}},
            }));
        }
        if !geo.is_empty() {
            out["geo"] = geo.into();
        }
        if self.is_promoted_only {
            out["scopes"] = json!({"followers": false});
        }
        if let Some(conversation) = self.conversation {
            out["conversation_id"] = json!(conversation.to_string());
        }
        if !self.annotations.is_empty() {
            let annotation = |(domain, entity, name): &(u64, u64, String)| {
                json!({
                    "domain": {"id": domain.to_string(), "name": "of a kind"},
                    "entity": {"id": entity.to_string(), "name": name},
                })
            };
            out["context_annotations"] = self.annotations.iter().map(annotation).collect();
        }
        out
    }
}

#[derive(Default)]
struct Includes {
    users: Vec<Json>,
    posts: Vec<Json>,
    media: Vec<Json>,
    places: Vec<Json>,
}

impl Includes {
    fn user(&mut self, user: &User, new: bool) {
        let user = user.v2(new);
        if !self.users.iter().any(|known| known["id"] == user["id"]) {
            self.users.push(user);
        }
    }
}
