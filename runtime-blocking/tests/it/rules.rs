//! Rule requests over real sockets: one connection per call, and what is known after a failure.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::mpsc::Receiver;

use powerstream_blocking::client::RulesError;
use powerstream_blocking::client::rule_api::{AddFate, ApiErrorKind, DeleteFate, NewRule};
use powerstream_blocking::core::endpoint::FILTERED_STREAM;
use powerstream_blocking::core::http::{ExchangeErrorKind, RequestSent};
use powerstream_blocking::core::transport_error::TransportErrorKind;
use powerstream_blocking::{Client, Config, RuleClient};
use powerstream_conformance::loopback::unused_address;
use powerstream_conformance::rules::{self, Answer, read_request};

fn serve(answers: Vec<&'static str>) -> (String, Receiver<String>) {
    rules::serve(answers.into_iter().map(Answer::Bytes).collect())
}

fn open(url: &str) -> RuleClient {
    rules::open(url)
}

#[test]
fn each_call_uses_a_separate_connection() {
    let (url, requests) = serve(vec![
        "HTTP/1.1 201 Created\r\ncontent-length: 64\r\nx-rate-limit-remaining: 48\r\n\r\n\
         {\"data\":{\"rules\":[{\"id\":\"7\",\"value\":\"gull\",\"tag\":\"birds\"}]}}    ",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n\
         20\r\n{\"data\":{\"rules\":[{\"id\":\"7\",\"val\r\n11\r\nue\":\"gull\"}]}}   \r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\n\r\n{\"data\":{\"deleted\":1,\"not_deleted\":0}}",
    ]);
    let mut rules = open(&url);
    let added = rules.add(&[NewRule::tagged("gull", "birds")]).unwrap();
    assert!(matches!(&added.fates[..], [AddFate::Created(rule)] if rule.id.as_deref() == Some("7")));
    assert_eq!(rules.rate_limit().remaining, Some(48));
    let listed = rules.list().unwrap();
    assert_eq!((listed.len(), listed[0].value.as_str()), (1, "gull"));
    assert_eq!(rules.rate_limit().remaining, None);
    assert_eq!(rules.delete_ids(&["7"]).unwrap().fates, [DeleteFate::Deleted]);

    let post = requests.recv().unwrap();
    assert!(post.starts_with("POST /2/powerstream/rules HTTP/1.1\r\n"), "{post}");
    assert!(
        post.contains("\r\nAuthorization: Bearer s3cr3t\r\n") && post.contains("\r\nConnection: close\r\n")
    );
    assert!(post.ends_with("\r\n\r\n{\"rules\":[{\"value\":\"gull\",\"tag\":\"birds\"}]}"), "{post}");
    let get = requests.recv().unwrap();
    assert!(get.starts_with("GET /2/powerstream/rules HTTP/1.1\r\n") && get.ends_with("\r\n\r\n"), "{get}");
    let delete = requests.recv().unwrap();
    assert!(delete.starts_with("DELETE /2/powerstream/rules HTTP/1.1\r\n"), "{delete}");
    assert!(delete.ends_with("\r\n\r\n{\"rules\":[{\"id\":\"7\"}]}"), "{delete}");
    assert!(!format!("{rules:?}").contains("s3cr3t"));
}

#[test]
fn lists_all_pages_and_stops_at_a_page_that_repeats() {
    let page = "HTTP/1.1 200 OK\r\n\r\n{\"data\":[{\"id\":\"1\",\"value\":\"a\"}],\"meta\":{\"next_token\":\"A+B\"}}";
    let last =
        "HTTP/1.1 200 OK\r\n\r\n{\"data\":[{\"id\":\"2\",\"value\":\"b\"}],\"meta\":{\"result_count\":1}}";
    let filtered = |url: &str| {
        let config = Config::builder().base_url(url).endpoint(FILTERED_STREAM).build().unwrap();
        Client::new(config).rules().unwrap()
    };
    let (url, requests) = serve(vec![page, last]);
    let listed = filtered(&url).list().unwrap();
    assert_eq!(listed.iter().map(|rule| rule.value.as_str()).collect::<Vec<_>>(), ["a", "b"]);
    assert!(requests.recv().unwrap().starts_with("GET /2/tweets/search/stream/rules HTTP/1.1\r\n"));
    let second = requests.recv().unwrap();
    assert!(
        second.starts_with("GET /2/tweets/search/stream/rules?pagination_token=A%2BB HTTP/1.1\r\n"),
        "{second}"
    );

    // A page that names itself as the next page.
    let (url, _requests) = serve(vec![page, page]);
    assert_eq!(filtered(&url).list(), Err(RulesError::Endless));
}

#[test]
fn a_lost_response_is_reported_as_unknown_and_the_request_is_not_repeated() {
    let (url, requests) = serve(vec!["HTTP/1.1 201 Created\r\ncontent-length: 50\r\n\r\n{\"data\"", ""]);
    let mut rules = open(&url);
    for want in [ExchangeErrorKind::Cut, ExchangeErrorKind::CutInHead] {
        let error = rules.add(&[NewRule::new("gull")]).unwrap_err();
        assert!(error.is_outcome_unknown() && error.is_counted());
        assert!(matches!(&error, RulesError::Exchange(error) if error.kind == want), "{error:?}");
        assert!(requests.recv().is_ok());
    }
    assert!(requests.recv().is_err(), "it was sent again");
}

#[test]
fn a_refused_connect_has_a_known_outcome() {
    let url = format!("http://{}", unused_address());
    let error = open(&url).add(&[NewRule::new("gull")]).unwrap_err();
    assert!(!error.is_outcome_unknown() && !error.is_counted());
    let RulesError::Exchange(error) = error else { panic!("{error:?}") };
    assert_eq!(error.sent, RequestSent::Nothing);
    assert!(
        matches!(error.kind, ExchangeErrorKind::TransportError(fault) if fault.kind == TransportErrorKind::Refused)
    );
}

#[test]
fn reports_an_answer_that_came_before_the_whole_request_was_read() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let server = std::thread::spawn(move || {
        let (mut socket, _) = listener.accept().unwrap();
        let _ = socket.read(&mut [0; 64]).unwrap();
        let body = r#"{"title":"Unauthorized","type":"about:blank","status":401,"detail":"Unauthorized"}"#;
        let head = format!("HTTP/1.1 401 Unauthorized\r\ncontent-length: {}\r\n\r\n", body.len());
        socket.write_all(format!("{head}{body}").as_bytes()).unwrap();
        // Closing with most of the request unread sends a reset after the answer.
    });
    let long = "gull ".repeat(400);
    let rules = vec![NewRule::new(&long); 100];
    let error = open(&url).add(&rules).unwrap_err();
    assert!(
        matches!(&error, RulesError::Refused(error) if error.kind == ApiErrorKind::Unauthorized),
        "{error:?}"
    );
    assert!(!error.is_outcome_unknown());
    server.join().unwrap();
}

#[test]
fn a_shutdown_ends_the_call() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut rules = open(&format!("http://{}", listener.local_addr().unwrap()));
    let shutdown = rules.shutdown_handle();
    let stopper = std::thread::spawn(move || {
        let (mut socket, _) = listener.accept().unwrap();
        read_request(&mut socket);
        shutdown.shutdown();
        socket
    });
    let error = rules.list().unwrap_err();
    assert!(matches!(&error, RulesError::Exchange(error) if error.kind == ExchangeErrorKind::Stopped));
    drop(stopper.join().unwrap());
    assert!(matches!(rules.list(), Err(RulesError::Exchange(error)) if error.sent == RequestSent::Nothing));
}
