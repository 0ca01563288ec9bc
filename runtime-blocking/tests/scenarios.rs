//! Every scenario of the simulator, in the clear and over TLS, against what it knows that it sent.

#![allow(clippy::unwrap_used)]

#[macro_use]
mod support;

use std::time::Duration;

use powerstream_blocking::Token;
use powerstream_blocking::core::owned::OwnedEvent;
use powerstream_blocking::core::session::{Disconnected, RefusalKind};
use powerstream_simulator::{Config, Scenario, Simulator, Tls};
use support::{Reading, config, millis};

in_each_reading! {
    what_is_sent_is_delivered_byte_for_byte,
    a_fault_has_its_cause_and_takes_nothing_that_was_whole,
    refusals_have_their_kinds_and_waits,
    a_server_that_accepts_and_closes_is_backed_off_from,
}

/// In the clear and over TLS.
fn securities() -> [Option<Tls>; 2] {
    [None, Some(Tls::default())]
}

/// What came over each stream, until `enough`.
#[derive(Debug, Default)]
struct Came {
    streams: Vec<Vec<Vec<u8>>>,
    skipped: Vec<u64>,
    disconnected: Vec<Disconnected>,
    refused: Vec<(u16, RefusalKind)>,
}

fn simulator(scenario: Scenario, tls: Option<Tls>) -> Simulator {
    let mut config = Config::default();
    config.scenario = scenario;
    config.tls = tls;
    config.rate = Some(2_000.0);
    config.keep_alive = millis(100);
    Simulator::start(config).unwrap()
}

fn read(reading: Reading, simulator: &Simulator, mut enough: impl FnMut(&Came) -> bool) -> Came {
    let url = simulator.base_url();
    let config = config(&url)
        .token(Token::new("any").unwrap())
        // Far more than the simulator is ever silent, on a machine that has much else to do.
        .timeouts(|timeouts| timeouts.silence = millis(2_000))
        .local_dc_only(true);
    let mut came = Came::default();
    for event in reading.stream_over(&config, simulator.ca_pem()) {
        match event {
            OwnedEvent::Connected(_) => came.streams.push(Vec::new()),
            OwnedEvent::Message(message) => came.streams.last_mut().unwrap().push(message.bytes.to_vec()),
            OwnedEvent::KeepAlive => {}
            OwnedEvent::Skipped { bytes } => came.skipped.push(bytes),
            OwnedEvent::Refused(refused) => came.refused.push((refused.refusal.status, refused.refusal.kind)),
            OwnedEvent::Disconnected(disconnected) => came.disconnected.push(disconnected),
            event => panic!("{event:?}"),
        }
        if enough(&came) {
            break;
        }
    }
    came
}

/// What was sent on a connection: its messages up to the limit.
fn sent(simulator: &Simulator, connection: u64) -> Vec<Vec<u8>> {
    let messages = simulator.truth().messages(connection).into_iter();
    messages.map(|message| message.bytes.unwrap().to_vec()).filter(|bytes| bytes.len() <= 1 << 17).collect()
}

fn what_is_sent_is_delivered_byte_for_byte(reading: Reading) {
    use Scenario as S;
    for scenario in [
        S::Steady,
        S::TinyChunks,
        S::Split,
        S::Coalesce,
        S::Dribble,
        S::Arrays,
        S::KeepAlives,
        S::UnknownMessages,
        S::Malformed,
        S::Oversized,
        S::SlowHead,
    ] {
        for tls in securities() {
            let simulator = simulator(scenario, tls);
            let came = read(reading, &simulator, |came| {
                came.streams.last().is_some_and(|messages| messages.len() >= 400)
            });
            let sent = sent(&simulator, 1);
            assert!(
                came.disconnected.is_empty() && came.refused.is_empty(),
                "{scenario}: {:?}",
                came.disconnected
            );
            assert_eq!(came.streams.len(), 1, "{scenario}");
            assert!(sent.starts_with(&came.streams[0]), "{scenario}");
            assert_eq!(!came.skipped.is_empty(), scenario == S::Oversized, "{scenario}");
            assert!(came.skipped.iter().all(|bytes| *bytes == 2 << 20), "{:?}", came.skipped);
        }
    }
}

fn a_fault_has_its_cause_and_takes_nothing_that_was_whole(reading: Reading) {
    use Scenario as S;
    for (scenario, cause) in [
        (S::Stall, "timeout_silence"),
        (S::Reset, "fault"),
        (S::CloseMidMessage, "cut"),
        (S::CloseBetween, "cut"),
        (S::CleanEnd, "ended"),
        (S::BadChunk, "chunk"),
        (S::OperationalDisconnect, "ended"),
    ] {
        // Over TLS whose end nobody announces, too: the body tells an end from a cut.
        let mut bare = Tls::default();
        bare.close_notify = false;
        for tls in securities().into_iter().chain([Some(bare)]) {
            let simulator = simulator(scenario, tls);
            let came = read(reading, &simulator, |came| {
                came.streams.get(1).is_some_and(|messages| messages.len() >= 50)
            });
            assert_eq!(came.disconnected.len(), 1, "{scenario}");
            let disconnected = came.disconnected[0];
            assert!(disconnected.cause.code().starts_with(cause), "{scenario}: {disconnected:?}");
            assert_eq!(disconnected.delay, Duration::ZERO, "{scenario}");
            assert_eq!(disconnected.announced.is_some(), scenario == S::OperationalDisconnect);
            assert_eq!(
                disconnected.undelivered > 0,
                matches!(scenario, S::CloseMidMessage | S::BadChunk),
                "{scenario}"
            );
            let first = sent(&simulator, 1);
            if scenario == S::Reset {
                // The reset may overtake what was in the socket.
                assert!(first.starts_with(&came.streams[0]));
            } else {
                assert!(first.len() >= 100);
                assert!(came.streams[0] == first, "{scenario}: {} of {}", came.streams[0].len(), first.len());
            }
            assert!(sent(&simulator, 2).starts_with(&came.streams[1]), "{scenario}");
        }
    }
}

fn refusals_have_their_kinds_and_waits(reading: Reading) {
    use RefusalKind as K;
    for tls in securities() {
        let simulator = |scenario| self::simulator(scenario, tls.clone());
        let limited = read(reading, &simulator(Scenario::RateLimited), |came| !came.disconnected.is_empty());
        assert_eq!(limited.refused, [(429, K::WindowLimit)]);
        assert!(limited.disconnected[0].delay >= Duration::from_secs(58), "{limited:?}");
        let too_many =
            read(reading, &simulator(Scenario::TooManyConnections), |came| !came.disconnected.is_empty());
        assert_eq!(too_many.refused, [(429, K::ConnectionLimit)]);
        assert!(too_many.disconnected[0].delay >= Duration::from_secs(60));
        let unavailable = simulator(Scenario::Unavailable);
        let came = read(reading, &unavailable, |came| {
            came.streams.first().is_some_and(|messages| messages.len() >= 50)
        });
        assert_eq!(came.refused, [(503, K::Server); 3]);
        let delays: Vec<_> = came.disconnected.iter().map(|disconnected| disconnected.delay).collect();
        for (delay, documented) in delays.into_iter().zip([20, 40, 80]) {
            assert!((millis(documented)..=millis(documented * 5 / 4)).contains(&delay), "{delay:?}");
        }
        assert!(sent(&unavailable, 4).starts_with(&came.streams[0]));
    }
}

fn a_server_that_accepts_and_closes_is_backed_off_from(reading: Reading) {
    for tls in securities() {
        let simulator = simulator(Scenario::AcceptClose, tls);
        let came = read(reading, &simulator, |came| came.disconnected.len() >= 8);
        assert_eq!(came.streams.len(), 8);
        for (index, disconnected) in came.disconnected.iter().enumerate() {
            let documented = millis(20 * index as u64);
            assert!(
                (documented..=documented * 5 / 4).contains(&disconnected.delay),
                "{index}: {disconnected:?}"
            );
            assert_eq!(disconnected.cause.code(), "cut");
        }
    }
}

#[test]
fn none_is_forgotten() {
    // Those that are files are made of the same faults.
    assert_eq!(Scenario::all().iter().filter(|scenario| scenario.toml().is_none()).count(), 22);
}
