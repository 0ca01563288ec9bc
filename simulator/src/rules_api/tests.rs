use std::time::Duration;

use powerstream_rules::Profile;
use serde_json::{Value, json};

use super::*;
use crate::clock::{Clock, Time};
use crate::rule_store::NoRules;

/// 2026-01-05T10:00:00Z.
const NOW: u64 = 1_767_607_200_000;

struct Api {
    store: RuleStore,
    resource: RulesResource,
    options: Options,
}

impl Api {
    fn new(resource: RulesResource) -> Self {
        let (profile, max) = match resource {
            RulesResource::Powerstream => (Profile::Powerstream, 150),
            _ => (Profile::FilteredStream, 150),
        };
        let clock = Clock::new(Time::Virtual { unix_ms: NOW });
        let store = RuleStore::new(profile, max, NoRules::Nothing, Duration::ZERO, true, &clock);
        Api { store, resource, options: Options { not_deleted: NotDeleted::Number, partial: false } }
    }

    fn ask(&self, method: &str, query: &str, body: &str) -> (u16, Value) {
        let Api { store, resource, options } = self;
        let answer = answer(store, *resource, options, method, query, body.as_bytes(), NOW);
        (answer.status, serde_json::from_str(&answer.body).unwrap())
    }

    fn ids(&self) -> Vec<String> {
        self.store.list().iter().map(|rule| rule.id.to_string()).collect()
    }
}

fn values(count: usize) -> String {
    let rules: Vec<String> = (0..count).map(|n| format!(r#"{{"value":"word{n}"}}"#)).collect();
    rules.join(",")
}

/// The example of X's page, byte for byte except for the id.
#[test]
fn powerstream_adds_lists_and_deletes_rules() {
    let api = Api::new(RulesResource::Powerstream);
    let body = r#"{"rules":[{"value":"(cat OR dog) lang:en -is:retweet","tag":"pet-monitor"}]}"#;
    let Api { store, resource, options } = &api;
    let ask = |method, body: &str| answer(store, *resource, options, method, "", body.as_bytes(), NOW);
    let added = ask("POST", body);
    let id = &api.ids()[0];
    let rules = format!(
        r#"{{"data":{{"rules":[{{"id":"{id}","value":"(cat OR dog) lang:en -is:retweet","tag":"pet-monitor"}}]}}}}"#
    );
    assert_eq!((added.status, added.body.len(), &added.body), (201, 112, &rules));
    let listed = ask("GET", "");
    assert_eq!((listed.status, &listed.body), (200, &rules));
    let deleted = ask("DELETE", &format!(r#"{{"rules":[{{"id":"{id}"}}]}}"#));
    assert_eq!((deleted.status, &*deleted.body), (200, r#"{"data":{"deleted":1,"not_deleted":0}}"#));
    assert_eq!(ask("GET", "").body, r#"{"data":{"rules":[]}}"#);
}

#[test]
fn powerstream_deletes_by_id_by_value_and_by_method_override() {
    let api = Api::new(RulesResource::Powerstream);
    let some = format!(r#"{{"rules":[{}]}}"#, values(6));
    assert_eq!(api.ask("POST", "", &some).0, 201);
    let ids = api.ids();
    for (method, query, body) in [
        ("DELETE", "", format!(r#"{{"rules":[{{"id":"{}"}}]}}"#, ids[0])),
        ("DELETE", "", format!(r#"{{"rules":[{{"id":{}}}]}}"#, ids[1])),
        ("DELETE", "", r#"{"rules":[{"value":"word2","tag":"any"}]}"#.to_owned()),
        ("DELETE", "", format!(r#"{{"rule_ids":["{}"]}}"#, ids[3])),
        ("POST", "_method=delete", format!(r#"{{"rule_ids":[{}]}}"#, ids[4])),
    ] {
        let (status, answer) = api.ask(method, query, &body);
        assert_eq!((status, answer), (200, json!({"data": {"deleted": 1, "not_deleted": 0}})), "{body}");
    }
    assert_eq!(api.ids(), ids[5..]);
}

#[test]
fn powerstream_reports_undeleted_rules_as_configured() {
    let mut api = Api::new(RulesResource::Powerstream);
    let body = r#"{"rules":[{"value":"nothing"},{"id":"7"}]}"#;
    let mut ask = |how| {
        api.options.not_deleted = how;
        api.ask("DELETE", "", body).1["data"]["not_deleted"].clone()
    };
    assert_eq!(ask(NotDeleted::Number), json!(2));
    assert_eq!(ask(NotDeleted::List), json!([{"value": "nothing"}, {"id": "7"}]));
    assert_eq!(ask(NotDeleted::Absent), Value::Null);
}

#[test]
fn powerstream_adds_all_or_nothing_unless_partial() {
    let mut api = Api::new(RulesResource::Powerstream);
    let body = r#"{"rules":[{"value":"gull"},{"value":"gull OR"},{"value":"-tern"}]}"#;
    let (status, answer) = api.ask("POST", "", body);
    assert_eq!((status, api.store.len()), (400, 0));
    assert_eq!(answer["meta"]["summary"], json!({"created": 0, "not_created": 3, "valid": 1, "invalid": 2}));
    assert!(answer.get("data").is_none());
    assert_eq!(
        answer["errors"][0],
        json!({
            "value": "gull OR",
            "details": ["Cannot parse rule at '<EOF>' (position 8)"],
            "title": "UnprocessableEntity",
            "type": "https://api.x.com/2/problems/invalid-rules"
        })
    );
    api.options.partial = true;
    let (status, answer) = api.ask("POST", "", body);
    assert_eq!((status, api.store.len()), (201, 1));
    assert_eq!(answer["data"]["rules"][0]["value"], "gull");
    assert_eq!(answer["errors"].as_array().unwrap().len(), 2);
    // The same rule again: the response contains the existing rule and its id.
    let (status, answer) = api.ask("POST", "", r#"{"rules":[{"value":"gull","tag":"new"}]}"#);
    assert_eq!((status, &answer["data"]["rules"][0]["id"]), (201, &json!(api.ids()[0])));
    assert!(answer["data"]["rules"][0].get("tag").is_none() && answer.get("errors").is_none());
}

#[test]
fn limits_the_batch_the_rules_and_the_length_of_a_rule() {
    for (resource, list) in [(RulesResource::Powerstream, "rules"), (RulesResource::Filtered, "add")] {
        let api = Api::new(resource);
        let add = |rules: &str| api.ask("POST", "", &format!(r#"{{"{list}":[{rules}]}}"#));
        let (status, answer) = add(&values(101));
        assert_eq!((status, answer["title"].as_str()), (400, Some("Invalid Request")));
        assert_eq!(answer["errors"][0]["parameters"][list][0], "101");
        assert_eq!(add(&values(100)).0, 201);
        // The longest rule, 2,048 characters, and one character more.
        let long = |len: usize| format!(r#"{{"value":"{}"}}"#, "x".repeat(len));
        assert_eq!(add(&long(2_048)).0, 201);
        let (_, answer) = add(&long(2_049));
        assert_eq!(answer["errors"][0]["title"], "UnprocessableEntity");
        // The limit is 150 rules and 101 exist, so there is no room for 50.
        let more: Vec<String> = (0..50).map(|n| format!(r#"{{"value":"more{n}"}}"#)).collect();
        let (status, answer) = add(&more.join(","));
        let cap = "https://api.x.com/2/problems/rule-cap";
        assert!(answer["errors"].as_array().unwrap().iter().any(|error| error["type"] == cap), "{answer}");
        let (want, len) = if resource == RulesResource::Powerstream { (400, 101) } else { (201, 150) };
        assert_eq!((status, api.store.len()), (want, len));
    }
}

#[test]
fn filtered_stream_answers_have_the_recorded_shapes() {
    let api = Api::new(RulesResource::Filtered);
    let sent = "2026-01-05T10:00:00.000Z";
    let none = json!({"meta": {"sent": sent, "result_count": 0}});
    assert_eq!(api.ask("GET", "", ""), (200, none));

    let one = r#"{"add":[{"value":"cat has:images","tag":"cats with images"}]}"#;
    let (status, dry) = api.ask("POST", "dry_run=true", one);
    assert_eq!((status, dry["meta"]["summary"]["created"].as_u64(), api.store.len()), (201, Some(1), 0));
    let (status, answer) = api.ask("POST", "", one);
    let id = api.ids()[0].clone();
    let rule = json!({"id": id, "value": "cat has:images", "tag": "cats with images"});
    let summary = json!({"created": 1, "not_created": 0, "valid": 1, "invalid": 0});
    assert_eq!((status, answer), (201, json!({"data": [rule], "meta": {"sent": sent, "summary": summary}})));

    // Recorded: a duplicate counts as invalid.
    let (status, answer) = api.ask("POST", "", one);
    let duplicate = json!({
        "value": "cat has:images", "id": id, "title": "DuplicateRule",
        "type": "https://api.x.com/2/problems/duplicate-rules"
    });
    let summary = json!({"created": 0, "not_created": 1, "valid": 0, "invalid": 1});
    assert_eq!(
        (status, answer),
        (201, json!({"meta": {"sent": sent, "summary": summary}, "errors": [duplicate]}))
    );
    let (status, answer) = api.ask("POST", "", r#"{"add":[{"value":"-b"}]}"#);
    assert_eq!((status, answer["errors"][0]["title"].as_str()), (200, Some("UnprocessableEntity")));
    // One valid and one invalid rule.
    let (status, answer) = api.ask("POST", "", r#"{"add":[{"value":"dog"},{"value":"-b"}]}"#);
    assert_eq!((status, answer["data"][0]["value"].as_str()), (201, Some("dog")));
    assert_eq!(answer["errors"].as_array().map(Vec::len), Some(1));

    let (_, counts) = {
        let counting = Api { resource: RulesResource::FilteredCounts, ..api };
        let answer = counting.ask("GET", "", "");
        let Api { store, options, .. } = counting;
        let api = Api { store, options, resource: RulesResource::Filtered };
        let (status, deleted) = api.ask("POST", "", &format!(r#"{{"delete":{{"ids":["{id}","7"]}}}}"#));
        let summary = json!({"deleted": 1, "not_deleted": 1});
        assert_eq!((status, deleted), (200, json!({"meta": {"sent": sent, "summary": summary}})));
        let (_, deleted) = api.ask("POST", "", r#"{"delete":{"values":["dog"]}}"#);
        assert_eq!((deleted["meta"]["summary"]["deleted"].as_u64(), api.store.len()), (Some(1), 0));
        answer
    };
    assert_eq!(counts["data"]["client_app_rules_count"]["rule_count"], 2);
    assert_eq!(counts["data"]["cap_per_client_app"], "150");
}

#[test]
fn filtered_stream_pages_the_list_of_rules() {
    let api = Api::new(RulesResource::Filtered);
    assert_eq!(api.ask("POST", "", &format!(r#"{{"add":[{}]}}"#, values(25))).0, 201);
    let (mut seen, mut query) = (Vec::new(), "max_results=10".to_owned());
    loop {
        let (status, page) = api.ask("GET", &query, "");
        assert_eq!(status, 200);
        let rules = page["data"].as_array().unwrap();
        assert_eq!(page["meta"]["result_count"], rules.len());
        seen.extend(rules.iter().map(|rule| rule["id"].as_str().unwrap().to_owned()));
        match page["meta"]["next_token"].as_str() {
            Some(token) => query = format!("max_results=10&pagination_token={token}"),
            None => break,
        }
    }
    let ids = api.ids();
    assert_eq!(seen, ids);
    let (_, two) = api.ask("GET", &format!("ids={},{},1", ids[3], ids[9]), "");
    assert_eq!(two["meta"]["result_count"], 2);
    let (_, all) = api.ask("POST", "delete_all=true", "");
    assert_eq!((all["meta"]["summary"]["deleted"].as_u64(), api.store.len()), (Some(25), 0));
}

#[test]
fn answers_400_and_names_what_is_malformed() {
    let (powerstream, filtered) = (Api::new(RulesResource::Powerstream), Api::new(RulesResource::Filtered));
    for (api, method, query, body) in [
        (&powerstream, "POST", "", "{"),
        (&powerstream, "POST", "", ""),
        (&powerstream, "POST", "", "[]"),
        (&powerstream, "POST", "", "{}"),
        (&powerstream, "POST", "", r#"{"rules":[]}"#),
        (&powerstream, "POST", "", r#"{"rules":["gull"]}"#),
        (&powerstream, "POST", "", r#"{"rules":[{"value":7}]}"#),
        (&powerstream, "POST", "", r#"{"rules":[{"value":"gull","tag":7}]}"#),
        (&powerstream, "POST", "_method=patch", "{}"),
        (&powerstream, "GET", "x=1", ""),
        (&powerstream, "DELETE", "", r#"{"rules":[{"tag":"x"}]}"#),
        (&powerstream, "DELETE", "", r#"{"rule_ids":["x"]}"#),
        (&filtered, "POST", "", r#"{"add":[{"value":"gull"}],"delete":{"ids":["1"]}}"#),
        (&filtered, "POST", "", r#"{"delete":{}}"#),
        (&filtered, "POST", "", r#"{"delete":{"values":[1]}}"#),
        (&filtered, "POST", "dry_run=yes", r#"{"add":[{"value":"gull"}]}"#),
        (&filtered, "GET", "max_results=0", ""),
        (&filtered, "GET", "pagination_token=x", ""),
        (&filtered, "GET", "ids=a", ""),
    ] {
        let (status, answer) = api.ask(method, query, body);
        assert_eq!((status, answer["title"].as_str()), (400, Some("Invalid Request")), "{query} {body}");
        assert!(answer["errors"][0]["message"].as_str().unwrap().len() > 10);
    }
    assert_eq!((powerstream.store.len(), filtered.store.len()), (0, 0));
}
