//! The rules endpoints: the requests, and the parsing of every recorded or documented form of
//! answer.

#![allow(clippy::unwrap_used, reason = "helpers of tests, which clippy.toml does not know from the rest")]

use std::time::Duration;

use powerstream_client::rule_api::{
    AddFate, Added, ApiErrorKind, Call, CallError, CallKind, DeleteFate, NewRule, NotDeleted, Reply, RuleApi,
};
use powerstream_core::http::{Method, RetryAfter};
use powerstream_core::time::UnixTime;
use serde_json::{Value, json};

const BOTH: [RuleApi; 2] = [RuleApi::Powerstream, RuleApi::FilteredStream];

fn body(call: &Call) -> Value {
    serde_json::from_slice(call.body().unwrap()).unwrap()
}

fn add(values: &[&str]) -> Call {
    let rules: Vec<NewRule<'_>> = values.iter().map(|value| NewRule::new(value)).collect();
    Call::add(RuleApi::FilteredStream, &rules).unwrap()
}

fn added(call: &Call, status: u16, answer: &Value) -> Added {
    call.added(&Reply::new(status, answer.to_string().as_bytes())).unwrap()
}

/// Formats a fate on one line.
fn describe(fate: &AddFate) -> String {
    match fate {
        AddFate::Created(rule) => format!("created {} {}", rule.id.as_deref().unwrap_or("?"), rule.value),
        AddFate::Duplicate { id } => format!("duplicate {}", id.as_deref().unwrap_or("?")),
        AddFate::Invalid { messages } => format!("invalid {}", messages.join("|")),
        AddFate::NotCreated { message } => format!("not created {}", message.as_deref().unwrap_or("-")),
        AddFate::Unknown => String::from("unknown"),
        other => format!("{other:?}"),
    }
}

fn fates(call: &Call, status: u16, answer: Value) -> Vec<String> {
    added(call, status, &answer).fates.iter().map(describe).collect()
}

#[test]
fn writes_requests_in_the_form_of_each_service() {
    let rules = [NewRule::new("a"), NewRule::tagged("b", "t")];
    let spelled = |call: &Call| (call.method(), call.query().map(|(name, value)| format!("{name}={value}")));

    let [powerstream, filtered] = BOTH.map(|api| Call::add(api, &rules).unwrap());
    assert_eq!(body(&powerstream), json!({"rules":[{"value":"a"},{"value":"b","tag":"t"}]}));
    assert_eq!(body(&filtered), json!({"add":[{"value":"a"},{"value":"b","tag":"t"}]}));
    assert_eq!(spelled(&powerstream), (Method::Post, None));
    assert_eq!(
        (powerstream.path(), filtered.path()),
        ("/2/powerstream/rules", "/2/tweets/search/stream/rules")
    );

    let [powerstream, filtered] =
        BOTH.map(|api| Call::delete_ids(api, &["1", "18446744073709551615"]).unwrap());
    assert_eq!(body(&powerstream), json!({"rules":[{"id":"1"},{"id":"18446744073709551615"}]}));
    assert_eq!(body(&filtered), json!({"delete":{"ids":["1","18446744073709551615"]}}));
    assert_eq!((powerstream.method(), filtered.method()), (Method::Delete, Method::Post));

    let [powerstream, filtered] = BOTH.map(|api| Call::delete_values(api, &rules).unwrap());
    assert_eq!(body(&powerstream), json!({"rules":[{"value":"a"},{"value":"b","tag":"t"}]}));
    assert_eq!(body(&filtered), json!({"delete":{"values":["a","b"]}}));

    assert_eq!(spelled(&Call::list(RuleApi::Powerstream)), (Method::Get, None));
    assert_eq!(
        spelled(&Call::list_page(RuleApi::FilteredStream, "A&b")),
        (Method::Get, Some(String::from("pagination_token=A&b")))
    );
    let dry = Call::validate(RuleApi::FilteredStream, &rules).unwrap();
    assert_eq!(spelled(&dry), (Method::Post, Some(String::from("dry_run=true"))));
    assert_eq!(dry.kind(), CallKind::Validate);
    assert_eq!(Call::validate(RuleApi::Powerstream, &rules).unwrap_err(), CallError::NotSupported);
}

#[test]
fn a_request_takes_one_to_a_hundred_rules() {
    let rules = [NewRule::new("a"); 101];
    let ids = ["1"; 101];
    for api in BOTH {
        assert_eq!(Call::add(api, &[]).unwrap_err(), CallError::Empty);
        assert_eq!(Call::delete_ids(api, &[]).unwrap_err(), CallError::Empty);
        for count in [100, 101] {
            let want = if count == 100 { Ok(100) } else { Err(CallError::TooMany { count }) };
            assert_eq!(Call::add(api, &rules[..count]).map(|call| call.rules()), want);
            assert_eq!(Call::delete_values(api, &rules[..count]).map(|call| call.rules()), want);
            assert_eq!(Call::delete_ids(api, &ids[..count]).map(|call| call.rules()), want);
        }
    }
}

#[test]
fn escapes_every_character_of_a_rule() {
    let hostile = "\"}],\"x\":[\\\u{0}\r\nHost: evil\u{2028}\u{7f}\u{1f426}";
    for api in BOTH {
        let call = Call::add(api, &[NewRule::tagged(hostile, hostile)]).unwrap();
        let bytes = call.body().unwrap();
        assert!(!bytes.iter().any(|byte| *byte < b' '), "{}", bytes.escape_ascii());
        let body = body(&call);
        let list = body.as_object().unwrap().values().next().unwrap();
        assert_eq!(*list, json!([{"value": hostile, "tag": hostile}]));
        let call = Call::delete_ids(api, &[hostile]).unwrap();
        let text = String::from_utf8(call.body().unwrap().to_vec()).unwrap();
        assert!(text.contains(&json!(hostile).to_string()), "{text}");
    }
    assert!(!format!("{:?}", add(&["s3cr3t"])).contains("s3cr3t"));
}

#[test]
fn parses_every_form_of_a_list() {
    let list = Call::list(RuleApi::Powerstream);
    let seen = |answer: &str| {
        let listing = list.listed(&Reply::new(200, answer.as_bytes())).map_err(|error| error.kind)?;
        let rules = listing.rules.iter().map(|rule| {
            let or = |text: &Option<String>| text.clone().unwrap_or_else(|| String::from("-"));
            format!("{} {} {}", or(&rule.id), rule.value, or(&rule.tag))
        });
        Ok((rules.collect::<Vec<_>>().join(", "), listing.next_page))
    };
    for (answer, want) in [
        (r#"{"data":{"rules":[{"id":"1","value":"a","tag":"t"},{"id":2,"value":"b"}]}}"#, "1 a t, 2 b -"),
        (r#"{"data":[{"id":"1","value":"a","tag":""}],"meta":{"result_count":1}}"#, "1 a -"),
        (
            r#"{"rules":[{"value":"a","tag":null,"id":9007199254740993,"id_str":"9007199254740993"}],"sent":"x"}"#,
            "9007199254740993 a -",
        ),
        (r#"{"data":{"rules":[{"value":"a"}]}}"#, "- a -"),
        ("\u{feff}{\"data\":{\"rules\":[]}}", ""),
        (r#"{"data":{}}"#, ""),
        (r#"{"data":[]}"#, ""),
        (r#"{"data":null}"#, ""),
        (r#"{"data":null,"rules":[{"value":"a"}]}"#, "- a -"),
        (r#"{"meta":{"sent":"x","result_count":0}}"#, ""),
        ("{}", ""),
    ] {
        assert_eq!(seen(answer), Ok((String::from(want), None)), "{answer}");
    }
    let (_, next) = seen(r#"{"data":[],"meta":{"next_token":"DVCXA1234567890A"}}"#).unwrap();
    assert_eq!(next.as_deref(), Some("DVCXA1234567890A"));

    // A partial list would make rules look deleted.
    for answer in [
        "",
        "[]",
        "<html>hello</html>",
        r#"{"data":{"rules":[{"id":"1","value":"a"}"#,
        r#"{"data":{"rules":[{"id":"1"}]}}"#,
        r#"{"data":{"rules":[3]}}"#,
        r#"{"data":{"rules":{}}}"#,
        r#"{"data":{"items":[]}}"#,
        r#"{"data":"x"}"#,
        r#"{"title":"x"}"#,
        r#"{"data":[{"id":"1","value":"a"}],"meta":{"result_count":2}}"#,
        r#"{"data":[{"id":"1","value":"a"}],"errors":[{"title":"Partial"}]}"#,
        "{\"data\":{\"rules\":[{\"value\":\"\u{0}\"}]}}",
    ] {
        assert_eq!(seen(answer), Err(ApiErrorKind::Unreadable), "{answer}");
    }
    assert!(list.listed(&Reply::new(200, b"{\"data\":{\"rules\":[{\"value\":\"\xff\"}]}}")).is_err());
    let deep = [b"{\"data\":".as_slice(), &[b'['; 100_000]].concat();
    assert!(list.listed(&Reply::new(200, &deep)).is_err());
}

#[test]
fn parses_added_rules_of_both_services() {
    let call = add(&["a", "b"]);
    let both = json!([{"id":"1","value":"a"},{"id":2,"value":"b"}]);
    for (status, answer) in [
        (201, json!({"data":{"rules":both}})),
        (201, json!({"data":both,"meta":{"summary":{"created":2,"not_created":0,"valid":2,"invalid":0}}})),
        (200, json!({"data":both})),
        // The answer has another order.
        (201, json!({"data":[{"id":"2","value":"b"},{"id":"1","value":"a"}]})),
        (
            201,
            json!({"summary":{"created":2,"not_created":0},"detail":[
                {"rule":{"value":"a","tag":null,"id":1},"created":true},
                {"rule":{"value":"b","tag":null,"id":2},"created":true}],"sent":"x"}),
        ),
    ] {
        assert_eq!(fates(&call, status, answer.clone()), ["created 1 a", "created 2 b"], "{answer}");
    }
    // The answer only counts the rules.
    let summary = json!({"meta":{"summary":{"created":2,"not_created":0}}});
    assert_eq!(fates(&call, 201, summary), ["created ? a", "created ? b"]);
    // The service normalized the rule's text.
    let spelled = json!({"data":[{"id":"1","value":"a"},{"id":"2","value":"(b)"}]});
    assert_eq!(fates(&call, 201, spelled), ["created 1 a", "created 2 (b)"]);
    // The count of valid rules decides only for a dry run.
    let dry = Call::validate(RuleApi::FilteredStream, &["a", "b", "c"].map(NewRule::new)).unwrap();
    let count = |valid: u8| json!({"data":[{"value":"a"}],"meta":{"summary":{"valid":valid}}});
    for (call, valid, rest) in [
        (&dry, 3, ["created ? b", "created ? c"]),
        (&dry, 1, ["unknown"; 2]),
        (&add(&["a", "b", "c"]), 3, ["unknown"; 2]),
    ] {
        assert_eq!(fates(call, 200, count(valid)), [&["created ? a"], &rest[..]].concat());
    }
    // The answer mentions no rule.
    for answer in [json!({}), json!({"data":{}}), json!({"data":[{"id":"1"}]})] {
        assert_eq!(fates(&call, 201, answer), ["unknown", "unknown"]);
    }
    assert_eq!(fates(&call, 201, json!({"data":[{"id":"1","value":"a"}]})), ["created 1 a", "unknown"]);
    // A rule that was not requested is kept.
    let more = added(
        &call,
        201,
        &json!({"data":[
        {"id":"1","value":"a"},{"id":"2","value":"b"},{"id":"3","value":"c"}]}),
    );
    assert_eq!(more.others.len(), 1);
    assert_eq!(more.others[0].value, "c");
}

#[test]
fn reports_the_fate_of_each_rule_of_a_partial_success() {
    let call = add(&["a", "b", "h:m", "d"]);
    let answer = json!({
        "data":[{"id":"1","value":"a"}],
        "meta":{"sent":"x","summary":{"created":1,"not_created":3,"valid":1,"invalid":3}},
        "errors":[
            {"value":"b","id":"7","title":"DuplicateRule","type":"https://api.twitter.com/2/problems/duplicate-rules"},
            {"value":"h:m","details":["Reference to invalid operator 'h' (at position 1).","Reference to invalid field 'h' (at position 1)."],
             "title":"UnprocessableEntity","type":"https://api.x.com/2/problems/invalid-rules"}]});
    let want = [
        "created 1 a",
        "duplicate 7",
        "invalid Reference to invalid operator 'h' (at position 1).|Reference to invalid field 'h' (at position 1).",
        "not created -",
    ];
    for status in [200, 201, 207] {
        assert_eq!(fates(&call, status, answer.clone()), want, "{status}");
    }
    assert_eq!(added(&call, 201, &answer).summary.invalid, Some(3));

    // The whole request was refused because of one rule: none was added.
    let refused = json!({"errors":[{"value":"h:m","details":["no"],"title":"UnprocessableEntity"}]});
    for status in [400, 422] {
        assert_eq!(
            fates(&call, status, refused.clone()),
            ["not created -", "not created -", "invalid no", "not created -"]
        );
    }
    // Each kind of error that names a rule.
    let errors = json!({"errors":[
        {"value":"a","detail":"no","type":"https://api.x.com/2/problems/invalid-rules"},
        {"value":"b","message":"no"},
        {"value":"h:m","title":"Other","detail":"no"},
        {"value":"d","title":"DuplicateRule"}]});
    assert_eq!(
        fates(&call, 400, errors),
        ["invalid no", "invalid no", "not created Other: no", "duplicate ?"]
    );
    // PowerTrack's form.
    let detail = json!({"summary":{"created":0,"not_created":4},"detail":[
        {"rule":{"value":"a","tag":null},"created":false},
        {"rule":{"value":"b","tag":null},"created":false,"message":"A rule with this value already exists"},
        {"rule":{"value":"h:m","tag":null},"created":false,"message":"one (at position 1)\ntwo (at position 1)\n\n"}]});
    assert_eq!(
        fates(&call, 422, detail),
        ["not created -", "duplicate ?", "invalid one (at position 1)|two (at position 1)", "not created -"]
    );
    // Too many rules.
    let cap = json!({"meta":{"summary":{"created":0}},
        "errors":[{"title":"RuleCapExceeded","detail":"too many","type":"https://api.x.com/2/problems/rule-cap"}]});
    assert_eq!(fates(&call, 200, cap), ["not created RuleCapExceeded: too many"; 4]);
}

#[test]
fn a_rule_with_another_tag_counts_as_existing() {
    let rules = [NewRule::tagged("a", "new"), NewRule::tagged("b", "t"), NewRule::new("c")];
    let call = Call::add(RuleApi::Powerstream, &rules).unwrap();
    let answer = json!({"data":{"rules":[
        {"id":"1","value":"a","tag":"old"},{"id":"2","value":"b","tag":"t"},{"id":"3","value":"c","tag":""}]}});
    assert_eq!(fates(&call, 201, answer), ["duplicate 1", "created 2 b", "created 3 c"]);
    // The same value twice: each entry of the answer is matched by its tag.
    let twice = [NewRule::tagged("a", "x"), NewRule::tagged("a", "y")];
    let call = Call::add(RuleApi::Powerstream, &twice).unwrap();
    let answer =
        json!({"data":{"rules":[{"id":"2","value":"a","tag":"y"},{"id":"1","value":"a","tag":"x"}]}});
    assert_eq!(fates(&call, 201, answer), ["created 1 a", "created 2 a"]);
}

#[test]
fn parses_every_form_of_a_failed_delete() {
    let seen = |answer: Value| {
        let call = Call::delete_ids(RuleApi::Powerstream, &["1", "2", "3"]).unwrap();
        let deleted = call.deleted(&Reply::new(200, answer.to_string().as_bytes())).unwrap();
        let fates: String = deleted
            .fates
            .iter()
            .map(|fate| match fate {
                DeleteFate::Deleted => 'd',
                DeleteFate::NotDeleted { .. } => 'n',
                _ => '?',
            })
            .collect();
        (fates, deleted.not_deleted)
    };
    let list = |names: &[&str]| NotDeleted::Entries(names.iter().map(ToString::to_string).collect());
    for (answer, fates, not_deleted) in [
        (json!({"data":{"deleted":3}}), "ddd", NotDeleted::Absent),
        (json!({"data":{"deleted":3,"not_deleted":0}}), "ddd", NotDeleted::Count(0)),
        (json!({"data":{"deleted":3,"not_deleted":null}}), "ddd", NotDeleted::Absent),
        (json!({"data":{"deleted":"3","not_deleted":"0"}}), "ddd", NotDeleted::Count(0)),
        (json!({"data":{"deleted":3,"not_deleted":[]}}), "ddd", list(&[])),
        (json!({"data":{"deleted":0,"not_deleted":3}}), "nnn", NotDeleted::Count(3)),
        (json!({"data":{"not_deleted":3}}), "nnn", NotDeleted::Count(3)),
        (json!({"data":{"not_deleted":0}}), "ddd", NotDeleted::Count(0)),
        (json!({"data":{"deleted":2,"not_deleted":1}}), "???", NotDeleted::Count(1)),
        (json!({"data":{"deleted":2,"not_deleted":["2"]}}), "dnd", list(&["2"])),
        (json!({"data":{"not_deleted":[{"id":2},{"id":"3","value":"x"}]}}), "dnn", list(&["2", "3"])),
        (json!({"data":{"deleted":2,"not_deleted":[{"value":"x"}]}}), "???", list(&["x"])),
        (json!({"meta":{"sent":"x","summary":{"deleted":3,"not_deleted":0}}}), "ddd", NotDeleted::Count(0)),
        (
            json!({"summary":{"deleted":2,"not_deleted":1},"detail":[
                {"rule":{"id":1,"value":"Pizza","tag":null},"deleted":false,"message":"Rule does not exist"}]}),
            "ndd",
            NotDeleted::Count(1),
        ),
        (
            json!({"summary":{"not_deleted":1},"detail":[
                {"rule":{"id":1},"deleted":true},{"rule":{"id":2},"deleted":false}]}),
            "dnd",
            NotDeleted::Count(1),
        ),
        (json!({"data":{"deleted":["1","2","3"]}}), "ddd", NotDeleted::Absent),
        (json!({}), "???", NotDeleted::Absent),
    ] {
        assert_eq!(seen(answer.clone()), (String::from(fates), not_deleted), "{answer}");
    }

    let rules = [NewRule::new("a"), NewRule::new("b")];
    let call = Call::delete_values(RuleApi::FilteredStream, &rules).unwrap();
    let answer =
        json!({"meta":{"summary":{"deleted":1,"not_deleted":1}},"errors":[{"value":"b","detail":"gone"}]});
    let deleted = call.deleted(&Reply::new(200, answer.to_string().as_bytes())).unwrap();
    assert_eq!(
        deleted.fates,
        [DeleteFate::Deleted, DeleteFate::NotDeleted { message: Some(String::from("gone")) }]
    );
}

#[test]
fn classifies_refusals_and_keeps_the_servers_text() {
    for (status, answer, kind, text) in [
        (
            401,
            r#"{"title":"Unauthorized","type":"about:blank","status":401,"detail":"Unauthorized"}"#,
            ApiErrorKind::Unauthorized,
            Some("Unauthorized"),
        ),
        (
            402,
            r#"{"title":"CreditsDepleted","detail":"None."}"#,
            ApiErrorKind::Payment,
            Some("CreditsDepleted: None."),
        ),
        (
            403,
            r#"{"title":"Client Forbidden","detail":"No.","reason":"client-not-enrolled"}"#,
            ApiErrorKind::Forbidden,
            Some("Client Forbidden: No."),
        ),
        (404, "", ApiErrorKind::NotFound, None),
        (
            400,
            r#"{"errors":[{"message":"no","parameters":{}}],"title":"Invalid Request","detail":"One"}"#,
            ApiErrorKind::Request,
            Some("no"),
        ),
        (
            400,
            r#"{"error":{"message":"Invalid JSON.","sent":"x"}}"#,
            ApiErrorKind::Request,
            Some("Invalid JSON."),
        ),
        (
            422,
            r#"{"error":{"message":"Request exceeds account’s Rule Limit. Delete rules."}}"#,
            ApiErrorKind::RuleLimit,
            Some("Request exceeds account’s Rule Limit. Delete rules."),
        ),
        (
            429,
            r#"{"errors":[{"code":88,"message":"Rate limit exceeded"}]}"#,
            ApiErrorKind::RateLimit,
            Some("Rate limit exceeded"),
        ),
        (429, r#"{"code":88,"message":"slow"}"#, ApiErrorKind::RateLimit, Some("slow")),
        (429, "", ApiErrorKind::RateLimit, None),
        (
            429,
            r#"{"title":"UsageCapExceeded","detail":"Monthly","type":"https://api.twitter.com/2/problems/usage-capped"}"#,
            ApiErrorKind::UsageCap,
            Some("UsageCapExceeded: Monthly"),
        ),
        (429, r#"{"title":"UsageCapExceeded"}"#, ApiErrorKind::UsageCap, Some("UsageCapExceeded")),
        (429, r#"{"detail":"Monthly","type":"a/usage-capped"}"#, ApiErrorKind::UsageCap, Some("Monthly")),
        (400, r#"{"detail":"Over a limit"}"#, ApiErrorKind::Request, Some("Over a limit")),
        (300, r#"{"data":[]}"#, ApiErrorKind::Redirect, None),
        (302, "moved", ApiErrorKind::Redirect, Some("moved")),
        (408, "", ApiErrorKind::Server, None),
        (425, "", ApiErrorKind::Server, None),
        (502, "<html>\r\n<h1>Bad Gateway</h1>", ApiErrorKind::Server, Some("<html>\r\n<h1>Bad Gateway</h1>")),
        (504, "{\"title\":\"cut", ApiErrorKind::Server, Some("{\"title\":\"cut")),
        (200, "<html>log in", ApiErrorKind::Unreadable, Some("<html>log in")),
    ] {
        let mut reply = Reply::new(status, answer.as_bytes());
        reply.location = Some(b"https://new.example");
        let errors = [
            Call::list(RuleApi::Powerstream).listed(&reply).unwrap_err(),
            add(&["a"]).added(&reply).unwrap_err(),
            Call::delete_ids(RuleApi::Powerstream, &["1"]).unwrap().deleted(&reply).unwrap_err(),
        ];
        for error in errors {
            assert_eq!((error.kind, error.status), (kind, status), "{answer}");
            assert_eq!(error.problem.text().as_deref(), text, "{answer}");
            let location = (kind == ApiErrorKind::Redirect).then_some(&b"https://new.example"[..]);
            assert_eq!(error.problem.location.as_deref(), location, "{answer}");
            let unknown = matches!(kind, ApiErrorKind::Server | ApiErrorKind::Unreadable);
            assert_eq!(error.is_outcome_unknown(), unknown);
            assert!(!error.to_string().contains("html"));
        }
    }
    // Even if it is long.
    let error = add(&["a"]).added(&Reply::new(500, &vec![b'x'; 1 << 20])).unwrap_err();
    assert_eq!(error.problem.text().unwrap().len(), 4_096);
}

#[test]
fn an_error_names_its_kind_and_the_type_of_its_problem() {
    let answer = br#"{"type":"https://api.x.com/2/problems/usage-capped"}"#;
    for (status, answer, code, text, problem_type) in [
        (401, &b""[..], "unauthorized", "not authorized: check the bearer token (status 401)", None),
        (410, b"", "not_found", "there is no such endpoint: check the base URL (status 410)", None),
        (429, answer, "usage_cap", "the plan's volume is used up (status 429)", Some("usage-capped")),
    ] {
        let error = add(&["a"]).added(&Reply::new(status, answer)).unwrap_err();
        assert_eq!((error.kind.code(), error.to_string().as_str()), (code, text));
        assert_eq!(error.problem.type_name(), problem_type);
    }
}

/// A binary body is not taken for the service's text, and an unread body is not taken for an empty
/// one.
#[test]
fn classifies_a_body_that_is_not_text_by_its_status() {
    for (status, kind) in [
        (401, ApiErrorKind::Unauthorized),
        (403, ApiErrorKind::Forbidden),
        (404, ApiErrorKind::NotFound),
        (429, ApiErrorKind::RateLimit),
        (503, ApiErrorKind::Server),
        (200, ApiErrorKind::Unreadable),
    ] {
        for (body, unread) in [
            (&b"\x1f\x8b\x08\0\x03"[..], Some("its body is not text (5 bytes)")),
            (b"<html>caf\xe9 au", Some("its body is not text (13 bytes)")),
            (b"{\"title\":\"\xff\"}", Some("its body is not text (13 bytes)")),
            (b"<html>", None),
            (b"", None),
        ] {
            let error = add(&["a"]).added(&Reply::new(status, body)).unwrap_err();
            assert_eq!((error.kind, error.unread_body.as_deref()), (kind, unread), "{status}");
            assert_eq!(error.problem.text().is_some(), body == b"<html>", "{status}");
        }
        let mut coded = Reply::new(status, b"");
        coded.unread_body = Some("its body was not read: gzip");
        let error = add(&["a"]).added(&coded).unwrap_err();
        assert_eq!((error.kind, error.unread_body.as_deref()), (kind, coded.unread_body));
    }
}

#[test]
fn absolute_waits_are_measured_by_the_date_of_the_same_answer() {
    let unix = |seconds: i64| UnixTime::from_seconds(1_700_000_000_u64.saturating_add_signed(seconds));
    let local = unix(0);
    for (status, ahead, reset, retry_after, want) in [
        (429, Some(3_600), Some(3_900), None, Some(300)),
        (429, Some(-3_600), Some(-3_300), None, Some(300)),
        (429, Some(3_600), None, Some(RetryAfter::At(unix(3_900))), Some(300)),
        (503, Some(3_600), Some(9_999), Some(RetryAfter::At(unix(3_900))), Some(300)),
        (429, Some(3_600), Some(3_900), Some(RetryAfter::Seconds(7)), Some(7)),
        // In the past, by the server's clock.
        (429, Some(3_600), Some(300), None, Some(0)),
        // Without a date, the local clock is used.
        (429, None, Some(300), None, Some(300)),
        // A window counts only if it is used up.
        (503, Some(3_600), Some(3_900), None, None),
        (429, Some(3_600), None, None, None),
    ] {
        let mut reply = Reply::new(status, b"");
        reply.date = ahead.map(unix);
        reply.rate_limit.reset = reset.map(unix);
        reply.retry_after = retry_after;
        let error = Call::list(RuleApi::Powerstream).listed(&reply).unwrap_err();
        assert_eq!(error.wait(local), want.map(Duration::from_secs), "{status} {ahead:?} {reset:?}");
    }
}

/// Ids longer than any number of 64 bits, or of 53, are kept unchanged.
#[test]
fn ids_are_texts_from_end_to_end() {
    let long = "1166916873249472513116691687324947251";
    for written in [
        format!(r#""id":"{long}""#),
        format!(r#""id":{long}"#),
        format!(r#""id":1.1669e+36,"id_str":"{long}""#),
        format!(r#""id_str":"{long}","id":1166916873249472500000000000000000000"#),
        format!(r#""id":null,"id_str":"{long}""#),
        format!(r#""id":"","id_str":{long}"#),
    ] {
        let rule = format!(r#"{{{written},"value":"a","tag":"t"}}"#);
        let listing = Call::list(RuleApi::Powerstream);
        for answer in [format!(r#"{{"data":{{"rules":[{rule}]}}}}"#), format!(r#"{{"data":[{rule}]}}"#)] {
            let rules = listing.listed(&Reply::new(200, answer.as_bytes())).unwrap().rules;
            assert_eq!(rules[0].id.as_deref(), Some(long), "{answer}");
        }
        let call = Call::add(RuleApi::FilteredStream, &[NewRule::tagged("a", "t")]).unwrap();
        let created = format!(r#"{{"data":[{rule}]}}"#);
        let duplicate = format!(
            r#"{{"errors":[{{{written},"value":"a","title":"DuplicateRule","type":"https://api.x.com/2/problems/duplicate-rules"}}]}}"#
        );
        for (answer, want) in
            [(created, format!("created {long} a")), (duplicate, format!("duplicate {long}"))]
        {
            let added = call.added(&Reply::new(201, answer.as_bytes())).unwrap();
            assert_eq!(describe(&added.fates[0]), want, "{answer}");
        }
        for api in BOTH {
            let call = Call::delete_ids(api, &["1", long]).unwrap();
            assert!(call.body().unwrap().windows(long.len()).any(|text| text == long.as_bytes()));
            for entry in [format!("{{{written}}}"), format!(r#"{{"rule":{{{written}}}}}"#), long.to_owned()] {
                let answer = format!(r#"{{"data":{{"deleted":1,"not_deleted":[{entry}]}}}}"#);
                let deleted = call.deleted(&Reply::new(200, answer.as_bytes())).unwrap();
                let [DeleteFate::Deleted, DeleteFate::NotDeleted { .. }] = &deleted.fates[..] else {
                    panic!("{answer}: {deleted:?}");
                };
                assert_eq!(deleted.not_deleted, NotDeleted::Entries(vec![long.to_owned()]), "{answer}");
            }
        }
    }
    // A number that was rounded before it arrived is shown as received.
    let answer = br#"{"data":[{"id":1.1669168732494725e+21,"value":"a"}]}"#;
    let rules = Call::list(RuleApi::Powerstream).listed(&Reply::new(200, answer)).unwrap().rules;
    assert_eq!(rules[0].id.as_deref(), Some("1.1669168732494725e+21"));
}

#[test]
fn only_an_add_or_a_delete_changes_the_rules() {
    let kinds = [CallKind::List, CallKind::Add, CallKind::Validate, CallKind::Delete];
    assert_eq!(kinds.map(CallKind::is_change), [false, true, false, true]);
}

#[test]
fn each_kind_of_call_has_its_rate_limit() {
    for (call, name, requests, hours) in [
        (Call::list(RuleApi::Powerstream), "rules", 50, 24.0),
        (Call::delete_ids(RuleApi::Powerstream, &["1"]).unwrap(), "rules", 50, 24.0),
        (Call::list(RuleApi::FilteredStream), "lists", 450, 0.25),
        (add(&["a"]), "changes", 100, 0.25),
    ] {
        let budget = call.budget();
        assert_eq!((budget.name, budget.requests), (name, requests));
        assert!((budget.window.as_secs_f64() - hours * 3_600.0).abs() < 1.0);
    }
}
