//! What the service sends: heads, refusals, messages, and broken ones.

use powerstream_core::time::{UnixTime, UtcTime};

use crate::random::Rng;
use crate::service::SEC;

/// Returns the head of a response.
pub(crate) fn head(status: &str, is_chunked: bool, fields: &str) -> String {
    let coding = if is_chunked { "Transfer-Encoding: chunked\r\n" } else { "" };
    format!("HTTP/1.1 {status}\r\nContent-Type: application/json\r\n{fields}{coding}\r\n")
}

/// Returns a time in Unix seconds as a field value.
pub(crate) fn http_date(unix: u64) -> String {
    let time = UtcTime::from(UnixTime::from_seconds(unix));
    let day = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"][(unix / 86_400 % 7) as usize];
    let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let UtcTime { year, day: date, hour, minute, second, .. } = time;
    let month = months[usize::from(time.month - 1)];
    format!("{day}, {date:02} {month} {year} {hour:02}:{minute:02}:{second:02} GMT")
}

/// Heads that are refused, at the latest after their last byte.
pub(crate) const BROKEN_HEADS: &[&[u8]] = &[
    b"<html><body>captive portal</body></html>\r\n\r\n",
    b"SSH-2.0-OpenSSH_9.6\r\n",
    b"220 mail ESMTP\r\n",
    b"ICY 200 OK\r\n\r\n",
    b"\x15\x03\x01\x00\x02\x02\x46",
    b"\x00\x00\x12\x04\x00\x00\x00\x00\x00",
    b"\r\nHTTP/1.1 200 OK\r\n\r\n",
    b"http/1.1 200 OK\r\n\r\n",
    b"HTTP/1 200 OK\r\n\r\n",
    b"HTTP/01.1 200 OK\r\n\r\n",
    b"HTTP/1.10 200 OK\r\n\r\n",
    b"HTTP/1.2 200 OK\r\n\r\n",
    b"HTTP/2.0 200 OK\r\n\r\n",
    b"HTTP/1.1  200 OK\r\n\r\n",
    b"HTTP/1.1\t200 OK\r\n\r\n",
    b"HTTP/1.1 +200 OK\r\n\r\n",
    b"HTTP/1.1 20 OK\r\n\r\n",
    b"HTTP/1.1 2000 OK\r\n\r\n",
    b"HTTP/1.1 200OK\r\n\r\n",
    b"HTTP/1.1 \xd9\xa2\xd9\xa0\xd9\xa0 OK\r\n\r\n",
    b"HTTP/1.1 099 Low\r\n\r\n",
    b"HTTP/1.1 200 O\x00K\r\n\r\n",
    b"HTTP/1.1 200 O\x1bK\r\n\r\n",
    b"HTTP/1.1 200 O\rK\r\n\r\n",
    b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
    b"HTTP/1.1 200 OK\r\n X: a\r\n\r\n",
    b"HTTP/1.1 200 OK\r\n: a\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nX\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nX Y: a\r\n\r\n",
    b"HTTP/1.1 200 OK\r\n\xc3\xa4: a\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nX(Y): a\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nX: a\x00b\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nX: a\x7fb\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nX: a\rb\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nX: a\r\n\rX",
    b"HTTP/1.1 200 OK\r\nX: a\r\n\r\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding : chunked\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, gzip\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, chunked\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: xchunked\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: \"chunked\"\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: \xc2\xa0chunked\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked;q=1\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding:\r\n chunked\r\n\r\n",
    b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 5, 6\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: +5\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 0x5\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 5e1\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 5_0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 5.0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: \"5\"\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 5;a=b\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 5 5\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length:\r\n 5\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 9223372036854775808\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551621\r\n\r\n",
];

/// Chunk framing that is refused, at the latest after its last byte.
pub(crate) const BROKEN_CHUNKS: &[&[u8]] = &[
    b"-5\r\n",
    b"+5\r\n",
    b"0x5\r\n",
    b" 5\r\n",
    b"\t5\r\n",
    b"5_0\r\n",
    b"5 \r\n",
    b"\r\n",
    b"5\n",
    b"5\r5",
    b"5\r\r\n",
    b"zz\r\n",
    b"5;\r\n",
    b"5;;a\r\n",
    b"5;=b\r\n",
    b"5;a=\"b\r\n",
    b"5;a=\"\r\n\"\r\n",
    b"5;a\rb\r\n",
    b"5;a\x00\r\n",
    b"5;a\x7f\r\n",
    b"5;a\nb",
    b"8000000000000000\r\n",
    b"10000000000000000\r\n",
    b"00000000000000005\r\n",
    b"2\r\n\r\nXX",
    b"2\r\n\r\n\n",
    b"2\r\n\r\n\rX",
    b"2\r\n\r\n\r\r\n",
    b"0\r\n\n",
    b"0\r\n\rX",
    b"0\r\nX\r\n",
    b"0\r\n: a\r\n",
    b"0\r\nX : a\r\n",
    b"0\r\nX: a\x00",
    b"0\r\nX: a\n",
];

/// Content codings that the client did not ask for.
pub(crate) const CODINGS: &[&str] = &["gzip", "br", "gzip, br", "x-unknown", "identity, gzip"];

/// Bytes after the end of a body.
pub(crate) const LEFT_OVER: &[&[u8]] =
    &[b"", b"", b"\r\n", b"{}\r\n", b"4\r\n{}\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n{}\r\n"];

/// Lines that are no messages of the service.
pub(crate) const JUNK: &[&[u8]] = &[
    b"not JSON",
    b"{\"id_str\":\"17246484021734604",
    b"{\"a\":\"\xff\xfe\"}",
    b"{\"a\":\"\\ud800\"}",
    b"a\x00b",
    b"{\"a\":1,\"a\":2}",
    b"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[",
    b"111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111",
    b"{\n  \"pretty\":\n  true\n}",
    b"[]",
    b"null",
];

/// Messages of the service that announce nothing.
pub(crate) const SYSTEM: &[&str] = &[
    r#"{"type":"connection_metadata","datacenter":"atla","timestamp":1700000000000}"#,
    r#"{"warning":{"code":"FALLING_BEHIND","message":"m","percent_full":60}}"#,
    r#"{"limit":{"track":7}}"#,
    r#"{"info":{"message":"Replay Request Completed"}}"#,
    r#"{"unknown":{"new":1}}"#,
];

pub(crate) const NETWORK: usize = 0;
pub(crate) const HTTP: usize = 1;
pub(crate) const RATE_LIMIT: usize = 2;

/// Messages that announce a disconnect: whether an immediate reconnect is allowed, and the failure
/// class.
pub(crate) const ANNOUNCED: &[(&str, bool, usize)] = &[
    (
        r#"{"errors":[{"title":"operational-disconnect","disconnect_type":"OperationalDisconnect"}]}"#,
        true,
        NETWORK,
    ),
    (r#"{"errors":[{"disconnect_type":"UpstreamUncleanDisconnect"}]}"#, true, NETWORK),
    (r#"{"errors":[{"disconnect_type":"ForceDisconnect"}]}"#, true, HTTP),
    (r#"{"errors":[{"connection_issue":"TooManyConnections"}]}"#, false, RATE_LIMIT),
    (r#"{"errors":[{"type":"https://api.x.com/2/problems/usage-capped"}]}"#, false, RATE_LIMIT),
    (r#"{"disconnect":{"code":4,"reason":"a"}}"#, true, NETWORK),
    (r#"{"disconnect":{"code":7,"reason":"a"}}"#, false, HTTP),
];

/// A refusal: its bytes, its status and the wait that it asks for, in nanoseconds.
pub(crate) struct Refusal {
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
    pub(crate) status: u16,
    pub(crate) wait: u64,
}

/// Returns a refusal. `now` is the server's time in whole seconds, as in `date`.
pub(crate) fn refusal(status: u16, now: u64, date: &str, rng: &mut Rng) -> Refusal {
    let mut fields = date.to_owned();
    let mut wait = 0;
    let body: Vec<u8> = match rng.below(4) {
        0 => Vec::new(),
        1 => b"<html>\x00</html>".to_vec(),
        2 => vec![b'e'; 3_000],
        _ => br#"{"title":"a","detail":"b","status":1,"type":"about:blank"}"#.to_vec(),
    };
    if status == 429 && !date.is_empty() {
        fields.push_str("x-rate-limit-limit: 50\r\nx-rate-limit-remaining: 0\r\n");
        // In the past, soon, in hours, too far ahead, in milliseconds, garbage.
        let seconds = rng.pick(&[0, 1, 60, 899, 7_200, 86_400, 86_401, 1 << 40]);
        fields.push_str(&match rng.below(8) {
            0 => format!("x-rate-limit-reset: {}\r\n", now.saturating_sub(1_000)),
            1 => String::new(),
            2 => "x-rate-limit-reset: soon\r\n".to_owned(),
            _ => {
                wait = seconds;
                format!("x-rate-limit-reset: {}\r\n", now + seconds)
            }
        });
    }
    if rng.chance(30) {
        let seconds = rng.pick(&[0, 5, 400, 90_000]);
        let value = match !date.is_empty() && rng.chance(30) {
            true => http_date(now + seconds),
            false => seconds.to_string(),
        };
        fields.push_str(&format!("retry-after: {value}\r\n"));
        wait = if wait > 86_400 { 0 } else { wait }.max(if seconds > 86_400 { 0 } else { seconds });
    }
    wait = if wait > 86_400 { 0 } else { wait };
    let reason = rng.pick(&["No", ""]);
    let length = body.len();
    let head = format!("HTTP/1.1 {status} {reason}\r\n{fields}content-length: {length}\r\n\r\n");
    Refusal { head, body, status, wait: wait * SEC }
}
