//! The response bodies of X's refusals.

use crate::endpoint::Product;

/// Returns the body of a refusal without further details.
pub(crate) fn problem(status: u16) -> String {
    if status == 404 {
        // Recorded: responses for unknown paths have an empty body.
        return String::new();
    }
    let title = reason(status);
    format!(r#"{{"title":"{title}","type":"about:blank","status":{status},"detail":"{title}"}}"#)
}

/// The body when all connections are in use.
pub(crate) const TOO_MANY_CONNECTIONS: &str = concat!(
    r#"{"title":"ConnectionException","detail":"This stream is currently at the maximum allowed connection limit.","#,
    r#""connection_issue":"TooManyConnections","type":"https://api.x.com/2/problems/streaming-connection"}"#
);

/// The body when the monthly number of Posts is used up.
pub(crate) const USAGE_CAPPED: &str = concat!(
    r#"{"account_id":123,"product_name":"simulated","title":"UsageCapExceeded","period":"Monthly","scope":"Product","#,
    r#""detail":"Usage cap exceeded: Monthly product cap","type":"https://api.x.com/2/problems/usage-capped"}"#
);

/// Returns the body for a request for a stream without rules.
pub(crate) fn no_rules(product: Product) -> String {
    // The one of the Filtered Stream is recorded, with the host of that time.
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

/// Returns the reason phrase of a status.
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

    /// The recorded bodies have these lengths.
    #[test]
    fn bodies_have_the_recorded_lengths() {
        assert_eq!(TOO_MANY_CONNECTIONS.len(), 207);
        assert_eq!(no_rules(Product::Filtered).len(), 265);
    }
}
