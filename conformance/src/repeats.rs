//! Posts that are sent again after a reconnect, and delivered once.

use std::time::Duration;

use powerstream_client::config::{Config, Token};
use powerstream_core::stream::PostId;
use powerstream_simulator::{FaultScope, Scenario, Simulator};

const POSTS: usize = 100;
const REPEATED: u64 = 40;

/// Returns a server that closes the first connection after some Posts and sends them again to the
/// second one, its configuration, and how many Posts it has.
pub fn repeating() -> (Simulator, Config, usize) {
    let mut config = powerstream_simulator::Config::default();
    config.source = crate::posts(9, POSTS);
    config.scenario = Scenario::CloseBetween;
    config.fault_on = Some(FaultScope::First(1));
    config.fault_after = REPEATED;
    let simulator = Simulator::start(config).unwrap();
    let config = Config::builder().base_url(simulator.base_url()).token(Token::new("any").unwrap());
    let config = config.backoff(|backoff| backoff.network.first = Duration::from_millis(20));
    (simulator, config.build().unwrap(), POSTS)
}

/// Checks that the Posts of [`repeating`] were delivered once each.
pub fn check_once(mut ids: Vec<PostId>, duplicates: u64) {
    let delivered = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!((ids.len(), duplicates), (delivered, REPEATED));
}
