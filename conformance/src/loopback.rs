//! Scripted servers on loopback, for tests that need exact bytes and exact times.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

/// The head of a stream's response.
pub const HEAD: &str = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";

/// The limit for a shutdown in a debug build on a busy machine; the documented limit is 100 ms.
pub const SOON: Duration = Duration::from_secs(1);

/// Returns a length of time in milliseconds.
#[must_use]
pub const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Returns an address of this machine where no server listens.
#[must_use]
pub fn unused_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// Returns a Post with this id.
#[must_use]
pub fn post(id: u64) -> String {
    format!(r#"{{"created_at":"Sat Oct 10 20:19:24 +0000 2020","id":{id},"id_str":"{id}","text":"a"}}"#)
}

/// Returns a chunk with one message and its CR LF.
#[must_use]
pub fn chunk(message: &str) -> Vec<u8> {
    format!("{:x}\r\n{message}\r\n\r\n", message.len() + 2).into_bytes()
}

/// Starts a server that serves one connection after the other, each with its own function.
#[must_use]
pub fn serve(serving: Vec<fn(TcpStream)>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || serve_on(&listener, serving));
    address
}

/// Starts a server that serves several connections at the same time, each with its own function.
#[must_use]
pub fn serve_each(serving: Vec<fn(TcpStream)>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    for serve in serving {
        let listener = listener.try_clone().unwrap();
        std::thread::spawn(move || serve_on(&listener, vec![serve]));
    }
    address
}

/// Accepts one connection after the other, reads its request and serves it with its own function.
pub fn serve_on(listener: &TcpListener, serving: Vec<fn(TcpStream)>) {
    for serve in serving {
        let (mut socket, _) = listener.accept().unwrap();
        socket.set_nodelay(true).unwrap();
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            let mut buffer = [0; 1_024];
            match socket.read(&mut buffer) {
                Ok(count @ 1..) => request.extend_from_slice(&buffer[..count]),
                _ => break,
            }
        }
        serve(socket);
    }
}

/// Sends bytes. A client that is gone is no error here: the test checks that.
pub fn send(mut socket: &TcpStream, bytes: impl AsRef<[u8]>) {
    let _ = socket.write_all(bytes.as_ref());
}

/// Waits until the client closes the connection.
pub fn hang(mut socket: TcpStream) {
    while matches!(socket.read(&mut [0; 64]), Ok(1..)) {}
}
