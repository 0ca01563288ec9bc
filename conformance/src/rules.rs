//! A scripted server for rule requests, and the checks that all runtimes share.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};

use powerstream_client::config::{Config, Token};
use powerstream_client::{Client, OpenError, RuleClient, Runtime};
use powerstream_core::endpoint::SAMPLE;

/// The answer to one request.
#[derive(Clone, Copy, Debug)]
#[allow(clippy::exhaustive_enums, reason = "there are these two")]
pub enum Answer {
    /// Sends these bytes and ends its side of the connection.
    Bytes(&'static str),
    /// Sends nothing until the client closes the connection.
    Silence,
}

/// Starts a server that answers one connection after the other. Returns its URL and the requests.
///
/// It accepts a connection only after the client has closed the one before.
#[must_use]
pub fn serve(answers: Vec<Answer>) -> (String, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (sender, requests) = channel();
    std::thread::spawn(move || {
        for answer in answers {
            let (mut socket, _) = listener.accept().unwrap();
            sender.send(read_request(&mut socket)).unwrap();
            if let Answer::Bytes(bytes) = answer {
                socket.write_all(bytes.as_bytes()).unwrap();
                let _ = socket.shutdown(Shutdown::Write);
            }
            let _ = socket.read_to_end(&mut Vec::new());
        }
    });
    (url, requests)
}

/// Reads a request with its body.
pub fn read_request(socket: &mut TcpStream) -> String {
    let mut request = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&request).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: "));
            if body.len() >= length.map_or(0, |length| length.parse().unwrap()) {
                return text;
            }
        }
        let mut buffer = [0; 4_096];
        let count = socket.read(&mut buffer).unwrap();
        assert!(count > 0, "{text}");
        request.extend_from_slice(&buffer[..count]);
    }
}

/// Opens a rule client for this server.
#[must_use]
pub fn open<R: Runtime>(url: &str) -> RuleClient<R> {
    let config = Config::builder().base_url(url).token(Token::new("s3cr3t").unwrap()).build().unwrap();
    Client::new(config).rules().unwrap()
}

/// Checks that a stream without rules has no rule client.
///
/// # Panics
/// If it has one.
pub fn check_no_rules<R: Runtime>() {
    let config = Config::builder().base_url("http://127.0.0.1:1").endpoint(SAMPLE).build().unwrap();
    assert!(matches!(Client::<R>::new(config).rules(), Err(OpenError::NoRules)));
}
