//! Refusals of a scenario.

use super::names::names;
use crate::problems;

names! {
    /// The bodies of refusals.
    RefusalBody {
        Problem "problem",
        Empty "empty",
        Html "html",
        Text "text",
        Legacy "legacy",
        Code "code",
        Gnip "gnip",
        TooManyConnections "too-many-connections",
        UsageCap "usage-cap",
        Provisioning "provisioning",
        RulesInvalid "rules-invalid",
        NotEnrolled "not-enrolled",
        Credits "credits",
        Huge "huge",
        Cut "cut",
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Refusal {
    pub(crate) status: u16,
    pub(crate) body: RefusalBody,
    /// Complete lines, without their line ends.
    pub(crate) headers: Vec<String>,
    pub(crate) remaining: Option<u64>,
    pub(crate) reset: Option<Reset>,
    pub(crate) retry_after: Option<String>,
}

/// The value of `x-rate-limit-reset`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reset {
    /// This many seconds in the future, or in the past if negative.
    In(i64),
    /// Likewise, but wrongly sent in milliseconds.
    InAsMilliseconds(i64),
    Text(String),
}

impl Refusal {
    pub(crate) fn new(status: u16, body: RefusalBody) -> Self {
        Self { status, body, headers: Vec::new(), remaining: None, reset: None, retry_after: None }
    }

    /// Returns the headers, as complete lines.
    pub(crate) fn lines(&self, unix_ms: u64) -> String {
        let mut lines = String::new();
        if self.remaining.is_some() || self.reset.is_some() {
            lines.push_str("x-rate-limit-limit: 50\r\n");
            lines.push_str(&format!("x-rate-limit-remaining: {}\r\n", self.remaining.unwrap_or(0)));
        }
        let now = (unix_ms / 1_000) as i64;
        match &self.reset {
            None => {}
            Some(Reset::In(seconds)) => lines.push_str(&format!("x-rate-limit-reset: {}\r\n", now + seconds)),
            Some(Reset::InAsMilliseconds(seconds)) => {
                lines.push_str(&format!("x-rate-limit-reset: {}\r\n", (now + seconds) * 1_000));
            }
            Some(Reset::Text(text)) => lines.push_str(&format!("x-rate-limit-reset: {text}\r\n")),
        }
        if let Some(retry_after) = &self.retry_after {
            lines.push_str(&format!("retry-after: {retry_after}\r\n"));
        }
        for header in &self.headers {
            lines.push_str(header);
            lines.push_str("\r\n");
        }
        lines
    }
}

impl RefusalBody {
    /// Returns the bytes of the body.
    pub(crate) fn text(self, status: u16) -> String {
        let text = match self {
            Self::Problem => return problems::problem(status),
            Self::Cut | Self::Empty => "",
            Self::Html => {
                "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body><h1>502 Bad Gateway</h1></body>\r\n</html>\r\n"
            }
            Self::Text => "Exceeded connection limit for user\r\n",
            Self::Legacy => r#"{"errors":[{"code":88,"message":"Rate limit exceeded"}]}"#,
            Self::Code => r#"{"code":131,"message":"Internal error"}"#,
            Self::Gnip => r#"{"error":{"message":"Too many requests","sent":"2026-01-05T10:00:00+00:00"}}"#,
            Self::TooManyConnections => problems::TOO_MANY_CONNECTIONS,
            Self::UsageCap => problems::USAGE_CAPPED,
            Self::Provisioning => {
                r#"{"title":"ConnectionException","detail":"Your subscription change is currently being provisioned, please try again in a minute.","connection_issue":"ProvisioningSubscription","type":"https://api.x.com/2/problems/streaming-connection"}"#
            }
            Self::RulesInvalid => {
                r#"{"title":"ConnectionException","detail":"The rules of this stream are invalid.","connection_issue":"RulesInvalidIssue","type":"https://api.x.com/2/problems/streaming-connection"}"#
            }
            Self::NotEnrolled => {
                r#"{"client_id":"123","detail":"When authenticating requests to the API, you must use keys and tokens from a developer App that is attached to a Project.","registration_url":"https://developer.twitter.com/en/docs/projects/overview","title":"Client Forbidden","required_enrollment":"Appropriate Level of API Access","reason":"client-not-enrolled","type":"https://api.twitter.com/2/problems/client-forbidden"}"#
            }
            Self::Credits => {
                r#"{"title":"CreditsDepleted","detail":"Your enrolled account does not have any credits to fulfill this request.","type":"https://api.x.com/2/problems/credits"}"#
            }
            Self::Huge => {
                return format!("<html>{}</html>", "<p>Nothing to see here.</p>".repeat(40_000));
            }
        };
        text.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_json_body_is_valid() {
        for (_, body) in RefusalBody::NAMES {
            let text = body.text(503);
            if text.starts_with('{') {
                serde_json::from_str::<serde_json::Value>(&text).unwrap();
            }
        }
    }
}
