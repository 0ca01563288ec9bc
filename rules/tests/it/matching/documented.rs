//! Tests the examples of X's pages on invented Posts.

use super::*;

/// The examples of X's pages (Filtered Stream: Build a rule; Powerstream: Introduction), on
/// invented Posts.
#[test]
fn documented_examples_match_as_documented() {
    let said = post;
    let with_tag = |text: &str, tag: &str| Post { hashtags: vec![tag.into()], ..post(text) };
    let in_language = |text: &str, lang: &str| Post { lang: Some(lang.into()), ..post(text) };
    run(vec![
        // Standalone operators, together with operators that cannot stand alone.
        yes("#xapiv2", tagged(&["XAPIv2"])),
        yes("\"X data\" has:mentions (has:media OR has:links)", {
            Post { mentions: vec![(5, "a".into())], ..linked("https://example.org") }.saying("on x data")
        }),
        no(
            "\"X data\" has:mentions (has:media OR has:links)",
            linked("https://example.org").saying("on x data"),
        ),
        // AND, OR, NOT, grouping.
        yes("snow day #NoSchool", with_tag("a snow day", "noschool")),
        no("snow day #NoSchool", with_tag("a day", "noschool")),
        no("snow day #NoSchool", said("snow day #NoSchool")),
        yes("grumpy OR cat OR #meme", said("so grumpy")),
        yes("grumpy OR cat OR #meme", with_tag("x", "meme")),
        no("grumpy OR cat OR #meme", said("a meme")),
        yes("cat #meme -grumpy", with_tag("a cat", "meme")),
        no("cat #meme -grumpy", with_tag("a grumpy cat", "meme")),
        yes("(grumpy cat) OR (#meme has:images)", said("grumpy cat")),
        yes(
            "(grumpy cat) OR (#meme has:images)",
            Post { hashtags: vec!["meme".into()], ..media(&["photo"]) },
        ),
        no("(grumpy cat) OR (#meme has:images)", with_tag("grumpy", "meme")),
        // The page writes these rules instead of a negated group.
        yes("skiing -snow -day -noschool", said("skiing in rain")),
        no("skiing -snow -day -noschool", said("skiing in snow")),
        yes("skiing -(snow OR day OR noschool)", said("skiing in rain")),
        no("skiing -(snow OR day OR noschool)", said("skiing all day")),
        // The order of operations: AND before OR.
        yes("apple OR iphone ipad", said("apple")),
        no("apple OR iphone ipad", said("ipad")),
        yes("apple OR (iphone ipad)", said("apple")),
        yes("ipad iphone OR android", said("android")),
        no("ipad iphone OR android", said("ipad")),
        no("(apple OR iphone) ipad", said("apple")),
        yes("(apple OR iphone) ipad", said("apple ipad")),
        no("iphone (ipad OR android)", said("android")),
        yes("iphone (ipad OR android)", said("android iphone")),
        // Diacritics and case.
        yes("diacrítica", said("DIACRÍTICA")),
        no("diacrítica", said("diacritica")),
        no("diacritica", said("diacrítica")),
        yes("cat", said("CAT")),
        yes("cat", said("Cat")),
        // Quoted Posts are matched as well.
        yes("cat", quote_of("look", said("a cat"))),
        // From broad to narrow.
        yes("(happy OR happiness) lang:en -birthday -is:retweet", in_language("happy me", "en")),
        no("(happy OR happiness) lang:en -birthday -is:retweet", in_language("happy me", "de")),
        no("(happy OR happiness) lang:en -birthday -is:retweet", in_language("happy birthday", "en")),
        no("(happy OR happiness) lang:en -birthday -is:retweet", retweet_of(in_language("happy me", "en"))),
        yes(
            "(happy OR happiness) place_country:GB -birthday -is:retweet",
            in_tollesbury().saying("such happiness"),
        ),
        no("(happy OR happiness) place_country:GB -birthday -is:retweet", said("such happiness")),
        no(
            "(happy OR happiness OR excited OR elated) lang:en -birthday -is:retweet -holidays",
            said("elated: holidays"),
        ),
        yes("meme has:images", media(&["photo"]).saying("a meme")),
        no("cat has:media -grumpy", media(&["photo"]).saying("grumpy cat")),
        // The longer rules of the pages.
        yes(
            "-is:retweet has:geo (from:NWSNHC OR from:NHC_Atlantic)",
            Post { author: User::new(5, "nhc_atlantic"), ..in_tollesbury() },
        ),
        no(
            "-is:retweet has:geo (from:NWSNHC OR from:NHC_Atlantic)",
            Post { author: User::new(5, "nhc_atlantic"), ..post("x") },
        ),
        yes(
            "#nowplaying (happy OR exciting) (place_country:US OR place_country:GB) -horrible",
            Post { hashtags: vec!["NowPlaying".into()], ..in_tollesbury() }.saying("exciting"),
        ),
        Case(
            "context:65.852262932607926273 -context:66.852262932607926273 -is:retweet has:images lang:ja",
            Post {
                annotations: vec![(65, 852_262_932_607_926_273, "Pets".into())],
                lang: Some("ja".into()),
                ..media(&["photo"])
            },
            UNKNOWN,
            YES,
        ),
        yes("(cat OR dog) lang:en -is:retweet", said("a dog")),
        no("(cat OR dog) lang:en -is:retweet", retweet_of(said("a dog"))),
        no("(cat OR dog) lang:en -is:retweet", in_language("a dog", "fr")),
    ]);
}

#[test]
fn sample_post_of_the_powerstream_docs_matches() {
    // The fields that the sample of Powerstream: Introduction has, with its values.
    let message = json!([{
        "created_at": "Tue Mar 21 20:50:14 +0000 2006", "id": 20, "id_str": "20", "text": "just setting up my twttr",
        "truncated": false,
        "entities": {"hashtags": [], "symbols": [], "user_mentions": [], "urls": []},
        "source": "<a href=\"http://x.com\" rel=\"nofollow\">X Web Client</a>",
        "in_reply_to_status_id": null, "in_reply_to_user_id": null, "in_reply_to_screen_name": null,
        "user": {
            "id": 12, "id_str": "12", "name": "jack", "screen_name": "jack", "location": "",
            "description": "no state is the best state", "followers_count": 6_427_829, "friends_count": 3,
            "listed_count": 32_968, "statuses_count": 30_134, "verified": false,
        },
        "geo": null, "coordinates": null, "place": null, "is_quote_status": false, "lang": "en",
    }]);
    for (text, want) in [
        ("twttr", YES),
        ("\"setting up\"", YES),
        ("from:jack", YES),
        ("from:12", YES),
        ("bio:\"best state\"", YES),
        ("source:\"X Web Client\"", YES),
        ("source:\"https://x.com/\"", YES),
        ("followers_count:6000000..7000000", YES),
        ("contains:witter", NO),
        ("contains:wttr", YES),
        ("lang:en -is:retweet -has:links -has:geo -is:reply -is:quote", YES),
        ("(cat OR dog) lang:en -is:retweet", NO),
        ("has:mentions OR has:media OR has:symbols OR is:verified OR has:hashtags", NO),
    ] {
        assert_eq!(values(&rule(text), &message), want, "{text}");
    }
}
