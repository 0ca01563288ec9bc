//! CONNECT: the request has exactly its lines, no other text depends on the credentials, and the
//! outcome does not depend on how the proxy's response is cut.

use arbitrary::Arbitrary;
use powerstream_core::http::{ConnectHandshake, Credentials, HandshakeStep, TunnelRequest};
use powerstream_core::transport_error::TransportErrorKind;

use crate::shared::{Reads, arbitrary};

#[derive(Arbitrary, Debug)]
struct Input<'a> {
    reads: Reads,
    /// Bytes of the request that the proxy accepts at once; 0 means all.
    write_max: u8,
    answer_bytes: u16,
    port: u16,
    is_host_valid: bool,
    host: &'a str,
    credentials: Option<(&'a str, &'a str)>,
    user_agent: Option<&'a str>,
    status: Option<u16>,
    answer: &'a [u8],
}

/// Checks one input.
pub fn run(input: &[u8]) {
    if let Some(input) = arbitrary(input) {
        check(&input);
    }
}

fn check(input: &Input<'_>) {
    let mut request =
        TunnelRequest::new(if input.is_host_valid { "api.x.com" } else { input.host }, input.port);
    if let Some((user, password)) = input.credentials {
        match Credentials::new(user, password) {
            Ok(credentials) => request.credentials = Some(credentials),
            Err(_) => return,
        }
    }
    request.user_agent = input.user_agent.unwrap_or(request.user_agent);
    // Heads of every length occur, without kilobytes of input.
    let storage = vec![b'\n'; request.bytes() + usize::from(input.answer_bytes % 1_024)];
    let Ok(mut handshake) = ConnectHandshake::new(storage.clone(), &request) else { return };
    check_request(handshake.transmit(), &request, input.credentials);
    // No text shows more of the credentials than their lengths.
    let (user, password) = input.credentials.unwrap_or_default();
    let (user, password) = ("a".repeat(user.len()), "a".repeat(password.len()));
    let mut other = request;
    other.credentials = request.credentials.map(|_| Credentials::new(&user, &password).expect("letters"));
    let mut other_handshake = ConnectHandshake::new(storage, &other).expect("a request of the same length");
    assert_eq!(format!("{request:?} {handshake:?}"), format!("{other:?} {other_handshake:?}"));

    let mut answer = input
        .status
        .map_or(Vec::new(), |status| format!("HTTP/1.1 {} x\r\n", 100 + status % 500).into_bytes());
    answer.extend_from_slice(input.answer);
    let whole = open(&mut handshake, input.write_max, [&answer[..]]);
    assert_eq!(open(&mut other_handshake, input.write_max, [&answer[..]]), whole);
    assert_eq!(format!("{handshake:?}"), format!("{other_handshake:?}"));
    handshake.restart();
    let cut = open(&mut handshake, input.write_max, input.reads.pieces(&answer));
    handshake.restart();
    let by_byte = open(&mut handshake, input.write_max, answer.chunks(1));
    // Bytes after the head are noticed only if they arrive with it.
    let late = |step| match step {
        HandshakeStep::Failed(TransportErrorKind::ProxyLeftover) => HandshakeStep::Open,
        other => other,
    };
    assert_eq!(late(cut), late(whole));
    assert_eq!(by_byte, late(whole));
    assert!(!matches!(whole, HandshakeStep::Write | HandshakeStep::Read), "the close ends the handshake");
}

fn check_request(written: &[u8], request: &TunnelRequest<'_>, credentials: Option<(&str, &str)>) {
    let mut fields = [httparse::EMPTY_HEADER; 4];
    let mut head = httparse::Request::new(&mut fields);
    assert_eq!(head.parse(written), Ok(httparse::Status::Complete(written.len())));
    let is_ipv6 = request.host.contains(':');
    let host = if is_ipv6 { format!("[{}]", request.host) } else { request.host.to_owned() };
    let authority = format!("{host}:{}", request.port);
    assert_eq!((head.method, head.path), (Some("CONNECT"), Some(authority.as_str())));
    let names: Vec<&str> = head.headers.iter().map(|field| field.name).collect();
    let want: &[&str] = match credentials {
        Some(_) => &["Host", "Proxy-Authorization", "User-Agent"],
        None => &["Host", "User-Agent"],
    };
    assert_eq!(names, want);
    assert_eq!(head.headers[0].value, authority.as_bytes());
    if let Some((user, password)) = credentials {
        let value = head.headers[1].value.strip_prefix(b"Basic ").expect("the Basic scheme");
        assert_eq!(base64(value), format!("{user}:{password}").into_bytes());
    }
}

/// Decodes base64 with padding.
fn base64(text: &[u8]) -> Vec<u8> {
    let digit = |byte: u8| match byte {
        b'A'..=b'Z' => u32::from(byte - b'A'),
        b'a'..=b'z' => u32::from(byte - b'a') + 26,
        b'0'..=b'9' => u32::from(byte - b'0') + 52,
        b'+' => 62,
        b'/' => 63,
        _ => panic!("not base64: {byte}"),
    };
    let mut out = Vec::new();
    for group in text.chunks(4) {
        assert_eq!(group.len(), 4);
        let padding = group.iter().filter(|&&byte| byte == b'=').count();
        let digits = &group[..4 - padding];
        let bits = digits.iter().fold(0, |bits, byte| bits << 6 | digit(*byte)) << (6 * padding);
        out.extend_from_slice(&bits.to_be_bytes()[1..4 - padding]);
    }
    out
}

fn open<'a>(
    handshake: &mut ConnectHandshake<Vec<u8>>,
    write_max: u8,
    pieces: impl IntoIterator<Item = &'a [u8]>,
) -> HandshakeStep {
    let write_max = if write_max == 0 { usize::MAX } else { usize::from(write_max) };
    handshake.handle_input(b"HTTP/1.1 200 early\r\n\r\n");
    while handshake.poll() == HandshakeStep::Write {
        let count = handshake.transmit().len().min(write_max);
        assert!(count > 0);
        handshake.handle_written(count);
    }
    for piece in pieces {
        assert!(handshake.transmit().is_empty());
        handshake.handle_input(piece);
    }
    handshake.handle_eof();
    handshake.poll()
}
