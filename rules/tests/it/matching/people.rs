//! Tests entities, authors, replies, affiliations and profiles.

use super::*;

pub(super) fn hashtags_cashtags_and_mentions_come_from_entities() -> Vec<Case> {
    vec![
        yes("#gulls", tagged(&["terns", "Gulls"])),
        no("#gulls", tagged(&["gullsandterns"])),
        no("#gulls", post("#gulls")),
        yes("#señal", tagged(&["SEN\u{303}AL"])),
        no("#senal", tagged(&["señal"])),
        yes("#日本", tagged(&["日本"])),
        yes("#gulls", quote_of("look", tagged(&["gulls"]))),
        yes("#gulls", retweet_of(tagged(&["gulls"]))),
        yes("#gulls", Post { is_long: true, ..tagged(&["gulls"]) }),
        yes("$ABC", cashtagged(&["abc"])),
        yes("$BRK.A", cashtagged(&["BRK.A"])),
        no("$BRK", cashtagged(&["BRK.A"])),
        no("$ABC", post("$ABC")),
        yes("$ABC", quote_of("look", cashtagged(&["ABC"]))),
        yes("@harbour_news", mentioning(5, "Harbour_News")),
        no("@harbour", mentioning(5, "harbour_news")),
        yes("@5", mentioning(5, "harbour_news")),
        yes("@5", mentioning(6, "5")),
        no("@5", mentioning(55, "harbour_news")),
        no("@harbour_news", post("@harbour_news")),
        yes("@harbour_news", quote_of("look", mentioning(5, "harbour_news"))),
        yes("has:hashtags", tagged(&["x"])),
        no("has:hashtags", post("#x")),
        yes("has:hashtags", quote_of("look", tagged(&["x"]))),
        yes("has:symbols", cashtagged(&["x"])),
        yes("has:cashtags", cashtagged(&["x"])),
        no("has:symbols", post("$x")),
        yes("has:symbols", retweet_of(cashtagged(&["x"]))),
        yes("has:mentions", mentioning(5, "x")),
        no("has:mentions", post("@x")),
        yes("has:mentions", quote_of("look", mentioning(5, "x"))),
    ]
}

pub(super) fn authors_and_replies() -> Vec<Case> {
    let by = |id, name: &str| Post { author: User::new(id, name), ..post("x") };
    vec![
        yes("from:harbour_news", by(5, "Harbour_News")),
        no("from:harbour", by(5, "harbour_news")),
        yes("from:5", by(5, "harbour_news")),
        yes("from:5", by(6, "5")),
        no("from:5", by(50, "harbour_news")),
        // Only the outer Post.
        no("from:harbour_news", retweet_of(by(5, "harbour_news"))),
        no("from:harbour_news", quote_of("look", by(5, "harbour_news"))),
        yes("from:echo", retweet_of(by(5, "harbour_news"))),
        yes("to:harbour_news", replying(Some(20), 5, "Harbour_News")),
        yes("to:harbour_news", replying(None, 5, "harbour_news")),
        yes("to:5", replying(Some(20), 5, "harbour_news")),
        no("to:harbour_news", replying(Some(20), 6, "other")),
        no("to:harbour_news", mentioning(5, "harbour_news")),
        no("to:harbour_news", quote_of("look", replying(Some(20), 5, "harbour_news"))),
        yes("retweets_of:harbour_news", retweet_of(by(5, "Harbour_News"))),
        yes("retweets_of_user:5", retweet_of(by(5, "harbour_news"))),
        no("retweets_of:echo", retweet_of(by(5, "harbour_news"))),
        no("retweets_of:harbour_news", quote_of("look", by(5, "harbour_news"))),
        no("retweets_of:harbour_news", by(5, "harbour_news")),
        yes("retweets_of_status_id:1592000000000000001", retweet_of(post("x"))),
        yes("retweets_of_tweet_id:1592000000000000001", retweet_of(post("x"))),
        no("retweets_of_status_id:1592000000000000900", retweet_of(post("x"))),
        no("retweets_of_status_id:1592000000000000001", post("x")),
        yes("in_reply_to_status_id:20", replying(Some(20), 5, "x")),
        yes("in_reply_to_tweet_id:20", replying(Some(20), 5, "x")),
        no("in_reply_to_status_id:20", replying(Some(21), 5, "x")),
        no("in_reply_to_status_id:20", post("x")),
        no("in_reply_to_status_id:20", quote_of("look", replying(Some(20), 5, "x"))),
        yes("is:reply", replying(Some(20), 5, "x")),
        yes("is:reply", retweet_of(replying(Some(20), 5, "x"))),
        yes("is:reply", quote_of("look", replying(Some(20), 5, "x"))),
        no("is:reply", mentioning(5, "x")),
        yes("is:retweet", retweet_of(post("x"))),
        no("is:retweet", quote_of("x", post("y"))),
        no("is:retweet", post("RT @x: y")),
        yes("is:quote", quote_of("x", post("y"))),
        yes("is:quote", retweet_of(quote_of("x", post("y")))),
        no("is:quote", retweet_of(post("x"))),
        no("is:quote", post("x")),
        yes("is:verified", with_author(|user| user.is_verified = true)),
        no("is:verified", post("x")),
        yes("is:nullcast", Post { is_promoted_only: true, ..post("x") }),
        no("is:nullcast", post("x")),
        yes("x -is:nullcast", post("x")),
    ]
}

#[test]
fn one_field_of_a_legacy_post_suffices_to_make_it_a_reply() {
    for (field, value) in [
        ("in_reply_to_status_id", json!(20)),
        ("in_reply_to_user_id", json!(5)),
        ("in_reply_to_screen_name", json!("x")),
    ] {
        let mut message = post("me too").legacy();
        message[field] = value;
        assert_eq!(values(&rule("is:reply"), &message), YES, "with {field}");
    }
}

pub(super) fn affiliations_exist_in_v2_only() -> Vec<Case> {
    let affiliated = |ids: &[u64]| with_author(|user| user.affiliations = ids.to_vec());
    let mut answer = replying(Some(20), 5, "harbour_news");
    answer.reply.as_mut().unwrap().user.affiliations = vec![12, 13];
    let mut answer_to_own = replying(Some(20), 5, "harbour_news");
    answer_to_own.reply.as_mut().unwrap().user.affiliations = vec![answer_to_own.author.id];
    // The name of the account is known only if its user is included.
    let mut named = affiliated(&[5]);
    named.reply = Some(Reply { to: Some(20), user: User::new(5, "harbour_news") });
    vec![
        Case("from_affiliate_of:12", affiliated(&[11, 12]), UNKNOWN, YES),
        Case("from_affiliate_of:12", affiliated(&[]), UNKNOWN, NO),
        Case("from_affiliate_of:harbour_news", named, UNKNOWN, YES),
        Case("to_affiliate_of:13", answer, UNKNOWN, YES),
        Case("to_affiliate_of:shore_walker", answer_to_own, UNKNOWN, YES),
        Case("to_affiliate_of:13", post("x"), UNKNOWN, NO),
    ]
}

pub(super) fn profiles() -> Vec<Case> {
    vec![
        yes(
            "bio:ornithologist",
            with_author(|user| user.description = Some("An Ornithologist, retired".into())),
        ),
        yes("user_bio:\"sea birds\"", with_author(|user| user.description = Some("of sea/birds".into()))),
        no("bio:\"birds sea\"", with_author(|user| user.description = Some("of sea birds".into()))),
        no("bio:bird", with_author(|user| user.description = Some("birds".into()))),
        no("bio:birds", post("birds")),
        no("bio:birds", quote_of("look", with_author(|user| user.description = Some("birds".into())))),
        yes("bio_name:\"harbour master\"", with_author(|user| user.name = "The Harbour Master".into())),
        no("bio_name:harbour", with_author(|user| user.username = "harbour".into())),
        yes("bio_location:\"west coast\"", with_author(|user| user.location = Some("West Coast!".into()))),
        yes("user_bio_location:coast", with_author(|user| user.location = Some("west coast".into()))),
        no("bio_location:coast", post("coast")),
        yes("followers_count:10", with_author(|user| user.followers = 10)),
        no("followers_count:10", with_author(|user| user.followers = 9)),
        yes("followers_count:10..12", with_author(|user| user.followers = 12)),
        no("followers_count:10..12", with_author(|user| user.followers = 13)),
        yes("friends_count:10", with_author(|user| user.friends = 11)),
        yes("following_count:10..12", with_author(|user| user.friends = 11)),
        no("friends_count:10", with_author(|user| user.followers = 11)),
        yes("listed_count:10", with_author(|user| user.listed = 10)),
        no("user_in_lists_count:10..11", with_author(|user| user.listed = 9)),
        yes("statuses_count:10", with_author(|user| user.statuses = 10)),
        no("tweets_count:10", with_author(|user| user.statuses = 9)),
        yes("min_followers:10", with_author(|user| user.followers = 10)),
        no("min_followers:10", with_author(|user| user.followers = 9)),
        no("followers_count:10", retweet_of(with_author(|user| user.followers = 10))),
    ]
}

pub(super) fn profile_places_exist_in_legacy_posts_only() -> Vec<Case> {
    vec![
        Case("profile_country:NO", located(), YES, UNKNOWN),
        Case("profile_country:us", located(), YES, UNKNOWN),
        Case("profile_country:GB", located(), NO, UNKNOWN),
        Case("profile_country:GB", post("x"), NO, UNKNOWN),
        Case("profile_region:\"new york\"", located(), YES, UNKNOWN),
        Case("profile_region:york", located(), NO, UNKNOWN),
        Case("profile_locality:\"sag harbor\"", located(), YES, UNKNOWN),
        Case("profile_locality:harbor", located(), NO, UNKNOWN),
        Case("profile_subregion:\"Suffolk County\"", located(), YES, UNKNOWN),
        Case("profile_subregion:Vestland", located(), NO, UNKNOWN),
        Case("profile_point_radius:[-72.3 41.0 2km]", located(), YES, UNKNOWN),
        Case("profile_point_radius:[-72.4 41.0 2km]", located(), NO, UNKNOWN),
        Case("profile_bounding_box:[-72.3 40.9 -72.2 41.1]", located(), YES, UNKNOWN),
        Case("profile_bounding_box:[-72.2 40.9 -72.1 41.1]", located(), NO, UNKNOWN),
        Case("has:profile_geo", located(), YES, UNKNOWN),
        Case("has:derived_user_geo", post("x"), NO, UNKNOWN),
    ]
}
