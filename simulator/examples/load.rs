//! Measures the simulator's load: Posts per second through rules, deliveries per second over many
//! connections, and memory.
//!
//! ```text
//! cargo run --release -p powerstream-simulator --example load -- \
//!     [Posts per second] [rules] [connections] [seconds]
//! ```
//!
//! One rule matches about one Post in 200. The others match none, although some of their words
//! occur. 20,000 Posts per second and 200 connections therefore give about 20,000 deliveries per
//! second. Clients and simulator share this machine; the clients only read.

#![allow(clippy::unwrap_used)]

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use powerstream_simulator::{Config, Simulator};

fn main() {
    let arguments: Vec<f64> = std::env::args().skip(1).map(|argument| argument.parse().unwrap()).collect();
    let argument = |n: usize, default: f64| arguments.get(n).copied().unwrap_or(default);
    let (rate, rules) = (argument(0, 20_000.0), argument(1, 1_000.0) as usize);
    let (connections, seconds) = (argument(2, 200.0) as usize, argument(3, 10.0));

    let mut config = Config::default();
    config.rate = Some(rate);
    config.rules_max = rules.max(1);
    config.rule_requests_max = 1_000_000;
    config.ground_truth_bytes_max = 16 << 20;
    let simulator = Simulator::start(config).unwrap();
    println!("resident at the start: {} MiB", resident_mib());

    let address = simulator.local_addr();
    for first in (0..rules).step_by(100) {
        let rule = |n: usize| match n {
            // This rule matches about one Post in 200.
            0 => r#"{"value":"sample:1 (lang:en OR lang:es OR lang:ja OR lang:pt)"}"#.to_owned(),
            _ => format!(r#"{{"value":"(soup signal{n} OR cat other{n} OR word{n}) -absent{n}"}}"#),
        };
        let batch: Vec<String> = (first..rules.min(first + 100)).map(rule).collect();
        let body = format!(r#"{{"rules":[{}]}}"#, batch.join(","));
        let mut stream = TcpStream::connect(address).unwrap();
        let head = format!(
            "POST /2/powerstream/rules HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer t\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(body.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
    }
    let received = Arc::new(AtomicU64::new(0));
    for _ in 0..connections {
        let mut stream = TcpStream::connect(address).unwrap();
        stream
            .write_all(b"GET /2/powerstream HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer t\r\n\r\n")
            .unwrap();
        let received = received.clone();
        std::thread::Builder::new()
            .stack_size(64 << 10)
            .spawn(move || {
                let mut buffer = [0; 16 << 10];
                while let Ok(len) = stream.read(&mut buffer) {
                    if len == 0 {
                        break;
                    }
                    received.fetch_add(len as u64, Ordering::Relaxed);
                }
            })
            .unwrap();
    }
    let truth = simulator.ground_truth();
    assert!(truth.wait(Duration::from_secs(30), |totals| totals.streams == connections as u64));
    std::thread::sleep(Duration::from_secs(1));
    let (before, bytes_before, began) = (truth.totals(), received.load(Ordering::Relaxed), Instant::now());
    std::thread::sleep(Duration::from_secs_f64(seconds));
    let (after, took) = (truth.totals(), began.elapsed().as_secs_f64());
    let deliveries = after.posts - before.posts;
    let bytes = received.load(Ordering::Relaxed) - bytes_before;
    println!(
        "{rules} rules, {connections} connections: {:.0} deliveries/s, {:.1} MB/s; resident: {} MiB",
        deliveries as f64 / took,
        bytes as f64 / took / 1e6,
        resident_mib()
    );
    // The delay of the feed: the time of the newest id, by this machine's clock.
    let newest = truth.messages(truth.connections().last().map_or(0, |last| last.number)).pop();
    if let Some(id) = newest.and_then(|message| message.post_id) {
        let now =
            std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis() as u64;
        println!("the newest Post is {} ms old", now.saturating_sub((id >> 22) + 1_288_834_974_657));
    }
    println!("connections open {}, ended {}", after.open, after.connections - after.open);
}

/// Returns the resident memory in MiB, and 0 on systems without `/proc`.
fn resident_mib() -> u64 {
    let pages = std::fs::read_to_string("/proc/self/statm").ok();
    let pages = pages.and_then(|text| text.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok()));
    (pages.unwrap_or(0) * 4_096) >> 20
}
