//! Rules: one connection a call.

#![allow(clippy::unwrap_used)]

use std::io::{Read, Write};
use std::net::TcpListener;

use powerstream_smol::core::api::NewRule;
use powerstream_smol::core::endpoint::SAMPLE;
use powerstream_smol::{Client, Config, Token};
use smol::block_on;

const ANSWER: &str = "HTTP/1.1 200 OK\r\ncontent-length: 60\r\n\r\n\
    {\"data\":{\"rules\":[{\"id\":\"7\",\"value\":\"gull\",\"tag\":\"birds\"}]}}";

/// Answers so many connections, each with a list of one rule, and gives back their requests' first lines.
fn serve(count: usize) -> (String, std::thread::JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let base_url = format!("http://{}", listener.local_addr().unwrap());
    let requests = std::thread::spawn(move || {
        let answer = |_| {
            let (mut socket, _) = listener.accept().unwrap();
            let mut buffer = [0; 4_096];
            let count = socket.read(&mut buffer).unwrap();
            // In two parts, so that there is something to wait for.
            for part in [&ANSWER[..70], &ANSWER[70..]] {
                socket.write_all(part.as_bytes()).unwrap();
                std::thread::sleep(std::time::Duration::from_millis(20));
            }
            assert_eq!(socket.read(&mut buffer[count..]).unwrap(), 0, "the connection is used again");
            String::from_utf8_lossy(&buffer[..count]).lines().next().unwrap().to_owned()
        };
        (0..count).map(answer).collect()
    });
    (base_url, requests)
}

#[test]
fn a_call_is_a_connection() {
    let (base_url, requests) = serve(2);
    let config = Config::builder().base_url(base_url).token(Token::new("any").unwrap()).build().unwrap();
    block_on(async {
        let mut rules = Client::new(config).rules().unwrap().unwrap();
        let listed = rules.list().await.unwrap();
        assert_eq!((listed.len(), listed[0].value.as_str()), (1, "gull"));
        let added = rules.add(&[NewRule::tagged("gull", "birds")]).await.unwrap();
        assert_eq!(added.fates.len(), 1);
    });
    let requests = requests.join().unwrap();
    assert_eq!(requests, ["GET /2/powerstream/rules HTTP/1.1", "POST /2/powerstream/rules HTTP/1.1"]);
}

#[test]
fn a_stream_without_rules_has_none() {
    let config = Config::builder().base_url("http://127.0.0.1:1").endpoint(SAMPLE).build().unwrap();
    assert!(Client::new(config).rules().unwrap().is_none());
}
