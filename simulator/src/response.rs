//! Response heads, and the bodies of refusals.

use crate::rng::Rng;
use crate::time;

/// The version of the API that the heads name.
const API_VERSION: &str = "2.166";

/// The head of the stream; with the datacentre that is named, if one is.
pub(crate) fn stream(datacenter: Option<&str>, rng: &mut Rng, unix_ms: u64) -> Vec<u8> {
    let mut head = start(200, rng, unix_ms);
    head.push_str("content-type: application/json; charset=utf-8\r\n");
    head.push_str("cache-control: no-cache, no-store, max-age=0\r\n");
    if let Some(datacenter) = datacenter {
        head.push_str("x-powerstream-datacenter: ");
        head.push_str(datacenter);
        head.push_str("\r\nx-powerstream-localdconly: true\r\n");
    }
    head.push_str("transfer-encoding: chunked\r\n\r\n");
    head.into_bytes()
}

/// The whole answer to a request that gets no stream. `headers` are complete lines.
pub(crate) fn refusal(status: u16, headers: &str, body: &str, rng: &mut Rng, unix_ms: u64) -> Vec<u8> {
    let mut answer = start(status, rng, unix_ms);
    if !body.is_empty() {
        answer.push_str("content-type: application/problem+json\r\n");
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

/// The headers of a used-up window.
pub(crate) fn rate_limit(remaining: u32, reset_unix_s: u64) -> String {
    format!(
        "x-rate-limit-limit: 50\r\nx-rate-limit-remaining: {remaining}\r\nx-rate-limit-reset: {reset_unix_s}\r\n"
    )
}

/// What X answers when both connections are taken.
pub(crate) const TOO_MANY_CONNECTIONS: &str = concat!(
    r#"{"title":"ConnectionException","detail":"This stream is currently at the maximum allowed connection limit.","#,
    r#""connection_issue":"TooManyConnections","type":"https://api.x.com/2/problems/streaming-connection"}"#
);

fn start(status: u16, rng: &mut Rng, unix_ms: u64) -> String {
    let (date, reason) = (time::http_date(unix_ms), reason(status));
    let (transaction, milliseconds) = (rng.next(), rng.between(3, 90));
    format!(
        "HTTP/1.1 {status} {reason}\r\ndate: {date}\r\nserver: powerstream-simulator\r\napi-version: {API_VERSION}\r\n\
         x-transaction-id: {transaction:016x}\r\nx-response-time: {milliseconds}\r\n"
    )
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        400 => "Bad Request",
        401 => "Unauthorized",
        404 => "Not Found",
        405 => "Method Not Allowed",
        429 => "Too Many Requests",
        503 => "Service Unavailable",
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

    #[test]
    fn the_stream_head() {
        let text = |place| String::from_utf8(stream(place, &mut Rng::new(1), 0)).unwrap();
        assert!(
            text(Some("atla"))
                .contains("x-powerstream-datacenter: atla\r\nx-powerstream-localdconly: true\r\n")
        );
        assert!(!text(None).contains("powerstream-datacenter"));
        assert_eq!(text(None), text(None));
    }
}
