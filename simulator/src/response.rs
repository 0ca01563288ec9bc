//! Response heads, and complete responses without a stream.

use crate::limits::RateLimitState;
use crate::rng::Rng;
use crate::{problems, time};

/// The API version in the heads.
const API_VERSION: &str = "2.166";

/// The variable parts of a stream's head.
#[derive(Default)]
pub(crate) struct StreamHead<'a> {
    /// The datacenter, if the head names it.
    pub(crate) datacenter: Option<&'a str>,
    /// Further headers, as complete lines.
    pub(crate) lines: &'a str,
    pub(crate) coding: Option<&'a str>,
}

/// Returns the head of a stream.
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

/// Returns the complete response to a refused request. `headers` are complete lines.
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

/// Returns the headers that report a limit of requests.
pub(crate) fn rate_limit(rate: &RateLimitState) -> String {
    let RateLimitState { limit, remaining, reset, .. } = rate;
    format!(
        "x-rate-limit-limit: {limit}\r\nx-rate-limit-remaining: {remaining}\r\nx-rate-limit-reset: {reset}\r\n"
    )
}

fn start(status: u16, rng: &mut Rng, unix_ms: u64) -> String {
    let (date, reason) = (time::http_date(unix_ms), problems::reason(status));
    let (transaction, milliseconds) = (rng.next(), rng.between(3, 90));
    format!(
        "HTTP/1.1 {status} {reason}\r\ndate: {date}\r\nserver: powerstream-simulator\r\napi-version: {API_VERSION}\r\n\
         x-transaction-id: {transaction:016x}\r\nx-response-time: {milliseconds}\r\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_a_401_as_x_does() {
        let mut rng = Rng::new(1);
        let text = String::from_utf8(refusal(401, "", &problems::problem(401), &mut rng, 1_665_184_060_000))
            .unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert_eq!(
            body,
            r#"{"title":"Unauthorized","type":"about:blank","status":401,"detail":"Unauthorized"}"#
        );
        assert!(head.starts_with("HTTP/1.1 401 Unauthorized\r\ndate: Fri, 07 Oct 2022 23:07:40 UTC\r\n"));
        assert!(head.contains("content-type: application/problem+json\r\ncontent-length: 82\r\n"), "{head}");
    }

    #[test]
    fn names_the_datacenter_in_the_stream_head_if_asked() {
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
