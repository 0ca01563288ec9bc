//! Two connections as one stream.
//!
//! `cargo run -p powerstream-tokio --example tokio_merged`
//!
//! It runs against its own simulator, and delivers each Post once, from the connection that
//! delivers it first.

use powerstream_simulator::Simulator;
use powerstream_tokio::{Client, Config, Connections, MergedEvent, SessionEvent, Token};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let simulator = Simulator::start(Default::default())?;
    let config = Config::builder().token(Token::new("any")?).base_url(simulator.base_url()).build()?;

    let connections = Connections::copies(2, &config);
    let mut stream = Client::new(config).merged(&connections)?;
    let mut posts = 0;
    while posts < 200 {
        match stream.next().await {
            Some(MergedEvent::Session { event: SessionEvent::Message(message), .. }) => {
                posts += message.posts().count();
            }
            Some(MergedEvent::Session { connection, event: SessionEvent::Disconnected(why) }) => {
                eprintln!("connection {}: {}", connection.index(), why.reason);
            }
            Some(MergedEvent::Gap(gap)) => eprintln!("missing: {:?} to {:?}", gap.from, gap.to),
            Some(_) => {}
            None => break,
        }
    }
    for (index, record) in stream.merge().connections().iter().enumerate() {
        println!("connection {index}: {} won, {} lost", record.first_arrivals(), record.late_arrivals());
    }
    Ok(())
}
