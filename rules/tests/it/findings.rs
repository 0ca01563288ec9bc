//! Every error and warning: its code, its position, and the service's message if it is recorded.
//!
//! Rules and messages come from X's pages (PowerTrack: Rules, API reference; Filtered Stream: Build
//! a rule) and from responses in the tests of client libraries. Words that do not matter were
//! replaced.

use powerstream_rules::{Code, Diagnostic, FINDINGS_MAX, Profile, Span, check};

const POSITION_1: &str = "(at position 1)";

/// Renders the errors as `code@position: message of the service`.
fn api(rule: &str, profile: Profile) -> Vec<String> {
    let line = |error: &Diagnostic| match &error.api {
        Some(api) => format!("{}@{}: {}", error.code, api.position, api.messages.join(" + ")),
        None => error.code.to_string(),
    };
    check(rule, profile).errors.iter().map(line).collect()
}

#[test]
fn service_messages_and_positions_are_reproduced() {
    let negation = "Rules must contain a non-negation term";
    let clause = "Rules must contain at least one positive, non-stopword clause";
    let character = |c: char, at: usize| {
        format!("E-LEX@{at}: no viable alternative at character '{c}' (at position {at})")
    };
    let unknown = |name: &str, at: usize| {
        format!(
            "E-OP@{at}: Reference to invalid operator '{name}' (at position {at}) + \
             Reference to invalid field '{name}' (at position {at})"
        )
    };
    let and = |at: usize| {
        format!(
            "E-WORD@{at}: Ambiguous use of and as a keyword. Use a space to logically join two clauses, or \"and\" \
             to find occurrences of and in text (at position {at})"
        )
    };
    let parse = |code: &str, rest: &str, at: usize| {
        format!("{code}@{at}: Cannot parse rule at '{rest}' (position {at})")
    };
    let sample = |at: usize| {
        format!(
            "E-SAMPLE@{at}: The sample operator cannot be used with an OR. To use the sample operator with an OR in \
             the rule, the ORed clauses must be grouped together with parenthesis.  For example, to get 10% of \
             activites that have term1 or term2, the rule should be (excluding the single quotes) '(term1 OR term2) \
             sample:10' (at position {at})"
        )
    };
    for (rule, want) in [
        // Negation.
        ("-walnut", vec![format!("E-NEG@1: {negation} {POSITION_1} + {clause} {POSITION_1}")]),
        ("--b", vec![format!("E-NEG@1: {negation} {POSITION_1} + {clause} {POSITION_1}")]),
        ("-fig -jam", vec![format!("E-NEG@1: {negation} {POSITION_1} + {clause} {POSITION_1}")]),
        ("plum OR -fig", vec![format!("E-NEG@9: {negation} (at position 9)")]),
        ("plum OR -fig jam", vec![]),
        ("fig (plum OR -jam)", vec![format!("E-NEG@14: {negation} (at position 14)")]),
        (
            "-fig OR -jam",
            vec![
                format!("E-NEG@1: {negation} {POSITION_1} + {clause} {POSITION_1}"),
                format!("E-NEG@9: {negation} (at position 9)"),
            ],
        ),
        // Stop words.
        ("the", vec![format!("E-STOP@1: {clause} {POSITION_1}")]),
        ("The OR rt -fig", vec![format!("E-STOP@1: {clause} {POSITION_1}")]),
        ("the fig", vec![]),
        ("\"the\"", vec![]),
        ("\"to be or not to be\"", vec![]),
        // Characters that cannot start a term; all of them are reported.
        ("'word'", vec![character('\'', 1)]),
        ("<word", vec![character('<', 1)]),
        ("/word", vec![character('/', 1)]),
        ("\u{26bd}", vec![character('\u{26bd}', 1)]),
        ("😀 fig", vec![]),
        ("'word' fig <x", vec![character('\'', 1), character('<', 12)]),
        ("“sea gull”", vec![character('“', 1)]),
        ("fig #", vec![character('#', 5)]),
        ("fig @", vec![character('@', 5)]),
        ("fig $", vec![character('$', 5)]),
        ("cat - dog", vec![character('-', 5)]),
        ("😀 'a", vec![character('\'', 4)]),
        // Grammar.
        ("aaaaa OR", vec![parse("E-PARSE", "<EOF>", 9)]),
        ("🍕🍕 OR ", vec![parse("E-PARSE", "<EOF>", 9)]),
        ("", vec![parse("E-PARSE", "<EOF>", 1)]),
        ("(aaaa", vec!["E-PARSE@6: mismatched input 'EOF' expecting ')' (at position 6)".into()]),
        ("aaaa)", vec!["E-PARSE@5: missing EOF at ')' (at position 5)".into()]),
        ("OR aaaa", vec!["E-PARSE@1: no viable alternative at input 'OR' (at position 1)".into()]),
        ("aa OR OR bb", vec!["E-PARSE@7: no viable alternative at input 'OR' (at position 7)".into()]),
        ("aa ()", vec!["E-PARSE@5: no viable alternative at input ')' (at position 5)".into()]),
        ("aa -OR bb", vec!["E-PARSE@5: no viable alternative at input 'OR' (at position 5)".into()]),
        ("(aa OR ) bb", vec!["E-PARSE@8: no viable alternative at input ')' (at position 8)".into()]),
        // Quotes.
        ("fig \"a b", vec!["E-QUOTE@9: mismatched character '<EOF>' expecting '\"'".into()]),
        ("fig \"\"", vec!["E-QUOTE".into()]),
        // Operators.
        ("fig list:5", vec![unknown("list", 5)]),
        ("since:2020 min_likes:5", vec![unknown("since", 1), unknown("min_likes", 12)]),
        ("_a:b", vec![unknown("_a", 1)]),
        ("gull _a _b:c", vec![character('_', 6), unknown("_b", 9)]),
        ("fig has:polls", vec!["E-OP@5: Reference to invalid operator 'has:polls' (at position 5)".into()]),
        // Arguments.
        ("from:contains:rain", vec![parse("E-ARG", ":", 14)]),
        ("from::rain", vec![parse("E-ARG", ":", 6)]),
        ("from:contains:rain 'x", vec![parse("E-ARG", ":", 14), character('\'', 20)]),
        ("contains:$xyz", vec!["E-ARG@10: no viable alternative at input '$xyz' (at position 10)".into()]),
        ("bounding_box:[-8.5,41.1,-8.4,41.2]", vec![parse("E-ARG", "8.5,41.1,-8.4,41.2", 16)]),
        ("contains:\"$xyz\"", vec![]),
        ("from:@jack", vec![parse("E-ARG", "@jack", 6)]),
        ("from:", vec![parse("E-ARG", "<EOF>", 6)]),
        ("point_radius:[1,2,3mi]", vec![parse("E-ARG", "1,2,3mi", 15)]),
        // Reserved words.
        ("cat and dog", vec![and(5)]),
        ("cat and dog and bird", vec![and(5), and(13)]),
        ("cat And dog", vec![and(5)]),
        ("ORchid or-ange android", vec![]),
        // Sampling.
        ("Pizza OR 🍕 OR \"🍕\" sample:100", vec![sample(21)]),
        ("sample:10 Pizza OR fig", vec![sample(1)]),
        ("(Pizza OR fig) sample:10", vec![]),
        ("fig -sample:10", vec!["E-SAMPLE".into()]),
        ("fig is:nullcast", vec!["E-NULLCAST".into()]),
        ("fig -is:nullcast", vec![]),
    ] {
        assert_eq!(api(rule, Profile::Powerstream), want, "{rule}");
        assert_eq!(api(rule, Profile::Powertrack), want, "{rule}");
    }
}

#[test]
fn findings_depend_on_the_product() {
    use Profile::{FilteredStream, FilteredStreamEmbedding, FilteredStreamPpu, Powerstream, Powertrack};
    let tier = |name: &str| {
        format!(
            "E-TIER@1: Reference to invalid operator '{name}'. Operator is not available in current product or \
             product packaging."
        )
    };
    let standalone =
        "E-CONJ@1: is/has/lang cannot be used as a standalone operator (at position 1)".to_owned();
    for (rule, profiles, want) in [
        (
            "contains:a1",
            &[FilteredStream, FilteredStreamPpu, FilteredStreamEmbedding][..],
            vec![tier("contains")],
        ),
        ("conversation_id:20", &[Powertrack], vec![tier("conversation_id")]),
        ("conversation_id:20", &[FilteredStream, FilteredStreamPpu, FilteredStreamEmbedding], vec![]),
        ("embedding:\"a b\"", &[Powertrack, FilteredStream, FilteredStreamPpu], vec![tier("embedding")]),
        ("embedding:\"a b\"", &[FilteredStreamEmbedding], vec![]),
        // Filtered Stream, Build a rule: the rules listed as unsupported, and the supported one.
        ("has:media", &[FilteredStream, FilteredStreamPpu], vec![standalone.clone()]),
        ("has:links OR is:retweet", &[FilteredStream], vec![standalone.clone()]),
        ("lang:en -gull", &[FilteredStream], vec![standalone]),
        ("\"X data\" has:mentions (has:media OR has:links)", &[FilteredStream, Powerstream], vec![]),
        ("has:images lang:en", &[Powerstream, Powertrack], vec![]),
        ("gull AND tern", &[Powerstream], vec![]),
    ] {
        for profile in profiles {
            assert_eq!(api(rule, *profile), want, "{profile}: {rule}");
        }
    }
    for profile in [Powertrack, FilteredStream] {
        assert!(api("gull AND tern", profile)[0].starts_with("E-WORD@6: Ambiguous use of and"));
    }
    for reserved in ["or", "Or", "oR", "not", "NOT"] {
        for profile in Profile::ALL {
            let found = api(&format!("gull {reserved} tern"), profile);
            assert!(found.len() == 1 && found[0].starts_with("E-WORD@6: Ambiguous use of "), "{found:?}");
        }
    }
}

#[test]
fn rule_length_is_counted_in_utf_16_units() {
    for (profile, max) in [(Profile::Powerstream, 2_048), (Profile::FilteredStreamPpu, 1_024)] {
        let rule = |pizzas: usize| format!("ab{}", " 🍕".repeat(pizzas));
        let fits = rule((max - 2) / 3);
        assert!(check(&fits, profile).is_valid());
        let long = rule((max - 2) / 3 + 1);
        let verdict = check(&long, profile);
        let codes: Vec<_> = verdict.errors.iter().map(|error| error.code).collect();
        assert_eq!(codes, [Code::TooLong]);
        let points = format!("({} code points)", long.chars().count());
        assert!(verdict.errors[0].message.contains(&points), "{}", verdict.errors[0].message);
        // The last pizza ends after the limit, and at one of the limits also the blank before it.
        let excess = if max == 2_048 { " 🍕" } else { "🍕" };
        assert_eq!(verdict.errors[0].span, Span::new(long.len() - excess.len(), long.len()));
        assert!(verdict.rule.is_some());
        // Leading and trailing blanks count.
        assert!(!check(&format!("ab{}", " ".repeat(max - 1)), profile).is_valid());
        assert!(check(&format!("ab{}", " ".repeat(max - 2)), profile).is_valid());
    }
}

/// Returns the codes of the warnings.
fn warnings(rule: &str, profile: Profile) -> Vec<&'static str> {
    let verdict = check(rule, profile);
    assert!(verdict.is_valid(), "{rule}: {:?}", verdict.errors);
    assert!(verdict.warnings.iter().all(|warning| warning.api.is_none() && warning.help.is_some()));
    verdict.warnings.iter().map(|warning| warning.code.name()).collect()
}

#[test]
fn expected_warnings_are_reported() {
    for (rule, want) in [
        ("gull tern", &[][..]),
        ("acme's bird", &["W-PUNCT"]),
        ("or-ange bird", &["W-PUNCT"]),
        ("\"acme gull\" bird", &[]),
        ("@gull-watch bird", &["W-PUNCT"]),
        ("gull -(tern OR skua)", &["W-NEGGROUP"]),
        ("gull -(tern)", &[]),
        ("gull #tern", &["W-UNLISTED"]),
        ("gull has:lang", &[]),
        ("FROM:jack", &["W-OPCASE"]),
        ("gull Has:Links", &["W-OPCASE"]),
        ("gull AND tern", &["W-AND"]),
        ("gull", &["W-BROAD"]),
        ("has:images lang:en", &["W-BROAD"]),
        ("gull the", &["W-STOP"]),
        ("gull -the", &[]),
        ("gull lang:xx", &["W-LANG"]),
        ("gull lang:he", &["W-LANG"]),
        ("鷗 gull", &["W-SEGMENT"]),
        ("かもめ gull", &["W-SEGMENT"]),
        ("นก gull", &["W-SEGMENT"]),
        ("갈매기 gull", &[]),
        ("#2024 gull", &["W-UNLISTED", "W-NUMTAG"]),
        ("\"acme's gull\"", &["W-QUOTECHAR"]),
        ("\"sea\u{2013}gull\"", &["W-QUOTECHAR"]),
        ("bounding_box:[-0.2 51.0 -0.1 51.6]", &["W-GEO"]),
        // Only the filtered streams restrict the alternatives.
        ("gull tern OR has:links", &[]),
    ] {
        assert_eq!(warnings(rule, Profile::Powerstream), want, "{rule}");
    }
    assert_eq!(warnings(&format!("gull {}", "x".repeat(129)), Profile::Powerstream), ["W-LONGTERM"]);
    assert_eq!(warnings(&format!("gull {}", "x".repeat(128)), Profile::Powerstream), [""; 0]);
    assert_eq!(warnings("gull has:lang", Profile::Powertrack), ["W-UNLISTED"]);
    assert_eq!(warnings("#gulls", Profile::Powertrack), ["W-BROAD"]);
    assert_eq!(warnings("👩\u{200d}💻 gull", Profile::Powertrack), ["W-PUNCT"]);
    assert_eq!(warnings("🍕 gull", Profile::Powertrack), [""; 0]);
    assert_eq!(warnings("gull tern OR has:links", Profile::FilteredStream), ["W-BRANCH"]);
    assert_eq!(warnings("lang:en (gull OR has:links)", Profile::FilteredStream), ["W-BRANCH"]);
    assert_eq!(warnings("gull (has:media OR has:links)", Profile::FilteredStream), [""; 0]);
    assert!(!check("bounding_box:[-0.2 51.0 -0.1 51.6]", Profile::Powertrack).is_valid());
}

#[test]
fn warnings_point_at_their_part_of_the_rule() {
    for (rule, profile, want) in [
        // Dashes that negate nothing do not move the start of the group around them.
        ("gull -(tern skua -'x)", Profile::Powerstream, &["-(tern skua -'x)"][..]),
        // An empty group does not count as a term.
        ("gull -(tern -())", Profile::Powerstream, &[]),
        ("gull (acme's)", Profile::Powerstream, &["(acme's)"]),
        ("lang:en (gull OR has:links)", Profile::FilteredStream, &["has:links"]),
        // The error makes a warning redundant.
        ("the", Profile::Powerstream, &[]),
        ("and", Profile::Powerstream, &[]),
        ("-fig -jam", Profile::Powerstream, &[]),
    ] {
        let warnings = check(rule, profile).warnings;
        let spans: Vec<_> = warnings.iter().map(|warning| warning.span.of(rule)).collect();
        assert_eq!(spans, want, "{rule}: {warnings:?}");
    }
}

#[test]
fn every_code_is_reported_for_some_rule() {
    let rules = [
        "'a",
        "(",
        "\"",
        "list:1",
        "from:@a",
        "and",
        "-a1",
        "the",
        "a1 OR sample:1",
        "is:nullcast",
        "a's",
        "a1 -(b OR c)",
        "#a",
        "FROM:a",
        "a1 AND b1",
        "a1",
        "a1 the",
        "lang:xx",
        "鷗",
        "#1",
        "\"a's\"",
        "bounding_box:[0 0 0 1]",
    ];
    let mut seen: Vec<Code> = Vec::new();
    for rule in rules.into_iter().map(str::to_owned).chain(["x".repeat(3_000)]) {
        for profile in Profile::ALL {
            let verdict = check(&rule, profile);
            seen.extend(verdict.errors.iter().chain(&verdict.warnings).map(|finding| finding.code));
        }
    }
    for rule in ["has:links", "a1 b1 OR has:links", "contains:a"] {
        let verdict = check(rule, Profile::FilteredStream);
        seen.extend(verdict.errors.iter().chain(&verdict.warnings).map(|finding| finding.code));
    }
    let missing: Vec<_> = Code::ALL.iter().filter(|code| !seen.contains(code)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn help_says_what_to_write() {
    for (rule, want) in [
        ("“sea gull”", "straight double quotes"),
        ("from:@jack", "from:jack"),
        ("form:jack", "`from:`"),
        ("has:link", "has:links"),
        ("gull || tern", "OR"),
        ("https://example.org/a", "url:\"https://example.org/a\""),
        ("url:https://example.org/a", "url:\"https://example.org/a\""),
        ("point_radius:[1 2 3 mi]", "write 3mi"),
        ("twitter_lang:en", "`lang:`"),
        ("place_contains:x", "`place:`"),
        ("klout_score:1", "no successor"),
        ("from:(a OR b)", "(from:… OR from:…)"),
        ("entity:gull", "entity:\"gull\""),
        ("point_radius:[37.8 174.76 10mi]", "[174.76 37.8 10mi]"),
        ("is:nullcast gull", "-is:nullcast"),
        ("a1 -sample:10", "sample:90"),
        ("lang:id gull", "lang:in"),
        // A longitude beyond 90 is not a valid latitude, so swapping does not help.
        ("point_radius:[100 91 3mi]", "latitudes from -90 to 90"),
        ("from: jack", "without a blank, write a user name without the @"),
        ("(from:)", "directly after the colon, write a user name without the @"),
        // Names are similar at up to two edits, and half as many edits as letters.
        ("so:jack", "`to:`"),
        ("xq:jack", "put it in double quotes"),
        ("rfiends_coumt:5", "put it in double quotes"),
        // A name that is not written in rules, and a flag's name.
        ("hashtag:gull", "put it in double quotes"),
        ("haslinks:gull", "put it in double quotes"),
        // Characters that cannot start a term.
        ("gull #", "as in #gulls"),
        ("gull @", "as in @harbour_news"),
        ("gull $", "as in $ABC"),
        ("gull - tern", "write the term directly after it"),
        ("\u{2013}gull", "the ASCII dash"),
        ("'sea gull'", "straight double quotes"),
        ("gull & tern", "write a blank"),
        ("!gull", "to negate, write a dash"),
        ("gull , tern", "or OR between alternatives"),
        (":gull", "write the operator directly before it"),
        ("*gull", "use contains:"),
        ("~3", "directly after a quoted phrase"),
        ("gull [1 2]", "argument of a geo operator"),
    ] {
        let found = Profile::ALL.into_iter().any(|profile| {
            let verdict = check(rule, profile);
            verdict
                .errors
                .iter()
                .chain(&verdict.warnings)
                .any(|f| f.help.as_ref().is_some_and(|h| h.contains(want)))
        });
        assert!(found, "{rule}: {:?}", check(rule, Profile::Powerstream).errors);
    }
}

#[test]
fn messages_say_what_is_wrong() {
    for (rule, want) in [
        ("", "the rule is empty"),
        ("gull (", "there is no term after the last parenthesis"),
        ("gull OR", "there is no term after the last OR"),
        ("(gull OR ) tern", "there is no term after the OR"),
        ("gull ()", "there is no term in this group"),
        ("<gull", "a term cannot start with <"),
        ("gull is:quote", "Powerstream's page does not list is:quote"),
        ("gull url:tern", "Powerstream's page does not list `url:`"),
        ("gull", "a single keyword matches a massive volume of Posts"),
        ("gull #2024", "#2024 is a number, which X does not treat as a hashtag"),
        ("point_radius:\"1 2 3mi\"", "\"1 2 3mi\" is not a valid argument of `point_radius:`"),
        ("point_radius:[1 2 3mi 4]", "`point_radius:` needs three numbers"),
        ("bounding_box:[1 2 3]", "`bounding_box:` needs four numbers"),
        (
            "bounding_box:[179 0 -179 0.1]",
            "the longest edge of the box is 138.2 miles; PowerTrack and the filtered stream allow at most 25",
        ),
    ] {
        let verdict = check(rule, Profile::Powerstream);
        let mut found = verdict.errors.iter().chain(&verdict.warnings);
        assert!(found.any(|finding| finding.message == want), "{rule}: {verdict:?}");
    }
}

#[test]
fn invisible_characters_are_rejected_everywhere() {
    for hidden in ["\0", "\u{1b}", "\u{7f}", "\u{9f}", "\u{200f}", "\u{202e}", "\u{2066}"] {
        for rule in ["gu_ll", "gull \"a_b\"", "contains:\"_\"", "gull_ tern"] {
            let rule = rule.replace('_', hidden);
            let errors = check(&rule, Profile::Powerstream).errors;
            let is_it = |error: &Diagnostic| error.code == Code::Lexical && error.span.of(&rule) == hidden;
            assert!(errors.iter().any(is_it), "{rule:?}: {errors:?}");
        }
    }
    // White space, and characters that join the parts of emoji and words.
    for rule in ["gull\ttern\r\n", "gull\u{85}tern", "\"👩\u{200d}💻\"", "\"نامه\u{200c}ها\""] {
        assert!(check(rule, Profile::Powerstream).is_valid(), "{rule:?}");
    }
}

#[test]
fn findings_are_bounded_sorted_and_one_line_each() {
    let verdict = check(&"'".repeat(100_000), Profile::Powerstream);
    assert_eq!(verdict.errors.len(), FINDINGS_MAX);
    let verdict = check("\u{202e}x\u{7}:y a:\u{0} '\u{1b}[2J' ( lang:\u{2067}", Profile::Powertrack);
    let positions = verdict.errors.iter().filter_map(|error| Some(error.api.as_ref()?.position));
    assert!(positions.is_sorted());
    for finding in verdict.errors.iter().chain(&verdict.warnings) {
        let shown = finding.to_string();
        assert!(
            !shown.contains(|c: char| c.is_control() || ('\u{202a}'..='\u{202e}').contains(&c)),
            "{shown:?}"
        );
        assert!(!finding.message.ends_with('.'));
        let rendered = finding.render("\u{202e}x\u{7}:y a:\u{0} '\u{1b}[2J' ( lang:\u{2067}", false);
        assert!(!rendered.contains(|c: char| c != '\n' && c.is_control()), "{rendered:?}");
    }
}

#[test]
fn carets_point_at_the_finding() {
    let rendered = |rule: &str| check(rule, Profile::Powerstream).errors.last().unwrap().render(rule, false);
    let lines = |rule: &str| rendered(rule).lines().skip(1).take(2).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(lines("plum OR"), ["  | plum OR", "  |        ^"]);
    assert_eq!(lines("🍕 日本 'x"), ["  | 🍕 日本 'x", "  |         ^"]);
    assert_eq!(lines("plum -OR fig"), ["  | plum -OR fig", "  |       ^^"]);
    assert_eq!(lines("e\u{301} 'x"), ["  | e\u{301} 'x", "  |   ^"]);
    assert_eq!(lines("a\u{7}b 'x"), ["  | a\\u{7}b 'x", "  |         ^"]);
    let long = format!("{} 'x {}", "word ".repeat(100), "word ".repeat(100));
    let shown = lines(&long);
    assert!(shown[0].starts_with("  | …") && shown[0].ends_with('…') && shown[0].chars().count() < 120);
    assert_eq!(shown[0].chars().nth(shown[1].find('^').unwrap()), Some('\''));
    assert!(
        check("'", Profile::Powerstream).errors[0]
            .render("'", true)
            .contains("\x1b[1;31merror[E-LEX]\x1b[0m")
    );
}
