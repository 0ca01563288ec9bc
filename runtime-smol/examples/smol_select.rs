//! A stream that races with a timer.
//!
//! `cargo run -p powerstream-smol --example smol_select`
//!
//! It runs against its own simulator. The future of `next()` is dropped whenever the timer is
//! first. That loses nothing.

use std::time::{Duration, Instant};

use powerstream_simulator::Simulator;
use powerstream_smol::{Client, Config, SessionEvent, Token};
use smol::Timer;
use smol::future::or;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let simulator = Simulator::start(Default::default())?;
    let config = Config::builder().token(Token::new("any")?).base_url(simulator.base_url()).build()?;

    smol::block_on(async {
        let mut stream = Client::new(config).stream()?;
        let mut posts = 0;
        for tick in 1..=5 {
            let until = Instant::now() + Duration::from_millis(100);
            while Instant::now() < until {
                let event = async { Some(stream.next().await) };
                let timer = async {
                    Timer::at(until).await;
                    None
                };
                match or(event, timer).await {
                    Some(Some(SessionEvent::Message(message))) => posts += message.posts().count(),
                    Some(Some(SessionEvent::GaveUp(why))) => return Err(why.reason.to_string().into()),
                    Some(Some(_)) => {}
                    Some(None) => return Ok(()),
                    None => break,
                }
            }
            println!("{tick}: {posts} Posts, {} bytes", stream.session().byte_counts().received);
        }

        // Any task or thread may shut the stream down. Events already read are still delivered.
        stream.shutdown_handle().shutdown();
        while stream.next().await.is_some() {}
        Ok(())
    })
}
