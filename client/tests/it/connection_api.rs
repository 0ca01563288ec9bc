//! The connections API: the names of the endpoints, and the parsing of answers.

use powerstream_client::connection_api::{closed, connections_name, listed};
use powerstream_client::rule_api::{ApiErrorKind, Reply};
use powerstream_core::endpoint::{FILTERED_STREAM, FIREHOSE, FIREHOSE_KO, POWERSTREAM, SAMPLE, SAMPLE10};
use powerstream_core::time::UnixTime;

#[test]
fn each_v2_stream_has_a_name() {
    for (endpoint, name) in [
        (POWERSTREAM, None),
        (FILTERED_STREAM, Some("filtered_stream")),
        (SAMPLE, Some("sample_stream")),
        (SAMPLE10, Some("sample10_stream")),
        (FIREHOSE, Some("firehose_stream")),
        (FIREHOSE_KO, Some("firehose_stream_lang_ko")),
    ] {
        assert_eq!(connections_name(&endpoint), name);
    }
}

#[test]
fn parses_every_form_of_a_list() {
    let seen = |status: u16, answer: &str| {
        let page = listed(&Reply::new(status, answer.as_bytes())).map_err(|error| error.kind)?;
        let connections = page.connections.into_iter().map(|it| (it.id, it.connected_at, it.client_ip));
        Ok((connections.collect::<Vec<_>>(), page.next_page))
    };
    let text = |text: &str| Some(text.to_owned());
    let (bare, full) = (
        ("1".to_owned(), None, None),
        ("1".to_owned(), Some(UnixTime::from_millis(1_500)), text("192.0.2.1")),
    );
    for (answer, want) in [
        (r#"{"data":[{"id":"1"}]}"#, (vec![bare.clone()], None)),
        (r#"{"data":[{"id":"1","connected_at":"today"}],"meta":{"next_token":""}}"#, (vec![bare], None)),
        (
            r#"{"data":[{"id":"1","connected_at":"1970-01-01T00:00:01.500Z","client_ip":"192.0.2.1"}],
                "meta":{"next_token":"A1"}}"#,
            (vec![full], text("A1")),
        ),
        (r#"{"meta":{"result_count":0}}"#, (vec![], None)),
    ] {
        assert_eq!(seen(200, answer), Ok(want), "{answer}");
    }
    for (status, answer, kind) in [
        (200, "{}", ApiErrorKind::Unreadable),
        (200, r#"{"data":[{"client_ip":"192.0.2.1"}]}"#, ApiErrorKind::Unreadable),
        (403, r#"{"data":[]}"#, ApiErrorKind::Forbidden),
    ] {
        assert_eq!(seen(status, answer), Err(kind), "{answer}");
    }
}

#[test]
fn only_connections_that_were_ended_count_as_closed() {
    let answer =
        br#"{"data":{"results":[{"uuid":"1","success":false},{"uuid":"2","success":true},{"uuid":"3"}]}}"#;
    assert_eq!(closed(&Reply::new(200, answer)).unwrap(), ["2"]);
    for (status, answer, kind) in
        [(200, &b"{}"[..], ApiErrorKind::Unreadable), (404, answer, ApiErrorKind::NotFound)]
    {
        assert_eq!(closed(&Reply::new(status, answer)).unwrap_err().kind, kind);
    }
}
