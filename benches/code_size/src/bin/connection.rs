//! Writes the messages of a response on standard input to standard output, by a `Connection`.
#![forbid(unsafe_code)]

use std::io::{Read, Write};

use powerstream_core::stream::{Connection, ConnectionConfig, ConnectionEvent};
use powerstream_core::time::Instant;

fn main() -> std::io::Result<()> {
    let (mut buffer, mut stdin, mut stdout) = (vec![0; 16 << 10], std::io::stdin(), std::io::stdout());
    let base = std::time::Instant::now();
    let mut connection = Connection::new(vec![0; 1 << 20], ConnectionConfig::default());
    connection.handle_connected(Instant::ZERO);
    loop {
        let count = stdin.read(&mut buffer)?;
        if count == 0 {
            return Ok(());
        }
        let now = Instant::from_std(std::time::Instant::now(), base);
        let mut input = &buffer[..count];
        loop {
            let (consumed, event) = connection.decode(input, now);
            match event {
                Ok(Some(ConnectionEvent::Message(message))) => stdout.write_all(message)?,
                Ok(Some(_)) => {}
                Ok(None) => break,
                Err(_) => return Err(std::io::ErrorKind::InvalidData.into()),
            }
            input = &input[consumed..];
        }
    }
}
