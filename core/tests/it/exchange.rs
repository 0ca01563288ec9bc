//! Tests exchanges: every kind of response with every split, every failure, and what is known about
//! the request.

#![allow(
    clippy::unwrap_used,
    reason = "test helpers, which clippy.toml's exemption for tests does not cover"
)]

use std::time::Duration;

use powerstream_core::http::{
    BearerToken, BodyFraming, Exchange, ExchangeConfig, ExchangeErrorKind, ExchangeStep, HeadErrorKind,
    Method, Request, RequestError, RequestSent,
};
use powerstream_core::liveness::TimeoutKind;
use powerstream_core::time::Instant;
use powerstream_core::transport_error::{TransportError, TransportErrorKind};

use crate::common::{deliveries, pieces, random_cuts, reference_decoder};
use crate::random::Rng;

const RESET: TransportError = TransportError::new(TransportErrorKind::Reset);
const BODY: &[u8] = br#"{"rules":[{"value":"gull"}]}"#;

fn at(seconds: u64) -> Instant {
    Instant::ZERO.saturating_add(Duration::from_secs(seconds))
}

fn limited() -> ExchangeConfig {
    let mut config = ExchangeConfig::default();
    config.body_bytes_max = 64;
    config
}

fn new(config: ExchangeConfig) -> Exchange<Vec<u8>> {
    let mut request = Request::new(Method::Post, "api.x.com", "/2/powerstream/rules");
    request.token = Some(BearerToken::new("s3cr3t").unwrap());
    Exchange::new(vec![0; 2_048], &request, Some(BODY), config, at(0)).unwrap()
}

/// Creates an exchange whose request has been sent.
fn reading(config: ExchangeConfig) -> Exchange<Vec<u8>> {
    let mut exchange = new(config);
    exchange.handle_connected(at(0));
    exchange.handle_written(exchange.transmit().len(), at(0));
    exchange
}

/// The result of an exchange, owned.
#[derive(Clone, Debug, PartialEq, Eq)]
enum OwnedEvent {
    Answer { status: u16, body: Vec<u8>, is_complete: bool, sent: RequestSent },
    Error { kind: ExchangeErrorKind, status: Option<u16>, offset: u64, sent: RequestSent },
}

fn seen(exchange: &Exchange<Vec<u8>>) -> Option<OwnedEvent> {
    Some(match exchange.outcome()? {
        Ok(answer) => OwnedEvent::Answer {
            status: answer.head.status(),
            body: answer.body.to_vec(),
            is_complete: answer.is_complete,
            sent: answer.sent,
        },
        Err(error) => OwnedEvent::Error {
            kind: error.kind,
            status: error.status,
            offset: error.offset,
            sent: error.sent,
        },
    })
}

/// Feeds `wire`, split at `cuts`, then closes.
fn feed(wire: &[u8], cuts: &[usize], config: ExchangeConfig) -> OwnedEvent {
    let mut exchange = reading(config);
    for piece in pieces(wire, cuts) {
        exchange.handle_input(piece, at(0));
    }
    exchange.handle_eof(at(0));
    assert_eq!(exchange.poll(), ExchangeStep::Close);
    exchange.handle_closed();
    assert_eq!(exchange.poll(), ExchangeStep::Done);
    // Later input does not change the result.
    let outcome = seen(&exchange);
    exchange.handle_input(b"HTTP/1.1 200 OK\r\n\r\n", at(0));
    exchange.handle_transport_error(RESET, at(1_000));
    exchange.handle_timeout(at(1_000));
    exchange.shutdown();
    assert_eq!(seen(&exchange), outcome);
    outcome.unwrap()
}

fn answer(status: u16, body: &str, is_complete: bool) -> OwnedEvent {
    OwnedEvent::Answer { status, body: body.as_bytes().to_vec(), is_complete, sent: RequestSent::Whole }
}

fn error(kind: ExchangeErrorKind, status: Option<u16>, offset: usize) -> OwnedEvent {
    OwnedEvent::Error { kind, status, offset: offset as u64, sent: RequestSent::Whole }
}

/// Returns every kind of response with the expected result.
fn table() -> Vec<(String, OwnedEvent)> {
    use powerstream_core::http::ChunkErrorKind;
    let ok = "HTTP/1.1 200 OK\r\n";
    let chunked = "HTTP/1.1 201 Created\r\ntransfer-encoding: chunked\r\n\r\n";
    let sixty_five = "x".repeat(65);
    let cut_at = |wire: String, status| {
        let length = wire.len();
        (wire, error(ExchangeErrorKind::Cut, Some(status), length))
    };
    vec![
        (format!("{ok}content-length: 2\r\n\r\n{{}}"), answer(200, "{}", true)),
        (format!("{ok}content-length: 2\r\n\r\n{{}} and more"), answer(200, "{}", true)),
        (format!("{ok}content-length: 0\r\n\r\n"), answer(200, "", true)),
        (String::from("HTTP/1.1 204 No Content\r\ncontent-length: 5\r\n\r\n"), answer(204, "", true)),
        (format!("{chunked}1\r\n{{\r\n1;x=y\r\n}}\r\n0\r\nt: v\r\n\r\n"), answer(201, "{}", true)),
        (format!("{ok}\r\n{{\"a\":1}}"), answer(200, "{\"a\":1}", true)),
        (format!("{ok}\r\n"), answer(200, "", true)),
        (
            format!(
                "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 E\r\na: b\r\n\r\n{ok}content-length: 1\r\n\r\nx"
            ),
            answer(200, "x", true),
        ),
        // Exactly at the limit, and one byte more.
        (format!("{ok}\r\n{}", &sixty_five[..64]), answer(200, &sixty_five[..64], true)),
        (format!("{ok}\r\n{sixty_five}"), error(ExchangeErrorKind::BodyLength, Some(200), ok.len() + 2 + 64)),
        (
            format!("{chunked}41\r\n{sixty_five}\r\n0\r\n\r\n"),
            error(ExchangeErrorKind::BodyLength, Some(201), chunked.len() + 4 + 64),
        ),
        // A truncated 2xx response is an error; a truncated error response is delivered as far as
        // received.
        cut_at(format!("{ok}content-length: 3\r\n\r\n{{}}"), 200),
        cut_at(format!("{chunked}2\r\n{{}}\r\n"), 201),
        (
            String::from("HTTP/1.1 429 Too Many Requests\r\ncontent-length: 9\r\n\r\n{\"ti"),
            answer(429, "{\"ti", false),
        ),
        (
            String::from("HTTP/1.1 503 No\r\ntransfer-encoding: chunked\r\n\r\n2\r\nnozz"),
            answer(503, "no", false),
        ),
        (format!("HTTP/1.1 502 Bad Gateway\r\n\r\n{sixty_five}"), answer(502, &sixty_five[..64], false)),
        (
            format!("{chunked}2\r\n{{}}zz"),
            error(ExchangeErrorKind::Chunk(ChunkErrorKind::DataEnd), Some(201), chunked.len() + 5),
        ),
        (String::new(), error(ExchangeErrorKind::CutInHead, None, 0)),
        (String::from(ok), error(ExchangeErrorKind::CutInHead, None, ok.len())),
        (String::from("<html>"), error(ExchangeErrorKind::Head(HeadErrorKind::NotHttp), None, 0)),
        (
            format!("{ok}content-encoding: gzip\r\n\r\n"),
            error(ExchangeErrorKind::Head(HeadErrorKind::ContentEncoding), None, ok.len() + 26),
        ),
        // The status of a refusal is valid even if its body cannot be read; the body is then empty.
        (
            String::from("HTTP/1.1 401 No\r\ncontent-encoding: gzip\r\ncontent-length: 2\r\n\r\n\u{1f}\u{2}"),
            answer(401, "", false),
        ),
        (
            String::from(
                "HTTP/1.1 403 No\r\ntransfer-encoding: gzip, chunked\r\n\r\n2\r\n\u{1f}\u{2}\r\n0\r\n\r\n",
            ),
            answer(403, "", false),
        ),
        (String::from("HTTP/1.1 404 No\r\ncontent-length: 5, 05\r\n\r\nhello"), answer(404, "", false)),
        (
            format!("{ok}content-length: 5, 5\r\n\r\nhello"),
            error(ExchangeErrorKind::Head(HeadErrorKind::ContentLength), None, ok.len() + 24),
        ),
        (
            format!("{ok}x: {}", "y".repeat(3_000)),
            error(ExchangeErrorKind::Head(HeadErrorKind::Length), None, 2_048),
        ),
    ]
}

#[test]
fn every_response_under_every_single_split() {
    for (wire, want) in table() {
        let wire = wire.as_bytes();
        for cuts in deliveries(wire.len(), 1) {
            assert_eq!(feed(wire, &cuts, limited()), want, "{} cut at {cuts:?}", wire.escape_ascii());
        }
    }
}

#[test]
fn short_responses_under_every_pair_of_splits() {
    for (wire, want) in table().iter().filter(|(wire, _)| wire.len() < 120) {
        for first in 0..=wire.len() {
            for second in first..=wire.len() {
                assert_eq!(feed(wire.as_bytes(), &[first, second], limited()), *want, "{wire:?}");
            }
        }
    }
}

#[test]
fn agrees_with_the_reference_decoder_on_damaged_responses() {
    let mut random = Rng(7);
    let wires: Vec<String> = table().into_iter().map(|(wire, _)| wire).collect();
    for round in 0..3_000 {
        let mut wire = wires[random.index(wires.len())].clone().into_bytes();
        for _ in 0..1 + random.index(3) {
            let place = random.index(wire.len() + 1);
            match random.index(3) {
                0 if place < wire.len() => wire[place] = (random.next() & 0xff) as u8,
                1 if place < wire.len() => drop(wire.remove(place)),
                _ => {
                    wire.insert(place, *random.pick(&[b"\r", b"\n", b"0", b"f", b" ", b":"]).first().unwrap())
                }
            }
        }
        let want = oracle(&wire, limited());
        for cuts in [vec![], (1..wire.len()).collect(), random_cuts(wire.len(), &mut random)] {
            assert_eq!(feed(&wire, &cuts, limited()), want, "round {round}: {}", wire.escape_ascii());
        }
    }
}

/// A simple reference implementation: processes the whole response at once.
fn oracle(wire: &[u8], config: ExchangeConfig) -> OwnedEvent {
    let failed = |kind, status: Option<u16>, offset: usize, body: &[u8]| match status {
        Some(status) if !(200..300).contains(&status) => {
            let body = body[..body.len().min(config.body_bytes_max)].to_vec();
            OwnedEvent::Answer { status, body, is_complete: false, sent: RequestSent::Whole }
        }
        _ => error(kind, status, offset),
    };
    let head = match reference_decoder::head(wire, config.head_limits, 2_048) {
        Ok(head) => head,
        Err(reference_decoder::HeadStop::Cut(_)) => {
            return error(ExchangeErrorKind::CutInHead, None, wire.len());
        }
        Err(reference_decoder::HeadStop::Refused(kind, at)) => {
            return error(ExchangeErrorKind::Head(kind), None, at);
        }
    };
    let (rest, status) = (&wire[head.end..], Some(head.status));
    let max = config.body_bytes_max;
    let done = |body: &[u8]| OwnedEvent::Answer {
        status: head.status,
        body: body.to_vec(),
        is_complete: true,
        sent: RequestSent::Whole,
    };
    if head.unreadable.is_some() {
        return failed(ExchangeErrorKind::Cut, Some(head.status), head.end, &[]);
    }
    match head.framing {
        BodyFraming::Length(length) => {
            let there = rest.len().min(usize::try_from(length).unwrap_or(usize::MAX));
            if there > max {
                failed(ExchangeErrorKind::BodyLength, status, head.end + max, &rest[..there])
            } else if (there as u64) < length {
                failed(ExchangeErrorKind::Cut, status, wire.len(), rest)
            } else {
                done(&rest[..there])
            }
        }
        BodyFraming::UntilClose if rest.len() > max => {
            failed(ExchangeErrorKind::BodyLength, status, head.end + max, rest)
        }
        BodyFraming::UntilClose => done(rest),
        BodyFraming::Chunked => {
            let body = reference_decoder::chunked(rest, config.chunk_limits);
            if body.content.len() > max {
                // The exact offset is in the table; the first byte over the limit is content.
                let mut at = 0;
                while reference_decoder::chunked(&rest[..at], config.chunk_limits).content.len() <= max {
                    at += 1;
                }
                return failed(ExchangeErrorKind::BodyLength, status, head.end + at - 1, &body.content);
            }
            match body.end {
                reference_decoder::BodyEnd::Complete(_) => done(&body.content),
                reference_decoder::BodyEnd::Cut => {
                    failed(ExchangeErrorKind::Cut, status, wire.len(), &body.content)
                }
                reference_decoder::BodyEnd::Broken(kind, at) => {
                    failed(ExchangeErrorKind::Chunk(kind), status, head.end + at, &body.content)
                }
            }
        }
        _ => done(b""),
    }
}

#[test]
fn request_is_sent_in_any_pieces_and_then_wiped() {
    for piece in [1, 7, 1_000] {
        let mut exchange = new(ExchangeConfig::default());
        assert!(exchange.transmit().is_empty() && exchange.sent() == RequestSent::Nothing);
        exchange.handle_connected(at(0));
        let mut wire = Vec::new();
        while let ExchangeStep::Write { .. } = exchange.poll() {
            let count = exchange.transmit().len().min(piece);
            wire.extend_from_slice(&exchange.transmit()[..count]);
            exchange.handle_written(count, at(0));
        }
        let text = String::from_utf8(wire).unwrap();
        assert!(text.starts_with("POST /2/powerstream/rules HTTP/1.1\r\nHost: api.x.com\r\n"), "{text}");
        assert!(text.contains("\r\nAuthorization: Bearer s3cr3t\r\n"));
        assert!(
            text.contains(
                "\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: 28\r\n"
            )
        );
        assert!(text.ends_with("\r\n\r\n{\"rules\":[{\"value\":\"gull\"}]}"), "{text}");
        assert!(exchange.transmit().is_empty() && exchange.sent() == RequestSent::Whole);
        assert!(!format!("{exchange:?}").contains("s3cr3t"));
    }
}

#[test]
fn token_is_wiped_from_storage() {
    let request = {
        let mut request = Request::new(Method::Get, "h", "/");
        request.token = Some(BearerToken::new("s3cr3t").unwrap());
        request
    };
    type Way = fn(&mut Exchange<&mut [u8]>);
    let ways: [Way; 5] = [
        |_| {},
        |exchange| exchange.handle_connected(at(0)),
        |exchange| {
            exchange.handle_connected(at(0));
            exchange.handle_written(exchange.transmit().len(), at(0));
        },
        |exchange| {
            exchange.handle_connected(at(0));
            exchange.handle_written(3, at(0));
            exchange.handle_transport_error(RESET, at(0));
        },
        |exchange| exchange.shutdown(),
    ];
    for way in ways {
        let mut storage = [b'.'; 512];
        let mut exchange =
            Exchange::new(storage.as_mut_slice(), &request, None, ExchangeConfig::default(), at(0)).unwrap();
        way(&mut exchange);
        drop(exchange);
        assert!(!storage.escape_ascii().to_string().contains("s3cr3t"));
    }
    // Also wiped if the request does not fit.
    for room in 0..300 {
        let mut storage = vec![b'.'; room];
        let config = ExchangeConfig::default();
        let made = Exchange::new(storage.as_mut_slice(), &request, Some(BODY), config, at(0)).map(drop);
        assert!(matches!(made, Ok(()) | Err(RequestError::Length)));
        assert!(!storage.escape_ascii().to_string().contains("s3cr3t"), "{room}");
    }
}

#[test]
fn transport_errors_report_how_much_of_the_request_was_sent() {
    let fault = ExchangeErrorKind::TransportError(RESET);
    let failed = |kind, sent| Some(OwnedEvent::Error { kind, status: None, offset: 0, sent });

    let mut exchange = new(ExchangeConfig::default());
    exchange.handle_transport_error(RESET, at(0));
    assert_eq!(seen(&exchange), failed(fault, RequestSent::Nothing));

    for (count, sent) in [(0, RequestSent::Nothing), (1, RequestSent::Partly)] {
        let mut exchange = broken_off(count);
        // One read for an early response, immediately, because none can arrive later.
        assert_eq!(exchange.poll(), ExchangeStep::Read { until: at(0) });
        assert_eq!(seen(&exchange), None);
        let mut other = broken_off(count);
        exchange.handle_timeout(at(0));
        assert_eq!(seen(&exchange), failed(fault, sent));
        assert_eq!(
            exchange.outcome().unwrap().unwrap_err().is_outcome_unknown(),
            sent != RequestSent::Nothing
        );

        // An early response, in two pieces.
        other.handle_input(b"HTTP/1.1 413 Too Large\r\n", at(0));
        assert!(matches!(other.poll(), ExchangeStep::Read { until } if until > at(0)));
        other.handle_timeout(at(0));
        other.handle_input(b"content-length: 2\r\n\r\nno", at(0));
        assert_eq!(
            seen(&other),
            Some(OwnedEvent::Answer { status: 413, body: b"no".to_vec(), is_complete: true, sent })
        );
    }

    let mut exchange = reading(ExchangeConfig::default());
    let address = "192.0.2.1:443".parse().ok();
    exchange.set_peer_addr(address);
    exchange.handle_transport_error(RESET, at(0));
    assert_eq!(seen(&exchange), failed(fault, RequestSent::Whole));
    let error = exchange.outcome().unwrap().unwrap_err();
    assert!(error.is_outcome_unknown() && error.peer_addr == address);
}

#[test]
fn errors_have_stable_codes() {
    use powerstream_core::http::ChunkErrorKind;
    for (kind, code) in [
        (ExchangeErrorKind::TransportError(RESET), "fault"),
        (ExchangeErrorKind::Timeout(TimeoutKind::Answer), "timeout_answer"),
        (ExchangeErrorKind::Head(HeadErrorKind::NotHttp), "not_http"),
        (ExchangeErrorKind::Chunk(ChunkErrorKind::DataEnd), "chunk_data_end"),
        (ExchangeErrorKind::BodyLength, "body_length"),
        (ExchangeErrorKind::CutInHead, "cut_in_head"),
        (ExchangeErrorKind::Cut, "cut"),
        (ExchangeErrorKind::Stopped, "stopped"),
    ] {
        assert_eq!(kind.code(), code);
    }
}

/// Creates an exchange that sent `count` bytes before the transport failed, and looks for an early
/// response.
fn broken_off(count: usize) -> Exchange<Vec<u8>> {
    let mut exchange = new(ExchangeConfig::default());
    exchange.handle_connected(at(0));
    exchange.handle_written(count, at(0));
    exchange.handle_transport_error(RESET, at(0));
    exchange
}

#[test]
fn each_deadline_expires_on_time() {
    let config = ExchangeConfig::default();
    let expired = |exchange: &Exchange<Vec<u8>>| match exchange.outcome()? {
        Err(error) => match error.kind {
            ExchangeErrorKind::Timeout(reason) => Some((reason, error.sent)),
            _ => None,
        },
        Ok(_) => None,
    };

    let mut exchange = new(config);
    assert_eq!(exchange.poll(), ExchangeStep::Connect { until: at(10) });
    exchange.handle_timeout(at(9));
    assert_eq!(exchange.poll(), ExchangeStep::Connect { until: at(10) });
    exchange.handle_timeout(at(10));
    assert_eq!(expired(&exchange), Some((TimeoutKind::Connect, RequestSent::Nothing)));

    // The head timeout starts at the connection and includes writing.
    let mut exchange = new(config);
    exchange.handle_connected(at(8));
    assert_eq!(exchange.poll(), ExchangeStep::Write { until: at(38) });
    exchange.handle_written(1, at(37));
    exchange.handle_timeout(at(38));
    exchange.handle_timeout(at(38));
    assert_eq!(exchange.poll(), ExchangeStep::Read { until: at(0) }, "a response may have arrived early");
    exchange.handle_timeout(at(38));
    assert_eq!(expired(&exchange), Some((TimeoutKind::Head, RequestSent::Partly)));

    // An expired deadline asks for one more read.
    let mut exchange = reading(config);
    assert_eq!(exchange.poll(), ExchangeStep::Read { until: at(30) });
    exchange.handle_timeout(at(30));
    assert!(matches!(exchange.poll(), ExchangeStep::Read { .. }));
    exchange.handle_timeout(at(30));
    assert_eq!(expired(&exchange), Some((TimeoutKind::Head, RequestSent::Whole)));

    // The timeout of the whole exchange starts at the beginning; a server that never pauses cannot
    // avoid it.
    let mut exchange = reading(config);
    exchange.handle_input(b"HTTP/1.1 200 OK\r\n\r\n", at(29));
    assert_eq!(exchange.poll(), ExchangeStep::Read { until: at(60) });
    for second in 30..60 {
        exchange.handle_input(b" ", at(second));
        assert!(matches!(exchange.poll(), ExchangeStep::Read { .. }), "{second}");
    }
    exchange.handle_input(b" ", at(60));
    exchange.handle_input(b" ", at(61));
    assert_eq!(expired(&exchange), Some((TimeoutKind::Answer, RequestSent::Whole)));
    assert_eq!(exchange.poll(), ExchangeStep::Close);

    // No deadline extends beyond that of the whole exchange.
    let mut short = config;
    short.whole = Duration::from_secs(5);
    let mut exchange = new(short);
    assert_eq!(exchange.poll(), ExchangeStep::Connect { until: at(5) });
    exchange.handle_connected(at(2));
    assert_eq!(exchange.poll(), ExchangeStep::Write { until: at(5) });
}

#[test]
fn shutdown_ends_the_exchange_in_any_state_and_keeps_a_finished_answer() {
    let mut exchange = new(ExchangeConfig::default());
    exchange.shutdown();
    assert_eq!(exchange.poll(), ExchangeStep::Close);
    assert!(matches!(
        seen(&exchange),
        Some(OwnedEvent::Error { kind: ExchangeErrorKind::Stopped, sent: RequestSent::Nothing, .. })
    ));
    let mut exchange = reading(ExchangeConfig::default());
    exchange.handle_input(b"HTTP/1.1 200 OK\r\n", at(0));
    exchange.shutdown();
    assert!(matches!(
        seen(&exchange),
        Some(OwnedEvent::Error { kind: ExchangeErrorKind::Stopped, sent: RequestSent::Whole, .. })
    ));
}
