//! The example rules of X's pages, with the expectations that the pages state.

use powerstream_rules::{Code, FormatOptions, Profile, Rule, check};

/// Powerstream: Introduction.
const POWERSTREAM: [&str; 1] = ["(cat OR dog) lang:en -is:retweet"];

/// Filtered Stream: Build a rule.
const FILTERED_STREAM: [&str; 32] = [
    "#xapiv2",
    "\"X data\" has:mentions (has:media OR has:links)",
    "snow day #NoSchool",
    "grumpy OR cat OR #meme",
    "cat #meme -grumpy",
    "(grumpy cat) OR (#meme has:images)",
    "skiing -snow -day -noschool",
    "apple OR iphone ipad",
    "apple OR (iphone ipad)",
    "ipad iphone OR android",
    "(ipad iphone) OR android",
    "(apple OR iphone) ipad",
    "iphone (ipad OR android)",
    "diacrítica",
    "diacritica",
    "cat",
    "happy",
    "(happy OR happiness) lang:en -birthday -is:retweet",
    "(happy OR happiness) place_country:GB -birthday -is:retweet",
    "happy OR happiness",
    "(happy OR happiness) lang:en",
    "(happy OR happiness OR excited OR elated) lang:en -birthday -is:retweet",
    "(happy OR happiness OR excited OR elated) lang:en -birthday -is:retweet -holidays",
    "cat has:media",
    "cat has:media -grumpy",
    "meme",
    "meme has:images",
    "-is:retweet has:geo (from:NWSNHC OR from:NHC_Atlantic OR from:NWSHouston OR from:NWSSanAntonio OR from:USGS_TexasRain OR from:USGS_TexasFlood OR from:JeffLindner1)",
    "#nowplaying (happy OR exciting OR excited OR favorite OR fav OR amazing OR lovely OR incredible) (place_country:US OR place_country:MX OR place_country:CA) -horrible -worst -sucks -bad -disappointing",
    "#nowplaying (horrible OR worst OR sucks OR bad OR disappointing) (place_country:US OR place_country:MX OR place_country:CA) -happy -exciting -excited -favorite -fav -amazing -lovely -incredible",
    "context:65.852262932607926273 -context:66.852262932607926273 -is:retweet has:images lang:ja",
    "skiing -(snow OR day OR noschool)",
];

#[test]
fn documented_examples_are_valid_and_survive_formatting() {
    for (profile, rules) in
        [(Profile::Powerstream, &POWERSTREAM[..]), (Profile::FilteredStream, &FILTERED_STREAM)]
    {
        for text in rules {
            let rule = Rule::parse(text, profile).unwrap_or_else(|errors| panic!("{text}: {errors:?}"));
            let formatted = rule.format(profile);
            assert_eq!(Rule::parse(&formatted, profile).as_ref(), Ok(&rule), "{text}");
            assert_eq!(rule.format(profile), formatted);
        }
    }
    // Powerstream also accepts the examples of the filtered stream's guide, except `context:`.
    for text in FILTERED_STREAM.into_iter().filter(|text| !text.contains("context:")) {
        assert!(check(text, Profile::Powerstream).is_valid(), "{text}");
    }
}

#[test]
fn documented_examples_are_in_canonical_form() {
    for text in
        FILTERED_STREAM.into_iter().filter(|text| !text.starts_with(['(', 'a', 'i']) || text.contains(") l"))
    {
        assert_eq!(Rule::parse(text, Profile::FilteredStream).unwrap().format(Profile::FilteredStream), text);
    }
}

#[test]
fn and_binds_before_or() {
    let profile = Profile::FilteredStream;
    for (rule, evaluated_as) in [
        ("apple OR iphone ipad", "apple OR (iphone ipad)"),
        ("ipad iphone OR android", "(ipad iphone) OR android"),
    ] {
        let parsed = Rule::parse(rule, profile).unwrap();
        assert_eq!(parsed, Rule::parse(evaluated_as, profile).unwrap());
        assert_eq!(parsed.format(profile), rule);
        assert_eq!(
            parsed.explain(profile).order,
            evaluated_as.replace("iphone ipad", "iphone AND ipad").replace("ipad iphone", "ipad AND iphone")
        );
    }
    for (rule, other) in [
        ("(apple OR iphone) ipad", "apple OR iphone ipad"),
        ("iphone (ipad OR android)", "iphone ipad OR android"),
    ] {
        assert_ne!(Rule::parse(rule, profile), Rule::parse(other, profile));
        assert_eq!(Rule::parse(rule, profile).unwrap().format(profile), rule);
    }
}

#[test]
fn options_change_the_canonical_form() {
    let rule = Rule::parse("gull OR -tern skua (auk OR egret) -heron", Profile::Powerstream).unwrap();
    for (explicit, sort, want) in [
        (false, false, "gull OR -tern skua (auk OR egret) -heron"),
        (true, false, "gull OR (-tern skua (auk OR egret) -heron)"),
        (false, true, "gull OR skua (auk OR egret) -tern -heron"),
    ] {
        assert_eq!(rule.format_with(Profile::Powerstream, FormatOptions { explicit, sort }), want);
    }
}

#[test]
fn every_clause_of_an_explanation_is_a_line() {
    let rule = "gull -(tern \"a b\"~3) (followers_count:5..7 OR followers_count:5) min_followers:9 place:x";
    let profile = Profile::FilteredStream;
    let words = Rule::parse(rule, profile).unwrap().explain(profile).words;
    assert_eq!(
        words.lines().collect::<Vec<_>>(),
        [
            "A Post matches if all of these are true:",
            "  - it has the word “gull”",
            "  - NOT: all of these are true:",
            "    - it has the word “tern”",
            "    - it has the words “a b” with at most 3 words between them",
            "  - any of these is true:",
            "    - the author's number of followers is from 5 to 7",
            "    - the author's number of followers is at least 5",
            "  - the author has at least 9 followers",
            "  - its place is “x”, and it is not a Retweet",
        ]
    );
}

#[test]
fn rules_discouraged_by_the_guide_get_warnings() {
    let codes = |rule: &str| -> Vec<Code> {
        check(rule, Profile::FilteredStream).warnings.iter().map(|warning| warning.code).collect()
    };
    assert_eq!(codes("skiing -(snow OR day OR noschool)"), [Code::NegatedGroup]);
    assert_eq!(codes("happy"), [Code::Broad]);
    assert_eq!(codes("(happy OR happiness) lang:en -birthday -is:retweet"), []);
    for rule in ["has:media", "has:links OR is:retweet"] {
        assert_eq!(check(rule, Profile::FilteredStream).errors[0].code, Code::Conjunction);
    }
}
