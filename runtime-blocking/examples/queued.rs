//! A consumer that is slower than the stream.
//!
//! `cargo run -p powerstream-blocking --example queued`
//!
//! It runs against its own simulator, which sends 2,000 Posts per second. A thread reads them.
//! The consumer takes a millisecond per Post. The queue drops what the consumer is too slow for,
//! and reports it.

use std::time::Duration;

use powerstream_blocking::{Client, Config, Delivery, Overflow, OwnedEvent, QueueConfig, Token};
use powerstream_simulator::Simulator;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut server = powerstream_simulator::Config::default();
    server.rate = Some(2_000.0);
    let simulator = Simulator::start(server)?;
    let config = Config::builder().token(Token::new("any")?).base_url(simulator.base_url()).build()?;

    let mut bounds = QueueConfig::default();
    bounds.messages_max = 100;
    bounds.overflow = Overflow::DropOldest;
    let stream = Client::new(config).stream()?;
    let shutdown = stream.shutdown_handle();
    let (mut receiver, reading) = stream.queued(bounds)?;

    let (mut posts, mut dropped) = (0, 0);
    while let Some(delivery) = receiver.recv_blocking() {
        match delivery {
            Delivery::Event(OwnedEvent::Message(message)) => {
                posts += message.posts().count();
                if posts >= 300 {
                    // Queued events are still delivered.
                    shutdown.shutdown();
                }
                std::thread::sleep(Duration::from_millis(1));
            }
            Delivery::Event(_) => {}
            Delivery::Dropped(loss) => dropped += loss.messages,
        }
    }
    println!("{posts} Posts taken, {dropped} dropped; the queue says {:?}", receiver.stats());
    assert!(!reading.join().session().is_streaming());
    assert_eq!(dropped, receiver.stats().dropped.messages);
    Ok(())
}
