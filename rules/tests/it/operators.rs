//! Tests every row of the operator table: each product accepts, warns of or rejects the operator,
//! and every form of argument is tested.

use powerstream_rules::operator::{Availability, Kind};
use powerstream_rules::{Code, Operator, Profile, Rule, Value, check};

/// Returns true if a term of the rule uses the operator.
fn uses(text: &str, operator: Operator) -> bool {
    check(text, Profile::FilteredStreamEmbedding)
        .rule
        .or_else(|| check(text, Profile::Powertrack).rule)
        .is_some_and(|rule| rule.terms().any(|(term, _)| term.operator == operator))
}

#[test]
fn every_example_uses_its_operator_and_is_accepted_by_the_products_that_have_it() {
    for operator in Operator::ALL {
        let info = operator.info();
        assert!(uses(info.example, *operator), "{}", info.example);
        for profile in Profile::ALL {
            let verdict = check(info.example, profile);
            let about = |code: Code| {
                verdict.errors.iter().chain(&verdict.warnings).any(|finding| finding.code == code)
            };
            match operator.availability(profile) {
                Availability::Listed => {
                    assert!(verdict.is_valid(), "{profile}: {}: {:?}", info.example, verdict.errors);
                    assert!(!about(Code::Tier) && !about(Code::Operator));
                }
                Availability::Unlisted => {
                    assert!(verdict.is_valid(), "{profile}: {}: {:?}", info.example, verdict.errors);
                    assert!(about(Code::Unlisted), "{profile}: {}", info.example);
                }
                _ => {
                    let code = if profile == Profile::Powerstream { Code::Operator } else { Code::Tier };
                    assert!(about(code), "{profile}: {}: {:?}", info.example, verdict.errors);
                    assert!(verdict.rule.is_none());
                }
            }
        }
    }
}

#[test]
fn products_have_the_operators_that_their_docs_list() {
    let listed = |profile: Profile| {
        Operator::ALL.iter().filter(|operator| operator.availability(profile) == Availability::Listed).count()
    };
    assert_eq!(Profile::ALL.map(listed), [26, 51, 49, 49, 51]);
    let names: Vec<_> = Operator::ALL
        .iter()
        .filter(|operator| operator.info().powerstream == Availability::Listed)
        .map(|operator| operator.info().name)
        .collect();
    assert_eq!(
        names,
        [
            "keyword",
            "phrase",
            "mention",
            "from",
            "to",
            "retweets_of",
            "contains",
            "url_contains",
            "bio",
            "bio_name",
            "lang",
            "place",
            "point_radius",
            "bounding_box",
            "has:mentions",
            "has:symbols",
            "has:links",
            "has:media",
            "has:images",
            "has:videos",
            "has:geo",
            "has:lang",
            "is:retweet",
            "is:reply",
            "retweets_of_status_id",
            "in_reply_to_status_id",
        ]
    );
}

#[test]
fn aliases_are_formatted_as_the_primary_name() {
    for operator in Operator::ALL {
        let info = operator.info();
        if info.kind < Kind::Flag {
            continue;
        }
        for profile in Profile::ALL {
            let primary = operator.primary_name(profile);
            for alias in info.aliases.iter().chain([&info.name]) {
                let rule = info.example.replace(info.name, alias);
                if let Some(rule) = check(&rule, profile).rule {
                    let formatted = rule.format(profile);
                    assert!(formatted.contains(primary), "{profile}: {formatted}");
                }
            }
        }
    }
    let rule = Rule::parse("gull has:symbols", Profile::FilteredStream).unwrap();
    assert_eq!(rule.format(Profile::FilteredStream), "gull has:cashtags");
    assert_eq!(rule.format(Profile::Powertrack), "gull has:symbols");
}

/// Returns a product that lists the operator, and a rule with this argument.
fn with(operator: Operator, argument: &str) -> (Profile, String) {
    let profile = Profile::ALL.into_iter().rev().find(|p| operator.availability(*p) == Availability::Listed);
    let rule = match operator.info().kind {
        Kind::Keyword | Kind::Emoji | Kind::Phrase | Kind::Proximity => argument.to_owned(),
        Kind::Hashtag => format!("#{argument}"),
        Kind::Cashtag => format!("${argument}"),
        Kind::Mention => format!("@{argument}"),
        _ => format!("{}:{argument}", operator.info().name),
    };
    (profile.unwrap_or_default(), format!("gull {rule}"))
}

/// Returns valid arguments of a form with their canonical text, and invalid arguments.
fn arguments(kind: Kind) -> (&'static [(&'static str, &'static str)], &'static [&'static str]) {
    match kind {
        Kind::Keyword => (
            &[
                ("gull", "gull"),
                ("7up", "7up"),
                ("acme's", "acme's"),
                ("^a", "^a"),
                ("`a`", "`a`"),
                ("日本", "日本"),
            ],
            &["'a", "<a", "/a", "_a", "\u{26bd}", "and", "Or", "NOT", "a:b", "“a”", "\u{301}a"],
        ),
        Kind::Emoji => (&[("🍕", "🍕"), ("🍕🍣", "🍕🍣")], &["\u{26bd}", "\u{2764}\u{fe0f}"]),
        Kind::Phrase => (
            &[
                ("\"sea gull\"", "\"sea gull\""),
                (r#""a \"b\" \\""#, r#""a \"b\" \\""#),
                (r#""a\b""#, r#""a\b""#),
                (r#""a\\b""#, r#""a\b""#),
                (r#""\\\"""#, r#""\\\"""#),
                ("\"and\"", "\"and\""),
                ("\"#tag\"", "\"#tag\""),
            ],
            &["\"", "\"a", "\"\"", "\"a\\\"", "\u{201c}a b\u{201d}"],
        ),
        Kind::Proximity => (
            &[("\"a b\"~1", "\"a b\"~1"), ("\"a b\"~6", "\"a b\"~6"), ("\"API\"~3", "\"API\"~3")],
            &["\"a b\"~0", "\"a b\"~7", "\"a b\"~", "\"a b\"~12", "\"a b\"~x", "\"a b\" ~3", "\"a b\"~ 3"],
        ),
        Kind::Hashtag => (
            &[("gull", "#gull"), ("2024", "#2024"), ("日本", "#日本"), ("a_b", "#a_b"), ("señal", "#señal")],
            &["", " a", "-a", "#a", "."],
        ),
        Kind::Cashtag => (&[("ABC", "$ABC"), ("BRK.A", "$BRK.A"), ("1", "$1")], &["", " a", ".A", "_a", "é"]),
        Kind::Mention => (&[("a_b", "@a_b"), ("_a", "@_a"), ("12", "@12")], &["", " a", "é", "-a"]),
        Kind::Text => (
            &[
                ("gull", "gull"),
                ("\"gull\"", "gull"),
                ("a.b", "\"a.b\""),
                ("\"a b\"", "\"a b\""),
                ("\"$x\"", "\"$x\""),
            ],
            &["", " gull", "\"\"", "$x", "#x", "@x", "'x'", "a:b", "from:a", "(a OR b)", "-5", "[1 2]"],
        ),
        Kind::TextOrNumber => (
            &[
                ("gull", "gull"),
                ("\"gull\"", "gull"),
                ("-5", "-5"),
                ("\"-5\"", "\"-5\""),
                ("5", "5"),
                ("-3.25", "-3.25"),
                ("3.25", "3.25"),
            ],
            &["", "-a", "-5.", "-.5", "--5", "$xyz", "from:a", "\"\""],
        ),
        Kind::Quoted => (&[("\"a b\"", "\"a b\""), ("\"a\"", "\"a\"")], &["", "a", "\"\"", "5"]),
        Kind::User => (
            &[
                ("jack", "jack"),
                ("12", "12"),
                ("_a_", "_a_"),
                ("99999999999999999999999", "99999999999999999999999"),
            ],
            &["", "@jack", "a-b", "é", "\"jack\"", "a.b", "(a OR b)", "contains:rain"],
        ),
        Kind::Range => (
            &[("0", "0"), ("0100", "0100"), ("1..1", "1..1"), ("10..500", "10..500")],
            &[
                "",
                "-1",
                "a",
                "1..",
                "..1",
                "1...2",
                "2..1",
                "1.5",
                "\"1\"",
                "1..2..3",
                "18446744073709551616",
                "+1",
            ],
        ),
        Kind::Minimum => (&[("0", "0"), ("100", "100")], &["", "1..2", "-1", "a", "\"1\"", "+1"]),
        Kind::Language => (
            &[
                ("en", "en"),
                ("SV", "sv"),
                ("zh-tw", "zh-TW"),
                ("HI-LATN", "hi-Latn"),
                ("und", "und"),
                ("xx", "xx"),
            ],
            &["", "-en", "\"en\"", " en"],
        ),
        Kind::Country => (&[("GB", "GB"), ("gb", "GB")], &["", "G", "GBR", "12", "\"GB\"", "é", "日"]),
        Kind::PostId => (
            &[("20", "20"), ("18446744073709551615", "18446744073709551615")],
            &["", "a", "-1", "1a", "18446744073709551616", "\"20\"", "+1"],
        ),
        Kind::Context => (
            &[("66.1", "66.1"), ("66.*", "66.*"), ("*.1", "*.1")],
            &["", "66", "*.*", "66.", ".1", "a.b", "1.2.3", "\"66.1\""],
        ),
        Kind::Percent => (
            &[("1", "1"), ("100", "100"), ("010", "010")],
            &["", "0", "101", "-1", "1.5", "\"10\"", "a", "99999999999999999999"],
        ),
        Kind::Threshold => (
            &[("0.0", "0.0"), ("1", "1"), ("0.35", "0.35")],
            &["", "1.1", "-0.5", "a", ".5", "1.", "\"0.5\"", "inf"],
        ),
        Kind::Circle => (
            &[
                ("[-0.12 51.5 10mi]", "[-0.12 51.5 10mi]"),
                ("[ -0.12  51.5\t25mi ]", "[-0.12 51.5 25mi]"),
                ("[180 -90 40.2336KM]", "[180 -90 40.2336km]"),
                // 25 miles, and the tolerance for rounding.
                ("[1 2 40.233600001km]", "[1 2 40.233600001km]"),
            ],
            &[
                "",
                "[]",
                "[1,2,3mi]",
                "[1 2 3]",
                "[1 2 3 mi]",
                "[1 2 25.1mi]",
                "[1 2 41km]",
                "[1 2 3ft]",
                "[1 2 -3mi]",
                "[181 2 3mi]",
                "[1 91 3mi]",
                "[1 2 3mi",
                "[1 2]",
                "[a 2 3mi]",
                "[1 2 mi]",
                "1 2 3mi",
                "\"[1 2 3mi]\"",
                "[1e1 2 3mi]",
                "[nan 2 3mi]",
                "[1 2 3mi 4]",
            ],
        ),
        Kind::Box => (
            &[
                ("[-0.2 51.4 -0.1 51.6]", "[-0.2 51.4 -0.1 51.6]"),
                ("[179.9 0 -179.9 0.1]", "[179.9 0 -179.9 0.1]"),
                ("[0 0 0 0]", "[0 0 0 0]"),
                // The western edge has 25 miles, and the tolerance for rounding.
                ("[0 0 0 0.3618289578684689]", "[0 0 0 0.3618289578684689]"),
            ],
            &[
                "",
                "[]",
                "[0 0 0]",
                "[0 1 0 0]",
                "[0,0,0,0]",
                "[0 0 0 91]",
                "[0 0 0 0 0]",
                "[181 0 0 0]",
                "[0 0 0 x]",
                "[0 0 0 0.37]",
                "[179 0 -179 0.1]",
            ],
        ),
        _ => (&[("", "")], &["x"]),
    }
}

#[test]
fn operators_accept_only_arguments_of_their_form() {
    for operator in Operator::ALL {
        let info = operator.info();
        if info.kind == Kind::Flag {
            continue;
        }
        let (good, bad) = arguments(info.kind);
        for (argument, canonical) in good {
            let (profile, rule) = with(*operator, argument);
            let verdict = check(&rule, profile);
            // `sample:` and `embedding:` are tested in an AND, so that the whole rule is valid.
            assert!(verdict.is_valid(), "{rule}: {:?}", verdict.errors);
            let tree = verdict.rule.unwrap();
            assert!(
                tree.terms().any(|(term, _)| term.operator == *operator),
                "{rule} has no {}: {tree:?}",
                info.name
            );
            let formatted = tree.format(profile);
            assert!(formatted.ends_with(canonical), "{rule} became {formatted}");
            assert_eq!(check(&formatted, profile).rule.as_ref(), Some(&tree), "{rule}");
        }
        for argument in bad {
            let (profile, rule) = with(*operator, argument);
            let verdict = check(&rule, profile);
            assert!(!verdict.is_valid(), "{rule}");
            assert!(verdict.errors.iter().all(|error| error.help.is_some()), "{rule}: {:?}", verdict.errors);
        }
    }
}

#[test]
fn only_listed_flags_are_known() {
    for operator in Operator::ALL.iter().filter(|operator| operator.info().kind == Kind::Flag) {
        for name in operator.info().aliases.iter().chain([&operator.info().name]) {
            let verdict = check(&format!("gull -{name}"), Profile::Powertrack);
            assert!(verdict.is_valid(), "{name}: {:?}", verdict.errors);
            for wrong in
                [format!("{name}x"), name.replace(':', ": "), format!("{name}:x"), name.replace(':', ":\"")]
            {
                assert!(!check(&format!("gull {wrong}"), Profile::Powertrack).is_valid(), "{wrong}");
            }
        }
    }
}

#[test]
fn negation_follows_the_table() {
    for operator in Operator::ALL {
        let info = operator.info();
        let term = info.example.split(' ').find(|part| uses(part.trim_start_matches('-'), *operator));
        let Some(term) = term else { continue };
        let term = term.trim_start_matches('-');
        let profile =
            Profile::ALL.into_iter().rev().find(|p| operator.availability(*p) == Availability::Listed);
        let profile = profile.unwrap_or_default();
        let valid = |rule: &str| check(rule, profile).is_valid();
        let (plain, negated) = (valid(&format!("tern {term}")), valid(&format!("tern -{term}")));
        let want = match info.negation {
            powerstream_rules::operator::Negation::Allowed => (true, true),
            powerstream_rules::operator::Negation::Refused => (true, false),
            _ => (false, true),
        };
        assert_eq!((plain, negated), want, "{term}");
    }
}

#[test]
fn arguments_are_typed() {
    let value = |rule: &str| {
        let profile =
            Profile::ALL.into_iter().find(|profile| check(rule, *profile).is_valid()).unwrap_or_default();
        let rule = Rule::parse(rule, profile).unwrap();
        rule.terms().last().map(|(term, _)| term.value).unwrap()
    };
    assert_eq!(value("from:12"), Value::User { id: Some(12) });
    assert_eq!(value("from:a12"), Value::User { id: None });
    assert_eq!(value("@12"), Value::User { id: Some(12) });
    assert_eq!(value("a1 followers_count:5..7"), Value::Count { min: 5, max: Some(7) });
    assert_eq!(value("a1 followers_count:5"), Value::Count { min: 5, max: None });
    assert_eq!(value("a1 lang:EN"), Value::Language { listed: true });
    assert_eq!(value("a1 lang:he"), Value::Language { listed: false });
    assert_eq!(value("\"a b\"~4"), Value::Proximity { distance: 4 });
    assert_eq!(value("context:66.*"), Value::Context { domain: Some(66), entity: None });
    assert_eq!(value("a1 sample:10"), Value::Percent(10));
    assert_eq!(value("contains:-5"), Value::Number);
    assert_eq!(value("retweets_of_status_id:20"), Value::Post { id: 20 });
    let Value::Circle { longitude, latitude, radius_km } = value("point_radius:[-0.12 51.5 10mi]") else {
        panic!("no circle")
    };
    assert_eq!((longitude, latitude), (-0.12, 51.5));
    assert!((radius_km - 16.093_44).abs() < 1e-9);
    let Value::Box { west, south, east, north } = value("bounding_box:[-0.2 51.4 -0.1 51.6]") else {
        panic!("no box")
    };
    assert_eq!((west, south, east, north), (-0.2, 51.4, -0.1, 51.6));
}

#[test]
fn terms_differ_by_operator_value_or_text() {
    let tree = |rule: &str| Rule::parse(rule, Profile::Powerstream).unwrap();
    for (rule, other) in [
        ("from:jack", "to:jack"),
        // A number, and the same text.
        ("contains:-5", "contains:\"-5\""),
        ("gull", "tern"),
    ] {
        assert_ne!(tree(rule), tree(other));
    }
    assert_eq!(tree("bio:gull"), tree(" BIO:\"gull\""));
}
