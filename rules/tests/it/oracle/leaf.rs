//! Evaluates each operator on a Post.

use powerstream_rules::{Operator, Term, Value};

use super::view::{Lookup, Post, User};
use super::{Options, Truth, any, geo, text};

/// Returns the value of a leaf for a Post.
pub fn value(term: &Term, post: Post<'_>, options: Options) -> Truth {
    use Operator as O;
    let argument = &*term.text;
    match term.operator {
        O::Keyword | O::Emoji | O::Phrase => any_source(post, |post| {
            let own = post.text();
            let mut texts = post.links();
            texts.push(&own);
            Some(texts.iter().any(|text| words(text, term, options)))
        }),
        O::Proximity => {
            let Value::Proximity { distance } = term.value else { unreachable!("{term:?}") };
            any_source(post, |post| Some(text::near(&post.text(), argument, distance)))
        }
        O::Hashtag => any_source(post, |post| Some(one_is(post.hashtags(), argument))),
        O::Cashtag => any_source(post, |post| Some(one_is(post.cashtags(), argument))),
        O::Mention => {
            any_source(post, |post| {
                // An entity contains all its data.
                let is_it = |user: &User<'_>| is_user(*user, term, post).unwrap_or(false);
                Some(post.mentions().iter().any(is_it))
            })
        }
        O::From => author(post, |user| is_user(user, term, post)),
        O::To => post.in_reply_to_user().map_or(Some(false), |user| is_user(user, term, post)),
        O::RetweetsOf => match post.retweeted() {
            Lookup::None => Some(false),
            Lookup::Missing => None,
            Lookup::Found(original) => author(original, |user| is_user(user, term, original)),
        },
        O::FromAffiliateOf => match post.v2 {
            true => author(post, |user| is_affiliated(user, term, post)),
            false => None,
        },
        O::ToAffiliateOf => match post.v2 {
            true => post.in_reply_to_user().map_or(Some(false), |user| is_affiliated(user, term, post)),
            false => None,
        },
        O::Contains => any_own(post, |post| Some(text::holds(&post.text(), argument))),
        O::Url => any_source(post, |post| {
            Some(post.link_targets(options.short_links).iter().any(|url| text::in_a_row(url, argument)))
        }),
        O::UrlContains => any_source(post, |post| {
            Some(post.link_targets(true).iter().any(|url| text::holds(url, argument)))
        }),
        O::UrlTitle => any_source(post, |post| {
            Some(post.titles().iter().any(|title| text::in_a_row(&text::start(title, 300), argument)))
        }),
        O::UrlDescription => any_source(post, |post| {
            Some(post.descriptions().iter().any(|text| text::in_a_row(&text::start(text, 1_000), argument)))
        }),
        O::Bio => profile(post, "description", argument),
        O::BioName => profile(post, "name", argument),
        O::BioLocation => profile(post, "location", argument),
        O::FollowersCount | O::MinFollowers => count(post, term, "followers_count", &["followers_count"]),
        O::FriendsCount => count(post, term, "friends_count", &["following_count"]),
        O::ListedCount => count(post, term, "listed_count", &["listed_count"]),
        O::StatusesCount => count(post, term, "statuses_count", &["tweet_count", "post_count"]),
        O::Lang => post.lang().map_or(absent(post), |lang| Some(is_language(lang, argument))),
        O::Place => {
            let is_outer = matches!(post.retweeted(), Lookup::None);
            // The ID is known without the place.
            let by_id = is_outer && post.place_id().is_some_and(|id| text::same(id, argument));
            let by_name = place(post, |place| {
                let mut fields =
                    ["full_name", "name", "country"].into_iter().filter_map(|key| place[key].as_str());
                fields.any(|field| text::in_a_row(field, argument))
            });
            any([Some(by_id), by_name])
        }
        O::PlaceCountry => {
            place(post, |place| place["country_code"].as_str().is_some_and(|code| text::same(code, argument)))
        }
        O::PointRadius | O::BoundingBox => {
            if !matches!(post.retweeted(), Lookup::None) {
                return Some(false);
            }
            if let Some(point) = post.point() {
                return Some(geo::inside(term.value, point));
            }
            place(post, |place| {
                let corners = post.corners(place);
                !corners.is_empty() && corners.iter().all(|corner| geo::inside(term.value, *corner))
            })
        }
        O::ProfileCountry => location(post, |place| is_text(&place["country_code"], argument)),
        O::ProfileRegion => location(post, |place| is_text(&place["region"], argument)),
        O::ProfileLocality => location(post, |place| is_text(&place["locality"], argument)),
        O::ProfileSubregion => location(post, |place| is_text(&place["sub_region"], argument)),
        O::ProfilePointRadius | O::ProfileBoundingBox => location(post, |place| {
            let pair = &place["geo"]["coordinates"];
            match (pair[0].as_f64(), pair[1].as_f64()) {
                (Some(longitude), Some(latitude)) => geo::inside(term.value, (longitude, latitude)),
                _ => false,
            }
        }),
        O::HasHashtags => any_source(post, |post| Some(!post.hashtags().is_empty())),
        O::HasMentions => any_source(post, |post| Some(!post.mentions().is_empty())),
        O::HasSymbols => any_source(post, |post| Some(!post.cashtags().is_empty())),
        O::HasLinks => any_source(post, |post| Some(post.has_urls() || !post.media().is_empty())),
        // A media key counts even if the media object is not included.
        O::HasMedia => any_source(post, |post| {
            let is_one = |kind: &str| ["photo", "video", "animated_gif"].contains(&kind);
            Some(
                post.media()
                    .into_iter()
                    .any(|medium| medium.found().is_none_or(|kind| kind.is_some_and(is_one))),
            )
        }),
        O::HasImages => any_source(post, |post| media(post, &["photo"])),
        O::HasVideos => any_source(post, |post| media(post, &["video"])),
        O::HasGeo => {
            let located =
                post.point().is_some() || post.place_id().is_some() || !matches!(post.place(), Lookup::None);
            Some(matches!(post.retweeted(), Lookup::None) && located)
        }
        O::HasLang => post.lang().map_or(absent(post), |lang| Some(!text::same(lang, "und"))),
        O::HasProfileGeo => location(post, |_| true),
        O::IsRetweet => Some(!matches!(post.retweeted(), Lookup::None)),
        O::IsReply => {
            any_source(post, |post| Some(post.in_reply_to().is_some() || post.in_reply_to_user().is_some()))
        }
        O::IsQuote => any_source(post, |post| Some(post.is_quote())),
        O::IsVerified => author(post, |user| user.verified().or(absent(post))),
        O::IsNullcast => {
            let advertisers = ["Twitter for Advertisers", "Twitter Ads", "Twitter Ads Composer"];
            let is_one = |(name, _): (String, Option<String>)| advertisers.contains(&&*name);
            Some(post.is_promoted_only() || post.source().is_some_and(is_one))
        }
        O::RetweetsOfStatusId => Some(post.retweeted_id().is_some_and(|id| is_post(term, id))),
        O::InReplyToStatusId => Some(post.in_reply_to().is_some_and(|id| is_post(term, id))),
        O::ConversationId => post.conversation().map_or(absent(post), |id| Some(is_post(term, id))),
        O::Context => {
            let Value::Context { domain, entity } = term.value else { unreachable!("{term:?}") };
            let is_it = |(a, b, _): &(Option<u64>, Option<u64>, Option<&str>)| {
                domain.is_none_or(|domain| *a == Some(domain))
                    && entity.is_none_or(|entity| *b == Some(entity))
            };
            post.v2.then(|| post.annotations().iter().any(is_it))
        }
        O::Entity => post.v2.then(|| {
            post.annotations().iter().any(|(_, _, name)| name.is_some_and(|name| text::same(name, argument)))
        }),
        O::Source => post.source().map_or(absent(post), |(name, url)| {
            Some(text::same(&name, argument) || url.is_some_and(|url| text::same(bare(&url), bare(argument))))
        }),
        O::Sample => {
            let Value::Percent(percent) = term.value else { unreachable!("{term:?}") };
            post.id().map(|id| splitmix64(id) % 100 < u64::from(percent))
        }
        O::Embedding => None,
        // It does not restrict the rule by itself.
        O::EmbeddingThreshold => Some(true),
        other => panic!("the oracle does not know {other:?}"),
    }
}

/// Returns the value of a leaf on an absent field that every Post has. In v2 the field was not
/// requested.
fn absent(post: Post<'_>) -> Truth {
    if post.v2 { None } else { Some(false) }
}

/// Returns true if `is_true` is true for the Post or the one that it retweets.
fn any_own(post: Post<'_>, is_true: impl Fn(Post<'_>) -> Truth) -> Truth {
    any([is_true(post), one(post.retweeted(), &is_true)])
}

/// Returns true as [`any_own`], or if `is_true` is true for a Post that one of them quotes.
fn any_source(post: Post<'_>, is_true: impl Fn(Post<'_>) -> Truth) -> Truth {
    let with_quoted = |post: Post<'_>| any([is_true(post), one(post.quoted(), &is_true)]);
    any([with_quoted(post), one(post.retweeted(), with_quoted)])
}

fn one(post: Lookup<Post<'_>>, is_true: impl Fn(Post<'_>) -> Truth) -> Truth {
    match post {
        Lookup::None => Some(false),
        Lookup::Missing => None,
        Lookup::Found(post) => is_true(post),
    }
}

/// Returns true if a text has the word, the emoji or the phrase.
fn words(text: &str, term: &Term, options: Options) -> bool {
    let wanted = &*term.text;
    // A bare word that is not exactly one token is the phrase of the same text.
    let is_one_token = text::tokens(wanted) == [text::normal(wanted)];
    if term.operator == Operator::Phrase || !is_one_token {
        return if options.phrase_tokens {
            text::in_a_row(text, wanted)
        } else {
            text::literal(text, wanted)
        };
    }
    if options.segment_substring && text::is_unsegmented(wanted) {
        return text::holds(text, wanted);
    }
    text::in_a_row(text, wanted)
}

fn one_is<'a>(all: impl IntoIterator<Item = &'a str>, wanted: &str) -> bool {
    all.into_iter().any(|one| text::same(one, wanted))
}

fn is_text(value: &serde_json::Value, wanted: &str) -> bool {
    value.as_str().is_some_and(|text| text::same(text, wanted))
}

/// Returns true if a user has the name or the ID.
fn is_user(user: User<'_>, term: &Term, post: Post<'_>) -> Truth {
    let Value::User { id } = term.value else { unreachable!("{term:?}") };
    let by_id = id.is_some() && user.id == id;
    let by_name = match user.name {
        Some(name) => Some(text::same(name, &term.text)),
        None => absent(post),
    };
    any([Some(by_id), by_name])
}

fn is_affiliated(user: User<'_>, term: &Term, post: Post<'_>) -> Truth {
    let accounts = user.affiliations()?;
    any(accounts.into_iter().map(|id| is_user(post.user_by_id(id), term, post)))
}

fn author(post: Post<'_>, is_true: impl Fn(User<'_>) -> Truth) -> Truth {
    match post.author() {
        Lookup::None => Some(false),
        Lookup::Missing => None,
        Lookup::Found(user) => is_true(user),
    }
}

/// Returns true if a field of the author's profile has the argument's words in sequence.
fn profile(post: Post<'_>, field: &'static str, wanted: &str) -> Truth {
    author(post, |user| {
        user.object.map_or(absent(post), |_| {
            Some(user.field(field).is_some_and(|field| text::in_a_row(field, wanted)))
        })
    })
}

fn count(post: Post<'_>, term: &Term, legacy: &'static str, v2: &[&'static str]) -> Truth {
    let Value::Count { min, max } = term.value else { unreachable!("{term:?}") };
    author(post, |user| match user.count(post.v2, legacy, v2) {
        Some(count) => Some(min <= count && max.is_none_or(|max| count <= max)),
        None => absent(post),
    })
}

fn is_language(lang: &str, wanted: &str) -> bool {
    let is = |code: &str| text::same(lang, code);
    match wanted {
        "zh" => is("zh") || is("zh-CN") || is("zh-TW"),
        "zh-CN" => is("zh-CN") || is("zh"),
        other => is(other),
    }
}

/// Tests the place of the outer Post. A Retweet has none.
fn place(post: Post<'_>, is_true: impl Fn(&serde_json::Value) -> bool) -> Truth {
    if !matches!(post.retweeted(), Lookup::None) {
        return Some(false);
    }
    match post.place() {
        Lookup::None => Some(false),
        Lookup::Missing => None,
        Lookup::Found(place) => Some(is_true(place)),
    }
}

/// Tests the locations that X derives for the author's profile. Only legacy Posts have them.
fn location(post: Post<'_>, is_true: impl Fn(&serde_json::Value) -> bool) -> Truth {
    if post.v2 {
        return None;
    }
    author(post, |user| user.locations().map_or(Some(false), |all| Some(all.iter().any(&is_true))))
}

/// Returns true if the Post has a medium of one of these kinds.
fn media(post: Post<'_>, kinds: &[&str]) -> Truth {
    any(post.media().into_iter().map(|medium| match medium {
        Lookup::Found(kind) => Some(kind.is_some_and(|kind| kinds.contains(&kind))),
        Lookup::Missing | Lookup::None => None,
    }))
}

fn is_post(term: &Term, id: u64) -> bool {
    term.value == Value::Post { id }
}

/// Returns a URL without its scheme and trailing slash.
fn bare(url: &str) -> &str {
    let url = url.split_once("://").map_or(url, |(_, rest)| rest);
    url.strip_suffix('/').unwrap_or(url)
}

fn splitmix64(id: u64) -> u64 {
    let z = id.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ z >> 31
}
