//! The author of a Post.

use core::fmt;

use super::text::JsonStr;
use super::value::{Value, either_id};
use crate::stream::message::Format;

/// A view of a user (X docs: "User object" of the v1.1, enterprise and v2 data dictionaries).
///
/// Each accessor scans the user's object once; [`profile`](Self::profile) reads all of them in one
/// scan.
#[derive(Clone, Copy)]
pub struct User<'a> {
    value: Value<'a>,
    format: Format,
}

impl<'a> User<'a> {
    /// Creates a view of the user that `value` describes; `None` if `value` is not an object.
    #[must_use]
    pub fn new(value: Value<'a>, format: Format) -> Option<Self> {
        Some(Self { value: value.object()?, format })
    }

    /// Returns the JSON object, for all other fields: `derived.locations`, `affiliation`,
    /// `entities` and so on.
    #[must_use]
    pub const fn value(&self) -> Value<'a> {
        self.value
    }

    fn string(&self, key: &str) -> Option<JsonStr<'a>> {
        self.value.get(key)?.as_str()
    }

    fn count(&self, legacy: &str, v2: &[&str]) -> Option<u64> {
        if self.format == Format::V2 {
            let metrics = self.value.get("public_metrics")?;
            return v2.iter().find_map(|key| metrics.get(key)?.as_u64());
        }
        self.value.get(legacy)?.as_u64()
    }

    /// Returns the user ID, from `id_str` or else `id`. A v2 user has `id` only.
    #[must_use]
    pub fn id(&self) -> Option<u64> {
        let [string, id] = match self.format {
            Format::V2 => [None, self.value.get("id")],
            _ => self.value.fields(["id_str", "id"]),
        };
        either_id(string, id)
    }

    /// Returns the name after the @ (`username` in v2). It can change; the ID cannot.
    #[must_use]
    pub fn screen_name(&self) -> Option<JsonStr<'a>> {
        self.string(if self.format == Format::V2 { "username" } else { "screen_name" })
    }

    /// Returns the display name.
    #[must_use]
    pub fn name(&self) -> Option<JsonStr<'a>> {
        self.string("name")
    }

    /// Returns the user's self-description.
    #[must_use]
    pub fn description(&self) -> Option<JsonStr<'a>> {
        self.string("description")
    }

    /// Returns the location that the user entered: any text.
    #[must_use]
    pub fn location(&self) -> Option<JsonStr<'a>> {
        self.string("location")
    }

    /// Returns true if the account has a check mark.
    #[must_use]
    pub fn verified(&self) -> Option<bool> {
        self.value.get("verified")?.as_bool()
    }

    /// Returns the number of followers.
    #[must_use]
    pub fn followers_count(&self) -> Option<u64> {
        self.count("followers_count", &["followers_count"])
    }

    /// Returns the number of accounts that the user follows (`following_count` in v2).
    #[must_use]
    pub fn friends_count(&self) -> Option<u64> {
        self.count("friends_count", &["following_count"])
    }

    /// Returns the number of lists that contain the user.
    #[must_use]
    pub fn listed_count(&self) -> Option<u64> {
        self.count("listed_count", &["listed_count"])
    }

    /// Returns the number of the user's Posts (`tweet_count` or `post_count` in v2).
    #[must_use]
    pub fn statuses_count(&self) -> Option<u64> {
        self.count("statuses_count", &["tweet_count", "post_count"])
    }

    /// Returns all of these fields, read in one scan.
    #[must_use]
    pub fn profile(&self) -> Profile<'a> {
        let string = |value: Option<Value<'a>>| value.and_then(|value| value.as_str());
        let number = |value: Option<Value<'a>>| value.and_then(|value| value.as_u64());
        let (id_str, id, screen_name, name, description, location, verified, counts);
        if self.format == Format::V2 {
            let metrics;
            [id, screen_name, name, description, location, verified, metrics] = self.value.fields([
                "id",
                "username",
                "name",
                "description",
                "location",
                "verified",
                "public_metrics",
            ]);
            id_str = None;
            let [followers, following, listed, tweets, posts] = metrics.map_or([None; 5], |metrics| {
                metrics.fields([
                    "followers_count",
                    "following_count",
                    "listed_count",
                    "tweet_count",
                    "post_count",
                ])
            });
            counts = [number(followers), number(following), number(listed), number(tweets).or(number(posts))];
        } else {
            let (followers, friends, listed, statuses);
            [
                id_str,
                id,
                screen_name,
                name,
                description,
                location,
                verified,
                followers,
                friends,
                listed,
                statuses,
            ] = self.value.fields([
                "id_str",
                "id",
                "screen_name",
                "name",
                "description",
                "location",
                "verified",
                "followers_count",
                "friends_count",
                "listed_count",
                "statuses_count",
            ]);
            counts = [followers, friends, listed, statuses].map(number);
        }
        let [followers_count, friends_count, listed_count, statuses_count] = counts;
        Profile {
            id: either_id(id_str, id),
            screen_name: string(screen_name),
            name: string(name),
            description: string(description),
            location: string(location),
            verified: verified.and_then(|verified| verified.as_bool()),
            followers_count,
            friends_count,
            listed_count,
            statuses_count,
        }
    }
}

impl fmt::Debug for User<'_> {
    /// Prints only the ID, because personal data does not belong in logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("User").field("id", &self.id()).finish_non_exhaustive()
    }
}

/// The values of all accessors of a [`User`], with the same names.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct Profile<'a> {
    /// See [`User::id`].
    pub id: Option<u64>,
    /// See [`User::screen_name`].
    pub screen_name: Option<JsonStr<'a>>,
    /// See [`User::name`].
    pub name: Option<JsonStr<'a>>,
    /// See [`User::description`].
    pub description: Option<JsonStr<'a>>,
    /// See [`User::location`].
    pub location: Option<JsonStr<'a>>,
    /// See [`User::verified`].
    pub verified: Option<bool>,
    /// See [`User::followers_count`].
    pub followers_count: Option<u64>,
    /// See [`User::friends_count`].
    pub friends_count: Option<u64>,
    /// See [`User::listed_count`].
    pub listed_count: Option<u64>,
    /// See [`User::statuses_count`].
    pub statuses_count: Option<u64>,
}
