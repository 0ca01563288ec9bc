//! Suggestions for unknown operator names.

use super::info::Availability;
use super::table::Operator;
use crate::profile::Profile;

/// Returns advice for a name that used to be an operator or is one in another product.
pub(crate) fn successor(name: &str) -> Option<&'static str> {
    const NONE: &str = "remove it; it was an operator of PowerTrack 1.0 and has no successor";
    const CHANGED: [(&str, &str); 21] = [
        ("twitter_lang", "write `lang:`"),
        ("country_code", "write `place_country:`"),
        ("profile_country_code", "write `profile_country:`"),
        ("bio_contains", "write `bio:`, which matches whole words"),
        ("bio_name_contains", "write `bio_name:`, which matches whole words"),
        ("bio_location_contains", "write `bio_location:`, which matches whole words"),
        ("place_contains", "write `place:`, which matches whole words"),
        ("profile_region_contains", "write `profile_region:`"),
        ("profile_locality_contains", "write `profile_locality:`"),
        ("profile_subregion_contains", "write `profile_subregion:`"),
        ("bio_lang", NONE),
        ("time_zone", NONE),
        ("list", "remove it; only the search products have it"),
        ("quotes_of_tweet_id", "remove it; only the search products have it"),
        ("min_likes", "remove it; only the search products have it"),
        ("min_reposts", "remove it; only the search products have it"),
        ("since", "remove it; only the search products have it, because a stream delivers only new Posts"),
        ("until", "remove it; only the search products have it, because a stream has no end"),
        ("filter", "write `has:` or `is:`, as in has:links"),
        ("is", "write a flag, such as is:retweet or is:reply"),
        ("has", "write a flag, such as has:links or has:media"),
    ];
    let known = CHANGED.iter().find(|(old, _)| old.eq_ignore_ascii_case(name)).map(|(_, help)| *help);
    known.or_else(|| name.get(..6).filter(|start| start.eq_ignore_ascii_case("klout_")).map(|_| NONE))
}

/// Returns the most similar operator name: at most two edits away, and at most half as many edits
/// as letters.
pub(crate) fn similar(written: &str, flag: bool, profile: Profile) -> Option<&'static str> {
    const EDITS_MAX: usize = 2;
    let written = written.to_ascii_lowercase();
    let length = written.chars().count();
    // Names are ASCII. If the lengths differ by more, so many edits are needed at least.
    let is_near = |name: &str| name.len().abs_diff(length) <= EDITS_MAX;
    let names =
        Operator::ALL.iter().filter(|operator| operator.availability(profile) != Availability::Absent);
    let names = names.map(|operator| operator.info()).filter(|info| {
        is_near(info.name)
            && info.name.contains(':') == flag
            && Operator::by_name(info.name).or(Operator::flag(info.name)).is_some()
    });
    let nearest = names.map(|info| (distance(&written, info.name), info.name)).min()?;
    (nearest.0 <= EDITS_MAX && nearest.0 * 2 <= length).then_some(nearest.1)
}

/// Returns the Levenshtein distance. `b` must not be empty.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, a) in a.chars().enumerate() {
        let (mut diagonal, mut left) = (i, i + 1);
        for (cell, b) in row.iter_mut().skip(1).zip(b.chars()) {
            let cost = (diagonal + usize::from(a != b)).min(left + 1).min(*cell + 1);
            (diagonal, left) = (*cell, cost);
            *cell = cost;
        }
    }
    row.last().copied().unwrap_or_default()
}
