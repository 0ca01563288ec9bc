//! The request writer: a request is refused, or consists of exactly the lines that were asked for.
//! No value adds a line, ends the head or changes the target.

use arbitrary::Arbitrary;
use powerstream_core::http::{BearerToken, Method, Request, RequestError};

use crate::shared::arbitrary;

#[derive(Arbitrary, Debug)]
struct Input<'a> {
    method: u8,
    keep_alive: bool,
    room: u16,
    json_bytes: Option<u64>,
    host: Value<'a>,
    path: Value<'a>,
    token: Option<Value<'a>>,
    user_agent: Value<'a>,
    query: Vec<(&'a str, &'a str)>,
}

/// A valid value, or any text. `{after}` follows the valid one.
#[derive(Arbitrary, Clone, Copy, Debug)]
enum Value<'a> {
    Valid,
    Followed(&'a str),
    Any(&'a str),
}

impl Value<'_> {
    fn text(self, valid: &str) -> String {
        match self {
            Self::Valid => valid.to_owned(),
            Self::Followed(after) => format!("{valid}{after}"),
            Self::Any(text) => text.to_owned(),
        }
    }
}

/// Checks one input.
pub fn run(input: &[u8]) {
    if let Some(input) = arbitrary(input) {
        check(&input);
    }
}

fn check(input: &Input<'_>) {
    let (host, path) = (input.host.text("api.x.com"), input.path.text("/2/powerstream"));
    let (token, user_agent) = (input.token.map(|token| token.text("AAAA%3D")), input.user_agent.text("a/1"));
    let method = [Method::Get, Method::Post, Method::Delete][usize::from(input.method % 3)];
    let mut request = Request::new(method, &host, &path);
    request.query = &input.query;
    request.user_agent = &user_agent;
    request.json_bytes = input.json_bytes;
    request.keep_alive = input.keep_alive;
    if let Some(token) = &token {
        match BearerToken::new(token) {
            Ok(token) => request.token = Some(token),
            Err(error) => {
                assert_eq!(error, RequestError::Token);
                assert!(
                    token.bytes().any(|byte| !byte.is_ascii_graphic()) || !(1..=4_096).contains(&token.len())
                );
                return;
            }
        }
        assert_eq!(format!("{:?}", request.token), "Some(BearerToken(..))");
    }
    let mut out = vec![0; usize::from(input.room)];
    let length = match request.write(&mut out) {
        Err(RequestError::Length) => {
            assert_eq!(request.check(), Ok(()));
            return;
        }
        Err(error) => {
            assert_eq!(request.check(), Err(error));
            return;
        }
        Ok(length) => length,
    };
    let written = &out[..length];
    assert!(out[length..].iter().all(|&byte| byte == 0), "bytes after the head are untouched");

    let mut fields = [httparse::EMPTY_HEADER; 16];
    let mut head = httparse::Request::new(&mut fields);
    assert_eq!(head.parse(written), Ok(httparse::Status::Complete(length)), "the head ends at its end");
    assert_eq!(head.method, Some(["GET", "POST", "DELETE"][usize::from(input.method % 3)]));
    let mut want = vec![("Host", host.as_str())];
    let bearer = token.map(|token| format!("Bearer {token}"));
    want.extend(bearer.as_deref().map(|bearer| ("Authorization", bearer)));
    // httparse trims the value.
    want.push(("User-Agent", user_agent.trim_matches(' ')));
    want.extend([("Accept", "application/json"), ("Accept-Encoding", "identity")]);
    want.push(("Connection", if input.keep_alive { "keep-alive" } else { "close" }));
    let body_length = input.json_bytes.map(|bytes| bytes.to_string());
    if let Some(length) = &body_length {
        want.extend([("Content-Type", "application/json"), ("Content-Length", length)]);
    }
    let found: Vec<(&str, &[u8])> = head.headers.iter().map(|field| (field.name, field.value)).collect();
    let want: Vec<(&str, &[u8])> = want.into_iter().map(|(name, value)| (name, value.as_bytes())).collect();
    assert_eq!(found, want);
    assert_eq!(written.iter().filter(|&&byte| byte == b'\n').count(), want.len() + 2);

    let target = head.path.expect("a target");
    let query = target.strip_prefix(path.as_str()).expect("the path comes first");
    let mut pairs = query.split(['?', '&']).skip(1);
    for (name, value) in &input.query {
        let pair = pairs.next().expect("each parameter is written");
        let (found_name, found_value) = pair.split_once('=').expect("name and value");
        assert_eq!(
            (decoded(found_name), decoded(found_value)),
            (name.as_bytes().into(), value.as_bytes().into())
        );
    }
    assert_eq!(pairs.next(), None);
}

/// Undoes percent-encoding.
fn decoded(text: &str) -> Vec<u8> {
    let mut bytes = text.bytes();
    let mut out = Vec::new();
    while let Some(byte) = bytes.next() {
        assert!(byte.is_ascii_alphanumeric() || b"-._~%".contains(&byte), "{text} has a reserved character");
        out.push(match byte {
            b'%' => {
                let mut digit =
                    || char::from(bytes.next().expect("a digit")).to_digit(16).expect("hexadecimal") as u8;
                16 * digit() + digit()
            }
            plain => plain,
        });
    }
    out
}
