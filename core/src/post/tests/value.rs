//! Lookups below the accessors.

use super::*;

#[test]
fn reports_kinds_and_parses_numbers() {
    use ValueKind::{Array, Bool, Null, Number, Object, String};
    for (json, kind) in [
        ("null", Some(Null)),
        (" true ", Some(Bool)),
        ("false", Some(Bool)),
        ("0", Some(Number)),
        ("-1.5e3\n", Some(Number)),
        ("\"\"", Some(String)),
        ("[", Some(Array)),
        ("{", Some(Object)),
        ("", None),
        ("nul", None),
        ("nulll", None),
        ("01", None),
        ("\"", None),
        ("\"\" 1", None),
        ("\u{FEFF}{}", None),
    ] {
        let value = Value::new(json.as_bytes());
        assert_eq!(value.map(|value| value.kind()), kind, "{json}");
        assert_eq!(value.is_some_and(|value| value.is_null()), kind == Some(Null));
    }
    for (json, as_u64, as_i64, as_f64) in [
        ("0", Some(0), Some(0), Some(0.0)),
        ("18446744073709551615", Some(u64::MAX), None, Some(u64::MAX as f64)),
        ("18446744073709551616", None, None, Some(u64::MAX as f64)),
        ("-1", None, Some(-1), Some(-1.0)),
        ("-9223372036854775808", None, Some(i64::MIN), Some(i64::MIN as f64)),
        ("-9223372036854775809", None, None, Some(i64::MIN as f64)),
        ("9223372036854775807", Some(i64::MAX as u64), Some(i64::MAX), Some(i64::MAX as f64)),
        ("-0", None, Some(0), Some(-0.0)),
        ("1.5", None, None, Some(1.5)),
        ("1E2", None, None, Some(100.0)),
        ("1e999", None, None, None),
        ("\"7\"", None, None, None),
        ("null", None, None, None),
    ] {
        let value = Value::new(json.as_bytes()).unwrap();
        assert_eq!((value.as_u64(), value.as_i64(), value.as_f64()), (as_u64, as_i64, as_f64), "{json}");
        assert_eq!(value.as_number(), as_f64.map(|_| json).or((json == "1e999").then_some(json)));
    }
    let ids = [r#""7""#, "7", r#""\u0037""#, r#""""#, r#""+7""#, r#"" 7""#, "7.0", "[]"];
    let read = ids.map(|json| Value::new(json.as_bytes()).unwrap().as_id());
    assert_eq!(read, [Some(7), Some(7), Some(7), None, None, None, None, None]);
}

#[test]
fn bytes_after_a_field_are_not_read_and_truncated_fields_are_absent() {
    let cases: [(&str, Option<&str>); 16] = [
        (r#"{"k":12}"#, Some("12")),
        (r#"{"k":12"#, None),
        (r#"{"k":12 "#, Some("12")),
        (r#"{"k":tru"#, None),
        (r#"{"k":true"#, None),
        (r#"{"k":"a"#, None),
        (r#"{"k":"a""#, Some("a")),
        (r#"{"k":[1,2"#, None),
        (r#"{"k":[1,2] rubbish"#, Some("[1,2]")),
        (r#"{"a":{"k":1},"k":2}"#, Some("2")),
        (r#"{"a":"\"k\":1","k":2}"#, Some("2")),
        (r#"{"a" 1,"k":2}"#, None),
        (r#"{"a":1 "k":2}"#, None),
        (r#"{"a":[}],"k":2}"#, None),
        (r#"{"K":1,"kk":1,"":1}"#, None),
        (r#"["k"]"#, None),
    ];
    for (json, wanted) in cases {
        let value = Value::new(json.as_bytes()).unwrap();
        let wanted = wanted.map(str::as_bytes);
        assert_eq!(value.get("k").and_then(|found| found.raw()), wanted, "{json}");
        assert_eq!(value.path(&["k"]).and_then(|found| found.raw()), wanted, "{json}");
        let [found, same, absent] = value.fields(["k", "k", "absent"]).map(|found| found?.raw());
        assert_eq!((found, same, absent), (wanted, wanted, None), "{json}");
        let member = value.members().find(|(key, _)| *key == "k");
        assert_eq!(member.and_then(|(_, found)| found.raw()), wanted, "{json}");
    }
    assert!(Value::new(b"{}").unwrap().path(&[]).is_some());
    assert!(Value::new(b"{}").unwrap().fields::<0>([]).is_empty());
}

#[test]
fn long_and_unusual_keys_are_compared_in_full() {
    let long = "k".repeat(60);
    let json = format!(r#"{{"\u006B{}":1,"\ud83d":2,"\ud83d\udc26":3,"":4}}"#, &long[1..]);
    let value = Value::new(json.as_bytes()).unwrap();
    assert_eq!(value.get(&long).and_then(|found| found.as_u64()), Some(1));
    assert_eq!(value.get("🐦").and_then(|found| found.as_u64()), Some(3));
    assert_eq!(value.get("").and_then(|found| found.as_u64()), Some(4));
    assert!(value.get(&long[1..]).is_none());
    let found = value.fields(["", "🐦", &long]).map(|found| found.and_then(|found| found.as_u64()));
    assert_eq!(found, [Some(4), Some(3), Some(1)]);
}

#[test]
fn iterators_end_at_the_first_byte_that_is_not_json() {
    for (json, wanted) in [
        ("[]", 0),
        ("[1,[2,[3]],{\"a\":4}, \"5\" ]", 4),
        ("[1,[2,,],3]", 2),
        ("[1 2]", 1),
        ("[\"1\" 2]", 1),
        ("[1,2", 1),
        ("[1,", 1),
        ("[,1]", 0),
        ("{\"a\":1}", 0),
    ] {
        let mut elements = Value::new(json.as_bytes()).unwrap().elements();
        assert_eq!(elements.by_ref().count(), wanted, "{json}");
        assert!(elements.next().is_none(), "{json}");
    }
    for (json, wanted) in [
        ("{}", 0),
        ("{\"a\":1,\"a\":{\"b\":2},\"c\":[]}", 3),
        ("{\"a\":{,},\"b\":1}", 1),
        ("{\"a\":1,}", 1),
        ("[1]", 0),
    ] {
        let mut members = Value::new(json.as_bytes()).unwrap().members();
        assert_eq!(members.by_ref().count(), wanted, "{json}");
        assert!(members.next().is_none(), "{json}");
    }
}

#[test]
fn depth_limit_applies_to_skipping_and_not_to_descending() {
    let deep = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    for (depth, wanted) in [(127, Some(1)), (128, None), (100_000, None)] {
        let json = format!(r#"{{"a":{},"k":1}}"#, deep(depth));
        let value = Value::new(json.as_bytes()).unwrap();
        assert_eq!(value.get("k").and_then(|found| found.as_u64()), wanted);
        assert!(value.get("a").is_some());
        assert_eq!(value.fields(["k"])[0].and_then(|found| found.as_u64()), wanted);
    }
    let json = deep(1_000);
    let mut value = Value::new(json.as_bytes());
    let mut depth = 0;
    while let Some(inner) = value {
        depth += 1;
        value = inner.elements().next();
    }
    assert_eq!(depth, 1_000);
    assert!(Value::new(deep(128).as_bytes()).unwrap().raw().is_some());
    assert!(Value::new(deep(129).as_bytes()).unwrap().raw().is_none());
}

#[test]
fn objects_of_an_array_are_those_of_a_scan_for_each() {
    let deep = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    let lists = [
        format!(r#"[{{"id":"1","a":[{{"id":2}}],"n":{}}}, 3, {{"n":4,"x":5,"n":6}} ,[{{}}],{{}}]"#, deep(9)),
        format!(r#"[{{"x":{},"id":1}},{{"id":2}}]"#, deep(126)),
        format!(r#"[{{"x":{},"id":1}},{{"id":2}}]"#, deep(127)),
        String::from(r#"[{"id":1,"n":2,"x":01},{"id":3}]"#),
        String::from(r#"[{"id":1,"n":2,"x":3]},{"id":3}]"#),
        String::from(r#"{"id":1}"#),
    ];
    let shown = |value: Option<Value<'_>>| value.map(|value| (value.kind(), value.as_id()));
    for list in &lists {
        for end in 0..=list.len() {
            let Some(value) = Value::new(&list.as_bytes()[..end]) else { continue };
            let objects = value.elements().filter(|element| element.kind() == ValueKind::Object);
            let each: Vec<_> = objects.map(|object| object.fields(["id", "n"]).map(shown)).collect();
            let once: Vec<_> = value.objects(["id", "n"]).map(|(_, found)| found.map(shown)).collect();
            assert_eq!(once, each, "{} of {list}", end);
        }
    }
}

#[test]
fn a_scan_stops_when_enough_keys_or_all_keys_are_found() {
    let value = Value::new(br#"{"a":1,"b":2,"c":3}"#).unwrap();
    let found = value.fields_until(["a", "b"], |_| true);
    assert_eq!(found.map(|found| found.is_some()), [true, false]);
    // At the last of the keys, the scan ends without asking.
    let asked = core::cell::Cell::new(0);
    let found = value.fields_until(["a", "b"], |_| {
        asked.set(asked.get() + 1);
        false
    });
    assert_eq!((found.map(|found| found.is_some()), asked.get()), ([true, true], 1));
}
