//! A stream in a `select!` with a timer.
//!
//! `cargo run -p powerstream-tokio --example tokio_select`
//!
//! It runs against its own simulator. The future of `next()` is dropped whenever the timer is
//! first. That loses nothing.

use std::time::Duration;

use powerstream_simulator::Simulator;
use powerstream_tokio::{Client, Config, SessionEvent, Token};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let simulator = Simulator::start(Default::default())?;
    let config = Config::builder().token(Token::new("any")?).base_url(simulator.base_url()).build()?;

    let mut stream = Client::new(config).stream()?;
    let mut ticks = tokio::time::interval(Duration::from_millis(100));
    let mut posts = 0;
    for _ in 0..5 {
        loop {
            tokio::select! {
                event = stream.next() => match event {
                    Some(SessionEvent::Message(message)) => posts += message.posts().count(),
                    Some(SessionEvent::GaveUp(why)) => return Err(why.reason.to_string().into()),
                    Some(_) => {}
                    None => return Ok(()),
                },
                _ = ticks.tick() => break,
            }
        }
        println!("{posts} Posts, {} bytes", stream.session().byte_counts().received);
    }

    // Any task or thread may shut the stream down. Events already read are still delivered.
    stream.shutdown_handle().shutdown();
    while stream.next().await.is_some() {}
    Ok(())
}
