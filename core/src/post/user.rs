//! The user who wrote a Post.

use core::fmt;

use super::text::JsonStr;
use super::value::{Value, either_id};
use crate::stream::message::Format;

/// A view of a user (X docs: "User object" of the v1.1, enterprise and v2 data dictionaries).
///
/// Each accessor is a scan of the user's object; for several take [`profile`](Self::profile).
#[derive(Clone, Copy)]
pub struct User<'a> {
    value: Value<'a>,
    format: Format,
}

impl<'a> User<'a> {
    /// The user that `value` describes in this format. `None` where it is no object.
    #[must_use]
    pub fn new(value: Value<'a>, format: Format) -> Option<Self> {
        Some(Self { value: value.object()?, format })
    }

    /// The object itself, for all other fields: `derived.locations`, `affiliation`, `entities` and so on.
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

    /// The id: `id_str`, else `id`.
    #[must_use]
    pub fn id(&self) -> Option<u64> {
        let [string, id] = match self.format {
            Format::V2 => [None, self.value.get("id")],
            _ => self.value.fields(["id_str", "id"]),
        };
        either_id(string, id)
    }

    /// The name after the @, `username` in v2. It changes; the id does not.
    #[must_use]
    pub fn screen_name(&self) -> Option<JsonStr<'a>> {
        self.string(if self.format == Format::V2 { "username" } else { "screen_name" })
    }

    /// The name that is shown.
    #[must_use]
    pub fn name(&self) -> Option<JsonStr<'a>> {
        self.string("name")
    }

    /// What the user says about themselves.
    #[must_use]
    pub fn description(&self) -> Option<JsonStr<'a>> {
        self.string("description")
    }

    /// Where the user says they are: any text.
    #[must_use]
    pub fn location(&self) -> Option<JsonStr<'a>> {
        self.string("location")
    }

    /// Whether the account bears a check mark.
    #[must_use]
    pub fn verified(&self) -> Option<bool> {
        self.value.get("verified")?.as_bool()
    }

    /// How many follow the user.
    #[must_use]
    pub fn followers_count(&self) -> Option<u64> {
        self.count("followers_count", &["followers_count"])
    }

    /// How many the user follows, `following_count` in v2.
    #[must_use]
    pub fn friends_count(&self) -> Option<u64> {
        self.count("friends_count", &["following_count"])
    }

    /// How many lists the user is on.
    #[must_use]
    pub fn listed_count(&self) -> Option<u64> {
        self.count("listed_count", &["listed_count"])
    }

    /// How many Posts the user has, `tweet_count` or `post_count` in v2.
    #[must_use]
    pub fn statuses_count(&self) -> Option<u64> {
        self.count("statuses_count", &["tweet_count", "post_count"])
    }

    /// All of the above in one scan.
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
    /// The id alone: people are not for logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("User").field("id", &self.id()).finish_non_exhaustive()
    }
}

/// What the accessors of a [`User`] give, all at once. Names and meaning are theirs.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct Profile<'a> {
    /// As [`User::id`].
    pub id: Option<u64>,
    /// As [`User::screen_name`].
    pub screen_name: Option<JsonStr<'a>>,
    /// As [`User::name`].
    pub name: Option<JsonStr<'a>>,
    /// As [`User::description`].
    pub description: Option<JsonStr<'a>>,
    /// As [`User::location`].
    pub location: Option<JsonStr<'a>>,
    /// As [`User::verified`].
    pub verified: Option<bool>,
    /// As [`User::followers_count`].
    pub followers_count: Option<u64>,
    /// As [`User::friends_count`].
    pub friends_count: Option<u64>,
    /// As [`User::listed_count`].
    pub listed_count: Option<u64>,
    /// As [`User::statuses_count`].
    pub statuses_count: Option<u64>,
}
