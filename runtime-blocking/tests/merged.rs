//! Several connections as one stream, over real sockets, read by one thread.

#![allow(clippy::unwrap_used)]

#[macro_use]
mod support;

use std::collections::BTreeSet;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use powerstream_blocking::client::merged::OwnedMergedEvent;
use powerstream_blocking::client::owned::OwnedEvent;
use powerstream_blocking::core::merge::{Group, MergeError};
use powerstream_blocking::{
    Blocking, Client, Config, Connections, MergedEvent, MergedStream, OpenError, TlsConfig, Token,
};
use powerstream_simulator::{Simulator, Tls};
use support::*;

in_each_reading! {
    each_post_comes_once_and_who_was_first_is_told,
    one_that_is_dead_keeps_nobody_waiting,
    one_that_dies_loses_nothing,
    deadlines_hold_while_others_stream,
    shutdown_ends_all_in_every_state,
    the_same_over_tls,
}

fn merged(reading: Reading, connections: &Connections) -> MergedStream {
    client(reading).merged(connections).unwrap()
}

fn client(reading: Reading) -> Client {
    Client::new(Config::builder().build().unwrap())
        .with_runtime(Blocking::default().with_busy_poll(reading == Reading::BusyPoll))
}

fn connections(group: Group, addresses: &[SocketAddr]) -> Connections {
    let config = |address| {
        config(&format!("http://{address}"))
            .timeouts(|timeouts| timeouts.silence = millis(3_000))
            .build()
            .unwrap()
    };
    let list = addresses.iter().enumerate();
    list.fold(Connections::new(group), |list, (index, address)| {
        list.with(["one", "two", "three"][index], config(address))
    })
}

/// Begins a stream, sends these Posts after a while, one chunk each, and hangs.
fn posts(socket: TcpStream, after: u64, ids: impl Iterator<Item = u64>) {
    send(&socket, HEAD);
    std::thread::sleep(millis(after));
    for id in ids {
        send(&socket, line(&post(id)));
    }
    hang(socket);
}

/// Reads until so many Posts came: their ids, and what else was told by whom.
fn read(stream: &mut MergedStream, count: usize) -> (Vec<u64>, Vec<(usize, String)>) {
    read_until(stream, |ids, _| ids.len() >= count)
}

fn read_until(
    stream: &mut MergedStream,
    enough: impl Fn(&[u64], &[(usize, String)]) -> bool,
) -> (Vec<u64>, Vec<(usize, String)>) {
    let (mut ids, mut told) = (Vec::new(), Vec::new());
    while !enough(&ids, &told) {
        match OwnedMergedEvent::from(stream.next().unwrap()) {
            OwnedMergedEvent::Session { event: OwnedEvent::Message(message), .. } => {
                ids.extend(message.id().map(|id| id.as_u64()));
            }
            OwnedMergedEvent::Session { connection, event } => told.push((
                connection.index(),
                match event {
                    OwnedEvent::Connected(_) => "connected".to_owned(),
                    OwnedEvent::Disconnected(why) => why.cause.code().to_owned(),
                    event => panic!("{event:?}"),
                },
            )),
            OwnedMergedEvent::Interrupted(_) => told.push((9, "interrupted".to_owned())),
            OwnedMergedEvent::Gap(_) => told.push((9, "gap".to_owned())),
            event => panic!("{event:?}"),
        }
    }
    (ids, told)
}

fn each_post_comes_once_and_who_was_first_is_told(reading: Reading) {
    let early = serve(vec![|socket| posts(socket, 100, 0..500)]);
    let late = serve(vec![|socket| posts(socket, 600, (0..510).chain(0..5))]);
    let mut stream = merged(reading, &connections(Group::Redundant, &[late, early]));
    let (ids, mut told) = read(&mut stream, 510);
    assert_eq!(ids, (0..510).collect::<Vec<_>>());
    told.sort();
    assert_eq!(told, [(0, "connected".to_owned()), (1, "connected".to_owned())]);
    // What comes again is passed over in silence.
    std::thread::sleep(millis(100));
    let stop = stream.shutdown_handle();
    let ending = std::thread::spawn(move || {
        std::thread::sleep(millis(100));
        stop.shutdown();
    });
    while let Some(event) = stream.next() {
        // What was sent in the last moments may not have come any more.
        assert!(matches!(event, MergedEvent::Gap(_)), "{event:?}");
    }
    ending.join().unwrap();
    let [late, early] = stream.merge().records() else { panic!() };
    assert_eq!((early.wins(), early.losses(), late.wins(), late.losses()), (500, 0, 10, 500));
    assert_eq!((early.duplicates(), late.duplicates()), (0, 5));
    // One clock for both, from one moment on: the lag is that of the server.
    let most = late.lags().max();
    assert!((millis(300)..Duration::from_secs(10)).contains(&most), "{most:?}");
}

fn one_that_is_dead_keeps_nobody_waiting(reading: Reading) {
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let alive = serve(vec![|socket| {
        send(&socket, HEAD);
        for id in 0..50 {
            send(&socket, line(&post(id)));
            std::thread::sleep(millis(5));
        }
        hang(socket);
    }]);
    let mut stream = merged(reading, &connections(Group::Partitioned, &[nobody, alive]));
    let (ids, told) = read(&mut stream, 50);
    assert_eq!(ids, (0..50).collect::<Vec<_>>());
    assert!(told.contains(&(1, "connected".to_owned())), "{told:?}");
    // It was tried again and again meanwhile.
    let tries = told.iter().filter(|(index, code)| *index == 0 && code == "fault").count();
    assert!(tries >= 2, "{told:?}");
}

fn one_that_dies_loses_nothing(reading: Reading) {
    let dying = serve(vec![|socket| {
        send(&socket, HEAD);
        // Until the other stream has begun too, and a second longer: what may have travelled before that is allowed for.
        std::thread::sleep(millis(2_000));
        (0..100).for_each(|id| send(&socket, line(&post(id))));
    }]);
    let staying = serve(vec![|socket| posts(socket, 2_100, 0..300)]);
    let mut stream = merged(reading, &connections(Group::Redundant, &[dying, staying]));
    let cut = (0, "cut".to_owned());
    let (ids, told) = read_until(&mut stream, |ids, told| ids.len() >= 300 && told.contains(&cut));
    assert_eq!(ids, (0..300).collect::<Vec<_>>());
    assert!(!told.contains(&(9, "gap".to_owned())), "the other one had them: {told:?}");
}

fn deadlines_hold_while_others_stream(reading: Reading) {
    let silent = serve(vec![|socket| {
        send(&socket, HEAD);
        hang(socket);
    }]);
    let busy = serve(vec![|socket| {
        send(&socket, HEAD);
        for id in 0..1_000_000 {
            send(&socket, line(&post(id)));
            std::thread::sleep(millis(1));
        }
    }]);
    let quick = config(&format!("http://{silent}")).timeouts(|timeouts| timeouts.silence = millis(300));
    let list = connections(Group::Redundant, &[busy]).with("silent", quick.build().unwrap());
    let mut stream = merged(reading, &list);
    let start = Instant::now();
    loop {
        if let OwnedMergedEvent::Session { connection, event: OwnedEvent::Disconnected(why) } =
            OwnedMergedEvent::from(stream.next().unwrap())
        {
            assert_eq!((connection.index(), why.cause.code()), (1, "timeout_silence"));
            assert_eq!(stream.name(connection), "silent");
            break;
        }
    }
    assert!((millis(300)..millis(300) + SOON).contains(&start.elapsed()), "{:?}", start.elapsed());
}

fn shutdown_ends_all_in_every_state(reading: Reading) {
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for wait in [0, 1, 5, 100] {
        // Streaming, waiting for a head, backing off.
        let streaming = serve(vec![|socket| {
            send(&socket, HEAD);
            let mut id = 0;
            while std::io::Write::write_all(&mut &socket, &line(&post(id))).is_ok() {
                id += 1;
            }
        }]);
        let waiting = serve(vec![hang]);
        let mut stream = merged(reading, &connections(Group::Redundant, &[streaming, waiting, nobody]));
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

fn the_same_over_tls(reading: Reading) {
    let mut simulated = powerstream_simulator::Config::default();
    simulated.tls = Some(Tls::default());
    simulated.rate = Some(2_000.0);
    let simulator = Simulator::start(simulated).unwrap();
    let tls = TlsConfig::only_ca_pem(simulator.ca_pem().unwrap().as_bytes()).unwrap();
    let config = config(&simulator.base_url()).token(Token::new("any").unwrap()).build().unwrap();
    let client = client(reading).with_tls(tls);
    let mut stream = client.merged(&Connections::copies(2, &config)).unwrap();
    let (ids, told) = read(&mut stream, 400);
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), 400, "each once");
    assert_eq!(told.len(), 2, "{told:?}");
    let wins: u64 = stream.merge().records().iter().map(|record| record.wins()).sum();
    assert_eq!(wins, 400);
}

#[test]
fn none_is_no_stream() {
    let none = client(Reading::Blocking).merged(&Connections::new(Group::Redundant)).map(drop).unwrap_err();
    assert!(matches!(none, OpenError::Merge(MergeError::Connections)), "{none:?}");
}
