//! Several connections as one stream, read by one thread.

use std::collections::BTreeSet;
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use powerstream_blocking::client::merged::OwnedMergedEvent;
use powerstream_blocking::client::owned::OwnedEvent;
use powerstream_blocking::core::merge::Topology;
use powerstream_blocking::{Client, Config, Connections, MergedEvent, MergedStream, TlsConfig, Token};
use powerstream_simulator::{Simulator, Tls};

use crate::support::*;

in_each_read_mode! {
    delivers_each_post_once_and_counts_first_arrivals,
    a_dead_connection_does_not_delay_the_others,
    a_closed_connection_loses_nothing,
    deadlines_hold_while_others_stream,
    shutdown_ends_all_connections_in_every_state,
    delivers_each_post_once_over_tls,
}

fn merged(mode: ReadMode, connections: &Connections) -> MergedStream {
    client(mode).merged(connections).unwrap()
}

fn client(mode: ReadMode) -> Client {
    Client::new(Config::builder().build().unwrap()).with_runtime(mode.runtime())
}

fn connections(group: Topology, addresses: &[SocketAddr]) -> Connections {
    let config = |address| {
        config(&format!("http://{address}"))
            .timeouts(|timeouts| timeouts.idle = millis(3_000))
            .build()
            .unwrap()
    };
    let list = addresses.iter().enumerate();
    list.fold(Connections::new(group), |list, (index, address)| {
        list.with(["one", "two", "three"][index], config(address))
    })
}

/// Begins a stream, sends these Posts after a while, one chunk each, and keeps the connection open.
fn posts(socket: TcpStream, after: u64, ids: impl Iterator<Item = u64>) {
    send(&socket, HEAD);
    std::thread::sleep(millis(after));
    for id in ids {
        send(&socket, chunk(&post(id)));
    }
    hang(socket);
}

/// Reads this many Posts. Returns their ids, and the other events with their connections.
fn read(stream: &mut MergedStream, count: usize) -> (Vec<u64>, Vec<(usize, String)>) {
    read_until(stream, |ids, _| ids.len() >= count)
}

fn read_until(
    stream: &mut MergedStream,
    enough: impl Fn(&[u64], &[(usize, String)]) -> bool,
) -> (Vec<u64>, Vec<(usize, String)>) {
    let (mut ids, mut others) = (Vec::new(), Vec::new());
    while !enough(&ids, &others) {
        match OwnedMergedEvent::from(stream.next().unwrap()) {
            OwnedMergedEvent::Session { event: OwnedEvent::Message(message), .. } => {
                ids.extend(message.id().map(|id| id.as_u64()));
            }
            OwnedMergedEvent::Session { connection, event } => others.push((
                connection.index(),
                match event {
                    OwnedEvent::Connected(_) => "connected".to_owned(),
                    OwnedEvent::Disconnected(why) => why.reason.code().to_owned(),
                    event => panic!("{event:?}"),
                },
            )),
            OwnedMergedEvent::Interrupted(_) => others.push((9, "interrupted".to_owned())),
            OwnedMergedEvent::Gap(_) => others.push((9, "gap".to_owned())),
            event => panic!("{event:?}"),
        }
    }
    (ids, others)
}

fn delivers_each_post_once_and_counts_first_arrivals(mode: ReadMode) {
    let early = serve(vec![|socket| posts(socket, 100, 0..500)]);
    let late = serve(vec![|socket| posts(socket, 600, (0..510).chain(0..5))]);
    let mut stream = merged(mode, &connections(Topology::Redundant, &[late, early]));
    let (ids, mut others) = read(&mut stream, 510);
    assert_eq!(ids, (0..510).collect::<Vec<_>>());
    others.sort();
    assert_eq!(others, [(0, "connected".to_owned()), (1, "connected".to_owned())]);
    // Duplicates are not delivered.
    std::thread::sleep(millis(100));
    let stop = stream.shutdown_handle();
    let ending = std::thread::spawn(move || {
        std::thread::sleep(millis(100));
        stop.shutdown();
    });
    while let Some(event) = stream.next() {
        // The last Posts sent may not have arrived.
        assert!(matches!(event, MergedEvent::Gap(_)), "{event:?}");
    }
    ending.join().unwrap();
    let [late, early] = stream.merge().connections() else { panic!() };
    assert_eq!(
        (early.first_arrivals(), early.late_arrivals(), late.first_arrivals(), late.late_arrivals()),
        (500, 0, 10, 500)
    );
    assert_eq!((early.duplicates(), late.duplicates()), (0, 5));
    // Both connections have one clock, so the lag is that of the server.
    let most = late.lags().max();
    assert!((millis(300)..Duration::from_secs(10)).contains(&most), "{most:?}");
}

fn a_dead_connection_does_not_delay_the_others(mode: ReadMode) {
    let unused = unused_address();
    let alive = serve(vec![|socket| {
        send(&socket, HEAD);
        for id in 0..50 {
            send(&socket, chunk(&post(id)));
            std::thread::sleep(millis(5));
        }
        hang(socket);
    }]);
    let mut stream = merged(mode, &connections(Topology::Partitioned, &[unused, alive]));
    let (ids, others) = read(&mut stream, 50);
    assert_eq!(ids, (0..50).collect::<Vec<_>>());
    assert!(others.contains(&(1, "connected".to_owned())), "{others:?}");
    // The dead connection was retried meanwhile.
    let tries = others.iter().filter(|(index, code)| *index == 0 && code == "fault").count();
    assert!(tries >= 2, "{others:?}");
}

fn a_closed_connection_loses_nothing(mode: ReadMode) {
    let dying = serve(vec![|socket| {
        send(&socket, HEAD);
        // Two seconds longer than the other stream takes to begin: a gap starts two seconds early.
        for id in 0..100 {
            send(&socket, chunk(&post(id)));
            std::thread::sleep(millis(30));
        }
    }]);
    let staying = serve(vec![|socket| posts(socket, 2_100, 0..300)]);
    let mut stream = merged(mode, &connections(Topology::Redundant, &[dying, staying]));
    let cut = (0, "cut".to_owned());
    let (ids, others) = read_until(&mut stream, |ids, others| ids.len() >= 300 && others.contains(&cut));
    assert_eq!(ids, (0..300).collect::<Vec<_>>());
    assert!(!others.contains(&(9, "gap".to_owned())), "the other connection delivered them: {others:?}");
}

fn deadlines_hold_while_others_stream(mode: ReadMode) {
    let silent = serve(vec![|socket| {
        send(&socket, HEAD);
        hang(socket);
    }]);
    let busy = serve(vec![|socket| {
        send(&socket, HEAD);
        for id in 0..1_000_000 {
            send(&socket, chunk(&post(id)));
            std::thread::sleep(millis(1));
        }
    }]);
    let quick = config(&format!("http://{silent}")).timeouts(|timeouts| timeouts.idle = millis(300));
    let list = connections(Topology::Redundant, &[busy]).with("silent", quick.build().unwrap());
    let mut stream = merged(mode, &list);
    let start = Instant::now();
    loop {
        if let OwnedMergedEvent::Session { connection, event: OwnedEvent::Disconnected(why) } =
            OwnedMergedEvent::from(stream.next().unwrap())
        {
            assert_eq!((connection.index(), why.reason.code()), (1, "timeout_silence"));
            assert_eq!(stream.name(connection), "silent");
            break;
        }
    }
    assert!((millis(300)..millis(300) + SOON).contains(&start.elapsed()), "{:?}", start.elapsed());
}

fn shutdown_ends_all_connections_in_every_state(mode: ReadMode) {
    let unused = unused_address();
    for wait in [0, 1, 5, 100] {
        // Streaming, waiting for a head, backing off.
        let streaming = serve(vec![|socket| {
            send(&socket, HEAD);
            let mut id = 0;
            while std::io::Write::write_all(&mut &socket, &chunk(&post(id))).is_ok() {
                id += 1;
            }
        }]);
        let waiting = serve(vec![hang]);
        let mut stream = merged(mode, &connections(Topology::Redundant, &[streaming, waiting, unused]));
        let stop = stream.shutdown_handle();
        let reader = std::thread::spawn(move || {
            while stream.next().is_some() {}
            Instant::now()
        });
        std::thread::sleep(millis(wait));
        let asked = Instant::now();
        stop.shutdown();
        let took = reader.join().unwrap() - asked;
        assert!(took < SOON, "{took:?}");
    }
}

fn delivers_each_post_once_over_tls(mode: ReadMode) {
    let mut simulated = powerstream_simulator::Config::default();
    simulated.tls = Some(Tls::default());
    simulated.rate = Some(2_000.0);
    let simulator = Simulator::start(simulated).unwrap();
    let tls = TlsConfig::only_ca_pem(simulator.ca_pem().unwrap().as_bytes()).unwrap();
    let config = config(&simulator.base_url()).token(Token::new("any").unwrap()).build().unwrap();
    let client = client(mode).with_tls(tls);
    let mut stream = client.merged(&Connections::copies(2, &config)).unwrap();
    let (ids, others) = read(&mut stream, 400);
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), 400, "each once");
    assert_eq!(others.len(), 2, "{others:?}");
    let wins: u64 = stream.merge().connections().iter().map(|record| record.first_arrivals()).sum();
    assert_eq!(wins, 400);
}

#[test]
fn recovers_what_was_missed_between_processes() {
    powerstream_conformance::recovery::check(&|connections, record| {
        let mut stream = merged(ReadMode::Blocking, connections);
        while let Some(event) = stream.next() {
            if record(event.into()).is_break() {
                break;
            }
        }
        stream.position()
    });
}
