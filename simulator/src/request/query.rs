//! The query of a request for the stream: what X knows, and its answer to everything else.

use crate::generator::json::{Style, Writer};

/// What was asked for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Query {
    pub(super) local_dc_only: bool,
}

/// The parameters of Powerstream.
const NAMES: [&str; 4] = ["localDcOnly", "backfillMinutes", "startTime", "endTime"];

/// Reads a query, without its `?`. The error is the body of X's answer: every parameter that is wrong, by name.
pub(super) fn parse(query: &str) -> Result<Query, String> {
    let mut local_dc_only = false;
    let mut errors = Vec::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let (name, value) = (decoded(name), decoded(value));
        let wrong = match (&*name, &*value) {
            ("localDcOnly", "true" | "false") => {
                local_dc_only |= value == "true";
                continue;
            }
            ("localDcOnly", _) => "one of [true,false]",
            ("backfillMinutes", "1" | "2" | "3" | "4" | "5") => continue,
            ("backfillMinutes", _) => "between 1 and 5",
            // Of a replay, which this server has none of: the values are not looked at.
            ("startTime" | "endTime", _) => continue,
            _ => "",
        };
        let message = if wrong.is_empty() {
            format!("The query parameter [{name}] is not one of [{}]", NAMES.join(","))
        } else {
            format!("The `{name}` query parameter value [{value}] is not {wrong}")
        };
        if !errors.is_empty() {
            errors.push(b',');
        }
        let mut json = Writer::new(&mut errors, Style::default());
        json.raw(r#"{"parameters":{"#).string(&name).raw(":[").string(&value).raw("]},");
        json.raw(r#""message":"#).string(&message).raw("}");
    }
    if errors.is_empty() {
        return Ok(Query { local_dc_only });
    }
    Err(format!(
        concat!(
            r#"{{"errors":[{}],"title":"Invalid Request","#,
            r#""detail":"One or more parameters to your request was invalid.","#,
            r#""type":"https://api.x.com/2/problems/invalid-request"}}"#
        ),
        String::from_utf8_lossy(&errors)
    ))
}

/// A name or value without its percent escapes; what is no UTF-8 then is replaced.
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
                bytes.push(*byte);
                behind
            }
        };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_x_knows_is_taken() {
        for (query, local_dc_only) in [
            ("", false),
            ("&", false),
            ("localDcOnly=true", true),
            ("localDcOnly=tru%65&", true),
            ("localDcOnly=false", false),
            ("localDcOnly=true&backfillMinutes=5", true),
            ("backfillMinutes=1&startTime=2026-01-01T00%3A00%3A00Z&endTime=any", false),
        ] {
            assert_eq!(parse(query), Ok(Query { local_dc_only }), "{query}");
        }
    }

    #[test]
    fn the_answer_names_what_is_wrong() {
        assert_eq!(
            parse("localDcOnly=maybe").unwrap_err(),
            concat!(
                r#"{"errors":[{"parameters":{"localDcOnly":["maybe"]},"message":"The `localDcOnly` query "#,
                r#"parameter value [maybe] is not one of [true,false]"}],"title":"Invalid Request","#,
                r#""detail":"One or more parameters to your request was invalid.","#,
                r#""type":"https://api.x.com/2/problems/invalid-request"}"#
            )
        );
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
        ] {
            let problem: serde_json::Value = serde_json::from_str(&parse(query).unwrap_err()).unwrap();
            assert_eq!(problem["title"], "Invalid Request");
            let errors = problem["errors"].as_array().unwrap();
            assert_eq!(errors.len(), wrong.len(), "{query}");
            for (error, (name, value)) in errors.iter().zip(wrong) {
                assert_eq!(error["parameters"], serde_json::json!({ *name: [value] }), "{query}");
                assert!(error["message"].as_str().unwrap().contains(name), "{query}");
            }
        }
    }
}
