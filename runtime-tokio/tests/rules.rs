//! Rules on tokio: what the shared driver does is tested with it; here, that it is driven well.

#![allow(clippy::unwrap_used, reason = "helpers of tests, which clippy.toml does not know from the rest")]

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use powerstream_tokio::client::rule_api::{AddFate, NewRule};
use powerstream_tokio::core::endpoint::SAMPLE;
use powerstream_tokio::{Client, Config, OpenError, RuleClient, Token};

/// Serves one connection after the other with these; with nothing, until the client leaves.
fn serve(answers: Vec<&'static str>) -> (RuleClient, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (sender, requests) = channel();
    std::thread::spawn(move || {
        for answer in answers {
            let (mut socket, _) = listener.accept().unwrap();
            let request = read_request(&mut socket);
            socket.write_all(answer.as_bytes()).unwrap();
            let _ = socket.read_to_end(&mut Vec::new());
            sender.send(request).unwrap();
        }
    });
    let config = Config::builder().base_url(url).token(Token::new("s3cr3t").unwrap()).build().unwrap();
    (Client::new(config).rules().unwrap(), requests)
}

/// Up to the end of a body that is one JSON object in an array in an object.
fn read_request(socket: &mut TcpStream) -> String {
    let mut request = String::new();
    while !(request.ends_with("\r\n\r\n") && request.starts_with("GET") || request.ends_with("}]}")) {
        let mut buffer = [0; 4_096];
        let count = socket.read(&mut buffer).unwrap();
        request += std::str::from_utf8(&buffer[..count]).unwrap();
    }
    request
}

const ADDED: &str = "HTTP/1.1 201 Created\r\ncontent-length: 50\r\n\r\n{\"data\":{\"rules\":[{\"id\":\"7\",\"value\":\"gull\"}]}}    ";
const LISTED: &str = "HTTP/1.1 200 OK\r\ncontent-length: 48\r\n\r\n{\"data\":{\"rules\":[{\"id\":\"7\",\"value\":\"gull\"}]}}  ";

#[test]
fn a_task_of_its_own_adds_and_lists() {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap().block_on(async {
        let (mut rules, requests) = serve(vec![ADDED, LISTED]);
        let work = async move {
            let added = rules.add(&[NewRule::new("gull")]).await.unwrap();
            assert!(matches!(&added.fates[..], [AddFate::Created(rule)] if rule.id.as_deref() == Some("7")));
            let listed = rules.list().await.unwrap();
            assert_eq!((listed.len(), listed[0].value.as_str()), (1, "gull"));
        };
        tokio::spawn(work).await.unwrap();
        assert!(requests.recv().unwrap().ends_with("\r\n\r\n{\"rules\":[{\"value\":\"gull\"}]}"));
        assert!(requests.recv().unwrap().starts_with("GET /2/powerstream/rules HTTP/1.1\r\n"));
    });
}

#[test]
fn a_call_that_is_dropped_leaves_nothing_in_the_way_of_the_next() {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap().block_on(async {
        let (mut rules, requests) = serve(vec!["", LISTED]);
        let is_given_up = tokio::time::timeout(Duration::from_millis(50), rules.list()).await.is_err();
        assert!(is_given_up);
        // The connection of the one before is closed first: until then the server does not look at this one.
        assert_eq!(rules.list().await.unwrap().len(), 1);
        assert_eq!(requests.iter().count(), 2);
    });
}

#[test]
fn only_two_streams_have_rules() {
    let config = Config::builder().base_url("http://127.0.0.1:1").endpoint(SAMPLE).build().unwrap();
    assert!(matches!(Client::new(config).rules(), Err(OpenError::NoRules)));
}
