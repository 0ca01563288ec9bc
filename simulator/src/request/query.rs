//! The query of a stream request: the known parameters, and X's response to all others.

use std::time::Duration;

use crate::endpoint::{Endpoint, Product};
use crate::generator::json::{Style, Writer};
use crate::time;

/// The parameters of a stream request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StreamParams {
    pub(crate) local_dc_only: bool,
    pub(crate) past: Past,
    /// The index of the partition, from 0.
    pub(crate) partition: u64,
    /// The requested fields of a v2 Post and of the objects that it refers to: parameter names and
    /// single values.
    pub(crate) fields: Vec<(String, String)>,
}

impl StreamParams {
    /// The values for a request without a query.
    pub(crate) const DEFAULT: Self =
        Self { local_dc_only: false, past: Past::None, partition: 0, fields: Vec::new() };
}

/// The past Posts that a connection requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Past {
    None,
    /// Posts of this past time first.
    Backfill(Duration),
    /// Only Posts between these dates (Unix milliseconds), excluding the second.
    Window(u64, u64),
}

/// How long X keeps Posts for a recovery.
const WINDOW_MAX_MS: u64 = 24 * 60 * 60 * 1_000;

/// The parameters that select fields, and their possible values (API description 2.166, and the new
/// names of 2.167).
const FIELDS: [(&str, &str); 6] = [
    (
        "tweet.fields",
        "article,attachments,author_id,card_uri,community_id,context_annotations,conversation_id,created_at,display_text_range,\
         edit_controls,edit_history_tweet_ids,entities,geo,id,in_reply_to_user_id,lang,media_metadata,non_public_metrics,\
         note_tweet,organic_metrics,possibly_sensitive,promoted_metrics,public_metrics,referenced_tweets,reply_settings,\
         scopes,source,suggested_source_links,text,withheld",
    ),
    (
        "expansions",
        "article.cover_media,article.media_entities,attachments.media_keys,attachments.media_source_tweet,attachments.poll_ids,\
         author_id,author_screen_name,edit_history_tweet_ids,entities.mentions.username,entities.note.mentions.username,\
         geo.place_id,in_reply_to_user_id,referenced_tweets.id,referenced_tweets.id.author_id",
    ),
    (
        "user.fields",
        "affiliation,connection_status,created_at,description,entities,id,is_identity_verified,location,most_recent_tweet_id,name,\
         parody,pinned_tweet_id,profile_banner_url,profile_image_url,protected,public_metrics,receives_your_dm,subscription,\
         subscription_type,url,username,verified,verified_followers_count,verified_type,withheld",
    ),
    (
        "media.fields",
        "alt_text,duration_ms,height,media_key,non_public_metrics,organic_metrics,preview_image_url,promoted_metrics,\
         public_metrics,type,url,variants,width",
    ),
    ("poll.fields", "duration_minutes,end_datetime,id,options,voting_status"),
    ("place.fields", "contained_within,country,country_code,full_name,geo,id,name,place_type"),
];

/// Collects the invalid parameters of one request.
#[derive(Default)]
struct Problems(Vec<u8>);

impl Problems {
    fn add(&mut self, name: &str, value: &str, message: &str) {
        if !self.0.is_empty() {
            self.0.push(b',');
        }
        let mut json = Writer::new(&mut self.0, Style::default());
        json.raw(r#"{"parameters":{"#).string(name).raw(":[").string(value).raw("]},");
        json.raw(r#""message":"#).string(message).raw("}");
    }

    fn value(&mut self, name: &str, value: &str, wanted: &str) {
        self.add(name, value, &format!("The `{name}` query parameter value [{value}] is not {wanted}"));
    }

    fn unknown(&mut self, name: &str, value: &str, names: &[&str]) {
        self.add(name, value, &format!("The query parameter [{name}] is not one of [{}]", names.join(",")));
    }

    /// Returns the body of X's response, if any parameter is invalid.
    fn body(self) -> Option<String> {
        (!self.0.is_empty()).then(|| invalid_request(&String::from_utf8_lossy(&self.0)))
    }
}

/// Returns X's response body to an invalid request. `errors` are the elements of its list.
pub(crate) fn invalid_request(errors: &str) -> String {
    format!(
        concat!(
            r#"{{"errors":[{}],"title":"Invalid Request","#,
            r#""detail":"One or more parameters to your request was invalid.","#,
            r#""type":"https://api.x.com/2/problems/invalid-request"}}"#
        ),
        errors
    )
}

/// Returns the decoded parameters of a query without its `?`.
pub(crate) fn pairs(query: &str) -> impl Iterator<Item = (String, String)> + '_ {
    query.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decoded(name), decoded(value))
    })
}

/// Refuses every parameter except these. The error is the body of X's response.
pub(crate) fn only(query: &str, names: &[&str]) -> Result<Vec<(String, String)>, String> {
    let mut problems = Problems::default();
    let mut taken = Vec::new();
    for (name, value) in pairs(query) {
        if names.contains(&&*name) {
            taken.push((name, value));
        } else {
            problems.unknown(&name, &value, names);
        }
    }
    match problems.body() {
        Some(body) => Err(body),
        None => Ok(taken),
    }
}

/// Returns the body of X's response to one invalid parameter.
pub(crate) fn wrong_value(name: &str, value: &str, wanted: &str) -> String {
    let mut problems = Problems::default();
    problems.value(name, value, wanted);
    invalid_request(&String::from_utf8_lossy(&problems.0))
}

/// Parses the query of a stream request. The error is the body of X's response, which names every
/// invalid parameter.
pub(super) fn parse(endpoint: &Endpoint, query: &str, now_unix_ms: u64) -> Result<StreamParams, String> {
    let v2 = endpoint.product.is_v2();
    let (backfill, start, end) = if v2 {
        ("backfill_minutes", "start_time", "end_time")
    } else {
        ("backfillMinutes", "startTime", "endTime")
    };
    let mut names = Vec::new();
    if endpoint.product == Product::Powerstream {
        names.push("localDcOnly");
    }
    names.push(backfill);
    if endpoint.window {
        names.extend([start, end]);
    }
    if endpoint.partitions > 0 {
        names.push("partition");
    }
    if v2 {
        names.extend(FIELDS.map(|(name, _)| name));
    }

    let mut params = StreamParams::DEFAULT;
    let mut problems = Problems::default();
    let (mut minutes, mut partition, mut from, mut to) = (0, None, None, None);
    for (name, value) in pairs(query) {
        if !names.contains(&&*name) {
            problems.unknown(&name, &value, &names);
        } else if name == "localDcOnly" {
            match &*value {
                "true" => params.local_dc_only = true,
                "false" => {}
                _ => problems.value(&name, &value, "one of [true,false]"),
            }
        } else if name == backfill {
            match &*value {
                "1" | "2" | "3" | "4" | "5" => minutes = u64::from(value.as_bytes()[0] - b'0'),
                // The API description of v2 allows 0, which means no backfill.
                "0" if v2 => minutes = 0,
                _ => problems.value(&name, &value, "between 1 and 5"),
            }
        } else if name == start || name == end {
            match time::iso_8601(&value) {
                Some(ms) if name == start => from = Some((ms, value)),
                Some(ms) => to = Some((ms, value)),
                None => problems.value(&name, &value, "a date and time such as 2026-01-05T10:00:00Z"),
            }
        } else if name == "partition" {
            match value.parse::<u64>() {
                Ok(nth) if (1..=endpoint.partitions).contains(&nth) => partition = Some(nth - 1),
                _ => problems.value(&name, &value, &format!("between 1 and {}", endpoint.partitions)),
            }
        } else if let Some((_, allowed)) = FIELDS.iter().find(|(field, _)| *field == name) {
            for value in value.split(',') {
                if allowed.split(',').any(|allowed| allowed == value) {
                    params.fields.push((name.clone(), value.to_owned()));
                } else {
                    problems.value(&name, value, &format!("one of [{allowed}]"));
                }
            }
        }
    }
    match (partition, endpoint.partitions) {
        (Some(nth), _) => params.partition = nth,
        (None, 0) => {}
        (None, _) if query.contains("partition") => {}
        (None, _) => problems.add("partition", "", "The `partition` query parameter can not be empty"),
    }
    match (from, to) {
        (None, None) if minutes > 0 => params.past = Past::Backfill(Duration::from_secs(60 * minutes)),
        (None, None) => {}
        (None, Some((_, value))) => {
            problems.add(end, &value, &format!("The `{end}` query parameter needs a `{start}`"));
        }
        (Some((from, value)), to) => {
            if minutes > 0 {
                problems.add(
                    backfill,
                    &minutes.to_string(),
                    &format!("The `{backfill}` query parameter can not stand beside `{start}`"),
                );
            }
            if from + WINDOW_MAX_MS < now_unix_ms {
                problems.value(start, &value, "within the last 24 hours");
            }
            let (to, end_value) = to.unwrap_or((now_unix_ms, String::new()));
            if to <= from {
                problems.value(end, &end_value, &format!("later than `{start}`"));
            } else if to > now_unix_ms {
                problems.value(end, &end_value, "a time in the past");
            }
            params.past = Past::Window(from, to);
        }
    }
    match problems.body() {
        Some(body) => Err(body),
        None => Ok(params),
    }
}

/// Decodes the percent escapes of a name or value. Invalid UTF-8 is replaced.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [byte, behind @ ..] = rest {
        let digit = |at: usize| behind.get(at).and_then(|&byte| char::from(byte).to_digit(16));
        rest = match (byte, digit(0), digit(1)) {
            (b'%', Some(high), Some(low)) => {
                bytes.push((high * 16 + low) as u8);
                &behind[2..]
            }
            _ => {
                // HTML forms and most libraries encode a space as `+`.
                bytes.push(if *byte == b'+' { b' ' } else { *byte });
                behind
            }
        };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::endpoint;

    /// 2026-01-05T10:00:00Z.
    const NOW: u64 = 1_767_607_200_000;

    fn ask(path: &str, query: &str) -> Result<StreamParams, String> {
        parse(endpoint::stream(path).unwrap(), query, NOW)
    }

    fn powerstream(query: &str) -> Result<StreamParams, String> {
        ask("/2/powerstream", query)
    }

    fn params(local_dc_only: bool, past: Past) -> Result<StreamParams, String> {
        Ok(StreamParams { local_dc_only, past, ..StreamParams::DEFAULT })
    }

    #[test]
    fn accepts_the_parameters_that_x_documents() {
        let minutes = |n: u64| Past::Backfill(Duration::from_secs(60 * n));
        for (query, local_dc_only, past) in [
            ("", false, Past::None),
            ("&", false, Past::None),
            ("localDcOnly=true", true, Past::None),
            ("localDcOnly=tru%65&", true, Past::None),
            ("localDcOnly=false", false, Past::None),
            ("localDcOnly=true&backfillMinutes=5", true, minutes(5)),
            ("backfillMinutes=1", false, minutes(1)),
            (
                "startTime=2026-01-05T09%3A00%3A00Z&endTime=2026-01-05T09:30:00.000Z",
                false,
                Past::Window(NOW - 3_600_000, NOW - 1_800_000),
            ),
            ("startTime=2026-01-04T10:00:00Z", false, Past::Window(NOW - 86_400_000, NOW)),
        ] {
            assert_eq!(powerstream(query), params(local_dc_only, past), "{query}");
        }
        let v2 = "backfill_minutes=2&tweet.fields=lang,created_at&expansions=author_id";
        let got = ask("/2/tweets/search/stream", v2).unwrap();
        assert_eq!(got.past, minutes(2));
        assert_eq!(got.fields.len(), 3);
        assert_eq!(ask("/2/tweets/sample/stream", "backfill_minutes=0"), Ok(StreamParams::DEFAULT));
        assert_eq!(ask("/2/tweets/firehose/stream", "partition=20").unwrap().partition, 19);
        assert_eq!(ask("/2/tweets/firehose/stream/lang/ko", "partition=2").unwrap().partition, 1);
    }

    #[test]
    fn answers_with_every_wrong_parameter_by_name() {
        assert_eq!(
            powerstream("localDcOnly=maybe").unwrap_err(),
            concat!(
                r#"{"errors":[{"parameters":{"localDcOnly":["maybe"]},"message":"The `localDcOnly` query "#,
                r#"parameter value [maybe] is not one of [true,false]"}],"title":"Invalid Request","#,
                r#""detail":"One or more parameters to your request was invalid.","#,
                r#""type":"https://api.x.com/2/problems/invalid-request"}"#
            )
        );
        let check = |path: &str, query: &str, wrong: &[(&str, &str)]| {
            let problem: serde_json::Value = serde_json::from_str(&ask(path, query).unwrap_err()).unwrap();
            assert_eq!(problem["title"], "Invalid Request");
            let errors = problem["errors"].as_array().unwrap();
            assert_eq!(errors.len(), wrong.len(), "{query}: {problem}");
            for (error, (name, value)) in errors.iter().zip(wrong) {
                assert_eq!(error["parameters"], serde_json::json!({ *name: [value] }), "{query}");
                assert!(error["message"].as_str().unwrap().contains(name), "{query}");
            }
        };
        for (query, wrong) in [
            ("localDcOnly", &[("localDcOnly", "")][..]),
            ("localDcOnly=True", &[("localDcOnly", "True")]),
            ("localdconly=true", &[("localdconly", "true")]),
            ("backfillMinutes=0", &[("backfillMinutes", "0")]),
            ("backfillMinutes=6", &[("backfillMinutes", "6")]),
            ("backfillMinutes=05", &[("backfillMinutes", "05")]),
            ("backfill_minutes=5&x", &[("backfill_minutes", "5"), ("x", "")]),
            ("partition=1&localDcOnly=true", &[("partition", "1")]),
            ("a\"=%22%5C%0a%00%ff%f0%9f%98%80%zz%2", &[("a\"", "\"\\\n\0\u{fffd}\u{1f600}%zz%2")]),
            ("=", &[("", "")]),
            ("startTime=yesterday", &[("startTime", "yesterday")]),
            ("startTime=2026-01-04T09:59:59Z", &[("startTime", "2026-01-04T09:59:59Z")]),
            (
                "startTime=2026-01-05T09:00:00Z&endTime=2026-01-05T09:00:00Z",
                &[("endTime", "2026-01-05T09:00:00Z")],
            ),
            ("endTime=2026-01-05T09:00:00Z", &[("endTime", "2026-01-05T09:00:00Z")]),
            ("startTime=2026-01-05T09:00:00Z&backfillMinutes=2", &[("backfillMinutes", "2")]),
        ] {
            check("/2/powerstream", query, wrong);
        }
        let sample = "/2/tweets/sample/stream";
        check(sample, "start_time=2026-01-05T09:00:00Z", &[("start_time", "2026-01-05T09:00:00Z")]);
        check(sample, "backfillMinutes=1", &[("backfillMinutes", "1")]);
        check(sample, "tweet.fields=lang,colour", &[("tweet.fields", "colour")]);
        check("/2/tweets/sample10/stream", "", &[("partition", "")]);
        check("/2/tweets/sample10/stream", "partition=3", &[("partition", "3")]);
        check("/2/tweets/firehose/stream/lang/en", "partition=0", &[("partition", "0")]);
    }
}
