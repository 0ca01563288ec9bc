//! Response heads, and the bodies of refusals.

use crate::endpoint::Product;
use crate::limits::RateLimitState;
use crate::rng::Rng;
use crate::script::Body;
use crate::time;

/// The version of the API that the heads name.
const API_VERSION: &str = "2.166";

/// What the head of a stream says beyond the usual.
#[derive(Default)]
pub(crate) struct StreamHead<'a> {
    /// The datacenter, if it is named.
    pub(crate) datacenter: Option<&'a str>,
    /// Further headers, as complete lines.
    pub(crate) lines: &'a str,
    pub(crate) coding: Option<&'a str>,
}

/// The head of the stream.
pub(crate) fn stream(says: &StreamHead<'_>, rng: &mut Rng, unix_ms: u64) -> Vec<u8> {
    let mut head = start(200, rng, unix_ms);
    head.push_str("content-type: application/json; charset=utf-8\r\n");
    head.push_str("cache-control: no-cache, no-store, max-age=0\r\n");
    if let Some(datacenter) = says.datacenter {
        head.push_str("x-powerstream-datacenter: ");
        head.push_str(datacenter);
        head.push_str("\r\nx-powerstream-localdconly: true\r\n");
    }
    head.push_str(says.lines);
    if let Some(coding) = says.coding {
        head.push_str(&format!("content-encoding: {coding}\r\n"));
    }
    head.push_str("transfer-encoding: chunked\r\n\r\n");
    head.into_bytes()
}

/// The whole answer to a request that gets no stream. `headers` are complete lines.
pub(crate) fn refusal(status: u16, headers: &str, body: &str, rng: &mut Rng, unix_ms: u64) -> Vec<u8> {
    let mut answer = start(status, rng, unix_ms);
    if !body.is_empty() {
        let kind = match body.as_bytes()[0] {
            b'{' if status >= 400 => "application/problem+json",
            b'{' => "application/json; charset=utf-8",
            b'<' => "text/html; charset=utf-8",
            _ => "text/plain; charset=utf-8",
        };
        answer.push_str(&format!("content-type: {kind}\r\n"));
    }
    answer.push_str(headers);
    answer.push_str(&format!("content-length: {}\r\nconnection: close\r\n\r\n{body}", body.len()));
    answer.into_bytes()
}

/// The body of a plain refusal, in the form X uses when it says nothing more.
pub(crate) fn problem(status: u16) -> String {
    if status == 404 {
        // Recorded: unknown paths get an empty body.
        return String::new();
    }
    let title = reason(status);
    format!(r#"{{"title":"{title}","type":"about:blank","status":{status},"detail":"{title}"}}"#)
}

/// The headers of a window of requests.
pub(crate) fn rate_limit(rate: &RateLimitState) -> String {
    let RateLimitState { limit, remaining, reset, .. } = rate;
    format!(
        "x-rate-limit-limit: {limit}\r\nx-rate-limit-remaining: {remaining}\r\nx-rate-limit-reset: {reset}\r\n"
    )
}

/// What X answers when all connections are taken.
pub(crate) const TOO_MANY_CONNECTIONS: &str = concat!(
    r#"{"title":"ConnectionException","detail":"This stream is currently at the maximum allowed connection limit.","#,
    r#""connection_issue":"TooManyConnections","type":"https://api.x.com/2/problems/streaming-connection"}"#
);

/// What X answers when the Posts of the month are used up.
pub(crate) const USAGE_CAPPED: &str = concat!(
    r#"{"account_id":123,"product_name":"simulated","title":"UsageCapExceeded","period":"Monthly","scope":"Product","#,
    r#""detail":"Usage cap exceeded: Monthly product cap","type":"https://api.x.com/2/problems/usage-capped"}"#
);

/// What X answers to a request for a stream that has no rules.
pub(crate) fn no_rules(product: Product) -> String {
    // Of the Filtered Stream it is recorded, with the host of that time.
    let (path, stream) = match product {
        Product::Powerstream => ("/2/powerstream/rules", "powerstream"),
        _ => ("/2/tweets/search/stream/rules", "filtered stream"),
    };
    format!(
        concat!(
            r#"{{"title":"ConnectionException","detail":"You must define rules using the POST {} endpoint before "#,
            r#"connecting to {}.","connection_issue":"RuleConfigurationIssue","#,
            r#""type":"https://api.twitter.com/2/problems/streaming-connection"}}"#
        ),
        path, stream
    )
}

/// The body of a refusal that a scenario asks for.
pub(crate) fn refusal_body(status: u16, body: Body) -> String {
    let text = match body {
        Body::Problem => return problem(status),
        Body::Cut | Body::Empty => "",
        Body::Html => {
            "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body><h1>502 Bad Gateway</h1></body>\r\n</html>\r\n"
        }
        Body::Text => "Exceeded connection limit for user\r\n",
        Body::Legacy => r#"{"errors":[{"code":88,"message":"RateLimitState limit exceeded"}]}"#,
        Body::Code => r#"{"code":131,"message":"Internal error"}"#,
        Body::Gnip => r#"{"error":{"message":"Too many requests","sent":"2026-01-05T10:00:00+00:00"}}"#,
        Body::TooManyConnections => TOO_MANY_CONNECTIONS,
        Body::UsageCap => USAGE_CAPPED,
        Body::Provisioning => {
            r#"{"title":"ConnectionException","detail":"Your subscription change is currently being provisioned, please try again in a minute.","connection_issue":"ProvisioningSubscription","type":"https://api.x.com/2/problems/streaming-connection"}"#
        }
        Body::RulesInvalid => {
            r#"{"title":"ConnectionException","detail":"The rules of this stream are invalid.","connection_issue":"RulesInvalidIssue","type":"https://api.x.com/2/problems/streaming-connection"}"#
        }
        Body::NotEnrolled => {
            r#"{"client_id":"123","detail":"When authenticating requests to the API, you must use keys and tokens from a developer App that is attached to a Project.","registration_url":"https://developer.twitter.com/en/docs/projects/overview","title":"Client Forbidden","required_enrollment":"Appropriate Level of API Access","reason":"client-not-enrolled","type":"https://api.twitter.com/2/problems/client-forbidden"}"#
        }
        Body::Credits => {
            r#"{"title":"CreditsDepleted","detail":"Your enrolled account does not have any credits to fulfill this request.","type":"https://api.x.com/2/problems/credits"}"#
        }
        Body::Huge => return format!("<html>{}</html>", "<p>Nothing to see here.</p>".repeat(40_000)),
    };
    text.to_owned()
}

fn start(status: u16, rng: &mut Rng, unix_ms: u64) -> String {
    let (date, reason) = (time::http_date(unix_ms), reason(status));
    let (transaction, milliseconds) = (rng.next(), rng.between(3, 90));
    format!(
        "HTTP/1.1 {status} {reason}\r\ndate: {date}\r\nserver: powerstream-simulator\r\napi-version: {API_VERSION}\r\n\
         x-transaction-id: {transaction:016x}\r\nx-response-time: {milliseconds}\r\n"
    )
}

pub(crate) fn reason(status: u16) -> &'static str {
    match status {
        100 => "Continue",
        102 => "Processing",
        103 => "Early Hints",
        200 => "OK",
        201 => "Created",
        400 => "Bad Request",
        401 => "Unauthorized",
        402 => "Payment Required",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        409 => "Conflict",
        410 => "Gone",
        413 => "Content Too Large",
        429 => "Too Many Requests",
        500 => "Internal Server Error",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        505 => "HTTP Version Not Supported",
        _ => "Unknown",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_unauthorized_answer() {
        let mut rng = Rng::new(1);
        let text = String::from_utf8(refusal(401, "", &problem(401), &mut rng, 1_665_184_060_000)).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert_eq!(
            body,
            r#"{"title":"Unauthorized","type":"about:blank","status":401,"detail":"Unauthorized"}"#
        );
        assert!(head.starts_with("HTTP/1.1 401 Unauthorized\r\ndate: Fri, 07 Oct 2022 23:07:40 UTC\r\n"));
        assert!(head.contains("content-type: application/problem+json\r\ncontent-length: 82\r\n"), "{head}");
    }

    /// The transcripts that are recorded have these lengths.
    #[test]
    fn bodies_are_as_long_as_recorded() {
        assert_eq!(TOO_MANY_CONNECTIONS.len(), 207);
        assert_eq!(no_rules(Product::Filtered).len(), 265);
        for (_, body) in Body::NAMES {
            let text = refusal_body(503, *body);
            if text.starts_with('{') {
                serde_json::from_str::<serde_json::Value>(&text).unwrap();
            }
        }
    }

    #[test]
    fn the_stream_head() {
        let text = |datacenter| {
            let says = StreamHead { datacenter, ..StreamHead::default() };
            String::from_utf8(stream(&says, &mut Rng::new(1), 0)).unwrap()
        };
        assert!(
            text(Some("atla"))
                .contains("x-powerstream-datacenter: atla\r\nx-powerstream-localdconly: true\r\n")
        );
        assert!(!text(None).contains("powerstream-datacenter"));
        assert_eq!(text(None), text(None));
    }
}
