//! A consumer that is slower than the stream.
//!
//! `cargo run -p powerstream-tokio --example tokio_queued`
//!
//! It runs against its own simulator, which sends 2,000 Posts per second. A task reads them.
//! The consumer takes a millisecond per Post. The queue drops what the consumer is too slow for,
//! and reports it.

use std::time::Duration;

use powerstream_simulator::Simulator;
use powerstream_tokio::{Client, Config, Delivery, Overflow, OwnedEvent, QueueConfig, Token};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut server = powerstream_simulator::Config::default();
    server.rate = Some(2_000.0);
    let simulator = Simulator::start(server)?;
    let config = Config::builder().token(Token::new("any")?).base_url(simulator.base_url()).build()?;

    let stream = Client::new(config).stream()?;
    let shutdown = stream.shutdown_handle();
    let mut bounds = QueueConfig::default();
    bounds.messages_max = 100;
    bounds.overflow = Overflow::DropOldest;
    let (mut receiver, reading) = stream.queued(bounds)?;

    let (mut posts, mut dropped) = (0, 0);
    while let Some(delivery) = receiver.recv().await {
        match delivery {
            Delivery::Event(OwnedEvent::Message(message)) => {
                posts += message.posts().count();
                if posts >= 300 {
                    // Queued events are still delivered.
                    shutdown.shutdown();
                }
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            Delivery::Event(_) => {}
            Delivery::Dropped(loss) => dropped += loss.messages,
        }
    }
    let stream = reading.await?;
    println!("{posts} Posts, {dropped} dropped, {} bytes", stream.session().byte_counts().received);
    Ok(())
}
