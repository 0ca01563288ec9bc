//! Writes the messages of a response on standard input to standard output, by a `Session`.
#![forbid(unsafe_code)]

use std::io::{Read, Write};

use powerstream_core::http::Origin;
use powerstream_core::session::{Session, SessionConfig, SessionEvent, Step};
use powerstream_core::time::{Instant, UnixTime};

fn main() -> std::io::Result<()> {
    let (mut buffer, mut stdin, mut stdout) = (vec![0; 16 << 10], std::io::stdin(), std::io::stdout());
    let base = std::time::Instant::now();
    let invalid = || std::io::Error::from(std::io::ErrorKind::InvalidData);
    let config = SessionConfig::new(Origin::parse("http://localhost").map_err(|_| invalid())?);
    let storage = vec![0; config.storage_bytes()];
    let mut session =
        Session::new(storage, &config, 1, Instant::ZERO, UnixTime::default()).map_err(|_| invalid())?;
    loop {
        let now = Instant::from_std(std::time::Instant::now(), base);
        match session.poll() {
            Step::Sleep { .. } => session.handle_timeout(now),
            Step::Connect { .. } => session.handle_connected(now),
            Step::Write { .. } => {
                stdout.write_all(session.transmit())?;
                session.handle_written(session.transmit().len(), now);
            }
            Step::Close => session.handle_closed(now),
            Step::Done => return Ok(()),
            Step::Read { .. } | Step::Event => {
                let count = stdin.read(&mut buffer)?;
                if count == 0 {
                    return Ok(());
                }
                let mut input = &buffer[..count];
                while let (consumed, Some(event)) = session.decode(input, now) {
                    if let SessionEvent::Message(message) = event {
                        stdout.write_all(message.bytes)?;
                    }
                    input = &input[consumed..];
                }
            }
        }
    }
}
