//! Several datacenters of one service: which Posts they send and when, and what a kill does.

use std::collections::BTreeSet;
use std::net::TcpStream;
use std::time::Duration;

use powerstream_simulator::{Config, Datacenter, Delay, End, MessageRecord, Simulator, Time};

use crate::client::{Client, Ended, request, start};

const LOCAL: &str = "/2/powerstream?localDcOnly=true";
const SOON: Duration = Duration::from_secs(5);

fn pair(change: impl FnOnce(&mut Config)) -> Simulator {
    start(|config| {
        config.time = Time::Virtual { unix_ms: 1_790_000_000_000 };
        config.rate = Some(20.0);
        config.datacenters = vec![Datacenter::new("atla"), Datacenter::new("pdxa")];
        change(config);
    })
}

fn connect(simulator: &Simulator, name: &str, target: &str) -> Client {
    let client = Client::send_to(&simulator.base_url_of(name).unwrap(), &request(target));
    assert_eq!(client.status(), 200, "{}", client.head);
    client
}

#[test]
fn local_streams_partition_the_posts_of_the_feed() {
    let simulator = pair(|_| {});
    let mut clients = [
        connect(&simulator, "atla", LOCAL),
        connect(&simulator, "pdxa", LOCAL),
        connect(&simulator, "atla", "/2/powerstream"),
        connect(&simulator, "pdxa", "/2/powerstream"),
    ];
    assert!(simulator.advance(Duration::from_secs(10)));
    let sent: Vec<u64> = (1..=4).map(|n| simulator.ground_truth().connection(n).unwrap().messages).collect();
    let mut ids = Vec::new();
    for (client, sent) in clients.iter_mut().zip(sent) {
        client.read_messages(sent as usize);
        ids.push(client.ids());
    }
    for (client, name) in clients.iter().zip(["atla", "pdxa"]) {
        assert_eq!(client.header("x-powerstream-datacenter"), Some(name));
        let metadata: serde_json::Value = serde_json::from_slice(&client.messages[0]).unwrap();
        assert_eq!(
            (&metadata["datacenter"], metadata["timestamp"].as_u64()),
            (&name.into(), Some(1_790_000_000_000))
        );
    }
    // Post 0, and the Posts of ten seconds.
    assert_eq!(ids[2].len(), 201);
    assert_eq!(ids[2], ids[3]);
    assert!(ids[0].len() > 60 && ids[1].len() > 60);
    let union: BTreeSet<u64> = ids[0].iter().chain(&ids[1]).copied().collect();
    assert_eq!(union.len(), ids[0].len() + ids[1].len());
    assert_eq!(union, ids[2].iter().copied().collect());
    assert_eq!(&*simulator.ground_truth().connection(2).unwrap().datacenter, "pdxa");
}

#[test]
fn delays_and_duplicates_follow_the_datacenter() {
    let ms = Duration::from_millis;
    let simulator = pair(|config| {
        config.datacenters[0].transit = Delay::Fixed(ms(70));
        config.datacenters[1].delay = Delay::Exponential { least: ms(10), mean: ms(200) };
        config.datacenters[1].duplicates_percent = 30;
    });
    let (mut near, mut far) =
        (connect(&simulator, "atla", "/2/powerstream"), connect(&simulator, "pdxa", "/2/powerstream"));
    simulator.advance(Duration::from_secs(20));
    let truth = simulator.ground_truth();
    let lags = |number: u64| -> Vec<i64> {
        let messages = truth.messages(number);
        // The log has instants of another clock, so only differences are compared.
        let began = truth.connection(1).unwrap().accepted_at;
        let created = |id: u64| (id >> 22) as i64 + 1_288_834_974_657 - 1_790_000_000_000;
        let lag = |m: &MessageRecord| (m.written_at - began).as_millis() as i64 - created(m.post_id.unwrap());
        messages.iter().map(lag).collect()
    };
    let near_lags = lags(1);
    assert!(near_lags.iter().all(|lag| *lag == 0 || *lag == 70), "{near_lags:?}");
    let far_lags = lags(2);
    assert!(far_lags.iter().all(|lag| *lag >= 10) && far_lags.iter().any(|lag| *lag > 300), "{far_lags:?}");

    near.read_messages(truth.messages(1).len());
    far.read_messages(truth.messages(2).len());
    let (near, far) = (near.ids(), far.ids());
    let once: BTreeSet<u64> = far.iter().copied().collect();
    let twice = far.len() - once.len();
    assert!((60..180).contains(&twice), "{twice} of {}", far.len());
    // Only Posts that are delayed, or that arrived before the first client, are missing. The order
    // is that of arrival.
    let since_start = |id: &&u64| (**id >> 22) + 1_288_834_974_657 >= 1_790_000_000_000;
    assert!(near.iter().take(300).filter(since_start).all(|id| once.contains(id)));
    assert!(!far.is_sorted());
}

#[test]
fn a_datacenter_can_be_killed_and_restarted() {
    let simulator = pair(|_| {});
    let (mut atla, mut pdxa) = (connect(&simulator, "atla", LOCAL), connect(&simulator, "pdxa", LOCAL));
    simulator.advance(Duration::from_secs(1));
    let address = simulator.base_url_of("pdxa").unwrap();
    assert!(simulator.kill("pdxa") && !simulator.kill("pdxa") && !simulator.kill("nowhere"));
    assert_eq!(pdxa.read_to_end(), Ended::Reset);
    assert_eq!(simulator.ground_truth().connection(2).unwrap().end, Some(End::Killed));
    assert!(TcpStream::connect(address.strip_prefix("http://").unwrap()).is_err());

    // The other datacenter continues.
    let before = simulator.ground_truth().connection(1).unwrap().posts;
    simulator.advance(Duration::from_secs(10));
    assert!(simulator.ground_truth().connection(1).unwrap().posts > before + 50);
    atla.read_until(|atla| atla.messages.len() > 40);

    assert!(simulator.restart("pdxa").unwrap() && simulator.restart("pdxa").unwrap());
    assert!(!simulator.restart("nowhere").unwrap());
    assert_eq!(simulator.base_url_of("pdxa").unwrap(), address);
    let mut again = connect(&simulator, "pdxa", LOCAL);
    simulator.advance(Duration::from_secs(1));
    again.read_until(|again| again.messages.len() > 2);
}

#[test]
fn a_kill_ends_blocked_and_idle_connections() {
    let simulator = start(|config| {
        config.source = crate::client::file(6_000);
        config.datacenters = vec![Datacenter::new("atla"), Datacenter::new("pdxa")];
    });
    let mut blocked = connect(&simulator, "pdxa", "/2/powerstream");
    let idle =
        TcpStream::connect(simulator.base_url_of("pdxa").unwrap().strip_prefix("http://").unwrap()).unwrap();
    let truth = simulator.ground_truth();
    let mut before = 0;
    while truth.wait(Duration::from_millis(100), |totals| totals.wire_bytes > before) {
        before = truth.totals().wire_bytes;
    }
    assert!(simulator.kill("pdxa"));
    assert!(truth.wait(SOON, |totals| totals.open == 0));
    assert_eq!(blocked.read_to_end(), Ended::Reset);
    let ends: Vec<_> = truth.connections().iter().map(|connection| connection.end).collect();
    assert_eq!(ends, [Some(End::Killed); 2]);
    drop(idle);
}
