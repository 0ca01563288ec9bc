//! The rule endpoints. Requests are JSON with the requested rules. For every response, however
//! broken, each rule has one result, which the response does not contradict.
//!
//! An input can be written by hand: a line with the service (`p` or `f`) and the status, one line
//! per rule (with a tag after a tab), an empty line, the response.

use powerstream_client::rule_api::{AddFate, Call, DeleteFate, NewRule, Reply, RuleApi};
use powerstream_core::post::Value;

/// Checks one input.
pub fn run(input: &[u8]) {
    let Some(end) = input.windows(2).position(|pair| pair == b"\n\n") else { return };
    let (Ok(asked), answer) = (std::str::from_utf8(&input[..end]), &input[end + 2..]) else { return };
    let mut lines = asked.split('\n');
    let first = lines.next().unwrap_or_default();
    let api = if first.starts_with('f') { RuleApi::FilteredStream } else { RuleApi::Powerstream };
    let status = first.get(1..).and_then(|status| status.parse().ok()).unwrap_or(200);
    let rules: Vec<NewRule<'_>> = lines
        .map(|line| {
            line.split_once('\t').map_or(NewRule::new(line), |(value, tag)| NewRule::tagged(value, tag))
        })
        .collect();
    let reply = Reply::new(status, answer);
    let is_success = (200..300).contains(&status);

    if let Ok(listing) = Call::list(api).listed(&reply) {
        assert!(is_success);
        // No rule is invented: the response contains an object with its value.
        let document = parse(answer);
        for rule in &listing.rules {
            assert!(holds(document, &rule.value), "{rule:?}");
        }
    }

    let Ok(add) = Call::add(api, &rules) else {
        assert!(rules.is_empty() || rules.len() > 100);
        return;
    };
    let sent: serde_json::Value = serde_json::from_slice(add.body().expect("a body")).expect("JSON");
    let list = sent.as_object().and_then(|object| object.values().next()).and_then(|list| list.as_array());
    let list = list.expect("a list");
    assert_eq!(list.len(), rules.len());
    for (sent, rule) in list.iter().zip(&rules) {
        assert_eq!(sent["value"], rule.value);
        assert_eq!(sent.get("tag").and_then(|tag| tag.as_str()), rule.tag);
    }
    if let Ok(added) = add.added(&reply) {
        assert_eq!(added.fates.len(), rules.len());
        let document = parse(answer);
        for fate in &added.fates {
            // The response contains the rule, or counts it and reports no problem.
            if let AddFate::Created(rule) = fate {
                let is_shown = holds(document, &rule.value);
                assert!(is_shown || (rule.id.is_none() && added.problems.is_empty()), "{fate:?}");
            }
        }
    } else {
        assert!(
            !is_success
                || serde_json::from_slice::<serde_json::Value>(answer)
                    .map_or(true, |value| !value.is_object())
        );
    }

    let ids: Vec<&str> = rules.iter().map(|rule| rule.value).collect();
    for delete in [Call::delete_ids(api, &ids), Call::delete_values(api, &rules)] {
        if let Ok(deleted) = delete.expect("as many as were added").deleted(&reply) {
            assert!(is_success);
            assert_eq!(deleted.fates.len(), rules.len());
            if deleted.deleted == Some(0) && parse(answer).get("detail").is_none() {
                assert!(!deleted.fates.contains(&DeleteFate::Deleted));
            }
        }
    }
}

fn parse(bytes: &[u8]) -> Value<'_> {
    Value::new(bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes)).expect("it was read before")
}

/// Returns true if an object in the document has this value.
fn holds(document: Value<'_>, value: &str) -> bool {
    let is_it =
        |(key, entry): (_, Value<'_>)| key == "value" && entry.as_str().is_some_and(|text| text == value);
    document.members().any(is_it)
        || document.members().any(|(_, entry)| holds(entry, value))
        || document.elements().any(|entry| holds(entry, value))
}
