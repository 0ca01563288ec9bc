//! Messages divided by a bare LF, and last messages without a delimiter.

use std::net::TcpStream;
use std::time::Duration;

use powerstream_client::config::{Config, Token};
use powerstream_client::owned::OwnedEvent;

use crate::loopback::{HEAD, chunk, hang, post, send, serve};

const WARNING: &str = r#"{"warning":{"code":"FALLING_BEHIND"}}"#;

/// What is delivered of [`uneven`], in order.
#[derive(Debug, Default)]
pub struct Delivered(Vec<Vec<u8>>);

/// Returns the configuration of a server that uses every legal delimiter and end of stream, each on
/// a separate connection.
#[must_use]
pub fn uneven() -> Config {
    let divided = |socket: TcpStream| {
        send(&socket, HEAD);
        send(&socket, chunk(&format!("{WARNING}\n{}", post(1))));
        send(&socket, "2\r\n[\n\r\n2\r\n]\n\r\n");
        send(&socket, format!("{:x}\r\n{}\r\n0\r\n\r\n", post(2).len(), post(2)));
    };
    let with_length = |socket: TcpStream| {
        send(&socket, format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{}", post(3).len(), post(3)));
        hang(socket);
    };
    let until_close = |socket: TcpStream| send(&socket, format!("HTTP/1.1 200 OK\r\n\r\n{}", post(4)));
    let cut = |socket: TcpStream| {
        send(&socket, HEAD);
        send(&socket, format!("{:x}\r\n{}\r\n", post(5).len(), post(5)));
    };
    let last = |socket: TcpStream| {
        send(&socket, HEAD);
        send(&socket, chunk(&post(6)));
        hang(socket);
    };
    let address = serve(vec![divided, with_length, until_close, cut, last]);
    let config = Config::builder().base_url(format!("http://{address}")).token(Token::new("any").unwrap());
    config.backoff(|backoff| backoff.network.first = Duration::from_millis(20)).build().unwrap()
}

impl Delivered {
    /// Takes in an event. Returns true once everything has come, and checks it then.
    pub fn is_complete(&mut self, event: &OwnedEvent) -> bool {
        let OwnedEvent::Message(message) = event else { return false };
        self.0.push(message.bytes.to_vec());
        let is_last = self.0.last() == Some(&post(6).into_bytes());
        if is_last {
            let wanted = [WARNING.to_owned(), post(1), "[\n]".to_owned(), post(2), post(3), post(4), post(6)];
            assert_eq!(self.0, wanted.map(String::into_bytes));
        }
        is_last
    }
}
