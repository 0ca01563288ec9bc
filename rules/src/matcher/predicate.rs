//! Operators that test fields of a Post and search no text.

use powerstream_core::post::{Entities, Format, MediaKind, Post, User};

use super::geo::Shape;
use super::truth::Truth;
use super::view::{Domain, FieldValue, Missing, PostRole, View};
use crate::operator::Operator;

/// A test of a Post's fields.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Predicate {
    /// An operator `has:` or `is:`.
    Flag(Operator),
    /// A range for one of the author's counts.
    Count { operator: Operator, min: u64, max: Option<u64> },
    /// The location of the Post.
    Geo(Shape),
    /// The location of the author's profile, according to X.
    ProfileGeo(Shape),
    /// `sample:`, with its percentage.
    Sample(u8),
    /// Always unknown, because no message contains the answer. The string names what is missing.
    Unknown(&'static str),
    /// Always true.
    True,
}

/// The result of a leaf: its value, the field that made it true, and the field whose absence made
/// it unknown.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Answer {
    pub(crate) value: Truth,
    pub(crate) found: Option<(PostRole, &'static str)>,
    pub(crate) missing: Missing,
}

impl Answer {
    pub(crate) fn new(found: Option<(PostRole, &'static str)>, missing: Missing) -> Self {
        match (found, missing) {
            (Some(_), _) => Self { value: Truth::True, found, missing: None },
            (None, Some(_)) => Self { value: Truth::Unknown, found, missing },
            (None, None) => Self { value: Truth::False, found, missing },
        }
    }

    fn of(is: bool, field: &'static str) -> Self {
        Self::new(is.then_some((PostRole::Own, field)), None)
    }
}

impl Predicate {
    pub(crate) fn answer(&self, view: &View<'_>) -> Answer {
        match *self {
            Self::Flag(operator) => flag(operator, view),
            Self::Count { operator, min, max } => of_author(view, "user.public_metrics", |user| {
                let (count, field) = match operator {
                    Operator::FriendsCount => (user.friends_count(), "user.friends_count"),
                    Operator::ListedCount => (user.listed_count(), "user.listed_count"),
                    Operator::StatusesCount => (user.statuses_count(), "user.statuses_count"),
                    Operator::FollowersCount | Operator::MinFollowers => {
                        (user.followers_count(), "user.followers_count")
                    }
                    other => unreachable!("{other:?} has no count"),
                };
                Some((min <= count? && max.is_none_or(|max| count.is_some_and(|count| count <= max)), field))
            }),
            Self::Geo(shape) => geo(shape, view),
            Self::ProfileGeo(shape) => match view.profile_locations() {
                Ok(mut locations) => {
                    let is = locations.any(|location| {
                        let pair = location.path(&["geo", "coordinates"]);
                        let mut pair = pair.into_iter().flat_map(|pair| pair.elements());
                        let mut next = || pair.next().and_then(|number| number.as_f64());
                        let (longitude, latitude) = (next(), next());
                        longitude.zip(latitude).is_some_and(|at| shape.holds_at(at))
                    });
                    Answer::of(is, "user.derived.locations.geo")
                }
                Err(missing) => Answer::new(None, missing),
            },
            Self::Sample(percent) => {
                if percent >= 100 {
                    return Answer::of(true, "id");
                }
                match view.post().id() {
                    Some(id) => Answer::of(splitmix64(id.as_u64()) % 100 < u64::from(percent), "id"),
                    None => Answer::new(None, view.absent_of_user("data.id")),
                }
            }
            Self::Unknown(missing) => Answer::new(None, Some(missing)),
            Self::True => Answer { value: Truth::True, found: None, missing: None },
        }
    }
}

fn flag(operator: Operator, view: &View<'_>) -> Answer {
    let post = view.post();
    match operator {
        Operator::HasHashtags => {
            any_entity(view, "entities.hashtags", |entities, _| entities.hashtags().next().is_some())
        }
        Operator::HasMentions => {
            any_entity(view, "entities.user_mentions", |entities, _| entities.mentions().next().is_some())
        }
        Operator::HasSymbols => {
            any_entity(view, "entities.symbols", |entities, _| entities.cashtags().next().is_some())
        }
        Operator::HasLinks => any_entity(view, "entities.urls", |entities, post| {
            entities.urls().next().is_some()
                || post.media_beside(entities).next().is_some()
                || keys_of_media(post) > 0
        }),
        Operator::HasMedia => any(view, "extended_entities.media", |post| {
            let mut media = post.media();
            // A media key counts even if `includes` lacks the media object.
            not_included(post) || media.any(|medium| medium.kind() != MediaKind::Other)
        }),
        Operator::HasImages => media(view, MediaKind::Photo),
        Operator::HasVideos => media(view, MediaKind::Video),
        Operator::HasGeo => {
            let located = post.point().is_some() || post.place_id().is_some() || post.place().is_some();
            Answer::of(located && !view.is_retweet(), "place")
        }
        Operator::HasLang => {
            let mut found = None;
            let missing = view.visit(Domain::Lang, &mut |source, field, text| {
                let FieldValue::Json(lang) = text else { return };
                let is_und = lang.chars().map(|it| it.to_ascii_lowercase()).eq("und".chars());
                if !is_und {
                    found = Some((source, field));
                }
            });
            Answer::new(found, missing)
        }
        Operator::HasProfileGeo => match view.profile_locations() {
            Ok(mut locations) => Answer::of(locations.next().is_some(), "user.derived.locations"),
            Err(missing) => Answer::new(None, missing),
        },
        Operator::IsRetweet => Answer::of(view.is_retweet(), "retweeted_status"),
        Operator::IsReply => any(view, "in_reply_to_status_id", |post| {
            post.in_reply_to_post_id().is_some()
                || post.in_reply_to_user_id().is_some()
                || (post.format() != Format::V2 && post.in_reply_to_screen_name().is_some())
        }),
        Operator::IsQuote => any(view, "is_quote_status", |post| post.is_quote()),
        Operator::IsVerified => {
            of_author(view, "user.verified", |user| Some((user.verified()?, "user.verified")))
        }
        Operator::IsNullcast => {
            let scopes = post.value().and_then(|post| post.path(&["scopes", "followers"]));
            let followers = scopes.and_then(|followers| followers.as_bool());
            Answer::of(followers == Some(false) || is_from_advertiser(view), "scopes.followers")
        }
        other => unreachable!("{other:?} is not a flag"),
    }
}

/// Returns true if `is` is true for one of the Posts that the operator reads.
fn any(view: &View<'_>, field: &'static str, is: impl Fn(&Post<'_>) -> bool) -> Answer {
    let found = view.all().find(|(_, post)| is(post)).map(|(source, _)| (source, field));
    Answer::new(found, view.missing_any())
}

/// Returns true if `is` is true for the entities of one of the Posts that the operator reads.
fn any_entity<'a>(
    view: &View<'a>,
    field: &'static str,
    is: impl Fn(&Entities<'a>, &Post<'a>) -> bool,
) -> Answer {
    let mut all = view.all();
    let found = all.find(|(source, post)| is(&view.entities(*source, *post), post));
    Answer::new(found.map(|(source, _)| (source, field)), view.missing_any())
}

fn media(view: &View<'_>, kind: MediaKind) -> Answer {
    let found = view.all().find(|(_, post)| post.media().any(|medium| medium.kind() == kind));
    let missing = || view.all().any(|(_, post)| not_included(&post)).then_some("includes.media");
    Answer::new(
        found.map(|(source, _)| (source, "extended_entities.media.type")),
        view.missing_any().or_else(missing),
    )
}

/// Returns the number of media keys of a v2 Post.
fn keys_of_media(post: &Post<'_>) -> usize {
    if post.format() != Format::V2 {
        return 0;
    }
    let keys = post.value().and_then(|post| post.path(&["attachments", "media_keys"]));
    keys.map_or(0, |keys| keys.elements().take(powerstream_core::post::MEDIA_MAX).count())
}

/// Returns true if `includes` lacks some of them.
fn not_included(post: &Post<'_>) -> bool {
    let keys = keys_of_media(post);
    keys > 0 && post.media().count() < keys
}

/// Tests a field of the author. `get` returns `None` if the field is absent.
fn of_author(
    view: &View<'_>,
    missing: &'static str,
    get: impl Fn(&User<'_>) -> Option<(bool, &'static str)>,
) -> Answer {
    match view.author() {
        Ok(user) => match get(&user) {
            Some((is, field)) => Answer::of(is, field),
            None => Answer::new(None, view.absent_of_user(missing)),
        },
        Err(missing) => Answer::new(None, missing),
    }
}

fn geo(shape: Shape, view: &View<'_>) -> Answer {
    if view.is_retweet() {
        return Answer::of(false, "");
    }
    if let Some(point) = view.post().point() {
        return Answer::of(shape.holds(point), "coordinates");
    }
    let mut is = false;
    let missing = view.place(|place| is = shape.holds_all(place.corners()));
    Answer::new(is.then_some((PostRole::Own, "place.bounding_box")), missing)
}

/// Returns true if the Post was made with X's own tool for advertisers.
fn is_from_advertiser(view: &View<'_>) -> bool {
    const NAMES: [&str; 3] = ["Twitter for Advertisers", "Twitter Ads", "Twitter Ads Composer"];
    let mut is = false;
    view.visit(Domain::SourceName, &mut |_, _, text| {
        is |= match text {
            FieldValue::HtmlStr(name) => NAMES.contains(&name),
            FieldValue::Json(name) => NAMES.iter().any(|known| name == *known),
            _ => false,
        };
    });
    is
}

/// Returns the splitmix64 hash. How X selects its samples is not documented.
const fn splitmix64(seed: u64) -> u64 {
    let mut mixed = seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splitmix64_gives_the_published_outputs() {
        // The first outputs for the seeds 0 and 1234567, as published with the generator.
        assert_eq!(splitmix64(0), 0xE220_A839_7B1D_CDAF);
        assert_eq!(splitmix64(1_234_567), 6_457_827_717_110_365_317);
    }
}
