use std::time::Duration;

use super::*;

fn one(event: &str) -> Result<Event, String> {
    let text = format!("description = \"one\"\n[[event]]\n{event}\n");
    match Script::parse(&text) {
        Ok(script) => Ok(script.definition().events[0].clone()),
        Err(error) => Err(error.to_string()),
    }
}

#[test]
fn parses_the_fields_of_an_event() {
    let event = one(r#"
        do = "cut"
        how = "reset"
        place = "in-message"
        after-posts = 100
        attempts = "1-3,7"
        probability = 0.25
        times = 2
        endpoint = "/2/powerstream"
        datacenter = "atla"
        request = "recovery""#)
    .unwrap();
    assert!(matches!(event.action, Action::Cut { how: How::Reset, place: Place::InMessage, .. }));
    assert_eq!((event.when, event.request), (When::AfterPosts(100), Some(Requested::Recovery)));
    assert_eq!((event.probability, event.times, event.on), (Some(250_000_000), Some(2), On::Stream));
    let struck: Vec<u64> = (1..10).filter(|attempt| event.attempts.has(*attempt)).collect();
    assert_eq!(struck, [1, 2, 3, 7]);

    let event = one("do = \"pause\"\nlength = \"1500ms\"\nat = \"2m\"\nattempts = 4").unwrap();
    assert!(matches!(event.action, Action::Pause { length } if length == Duration::from_millis(1_500)));
    assert_eq!(event.when, When::At(Duration::from_secs(120)));
    assert!(event.attempts.has(4) && !event.attempts.has(5));

    // A probability without another condition applies to each Post.
    assert_eq!(one("do = \"duplicate\"\nprobability = 0.1").unwrap().when, When::EachPost);
    assert_eq!(one("do = \"duplicate\"").unwrap().when, When::AtOnce);
}

#[test]
fn accepts_any_text_as_a_rate_limit_reset() {
    for (reset, want) in [
        ("3600", "x-rate-limit-reset: 1790003600\r\n"),
        ("-60", "x-rate-limit-reset: 1789999940\r\n"),
        ("\"10m\"", "x-rate-limit-reset: 1790000600\r\n"),
        ("\"10m as milliseconds\"", "x-rate-limit-reset: 1790000600000\r\n"),
        ("\"soon\"", "x-rate-limit-reset: soon\r\n"),
    ] {
        let Action::Refuse(refusal) =
            one(&format!("do = \"refuse\"\nstatus = 429\nreset = {reset}")).unwrap().action
        else {
            panic!()
        };
        assert!(refusal.lines(1_790_000_000_123).contains(want), "{reset}");
    }
    let text = "do = \"refuse\"\nstatus = 503\nretry-after = 7\nheaders = { x-a = \"b\" }\nbody = \"html\"";
    let Action::Refuse(refusal) = one(text).unwrap().action else { panic!() };
    assert_eq!(refusal.lines(0), "retry-after: 7\r\nx-a: b\r\n");
}

#[test]
fn errors_name_the_event_the_field_and_the_choices() {
    for (event, parts) in [
        ("do = \"fly\"", &["event 1 (fly)", "`do` is `fly`", "cut, end, refuse"][..]),
        ("how = \"reset\"", &["`do` is missing", "line 2, column 1", "cut, end, refuse"]),
        ("do = \"cut\"", &["`how` is missing", "reset, close"]),
        ("do = \"cut\"\nhow = \"gently\"", &["`how` is `gently`", "reset, close"]),
        ("do = \"cut\"\nhow = \"reset\"\nplace = \"there\"", &["`place` is `there`", "in-head"]),
        ("do = \"cut\"\nhow = \"trickle\"", &["in-head"]),
        ("do = \"cut\"\nhow = \"reset\"\nkind = \"x\"", &["`kind` has no meaning for `cut`"]),
        ("do = \"end\"\nwhen = 3", &["unknown field `when`", "line 4"]),
        ("do = \"end\"\nafter-posts = 1\nafter = \"1s\"", &["more than one time"]),
        ("do = \"end\"\nafter = \"1 s\"", &["`after` is `1 s`", "250ms"]),
        ("do = \"end\"\nafter = \"9999999h\"", &["over a year"]),
        ("do = \"end\"\nattempts = \"3-1\"", &["`attempts` is `3-1`"]),
        ("do = \"end\"\nattempts = true", &["line 4, column 12", "expected a number or a text in quotes"]),
        ("do = \"end\"\nattempts = 0", &["`attempts` is `0`"]),
        ("do = \"end\"\nprobability = 2", &["`probability` is 2"]),
        ("do = \"end\"\nendpoint = \"/3\"", &["`endpoint` is `/3`"]),
        ("do = \"end\"\nrequest = \"old\"", &["`request` is `old`", "recovery"]),
        ("do = \"end\"\nrequest = \"live\"\non = \"rules\"", &["`end`"]),
        ("do = \"end\"\nconnection = 3", &["only for triggers"]),
        ("do = \"refuse\"", &["`status` is missing"]),
        ("do = \"refuse\"\nstatus = 99", &["`status` is 99"]),
        ("do = \"refuse\"\nstatus = 429\nafter-posts = 3", &["before the stream starts"]),
        ("do = \"refuse\"\nstatus = 429\nheaders = { x = \"a\\nb\" }", &["control character"]),
        ("do = \"interim\"\nstatus = 101", &["`status` is 101"]),
        ("do = \"bad-head\"\nkind = \"x\"", &["two-spaces, lower-case"]),
        ("do = \"bad-chunk\"\nkind = \"x\"", &["lf-alone"]),
        ("do = \"wrong-size\"", &["`kind` is missing"]),
        ("do = \"endless\"\nwhat = \"x\"", &["status-line"]),
        ("do = \"message\"\nkind = \"x\"", &["gnip-warn"]),
        ("do = \"line\"\ntext = \"a\\r\\nb\"", &["one line"]),
        ("do = \"junk\"\nkind = \"x\"", &["lone-surrogate"]),
        ("do = \"coding\"\ncoding = \"a\\nb\"", &["list of names"]),
        ("do = \"coding\"", &["`coding` is missing", "gzip, br"]),
        ("do = \"pause\"", &["`length` is missing", "250ms"]),
        ("do = \"skewed\"\nshift = \"x\"", &["`shift` is `x`"]),
        ("do = \"end\"\non = \"rules\"", &["cannot happen to rule requests"]),
        ("do = \"end\"\nstep = \"1s\"", &["`step` has no meaning"]),
    ] {
        let error = one(event).unwrap_err();
        assert!(parts.iter().all(|part| error.contains(part)), "{event}: {error}");
    }
    for text in ["", "description = 3", "description = \"x\"\n[stream]\ncut = \"finely\""] {
        assert!(!Script::parse(text).unwrap_err().to_string().is_empty());
    }
}

#[test]
fn an_error_shows_its_line_and_column() {
    let text = "description = \"x\"\n\n[[event]]\ndo = \"end\"\n\u{e4}b = 3\n";
    let error = Script::parse(text).unwrap_err();
    assert_eq!(error.position(), Some((5, 1)));
    let shown = error.to_string();
    assert!(shown.starts_with("line 5, column 1: "), "{shown}");
    assert!(shown.ends_with("\n5 | \u{e4}b = 3\n  | ^"), "{shown}");
    let error = Script::parse("description = \"\u{e4}\" 3").unwrap_err();
    assert!(
        error.to_string().ends_with("\n1 | description = \"\u{e4}\" 3\n  |                   ^"),
        "{error}"
    );
    let error = Script::parse("description = \"x\"\n[stream]\ncut = \"finely\"").unwrap_err();
    assert_eq!(error.position(), Some((2, 1)));
    assert!(error.to_string().contains("[stream]: `cut` is `finely`; use one of whole, tiny"), "{error}");
    assert_eq!(super::event("{").unwrap_err().position(), None);
    for text in ["description = 'a\tb'", "description = \"a\\r\"", "description = '''a\nb'''"] {
        let error = Script::parse(text).unwrap_err();
        assert_eq!(error.position(), Some((1, 15)), "{text}");
        assert!(error.to_string().contains("write one line"), "{error}");
    }
}

#[test]
fn accepts_a_trigger_in_toml_or_json() {
    let (event, connection) = super::event("do = \"end\"\nconnection = 3").unwrap();
    assert!(matches!(event.action, Action::End) && connection == Some(3));
    let (event, connection) = super::event(r#" {"do":"message","kind":"v1-limit","then":"close"}"#).unwrap();
    assert!(matches!(event.action, Action::Line { then: Then::Close, .. }) && connection.is_none());
    assert!(super::event(r#"{"do":"nothing"}"#).unwrap_err().to_string().contains("cut, end"));
    assert!(super::event("{").is_err());
}

#[test]
fn every_listed_kind_parses() {
    for (action, kinds) in kinds() {
        for kind in kinds {
            let more = match action {
                "endless" => format!("what = \"{kind}\""),
                "refuse" => format!("status = 503\nbody = \"{kind}\""),
                _ => format!("kind = \"{kind}\""),
            };
            one(&format!("do = \"{action}\"\n{more}")).unwrap();
        }
    }
}
