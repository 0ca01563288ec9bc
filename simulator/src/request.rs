//! Requests: parsing of the head, length of the body, and routing.

pub(crate) mod query;

use std::net::IpAddr;

pub(crate) use self::query::{Past, StreamParams};
use crate::config::Config;
use crate::endpoint::{self, ConnectionsResource, Endpoint, RulesResource};

/// The longest accepted request head, in bytes.
pub(crate) const HEAD_BYTES_MAX: usize = 16 << 10;
const HEADERS_MAX: usize = 64;

/// The parts of a request head that the simulator uses.
///
/// It does not implement `Debug`, because it contains the client's token.
pub(crate) struct Request {
    method: String,
    pub(crate) target: String,
    authorization: Authorization,
    hosts: usize,
    /// The last `Host` field.
    host: String,
    /// The `Origin` field, which browsers send.
    origin: Option<String>,
    version: u8,
    pub(crate) content: Content,
    /// The client waits for `100 Continue` before it sends the body.
    pub(crate) expects_continue: bool,
    /// The length of the head, in bytes.
    pub(crate) head_len: usize,
}

/// Where the body of a request ends (RFC 9112, section 6.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Content {
    Length(usize),
    Chunked,
    /// The length is invalid or ambiguous.
    Wrong,
}

/// The largest accepted body, in bytes: enough for a hundred of the longest rules with every
/// character escaped.
pub(crate) const BODY_BYTES_MAX: usize = 5 << 20;

enum Authorization {
    Missing,
    Bearer(String),
    /// Not `Bearer` and a token, or more than one such header.
    Wrong,
}

/// The state of the bytes received so far.
pub(crate) enum Parsed {
    Partial,
    Request(Request),
    Malformed,
}

pub(crate) fn parse(bytes: &[u8]) -> Parsed {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut head = httparse::Request::new(&mut headers);
    let head_len = match head.parse(bytes) {
        Ok(httparse::Status::Complete(len)) => len,
        Ok(httparse::Status::Partial) if bytes.len() < HEAD_BYTES_MAX => return Parsed::Partial,
        _ => return Parsed::Malformed,
    };
    let (Some(method), Some(target), Some(version)) = (head.method, head.path, head.version) else {
        return Parsed::Malformed;
    };
    let mut authorization = Authorization::Missing;
    let (mut hosts, mut content, mut expects_continue) = (0, None, false);
    let (mut host, mut origin) = (String::new(), None);
    for header in head.headers.iter() {
        if header.name.eq_ignore_ascii_case("host") {
            hosts += 1;
            host = String::from_utf8_lossy(header.value).into_owned();
        } else if header.name.eq_ignore_ascii_case("origin") {
            origin = Some(String::from_utf8_lossy(header.value).into_owned());
        } else if header.name.eq_ignore_ascii_case("content-length") {
            let len = std::str::from_utf8(header.value)
                .ok()
                .filter(|text| text.bytes().all(|b| b.is_ascii_digit()));
            let len = len.and_then(|text| text.parse().ok()).map(Content::Length);
            content = match (content, len) {
                (None, Some(len)) => Some(len),
                _ => Some(Content::Wrong),
            };
        } else if header.name.eq_ignore_ascii_case("transfer-encoding") {
            let chunked = content.is_none() && header.value.eq_ignore_ascii_case(b"chunked");
            content = Some(if chunked { Content::Chunked } else { Content::Wrong });
        } else if header.name.eq_ignore_ascii_case("expect") {
            expects_continue = header.value.eq_ignore_ascii_case(b"100-continue");
        } else if header.name.eq_ignore_ascii_case("authorization") {
            authorization = match (authorization, bearer(header.value)) {
                (Authorization::Missing, Some(token)) => Authorization::Bearer(token),
                _ => Authorization::Wrong,
            };
        }
    }
    Parsed::Request(Request {
        method: method.to_owned(),
        target: target.to_owned(),
        authorization,
        hosts,
        host,
        origin,
        version,
        content: content.unwrap_or(Content::Length(0)),
        expects_continue,
        head_len,
    })
}

/// Returns the token of `Bearer TOKEN`. The scheme is case-insensitive; the token has the
/// characters of RFC 6750, section 2.1.
fn bearer(value: &[u8]) -> Option<String> {
    let (scheme, token) = value.split_at_checked(7)?;
    if !scheme.eq_ignore_ascii_case(b"bearer ") {
        return None;
    }
    let token = token.trim_ascii();
    // Real tokens contain percent escapes, which the RFC does not allow.
    let allowed = |b: &u8| b.is_ascii_alphanumeric() || b"-._~+/=%".contains(b);
    if token.is_empty() || !token.iter().all(allowed) {
        return None;
    }
    String::from_utf8(token.to_vec()).ok()
}

/// How a request is handled.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Route {
    Stream(&'static Endpoint, StreamParams),
    Rules(RulesResource),
    Connections(ConnectionsResource),
    /// The path below the simulator's own prefix.
    Control(String),
    Refuse(u16),
    /// A 405 response, with the header that lists the allowed methods.
    RefuseMethod(&'static str),
    /// A 400 response, with the problem that names the invalid parameters.
    InvalidQuery(String),
}

impl Request {
    pub(crate) fn route(&self, config: &Config, now_unix_ms: u64) -> Route {
        if self.version != 1 {
            // HTTP/1.0 has no chunked coding.
            return Route::Refuse(505);
        }
        if self.hosts != 1 {
            // RFC 9112, section 3.2.
            return Route::Refuse(400);
        }
        let target = self.origin_form();
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        enum Found {
            Stream(&'static Endpoint),
            Rules(RulesResource),
            Connections(ConnectionsResource),
            Control(String),
        }
        let found = endpoint::stream(path)
            .map(Found::Stream)
            .or_else(|| endpoint::rules(path).map(Found::Rules))
            .or_else(|| endpoint::connections(path).map(Found::Connections))
            .or_else(|| {
                let rest = endpoint::control(path).filter(|_| config.control)?;
                Some(Found::Control(rest.to_owned()))
            });
        // This precedes the check of the token, and the body is empty, as in recorded responses of
        // X.
        let Some(found) = found else { return Route::Refuse(404) };
        match &found {
            Found::Stream(_) if self.method != "GET" => return Route::RefuseMethod("allow: GET\r\n"),
            Found::Rules(resource) if !resource.allows(&self.method) => {
                return Route::RefuseMethod(resource.allowed());
            }
            Found::Connections(resource) if !resource.allows(&self.method) => {
                return Route::RefuseMethod(resource.allowed());
            }
            // The control endpoint is not part of X. It requires a token only if the configuration
            // has one.
            Found::Control(_) if config.token.is_none() => {}
            _ => {
                let right = match (&self.authorization, &config.token) {
                    (Authorization::Bearer(given), Some(token)) => given == token,
                    (Authorization::Bearer(_), None) => true,
                    _ => false,
                };
                if !right {
                    return Route::Refuse(401);
                }
            }
        }
        if self.content == Content::Wrong {
            return Route::Refuse(400);
        }
        match found {
            Found::Stream(endpoint) => match query::parse(endpoint, query, now_unix_ms) {
                Ok(params) => Route::Stream(endpoint, params),
                Err(problem) => Route::InvalidQuery(problem),
            },
            Found::Rules(resource) => Route::Rules(resource),
            Found::Connections(resource) => Route::Connections(resource),
            Found::Control(rest) => Route::Control(rest),
        }
    }

    pub(crate) fn method(&self) -> &str {
        &self.method
    }

    pub(crate) fn query(&self) -> &str {
        self.origin_form().split_once('?').map_or("", |(_, query)| query)
    }

    /// Returns true if a page of another origin may have caused a browser to send this request.
    ///
    /// A browser names the page's origin in `Origin`. After DNS rebinding, the page's origin is
    /// that of the request, but `Host` still has the attacker's name. Therefore a server on
    /// loopback accepts only names of loopback. Other servers have names that the simulator does
    /// not know.
    pub(crate) fn may_be_cross_origin(&self, on_loopback: bool) -> bool {
        let is_own_origin = |origin: &str| {
            let authority = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
            authority.is_some_and(|authority| authority.eq_ignore_ascii_case(&self.host))
        };
        (on_loopback && !names_loopback(&self.host))
            || self.origin.as_deref().is_some_and(|origin| !is_own_origin(origin))
    }

    /// Returns the target in origin form. Servers also accept the absolute form (RFC 9112, section
    /// 3.2.2).
    fn origin_form(&self) -> &str {
        match self.target.strip_prefix("http://").or_else(|| self.target.strip_prefix("https://")) {
            Some(rest) => rest.find('/').map_or("/", |at| &rest[at..]),
            None => &self.target,
        }
    }
}

/// Returns true if a `Host` field names this machine only: `localhost` or a loopback address, with
/// or without a port.
fn names_loopback(host: &str) -> bool {
    let is_port = |port: &str| port.bytes().all(|byte| byte.is_ascii_digit());
    let name = host.rsplit_once(':').filter(|(_, port)| is_port(port)).map_or(host, |(name, _)| name);
    let address = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
    name.eq_ignore_ascii_case("localhost")
        || address.parse().is_ok_and(|address: IpAddr| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(head: &str, token: Option<&str>) -> Route {
        let config = Config { token: token.map(str::to_owned), ..Config::default() };
        match parse(head.replace('\n', "\r\n").as_bytes()) {
            Parsed::Request(request) => request.route(&config, 0),
            Parsed::Malformed => Route::Refuse(400),
            Parsed::Partial => panic!("partial"),
        }
    }

    fn stream(path: &str, local_dc_only: bool) -> Route {
        let endpoint = endpoint::stream(path).unwrap();
        Route::Stream(endpoint, StreamParams { local_dc_only, ..StreamParams::DEFAULT })
    }

    #[test]
    fn routes_requests_by_path_method_and_token() {
        let head = |line: &str, rest: &str| format!("{line}\nHost: x\n{rest}\n\n");
        let auth = "Authorization: Bearer a%2Bb";
        let stream = "GET /2/powerstream HTTP/1.1";
        let taken = || super::tests::stream("/2/powerstream", false);
        let local = super::tests::stream("/2/powerstream", true);
        let other = super::tests::stream("/2/powerstream/stream", false);
        let sample = super::tests::stream("/2/tweets/sample/stream", false);
        for (text, want) in [
            (head(stream, auth), taken()),
            (head(stream, "authorization:  bearer   a%2Bb  "), taken()),
            (head("GET /2/powerstream/stream? HTTP/1.1", auth), other),
            (head("GET /2/powerstream?localDcOnly=true HTTP/1.1", auth), local),
            (head("GET /2/powerstream?localDcOnly=false HTTP/1.1", auth), taken()),
            (head("GET /2/tweets/sample/stream HTTP/1.1", auth), sample),
            (head("GET http://127.0.0.1:1/2/powerstream HTTP/1.1", auth), taken()),
            (head("GET http://127.0.0.1:1 HTTP/1.1", auth), Route::Refuse(404)),
            (head("GET /2/powerstreams HTTP/1.1", auth), Route::Refuse(404)),
            (head("GET / HTTP/1.1", "X: y"), Route::Refuse(404)),
            (head("POST /2/powerstream HTTP/1.1", auth), Route::RefuseMethod("allow: GET\r\n")),
            (
                head("PUT /2/powerstream/rules HTTP/1.1", auth),
                Route::RefuseMethod(RulesResource::Powerstream.allowed()),
            ),
            (head("DELETE /2/powerstream/rules HTTP/1.1", auth), Route::Rules(RulesResource::Powerstream)),
            (
                head("POST /2/tweets/search/stream/rules?dry_run=true HTTP/1.1", auth),
                Route::Rules(RulesResource::Filtered),
            ),
            (head("GET /2/powerstream/rules HTTP/1.1", "X: y"), Route::Refuse(401)),
            (head("GET /simulator/counters HTTP/1.1", "X: y"), Route::Control("counters".to_owned())),
            (head(stream, &format!("{auth}\nContent-Length: +1")), Route::Refuse(400)),
            (head(stream, &format!("{auth}\nContent-Length: 1\nContent-Length: 1")), Route::Refuse(400)),
            (
                head(stream, &format!("{auth}\nContent-Length: 1\nTransfer-Encoding: chunked")),
                Route::Refuse(400),
            ),
            (head("GET /2/powerstream HTTP/1.0", auth), Route::Refuse(505)),
            (head(stream, "X: y"), Route::Refuse(401)),
            (head(stream, "Authorization: Bearer "), Route::Refuse(401)),
            (head(stream, "Authorization: Bearer a b"), Route::Refuse(401)),
            (head(stream, "Authorization: Basic YTpi"), Route::Refuse(401)),
            (head(stream, &format!("{auth}\n{auth}")), Route::Refuse(401)),
            (head(stream, &format!("{auth}\nHost: y")), Route::Refuse(400)),
            (format!("{stream}\n{auth}\n\n"), Route::Refuse(400)),
            ("GET\n\n".to_owned(), Route::Refuse(400)),
            (head(stream, "bad header"), Route::Refuse(400)),
        ] {
            assert_eq!(route(&text, None), want, "{text}");
        }
        let invalid = route(&head("GET /2/powerstream?x=1 HTTP/1.1", auth), None);
        assert!(matches!(&invalid, Route::InvalidQuery(problem) if problem.contains("[x]")), "{invalid:?}");
        // A client without a valid token learns nothing about the parameters.
        let without_token = route(&head("GET /2/powerstream?x=1 HTTP/1.1", "X: y"), None);
        assert_eq!(without_token, Route::Refuse(401));
        assert_eq!(route(&head(stream, auth), Some("a%2Bb")), taken());
        assert_eq!(route(&head(stream, auth), Some("a%2Bc")), Route::Refuse(401));
    }

    #[test]
    fn recognizes_requests_of_pages_of_other_origins() {
        for (fields, on_loopback, elsewhere) in [
            ("Host: localhost:8080", false, false),
            ("Host: LOCALHOST", false, false),
            ("Host: 127.0.0.1:8080", false, false),
            ("Host: [::1]:8080", false, false),
            ("Host: [::1]", false, false),
            ("Host: 127.0.0.1:8080\nOrigin: http://127.0.0.1:8080", false, false),
            // DNS rebinding, and names that only look like loopback.
            ("Host: attacker.example:8080", true, false),
            ("Host: localhost.attacker.example", true, false),
            ("Host: 127.0.0.1.attacker.example:8080", true, false),
            ("Host: 10.0.0.1:8080", true, false),
            ("Host: ", true, false),
            ("Host: localhost:8080\nOrigin: http://attacker.example", true, true),
            ("Host: localhost:8080\nOrigin: http://localhost:3000", true, true),
            ("Host: localhost:8080\nOrigin: null", true, true),
            ("Host: localhost:8080\nOrigin: ", true, true),
            ("Host: localhost:8080\nOrigin: file://localhost:8080", true, true),
        ] {
            let head = format!("POST /simulator/trigger HTTP/1.1\n{fields}\n\n").replace('\n', "\r\n");
            let Parsed::Request(request) = parse(head.as_bytes()) else { panic!("{fields}") };
            assert_eq!(request.may_be_cross_origin(true), on_loopback, "{fields}");
            assert_eq!(request.may_be_cross_origin(false), elsewhere, "{fields}");
        }
    }

    #[test]
    fn refuses_heads_that_are_too_long() {
        assert!(matches!(parse(b"GET / HTT"), Parsed::Partial));
        let long = format!("GET /{} HTTP/1.1", "x".repeat(HEAD_BYTES_MAX));
        assert!(matches!(parse(long.as_bytes()), Parsed::Malformed));
        let many = format!("GET / HTTP/1.1\r\n{}", "a: b\r\n".repeat(HEADERS_MAX + 1));
        assert!(matches!(parse(many.as_bytes()), Parsed::Malformed));
    }
}
