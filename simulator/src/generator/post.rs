//! A Post, and how it is written in the legacy format, field by field.

use super::json::Writer;
use super::people::Person;
use super::short_link::LINK;
use super::text::{Entity, Kind, Text};
use crate::rng::Rng;
use crate::time;

/// The client applications of Posts: link and name.
pub(super) const SOURCES: &[(&str, &str)] = &[
    ("http://x.com", "X Web Client"),
    ("http://twitter.com/download/iphone", "Twitter for iPhone"),
    ("http://twitter.com/download/android", "Twitter for Android"),
    ("https://scheduler.example/about?lang=en", "Example Scheduler <beta>"),
];

/// The parts that only the outermost Post of a message has.
pub(super) struct Outer {
    /// Id and tag of the matching rules.
    pub(super) rules: Vec<(u64, Option<&'static str>)>,
}

pub(super) struct Post {
    pub(super) id: u64,
    pub(super) author: Person,
    pub(super) text: Text,
    /// The short form, if the whole text is in `extended_tweet`.
    pub(super) short: Option<Text>,
    pub(super) media: Option<u64>,
    /// The Post has the fields of the edit history, which only some products add.
    pub(super) editable: bool,
    pub(super) source: usize,
    pub(super) reply_to: Option<(Person, u64)>,
    pub(super) place: bool,
    pub(super) coordinates: bool,
    /// The distance from the center of its place, in ten-thousandths of a degree.
    pub(super) offset: i64,
    /// The numbers of quotes, replies, Retweets and likes.
    pub(super) counts: [u64; 4],
    pub(super) retweeted: Option<Box<Self>>,
    pub(super) quoted: Option<Box<Self>>,
}

impl Post {
    pub(super) fn with_counts(mut self, rng: &mut Rng) -> Self {
        self.counts = [rng.below(9), rng.below(40), rng.below(300), rng.below(2_000)];
        self
    }

    pub(super) fn write(&self, json: &mut Writer<'_>, outer: Option<&Outer>) {
        let unix_ms = time::snowflake_ms(self.id);
        let shown = self.short.as_ref().unwrap_or(&self.text);
        json.raw("{\"created_at\":\"").raw(&time::legacy(unix_ms)).raw("\",").id("", self.id);
        json.raw(",\"text\":").string(&shown.text);
        if self.short.is_none() && (self.reply_to.is_some() || self.media.is_some()) {
            json.raw(",\"display_text_range\":[0,").number(self.text.len()).raw("]");
        }
        let (url, name) = SOURCES[self.source];
        json.raw(",\"source\":\"");
        json.escaped("<a href=\"").escaped(url).escaped("\" rel=\"nofollow\">").escaped(name).escaped("</a>");
        json.raw("\",\"truncated\":").boolean(self.short.is_some());
        self.write_reply(json);
        json.raw(",\"user\":");
        write_person(json, &self.author);
        self.write_geo(json);
        json.raw(",\"contributors\":null");
        if let Some(original) = &self.retweeted {
            json.raw(",\"retweeted_status\":");
            original.write(json, None);
        }
        let is_quote =
            self.quoted.is_some() || self.retweeted.as_ref().is_some_and(|post| post.quoted.is_some());
        json.raw(",\"is_quote_status\":").boolean(is_quote);
        if let Some(quoted) = &self.quoted {
            json.raw(",").id("quoted_status_", quoted.id).raw(",\"quoted_status\":");
            quoted.write(json, None);
            let path = format!("{}/status/{}", quoted.author.screen_name, quoted.id);
            json.raw(",\"quoted_status_permalink\":{\"url\":")
                .string(&format!("{LINK}q{}", quoted.author.image));
            json.raw(",\"expanded\":").string(&format!("https://x.com/{path}"));
            json.raw(",\"display\":").string(&format!("x.com/{path}")).raw("}");
        }
        if self.short.is_some() {
            json.raw(",\"extended_tweet\":{\"full_text\":").string(&self.text.text);
            json.raw(",\"display_text_range\":[0,").number(self.text.len()).raw("]");
            self.write_entities(json, &self.text);
            json.raw("}");
        }
        // The outermost Post is new and has no counts yet; embedded Posts are older.
        let counts = if outer.is_some() { [0; 4] } else { self.counts };
        for (name, count) in ["quote", "reply", "retweet", "favorite"].iter().zip(counts) {
            json.raw(",\"").raw(name).raw("_count\":").number(count);
        }
        if self.short.is_some() {
            self.write_entities_of_short(json, shown);
        } else {
            self.write_entities(json, &self.text);
        }
        json.raw(",\"favorited\":false,\"retweeted\":false");
        if shown.has_link() {
            json.raw(",\"possibly_sensitive\":false");
        }
        json.raw(",\"filter_level\":\"low\",\"lang\":\"").raw(self.author.language().code).raw("\"");
        if self.editable {
            json.raw(",\"edit_history\":{\"initial_tweet_id\":\"").number(self.id);
            json.raw("\",\"edit_tweet_ids\":[\"")
                .number(self.id)
                .raw("\"]},\"edit_controls\":{\"editable_until_ms\":");
            json.number(unix_ms + 3_600_000).raw(",\"edits_remaining\":5},\"editable\":true");
        }
        if let Some(Outer { rules }) = outer {
            json.raw(",\"matching_rules\":[");
            for (n, (rule, tag)) in rules.iter().enumerate() {
                json.raw(if n > 0 { ",{\"tag\":" } else { "{\"tag\":" });
                match tag {
                    Some(tag) => json.string(tag),
                    None => json.raw("null"),
                };
                json.raw(",").id("", 1_986_935_000_000_000_001 + rule).raw("}");
            }
            json.raw("],\"timestamp_ms\":\"").number(unix_ms).raw("\"");
        }
        json.raw("}");
    }

    fn write_reply(&self, json: &mut Writer<'_>) {
        match &self.reply_to {
            Some((person, id)) => {
                json.raw(",").id("in_reply_to_status_", *id).raw(",").id("in_reply_to_user_", person.id);
                json.raw(",\"in_reply_to_screen_name\":").string(&person.screen_name);
            }
            None => {
                json.raw(",\"in_reply_to_status_id\":null,\"in_reply_to_status_id_str\":null");
                json.raw(",\"in_reply_to_user_id\":null,\"in_reply_to_user_id_str\":null,\"in_reply_to_screen_name\":null");
            }
        }
    }

    /// `geo` has the latitude first; `coordinates` and the bounding box have the longitude first.
    fn write_geo(&self, json: &mut Writer<'_>) {
        let place = &self.author.language().place;
        let (longitude, latitude) = (place.longitude + self.offset, place.latitude + self.offset / 2);
        if self.coordinates {
            json.raw(",\"geo\":{\"type\":\"Point\",\"coordinates\":[")
                .degrees(latitude)
                .raw(",")
                .degrees(longitude);
            json.raw("]},\"coordinates\":{\"type\":\"Point\",\"coordinates\":[")
                .degrees(longitude)
                .raw(",")
                .degrees(latitude);
            json.raw("]}");
        } else {
            json.raw(",\"geo\":null,\"coordinates\":null");
        }
        if !self.place {
            json.raw(",\"place\":null");
            return;
        }
        json.raw(",\"place\":{\"id\":\"").raw(place.id).raw("\",\"url\":");
        json.string(&format!("https://api.twitter.com/1.1/geo/id/{}.json", place.id));
        json.raw(",\"place_type\":\"city\",\"name\":").string(place.name);
        json.raw(",\"full_name\":").string(place.full_name);
        json.raw(",\"country_code\":\"").raw(place.code).raw("\",\"country\":").string(place.country);
        json.raw(",\"bounding_box\":{\"type\":\"Polygon\",\"coordinates\":[[");
        for (n, (x, y)) in [(-1, -1), (-1, 1), (1, 1), (1, -1)].into_iter().enumerate() {
            json.raw(if n > 0 { ",[" } else { "[" });
            json.degrees(place.longitude + x * 2_500).raw(",").degrees(place.latitude + y * 1_500).raw("]");
        }
        json.raw("]]},\"attributes\":{}}");
    }

    fn write_entities(&self, json: &mut Writer<'_>, text: &Text) {
        json.raw(",\"entities\":{");
        write_entity_lists(json, &text.entities);
        if let Some(media) = self.media {
            json.raw(",\"media\":[");
            self.write_media(json, text, media, 0);
            json.raw("]},\"extended_entities\":{\"media\":[");
            for n in 0..1 + media % 3 {
                if n > 0 {
                    json.raw(",");
                }
                self.write_media(json, text, media, n);
            }
            json.raw("]");
        }
        json.raw("}");
    }

    fn write_entities_of_short(&self, json: &mut Writer<'_>, short: &Text) {
        json.raw(",\"entities\":{");
        write_entity_lists(json, &short.entities);
        json.raw("}");
    }

    fn write_media(&self, json: &mut Writer<'_>, text: &Text, media: u64, n: u64) {
        let id = time::snowflake(time::snowflake_ms(self.id).saturating_sub(5_000), media + n);
        let Some((key, start, end)) = text.entities.iter().find_map(|entity| match &entity.kind {
            Kind::Media(key) => Some((key, entity.start, entity.end)),
            _ => None,
        }) else {
            return;
        };
        json.raw("{").id("", id).raw(",\"indices\":[").number(start).raw(",").number(end);
        json.raw("],\"media_url\":")
            .string(&format!("http://pbs.twimg.com/media/{}{n}.jpg", self.author.image));
        json.raw(",\"media_url_https\":")
            .string(&format!("https://pbs.twimg.com/media/{}{n}.jpg", self.author.image));
        json.raw(",\"url\":")
            .string(&format!("{LINK}{key}"))
            .raw(",\"display_url\":")
            .string(&format!("pic.x.com/{key}"));
        let page = format!("https://x.com/{}/status/{}/photo/1", self.author.screen_name, self.id);
        json.raw(",\"expanded_url\":").string(&page).raw(",\"type\":\"photo\",\"sizes\":{");
        json.raw("\"thumb\":{\"w\":150,\"h\":150,\"resize\":\"crop\"},\"small\":{\"w\":680,\"h\":510,\"resize\":\"fit\"},");
        json.raw("\"medium\":{\"w\":1200,\"h\":900,\"resize\":\"fit\"},\"large\":{\"w\":2048,\"h\":1536,\"resize\":\"fit\"}}}");
    }
}

fn write_entity_lists(json: &mut Writer<'_>, entities: &[Entity]) {
    json.raw("\"hashtags\":[");
    let mut comma = "";
    for entity in entities {
        if let Kind::Hashtag(hashtag) = &entity.kind {
            json.raw(comma).raw("{\"text\":").string(hashtag);
            comma = write_indices(json, entity);
        }
    }
    json.raw("],\"urls\":[");
    comma = "";
    for entity in entities {
        if let Kind::Url(key) = &entity.kind {
            json.raw(comma).raw("{\"url\":").string(&format!("{LINK}{key}"));
            json.raw(",\"expanded_url\":").string(&format!("https://news.example/{key}?from=feed&page=1"));
            json.raw(",\"display_url\":").string(&format!("news.example/{key}"));
            comma = write_indices(json, entity);
        }
    }
    json.raw("],\"user_mentions\":[");
    comma = "";
    for entity in entities {
        if let Kind::Mention(person) = &entity.kind {
            json.raw(comma)
                .raw("{\"screen_name\":")
                .string(&person.screen_name)
                .raw(",\"name\":")
                .string(person.name);
            json.raw(",").id("", person.id);
            comma = write_indices(json, entity);
        }
    }
    json.raw("],\"symbols\":[]");
}

/// Ends an entity. Returns the separator before the next one.
fn write_indices(json: &mut Writer<'_>, entity: &Entity) -> &'static str {
    json.raw(",\"indices\":[").number(entity.start).raw(",").number(entity.end).raw("]}");
    ","
}

fn write_person(json: &mut Writer<'_>, person: &Person) {
    json.raw("{").id("", person.id).raw(",\"name\":").string(person.name);
    json.raw(",\"screen_name\":").string(&person.screen_name).raw(",\"location\":").string(person.location);
    json.raw(",\"url\":");
    let link = person.link.as_ref().map(|key| format!("{LINK}{key}"));
    match &link {
        Some(link) => json.string(link),
        None => json.raw("null"),
    };
    json.raw(",\"description\":");
    match person.description {
        Some(description) => json.string(description),
        None => json.raw("null"),
    };
    json.raw(",\"entities\":{");
    if let (Some(link), Some(key)) = (&link, &person.link) {
        json.raw("\"url\":{\"urls\":[{\"url\":").string(link);
        json.raw(",\"expanded_url\":").string(&format!("http://pages.example/{key}"));
        json.raw(",\"display_url\":").string(&format!("pages.example/{key}")).raw(",\"indices\":[0,23]}]},");
    }
    json.raw("\"description\":{\"urls\":[]}},\"protected\":false");
    for (name, count) in [
        ("followers", person.followers),
        ("friends", person.friends),
        ("listed", person.listed),
        ("favourites", person.favourites),
        ("statuses", person.statuses),
    ] {
        json.raw(",\"").raw(name).raw("_count\":").number(count);
    }
    json.raw(",\"created_at\":\"")
        .raw(&time::legacy(person.joined_ms))
        .raw("\",\"utc_offset\":null,\"time_zone\":null");
    json.raw(",\"geo_enabled\":").boolean(person.geo_enabled).raw(",\"verified\":").boolean(person.verified);
    json.raw(",\"lang\":null,\"contributors_enabled\":false,\"is_translator\":false,\"is_translation_enabled\":false");
    let color = format!("{:06X}", person.color);
    json.raw(",\"profile_background_color\":\"F5F8FA\"");
    for (suffix, scheme) in [("", "http:"), ("_https", "https:")] {
        json.raw(",\"profile_background_image_url").raw(suffix).raw("\":");
        json.string(&format!("{scheme}//abs.twimg.com/images/themes/theme1/bg.png"));
    }
    json.raw(",\"profile_background_tile\":false");
    for (suffix, scheme) in [("", "http:"), ("_https", "https:")] {
        json.raw(",\"profile_image_url").raw(suffix).raw("\":");
        json.string(&format!(
            "{scheme}//pbs.twimg.com/profile_images/{}/{}_normal.jpg",
            person.id, person.image
        ));
    }
    if let Some(banner) = person.banner {
        json.raw(",\"profile_banner_url\":");
        json.string(&format!("https://pbs.twimg.com/profile_banners/{}/{banner}", person.id));
    }
    json.raw(",\"profile_link_color\":\"").raw(&color);
    json.raw("\",\"profile_sidebar_border_color\":\"C0DEED\",\"profile_sidebar_fill_color\":\"DDEEF6\"");
    json.raw(",\"profile_text_color\":\"333333\",\"profile_use_background_image\":")
        .boolean(person.background);
    json.raw(",\"has_extended_profile\":").boolean(!person.default_profile);
    json.raw(",\"default_profile\":").boolean(person.default_profile).raw(",\"default_profile_image\":false");
    json.raw(",\"following\":null,\"follow_request_sent\":null,\"notifications\":null");
    json.raw(",\"translator_type\":\"none\",\"withheld_in_countries\":[]}");
}
