//! Keep-alives, missed Posts, past time windows and bursts, all under a virtual clock.

use std::time::Duration;

use powerstream_simulator::{Bursts, Config, End, Simulator, Source, Time};

use crate::client::{Client, Ended, file, request, start};

/// 2026-09-21T14:13:20Z.
const START: u64 = 1_790_000_000_000;
const SECOND: Duration = Duration::from_secs(1);

fn simulator(change: impl FnOnce(&mut Config)) -> Simulator {
    start(|config| {
        config.time = Time::Virtual { unix_ms: START };
        config.rate = Some(2.0);
        change(config);
    })
}

fn connect(simulator: &Simulator, target: &str) -> Client {
    let client = Client::send(simulator, &request(target));
    assert_eq!(client.status(), 200, "{}", client.head);
    client
}

/// Reads everything sent to a connection so far.
fn read(simulator: &Simulator, client: &mut Client, number: u64) -> Vec<u64> {
    let sent = simulator.ground_truth().connection(number).unwrap().messages;
    client.read_messages(sent as usize);
    client.ids()
}

/// Returns when a Post was created, in milliseconds since the start.
fn created(id: u64) -> i64 {
    (id >> 22) as i64 + 1_288_834_974_657 - START as i64
}

fn all_created(ids: &[u64]) -> Vec<i64> {
    ids.iter().map(|id| created(*id)).collect()
}

#[test]
fn sends_a_keep_alive_after_each_20_s_of_silence() {
    let simulator = simulator(|config| config.rate = Some(0.0));
    let mut client = connect(&simulator, "/2/powerstream");
    simulator.advance(Duration::from_millis(19_999));
    assert_eq!(simulator.ground_truth().totals().keep_alives, 0);
    simulator.advance(Duration::from_millis(1));
    assert_eq!(simulator.ground_truth().totals().keep_alives, 1);
    simulator.advance(3_600 * SECOND);
    assert_eq!(simulator.ground_truth().totals().keep_alives, 181);
    client.read_until(|client| client.keep_alives == 181);
}

#[test]
fn sends_keep_alives_between_the_posts_of_a_slow_stream() {
    // One Post every 50 s, with two keep-alives after each.
    let simulator = simulator(|config| config.rate = Some(0.02));
    let mut client = connect(&simulator, "/2/powerstream");
    simulator.advance(200 * SECOND);
    let totals = simulator.ground_truth().totals();
    assert_eq!((totals.posts, totals.keep_alives), (5, 8));
    client.read_messages(5);
}

#[test]
fn equal_seeds_give_equal_bytes_under_a_virtual_clock() {
    let run = || {
        let simulator = simulator(|_| {});
        let mut client = connect(&simulator, "/2/powerstream");
        simulator.advance(10 * SECOND);
        client.read_messages(21).messages.clone()
    };
    assert!(run() == run());
}

#[test]
fn the_feed_continues_without_clients() {
    let simulator = simulator(|_| {});
    let mut first = connect(&simulator, "/2/powerstream");
    simulator.advance(5 * SECOND);
    assert_eq!(all_created(&read(&simulator, &mut first, 1)).last(), Some(&5_000));
    drop(first);
    simulator.ground_truth().wait(5 * SECOND, |totals| totals.open == 0);
    simulator.advance(90 * SECOND);

    // Without backfill, the Posts of 90 s are missed.
    let mut second = connect(&simulator, "/2/powerstream");
    simulator.advance(SECOND);
    assert_eq!(all_created(&read(&simulator, &mut second, 2)), [95_000, 95_500, 96_000]);
    drop(second);

    // Two minutes of backfill: missed Posts first, oldest first, with duplicates, then new ones.
    let mut third = connect(&simulator, "/2/powerstream?backfillMinutes=2");
    simulator.advance(SECOND);
    let ids = read(&simulator, &mut third, 3);
    let times = all_created(&ids);
    assert!(ids.is_sorted());
    assert_eq!((times[0], times.len()), (96_000 - 120_000 + 500, 242));
    assert_eq!(times.last(), Some(&97_000));
    // They include Posts from before the simulator's start.
    assert!(times[0] < 0);
}

#[test]
fn a_recovery_sends_its_time_window_and_ends() {
    let simulator = simulator(|_| {});
    let mut live = connect(&simulator, "/2/powerstream");
    simulator.advance(60 * SECOND);
    let live_ids = read(&simulator, &mut live, 1);
    // From 20 s to 50 s after the start, excluding the end.
    let target = "/2/powerstream?startTime=2026-09-21T14:13:40Z&endTime=2026-09-21T14:14:10Z";
    let mut recovery = connect(&simulator, target);
    assert_eq!(recovery.read_to_end(), Ended::LastChunk);
    let want: Vec<u64> =
        live_ids.iter().copied().filter(|id| (20_000..50_000).contains(&created(*id))).collect();
    assert_eq!(recovery.ids(), want);
    assert_eq!(want.len(), 60);
    simulator.ground_truth().wait(5 * SECOND, |totals| totals.open == 1);
    assert_eq!(simulator.ground_truth().connection(2).unwrap().end, Some(End::Complete));
    // A minute of the previous day, on a v2 stream with recovery.
    let target =
        "/2/tweets/sample10/stream?partition=1&start_time=2026-09-20T14:15:00Z&end_time=2026-09-20T14:16:00Z";
    let mut yesterday = connect(&simulator, target);
    assert_eq!(yesterday.read_to_end(), Ended::LastChunk);
    assert!((40..80).contains(&yesterday.messages.len()), "{}", yesterday.messages.len());
    // More than a day ago.
    let refused = Client::send(&simulator, &request("/2/powerstream?startTime=2026-09-20T14:00:00Z"));
    assert_eq!(refused.status(), 400);
}

#[test]
fn partitions_are_disjoint_and_cover_every_post() {
    let simulator = simulator(|config| config.rate = Some(20.0));
    let mut clients: Vec<Client> =
        (1..=2).map(|n| connect(&simulator, &format!("/2/tweets/sample10/stream?partition={n}"))).collect();
    simulator.advance(10 * SECOND);
    let one = read(&simulator, &mut clients[0], 1);
    let two = read(&simulator, &mut clients[1], 2);
    let mut all = [one.clone(), two.clone()].concat();
    all.sort_unstable();
    all.dedup();
    assert_eq!((all.len(), one.len() + two.len()), (201, 201));
    assert!(one.len() > 60 && two.len() > 60);
}

#[test]
fn a_language_firehose_sends_only_that_language() {
    let simulator = simulator(|config| config.rate = Some(50.0));
    let mut client = connect(&simulator, "/2/tweets/firehose/stream/lang/ja?partition=1&tweet.fields=lang");
    simulator.advance(60 * SECOND);
    read(&simulator, &mut client, 1);
    assert!(client.messages.len() > 20);
    let is_japanese = |message: &Vec<u8>| String::from_utf8_lossy(message).contains("\"lang\":\"ja\"");
    assert!(client.messages.iter().all(is_japanese));
}

#[test]
fn a_burst_sends_ten_times_the_rate() {
    let simulator = simulator(|config| config.bursts = Some(Bursts::new(10.0, 60 * SECOND, 6 * SECOND)));
    let _client = connect(&simulator, "/2/powerstream");
    let posts = || simulator.ground_truth().totals().posts;
    simulator.advance(53_999 * SECOND / 1_000);
    let calm = posts();
    assert_eq!(calm, 108);
    simulator.advance(6 * SECOND);
    assert_eq!(posts() - calm, 120);
}

#[test]
fn connections_share_one_feed_of_a_shared_file() {
    let source = file(100);
    let Source::File(posts) = source.clone() else { panic!() };
    let ids: Vec<u64> = posts.iter().filter_map(|post| post.id()).collect();
    let simulator = simulator(|config| {
        config.source = source;
        config.shared_file = true;
    });
    let mut first = connect(&simulator, "/2/powerstream");
    simulator.advance(10 * SECOND);
    assert_eq!(read(&simulator, &mut first, 1), ids[..21]);
    drop(first);
    simulator.ground_truth().wait(5 * SECOND, |totals| totals.open == 0);
    simulator.advance(10 * SECOND);
    let mut second = connect(&simulator, "/2/powerstream?backfillMinutes=1");
    simulator.advance(3_600 * SECOND);
    // The whole file again, then keep-alives.
    assert_eq!(read(&simulator, &mut second, 2), ids);
    assert!(simulator.ground_truth().connection(2).unwrap().keep_alives > 100);
}

#[test]
fn disconnects_a_client_that_does_not_read() {
    let simulator = simulator(|config| {
        config.rate = Some(1_000.0);
        config.queue_messages_max = 50;
    });
    let _client = connect(&simulator, "/2/powerstream");
    let log = simulator.ground_truth();
    let mut rounds = 0;
    while log.connection(1).unwrap().end.is_none() && rounds < 100 {
        simulator.advance(SECOND / 2);
        rounds += 1;
    }
    assert!(log.wait(5 * SECOND, |totals| totals.open == 0), "{rounds} rounds, {:?}", log.connection(1));
    assert_eq!(log.connection(1).unwrap().end, Some(End::SlowReader));
}

#[test]
fn a_restarted_service_has_the_posts_from_before() {
    let after = |since: u64, from: &str, to: &str| {
        let simulator = simulator(|config| {
            config.time = Time::Virtual { unix_ms: START + since * 1_000 };
            config.feed_start = Some(START);
            config.bursts = Some(Bursts::new(5.0, 60 * SECOND, 10 * SECOND));
        });
        let mut live = connect(&simulator, "/2/powerstream");
        simulator.advance(20 * SECOND);
        let live = read(&simulator, &mut live, 1);
        let target = format!("/2/powerstream?startTime={from}&endTime={to}");
        let mut window = connect(&simulator, &target);
        assert_eq!(window.read_to_end(), Ended::LastChunk);
        (live, window.ids())
    };
    let (live, window) = after(0, "2026-09-21T14:13:20Z", "2026-09-21T14:13:40Z");
    assert_eq!((live.len(), created(live[0])), (41, 0));
    assert_eq!(window, live[..40]);
    // An hour later, after a restart.
    let (later, window) = after(3_600, "2026-09-21T14:13:20Z", "2026-09-21T14:13:40Z");
    assert_eq!(window, live[..40]);
    assert_eq!((later.len(), created(later[0])), (41, 3_600_000));
    // The first run would have sent these later.
    let (_, window) = after(7_200, "2026-09-21T15:13:20Z", "2026-09-21T15:13:40Z");
    assert_eq!(window, later[..40]);
}
