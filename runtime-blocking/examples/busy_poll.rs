//! Compares a thread that sleeps between Posts with one that polls its socket in a loop.
//!
//! `cargo run --release -p powerstream-blocking --example busy_poll`
//!
//! It runs against its own simulator, and prints how long Posts took from the simulator's
//! write to their delivery. Busy polling needs a processor that nothing else uses.

use std::time::{Duration, Instant};

use powerstream_blocking::{Blocking, Client, Config, SessionEvent, Token, pin_thread};
use powerstream_simulator::Simulator;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let simulator = Simulator::start(powerstream_simulator::Config::default())?;
    let config = Config::builder().token(Token::new("any")?).base_url(simulator.base_url()).build()?;
    // The simulator's threads have started already, and are not pinned.
    if let Err(error) = pin_thread(1) {
        eprintln!("not pinned: {error}");
    }
    for busy_poll in [false, true] {
        let mut stream = Client::new(config.clone())
            .with_runtime(Blocking::default().with_busy_poll(busy_poll))
            .stream()?;
        let mut delivered = Vec::new();
        while delivered.len() < 500 {
            match stream.next() {
                Some(SessionEvent::Message(message)) => {
                    let at = Instant::now();
                    let ids = message.posts().filter_map(|post| post.id());
                    delivered.extend(ids.map(|id| (id.as_u64(), at)));
                }
                Some(SessionEvent::GaveUp(why)) => return Err(why.reason.to_string().into()),
                Some(_) => {}
                None => return Err("the stream has ended".into()),
            }
        }
        let truth = simulator.ground_truth();
        let took = |(id, at): (u64, Instant)| Some(at.saturating_duration_since(truth.written_at(id)?));
        let mut took: Vec<Duration> = delivered.into_iter().filter_map(took).collect();
        took.sort();
        let name = if busy_poll { "spinning" } else { "sleeping" };
        println!("{name}: median {:.1?}, longest {:.1?}", took[took.len() / 2], took[took.len() - 1]);
    }
    Ok(())
}
